"""Exercises on derivatives: a numerical slope, three backward functions, and broadcasting undone."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinylm.autograd import tensor
from tinylm.autograd.engine import unbroadcast
from tinylm.course.compare import nearly
from tinylm.course.exercise import Exercise, case, register
from tinylm.course.spelling import Source
from tinylm.ops import activation, matmul

Function = Callable[[Any], Any]


def _slope(f: Function, x: float) -> float:
    """The derivative by the engine, in float64."""
    at = tensor(np.float64(x), requires_grad=True)
    f(at).backward()
    assert at.grad is not None
    return float(at.grad.item())


register(
    Exercise(
        "slope",
        "Return the derivative of f at x by trying: (f(x + h) − f(x − h)) / 2h with a small h, good to one part in a "
        "million.",
        reference=_slope,
        cases=[
            case(Source("lambda x: 3 * x", lambda x: 3 * x), 2.0),
            case(Source("lambda x: x * x", lambda x: x * x), 3.0),
            case(Source("lambda x: x * x", lambda x: x * x), -1.0),
            case(Source("lambda x: x * x * x", lambda x: x * x * x), 2.0),
            case(Source("lambda x: 1 / x", lambda x: 1 / x), 0.5),
            case(Source("lambda x: (x - 1) * (x + 2)", lambda x: (x - 1) * (x + 2)), 1.0),
            case(Source("lambda x: 5 - x * x", lambda x: 5 - x * x), 100.0),
        ],
        compare=nearly(1e-6),
    )
)


def _backward(op: Any, dy: Any, **kept: Any) -> Any:
    """The library's backward of an op, in its readable form."""
    return op.reference.backward(np, dy, **kept)


register(
    Exercise(
        "tanh_backward",
        "Return dx for y = tanh x, from dy and y alone: the slope of tanh is 1 − y².",
        reference=lambda dy, y: _backward(activation.tanh, dy, y=y),
        cases=[
            case(np.array([1.0]), np.array([0.0])),
            case(np.array([1.0]), np.array([0.5])),
            case(np.array([2.0, -3.0]), np.array([0.5, -0.5])),
            case(np.array([1.0, 1.0]), np.array([1.0, -1.0])),
            case(np.array([[0.5, 2.0], [-1.0, 0.0]]), np.array([[0.1, -0.9], [0.25, 0.5]])),
            case(np.array([1.5, 2.5], dtype=np.float32), np.array([0.5, 0.25], dtype=np.float32)),
        ],
    )
)

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])  # (2, 3)
B = np.array([[0.5, 1.0], [-1.0, 2.0], [3.0, 0.0]])  # (3, 2)
SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]])

register(
    Exercise(
        "matmul_backward",
        "Return (da, db) for y = a b, with matrices a (M, K) and b (K, N): da has the shape and dtype of a, "
        "db those of b.",
        reference=lambda dy, a, b: _backward(matmul.matmul, dy, a=a, b=b, needs=(True, True)),
        cases=[
            case(np.array([[1.0]]), np.array([[2.0]]), np.array([[3.0]])),
            case(np.array([[1.0]]), np.array([[2.0, 3.0]]), np.array([[4.0], [5.0]])),
            case(np.array([[1.0, 0.0], [0.0, 0.0]]), SQUARE, SQUARE + 4),
            case(np.array([[1.0, 2.0], [3.0, 4.0]]), A, B),
            case(np.array([[1.0, -1.0], [0.5, 2.0]], dtype=np.float32), A.astype(np.float32), B.astype(np.float32)),
            case(np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0], [2.0, 2.0, 2.0]]), B, A),
        ],
    )
)

register(
    Exercise(
        "unbroadcast",
        "Return the gradient added up so that it has this shape: over every axis that broadcasting put in front, and "
        "over every axis of length 1 that it stretched.",
        reference=unbroadcast,
        cases=[
            case(np.array(3.0), ()),
            case(np.array([1.0, 2.0]), (2,)),
            case(np.array([1.0, 2.0]), (1,)),
            case(np.array([1.0, 2.0]), ()),
            case(np.arange(6.0).reshape(2, 3), (3,)),
            case(np.arange(6.0).reshape(2, 3), (2, 1)),
            case(np.arange(6.0).reshape(2, 3), (1, 3)),
            case(np.arange(4.0).reshape(2, 2), (2,)),
            case(np.arange(6.0).reshape(2, 3), (1, 1)),
            case(np.arange(12.0).reshape(2, 2, 3), (2, 1)),
            case(np.arange(12.0, dtype=np.float32).reshape(2, 2, 3), (1, 2, 1)),
        ],
    )
)
