"""The engine and its judge: broadcasting undone, the backward pass over a graph, numerical derivatives."""

from typing import Any

import numpy as np

from tinylm.autograd import chain
from tinylm.autograd.engine import unbroadcast
from tinylm.autograd.gradcheck import numerical_gradient, numerical_slope
from tinylm.course.compare import nearly
from tinylm.course.drive import on_graph
from tinylm.course.exercise import case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import array, drawn, dtype_of, pick, shape_of, whole
from tinylm.course.spelling import Source

# -- unbroadcast ---------------------------------------------------------------------------------------


def unbroadcast_case(draw: Any) -> Any:
    gradient = array(draw, shape_of(draw, 0, 3, 3), dtype_of(draw))
    if pick(draw, *(False,) * 9, True):
        return case(gradient, pick(draw, (2,) * (gradient.ndim + 1), (4,)))  # fits no gradient of sides up to 3
    kept = gradient.shape[whole(draw, 0, gradient.ndim) :]
    return case(gradient, tuple(1 if pick(draw, True, False) else side for side in kept))


UNFIT = (  # as many elements as the gradient has, and yet no shape of which it is a broadcast form
    case(np.ones((3, 2)), (2, 3)),
    case(np.ones((2, 2, 3)), (2, 3, 2)),
)


def leading_only(gradient: Any, shape: tuple[int, ...]) -> Any:
    unbroadcast(gradient, shape)  # raises where the shape does not fit
    return gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))


def inner_only(gradient: Any, shape: tuple[int, ...]) -> Any:
    unbroadcast(gradient, shape)  # raises where the shape does not fit
    new = gradient.ndim - len(shape)
    axes = tuple(new + i for i, side in enumerate(shape) if side == 1)
    return gradient.sum(axis=axes, keepdims=True)


def not_kept(gradient: Any, shape: tuple[int, ...]) -> Any:
    unbroadcast(gradient, shape)  # raises where the shape does not fit
    new = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(new)))
    return gradient.sum(axis=tuple(i for i, side in enumerate(shape) if side == 1))


def first_copy(gradient: Any, shape: tuple[int, ...]) -> Any:
    unbroadcast(gradient, shape)  # raises where the shape does not fit
    gradient = gradient[(0,) * (gradient.ndim - len(shape))]
    return gradient[tuple(slice(0, side) for side in shape)]


# -- the backward pass ---------------------------------------------------------------------------------


def graph_case(draw: Any) -> Any:
    last = whole(draw, 1, 5)
    graph = {
        node: [
            (pick(draw, *(f for f in range(node - 1, 0, -1)), "x", "y"), pick(draw, 1.0, 2.0, -0.5))
            for _ in range(whole(draw, 1, 3))
        ]
        for node in range(last, 0, -1)
    }
    return case(graph, last, pick(draw, 1.0, array(draw, (2,))))


def depth_first(last: int, grad: Any, pulled: Any) -> Any:
    leaves: dict[str, Any] = {}

    def visit(node: int, dy: Any) -> None:
        for source, gradient in pulled(node, dy):
            if isinstance(source, str):
                leaves[source] = leaves[source] + gradient if source in leaves else gradient
            else:
                visit(source, gradient)

    visit(last, grad)
    return leaves


def first_come(last: int, grad: Any, pulled: Any) -> Any:
    leaves: dict[str, Any] = {}
    waiting, seen = [(last, grad)], {last}
    while waiting:
        for source, gradient in pulled(*waiting.pop(0)):
            if isinstance(source, str):
                leaves[source] = leaves[source] + gradient if source in leaves else gradient
            elif source not in seen:
                seen.add(source)
                waiting.append((source, gradient))
    return leaves


def shared_array(last: int, grad: Any, pulled: Any) -> Any:
    arrived: dict[int, Any] = {last: grad}
    leaves: dict[str, Any] = {}
    while arrived:
        node = max(arrived)
        dy = arrived.pop(node)
        for source, gradient in pulled(node, dy):
            into: Any = leaves if isinstance(source, str) else arrived
            if source in into:
                into[source] += gradient
            else:
                into[source] = gradient
    return leaves


# -- numerical derivatives -----------------------------------------------------------------------------

FUNCTIONS = (
    Source("lambda x: (x * x).sum()", lambda x: (x * x).sum()),
    Source("lambda x: (3 * x).sum()", lambda x: (3 * x).sum()),
    Source("lambda x: (x ** 3).sum()", lambda x: (x**3).sum()),
    Source("lambda x: x.sum() ** 2", lambda x: x.sum() ** 2),
    Source("lambda x: (x[..., 0] * x[..., -1]).sum()", lambda x: (x[..., 0] * x[..., -1]).sum()),
    Source("lambda x: np.sin(x).sum()", lambda x: np.sin(x).sum()),
)
POLYNOMIALS = FUNCTIONS[:5]  # up to cubic: five points are exact, whatever the step


def slope_case(draw: Any) -> Any:
    shape = shape_of(draw, 1, 2, 2)
    settings = {"step": pick(draw, 0.125, 0.5)} if pick(draw, False, True) else {}
    some = POLYNOMIALS if settings else FUNCTIONS  # a step of 0.001 is fine enough for a sine, too
    return case(pick(draw, *some), array(draw, shape), array(draw, shape), **settings)


def gradient_case(draw: Any) -> Any:
    return case(pick(draw, *FUNCTIONS), array(draw, shape_of(draw, 1, 2, 3)))


SINE = case(FUNCTIONS[-1], np.array([1.0]))  # for which a step of 1 is too coarse


def _element_by_element(f: Any, x: Any, step: float, slope: Any, restore: bool = True) -> Any:
    x, gradient = x.copy(), np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        before = x[index]
        gradient[index] = slope(f, x, index, step)
        if restore:
            x[index] = before
    return gradient


def _moved(f: Any, x: Any, index: Any, by: float) -> Any:
    x[index] += by
    return f(x)


def not_restored(f: Any, x: Any, *, step: float = 1e-3) -> Any:
    def slope(f: Any, x: Any, index: Any, h: float) -> Any:
        up = _moved(f, x, index, h)
        return (up - _moved(f, x, index, -2 * h)) / (2 * h)

    return _element_by_element(f, x, step, slope, restore=False)


def one_sided(f: Any, x: Any, *, step: float = 1e-3) -> Any:
    def slope(f: Any, x: Any, index: Any, h: float) -> Any:
        here = f(x)
        return (_moved(f, x, index, h) - here) / h

    return _element_by_element(f, x, step, slope)


def all_at_once(f: Any, x: Any, *, step: float = 1e-3) -> Any:
    return np.full(x.shape, numerical_slope(f, x, np.ones(x.shape), step=step))


def relative_step(f: Any, x: Any, direction: Any, *, step: float = 1e-3) -> Any:
    return (f(x + step * direction) - f(x)) / step


def two_points(f: Any, x: Any, direction: Any, *, step: float = 1e-3) -> Any:
    return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


TWICE = "An array that is used twice gets two gradients: what does the chain rule do with them?"
ORDER = "A node may be asked only when every node that uses it was: which of those that wait is the newest?"

add(
    Problem(
        "unbroadcast",
        unbroadcast,
        topic="autograd",
        level=2,
        minutes=30,
        inputs=drawn(unbroadcast_case),
        corners=UNFIT,
        notes="gradient is an array, shape the shape of what was broadcast; the result has that shape.",
        faults=(
            Fault(
                "leading_only",
                "the gradient were summed over new axes only, not over axes of length 1",
                (),
                "A column of shape (2, 1) is repeated along its second axis, too.",
                leading_only,
            ),
            Fault(
                "inner_only",
                "the gradient were summed over axes of length 1 only, not over new ones",
                (),
                "A bias of shape (3,) under a batch of shape (2, 3) has one axis less.",
                inner_only,
            ),
            Fault(
                "axes_not_kept",
                "the axes of length 1 were lost by the sum",
                (),
                "The result has exactly the shape that is asked for: what does keepdims do?",
                not_kept,
            ),
            Fault(
                "averaged",
                "the copies were averaged, not added",
                (("gradient.sum(axis=axes", "gradient.mean(axis=axes"),),
                "If one number is used 3 times, how much more does the loss change with it?",
            ),
            Fault(
                "first_copy",
                "only the first of the copies counted",
                (),
                "Every copy's gradient flows back to the same number.",
                first_copy,
            ),
        ),
    ),
    Problem(
        "backward_pass",
        chain.backward_pass,
        topic="autograd",
        level=3,
        minutes=60,
        inputs=drawn(graph_case),
        drive=on_graph,
        needs=("unbroadcast",),
        places=("tinylm.autograd.engine:reference_kernels via tinylm.course.places:always",),
        notes="The graph is known only through pulled: pulled(last, grad) gives the first pairs. Gradients are "
        "numbers, or arrays of one shape, (N,); one array may be given to two inputs, so write into none of them.",
        faults=(
            Fault(
                "assigned",
                "a gradient replaced what had arrived before: = in place of +=",
                (("into[source] + gradient if source in into else gradient", "gradient"),),
                TWICE,
            ),
            Fault(
                "leaf_assigned",
                "a leaf that is reached twice kept the last gradient only",
                (("if source in into else", "if source in into and into is arrived else"),),
                "Nodes add up what arrives; do leaves?",
            ),
            Fault(
                "node_assigned",
                "a node that is reached twice kept the last gradient only",
                (("if source in into else", "if source in into and into is leaves else"),),
                "Leaves add up what arrives; do nodes?",
            ),
            Fault(
                "oldest_first",
                "the oldest of the nodes that wait were asked first",
                (("max(arrived)", "min(arrived)"),),
                ORDER,
            ),
            Fault(
                "as_they_come",
                "nodes were asked in the order in which they were first reached, each once, with what had come by then",
                (),
                ORDER,
                first_come,
            ),
            Fault(
                "depth_first",
                "every path were followed on its own, so that a node is asked once for each path to it",
                (),
                "With n layers of two uses each there are 2ⁿ paths; add up first, and then go on.",
                depth_first,
            ),
            Fault(
                "in_place",
                "sums were made in place, in an array that another input was given, too",
                (),
                "a += b writes into a. Who else holds that array?",
                shared_array,
            ),
        ),
    ),
    Problem(
        "numerical_slope",
        numerical_slope,
        topic="autograd",
        level=1,
        minutes=15,
        inputs=drawn(slope_case),
        compare=nearly(1e-8, 1e-8),
        notes="The step that is asked for may be as large as 1/2, where two points are too coarse.",
        faults=(
            Fault("one_sided", "the slope were (f(x + hd) − f(x)) / h", (), "Look to both sides.", relative_step),
            Fault(
                "two_points",
                "the slope were (f(x + hd) − f(x − hd)) / 2h, with an error of order h²",
                (),
                "Four values of f are in the equation.",
                two_points,
            ),
            Fault(
                "not_divided_by_12",
                "the sum were divided by 2h, not by 12h",
                (("(12 * step)", "(2 * step)"),),
                "Try f(x) = x, by hand.",
            ),
            Fault(
                "step_left_out",
                "the sum were divided by 12, and not by h",
                (("(12 * step)", "12"),),
                "A slope is a change of f over a change of x.",
            ),
            Fault(
                "upside_down",
                "it went down where it should go up",
                (("for k in (-2, -1, 1, 2)", "for k in (2, 1, -1, -2)"),),
                "Which of the four values has the sign +8?",
            ),
            Fault(
                "unit_direction",
                "the direction were scaled to length 1 first",
                (
                    (
                        "[f(x + k * step * direction) for",
                        "[f(x + k * step * direction / max(float(np.sqrt((direction * direction).sum())), 1e-9)) for",
                    ),
                ),
                "Twice the direction has twice the slope.",
            ),
        ),
    ),
    Problem(
        "numerical_gradient",
        numerical_gradient,
        topic="autograd",
        level=2,
        minutes=25,
        inputs=drawn(gradient_case),
        corners=(SINE,),
        needs=("numerical_slope",),
        compare=nearly(2e-5, 2e-5),
        notes="A central difference is enough here: be right to 5 digits.",
        faults=(
            Fault(
                "one_sided",
                "each element were moved to one side only",
                (),
                "The error of (f(x + h) − f(x)) / h falls with h; that of both sides falls with h².",
                one_sided,
            ),
            Fault(
                "not_restored",
                "an element stayed moved while the next ones were tried",
                (),
                "Only one element may differ from x at a time. Is x again what it was?",
                not_restored,
            ),
            Fault(
                "all_at_once",
                "all elements were moved together",
                (),
                "A partial derivative: one element moves, and the others stay.",
                all_at_once,
            ),
            Fault(
                "halved",
                "the difference of both sides were divided by 4h, not by 2h",
                (("gradient[index] = numerical", "gradient[index] = 0.5 * numerical"),),
                "How far apart are x + h and x − h?",
            ),
        ),
    ),
)
