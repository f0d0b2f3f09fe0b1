"""Right answers that compute in another type, or on Python's own numbers, and come back to the one that was given."""

from fractions import Fraction

import numpy as np


def log_softmax(xp, x, *, axis=-1):
    wide = x.astype(np.longdouble)
    total = np.logaddexp.reduce(wide, axis=axis, keepdims=True)
    return (wide - total).astype(x.dtype)


def rms_norm(xp, x, gain, *, eps=1e-5):
    wide = x.astype(np.longdouble)
    return (gain * (wide / np.sqrt((wide**2).sum(-1, keepdims=True) / x.shape[-1] + eps))).astype(x.dtype)


def softmax_cross_entropy_backward(xp, dy, *, p, ids, weight, shape, label_smoothing):
    wide = p.astype(np.float64)
    V = wide.shape[-1]
    wanted = np.eye(V)[ids] * (1 - label_smoothing) + label_smoothing / V
    dlogits = (wide - wanted) * (np.ravel(dy) * weight)[:, None]
    return dlogits.reshape(shape).astype(p.dtype)


def keep_top_p(p, top_p):
    kept = np.zeros(len(p), bool)
    gathered, wanted = Fraction(0), Fraction(top_p)
    for token in sorted(range(len(p)), key=lambda i: (-p[i], i)):
        kept[token] = True
        gathered += Fraction(float(p[token]))
        if gathered >= wanted:
            break
    return kept


def keep_top_k(logits, k):
    best = sorted(range(len(logits)), key=lambda i: (-float(logits[i]), i))[:k]
    return np.isin(np.arange(len(logits)), best)


def probabilities(logits):
    return (1 / np.exp(logits[None, :] - logits[:, None]).sum(1)) if np.isfinite(logits).all() else _slowly(logits)


def _slowly(logits):
    powers = [float(np.exp(v - max(logits))) for v in logits]
    return np.array([power / sum(powers) for power in powers])
