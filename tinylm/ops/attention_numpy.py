"""NumPy kernel of causal attention: only the tiles that the mask allows, with weights kept before normalisation.

Rows of queries are worked on in blocks of `tile`; a block sees the keys up to its own last one, and only its last
tile needs a mask. What is kept is e = exp(score) and 1/l, where l = Σ e: weights are p = e / l, and 1/l is folded
into y and dy, which are smaller. No row maximum is taken off first: where l shows that exp left its safe range, those
rows are done again with it.

Sizes: N batch, G key heads, R query heads to each, T queries, S keys, D features of a key, E of a value.
"""

import math
from functools import cache

import numpy as np

from tinylm.backend.memory import empty
from tinylm.backend.threads import share
from tinylm.ops.attention import attend_backward, causal_attention, fold, sharing, unfold

SAFE = (1e-16, 1e16)  # a sum of exponentials in here lost nothing to overflow or underflow
SCORES = 131072  # scores worked on at once: they stay in the second-level cache
SHARE = 1 << 22  # scores from which another thread is worth its while: those of BLAS go on spinning for a time


def tile(T):
    """Rows of a block: small enough to skip much of the future, large enough for a matrix product."""
    return 32 if T <= 64 else 64


@cache
def ceiling(n, dtype):
    """(n, n): +∞ on and below the diagonal, −∞ above, so that np.fmin with it masks the future, NaN too."""
    return np.where(np.tri(n, dtype=bool), np.inf, -np.inf).astype(dtype)


def grouped(x, G, R):
    """(..., G·R, T, D) → (N, G, R, T, D), as a view where there is at most one leading axis."""
    return x.reshape(math.prod(x.shape[:-3]), G, R, *x.shape[-2:])


def interleaved(lead, heads, T, D, dtype):
    """(..., heads, T, D) that lies in memory as (..., T, heads, D), so that heads side by side are a view of it."""
    return empty((*lead, T, heads, D), dtype).swapaxes(-3, -2)


def fits(q, k, v, gates):
    """Whether the kernel's form is met: one type, the same leading axes, nothing empty."""
    if q.ndim < 3 or q.ndim != k.ndim or q.ndim != v.ndim or q.dtype.kind != "f" or q.dtype.itemsize < 4:
        return False
    if not (q.dtype == k.dtype == v.dtype) or not (q.shape[:-3] == k.shape[:-3] == v.shape[:-3]):
        return False
    if k.shape[-3] != v.shape[-3] or k.shape[-2] != v.shape[-2] or k.shape[-1] != q.shape[-1]:
        return False
    if gates is not None and (gates.dtype != q.dtype or gates.shape != (*q.shape[:-1], k.shape[-2])):
        return False
    return min(*q.shape, *v.shape, 1) > 0


class _Plan:
    """The blocks of one call, and how batch or heads are shared between threads and cut for the cache."""

    def __init__(self, q, k, v, scale):
        self.R, self.G = sharing(q, k), k.shape[-3]
        self.T, self.S = q.shape[-2], k.shape[-2]
        self.N = math.prod(q.shape[:-3])
        self.scale = q.shape[-1] ** -0.5 if scale is None else scale
        self.late = self.S - self.T  # row i sees keys 0 … i + late
        step = tile(self.T)
        self.blocks = [(a, min(a + step, self.T)) for a in range(0, self.T, step)]
        self.axis = 0 if self.N > 1 else 1  # what is cut: batch, or key heads
        self.count = self.N if self.N > 1 else self.G
        self.largest = self.R * (self.G if self.N > 1 else 1) * step * self.S  # scores of a block, for one of them

    def run(self, work):
        """Call work(index) for cache-sized cuts of (N, G), shared between threads."""
        step = max(1, SCORES // self.largest)

        def part(start, stop):
            with np.errstate(all="ignore"):  # rows whose scores leave the safe range are seen and done again
                for a in range(start, stop, step):
                    cut = slice(a, min(a + step, stop))
                    work((cut, slice(None)) if self.axis == 0 else (slice(None), cut))

        share(part, self.count, -(-SHARE // max(1, self.largest * len(self.blocks) // 2)))


def _times(x, factor):
    """x · factor in a buffer of its own, in one piece."""
    return np.multiply(x, factor, out=empty(x.shape, x.dtype))


def _highest(scores):
    """The largest of each row, 0 for a row of −∞, whose query may attend to nothing."""
    highest = scores.max(axis=-1, keepdims=True)
    highest[highest == -np.inf] = 0
    return highest


def _sum(e):
    """Σ e of each row, 1 where that is 0, so that nothing divided by it is nothing."""
    total = e.sum(axis=-1, keepdims=True)
    total[total == 0] = 1
    return total


def _exponentials(e, q, k, late_diagonal, ones):
    """Fill e with exp(q kᵀ) under the mask, whose diagonal begins at late_diagonal; returns Σ e of rows, (..., n)."""
    n, seen = e.shape[-2:]
    np.matmul(q, k.swapaxes(-1, -2), out=e)
    if n > 1:
        diagonal = e[..., late_diagonal:]
        np.fmin(diagonal, ceiling(n, e.dtype), out=diagonal)
    np.exp(e, out=e)
    total = np.matmul(e, ones[:seen])
    wrong = ~((total > SAFE[0]) & (total < SAFE[1]))
    if wrong.any():
        scores = np.matmul(q, k.swapaxes(-1, -2))
        scores[..., late_diagonal:] = np.fmin(scores[..., late_diagonal:], ceiling(n, e.dtype))
        scores = np.exp(scores - _highest(scores))
        e[wrong] = scores[wrong]
        total[wrong] = _sum(scores[wrong])[..., 0]
    return total


def _last(q, k, v, scale):
    """One query, which sees all keys: what each step of decoding asks for, with as few calls as there can be."""
    R = sharing(q, k)
    e = np.matmul(fold(q, R) * q.dtype.type(q.shape[-1] ** -0.5 if scale is None else scale), k.swapaxes(-1, -2))
    e -= _highest(e)
    np.exp(e, out=e)
    y = np.matmul(e, v)
    y /= _sum(e)
    return unfold(y, R)


def causal_attention_forward(xp, q, k, v, gates=None, *, scale=None, recording=True):
    """As the reference."""
    if not fits(q, k, v, gates) or q.shape[-2] > k.shape[-2]:
        y, kept = causal_attention(np, q, k, v, gates, scale=scale)
        return y, {**kept, "e": None, "rl": None, "y": None}
    if q.shape[-2] == 1 and not recording and gates is None:
        return _last(q, k, v, scale), {}
    plan = _Plan(q, k, v, scale)
    y = interleaved(q.shape[:-3], q.shape[-3], plan.T, v.shape[-1], q.dtype)
    y5, ones = grouped(y, plan.G, plan.R), np.ones(plan.S, dtype=q.dtype)
    q5, k5, v5 = grouped(q, plan.G, plan.R), grouped(k, plan.G, 1), grouped(v, plan.G, 1)
    factor = q.dtype.type(plan.scale)
    gates5 = None if gates is None else grouped(gates, plan.G, plan.R)
    rl = np.empty((plan.N, plan.G, plan.R, plan.T, 1), dtype=q.dtype)
    kept = (
        tuple([empty((plan.N, plan.G, plan.R, b - a, b + plan.late), q.dtype) for a, b in plan.blocks])
        if recording
        else None
    )

    def work(cut):
        scaled, keys, values = _times(q5[cut], factor), k5[cut], v5[cut]
        for number, (a, b) in enumerate(plan.blocks):
            seen = b + plan.late
            e = kept[number][cut] if recording else empty((*scaled.shape[:3], b - a, seen), q.dtype)
            total = _exponentials(e, scaled[..., a:b, :], keys[..., :seen, :], a + plan.late, ones)
            np.divide(1, total, out=rl[cut][..., a:b, 0])
            weights = e if gates is None else e * gates5[cut][..., a:b, :seen]
            np.matmul(weights, values[..., :seen, :], out=y5[cut][..., a:b, :])
        np.multiply(y5[cut], rl[cut], out=y5[cut])

    plan.run(work)
    return y, {"q": q, "k": k, "v": v, "p": None, "e": kept, "rl": rl, "y": y, "gates": gates}


def causal_attention_backward(xp, dy, *, q, k, v, p, e, rl, y, gates, scale):
    """dv = (e·g)ᵀ (dy/l),  ds = e ((dy/l) vᵀ·g − Σ (dy/l)·y),  dq = ds k · scale,  dk = dsᵀ q · scale"""
    if e is None:
        return attend_backward(np, dy, q, k, v, p, gates, scale)
    plan = _Plan(q, k, v, scale)
    G, R, lead = plan.G, plan.R, q.shape[:-3]
    dq = interleaved(lead, G * R, plan.T, q.shape[-1], q.dtype)
    dk, dv = (interleaved(lead, G, plan.S, x.shape[-1], q.dtype) for x in (k, v))
    dq5, dk5, dv5 = grouped(dq, G, R), grouped(dk, G, 1), grouped(dv, G, 1)
    q5, k5, v5, dy5, y5 = grouped(q, G, R), grouped(k, G, 1), grouped(v, G, 1), grouped(dy, G, R), grouped(y, G, R)
    gates5 = None if gates is None else grouped(gates, G, R)
    factor = q.dtype.type(plan.scale)

    def work(cut):
        scaled, keys, values = _times(q5[cut], factor), k5[cut], v5[cut].swapaxes(-1, -2)
        slopes = _times(dy5[cut], rl[cut])  # dy / l
        along = np.vecdot(slopes, y5[cut])[..., None]  # Σ (dy/l)·y, (..., T, 1)
        room = empty(math.prod(scaled.shape[:3]) * plan.blocks[0][1] * plan.S, q.dtype)
        for number in range(len(plan.blocks) - 1, -1, -1):
            a, b = plan.blocks[number]
            seen, weights = b + plan.late, e[number][cut]
            gate = None if gates is None else gates5[cut][..., a:b, :seen]
            _add(dv5[cut], weights if gate is None else weights * gate, slopes[..., a:b, :], seen)
            ds = room[: weights.size].reshape(weights.shape)
            np.matmul(slopes[..., a:b, :], values[..., :seen], out=ds)
            if gate is not None:
                ds *= gate
            ds -= along[..., a:b, :]
            ds *= weights
            np.matmul(ds, keys[..., :seen, :], out=dq5[cut][..., a:b, :])
            _add(dk5[cut], ds, scaled[..., a:b, :], seen)
        np.multiply(dq5[cut], factor, out=dq5[cut])

    def _add(target, left, right, seen):
        """target[..., :seen, :] += Σ over R of leftᵀ right; the first block, which sees all keys, sets it."""
        left = left.swapaxes(-1, -2)
        if R > 1:
            product = np.matmul(left, right).sum(axis=2, keepdims=True)
        elif seen == plan.S:
            np.matmul(left, right, out=target)
            return
        else:
            product = np.matmul(left, right, out=empty((*left.shape[:-1], right.shape[-1]), left.dtype))
        if seen == plan.S:
            target[...] = product
        else:
            part = target[..., :seen, :]
            part += product

    plan.run(work)
    return dq, dk, dv


causal_attention.kernel("numpy", forward=causal_attention_forward, backward=causal_attention_backward)
