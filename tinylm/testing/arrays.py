"""Shapes and arrays of numbers that are exact in every floating-point type, and so easy to read and to compare."""

from typing import Any

import numpy as np

try:
    from hypothesis import strategies as st
except ImportError as problem:
    raise ImportError(
        "inputs are drawn with Hypothesis, which is not installed; type: pip install 'tinylm[course]'"
    ) from problem

__all__ = ["arrays", "numbers", "shapes"]


def numbers(largest: float = 4.0, step: float = 0.25) -> Any:
    """Multiples of `step` up to ±largest, exact in float16 and up; shrinks to 0, then to 1 steps.

    >>> from hypothesis import find
    >>> find(numbers(), lambda x: x > 0.3)
    0.5
    """
    most = int(largest / step)
    return st.integers(-most, most).map(lambda i: i * step)


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
