"""Sums, means, variances and maxima over axes, and their derivatives."""

from typing import Any

import numpy as np

from tinylm.course.compare import computed
from tinylm.course.exercise import Case, case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, axis_of, drawn, dtype_of, pick, shape_of
from tinylm.ops import reduction as live

FEW = (0.0, 1.0, -1.0)  # so that maxima meet their equals


def _operand(draw: Any, among: tuple[float, ...] = ()) -> tuple[Any, dict[str, Any]]:
    """x, and axis and keepdims, of which any may be left out."""
    shape = shape_of(draw, pick(draw, 1, 2, 2), 3)
    x = array(draw, shape, dtype_of(draw), among)
    kind, settings = pick(draw, "axis", "axis", "all", "axes"), pick(draw, {}, {}, {"keepdims": True})
    if kind == "axis":
        return x, {"axis": axis_of(draw, shape), **settings}
    if kind == "axes" and len(shape) > 1:
        return x, {"axis": pick(draw, (0, 1), (0, -1), (-1, -2)), **settings}
    return x, settings


def _backward(draw: Any, op: Any, among: tuple[float, ...] = ()) -> Case:
    x, settings = _operand(draw, among)
    return backward_case(op, lambda y: array(draw, np.shape(y), x.dtype), x, **settings)


@drawn
def sum_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.sum_)


@drawn
def mean_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.mean)


@drawn
def var_inputs(draw: Any) -> Case:
    x, settings = _operand(draw)
    return case(XP, x, **settings)


@drawn
def var_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.var)


@drawn
def max_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.max_, pick(draw, FEW, ()))


def first_of_equals(xp: Any, dy: Any, *, x: Any, y: Any, axis: Any, keepdims: bool) -> Any:
    """The wrong version of `max_backward` that gives everything to the first of equal maxima."""
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    front = [a % x.ndim for a in axes]
    turned = np.moveaxis(x, front, range(len(front)))
    flat = turned.reshape(-1, *turned.shape[len(front) :])
    chosen = np.arange(len(flat)).reshape(-1, *[1] * (flat.ndim - 1)) == flat.argmax(axis=0)
    chosen = np.moveaxis(chosen.reshape(turned.shape), range(len(front)), front)
    return chosen * dy.reshape(np.max(x, axis=axis, keepdims=True).shape)


REDUCED = (
    "\nWithout keepdims dy has lost the axes that were reduced. axis is a number, a tuple of them, or\nNone for all."
)
LOST_HINT = "Put back the axes that the reduction removed, with length 1, before you broadcast."
SPREAD = "spread(xp, dy, shape, axis, keepdims)"
LOST = "xp.broadcast_to(dy, shape).copy()"
EXTREME = "_extreme_backward(xp, dy, x, y, axis, keepdims)"
LIKE_X = "restore_axes(xp, {}, x.shape, axis, keepdims)"

add(
    Problem(
        "sum_backward",
        live.sum_backward,
        topic="operations",
        level=2,
        minutes=20,
        inputs=sum_backward_inputs,
        notes=f"dy: (...)   →   dx: (..., N, ...)\n\nshape is that of x.{REDUCED}",
        faults=(
            Fault("axes_lost", "dy were broadcast without the axes that it lost", ((SPREAD, LOST),), LOST_HINT),
            Fault("dy_forgotten", "dy were always 1", ((SPREAD, "xp.ones(shape, dtype=dy.dtype)"),),
                  "The chain rule: what came from above, times the slope here."),
            Fault("divided", "dy were divided by the number of elements, as in the mean",
                  ((SPREAD, f"{SPREAD} * dy.size / max(int(xp.prod(xp.asarray(shape))), 1)"),),
                  "If one element moves by 1, how much does the sum move?"),
            Fault("not_spread", "dx had the shape of dy", ((SPREAD, "dy.copy()"),),
                  "A gradient has the shape of what it is the gradient of."),
        ),
    ),
    Problem(
        "mean_backward",
        live.mean_backward,
        topic="operations",
        level=2,
        minutes=20,
        inputs=mean_backward_inputs,
        needs=("sum_backward",),
        compare=computed(),
        notes=f"dy: (...)   →   dx: (..., N, ...)\n\n"
        f"shape and size are those of x. N is how many elements each mean is of.{REDUCED}",
        faults=(
            Fault("not_divided", "it were the gradient of the sum: the 1/N is missing",
                  (("dy / max(count, 1)", "dy"),), "If one of N elements moves by 1, how much does the mean move?"),
            Fault("by_all", "dy were divided by the number of all elements of x, whatever the axis",
                  (("size // max(dy.size, 1)", "size"),), "A mean over an axis of 3 is of 3 elements."),
            Fault("by_results", "dy were divided by the number of means, not by that of the elements in each",
                  (("size // max(dy.size, 1)", "dy.size"),), "A mean over an axis of 3 is of 3 elements."),
            Fault("axes_lost", "dy were broadcast without the axes that it lost",
                  (("spread(xp, dy / max(count, 1), shape, axis, keepdims)",
                    "xp.broadcast_to(dy / max(count, 1), shape).copy()"),), LOST_HINT),
        ),
    ),
    Problem(
        "var",
        live.var,
        topic="operations",
        level=1,
        minutes=10,
        inputs=var_inputs,
        view=first,
        compare=computed(16),
        faults=(
            Fault("unbiased", "it were divided by N - 1 in place of N",
                  (("(centred * centred).mean(axis=axis, keepdims=keepdims)",
                    "x.var(axis=axis, keepdims=keepdims, ddof=1)"),), "The variance of one number is 0."),
            Fault("rooted", "it were the standard deviation",
                  (("return (centred * centred).mean(axis=axis, keepdims=keepdims)",
                    "return xp.sqrt((centred * centred).mean(axis=axis, keepdims=keepdims))"),),
                  "Double x: the variance is four times what it was."),
            Fault("not_centred", "the mean were not subtracted",
                  (("x - x.mean(axis=axis, keepdims=True)", "x + 0"),), "Add 1 to every element: the variance stays."),
            Fault("one_mean", "one mean of all elements were subtracted, whatever the axis",
                  (("x - x.mean(axis=axis, keepdims=True)", "x - x.mean()"),),
                  "Each variance is about a mean of its own."),
            Fault("not_averaged", "the squares were added up and not averaged",
                  (("(centred * centred).mean(", "(centred * centred).sum("),),
                  "Repeat all elements: the variance stays."),
            Fault("keepdims_forgotten", "keepdims were not looked at", (("keepdims=keepdims", "keepdims=False"),),
                  "With keepdims=True the reduced axes stay, with length 1."),
        ),
    ),
    Problem(
        "var_backward",
        live.var_backward,
        topic="operations",
        level=2,
        minutes=25,
        inputs=var_backward_inputs,
        needs=("var", "mean_backward"),
        compare=computed(),
        notes="dy: (...)   centred: (..., N, ...)   →   dx: (..., N, ...)\n\n"
        f"centred is x − μ. N is how many elements each variance is of.{REDUCED}",
        faults=(
            Fault("two_forgotten", "the factor 2 were missing", (("(2 / max(count, 1))", "(1 / max(count, 1))"),),
                  "What is the derivative of a square?"),
            Fault("not_divided", "the 1/N were missing", (("(2 / max(count, 1))", "2"),),
                  "The variance is a mean of squares."),
            Fault("unbiased", "it were divided by N - 1 in place of N",
                  (("(2 / max(count, 1))", "(2 / max(count - 1, 1))"),), "Which variance does the equation mean?"),
            Fault("by_all", "it were divided by the number of all elements of x, whatever the axis",
                  (("centred.size // max(dy.size, 1)", "centred.size"),),
                  "A variance over an axis of 3 is of 3 elements."),
            Fault("axes_lost", "dy were broadcast without the axes that it lost",
                  (("restore_axes(xp, dy * (2 / max(count, 1)), centred.shape, axis, keepdims)",
                    "dy * (2 / max(count, 1))"),), LOST_HINT),
        ),
    ),
    Problem(
        "max_backward",
        live.max_backward,
        topic="operations",
        level=3,
        minutes=30,
        inputs=max_backward_inputs,
        needs=("sum_backward", "maximum_backward"),
        compare=computed(),
        notes="dy: (...)   x: (..., N, ...)   y: (...)   →   dx: (..., N, ...)\n\n"
        f"[x = y] is 1 where x is the maximum y of its slice, else 0; y has the shape of dy.{REDUCED}",
        faults=(
            Fault("all_to_each", "each of several equal maxima got all of it",
                  ((EXTREME, f"{LIKE_X.format('dy')} * (x == {LIKE_X.format('y')})"),),
                  "What dx adds up to, over the reduced axes, is dy."),
            Fault("all_to_first", "the first of several equal maxima got all of it", answer=first_of_equals,
                  hint="Equal ones share: look at a slice of two equal numbers."),
            Fault("not_chosen", "every element got dy, the maximum or not",
                  ((EXTREME, "spread(xp, dy, x.shape, axis, keepdims)"),),
                  "An element below the maximum may move a little, and the maximum stays."),
            Fault("one_maximum", "only the maximum of the whole array counted, whatever the axis",
                  ((EXTREME, "_extreme_backward(xp, dy, xp.where(x == x.max(), x, x.min() - 1), y, axis, keepdims)"),),
                  "Each slice along the axis has a maximum of its own."),
        ),
    ),
)  # fmt: skip
