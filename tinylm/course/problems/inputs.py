"""How the inputs of problems about operations are drawn; Hypothesis is imported when one is wanted."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinylm.course.compare import Compare
from tinylm.course.exercise import Case

__all__ = [
    "array", "asking", "axis_of", "bools", "drawn", "dtype_of", "first_gradient", "integers", "pick", "shape_of",
    "wanted", "whole",
]  # fmt: skip


def drawn(build: Callable[[Any], Case]) -> Callable[[], Any]:
    """What a Problem takes as inputs, of a function from Hypothesis' `draw` to a Case."""

    def inputs() -> Any:
        from hypothesis import strategies as st

        return st.composite(lambda draw: build(draw))()  # Hypothesis looks at the source of what it is given

    return inputs


def pick(draw: Any, *values: Any) -> Any:
    """One of the values; shrinks to the first."""
    from hypothesis import strategies as st

    return draw(st.sampled_from(values))


def whole(draw: Any, low: int, high: int) -> int:
    """A whole number, both ends included."""
    from hypothesis import strategies as st

    return int(draw(st.integers(low, high)))


def dtype_of(draw: Any) -> Any:
    """Mostly float64, and sometimes float32: what goes in must come out."""
    return pick(draw, np.float64, np.float64, np.float64, np.float32)


def shape_of(draw: Any, min_dims: int = 1, max_dims: int = 3, max_side: int = 3) -> tuple[int, ...]:
    """A shape without empty axes, of each number of axes about as often; shrinks to few and short ones."""
    dims = pick(draw, *range(min_dims, max_dims + 1))
    return tuple(whole(draw, 1, max_side) for _ in range(dims))


def axis_of(draw: Any, shape: tuple[int, ...]) -> int:
    """One axis of a shape, counted from either end; shrinks to the last."""
    return int(pick(draw, *range(-1, -len(shape) - 1, -1), *range(len(shape))))


def array(draw: Any, shape: tuple[int, ...], dtype: Any = np.float64, among: tuple[float, ...] = ()) -> Any:
    """An array of multiples of 1/4 up to ±4, or of some of the numbers in `among`."""
    from hypothesis import strategies as st

    from tinylm.testing import arrays

    return draw(arrays(shape, st.sampled_from(among) if among else None, dtype))


def integers(draw: Any, shape: tuple[int, ...], low: int, high: int) -> Any:
    """An array of whole numbers, both ends included."""
    from hypothesis import strategies as st

    from tinylm.testing import arrays

    return draw(arrays(shape, st.integers(low, high), np.int64))


def bools(draw: Any, shape: tuple[int, ...]) -> Any:
    """An array of truth values; shrinks to True everywhere."""
    from hypothesis import strategies as st

    from tinylm.testing import arrays

    return draw(arrays(shape, st.sampled_from([True, False]), np.bool_))


def asking(draw: Any, each: Case, *needs: tuple[bool, ...]) -> Case:
    """The case of a backward that is asked for all gradients or, now and then, for some: one of `needs`."""
    whole_tuple = each.settings["needs"]
    return Case(each.args, {**each.settings, "needs": pick(draw, whole_tuple, whole_tuple, *needs)})


def wanted(compare: Compare) -> Compare:
    """A comparison of gradients in which one that is not wanted may be None or not."""

    def compared(expected: Any, got: Any) -> str | None:
        if isinstance(expected, tuple) and isinstance(got, (list, tuple)) and len(got) == len(expected):
            got = tuple(None if one is None else other for one, other in zip(expected, got, strict=True))
        return compare(expected, got)

    return compared


def first_gradient(value: Any, after: tuple[Any, ...]) -> Any:
    """What counts of a backward where only the first input can have a gradient: it may come alone, or with None."""
    return value[0] if isinstance(value, tuple) and value else value
