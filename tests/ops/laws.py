"""Properties of the mathematics as plain functions of a case, an example and a device, as the rungs of `ladder`.

Tolerances without a comment are rung 1's: 1e-12 in float64 for values of size 1.
"""

import math

import numpy as np

import tinylm.functional as F
from tinylm import tensor

from .ladder import evaluate


def called(case, example, device, *arrays, **settings):
    """Value and gradients, with other arrays or settings than the example's where given."""
    chosen = example.settings | settings
    return evaluate(lambda *t: case.function(*t, **chosen), arrays or example.arrays, device)


# -- activation ----------------------------------------------------------------------------------------


def check_rows_sum_to_one(case, example, device="numpy"):
    y, _ = called(case, example, device)
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(axis=example.settings["axis"]), 1, rtol=0, atol=1e-12)


def check_shifts_change_nothing(case, example, device="numpy"):
    x = example.arrays[0]
    axis = example.settings["axis"]
    steps = np.arange(x.size / max(x.shape[axis], 1)).reshape(
        [n if a != axis % x.ndim else 1 for a, n in enumerate(x.shape)]
    )
    (y, dy), (moved, dmoved) = called(case, example, device), called(case, example, device, x + steps)
    np.testing.assert_allclose(moved, y, rtol=0, atol=1e-12 * max(1, x.size))  # the shift itself is rounded
    np.testing.assert_allclose(dmoved[0], dy[0], rtol=0, atol=1e-12 * max(1, x.size))


def check_gradients_of_rows_sum_to_zero(case, example, device="numpy"):
    """What does not change under a shift has no slope in its direction."""
    _, (dx, *_) = called(case, example, device)
    np.testing.assert_allclose(dx.sum(axis=example.settings.get("axis", -1)), 0, rtol=0, atol=1e-12)


def check_extremes_stay_finite(case, example, device="numpy"):
    """Inputs of ±1e4 in float32: nothing overflows (warnings are errors), nothing is NaN."""
    floats = [np.sign(a).astype(np.float32) * 1e4 if a.dtype.kind == "f" else a for a in example.arrays[:1]]
    rest = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in example.arrays[1:]]
    y, gradients = called(case, example, device, *floats, *rest)
    assert all(np.isfinite(a).all() for a in (y, *gradients) if a is not None)


# -- attention and position ----------------------------------------------------------------------------


def check_no_future(case, example, device="numpy"):
    """Change everything after position t: outputs up to t are the same bits, and no gradient comes from there."""
    q, k, v = (a.copy() for a in example.arrays)  # in one memory layout: another may be summed in another order
    T, S = q.shape[-2], k.shape[-2]
    before, _ = called(case, example, device, q, k, v)
    for t in range(T):
        late = [a.copy() for a in (q, k, v)]
        late[0][..., t + 1 :, :] += 1
        late[1][..., t + 1 + S - T :, :] *= -3
        late[2][..., t + 1 + S - T :, :] += 100
        after, _ = called(case, example, device, *late)
        assert (after[..., : t + 1, :] == before[..., : t + 1, :]).all()
        _, (_, dk, dv) = evaluate(lambda *x, t=t: case.function(*x, **example.settings)[..., t, :], (q, k, v), device)
        assert not dk[..., t + 1 + S - T :, :].any()
        assert not dv[..., t + 1 + S - T :, :].any()


def check_own_position_is_seen(case, example, device="numpy"):
    """Without gates each output depends on the value at its own position."""
    q, k, v = example.arrays
    before, _ = called(case, example, device, gates=None)
    own = v.copy()
    own[..., v.shape[-2] - q.shape[-2] :, :] += 1e3
    after, _ = called(case, example, device, q, k, own, gates=None)
    assert (after != before).all()


def check_grouped_heads_equal_repeated_heads(case, example, device="numpy"):
    q, k, v = example.arrays
    if q.ndim < 3:
        return
    R = q.shape[-3] // k.shape[-3]
    y, (dq, dk, dv) = called(case, example, device)
    full, (dq_full, *wide) = called(case, example, device, q, np.repeat(k, R, axis=-3), np.repeat(v, R, axis=-3))
    np.testing.assert_allclose(full, y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(dq_full, dq, rtol=0, atol=1e-12)
    for narrow, repeated in zip((dk, dv), wide, strict=True):
        shape = (*narrow.shape[:-2], R, *narrow.shape[-2:])
        np.testing.assert_allclose(repeated.reshape(shape).sum(axis=-3), narrow, rtol=0, atol=1e-11)  # sums of R


def check_rotation_preserves_norms(case, example, device="numpy"):
    x = example.arrays[0]
    y, (dx, _) = called(case, example, device)
    np.testing.assert_allclose((y**2).sum(axis=-1), np.broadcast_to((x**2).sum(axis=-1), y.shape[:-1]), atol=1e-12)
    weights = np.random.default_rng(0).uniform(-1.0, 1.0, y.shape)
    if y.shape == x.shape:
        np.testing.assert_allclose((dx**2).sum(axis=-1), (weights**2).sum(axis=-1), atol=1e-12)


def check_only_the_distance_matters(case, example, device="numpy"):
    """q at p and k at p + 3 have the same product for every p."""
    x, positions = example.arrays
    q, k = x, x[..., ::-1]
    products = []
    for shift in (0, 7):
        at_p, _ = called(case, example, device, q, positions + shift)
        after, _ = called(case, example, device, k, positions + shift + 3)
        products.append((at_p * after).sum(axis=-1))
    np.testing.assert_allclose(*products, atol=1e-11)  # angles up to 60 are themselves rounded by 7e-15


# -- indexing, reduction, norms, dropout ---------------------------------------------------------------


def check_gradients_add_over_repeats(case, example, device="numpy"):
    """Looked up twice, a row gets exactly twice the gradient; in all, each element gets one for each look-up."""
    table, ids = example.arrays
    _, (once, _) = evaluate(lambda t, i: F.embedding(t, i).sum(), (table, ids), device)
    _, (twice, _) = evaluate(lambda t, i: F.embedding(t, i).sum(), (table, np.stack([ids, ids])), device)
    counts = [sum(int(i) == row for i in ids.flat) for row in range(table.shape[0])]
    weight = np.random.default_rng(0).uniform(-1.0, 1.0, ())
    np.testing.assert_allclose(once, np.outer(counts, np.ones(table.shape[1])) * weight, rtol=1e-12)
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-12)


def check_normalized_rows(case, example, device="numpy"):
    """With gain 1 and bias 0: mean 0, and variance σ² / (σ² + eps)."""
    x, C = example.arrays[0], example.arrays[0].shape[-1]
    y, _ = called(case, example, device, x, np.ones(C), np.zeros(C))
    np.testing.assert_allclose(y.mean(axis=-1), 0, rtol=0, atol=1e-12 * 320)  # C = 1: 1/√eps magnifies rounding
    variance = x.var(axis=-1)
    np.testing.assert_allclose(y.var(axis=-1), variance / (variance + example.settings["eps"]), rtol=0, atol=1e-12)


def check_unit_root_mean_square(case, example, device="numpy"):
    x = example.arrays[0]
    y, _ = called(case, example, device, x, np.ones(x.shape[-1]))
    square = (x**2).mean(axis=-1)
    np.testing.assert_allclose((y**2).mean(axis=-1), square / (square + example.settings["eps"]), rtol=0, atol=1e-12)


def check_scale_of_rows_does_not_matter(case, example, device="numpy"):
    x, *rest = example.arrays
    y, _ = called(case, example, device, eps=0.0) if x.shape[-1] > 1 else (None, None)
    if y is not None:
        np.testing.assert_allclose(called(case, example, device, 1000 * x, *rest, eps=0.0)[0], y, rtol=0, atol=1e-11)


def check_ties_share_the_gradient(case, example, device="numpy"):
    """Gradients of one group are equal where the extreme is, 0 elsewhere, and add up to what came in."""
    x = np.sign(example.arrays[0])
    settings = example.settings | {"keepdims": True}
    y, (dx,) = called(case, example, device, x, keepdims=True)
    axis = settings["axis"]
    share = np.where(x == y, dx, 0)
    assert (share == dx).all()
    total = dx.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(share, np.where(x == y, total / (x == y).sum(axis=axis, keepdims=True), 0), atol=1e-12)
    weights = np.random.default_rng(0).uniform(-1.0, 1.0, y.shape)
    np.testing.assert_allclose(total, weights, atol=1e-12)


def check_expectation_is_kept(case, example, device="numpy"):
    """(1 − p) · what stays + p · 0 = x, and the same for the gradient."""
    x, p = example.arrays[0], example.settings["p"]
    stays, (dx, _) = called(case, example, device, x, np.ones(x.shape, bool))
    gone, (none, _) = called(case, example, device, x, np.zeros(x.shape, bool))
    weights = np.random.default_rng(0).uniform(-1.0, 1.0, x.shape)
    np.testing.assert_allclose((1 - p) * stays, x if p < 1 else 0 * x, rtol=1e-15, atol=0)
    np.testing.assert_allclose((1 - p) * dx, weights if p < 1 else 0 * x, rtol=1e-15, atol=0)
    assert not gone.any()
    assert not none.any()


# -- loss ----------------------------------------------------------------------------------------------


def check_reductions_agree(case, example, device="numpy"):
    ignore = example.settings["ignore_index"]
    counted = sum(int(target) != ignore for target in example.arrays[1].flat)
    each, total, mean = (called(case, example, device, reduction=r)[0] for r in ("none", "sum", "mean"))
    assert each.shape == example.arrays[1].shape
    np.testing.assert_allclose(each.sum(), total, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mean * max(counted, 1), total, rtol=1e-12, atol=1e-12)


def check_ignored_positions_count_nothing(case, example, device="numpy"):
    logits, targets = example.arrays
    if example.settings["ignore_index"] is None:
        return
    ignored = targets == example.settings["ignore_index"]
    _, (dlogits, _) = called(case, example, device)
    assert not dlogits[ignored].any()
    kept = logits[~ignored], targets[~ignored]
    for reduction in ("mean", "sum"):
        full, _ = called(case, example, device, reduction=reduction)
        alone, _ = called(case, example, device, *kept, reduction=reduction, ignore_index=None)
        np.testing.assert_allclose(full, alone, rtol=1e-12, atol=1e-12)


def check_smoothing_mixes_with_the_uniform_target(case, example, device="numpy"):
    """loss(s) = (1 − s) · loss(0) + s · the average of the losses for every possible target."""
    logits, targets = example.arrays
    V = logits.shape[-1]
    plain = {"ignore_index": None, "reduction": "none", "label_smoothing": 0.0}
    ids = targets % V  # without ignored ones
    one = called(case, example, device, logits, ids, **plain)[0]
    average = sum(called(case, example, device, logits, np.full_like(ids, v), **plain)[0] for v in range(V)) / V
    smooth = called(case, example, device, logits, ids, **(plain | {"label_smoothing": 0.3}))[0]
    np.testing.assert_allclose(smooth, 0.7 * one + 0.3 * average, rtol=1e-12, atol=1e-12)


def check_uniform_logits_lose_ln_v(case, example, device="numpy"):
    logits, targets = example.arrays
    loss, _ = called(case, example, device, 0 * logits, targets % logits.shape[-1], reduction="none", ignore_index=None)
    np.testing.assert_allclose(loss, math.log(logits.shape[-1]), rtol=1e-12, atol=1e-15)


def mean_of_dropout(p, device, n=200_000):
    """The average of n ones after dropout."""
    x = tensor(np.ones(n), device=device)
    return float(F.dropout(x, p, rng=np.random.default_rng(5)).numpy().mean())
