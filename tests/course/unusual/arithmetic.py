"""Right answers with other formulas: complex numbers, the error function, logarithms, closed forms."""

import math

import numpy as np


def gelu(xp, x, *, approximate="none"):
    if approximate == "none":
        return (x / 2 * np.vectorize(math.erfc, otypes=[np.float64])(-x / math.sqrt(2))).astype(x.dtype), {}
    if approximate == "tanh":
        u = 2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return x / (1 + np.exp(-np.clip(u, -700, 700))).astype(x.dtype)
    raise ValueError(approximate)


def silu(xp, x):
    return x * (1 + np.tanh(x / 2)) / 2


def softmax_backward(xp, dy, *, p, axis):
    return p * dy - p * np.expand_dims(np.sum(p * dy, axis), axis)


def cosine(step, *, max_lr, min_lr, warmup, total):
    if step < warmup:
        return (step + 1) / (warmup + 1) * max_lr
    share = 1.0 if step >= total else (step - warmup) / (total - warmup)
    return min_lr + (max_lr - min_lr) * math.cos(math.pi / 2 * share) ** 2


def unbroadcast(gradient, shape):
    if gradient.ndim < len(shape):
        raise ValueError("the shapes do not fit")
    while gradient.ndim > len(shape):
        gradient = gradient.sum(0)
    for axis, n in enumerate(shape):
        if n == 1 and gradient.shape[axis] != 1:
            gradient = np.expand_dims(gradient.sum(axis), axis)
        elif gradient.shape[axis] != n:
            raise ValueError("the shapes do not fit")
    if gradient.shape != tuple(shape):
        raise ValueError("the shapes do not fit")
    return gradient


def keep_min_p(p, min_p):
    return np.array([bool(value >= min_p * max(p)) for value in p])
