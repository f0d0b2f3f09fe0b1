"""Rearranging without arithmetic: reshape, transpose, broadcast, concatenate, stack."""

from tinylm.ops.op import keep, op


@op
def reshape(xp, x, *, shape):
    """The same elements in the same order under another shape; one size may be −1.

    x: (...)   →   y: per shape
    """
    return x.reshape(shape), keep(old=x.shape)


@reshape.backward
def reshape_backward(xp, dy, *, old):
    """dx = dy under x's shape"""
    return dy.reshape(old)


@op
def transpose(xp, x, *, axes=None):
    """Reorder the axes: y's axis i is x's axis axes[i]; None reverses them.

    x: (...)   →   y: per axes
    """
    return xp.transpose(x, axes), keep()


@transpose.backward
def transpose_backward(xp, dy, *, axes):
    """dx = dy with its axes put back"""
    if axes is None:
        return xp.transpose(dy, None)
    places = [axis % dy.ndim for axis in axes]
    return xp.transpose(dy, tuple(places.index(axis) for axis in range(dy.ndim)))


@op
def broadcast_to(xp, x, *, shape):
    """Repeat along new axes and axes of length 1, as NumPy broadcasts; the engine sums the gradient back.

    x: (...)   →   y: per shape
    """
    return xp.broadcast_to(x, shape), keep()


@broadcast_to.backward
def broadcast_to_backward(xp, dy):
    """dx = dy summed over the repeated axes, which the engine does"""
    return dy


@op
def concatenate(xp, *xs, axis=0):
    """Join along an axis that exists.

        N = Σ Nᵢ

    xs: (..., Nᵢ, ...)   →   y: (..., N, ...)
    """
    return xp.concatenate(xs, axis=axis), keep(lengths=[x.shape[axis] for x in xs])


@concatenate.backward
def concatenate_backward(xp, dy, *, lengths, axis):
    """dxᵢ = the part of dy that came from xᵢ"""
    parts, start = [], 0
    for length in lengths:
        at = [slice(None)] * dy.ndim
        at[axis] = slice(start, start + length)
        parts.append(dy[tuple(at)])
        start += length
    return tuple(parts)


@op
def stack(xp, *xs, axis=0):
    """Join N arrays of one shape along a new axis.

    xs: (...)   →   y: (..., N, ...)
    """
    return xp.stack(xs, axis=axis), keep()


@stack.backward
def stack_backward(xp, dy, *, axis):
    """dxᵢ = dy at place i of the new axis"""
    first = xp.moveaxis(dy, axis, 0)
    return tuple(first[i] for i in range(first.shape[0]))


@op
def split_heads(xp, x, *, heads, size, start=0):
    """Part of the features as heads of their own: `heads` of `size` features each, from feature `start` on.

        y[..., n, t, d] = x[..., t, start + n·size + d]

    x: (..., T, C)   →   y: (..., N, T, D)
    """
    if start < 0 or start + heads * size > x.shape[-1]:
        raise ValueError(
            f"split_heads: {heads} heads of {size} from feature {start} on do not fit into {x.shape[-1]} features"
        )
    rows = x[..., start : start + heads * size].reshape(*x.shape[:-1], heads, size)
    return xp.swapaxes(rows, -3, -2), keep(shape=x.shape)


@split_heads.backward
def split_heads_backward(xp, dy, *, shape, heads, size, start):
    """dx = dy at the features that were taken, 0 at the others"""
    dx = xp.zeros(shape, dtype=dy.dtype)
    dx[..., start : start + heads * size] = xp.swapaxes(dy, -3, -2).reshape(*shape[:-1], heads * size)
    return dx


@op
def merge_heads(xp, x):
    """The features of all heads side by side again.

        y[..., t, n·D + d] = x[..., n, t, d]

    x: (..., N, T, D)   →   y: (..., T, C)        C = N·D
    """
    y = xp.swapaxes(x, -3, -2)
    return y.reshape(*y.shape[:-2], y.shape[-2] * y.shape[-1]), keep(heads=x.shape[-3], size=x.shape[-1])


@merge_heads.backward
def merge_heads_backward(xp, dy, *, heads, size):
    """dx = dy split into heads"""
    return xp.swapaxes(dy.reshape(*dy.shape[:-1], heads, size), -3, -2)
