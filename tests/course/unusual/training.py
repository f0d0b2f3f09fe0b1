"""Right answers about training a tokenizer and a model: sets of words, new arrays for in place, windows as views."""

import math
from collections import Counter, defaultdict

import numpy as np


def count_pairs(words, counts):
    where = defaultdict(list)
    for number, word in enumerate(words):
        for i in range(1, len(word)):
            where[word[i - 1], word[i]].append(number)
    return {pair: sum(counts[n] for n in found) for pair, found in where.items()}, {
        pair: set(found) for pair, found in where.items()
    }


def merges(counts, n_merges=None, *, tie_break="huggingface", rivals=0):
    """Recounts whole words, but only those that have the pair; looks for the greatest count with max."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    place = {b: i for i, b in enumerate([*printed, *(b for b in range(256) if b not in printed)])}
    tokens = [bytes([b]) for b in range(256)]
    words = [(list(word), n) for word, n in counts.items()]
    total, where = Counter(), defaultdict(set)

    def account(number, sign):
        ids, n = words[number]
        for pair in zip(ids, ids[1:]):
            total[pair] += sign * n
            where[pair].add(number)

    for number in range(len(words)):
        account(number, 1)
    made = []
    while n_merges is None or len(made) < n_merges:
        top = max(total.values(), default=0)
        if top <= 0:
            break
        best = min((p for p in total if total[p] == top), key=lambda p: (place.get(p[0], p[0]), place.get(p[1], p[1])))
        made.append((tokens[best[0]], tokens[best[1]], top))
        for number in where.pop(best):
            account(number, -1)
            ids, n = words[number]
            i, new = 0, []
            while i < len(ids):
                both = tuple(ids[i : i + 2]) == best
                new.append(len(tokens) if both else ids[i])
                i += 2 if both else 1
            words[number] = new, n
            account(number, 1)
        tokens.append(tokens[best[0]] + tokens[best[1]])
        total = Counter({pair: n for pair, n in total.items() if n > 0})
    return made


def greatest_bytes(pair, corpus):
    class Turned(bytes):
        __lt__ = bytes.__gt__

    return tuple(Turned(corpus.tokens[i]) for i in pair)


def get_batch(tokens, batch_size, block_size, rng=None):
    if len(tokens) <= block_size:
        raise ValueError("too few tokens")
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(tokens), block_size + 1)
    rows = windows[[int(rng.random() * len(windows)) for _ in range(batch_size)]].astype("int64")
    return rows[:, :-1], rows[:, 1:]


def windows_in_order(tokens, batch_size, block_size):
    pairs = list(zip(tokens.tolist(), tokens[1:].tolist(), strict=False))
    rows = [pairs[i : i + block_size] for i in range(0, len(pairs), block_size)]
    while rows:
        some = [row for row in rows[:batch_size] if len(row) == len(rows[0])]
        del rows[: len(some)]
        both = np.array(some, dtype=np.int64)
        yield both[:, :, 0], both[:, :, 1]


def adamw_update(xp, p, g, m, v, t, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """The equation as it stands, in new arrays; the decay goes last, on a copy of what p was."""
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    step = lr * hat[0] / (hat[1] ** 0.5 + eps) + lr * weight_decay * p
    return (p - step).astype(p.dtype), m.astype(p.dtype), v.astype(p.dtype)


def sgd_update(p, g, b, *, lr, momentum=0.0, weight_decay=0.0):
    g = np.add(g, np.multiply(p, weight_decay), dtype=p.dtype)
    if momentum:
        g = g if b is None else (g + b * momentum).astype(p.dtype)
        b = g.copy()
    return (p - g * lr).astype(p.dtype), b


def clip_gradients(gradients, max_norm):
    norm = math.hypot(*(float(value) for gradient in gradients for value in gradient.flat))
    for gradient in gradients:
        gradient[...] = gradient * min(1, max_norm / (norm + 1e-6))
    return norm


def split_heads(xp, x, *, heads, size, start=0):
    parts = [x[..., start + n * size :][..., :size] for n in range(heads)]
    return np.concatenate([part[..., None, :, :] for part in parts], axis=-3)


def split_heads_backward(xp, dy, *, shape, heads, size, start):
    dx = np.zeros(shape, dy.dtype)
    for n in range(heads):
        for d in range(size):
            dx[..., start + n * size + d] = dy[..., n, :, d]
    return dx


def getitem_backward(xp, dy, *, shape, index):
    places = np.arange(math.prod(shape)).reshape(shape)[index]
    dx = np.zeros(math.prod(shape), dy.dtype)
    for place, value in zip(np.ravel(places), np.ravel(dy), strict=True):
        dx[place] += value
    return dx.reshape(shape)


def numerical_gradient(f, x, *, step=1e-3):
    """By columns of the identity, with steps of its own."""
    steps = 1e-4 * np.eye(x.size).reshape(-1, *x.shape)
    return np.array([(f(x + e) - f(x - e)) / 2e-4 for e in steps]).reshape(x.shape)


def decode_with_offsets(ids, tokens):
    owner = [i for i, id_ in enumerate(ids) for _ in tokens[id_]]
    text = b"".join(tokens[i] for i in ids).decode()
    character = [i for i, letter in enumerate(text) for _ in letter.encode()]
    return text, [character[owner.index(i)] for i in range(len(ids))]


def choose_token(logits, seen, rng, *, temperature=1.0, top_k=None, top_p=None, min_p=None, repetition_penalty=1.0):
    """Ids in a sorted list, from which every filter cuts the end."""
    z = [float(v) for v in logits]
    for i in {int(i) for i in seen}:
        z[i] = z[i] / repetition_penalty if z[i] > 0 else z[i] * repetition_penalty
    left = sorted(range(len(z)), key=lambda i: (-z[i], i))
    p = np.zeros(len(z))
    if temperature == 0:
        p[left[0]] = 1
        return left[0], p

    def shares():
        powers = [math.exp((z[i] - z[left[0]]) / temperature) for i in left]
        return [power / sum(powers) for power in powers]

    left = left[:top_k]
    if top_p is not None:
        left = left[: 1 + sum(total < top_p for total in np.cumsum(shares())[:-1])]
    if min_p is not None:
        left = [i for i, share in zip(left, shares(), strict=True) if share >= min_p * shares()[0]]
    p[left] = shares()
    drawn, token = rng.random(), -1
    while drawn >= 0:
        token += 1
        drawn -= p[token]
    return token, p
