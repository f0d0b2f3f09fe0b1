"""Dropout: forward and backward."""

from typing import Any

from tinylm.course.exercise import Case, case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, bools, drawn, dtype_of, first_gradient, pick, shape_of
from tinylm.ops import dropout as live

RATES = (0.5, 1.0, 0.25, 0.75, 0.0, 1.0)


def _operands(draw: Any) -> tuple[Any, Any, dict[str, Any]]:
    shape = shape_of(draw, 0, 2)
    return array(draw, shape, dtype_of(draw)), bools(draw, shape), {"p": pick(draw, *RATES)}


@drawn
def dropout_inputs(draw: Any) -> Case:
    x, mask, settings = _operands(draw)
    return case(XP, x, mask, **settings)


@drawn
def dropout_backward_inputs(draw: Any) -> Case:
    x, mask, settings = _operands(draw)
    return backward_case(live.dropout, array(draw, x.shape, x.dtype), x, mask, **settings)


SCALE = "(0.0 if p == 1 else 1 / (1 - p))"
AVERAGE_HINT = "p is the part that is dropped. If 3 of 4 are dropped, how much must the fourth grow?"
TRUE_HINT = "True in the mask means that the element stays."

add(
    Problem(
        "dropout",
        live.dropout,
        topic="operations",
        level=1,
        minutes=10,
        inputs=dropout_inputs,
        view=first,
        notes="Where p = 1 everything is dropped: y is 0.",
        faults=(
            Fault("not_scaled", "the elements that stay were not scaled", ((SCALE, "1"),), AVERAGE_HINT),
            Fault("by_p", "the elements that stay were divided by p, not by 1 - p", (("1 / (1 - p)", "1 / p"),),
                  AVERAGE_HINT),
            Fault("times_rest", "the elements that stay were multiplied by 1 - p", ((SCALE, "(1 - p)"),), AVERAGE_HINT),
            Fault("inverted", "a True in the mask dropped the element", (("x * mask *", "x * ~mask *"),), TRUE_HINT),
            Fault("all_dropped", "p = 1 were not thought of: it divides by 0", ((SCALE, "(1 / (1 - p))"),),
                  "What is 1 / (1 - p) for p = 1?"),
            Fault("widened", "the result were float64 whatever x is",
                  (("x * mask *", "x * mask.astype(xp.float64) *"),),
                  "A mask that is made a float64 array makes the product float64."),
        ),
    ),
    Problem(
        "dropout_backward",
        live.dropout_backward,
        topic="operations",
        level=1,
        minutes=10,
        inputs=dropout_backward_inputs,
        needs=("dropout",),
        view=first_gradient,
        notes="dy: (...)   mask: (...)   →   (dx, None), dx: (...)\n\n"
        "Where p = 1 everything is dropped: dx is 0. The mask has no gradient.",
        faults=(
            Fault("not_scaled", "dy were not scaled", ((SCALE, "1"),),
                  "Forward multiplies by a number: so does backward."),
            Fault("mask_forgotten", "the mask were forgotten", (("dy * mask *", "dy *"),),
                  "What was dropped has no say in y: what is its gradient?"),
            Fault("inverted", "a True in the mask dropped the element", (("dy * mask *", "dy * ~mask *"),), TRUE_HINT),
            Fault("by_p", "dy were divided by p, not by 1 - p", (("1 / (1 - p)", "1 / p"),), AVERAGE_HINT),
            Fault("all_dropped", "p = 1 were not thought of: it divides by 0", ((SCALE, "(1 / (1 - p))"),),
                  "What is 1 / (1 - p) for p = 1?"),
        ),
    ),
)  # fmt: skip
