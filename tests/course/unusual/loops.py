"""Right answers in plain loops over single numbers; NumPy only holds them."""

import math

import numpy as np


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def layer_norm(xp, x, gain, bias=None, *, eps=1e-5):
    y = np.empty_like(x)
    for row, out in zip(_rows(x), _rows(y), strict=True):
        mean = math.fsum(map(float, row)) / len(row)
        variance = math.fsum((float(v) - mean) ** 2 for v in row) / len(row)
        for c, v in enumerate(row):
            out[c] = (float(v) - mean) / math.sqrt(variance + eps) * gain[c] + (0 if bias is None else bias[c])
    return y


def rms_norm_backward(xp, dy, *, xhat, rstd, gain):
    dx, dgain = np.zeros_like(dy), np.zeros_like(gain)
    for index in np.ndindex(dy.shape[:-1]):
        C = dy.shape[-1]
        mean = sum(gain[c] * dy[index][c] * xhat[index][c] for c in range(C)) / C
        for c in range(C):
            dgain[c] += dy[index][c] * xhat[index][c]
            dx[index][c] = rstd[index][0] * (gain[c] * dy[index][c] - xhat[index][c] * mean)
    return dx, dgain


def softmax(xp, x, *, axis=-1):
    moved = np.moveaxis(x, axis, -1)
    y = np.empty(moved.shape, x.dtype)
    for index in np.ndindex(moved.shape[:-1]):
        highest = max(moved[index])
        powers = [math.exp(v - highest) for v in moved[index]]
        for c, power in enumerate(powers):
            y[index][c] = power / sum(powers)
    return np.moveaxis(y, -1, axis), {}


def causal_attention(xp, q, k, v, gates=None, *, scale=None):
    T, D = q.shape[-2:]
    S, E = v.shape[-2:]
    scale = 1 / math.sqrt(D) if scale is None else scale
    lead = np.broadcast_shapes(q.shape[:-3], k.shape[:-3], v.shape[:-3])
    heads = q.shape[-3:-2]
    y = np.zeros((*lead, *heads, T, E), q.dtype)
    for index in np.ndindex(y.shape[:-2]):
        key = index
        if heads and k.ndim >= 3 and k.shape[-3] != heads[0]:
            key = (*index[:-1], index[-1] // (heads[0] // k.shape[-3]))
        for t in range(T):
            seen = t + S - T + 1
            scores = [scale * sum(float(a) * float(b) for a, b in zip(q[index][t], k[key][s])) for s in range(seen)]
            highest = max(scores)
            powers = [math.exp(score - highest) for score in scores]
            for s in range(seen):
                gate = 1 if gates is None else gates[index][t, s]
                y[index][t] += (powers[s] / sum(powers) * gate * v[key][s]).astype(q.dtype)
    return y


def embedding_backward(xp, dy, *, ids, shape):
    dtable = np.zeros(shape, dy.dtype)
    for index in np.ndindex(ids.shape):
        for c in range(shape[1]):
            dtable[ids[index]][c] += dy[index][c]
    return dtable


def matmul(xp, a, b):
    left = a[None] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, (*lead, *left.shape[-2:]))
    right = np.broadcast_to(right, (*lead, *right.shape[-2:]))
    y = np.zeros((*lead, left.shape[-2], right.shape[-1]), np.result_type(a, b))
    for index in np.ndindex(lead):
        for i in range(left.shape[-2]):
            for j in range(right.shape[-1]):
                for n in range(left.shape[-1]):
                    y[index][i, j] += left[index][i, n] * right[index][n, j]
    if a.ndim == 1:
        y = y[..., 0, :]
    return y[..., 0] if b.ndim == 1 else y
