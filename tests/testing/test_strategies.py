"""What the strategies draw: the nasty cases come within two hundred draws, all of it is valid, and it shrinks.

A case that is one value alone is met once: Hypothesis draws nothing twice.
"""

from pathlib import Path

import numpy as np
import pytest

import tinylm.testing as t

from .drawing import drawn, often, smallest


def test_numbers_are_exact_in_every_type_and_shrink_to_0():
    for x in often(t.numbers(), zero=lambda x: x == 0, negative=lambda x: x < 0, whole=lambda x: x % 1 == 0, least=1):
        assert float(np.float16(x)) == x
        assert abs(x) <= 4
    assert smallest(t.numbers()) == 0


@pytest.mark.parametrize(("largest", "step", "count"), [(0.3, 0.1, 7), (0.7, 0.1, 15), (1.0, 0.3, 7), (2.0, 0.5, 9)])
def test_numbers_reach_the_largest_and_no_further(largest, step, count):
    found = {float(x) for x in drawn(t.numbers(largest, step))}
    assert len(found) == count
    assert max(found) <= largest < max(found) + step * (1 - 1e-9)


def test_shapes_and_arrays():
    assert () in drawn(t.shapes())
    often(t.shapes(), long=lambda s: len(s) == 3, one=lambda s: 1 in s)
    assert smallest(t.shapes(min_dims=2)) == (1, 1)
    assert smallest(t.arrays((2, 2)), lambda x: x.sum() > 0.3).tolist() in ([[0, 0], [0, 0.5]], [[0.5, 0], [0, 0]])


def test_broadcastable_arrays_broadcast_and_differ_in_shape():
    pairs = often(
        t.broadcastable(),
        least=10,
        equal=lambda p: p[0].shape == p[1].shape,
        missing=lambda p: p[0].ndim != p[1].ndim,
        scalar=lambda p: p[0].ndim == 0 < p[1].ndim,
        ones=lambda p: any(a.shape[i] == 1 for a in p for i in range(a.ndim) if np.broadcast(*p).shape[i - a.ndim] > 1),
        both=lambda p: np.broadcast(*p).shape not in (p[0].shape, p[1].shape),
    )
    for a, b in pairs:
        np.broadcast(a, b)
    assert [x.tolist() for x in smallest(t.broadcastable(3))] == [0, 0, 0]
    assert len(smallest(t.broadcastable(3), lambda found: found[2].size == 2)) == 3
    assert any(0 in shape for found in drawn(t.broadcastable_shapes(min_side=0)) for shape in found)


@pytest.mark.parametrize("ndim", [0, 1, 3])
def test_axes_are_valid(ndim):
    x = np.ones((2,) * ndim)
    for axis in drawn(t.axes(ndim)):
        x.sum(axis=axis)
    assert smallest(t.axes(ndim)) is None
    if ndim:
        often(t.axes(ndim), least=1, negative=lambda a: isinstance(a, int) and a < 0, several=lambda a: a == (0,))
        assert all(isinstance(axis, int) for axis in drawn(t.axes(ndim, several=False, none=False)))
    else:
        with pytest.raises(ValueError, match="allow one of them"):
            smallest(t.axes(0, several=False, none=False))


def test_matmul_operands_can_be_multiplied_in_every_way():
    for a, b in often(
        t.matmul_operands(),
        vectors=lambda p: p[0].ndim == p[1].ndim == 1,
        vector_matrix=lambda p: p[0].ndim == 1 < p[1].ndim,
        matrix_vector=lambda p: p[1].ndim == 1 < p[0].ndim,
        matrices=lambda p: p[0].ndim == p[1].ndim == 2,
        batches=lambda p: p[0].ndim > 2 and p[1].ndim > 2,
        broadcast=lambda p: p[0].ndim > 2 and p[1].ndim > 2 and p[0].shape[:-2] != p[1].shape[:-2],
    ):
        assert np.isfinite(a @ b).all()
    assert [x.tolist() for x in smallest(t.matmul_operands())] == [[0], [0]]


def test_indices_can_be_used_and_repeat():
    x = np.arange(6.0).reshape(3, 2)

    def arrays_in(index):
        return [e for e in (index if isinstance(index, tuple) else (index,)) if isinstance(e, np.ndarray)]

    for index in often(
        t.indices(x.shape),
        number=lambda i: isinstance(i, int),
        negative=lambda i: isinstance(i, int) and i < 0,
        slices=lambda i: isinstance(i, slice) or (isinstance(i, tuple) and any(isinstance(e, slice) for e in i)),
        repeated=lambda i: any(a.dtype != bool and len(set(a.tolist())) < a.size for a in arrays_in(i)),
        bools=lambda i: any(a.dtype == bool for a in arrays_in(i)),
        whole_mask=lambda i: any(a.dtype == bool and a.ndim == 2 for a in arrays_in(i)),
        ellipsis=lambda i: isinstance(i, tuple) and any(e is Ellipsis for e in i),
        new_axis=lambda i: isinstance(i, tuple) and any(e is None for e in i),
        behind_ellipsis=lambda i: isinstance(i, tuple) and any(e is Ellipsis for e in i[:-1]) and i[-1] is not None,
        behind_new_axis=lambda i: isinstance(i, tuple) and i and i[0] is None and isinstance(i[-1], (int, slice)),
    ):
        x[index]
    often(
        t.indices(x.shape),
        least=1,
        ellipsis=lambda i: i is Ellipsis,
        new_axis=lambda i: i is None,
        nothing=lambda i: isinstance(i, tuple) and not i,
    )
    assert smallest(t.indices(x.shape)) == 0
    assert smallest(t.indices(())) == ()


def test_masks_let_every_row_see_something():
    masks = often(
        t.masks(3, 4),
        least=1,
        all=lambda m: m.all(),
        causal=lambda m: (m == np.tri(3, 4, 1, dtype=bool)).all(),
        one=lambda m: (m.sum(axis=1) == 1).all(),
    )
    assert all(m.any(axis=1).all() for m in masks)
    assert any(not m.any(axis=1).all() for m in drawn(t.masks(3, empty_rows=True)))
    assert smallest(t.masks(2)).all()


def test_token_ids_repeat_and_reach_the_ends():
    for ids in often(
        t.token_ids(50),
        least=20,
        first=lambda ids: 0 in ids,
        last=lambda ids: 49 in ids,
        repeated=lambda ids: len(np.unique(ids)) < ids.size,
        row_of_one=lambda ids: ids.shape[1] > 1 and any(len(set(row)) == 1 for row in ids.tolist()),
    ):
        assert ids.ndim == 2
        assert ids.dtype == np.int64
        assert ids.min() >= 0
        assert ids.max() < 50
    assert smallest(t.token_ids(50)).tolist() == [[0]]
    assert smallest(t.token_ids(1, (2,))).tolist() == [0, 0]


def test_targets_are_partly_ignored():
    for ids in often(
        t.targets(9, (4,)), least=20, some=lambda ids: (ids == -100).any(), none=lambda ids: (ids >= 0).all()
    ):
        assert (ids >= 0).any()
    assert any((ids == 7).all() for ids in drawn(t.targets(5, (2,), ignore_index=7, all_ignored=True)))
    assert all((ids >= 0).all() for ids in drawn(t.targets(9, (4,), ignore_index=None)))
    assert smallest(t.targets(9, (2,))).tolist() == [0, 0]


def test_logits_tie_and_are_huge_and_never():
    for x in often(
        t.logits(),
        least=10,
        ties=lambda x: len(set(x.tolist())) < len(x),
        equal=lambda x: len(x) > 1 and len(set(x.tolist())) == 1,
        huge=lambda x: (abs(x) == 1e4).any(),
        never=lambda x: np.isneginf(x).any(),
        alone=lambda x: len(x) == 1,
    ):
        assert np.isfinite(x).any()
        assert not np.isnan(x).any()
    assert all(np.isfinite(x).all() for x in drawn(t.logits(never=False, huge=False)))
    assert smallest(t.logits(3, lead=(2,))).tolist() == [[0] * 3] * 2


def test_probabilities_sum_to_1_exactly():
    for p in often(
        t.probabilities(),
        least=10,
        certain=lambda p: len(p) > 1 and p.max() == 1,
        zeros=lambda p: (p == 0).any(),
        ties=lambda p: len(set(p[p > 0].tolist())) < (p > 0).sum(),
        spread=lambda p: (p > 0).sum() > 2,
    ):
        assert p.sum() == 1
        assert (p >= 0).all()
        assert np.cumsum(p)[-1] == 1  # every partial sum is exact, too
    assert smallest(t.probabilities(3)).tolist() == [1, 0, 0]


NO_STRATEGIES = ("check_law", "law_named", "laws_of", "must_hold")


def test_every_strategy_is_tried_here():
    source = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_strategies*.py"))
    strategies = {name for name in t.__all__ if name.islower() and name not in NO_STRATEGIES}
    assert not [name for name in sorted(strategies) if f"t.{name}(" not in source]


def test_no_name_is_also_that_of_a_module():
    modules = {path.stem for path in Path(t.__file__).parent.iterdir()}
    assert not modules & set(t.__all__)
