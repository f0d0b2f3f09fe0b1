"""NumPy kernel of gelu: value and derivative together, in chunks that stay in the cache.

In float32 the exact form needs no 26-term series: Φ(x) = ½ (1 + tanh(x · R(x²))) with a polynomial R of
degree 6 is within 1.5e-7 of it, two roundings of float32. Its coefficients were fitted by least squares.
"""

import numpy as np

from tinylm.ops.activation import GELU_CUBIC, ONE_OVER_SQRT_2PI, SQRT_2_OVER_PI, gelu, normal_cdf

CHUNK = 16384  # elements: input, value and derivative of a chunk stay in the second-level cache
NORMAL_TANH = (
    7.97884941e-01, 3.63330844e-02, -3.25946998e-05, -5.53063380e-05, 3.96477747e-06, -1.32266657e-07,
    1.75628892e-09,
)  # fmt: skip


def _exact_float32(x, y, slope):
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
    square *= -0.5
    np.exp(square, out=square)
    square *= ONE_OVER_SQRT_2PI  # φ(x)
    square *= x
    slope += gate
    gate *= x


def _exact(x, y, slope):
    """The same in other precisions, by the reference's series."""
    gate = normal_cdf(np, x)
    np.multiply(x, gate, out=y)
    np.add(gate, x * (ONE_OVER_SQRT_2PI * np.exp(-x * x / 2)), out=slope)


def _tanh(x, y, slope):
    """y = x g, slope = g + 2 x g (1 − g) u′ with g = ½ (1 + tanh u)."""
    square, gate = np.multiply(x, x, out=slope), y
    np.multiply(square, SQRT_2_OVER_PI * GELU_CUBIC, out=gate)
    gate += SQRT_2_OVER_PI
    gate *= x
    np.tanh(gate, out=gate)
    gate += 1
    gate *= 0.5
    square *= 6 * GELU_CUBIC * SQRT_2_OVER_PI
    square += 2 * SQRT_2_OVER_PI
    square *= x
    square *= gate
    square *= 1 - gate
    slope += gate
    gate *= x


def gelu_forward(xp, x, *, approximate="none"):
    """As the reference, with the derivative computed on the way."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu: approximate is "none" or "tanh", got {approximate!r}')
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    exact = _exact_float32 if x.dtype == np.float32 else _exact
    work = exact if approximate == "none" else _tanh
    flat = np.ascontiguousarray(x).reshape(-1)
    y, slope = np.empty_like(flat), np.empty_like(flat)
    with np.errstate(over="ignore", under="ignore"):  # far out, powers of x overflow and tanh is ±1 all the same
        for start in range(0, flat.size, CHUNK):
            part = slice(start, start + CHUNK)
            work(flat[part], y[part], slope[part])
    return y.reshape(x.shape), {"slope": slope.reshape(x.shape)}


def gelu_backward(xp, dy, *, slope):
    """dx = dy · slope"""
    return dy * slope


gelu.kernel("numpy", forward=gelu_forward, backward=gelu_backward)
