"""What the ladder draws: shapes by Hypothesis, values by NumPy from a drawn seed, so that a run stays short."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes


@dataclass(frozen=True)
class Example:
    """Inputs of one call: arrays on the host, and settings by name."""

    arrays: tuple[np.ndarray, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{a.dtype}{list(a.shape)} {a.tolist()}" for a in self.arrays)
        return f"Example({inputs}, {self.settings})"


sizes = st.sampled_from([2, 1, 3, 0, 5])
positive = st.sampled_from([2, 1, 3, 5])
shapes = st.lists(sizes, max_size=3).map(tuple)  # () is a 0-d array
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
LAYOUTS = ("plain", "fortran", "strided", "reversed")
layouts = st.sampled_from(LAYOUTS)


def lead(max_size: int = 2) -> st.SearchStrategy[tuple[int, ...]]:
    """Leading axes, among them none and empty ones."""
    return st.lists(sizes, max_size=max_size).map(tuple)


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values in memory in another order, or with gaps between them."""
    if not array.ndim:
        return array
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "strided":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "reversed":
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    return array


def values(rng, shape, layout="plain", low=0.3, high=2.0) -> np.ndarray:
    """Numbers of either sign with sizes from low to high: away from 0, where |x| and 1/x are not smooth."""
    return laid_out(np.asarray(rng.uniform(low, high, shape) * rng.choice([-1.0, 1.0], shape)), layout)


def positive_values(rng, shape, layout="plain") -> np.ndarray:
    return laid_out(np.abs(values(rng, shape)).reshape(shape), layout)


def distinct(rng, *shapes_) -> list[np.ndarray]:
    """Numbers of which any two, within an array or between arrays, lie at least 0.04 apart: no ties, no kinks."""
    lengths = [int(np.prod(shape)) for shape in shapes_]
    places = rng.permutation(sum(lengths)) - sum(lengths) / 2
    numbers = np.split(0.05 * places + rng.uniform(-0.005, 0.005, places.shape), np.cumsum(lengths)[:-1])
    return [part.reshape(shape) for part, shape in zip(numbers, shapes_, strict=True)]


def broadcastable(count: int) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """Shapes that broadcast together, with 0-d, empty and length-1 axes among them."""
    drawn = mutually_broadcastable_shapes(num_shapes=count, min_side=0, max_side=3, max_dims=3)
    return drawn.map(lambda found: found.input_shapes)


@st.composite
def elementwise(draw, count=1, make=values):
    """`count` arrays that broadcast together."""
    rng, layout = draw(generators), draw(layouts)
    drawn = (draw(shapes),) if count == 1 else draw(broadcastable(count))
    return Example(tuple(make(rng, shape, layout) for shape in drawn))


@st.composite
def apart(draw, count):
    """`count` arrays that broadcast together, all values distinct."""
    return Example(tuple(distinct(draw(generators), *draw(broadcastable(count)))))


@st.composite
def axes_of(draw, shape):
    """NumPy's `axis` for an array of `shape`: None, one axis or several, negative ones too."""
    if not shape:
        return draw(st.sampled_from([None, ()]))
    one = st.integers(-len(shape), len(shape) - 1)
    several = st.lists(one, max_size=3, unique_by=lambda a: a % len(shape)).map(tuple)
    return draw(st.one_of(st.none(), one, several))
