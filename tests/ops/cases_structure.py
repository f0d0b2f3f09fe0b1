"""Cases of reduction, shape, indexing and matrix products."""

import math
import statistics

import numpy as np
from hypothesis import strategies as st

import tinylm.functional as F
from tinylm import spelled

from . import oracles
from .ladder import Case, beside
from .strategies import (
    Example,
    axes_of,
    broadcastable,
    distinct,
    elementwise,
    generators,
    layouts,
    lead,
    positive,
    shapes,
    sizes,
    values,
)


@st.composite
def reductions(draw, empty=True, apart=False):
    """Any axes. `empty`: axes without numbers too; `apart`: no two equal numbers."""
    shape = draw(shapes)
    axis = draw(axes_of(shape))
    if not empty:
        reduced = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = {a % len(shape) for a in reduced}
        shape = tuple(n or 2 if a in gone else n for a, n in enumerate(shape))
    rng = draw(generators)
    x = distinct(rng, shape)[0] if apart else values(rng, shape, draw(layouts))
    return Example((x,), {"axis": axis, "keepdims": draw(st.booleans())})


REDUCTION = {
    "sum": Case(F.sum, oracles.over(math.fsum), reductions()),
    "mean": Case(F.mean, oracles.over(statistics.fmean), reductions(empty=False)),
    "var": Case(F.var, oracles.over(oracles.variance), reductions(empty=False)),
    "max": Case(F.max, oracles.over(lambda numbers: sorted(numbers)[-1]), reductions(empty=False, apart=True)),
    "min": Case(F.min, oracles.over(lambda numbers: sorted(numbers)[0]), reductions(empty=False, apart=True)),
}


@st.composite
def reshapes(draw):
    """An order of the same factors, sometimes with one of them left to be found."""
    x = draw(elementwise()).arrays[0]
    shape = list(draw(st.permutations([*x.shape, *draw(st.sampled_from([[], [1], [1, 1]]))])))
    if x.size and shape and draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = -1
    return Example((x,), {"shape": tuple(shape)})


@st.composite
def transposes(draw):
    deep = st.lists(positive, min_size=3, max_size=4).map(tuple)  # where a permutation is not its own inverse
    x = values(draw(generators), draw(st.one_of(shapes, deep)), draw(layouts))
    axes = tuple(a - draw(st.sampled_from([0, x.ndim])) for a in draw(st.permutations(range(x.ndim))))
    return Example((x,), {"axes": draw(st.sampled_from([axes, axes, axes, None]))})


@st.composite
def broadcasts(draw):
    shape = draw(shapes)
    kept = shape[draw(st.integers(0, len(shape))) :]
    narrow = tuple(1 if draw(st.booleans()) else n for n in kept)
    return Example((values(draw(generators), narrow, draw(layouts)),), {"shape": shape})


@st.composite
def joins(draw, new_axis):
    """One to three arrays; an axis counted from either end."""
    shape, rng = draw(shapes if new_axis else shapes.filter(len)), draw(generators)
    count, ends = draw(st.integers(1, 3)), len(shape) + new_axis
    axis = draw(st.integers(-ends, ends - 1))
    drawn = [list(shape) for _ in range(count)]
    for one in drawn if not new_axis else []:
        one[axis] = draw(sizes)
    return Example(tuple(values(rng, one, draw(layouts)) for one in drawn), {"axis": axis})


@st.composite
def features_of_heads(draw):
    """Some features before the heads and some behind them; any size may be 0."""
    heads, size, start, rest = draw(sizes), draw(sizes), draw(sizes), draw(sizes)
    shape = (*draw(lead()), draw(sizes), start + heads * size + rest)
    settings = {"heads": heads, "size": size, "start": start}
    return Example((values(draw(generators), shape, draw(layouts)),), settings)


@st.composite
def several_heads(draw):
    shape = (*draw(lead(1)), draw(sizes), draw(sizes), draw(sizes))
    return Example((values(draw(generators), shape, draw(layouts)),))


SHAPE = {
    "split_heads": Case(F.split_heads, oracles.split_heads, features_of_heads(), spelled.split_heads),
    "merge_heads": Case(F.merge_heads, oracles.merge_heads, several_heads(), spelled.merge_heads),
    "reshape": Case(lambda x, *, shape: F.reshape(x, shape), oracles.reshape, reshapes()),
    "transpose": Case(F.transpose, oracles.transpose, transposes()),
    "broadcast_to": Case(
        lambda x, *, shape: F.broadcast_to(x, shape),
        lambda x, *, shape: oracles.each(lambda a, b: a)(x, np.empty(shape)),
        broadcasts(),
    ),
    "concatenate": Case(lambda *xs, axis: F.concatenate(xs, axis), oracles.concatenate, joins(new_axis=False)),
    "stack": Case(lambda *xs, axis: F.stack(xs, axis), oracles.stack, joins(new_axis=True)),
}


def moved(index, like):
    """The index with its arrays on the device of `like`."""
    if isinstance(index, tuple):
        return tuple(moved(part, like) for part in index)
    return beside(index, like) if isinstance(index, np.ndarray) else index


@st.composite
def picks(draw):
    """Every kind of part that NumPy takes between the commas, alone and mixed; index arrays repeat themselves."""
    shape, rng = (draw(positive), draw(positive), draw(positive)), draw(generators)
    ids = [rng.integers(-n, n, draw(lead())) for n in shape]
    same = [rng.integers(-n, n, 3) for n in shape]
    some = [rng.random(shape) < 0.5, rng.random(shape[:2]) < 0.5, rng.random(shape[0]) < 0.5]
    found, back = rng.integers(-shape[2], shape[2], int(some[1].sum())), slice(None, None, -1)
    index = draw(
        st.sampled_from([
            (), ..., None, True, False, 0, -1, slice(1, None), slice(5, 9), back, (0, -1), (..., None, 0),
            (back, None, slice(0, 2)), ids[0], (ids[0],), (slice(None), ids[1]), (..., ids[2]), (ids[0], 0),
            (None, ids[0], ..., back), (same[0], None, same[1]), (same[0], same[1]),
            (same[0], slice(None), -1), (0, ..., same[2]), (same[0][:, None], same[1]), [0, 0, -1], ([0, 0], [-1, -1]),
            ((0, 0),), [], np.array(0), np.zeros((0, 2), np.int64), *some, (some[2], 0), (some[1], found),
            (..., rng.random(shape[2]) < 0.5), (None, some[1]),
        ])
    )  # fmt: skip
    return Example((values(rng, shape, draw(layouts)),), {"index": index})


@st.composite
def lookups(draw):
    V, C, rng = draw(positive), draw(sizes), draw(generators)
    ids = rng.integers(0, V, draw(shapes)).astype(draw(st.sampled_from(["int64", "uint16", "int8"])))
    return Example((values(rng, (V, C), draw(layouts)), ids))


INDEXING = {
    "getitem": Case(lambda x, *, index: F.getitem(x, moved(index, x)), oracles.getitem, picks()),
    "embedding": Case(
        F.embedding, oracles.embedding, lookups(), lambda table, ids: spelled.embedding(table, ids.numpy())
    ),
}


@st.composite
def products(draw):
    """Vectors, matrices and stacks of them, whose leading axes broadcast; any size may be 0."""
    M, K, N, rng = draw(sizes), draw(sizes), draw(sizes), draw(generators)
    front, behind = draw(broadcastable(2))
    a = draw(st.sampled_from([(K,), (M, K), (*front[:2], M, K)]))
    b = draw(st.sampled_from([(K,), (K, N), (*behind[:2], K, N)]))
    if len(a) > 2 and len(b) > 2:
        a, b = (*front, M, K), (*behind, K, N)
    return Example((values(rng, a, draw(layouts)), values(rng, b, draw(layouts))))


@st.composite
def layers(draw):
    inner, outer, rng, transposed = draw(sizes), draw(sizes), draw(generators), draw(st.booleans())
    weight = (outer, inner) if transposed else (inner, outer)
    shapes_ = [(*draw(lead()), inner), weight, (outer,)][: draw(st.integers(2, 3))]
    return Example(tuple(values(rng, shape, draw(layouts)) for shape in shapes_), {"transposed": transposed})


MATMUL = {
    "matmul": Case(F.matmul, oracles.matmul, products()),
    "linear": Case(F.linear, oracles.linear, layers(), spelled.linear),
}
