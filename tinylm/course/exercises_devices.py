"""Exercises on arrays that live elsewhere: sums over repeated places, ids checked, the first step that differs."""

from typing import Any

import numpy as np

from tinylm.autograd import tensor
from tinylm.backend import scatter_add
from tinylm.course.exercise import Exercise, case, register
from tinylm.functional import checked_ids
from tinylm.tracing.diff import diff
from tinylm.tracing.select import Part
from tinylm.tracing.step import TraceStep
from tinylm.tracing.values import Values

Array = Any


def _scatter_add(target: Array, index: Array, values: Array) -> Array:
    result = target.copy()
    scatter_add(result, index, values)
    return result


register(
    Exercise(
        "scatter_add",
        "Return a copy of `target` to whose rows `index` the rows of `values` are added; where a row is named several "
        "times, all its values count. target: (V, C), index: (N,) of whole numbers from 0 to V − 1, values: (N, C)",
        reference=_scatter_add,
        cases=[
            case(np.array([[1.0]]), np.array([0]), np.array([[2.0]])),
            case(np.array([[1.0]]), np.array([0, 0]), np.array([[2.0], [3.0]])),
            case(np.array([[0.0], [5.0]]), np.array([1, 0, 1]), np.array([[1.0], [2.0], [4.0]])),
            case(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1]), np.array([[10.0, 20.0]])),
            case(np.zeros((3, 2)), np.array([2, 2, 0, 2]), np.arange(8.0).reshape(4, 2)),
        ],
    )
)


def _valid(ids: Any, V: int) -> bool:
    """Whether the library takes them."""
    try:
        checked_ids(ids, V, tensor(np.zeros(1)), "ids")
    except (TypeError, ValueError):
        return False
    return True


register(
    Exercise(
        "valid_ids",
        "Return whether the ids, a list or a list of lists, are whole numbers from 0 to V − 1, all of them. It has to "
        "be asked on the host: a GPU reads some other row for an id that is out of range, and says nothing.",
        reference=_valid,
        cases=[
            case([0], 1),
            case([1], 1),
            case([-1], 3),
            case([2, 0, 1], 3),
            case([2, 0, 3], 3),
            case([[0, 4], [5, 1]], 5),
            case([[0, 4], [3, 1]], 5),
            case([0.5, 1.0], 3),
            case([1.0], 3),
        ],
    )
)


def _trace(steps: list[tuple[str, Array]]) -> Part:
    made = [
        TraceStep(number, "forward", name, scope=name, op=name, outputs=Values({"y": array}))
        for number, (name, array) in enumerate(steps)
    ]
    return Part(made, "a trace")


def _first_difference(a: list[tuple[str, Array]], b: list[tuple[str, Array]], rtol: float) -> str:
    """The name that tinylm.trace.diff would give."""
    found = diff(_trace(a), _trace(b), rtol)
    return found.first.op if found is not None and found.first is not None else "none"


ONE, NEAR, FAR = np.array([1.0, 100.0]), np.array([1.00001, 100.0]), np.array([2.0, 100.0])

register(
    Exercise(
        "first_difference",
        "a and b are lists of (name, array) with the same names and shapes, the steps of two runs. Return the name of "
        'the first step with |a − b| > rtol · max |a| anywhere, or "none". A step in which one has a NaN where the '
        "other has a number differs.",
        reference=_first_difference,
        cases=[
            case([("x", np.array([1.0]))], [("x", np.array([1.5]))], 1e-3),
            case([("x", np.array([1.0]))], [("x", np.array([1.0]))], 1e-3),
            case([("x", np.array([1.0]))], [("x", np.array([0.5]))], 1e-3),
            case([("x", np.array([1.0]))], [("x", np.array([1.5]))], 0.4),
            case([("x", np.array([1.0, 1.0]))], [("x", np.array([1.0, 1.5]))], 0.4),
            case([("x", ONE)], [("x", NEAR)], 1e-6),
            case([("x", FAR)], [("x", NEAR)], 0.1),
            case([("x", ONE), ("y", ONE)], [("x", NEAR), ("y", FAR)], 1e-3),
            case([("x", ONE), ("y", ONE)], [("x", FAR), ("y", FAR)], 1e-3),
            case([("x", np.array([1.0, 2.0]))], [("x", np.array([np.nan, 2.0]))], 1e-3),
            case([("x", np.array([-4.0, 1.0]))], [("x", np.array([-4.0, 1.3]))], 0.1),
        ],
    )
)
