"""Shapes and arrays of numbers that are exact in every floating-point type, and so easy to read and to compare."""

import math
from typing import Any

import numpy as np

from tinylm.testing.drawing import st

__all__ = ["arrays", "axes", "broadcastable", "broadcastable_shapes", "matmul_operands", "numbers", "shapes"]

Shape = tuple[int, ...]


def numbers(largest: float = 4.0, step: float = 0.25) -> Any:
    """Multiples of `step` up to ±largest; shrinks to 0, then to one step. Exact in float16 where step is 1/4 or so.

    >>> from hypothesis import find
    >>> find(numbers(), lambda x: x > 0.3)
    0.5
    """
    most = math.floor(largest / step * (1 + 1e-12))  # 0.3 / 0.1 is a rounding less than 3, and 3 * 0.1 one more
    return st.integers(-most, most).map(lambda i: min(max(i * step, -largest), largest))


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4) -> Any:
    """Shapes, as tuples; shrinks to few and short axes."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


def arrays(shape: Any, elements: Any = None, dtype: Any = np.float64) -> Any:
    """Arrays of a shape, or of one that is drawn; elements are drawn one by one, and shrink alone."""
    if not isinstance(shape, (int, tuple)):
        return shape.flatmap(lambda drawn: arrays(drawn, elements, dtype))
    size = int(np.prod(shape))
    each = numbers() if elements is None else elements
    return st.lists(each, min_size=size, max_size=size).map(lambda values: np.array(values, dtype).reshape(shape))


@st.composite
def broadcastable_shapes(draw: Any, count: int = 2, max_dims: int = 3, min_side: int = 1, max_side: int = 3) -> Any:
    """A tuple of `count` shapes that broadcast together: axes of length 1 and missing ones among them.

    Shrinks to shapes that are all (). min_side=0 draws empty axes too.
    """
    result = draw(shapes(0, max_dims, min_side, max_side))
    drawn = []
    for _ in range(count):
        first = draw(st.integers(0, len(result)))
        drawn.append(tuple(1 if draw(st.booleans()) else side for side in result[first:]))
    return tuple(drawn)


@st.composite
def broadcastable(
    draw: Any,
    count: int = 2,
    elements: Any = None,
    dtype: Any = np.float64,
    max_dims: int = 3,
    min_side: int = 1,
    max_side: int = 3,
) -> Any:
    """A tuple of `count` arrays that broadcast together; see broadcastable_shapes.

    >>> from hypothesis import find
    >>> a, b = find(broadcastable(), lambda pair: pair[0].shape != pair[1].shape)
    >>> sorted([a.shape, b.shape])
    [(), (1,)]
    """
    drawn = draw(broadcastable_shapes(count, max_dims, min_side, max_side))
    return tuple(draw(arrays(shape, elements, dtype)) for shape in drawn)


@st.composite
def axes(draw: Any, ndim: int, several: bool = True, none: bool = True) -> Any:
    """NumPy's `axis` for an array of `ndim` axes: None, one axis, or a tuple; negative ones too.

    several, none   whether tuples and None may come. ValueError where nothing is left to draw
    """
    kinds: list[Any] = [st.none()] if none else []
    if ndim:
        kinds.append(st.integers(-ndim, ndim - 1))
    if several:
        one = st.integers(-ndim, ndim - 1) if ndim else st.nothing()
        kinds.append(st.lists(one, max_size=ndim, unique_by=lambda axis: axis % ndim).map(tuple))
    if not kinds:
        raise ValueError("axes: an array without axes has only axis=None and axis=(); allow one of them")
    return draw(st.one_of(kinds))


@st.composite
def matmul_operands(draw: Any, elements: Any = None, dtype: Any = np.float64, max_side: int = 3) -> Any:
    """Two arrays (a, b) for a @ b: vectors, matrices, and batches of them that broadcast.

        (K,) @ (K,)    (M, K) @ (K,)    (K,) @ (..., K, N)    (..., M, K) @ (..., K, N)

    Shrinks to two vectors of one element.
    """
    side = st.integers(1, max_side)
    M, K, N = draw(side), draw(side), draw(side)
    left, right = (
        draw(st.sampled_from(["vector", "matrix", "batch"])),
        draw(st.sampled_from(["vector", "matrix", "batch"])),
    )
    result = draw(shapes(1, 2, 1, max_side))
    batch_a = tuple(1 if draw(st.booleans()) else length for length in result)
    batch_b = tuple(1 if draw(st.booleans()) else length for length in result)[draw(st.integers(0, len(result) - 1)) :]
    a = {"vector": (K,), "matrix": (M, K), "batch": (*batch_a, M, K)}[left]
    b = {"vector": (K,), "matrix": (K, N), "batch": (*batch_b, K, N)}[right]
    return draw(arrays(a, elements, dtype)), draw(arrays(b, elements, dtype))
