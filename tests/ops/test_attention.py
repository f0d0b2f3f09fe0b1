"""Attention: what it may see, groups of heads, masks of every form, dropout of weights, extremes."""

import numpy as np
import pytest

import tinylm.functional as F
from tinylm import spelled, tensor

from . import laws, oracles
from .ladder import both_close, close, evaluate
from .strategies import values
from .test_ladder import climb


def qkv(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(values(rng, shape) for shape in shapes)


def test_attention_sees_no_future(device):
    climb(laws.check_no_future, "causal_attention", device)


def test_attention_sees_its_own_position(device):
    climb(laws.check_own_position_is_seen, "causal_attention", device)


@pytest.mark.parametrize("name", ["attention", "causal_attention"])
def test_grouped_heads_equal_repeated_heads(name, device):
    climb(laws.check_grouped_heads_equal_repeated_heads, name, device)


@pytest.mark.parametrize("heads", [(), (4,), (2, 4)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_causal_attention_equals_its_spelled_form(heads, groups, device):
    kv = (*heads[:-1], groups) if heads else ()
    arrays = qkv((*heads, 3, 5), (*kv, 7, 5), (*kv, 7, 2))
    both_close(evaluate(F.causal_attention, arrays, device), evaluate(spelled.causal_attention, arrays, device), 1e-12)


MASKS = [(), (5,), (1, 5), (3, 1), (3, 5), (4, 3, 5), (1, 3, 5), (2, 1, 3, 5), (1, 4, 1, 5), (2, 4, 3, 5)]


@pytest.mark.parametrize("form", MASKS)
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_masks_of_every_form_that_broadcasts(form, groups, device):
    arrays = qkv((2, 4, 3, 5), (2, groups, 5, 5), (2, groups, 5, 2))
    mask = np.random.default_rng(1).random(form) < 0.7

    def allowed(where, t, s):
        return oracles.at(mask, (*where, t, s))

    got = evaluate(lambda q, k, v: F.attention(q, k, v, tensor(mask, device=q.device)), arrays, device)
    close(got[0], oracles.attention(*arrays, allowed=allowed), 1e-12)
    if mask.any(axis=-1).all():  # the spelled form knows no query that may attend to nothing
        plain = evaluate(lambda q, k, v: spelled.attention(q, k, v, tensor(mask, device=q.device)), arrays, device)
        both_close(got, plain, 1e-12)


@pytest.mark.parametrize(
    ("q", "k", "mask", "y"),
    [
        ((1, 2, 3, 4), (5, 2, 3, 4), None, (5, 2, 3, 4)),
        ((5, 2, 3, 4), (2, 3, 4), None, (5, 2, 3, 4)),
        ((5, 4, 3, 4), (1, 2, 3, 4), None, (5, 4, 3, 4)),
        ((2, 3, 4), (3, 4), None, (2, 3, 4)),
        ((3, 4), (5, 3, 4), None, (5, 3, 4)),
        ((3, 4), (3, 4), (5, 3, 3), (5, 3, 4)),
        ((4, 3, 4), (2, 3, 4), (5, 1, 3, 3), (5, 4, 3, 4)),
    ],
)
def test_leading_axes_broadcast(q, k, mask, y, device):
    arrays = qkv(q, k, k)
    allowed = None if mask is None else np.random.default_rng(1).random(mask) < 0.9
    allowed = allowed if allowed is None else tensor(allowed, device=device)
    got = evaluate(lambda *x: F.attention(*x, allowed), arrays, device)
    assert got[0].shape == y
    full = tuple(np.broadcast_to(a, (*y[:-3], *a.shape[-3:])) if len(y) > 3 else a for a in arrays)
    wide = evaluate(lambda *x: F.attention(*x, allowed), full, device)
    close(got[0], wide[0], 1e-12)
    for array, narrow, gradient in zip(arrays, got[1], wide[1], strict=True):
        assert narrow.shape == array.shape
        extra = tuple(range(gradient.ndim - narrow.ndim))
        summed = gradient.sum(axis=extra)
        ones = tuple(a for a, n in enumerate(narrow.shape) if n != summed.shape[a])
        close(narrow, summed.sum(axis=ones, keepdims=True), 1e-12)


def test_a_query_that_may_attend_to_nothing_gives_0_and_no_gradient(device):
    mask = tensor(np.array([[True, False], [False, False]]), device=device)
    y, gradients = evaluate(lambda *x: F.attention(*x, mask), qkv((2, 3), (2, 3), (2, 3)), device)
    assert not y[1].any()
    assert y[0].any()
    assert not gradients[0][1].any()
    assert not gradients[1][1].any()


@pytest.mark.parametrize("function", [F.attention, F.causal_attention])
def test_one_position_attends_to_itself(function, device):
    q, k, v = qkv((2, 1, 3), (2, 1, 3), (2, 1, 4))
    y, (dq, dk, _) = evaluate(function, (q * 1e4, k, v), device)
    assert (y == v).all()
    assert not dq.any()
    assert not dk.any()


def test_scores_of_ten_thousand_stay_finite(device):
    q, k, v = (a.astype(np.float32) for a in qkv((2, 3, 4), (2, 3, 4), (2, 3, 4)))
    y, gradients = evaluate(F.causal_attention, (q * 1e4, k, v), device)
    assert all(np.isfinite(a).all() for a in (y, *gradients))


@pytest.mark.parametrize(
    "shapes",
    [
        ((0, 4, 3, 2), (0, 2, 3, 2), (0, 2, 3, 5)),  # no batch
        ((2, 0, 3, 2), (2, 0, 3, 2), (2, 0, 3, 5)),  # no heads
        ((2, 4, 0, 2), (2, 2, 3, 2), (2, 2, 3, 5)),  # no queries
        ((2, 4, 3, 2), (2, 2, 0, 2), (2, 2, 0, 5)),  # no keys: nothing to attend to
        ((2, 4, 3, 0), (2, 2, 3, 0), (2, 2, 3, 5)),  # no features: every key matches equally well
        ((2, 4, 3, 2), (2, 2, 3, 2), (2, 2, 3, 0)),  # no values
    ],
)
def test_empty_axes(shapes, device):
    arrays = qkv(*shapes)
    y, gradients = evaluate(F.attention, arrays, device)
    assert y.shape == (*shapes[0][:-1], shapes[2][-1])
    assert [g.shape for g in gradients] == list(shapes)
    if shapes[0][-1] == 0:
        close(y, np.broadcast_to(np.repeat(arrays[2], 2, axis=1).mean(axis=-2, keepdims=True), y.shape), 1e-12)


def test_queries_are_the_last_positions(device):
    """With a cache: the last two queries alone give the last two rows, which is what decoding relies on."""
    q, k, v = qkv((2, 5, 4), (2, 5, 4), (2, 5, 4))
    full, _ = evaluate(F.causal_attention, (q, k, v), device)
    last, _ = evaluate(F.causal_attention, (q[:, 3:], k, v), device)
    close(last, full[:, 3:], 1e-12)


def test_more_queries_than_keys_are_refused(device):
    x, y = tensor(np.zeros((3, 2)), device=device), tensor(np.zeros((2, 2)), device=device)
    with pytest.raises(ValueError, match="3 queries, but only 2 keys"):
        F.causal_attention(x, y, y)


@pytest.mark.parametrize("groups", [0, 3])
def test_heads_that_do_not_divide_are_refused(groups, device):
    q, k = tensor(np.zeros((4, 2, 2)), device=device), tensor(np.zeros((groups, 2, 2)), device=device)
    with pytest.raises(ValueError, match=f"4 query heads cannot share {groups} key heads"):
        F.attention(q, k, k)


def test_a_mask_of_floats_is_refused(device):
    x = tensor(np.zeros((2, 2)), device=device)
    with pytest.raises(TypeError, match="mask is made of bools"):
        F.attention(x, x, x, tensor(np.array([[0, -np.inf], [0, 0]]), device=device))


@pytest.mark.parametrize("function", [F.attention, F.causal_attention])
def test_dropout_of_weights_keeps_the_mean_and_repeats_under_one_stream(function):
    q, k, v = (tensor(a) for a in qkv((20_000, 1, 2), (20_000, 1, 2), (20_000, 1, 1)))
    y = function(q, k, v, dropout=0.25, rng=np.random.default_rng(3)).numpy()
    assert (y == function(q, k, v, dropout=0.25, rng=np.random.default_rng(3)).numpy()).all()
    ratio = y / v.numpy()
    assert set(np.unique(np.round(ratio, 12))) == {0.0, round(4 / 3, 12)}
    assert abs(ratio.mean() - 1) < 5 * np.sqrt(0.25 / 0.75 / 20_000)  # five standard deviations
    assert not function(q, k, v, dropout=1.0).numpy().any()


def test_the_cases_draw_grouped_heads_gates_masks_and_more_keys_than_queries():
    seen = set()

    def look(case, example, device):
        q, k, _ = example.arrays
        seen.update({
            f"heads {q.shape[-3] != k.shape[-3] if q.ndim > 2 else None}",
            f"gates {example.settings['gates'] is not None}",
            f"late {k.shape[-2] > q.shape[-2]}",
        })  # fmt: skip

    climb(look, "causal_attention", "numpy", 500)
    assert seen == {"heads True", "heads False", "heads None", "gates True", "gates False", "late True", "late False"}
