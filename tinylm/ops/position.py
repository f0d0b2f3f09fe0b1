"""Rotary position embedding: a position is an angle by which pairs of features are turned."""

from tinylm.ops.op import keep, op


def rotate(xp, x, cos, sin):
    """Turn each pair (x[i], x[i + D/2]) by its angle."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return xp.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)


@op
def rotary(xp, x, positions, *, base=10000.0):
    """Turn pairs of features by angles that grow with the position.

        (yᵢ, yᵢ₊ₕ) = (xᵢ cos a − xᵢ₊ₕ sin a, xᵢ₊ₕ cos a + xᵢ sin a)        a = position · base^(−i/h),  h = D/2

    x: (..., T, D)   positions: (..., T) of whole numbers   →   y: (..., T, D)        Su et al. 2021, eq. 34

    The pairs are those of the Llama family (first half with second half), not neighbours. The angles
    are computed in float64, so that far positions stay exact.
    """
    if x.shape[-1] % 2:
        raise ValueError(f"rotary: the last axis must be even, got {x.shape[-1]} features")
    half = x.shape[-1] // 2
    frequencies = base ** (-xp.arange(half, dtype=xp.float64) / max(half, 1))  # (D/2,)
    angles = positions.astype(xp.float64)[..., None] * frequencies  # (..., T, D/2)
    cos, sin = xp.cos(angles).astype(x.dtype), xp.sin(angles).astype(x.dtype)
    return rotate(xp, x, cos, sin), keep(cos=cos, sin=sin)


@rotary.backward
def rotary_backward(xp, dy, *, cos, sin):
    """dx = dy turned back by the same angles"""
    return rotate(xp, dy, cos, -sin), None
