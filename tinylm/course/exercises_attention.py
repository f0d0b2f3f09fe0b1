"""The exercises on attention."""

from typing import Any

import numpy as np

from tinylm.course.exercise import Exercise, case, register
from tinylm.ops import attention

Array = Any


def _causal_mask(T: int, S: int) -> Array:
    mask: Any = attention.causal_mask
    return mask(np, T, S)


def _attention_weights(q: Array, k: Array) -> Array:
    return attention.causal_attention(np, q, k, k)[1]["p"]


def _causal_attention(q: Array, k: Array, v: Array) -> Array:
    return attention.causal_attention(np, q, k, v)[0]


_rng = np.random.default_rng(5)


def _numbers(*shape: int) -> Array:
    return _rng.integers(-4, 5, shape) / 2


register(
    Exercise(
        "causal_mask",
        "Return which of S keys each of T queries may attend to, True = may. The queries are the last T of the S "
        "positions: query i may see the keys 0 … i + S − T, which includes its own. "
        "→ (T, S) of bools",
        reference=_causal_mask,
        cases=[case(1, 1), case(2, 2), case(1, 3), case(2, 3), case(4, 4), case(3, 7)],
    )
)

register(
    Exercise(
        "attention_weights",
        "Return p, in whose row i stand the weights of the values for position i: p[i, j] = softmax over j ≤ i of "
        "q[i] · k[j] / √D, and 0 for j > i. "
        "q, k: (T, D) → p: (T, T)",
        reference=_attention_weights,
        cases=[
            case(np.array([[1.0]]), np.array([[2.0]])),
            case(np.array([[1.0], [2.0]]), np.array([[1.0], [-1.0]])),
            case(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[2.0, 1.0], [0.0, 2.0]])),
            case(np.array([[1.0], [1000.0]]), np.array([[1.0], [-1.0]])),
            case(np.array([[1.0], [1.0]]), np.array([[0.0], [1000.0]])),
            case(_numbers(4, 3), _numbers(4, 3)),
        ],
    )
)

register(
    Exercise(
        "causal_attention",
        "Return for every head y = p v, with p as in attention_weights: each position's average of the values up to "
        "its own. "
        "q, k: (H, T, D), v: (H, T, E) → y: (H, T, E)",
        reference=_causal_attention,
        cases=[
            case(np.array([[[1.0]]]), np.array([[[2.0]]]), np.array([[[3.0]]])),
            case(np.array([[[1.0], [2.0]]]), np.array([[[1.0], [0.0]]]), np.array([[[1.0], [5.0]]])),
            case(
                np.array([[[1.0, 2.0], [2.0, 0.0]]]), np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[[1.0], [5.0]]])
            ),
            case(_numbers(2, 3, 4), _numbers(2, 3, 4), _numbers(2, 3, 2)),
        ],
    )
)
