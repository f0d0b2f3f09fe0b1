"""Features as heads, and heads as features again: forward and backward."""

from typing import Any

from tinylm.course.exercise import case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, drawn, dtype_of, pick, whole
from tinylm.ops import shape as live


def _split(draw: Any) -> tuple[Any, dict[str, int]]:
    heads, size, T = whole(draw, 1, 3), whole(draw, 1, 3), whole(draw, 1, 3)
    start, rest = whole(draw, 0, 2), whole(draw, 0, 1)
    x = array(draw, (*pick(draw, (), (2,)), T, start + heads * size + rest), dtype_of(draw))
    return x, {"heads": heads, "size": size, **({"start": start} if start else {})}


def split_case(draw: Any) -> Any:
    x, settings = _split(draw)
    return case(XP, x, **settings)


def split_backward_case(draw: Any) -> Any:
    x, settings = _split(draw)
    return backward_case(live.split_heads, lambda y: array(draw, y.shape, y.dtype), x * 0, **settings)


def _heads(draw: Any) -> Any:
    shape = (whole(draw, 1, 3), whole(draw, 1, 3), whole(draw, 1, 3))
    return array(draw, (*pick(draw, (), (2,)), *shape), dtype_of(draw))


def merge_case(draw: Any) -> Any:
    return case(XP, _heads(draw))


def merge_backward_case(draw: Any) -> Any:
    return backward_case(live.merge_heads, lambda y: array(draw, y.shape, y.dtype), _heads(draw))


RESHAPED = "A reshape keeps the order in memory. After it, do two features of one position still stand side by side?"
STRIDES = "Which features belong to head 0: the first D (`size`), or every N-th?"

add(
    Problem(
        "split_heads",
        live.split_heads,
        topic="attention",
        level=1,
        minutes=15,
        inputs=drawn(split_case),
        view=first,
        notes="start is 0 where it is not given; the tests ask only for heads that fit.",
        faults=(
            Fault(
                "only_reshaped",
                "the features were reshaped into (N, T, D) without transposing",
                (("xp.swapaxes(rows, -3, -2)", "rows.reshape(*x.shape[:-2], heads, x.shape[-2], size)"),),
                RESHAPED,
            ),
            Fault(
                "not_transposed",
                "heads and time were left in the order (T, N, D)",
                (("xp.swapaxes(rows, -3, -2)", "rows"),),
                "y is (..., N, T, D): heads come before time.",
            ),
            Fault(
                "strided",
                "a head took every N-th feature",
                (("reshape(*x.shape[:-1], heads, size)", "reshape(*x.shape[:-1], size, heads).swapaxes(-1, -2)"),),
                STRIDES,
            ),
            Fault(
                "start_ignored",
                "the heads always began at feature 0",
                (("x[..., start : start + heads * size]", "x[..., : heads * size]"),),
                "What is start for? Keys begin behind the queries.",
            ),
        ),
    ),
    Problem(
        "split_heads_backward",
        live.split_heads_backward,
        topic="attention",
        level=2,
        minutes=20,
        inputs=drawn(split_backward_case),
        needs=("split_heads",),
        notes="dy: (..., N, T, D)   →   dx: (..., T, C), which is `shape`. dx has the dtype of dy.",
        faults=(
            Fault(
                "only_reshaped", "dy were reshaped without transposing", (("xp.swapaxes(dy, -3, -2)", "dy"),), RESHAPED
            ),
            Fault(
                "start_ignored",
                "the gradient always went to the features from 0 on",
                (("dx[..., start : start + heads * size]", "dx[..., : heads * size]"),),
                "From which feature on were the heads taken?",
            ),
            Fault(
                "strided",
                "a head had taken every N-th feature",
                (("xp.swapaxes(dy, -3, -2).reshape(", "xp.moveaxis(dy, -3, -1).reshape("),),
                STRIDES,
            ),
            Fault(
                "float64",
                "dx were float64, whatever dy is",
                (("xp.zeros(shape, dtype=dy.dtype)", "xp.zeros(shape)"),),
                "What is the dtype of zeros(shape), when nobody says?",
            ),
        ),
    ),
    Problem(
        "merge_heads",
        live.merge_heads,
        topic="attention",
        level=1,
        minutes=10,
        inputs=drawn(merge_case),
        view=first,
        needs=("split_heads",),
        faults=(
            Fault(
                "only_reshaped",
                "the heads were merged by a reshape, without transposing",
                (
                    (
                        "y = xp.swapaxes(x, -3, -2)\n",
                        "y = x.reshape(*x.shape[:-3], x.shape[-2], x.shape[-3], x.shape[-1])\n",
                    ),
                ),
                RESHAPED,
            ),
            Fault(
                "strided",
                "the features of the heads took turns: y[..., t, d·N + n]",
                (("y = xp.swapaxes(x, -3, -2)\n", "y = xp.moveaxis(x, -3, -1)\n"),),
                STRIDES,
            ),
            Fault(
                "reversed",
                "the heads came in the opposite order",
                (("y = xp.swapaxes(x, -3, -2)\n", "y = xp.swapaxes(x[..., ::-1, :, :], -3, -2)\n"),),
                "Head 0 has the first features.",
            ),
        ),
    ),
    Problem(
        "merge_heads_backward",
        live.merge_heads_backward,
        topic="attention",
        level=1,
        minutes=10,
        inputs=drawn(merge_backward_case),
        needs=("merge_heads",),
        notes="dy: (..., T, C)   →   dx: (..., N, T, D). heads is N, size is D.",
        faults=(
            Fault(
                "only_reshaped",
                "dy were reshaped without transposing",
                (
                    (
                        "xp.swapaxes(dy.reshape(*dy.shape[:-1], heads, size), -3, -2)",
                        "dy.reshape(*dy.shape[:-2], heads, dy.shape[-2], size)",
                    ),
                ),
                RESHAPED,
            ),
            Fault(
                "not_transposed",
                "dx were (T, N, D), not (N, T, D)",
                (
                    (
                        "xp.swapaxes(dy.reshape(*dy.shape[:-1], heads, size), -3, -2)",
                        "dy.reshape(*dy.shape[:-1], heads, size)",
                    ),
                ),
                "dx has the shape of x.",
            ),
            Fault(
                "strided",
                "the features of the heads had taken turns",
                (
                    (
                        "dy.reshape(*dy.shape[:-1], heads, size), -3, -2",
                        "dy.reshape(*dy.shape[:-1], size, heads).swapaxes(-1, -2), -3, -2",
                    ),
                ),
                STRIDES,
            ),
        ),
    ),
)
