"""Right answers to the problems about data, optimizers and sampling, each written in another way than the live one."""

import math
from fractions import Fraction

import numpy as np


def get_batch(tokens, batch_size, block_size, rng=None):
    x = np.zeros((batch_size, block_size), int)
    y = x.copy()
    for row in range(batch_size):
        start = int(rng.random() * (len(tokens) - block_size))
        for t in range(block_size):
            x[row, t], y[row, t] = tokens[start + t], tokens[start + t + 1]
    return x, y


def windows_in_order(tokens, batch_size, block_size):
    rows = [tokens[i : i + block_size + 1].astype(int) for i in range(0, max(len(tokens) - 1, 0), block_size)]
    full = [row for row in rows if len(row) == block_size + 1]
    groups = [full[i : i + batch_size] for i in range(0, len(full), batch_size)] + [[row] for row in rows[len(full) :]]
    return [(np.array([row[:-1] for row in group]), np.array([row[1:] for row in group])) for group in groups]


def bits_per_byte(loss, tokens, size):
    return math.log2(math.e) * loss * tokens / (size or 1)


def adamw_update(xp, p, g, m, v, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    hat_m, hat_v = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return p - lr * weight_decay * p - lr * hat_m / (np.sqrt(hat_v) + eps), m, v


def sgd_update(p, g, b, *, lr, momentum, weight_decay):
    g = g + weight_decay * p
    if not momentum:
        return p - lr * g, None
    b = g if b is None else momentum * b + g
    return p - lr * b, b


def clip_gradients(gradients, max_norm):
    norm = float(np.linalg.norm(np.concatenate([gradient.ravel() for gradient in gradients])))
    for gradient in gradients:
        gradient *= min(1.0, max_norm / (norm + 1e-6))
    return norm


def cosine(step, *, max_lr, min_lr, warmup, total):
    if step < warmup:
        return float(Fraction(step + 1, warmup + 1)) * max_lr
    done = min(1.0, (step - warmup) / (total - warmup))
    return min_lr + (max_lr - min_lr) * math.cos(done * math.pi / 2) ** 2


def penalize_repetition(logits, seen, penalty):
    return np.array([
        x if i not in list(seen) else x / penalty if x > 0 else x * penalty for i, x in enumerate(logits.tolist())
    ])  # fmt: skip


def keep_top_k(logits, k):
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    return np.array([i in order[:k] for i in range(len(logits))])


def keep_top_p(p, top_p):
    kept, total = [], 0.0
    for i in sorted(range(len(p)), key=lambda i: (-p[i], i)):
        if kept and total >= top_p:
            break
        kept.append(i)
        total += p[i]
    return np.isin(np.arange(len(p)), kept)


def keep_min_p(p, min_p):
    return ~(p < max(p) * min_p)


def probabilities(logits):
    return np.exp(logits - np.logaddexp.reduce(logits))


def pick(p, uniform):
    for i, each in enumerate(p.tolist()):
        uniform -= each
        if uniform < 0:
            return i
    raise AssertionError("the probabilities add up to 1")


def choose_token(
    logits, seen, rng, *, temperature=1.0, top_k=None, top_p=None, min_p=None, repetition_penalty=1.0
):  # fmt: skip
    x = penalize_repetition(logits, seen, repetition_penalty)
    if temperature == 0:
        best = min(range(len(x)), key=lambda i: (-x[i], i))
        return best, np.eye(len(x))[best]
    x = x / temperature
    if top_k is not None:
        x[~keep_top_k(x, top_k)] = -np.inf
    if top_p is not None:
        x[~keep_top_p(probabilities(x), top_p)] = -np.inf
    if min_p is not None:
        x[~keep_min_p(probabilities(x), min_p)] = -np.inf
    p = probabilities(x)
    return pick(p, rng.random()), p
