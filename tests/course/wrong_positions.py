"""Plausible wrong answers to the exercises on embeddings and positions; each must be found."""

import numpy as np


def one_hot_of_whole_numbers(ids, V):
    return np.eye(V, dtype=int)[ids]


def one_hot_transposed(ids, V):
    return np.moveaxis(np.eye(V)[ids], -1, 0)


def one_hot_counted_from_one(ids, V):
    return np.eye(V)[ids - 1]


def one_hot_as_wide_as_needed(ids, V):
    return np.eye(ids.max() + 1)[ids]


def one_hot_in_one_row(ids, V):
    row = np.zeros(V)
    row[ids] = 1
    return row


def embedding_written_over(dy, ids, V):
    dtable = np.zeros((V, dy.shape[-1]))
    dtable[ids] = dy
    return dtable


def embedding_added_once(dy, ids, V):
    dtable = np.zeros((V, dy.shape[-1]))
    dtable[ids] += dy
    return dtable


def embedding_averaged(dy, ids, V):
    onehot = np.eye(V)[ids].reshape(-1, V)
    return onehot.T @ dy.reshape(-1, dy.shape[-1]) / np.maximum(onehot.sum(axis=0), 1)[:, None]


def embedding_of_used_rows(dy, ids, V):
    onehot = np.eye(V)[ids].reshape(-1, V)
    return (onehot.T @ dy.reshape(-1, dy.shape[-1]))[np.unique(ids)]


def embedding_looked_up_again(dy, ids, V):
    return dy[ids]


def embedding_of_one_row_of_text(dy, ids, V):
    return np.eye(V)[ids].T @ dy


def _turned(x, positions, base, *, exponent=1.0, sign=1.0, neighbours=False, first=0, fast=False):
    h = x.shape[-1] // 2
    i = np.zeros(h) if fast else np.arange(h)
    a = sign * (positions[:, None] + first) * base ** (-exponent * i / h)
    if neighbours:
        u, w = x[:, ::2], x[:, 1::2]
        return np.stack([u * np.cos(a) - w * np.sin(a), w * np.cos(a) + u * np.sin(a)], axis=-1).reshape(x.shape)
    u, w = x[:, :h], x[:, h:]
    return np.concatenate([u * np.cos(a) - w * np.sin(a), w * np.cos(a) + u * np.sin(a)], axis=1)


def rotary_of_neighbours(x, positions, base=10000.0):
    return _turned(x, positions, base, neighbours=True)


def rotary_turned_back(x, positions, base=10000.0):
    return _turned(x, positions, base, sign=-1.0)


def rotary_twice_as_slow(x, positions, base=10000.0):
    return _turned(x, positions, base, exponent=0.5)


def rotary_twice_the_exponent(x, positions, base=10000.0):
    return _turned(x, positions, base, exponent=2.0)


def rotary_with_one_speed(x, positions, base=10000.0):
    return _turned(x, positions, base, fast=True)


def rotary_counted_from_one(x, positions, base=10000.0):
    return _turned(x, positions, base, first=1)


def rotary_by_place_in_x(x, positions, base=10000.0):
    return _turned(x, np.arange(len(x)), base)


def rotary_with_a_fixed_base(x, positions, base=10000.0):
    return _turned(x, positions, 10000.0)


def rotary_added(x, positions, base=10000.0):
    h = x.shape[-1] // 2
    a = positions[:, None] * base ** (-np.arange(h) / h)
    return x + np.concatenate([np.sin(a), np.cos(a)], axis=1)


def one_hot_compared(ids, V):
    return (ids[..., None] == np.arange(V)).astype(np.float32)


RIGHT = {"one_hot": [one_hot_compared]}

WRONG = {
    "one_hot": [
        one_hot_of_whole_numbers, one_hot_transposed, one_hot_counted_from_one, one_hot_as_wide_as_needed,
        one_hot_in_one_row,
    ],
    "embedding_backward": [
        embedding_written_over, embedding_added_once, embedding_averaged, embedding_of_used_rows,
        embedding_looked_up_again, embedding_of_one_row_of_text,
    ],
    "rotary": [
        rotary_of_neighbours, rotary_turned_back, rotary_twice_as_slow, rotary_twice_the_exponent,
        rotary_with_one_speed, rotary_counted_from_one, rotary_by_place_in_x, rotary_with_a_fixed_base, rotary_added,
    ],
}  # fmt: skip
