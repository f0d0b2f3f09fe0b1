"""The exercises on embeddings and positions."""

from typing import Any

import numpy as np

from tinylm.course.compare import same
from tinylm.course.exercise import Exercise, case, register
from tinylm.ops import indexing, position

Array = Any


def _one_hot(ids: Array, V: int) -> Array:
    """Rows of the unit matrix, looked up by the library's own embedding."""
    return indexing.embedding(np, np.eye(V), ids)[0]


def _one_hot_of_any_float(expected: Array, got: Any) -> str | None:
    """Nothing in the arguments says which type of floating-point numbers."""
    floats = isinstance(got, np.ndarray) and got.dtype.kind == "f"
    return same(expected, got.astype(expected.dtype) if floats else got)


def _embedding_backward(dy: Array, ids: Array, V: int) -> Array:
    dtable, _ = indexing.embedding.reference.backward(np, dy, ids=ids, shape=(V, dy.shape[-1]))  # type: ignore[misc]
    return dtable


def _rotary(x: Array, positions: Array, base: float = 10000.0) -> Array:
    return position.rotary(np, x, positions, base=base)[0]


_rng = np.random.default_rng(4)


def _numbers(*shape: int) -> Array:
    return _rng.integers(-4, 5, shape) / 2


register(
    Exercise(
        "one_hot",
        "Return for each id a row of V numbers: 1.0 at the id and 0.0 elsewhere. "
        "ids: (...) of whole numbers below V → (..., V)",
        reference=_one_hot,
        cases=[
            case(np.array([0]), 2),
            case(np.array([2, 0]), 3),
            case(np.array([1, 1, 3]), 4),
            case(np.array([[0, 2], [4, 2]]), 5),
        ],
        compare=_one_hot_of_any_float,
    )
)

register(
    Exercise(
        "embedding_backward",
        "Return the gradient of a table of V rows that was looked up at these ids: dtable[v] = Σ dy over the places "
        "where ids = v; a row that nobody took gets 0. "
        "dy: (..., C), ids: (...) → dtable: (V, C)",
        reference=_embedding_backward,
        cases=[
            case(np.array([[1.0]]), np.array([0]), 1),
            case(np.array([[1.0], [2.0]]), np.array([1, 0]), 3),
            case(np.array([[1.0], [2.0]]), np.array([1, 1]), 3),
            case(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([0, 2, 0]), 3),
            case(_numbers(2, 3, 2), np.array([[3, 0, 3], [3, 1, 1]]), 5),
        ],
    )
)

register(
    Exercise(
        "rotary",
        "Return x with each pair (u, w) = (x[t, i], x[t, i + h]), h = D/2, turned by the angle a = positions[t] · "
        "base^(−i/h): (u cos a − w sin a, w cos a + u sin a). "
        "x: (T, D), positions: (T,) → y: (T, D)",
        reference=_rotary,
        cases=[
            case(np.array([[1.0, 0.0]]), np.array([0])),
            case(np.array([[1.0, 0.0]]), np.array([1])),
            case(np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([0, 1])),
            case(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([1])),
            case(_numbers(3, 4), np.array([5, 6, 7])),
            case(_numbers(2, 6), np.array([2, 0]), base=100.0),
        ],
    )
)
