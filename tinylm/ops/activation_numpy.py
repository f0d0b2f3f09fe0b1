"""NumPy kernels of gelu and silu: value and derivative together, in chunks that stay in the cache.

In float32 the exact form of gelu needs no 26-term series: Φ(x) = ½ (1 + tanh(x · R(x²))) with a polynomial R of
degree 6 is within 1.5e-7 of it, two roundings of float32. Its coefficients were fitted by least squares.
"""

import numpy as np

from tinylm.backend.memory import empty
from tinylm.backend.threads import share
from tinylm.ops.activation import GELU_CUBIC, ONE_OVER_SQRT_2PI, SQRT_2_OVER_PI, gelu, normal_cdf, silu

CHUNK = 131072  # elements worked on at once: calls are few, and input, value and derivative fit a second-level cache
SHARE = 1 << 22  # elements from which another thread is worth its while: those of BLAS go on spinning for a time
NORMAL_TANH = (
    7.97884941e-01, 3.63330844e-02, -3.25946998e-05, -5.53063380e-05, 3.96477747e-06, -1.32266657e-07,
    1.75628892e-09,
)  # fmt: skip


def _exact_float32(x, y, slope, recording=True):
    """y = x Φ(x), slope = Φ(x) + x φ(x), for one chunk of float32; y and slope serve as scratch on the way."""
    square, gate = np.multiply(x, x, out=slope), y
    np.multiply(square, NORMAL_TANH[-1], out=gate)
    for coefficient in NORMAL_TANH[-2:0:-1]:
        gate += coefficient
        gate *= square
    gate += NORMAL_TANH[0]
    gate *= x
    np.tanh(gate, out=gate)
    gate += 1
    gate *= 0.5  # Φ(x)
    if not recording:
        gate *= x
        return
    square *= -0.5
    np.exp(square, out=square)
    square *= ONE_OVER_SQRT_2PI  # φ(x)
    square *= x
    slope += gate
    gate *= x


def _exact(x, y, slope, recording=True):
    """The same in other precisions, by the reference's series."""
    gate = normal_cdf(np, x)
    np.multiply(x, gate, out=y)
    if recording:
        np.add(gate, x * (ONE_OVER_SQRT_2PI * np.exp(-x * x / 2)), out=slope)


def _tanh(x, y, slope, recording=True):
    """y = x g, slope = g + 2 x g (1 − g) u′ with g = ½ (1 + tanh u)."""
    square, gate = np.multiply(x, x, out=slope), y
    np.multiply(square, SQRT_2_OVER_PI * GELU_CUBIC, out=gate)
    gate += SQRT_2_OVER_PI
    gate *= x
    np.tanh(gate, out=gate)
    gate += 1
    gate *= 0.5
    if not recording:
        gate *= x
        return
    square *= 6 * GELU_CUBIC * SQRT_2_OVER_PI
    square += 2 * SQRT_2_OVER_PI
    square *= x
    square *= gate
    square *= 1 - gate
    slope += gate
    gate *= x


def _silu(x, y, slope, recording=True):
    """y = x σ, slope = σ + y (1 − σ) with σ = ½ (1 + tanh(x / 2)): no overflow on either side."""
    gate = np.multiply(x, 0.5, out=slope)
    np.tanh(gate, out=gate)
    gate += 1
    gate *= 0.5
    np.multiply(x, gate, out=y)
    if recording:
        slope += y * (1 - gate)


def in_chunks(work, x, recording):
    """Run work(x, y, slope, recording) chunk by chunk: (y, slope), or (y, None) where nobody records."""
    flat = np.ascontiguousarray(x).reshape(-1)
    y = empty(flat.shape, flat.dtype)
    slope = empty(flat.shape, flat.dtype) if recording else None

    def part(start, stop):
        scratch = np.empty(min(CHUNK, stop - start), flat.dtype) if slope is None else None
        for a in range(start, stop, CHUNK):
            b = min(a + CHUNK, stop)
            work(flat[a:b], y[a:b], scratch[: b - a] if slope is None else slope[a:b], recording)

    with np.errstate(over="ignore", under="ignore"):  # far out, powers of x overflow and tanh is ±1 all the same
        share(part, flat.size, SHARE)
    return y.reshape(x.shape), None if slope is None else slope.reshape(x.shape)


def gelu_forward(xp, x, *, approximate="none", recording=True):
    """As the reference, with the derivative computed on the way."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu: approximate is "none" or "tanh", got {approximate!r}')
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    exact = _exact_float32 if x.dtype == np.float32 else _exact
    y, slope = in_chunks(exact if approximate == "none" else _tanh, x, recording)
    return y, {"slope": slope}


def silu_forward(xp, x, *, recording=True):
    """As the reference, with the derivative computed on the way."""
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    y, slope = in_chunks(_silu, x, recording)
    return y, {"slope": slope}


def sloped_backward(xp, dy, *, slope):
    """dx = dy · slope"""
    dx = empty(slope.shape, dy.dtype)
    share(
        lambda a, b: np.multiply(dy.reshape(-1)[a:b], slope.reshape(-1)[a:b], out=dx.reshape(-1)[a:b]), dx.size, SHARE
    )
    return dx


gelu.kernel("numpy", forward=gelu_forward, backward=sloped_backward)
silu.kernel("numpy", forward=silu_forward, backward=sloped_backward)
