"""Right answers that work in place, on copies of their own, and with masks instead of branches."""

import numpy as np


def layer_norm(xp, x, gain, bias=None, *, eps=1e-5):
    y = np.array(x)
    y -= np.add.reduce(y, -1, keepdims=True) / y.shape[-1]
    y /= np.sqrt(np.square(y).mean(-1, keepdims=True) + eps)
    y *= gain
    if bias is not None:
        y += bias
    return y


def relu(xp, x):
    y = x.copy()
    y[y < 0] = 0
    return y


def relu_backward(xp, dy, *, x):
    dx = dy.copy()
    dx[~(x > 0)] = 0
    return (dx,)[0]


def dropout(xp, x, mask, *, p):
    y = x.copy()
    y[~mask] = 0
    if p < 1:
        np.divide(y, 1 - p, out=y)
    else:
        y[...] = 0
    return y


def embedding_backward(xp, dy, *, ids, shape):
    flat, rows = ids.ravel(), dy.reshape(-1, shape[1])
    order = np.argsort(flat, kind="stable")
    dtable = np.zeros(shape, dy.dtype)
    if len(order):
        starts = np.flatnonzero(np.r_[True, np.diff(flat[order]) != 0])
        dtable[flat[order][starts]] = np.add.reduceat(rows[order], starts, axis=0)
    return dtable, None


def penalize_repetition(logits, seen, penalty):
    result = np.array(logits)
    for token in set(map(int, seen)):
        result[token] *= penalty if result[token] <= 0 else 1 / penalty
    return result
