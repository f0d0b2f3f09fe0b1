"""Softmax and its logarithm along an axis: forward and backward."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinylm.course.compare import computed
from tinylm.course.exercise import Case, case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, axis_of, drawn, dtype_of, pick, shape_of
from tinylm.course.work import COUNTED, linear
from tinylm.ops import activation as live

ROWS = (0.0, 1e4, -1e4)  # what is added to a whole row
STEEP = (0.0, 1000.0, 1.0, -1000.0)


def _settings(draw: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"axis": axis_of(draw, shape)} if pick(draw, False, True, True) else {}


def _forward(draw: Any) -> Case:
    """Numbers of which e to the power can be had; or rows far from 0, and far from each other; or steep rows."""
    shape, kind = shape_of(draw), pick(draw, "near", "steep", "rows", "steep", "rows")
    settings = _settings(draw, shape)
    if kind == "steep":
        return case(XP, array(draw, shape, among=STEEP), **settings)
    x = array(draw, shape, dtype_of(draw) if kind == "near" else float)  # in float32 x − ln Σ would be coarse there
    if kind == "rows":
        axis = settings.get("axis", -1) % len(shape)
        x = x + array(draw, tuple(1 if i == axis else n for i, n in enumerate(shape)), among=ROWS)
    return case(XP, x, **settings)


def _backward(draw: Any, op: Any) -> Case:
    shape, dtype = shape_of(draw), dtype_of(draw)
    return backward_case(op, array(draw, shape, dtype), array(draw, shape, dtype), **_settings(draw, shape))


@drawn
def forward_inputs(draw: Any) -> Case:
    return _forward(draw)


@drawn
def softmax_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.softmax)


@drawn
def log_softmax_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.log_softmax)


def long_row(op: Any) -> Callable[[int], Case]:
    """n → a backward for a row of n numbers."""
    return lambda n: backward_case(op, np.ones((1, n)), np.linspace(0, 1, n)[None])


ROW = "\n\n" + COUNTED.format("twice the row")
JACOBIAN = "all n × n numbers of the Jacobian of a row are made"

FAR_HINT = "Try [0., 1.] and [10000., 10001.]: they should give the same."
ALL_MAX_HINT = "Try two rows, one of which is 10000 above the other: what is e to the power of -10000?"
AXIS_HINT = "axis is a setting: call your function with axis=0."
BETWEEN = "Numbers compete only along the axis: change one row, and no other may change."

add(
    Problem(
        "softmax",
        live.softmax,
        topic="operations",
        level=1,
        minutes=10,
        inputs=forward_inputs,
        view=first,
        compare=computed(),
        faults=(
            Fault("max_kept", "the maximum were not subtracted", (("x - x.max(axis=axis, keepdims=True)", "x + 0"),),
                  FAR_HINT),
            Fault(
                "one_max", "one maximum of the whole array were subtracted, not that of each row",
                (("x.max(axis=axis, keepdims=True)", "x.max()"),), ALL_MAX_HINT,
            ),
            Fault(
                "axis_fixed", "axis were always the last",
                (("x.max(axis=axis, ", "x.max(axis=-1, "), ("e.sum(axis=axis, ", "e.sum(axis=-1, ")), AXIS_HINT,
            ),
            Fault("one_sum", "all numbers together added up to 1, not those of each row",
                  (("e.sum(axis=axis, keepdims=True)", "e.sum()"),), BETWEEN),
            Fault(
                "keepdims_missing", "the sum had lost its axis (keepdims=True is missing)",
                (("e.sum(axis=axis, keepdims=True)", "e.sum(axis=axis)"),),
                "Which shapes does the division meet, for x of shape (2, 2) and of shape (2, 3)?",
            ),
            Fault("not_divided", "it were not divided by the sum", (("p = e / e.sum", "p = e + 0 * e.sum"),),
                  "What does a row of the result add up to?"),
        ),
    ),
    Problem(
        "softmax_backward",
        live.softmax_backward,
        topic="operations",
        level=2,
        minutes=20,
        inputs=softmax_backward_inputs,
        needs=("softmax",),
        compare=computed(),
        notes="dy: (..., N)   p: (..., N)   →   dx: (..., N)\n\np is what softmax gave; Σ is over the axis."
        + ROW,
        work=linear(long_row(live.softmax), JACOBIAN),
        faults=(
            Fault(
                "diagonal", "only the diagonal p (1 - p) of the Jacobian were used",
                (("p * (dy - (dy * p).sum(axis=axis, keepdims=True))", "p * (dy - dy * p)"),),
                "Every y depends on every x of its row: what does a greater x do to the others?",
            ),
            Fault("sum_forgotten", "dx were p · dy, without the sum",
                  ((" - (dy * p).sum(axis=axis, keepdims=True)", ""),),
                  "The numbers of a row add up to 1, so a row of dx adds up to 0."),
            Fault("unweighted", "dy were summed without p", (("(dy * p).sum", "dy.sum"),),
                  "A row of dx adds up to 0: does yours?"),
            Fault("p_forgotten", "the factor p in front were left out", (("return p * (", "return (1 + 0 * p) * ("),),
                  "How large can a slope be where p is nearly 0?"),
            Fault("axis_fixed", "axis were always the last", (("sum(axis=axis", "sum(axis=-1"),), AXIS_HINT),
            Fault("one_sum", "the sum ran over the whole array, not over each row",
                  ((".sum(axis=axis, keepdims=True)", ".sum()"),), BETWEEN),
        ),
    ),
    Problem(
        "log_softmax",
        live.log_softmax,
        topic="operations",
        level=1,
        minutes=10,
        inputs=forward_inputs,
        needs=("softmax",),
        view=first,
        compare=computed(),
        faults=(
            Fault(
                "log_of_softmax", "softmax came first and then its logarithm: where softmax is 0 that is -inf",
                (("y = shifted - xp.log(xp.exp(shifted).sum(axis=axis, keepdims=True))",
                  "y = xp.log(xp.exp(shifted) / xp.exp(shifted).sum(axis=axis, keepdims=True))"),),
                "Try [0., 10000.]: the answer is [-10000., 0.].",
            ),
            Fault("max_kept", "the maximum were not subtracted", (("x - x.max(axis=axis, keepdims=True)", "x + 0"),),
                  FAR_HINT),
            Fault(
                "max_lost", "the maximum were subtracted inside of the sum alone", (("y = shifted -", "y = x -"),),
                "What is taken from x in one place must be taken in the other too: a row of eʸ adds up to 1.",
            ),
            Fault(
                "one_max", "one maximum of the whole array were subtracted, not that of each row",
                (("x.max(axis=axis, keepdims=True)", "x.max()"),), ALL_MAX_HINT,
            ),
            Fault("axis_fixed", "axis were always the last",
                  (("x.max(axis=axis, ", "x.max(axis=-1, "), (".sum(axis=axis, ", ".sum(axis=-1, ")), AXIS_HINT),
            Fault(
                "keepdims_missing", "the sum had lost its axis (keepdims=True is missing)",
                ((".sum(axis=axis, keepdims=True)", ".sum(axis=axis)"),),
                "Which shapes does the subtraction meet, for x of shape (2, 2) and of shape (2, 3)?",
            ),
            Fault("base_two", "the logarithm were to base 2", (("xp.log(", "xp.log2("),),
                  "ln is the natural logarithm."),
        ),
    ),
    Problem(
        "log_softmax_backward",
        live.log_softmax_backward,
        topic="operations",
        level=2,
        minutes=20,
        inputs=log_softmax_backward_inputs,
        needs=("log_softmax",),
        compare=computed(),
        notes="dy: (..., N)   y: (..., N)   →   dx: (..., N)\n\ny is what log_softmax gave; Σ is over the axis.",
        faults=(
            Fault("sum_forgotten", "dx were dy (1 - eʸ), without the sum",
                  (("dy.sum(axis=axis, keepdims=True)", "dy"),),
                  "Every y depends on every x of its row: what does a greater x do to the others?"),
            Fault("softmax_forgotten", "the sum were not weighted by eʸ", (("xp.exp(y) * ", "0 * y + "),),
                  "A row of dx adds up to 0: does yours?"),
            Fault("y_taken_for_p", "y were taken for the probabilities", (("xp.exp(y)", "y"),),
                  "y is the logarithm of the probabilities."),
            Fault("mean_taken", "the mean of dy stood in place of its sum", (("dy.sum(", "dy.mean("),),
                  "A row of dx adds up to 0: does yours?"),
            Fault("axis_fixed", "axis were always the last", (("sum(axis=axis", "sum(axis=-1"),), AXIS_HINT),
            Fault("one_sum", "the sum ran over the whole array, not over each row",
                  ((".sum(axis=axis, keepdims=True)", ".sum()"),), BETWEEN),
        ),
    ),
)  # fmt: skip
