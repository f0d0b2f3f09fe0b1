"""Sums, means and extremes over axes, with NumPy's `axis` and `keepdims`."""

from tinylm.ops.op import keep, op


def restore_axes(xp, y, shape, axis, keepdims):
    """Put back, with length 1, the axes that a reduction of an array of `shape` removed."""
    if keepdims:
        return y
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    removed = {a % len(shape) for a in axes} if shape else set()
    return y.reshape(tuple(1 if i in removed else n for i, n in enumerate(shape)))


def spread(xp, y, shape, axis, keepdims):
    """Copy every element of a reduction back to all places that it came from."""
    return xp.broadcast_to(restore_axes(xp, y, shape, axis, keepdims), shape).copy()


@op
def sum_(xp, x, *, axis=None, keepdims=False):
    """Add up over the given axes (all of them for None).

        y = Σ x

    x: (..., N, ...)   →   y: (...)
    """
    return x.sum(axis=axis, keepdims=keepdims), keep(shape=x.shape)


@sum_.backward
def sum_backward(xp, dy, *, shape, axis, keepdims):
    """dx = dy, at every place"""
    return spread(xp, dy, shape, axis, keepdims)


@op
def mean(xp, x, *, axis=None, keepdims=False):
    """The average over the given axes (all of them for None).

        y = (1/N) Σ x

    x: (..., N, ...)   →   y: (...)
    """
    return x.mean(axis=axis, keepdims=keepdims), keep(shape=x.shape, size=x.size)


@mean.backward
def mean_backward(xp, dy, *, shape, size, axis, keepdims):
    """dx = dy / N, at every place"""
    count = size // max(dy.size, 1)
    return spread(xp, dy / max(count, 1), shape, axis, keepdims)


@op
def var(xp, x, *, axis=None, keepdims=False):
    """The population variance over the given axes (all of them for None).

        y = (1/N) Σ (x − μ)²        μ = (1/N) Σ x

    x: (..., N, ...)   →   y: (...)
    """
    centred = x - x.mean(axis=axis, keepdims=True)
    return (centred * centred).mean(axis=axis, keepdims=keepdims), keep(centred=centred)


@var.backward
def var_backward(xp, dy, *, centred, axis, keepdims):
    """dx = dy · 2 (x − μ) / N"""
    count = centred.size // max(dy.size, 1)
    return restore_axes(xp, dy * (2 / max(count, 1)), centred.shape, axis, keepdims) * centred


def _extreme_backward(xp, dy, x, y, axis, keepdims):
    """The gradient goes to the places of the extreme, in equal parts where several are equal."""
    at_extreme = x == restore_axes(xp, y, x.shape, axis, keepdims)
    share = at_extreme / at_extreme.sum(axis=axis, keepdims=True).astype(dy.dtype)
    return restore_axes(xp, dy, x.shape, axis, keepdims) * share.astype(dy.dtype)


@op
def max_(xp, x, *, axis=None, keepdims=False):
    """The largest element over the given axes; equal ones share the gradient.

        y = max x

    x: (..., N, ...)   →   y: (...)
    """
    y = x.max(axis=axis, keepdims=keepdims)
    return y, keep(x=x, y=y)


@max_.backward
def max_backward(xp, dy, *, x, y, axis, keepdims):
    """dx = dy · [x = y] / number of equal largest elements"""
    return _extreme_backward(xp, dy, x, y, axis, keepdims)


@op
def min_(xp, x, *, axis=None, keepdims=False):
    """The smallest element over the given axes; equal ones share the gradient.

        y = min x

    x: (..., N, ...)   →   y: (...)
    """
    y = x.min(axis=axis, keepdims=keepdims)
    return y, keep(x=x, y=y)


@min_.backward
def min_backward(xp, dy, *, x, y, axis, keepdims):
    """dx = dy · [x = y] / number of equal smallest elements"""
    return _extreme_backward(xp, dy, x, y, axis, keepdims)
