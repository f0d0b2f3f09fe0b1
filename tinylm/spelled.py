"""The composite ops spelled out in primitive ones, to be read beside them and to test them; never used by the model.

Each function here means the same as the op of its name in `functional`, but is made of additions,
products, exponentials and reductions only, so its gradient comes from the engine and not from a
derivation by hand.
"""

import math

import numpy as np

from tinylm import functional as F
from tinylm.autograd import Tensor
from tinylm.backend import backend_of

__all__ = [
    "attention",
    "causal_attention",
    "embedding",
    "gelu_tanh",
    "layer_norm",
    "linear",
    "log_softmax",
    "merge_heads",
    "relu",
    "rms_norm",
    "rotary",
    "sigmoid",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "split_heads",
]


def _like(values: np.ndarray, x: Tensor) -> Tensor:
    """Constants beside x: on its device and, where they are numbers with a point, in its dtype."""
    host = values.astype(x.dtype) if values.dtype.kind == "f" else values
    return Tensor(backend_of(x.data).from_host(host))


def relu(x: Tensor) -> Tensor:
    """max(x, 0)"""
    return F.where(x > 0, x, x * 0)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e⁻ˣ), written with tanh, which does not overflow."""
    return ((x / 2).tanh() + 1) / 2


def silu(x: Tensor) -> Tensor:
    """x · σ(x)"""
    return x * sigmoid(x)


def gelu_tanh(x: Tensor) -> Tensor:
    """½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))"""
    return x * ((math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)).tanh() + 1) / 2


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """e^{x − m} / Σ e^{x − m}: the result does not depend on m, so no gradient passes through it."""
    e = (x - x.detach().max(axis=axis, keepdims=True)).exp()
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """x − m − ln Σ e^{x − m}"""
    shifted = x - x.detach().max(axis=axis, keepdims=True)
    return shifted - shifted.exp().sum(axis=axis, keepdims=True).log()


def layer_norm(x: Tensor, gain: Tensor, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """gain · (x − μ) / √(σ² + eps) + bias"""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    y = gain * (centred / (variance + eps).sqrt())
    return y if bias is None else y + bias


def rms_norm(x: Tensor, gain: Tensor, eps: float = 1e-5) -> Tensor:
    """gain · x / √(mean(x²) + eps)"""
    return gain * (x / ((x * x).mean(axis=-1, keepdims=True) + eps).sqrt())


def split_heads(x: Tensor, heads: int, size: int, start: int = 0) -> Tensor:
    """(..., T, C) → (..., heads, T, size)"""
    part = x[..., start : start + heads * size]  # (..., T, heads · size)
    return part.reshape(*x.shape[:-1], heads, size).swapaxes(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """(..., H, T, D) → (..., T, H · D)"""
    return x.swapaxes(-3, -2).reshape(*x.shape[:-3], x.shape[-2], x.shape[-3] * x.shape[-1])


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, transposed: bool = False) -> Tensor:
    """x W + b"""
    y = x @ (weight.T if transposed else weight)
    return y if bias is None else y + bias


def embedding(table: Tensor, ids: np.ndarray) -> Tensor:
    """A product of one-hot rows with the table: picking is a matrix product with zeros and ones."""
    rows = np.eye(table.shape[0])[np.asarray(ids)]  # (..., V)
    return _like(rows, table) @ table


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √D) v under a mask; every key head is repeated for the queries that share it."""
    if q.ndim >= 3 and q.shape[-3] != k.shape[-3]:
        heads = [head for head in range(k.shape[-3]) for _ in range(q.shape[-3] // k.shape[-3])]
        k, v = k[..., heads, :, :], v[..., heads, :, :]
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = F.where(mask, scores, -1e30)
    return softmax(scores) @ v


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention under a lower triangle of True, moved right where there are more keys than queries."""
    T, S = q.shape[-2], k.shape[-2]
    return attention(q, k, v, _like(np.tril(np.ones((T, S), dtype=bool), S - T), q))


def rotary(x: Tensor, positions: np.ndarray, base: float = 10000.0) -> Tensor:
    """Each pair (x[i], x[i + D/2]) times a 2×2 rotation matrix by position · base^(−2i/D)."""
    D = x.shape[-1]
    angles = np.asarray(positions)[..., None] * base ** (-2 * np.arange(D // 2) / D)  # (..., T, D/2)
    turn = np.stack(
        [np.stack([np.cos(angles), np.sin(angles)], -1), np.stack([-np.sin(angles), np.cos(angles)], -1)], -2
    )
    pairs = F.stack((x[..., : D // 2], x[..., D // 2 :]), axis=-1)  # (..., T, D/2, 2)
    turned = (pairs.reshape(*pairs.shape[:-1], 1, 2) @ _like(turn, x)).reshape(pairs.shape)
    return F.concatenate((turned[..., 0], turned[..., 1]), axis=-1)


def softmax_cross_entropy(
    logits: Tensor,
    targets: np.ndarray,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """−Σ target distribution · log_softmax(logits): one-hot, smoothed towards uniform."""
    V, ids = logits.shape[-1], np.asarray(targets)
    counted = np.ones(ids.shape, dtype=bool) if ignore_index is None else ids != ignore_index
    goal = np.eye(V)[np.where(counted, ids, 0)] * (1 - label_smoothing) + label_smoothing / V
    losses = -(log_softmax(logits) * _like(goal * counted[..., None], logits)).sum(axis=-1)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / max(int(counted.sum()), 1)
