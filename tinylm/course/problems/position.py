"""Rotary positions: forward and backward."""

from typing import Any

import numpy as np

from tinylm.course.exercise import case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, drawn, first_gradient, integers, pick, whole
from tinylm.course.work import COUNTED, linear
from tinylm.ops import position as live

BASES = (10000.0, 1000.0, 500.0, 100.0)  # of a student's variant


def _operands(draw: Any, *, far: bool) -> tuple[Any, Any]:
    T, D = whole(draw, 1, 3), 2 * whole(draw, 1, 3)
    lead = pick(draw, (), (2,), (2, 1))
    dtype = pick(draw, np.float64, np.float64, np.float32)
    start = pick(draw, 0, 0, 4000) if far else 0
    return array(draw, (*lead, T, D), dtype), integers(draw, (T,), 0, 3) + start


def rotary_case(draw: Any) -> Any:
    return case(XP, *_operands(draw, far=True))


def rotary_backward_case(draw: Any) -> Any:
    return backward_case(live.rotary, lambda y: array(draw, y.shape, y.dtype), *_operands(draw, far=False))


NEIGHBOURS = Fault(
    "neighbours",
    "the pairs were neighbours, (x[0], x[1]), not first half with second half",
    (
        ("x[..., :half], x[..., half:]\n    return", "x[..., ::2], x[..., 1::2]\n    return"),
        (
            "xp.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)",
            "xp.stack((first * cos - second * sin, second * cos + first * sin), axis=-1).reshape(x.shape)",
        ),
    ),
    "Which feature is the partner of feature 0, when D is 4?",
)
REFLECTED = Fault(
    "reflected",
    "the second of a pair had the wrong sign before its sine",
    (("second * cos + first * sin", "second * cos - first * sin"),),
    "Turn (1, 0) by 90° on paper: where does it point?",
)
PLAIN_COSINE = Fault(
    "no_sines",
    "every feature were multiplied by its cosine, and nothing passed between the two of a pair",
    (("first * cos - second * sin, second * cos + first * sin", "first * cos, second * cos"),),
    "A rotation mixes the two numbers of a pair.",
)

add(
    Problem(
        "rotary",
        live.rotary,
        topic="attention",
        level=2,
        minutes=40,
        inputs=drawn(rotary_case),
        view=first,
        helpers=(live.rotate,),
        variants={"base": BASES},
        notes=COUNTED.format("twice the row"),
        work=linear(lambda n: case(XP, np.ones((1, n)), np.arange(1)), "a D × D matrix is made for every position"),
        faults=(
            NEIGHBOURS,
            REFLECTED,
            PLAIN_COSINE,
            Fault(
                "other_way",
                "it turned by −a",
                (("xp.sin(angles)", "xp.sin(-angles)"),),
                "Which of the two products in the first number of a pair has the minus sign?",
            ),
            Fault(
                "not_divided",
                "the frequencies were base^(−i), not base^(−i/h)",
                ((" / max(half, 1))", ")"),),
                "With D = 4 there are two frequencies, 1 and base^(−1/2).",
            ),
            Fault(
                "divided_by_D",
                "the frequencies were base^(−i/D), not base^(−i/h) with h = D/2",
                (("/ max(half, 1)", "/ x.shape[-1]"),),
                "By what is i divided: by the features or by the pairs?",
            ),
            Fault(
                "rising",
                "the frequencies rose, base^(i/h)",
                (("base ** (-xp.arange", "base ** (xp.arange"),),
                "The last pairs turn slowest.",
            ),
            Fault(
                "from_one",
                "positions were counted from 1",
                (("positions.astype(xp.float64)[", "(positions + 1).astype(xp.float64)["),),
                "At position 0 nothing turns.",
            ),
            Fault(
                "coarse_angles",
                "the angles were computed in the dtype of x, which is too coarse for far positions",
                (
                    ("dtype=xp.float64) / max", "dtype=x.dtype) / max"),
                    ("positions.astype(xp.float64)", "positions.astype(x.dtype)"),
                ),
                "How many digits of position · frequency are left behind the point, at position 4000 in float32?",
            ),
        ),
    ),
    Problem(
        "rotary_backward",
        live.rotary_backward,
        topic="attention",
        level=2,
        minutes=20,
        inputs=drawn(rotary_backward_case),
        needs=("rotary",),
        view=first_gradient,
        helpers=(live.rotate,),
        notes="dy: (..., T, D)   →   dx: (..., T, D). cos and sin are those of the angles, (T, D/2). Return dx; "
        "or dx, None, as positions have no gradient.",
        faults=(
            Fault(
                "same_way",
                "dy were turned by the angles again, not back",
                (("-sin)", "sin)"),),
                "What undoes a rotation?",
            ),
            Fault(
                "scaled_only",
                "dx were dy times the cosines alone",
                (("first * cos - second * sin, second * cos + first * sin", "first * cos, second * cos"),),
                "Each x is in two y: two terms meet in its gradient.",
            ),
            NEIGHBOURS,
            REFLECTED,
        ),
    ),
)
