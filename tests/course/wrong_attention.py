"""Plausible wrong answers to the exercises on attention; each must be found."""

import numpy as np


def mask_without_oneself(T, S):
    return np.tril(np.ones((T, S), dtype=bool), S - T - 1)


def mask_of_the_future(T, S):
    return np.triu(np.ones((T, S), dtype=bool), S - T)


def mask_from_the_first_key(T, S):
    return np.tril(np.ones((T, S), dtype=bool))


def mask_of_everything(T, S):
    return np.ones((T, S), dtype=bool)


def mask_of_what_is_hidden(T, S):
    return ~np.tril(np.ones((T, S), dtype=bool), S - T)


def mask_of_numbers(T, S):
    return np.tril(np.ones((T, S)), S - T)


def mask_to_be_added(T, S):
    return np.where(np.tril(np.ones((T, S), dtype=bool), S - T), 0.0, -np.inf)


def mask_the_other_way_round(T, S):
    return np.tril(np.ones((S, T), dtype=bool), T - S)


def _softmax(x, axis=-1, safe=True):
    e = np.exp(x - x.max(axis=axis, keepdims=True) if safe else x)
    return e / e.sum(axis=axis, keepdims=True)


def _weights(q, k, *, scale=None, axis=-1, diagonal=0, hidden=-np.inf, safe=True, swapped=False):
    T, D = q.shape[-2:]
    if swapped:
        q, k = k, q
    scores = q @ np.swapaxes(k, -1, -2) / (np.sqrt(D) if scale is None else scale(D))
    return _softmax(np.where(np.tril(np.ones((T, T), dtype=bool), diagonal), scores, hidden), axis, safe)


def weights_without_scale(q, k):
    return _weights(q, k, scale=lambda D: 1.0)


def weights_divided_by_d(q, k):
    return _weights(q, k, scale=lambda D: D)


def weights_along_queries(q, k):
    return _weights(q, k, axis=-2)


def weights_without_mask(q, k):
    return _weights(q, k, hidden=0.0, diagonal=len(q))


def weights_seeing_one_ahead(q, k):
    return _weights(q, k, diagonal=1)


def weights_masked_with_zero(q, k):
    return _weights(q, k, hidden=0.0)


def weights_masked_after_softmax(q, k):
    return np.tril(_softmax(q @ k.T / np.sqrt(q.shape[-1])))


def weights_shifted_by_a_score_of_the_future(q, k):
    scores = q @ k.T / np.sqrt(q.shape[-1])
    with np.errstate(all="ignore"):
        e = np.tril(np.exp(scores - scores.max(axis=-1, keepdims=True)))
        return e / e.sum(axis=-1, keepdims=True)


def weights_that_overflow(q, k):
    return _weights(q, k, safe=False)


def weights_of_keys(q, k):
    return _weights(q, k, swapped=True)


def weights_before_softmax(q, k):
    return np.tril(q @ k.T / np.sqrt(q.shape[-1]))


def attention_without_scale(q, k, v):
    return _weights(q, k, scale=lambda D: 1.0) @ v


def attention_scaled_by_all_features(q, k, v):
    return _weights(q, k, scale=lambda D: np.sqrt(D * len(q))) @ v


def attention_without_mask(q, k, v):
    return _softmax(q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])) @ v


def attention_transposed(q, k, v):
    return np.swapaxes(_weights(q, k), -1, -2) @ v


def attention_of_the_first_head(q, k, v):
    return np.stack([_weights(q[0], k[0]) @ v[0]] * len(v))


def attention_not_normalised(q, k, v):
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return np.tril(np.exp(scores)) @ v


def attention_of_keys(q, k, v):
    return _weights(q, k) @ k


def attention_scaled_by_the_values(q, k, v):
    return _weights(q, k, scale=lambda D: np.sqrt(v.shape[-1])) @ v


WRONG = {
    "causal_mask": [
        mask_without_oneself, mask_of_the_future, mask_from_the_first_key, mask_of_everything, mask_of_what_is_hidden,
        mask_of_numbers, mask_to_be_added, mask_the_other_way_round,
    ],
    "attention_weights": [
        weights_without_scale, weights_divided_by_d, weights_along_queries, weights_without_mask,
        weights_seeing_one_ahead, weights_masked_with_zero, weights_masked_after_softmax, weights_that_overflow,
        weights_of_keys, weights_before_softmax, weights_shifted_by_a_score_of_the_future,
    ],
    "causal_attention": [
        attention_without_scale, attention_scaled_by_all_features, attention_without_mask, attention_transposed,
        attention_of_the_first_head, attention_not_normalised, attention_of_keys, attention_scaled_by_the_values,
    ],
}  # fmt: skip
