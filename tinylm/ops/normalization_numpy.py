"""NumPy kernels of layer norm and rms norm: blocks of rows that stay in the cache, sums over rows as products.

A sum over the last axis as a product with a vector, or by np.vecdot, is several times as fast as NumPy's reductions.
"""

import math
from functools import cache

import numpy as np

from tinylm.backend.memory import empty
from tinylm.backend.threads import share
from tinylm.ops.normalization import layer_norm, rms_norm
from tinylm.ops.op import keep

BLOCK = 131072  # elements of a block of rows: calls are few, and a block fits a second-level cache
SMALL = 1e-18  # a gain below it would lose bits of x̂
SHARE = 1 << 22  # elements from which another thread is worth its while: those of BLAS go on spinning for a time


@cache
def _ones(C, dtype):
    """The vector whose product with a row is the row's sum."""
    return np.ones(C, dtype=dtype)


def _means(rows, ones):
    """(n, C) → (n, 1). Dividing the sums rounds less than adding up the row's parts of 1/C."""
    means = rows @ ones
    means /= rows.shape[1]
    return means[:, None]


def _tells(gain, bias):
    """Whether x̂ can be had again from y = gain · x̂ + bias to within some roundings, so that only y need be kept."""
    size = np.abs(gain)
    if not (size.min() > SMALL and size.max() < 1 / SMALL):
        return False
    return bias is None or bool((np.abs(bias) <= size).all())


def _normalized(x, gain, bias, eps, centre, recording):
    """Rows of features normalised: (y, x̂ or None where y tells it, 1/σ)."""
    C = x.shape[-1]
    N = math.prod(x.shape[:-1])
    rows = x.reshape(N, C)
    y = empty((N, C), x.dtype)
    apart = recording and not _tells(gain, bias)
    xhat, rstd = empty((N, C), x.dtype) if apart else y, np.empty(N, x.dtype)
    step, every = max(1, BLOCK // C), _ones(C, x.dtype)

    def part(start, stop):
        for a in range(start, stop, step):
            here = slice(a, min(a + step, stop))
            block, h, r = rows[here], xhat[here], rstd[here]
            if centre:
                np.subtract(block, _means(block, every), out=h)
                block = h
            np.vecdot(block, block, out=r)
            r /= C
            r += eps
            np.sqrt(r, out=r)
            np.divide(1, r, out=r)
            np.multiply(block, r[:, None], out=h)
            out = np.multiply(h, gain, out=y[here])
            if bias is not None:
                out += bias

    share(part, N, max(1, SHARE // C))
    y = y.reshape(x.shape)
    return y, keep(
        xhat=xhat.reshape(x.shape) if apart else None,
        y=None if apart else y,
        rstd=rstd.reshape(*x.shape[:-1], 1),
        gain=gain,
        bias=None if apart else bias,
    )


def _gradients(dy, xhat, y, rstd, gain, bias, centre):
    """dx and dgain for rows that were normalised with or without their mean."""
    N, C = rstd.size, dy.shape[-1]
    rows, kept, rstd = dy.reshape(N, C), (y if xhat is None else xhat).reshape(N, C), rstd.reshape(N, 1)
    inverse = None if y is None else 1 / gain
    dx = empty((N, C), dy.dtype)
    step = max(1, BLOCK // C)
    ones, every = np.ones(min(step, N), dtype=dy.dtype), _ones(C, dy.dtype)
    starts = range(0, N, step)
    dgains = np.zeros((len(starts), C), dtype=dy.dtype)  # one row a block, so that the order of adding is fixed

    def part(first, last):
        product = empty((min(step, N), C), dy.dtype)
        again = None if y is None else empty(product.shape, dy.dtype)
        for number in range(first, last):
            here = slice(starts[number], min(starts[number] + step, N))
            block, h, d = rows[here], kept[here], dx[here]
            if y is not None:  # x̂ = (y − bias) / gain
                source = h if bias is None else np.subtract(h, bias, out=again[: len(h)])
                h = np.multiply(source, inverse, out=again[: len(h)])
            t = np.multiply(block, h, out=product[: len(h)])
            np.matmul(ones[: len(h)], t, out=dgains[number])
            np.multiply(block, gain, out=d)  # dx̂
            along = np.vecdot(d, h)
            along /= C
            if centre:
                d -= _means(d, every)
            np.multiply(h, along[:, None], out=t)
            d -= t
            d *= rstd[here]

    share(part, len(starts), max(1, SHARE // (step * C)))
    return dx.reshape(dy.shape), dgains.sum(axis=0)


def layer_norm_forward(xp, x, gain, bias=None, *, eps=1e-5, recording=True):
    """As the reference."""
    if not _alike(x, gain, bias):
        y, kept = layer_norm(np, x, gain, bias, eps=eps)
        return y, {**kept, "y": None, "bias": bias}
    return _normalized(x, gain, bias, eps, True, recording)


def layer_norm_backward(xp, dy, *, xhat, y, rstd, gain, bias, needs):
    """dx = r (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂)),  dx̂ = gain · dy,  dgain = Σ dy · x̂,  dbias = Σ dy"""
    if not _alike(dy, gain, xhat, y):
        return layer_norm.reference.backward(np, dy, xhat=xhat, rstd=rstd, gain=gain)
    dx, dgain = _gradients(dy, xhat, y, rstd, gain, bias, True)
    dbias = np.ones(rstd.size, dtype=dy.dtype) @ dy.reshape(rstd.size, dy.shape[-1]) if needs[2] else None
    return dx, dgain, dbias


def rms_norm_forward(xp, x, gain, *, eps=1e-5, recording=True):
    """As the reference."""
    if not _alike(x, gain):
        y, kept = rms_norm(np, x, gain, eps=eps)
        return y, {**kept, "y": None}
    return _normalized(x, gain, None, eps, False, recording)


def rms_norm_backward(xp, dy, *, xhat, y, rstd, gain):
    """dx = r (dx̂ − x̂ · mean(dx̂ · x̂)),  dx̂ = gain · dy,  dgain = Σ dy · x̂"""
    if not _alike(dy, gain, xhat, y):
        return rms_norm.reference.backward(np, dy, xhat=xhat, rstd=rstd, gain=gain)
    return _gradients(dy, xhat, y, rstd, gain, None, False)


def _alike(x, *others):
    """Whether all are of one floating-point type and there is something to normalise, so that rows can be blocked."""
    return (
        x.dtype.kind == "f"
        and x.dtype.itemsize >= 4
        and x.shape[-1] > 0
        and all(o is None or o.dtype == x.dtype for o in others)
    )


layer_norm.kernel("numpy", forward=layer_norm_forward, backward=layer_norm_backward)
rms_norm.kernel("numpy", forward=rms_norm_forward, backward=rms_norm_backward)
