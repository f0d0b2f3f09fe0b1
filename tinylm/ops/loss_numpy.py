"""NumPy kernels of the cross-entropies: one pass over rows in the cache that leaves the gradient ready.

For loss alone the gradient takes the place of the logits, and where nothing is recorded a block of logits is made at a
time.
"""

import math

import numpy as np

from tinylm.backend.memory import empty
from tinylm.backend.threads import share
from tinylm.ops.loss import linear_cross_entropy, softmax_cross_entropy
from tinylm.ops.matmul_numpy import linear_backward, linear_forward

BLOCK = 1 << 18  # logits of a block of rows
SHARE = 1 << 22  # logits from which another thread is worth its while: those of BLAS go on spinning for a time
SAFE = (1e-16, 1e16)  # a sum of exponentials in here lost nothing to overflow or underflow
MOST = 1 << 22  # logits that are made at a time where nothing is recorded


def losses_of(logits, ids, weight, s, out):
    """−ln p of each row's id under softmax, smoothed by s, (N,); `out` becomes weight · d loss / d logits, if given.

    logits, out: (N, V), which may be the same array   ids, weight: (N,)
    """
    N, V = logits.shape
    losses = np.empty(N, dtype=logits.dtype)
    ones, step = np.ones(V, dtype=logits.dtype), max(1, BLOCK // V)

    def part(start, stop):
        scratch = np.empty((min(step, N), V), dtype=logits.dtype) if out is None else None
        with np.errstate(all="ignore"):  # rows whose logits leave the safe range are seen and done again
            for a in range(start, stop, step):
                here = slice(a, min(a + step, stop))
                rows, at = logits[here], (np.arange(min(a + step, stop) - a), ids[here])
                picked = rows[at]
                highest = np.zeros_like(picked)
                mean = rows @ ones / V if s else highest
                keep_rows = rows.copy() if out is logits else rows
                e = np.exp(rows, out=scratch[: len(rows)] if out is None else out[here])
                total = e @ ones  # (n,)
                wrong = ~((total > SAFE[0]) & (total < SAFE[1]))
                if wrong.any():
                    highest[wrong] = keep_rows[wrong].max(axis=-1)
                    e[wrong] = np.exp(keep_rows[wrong] - highest[wrong, None])
                    total[wrong] = e[wrong].sum(axis=-1)
                log_total = np.log(total)
                losses[here] = (1 - s) * (log_total - (picked - highest)) + s * (log_total - (mean - highest))
                if out is not None:
                    e *= (weight[here] / total)[:, None]
                    if s:
                        e -= (weight[here] * (s / V))[:, None]
                    e[at] -= (1 - s) * weight[here]

    share(part, N, max(1, SHARE // V))
    return losses


def weights_of(targets, ignore_index, reduction, dtype):
    """Ids with 0 for the ignored ones, and what each loss counts; both (N,)."""
    ids = targets.reshape(-1)
    counted = np.ones(len(ids), dtype=bool) if ignore_index is None else ids != ignore_index
    weight = counted.astype(dtype)
    if reduction == "mean":
        weight /= max(weight.sum(), 1)
    return np.where(counted, ids, 0), weight


def reduced(losses, weight, shape, reduction):
    losses *= weight
    return losses.reshape(shape) if reduction == "none" else losses.sum()


def softmax_cross_entropy_forward(
    xp, logits, targets, *, ignore_index=None, label_smoothing=0.0, reduction="mean", recording=True
):
    """As the reference; what is kept is the gradient for dy = 1."""
    if (
        logits.dtype.kind != "f"
        or logits.dtype.itemsize < 4
        or not logits.size
        or reduction not in ("mean", "sum", "none")
    ):
        loss, kept = softmax_cross_entropy(
            np, logits, targets, ignore_index=ignore_index, label_smoothing=label_smoothing, reduction=reduction
        )
        return loss, {**kept, "dlogits": None}
    flat = logits.reshape(-1, logits.shape[-1])  # (N, V)
    ids, weight = weights_of(targets, ignore_index, reduction, logits.dtype)
    dlogits = empty(flat.shape, logits.dtype) if recording else None
    loss = reduced(losses_of(flat, ids, weight, label_smoothing, dlogits), weight, targets.shape, reduction)
    kept = {"dlogits": None if dlogits is None else dlogits.reshape(logits.shape), "p": None, "ids": ids}
    return loss, {**kept, "weight": weight, "shape": logits.shape}


def scaled(dlogits, dy):
    """dlogits · dy, for one dy or one for each row; no copy where dy is 1."""
    if dy.ndim == 0:
        return dlogits if dy == 1 else dlogits * dy
    return dlogits * dy[..., None]


def softmax_cross_entropy_backward(xp, dy, *, dlogits, p, ids, weight, shape, label_smoothing):
    """dlogits = dy · (gradient for dy = 1)"""
    if dlogits is None:
        return softmax_cross_entropy.reference.backward(
            np, dy, p=p, ids=ids, weight=weight, shape=shape, label_smoothing=label_smoothing
        )
    return scaled(dlogits, dy), None


def linear_cross_entropy_forward(
    xp, x, weight, targets, *,
    transposed=False, ignore_index=None, label_smoothing=0.0, reduction="mean", recording=True,
):  # fmt: skip
    """As the reference; the gradient for dy = 1 takes the logits' place."""
    V = weight.shape[0 if transposed else 1]
    N = math.prod(x.shape[:-1])
    if (
        x.dtype != weight.dtype
        or x.dtype.kind != "f"
        or x.dtype.itemsize < 4
        or not N * V
        or reduction not in ("mean", "sum", "none")
    ):
        loss, kept = linear_cross_entropy(
            np, x, weight, targets, transposed=transposed, ignore_index=ignore_index,
            label_smoothing=label_smoothing, reduction=reduction,
        )  # fmt: skip
        return loss, {**kept, "dlogits": None}
    ids, counted = weights_of(targets, ignore_index, reduction, x.dtype)
    rows = x.reshape(N, x.shape[-1])
    if recording:
        dlogits, _ = linear_forward(np, rows, weight, transposed=transposed)
        losses = losses_of(dlogits, ids, counted, label_smoothing, dlogits)
        dlogits = dlogits.reshape(*x.shape[:-1], V)
    else:
        dlogits, step, losses = None, max(1, MOST // V), np.empty(N, x.dtype)
        for a in range(0, N, step):
            here = slice(a, min(a + step, N))
            logits, _ = linear_forward(np, rows[here], weight, transposed=transposed)
            losses[here] = losses_of(logits, ids[here], counted[here], label_smoothing, None)
    kept = {"x": x, "weight": weight, "dlogits": dlogits, "p": None, "ids": ids, "counted": counted}
    return reduced(losses, counted, targets.shape, reduction), {**kept, "shape": (*x.shape[:-1], V)}


def linear_cross_entropy_backward(
    xp, dy, *, x, weight, dlogits, p, ids, counted, shape, label_smoothing, transposed, needs, into
):
    """dx = dlogits Wᵀ,  dW = xᵀ dlogits"""
    if dlogits is None:
        return linear_cross_entropy.reference.backward(
            np, dy, x=x, weight=weight, p=p, ids=ids, counted=counted, shape=shape, label_smoothing=label_smoothing,
            transposed=transposed, needs=needs,
        )  # fmt: skip
    needs, dlogits = (*needs[:2], False), scaled(dlogits, dy)
    dx, dweight, _ = linear_backward(np, dlogits, x=x, weight=weight, needs=needs, into=into, transposed=transposed)
    return dx, dweight, None


softmax_cross_entropy.kernel("numpy", forward=softmax_cross_entropy_forward, backward=softmax_cross_entropy_backward)
linear_cross_entropy.kernel("numpy", forward=linear_cross_entropy_forward, backward=linear_cross_entropy_backward)
