"""NumPy kernel of rotary: cosines and sines are remembered from call to call, and no halves are joined."""

from functools import lru_cache

import numpy as np

from tinylm.backend.memory import empty
from tinylm.ops.position import rotary

LONGEST = 4096  # positions of a call whose cosines are worth remembering: 64 KB of them serve as key


@lru_cache(maxsize=8)
def _remembered(positions, dtype, shape, half, base, target):
    return _waves(np.frombuffer(positions, dtype).reshape(shape), half, base, target)


def _waves(positions, half, base, target):
    """cos and sin of position · base^(−i/half), (..., T, half), computed in float64."""
    frequencies = base ** (-np.arange(half, dtype=np.float64) / max(half, 1))
    angles = positions.astype(np.float64)[..., None] * frequencies
    return np.cos(angles).astype(target), np.sin(angles).astype(target)


def _turned(x, cos, sin, back):
    """The pairs (x[i], x[i + D/2]) turned by their angles, or back."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    y = empty(x.shape, x.dtype)
    left, right = y[..., :half], y[..., half:]
    aside = second * sin
    np.multiply(first, cos, out=left)
    np.add(left, aside, out=left) if back else np.subtract(left, aside, out=left)
    np.multiply(first, sin, out=aside)
    np.multiply(second, cos, out=right)
    np.subtract(right, aside, out=right) if back else np.add(right, aside, out=right)
    return y


def rotary_forward(xp, x, positions, *, base=10000.0):
    """As the reference."""
    half = x.shape[-1] // 2
    if x.shape[-1] % 2 or x.dtype.kind != "f" or np.broadcast_shapes(x.shape[:-1], positions.shape) != x.shape[:-1]:
        return rotary(np, x, positions, base=base)
    if positions.size <= LONGEST:
        cos, sin = _remembered(positions.tobytes(), positions.dtype, positions.shape, half, float(base), x.dtype)
    else:
        cos, sin = _waves(positions, half, base, x.dtype)
    return _turned(x, cos, sin, back=False), {"cos": cos, "sin": sin}


def rotary_backward(xp, dy, *, cos, sin):
    """dx = dy turned back by the same angles"""
    if dy.shape[:-1] != np.broadcast_shapes(dy.shape[:-1], cos.shape[:-1]):
        return rotary.reference.backward(np, dy, cos=cos, sin=sin)
    return _turned(dy, cos, sin, back=True), None


rotary.kernel("numpy", forward=rotary_forward, backward=rotary_backward)
