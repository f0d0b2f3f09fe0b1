"""Every op as a typed function on tensors; checks what arrays alone cannot say, computes nothing itself."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tinylm.autograd import Operand, Tensor, apply
from tinylm.autograd.tensor import Axis
from tinylm.backend import DeviceError, backend_of, stream
from tinylm.ops import (
    activation,
    arithmetic,
    comparison,
    indexing,
    loss,
    normalization,
    position,
    reduction,
    shape,
)
from tinylm.ops import attention as attention_ops
from tinylm.ops import dropout as dropout_ops
from tinylm.ops import matmul as matmul_ops

Ids = Tensor | np.ndarray | Sequence[Any] | Any  # whole numbers: a tensor, an array or nested lists

# -- arithmetic ----------------------------------------------------------------------------------------


def add(a: Operand, b: Operand) -> Tensor:
    return apply(arithmetic.add, a, b)


def subtract(a: Operand, b: Operand) -> Tensor:
    return apply(arithmetic.subtract, a, b)


def multiply(a: Operand, b: Operand) -> Tensor:
    return apply(arithmetic.multiply, a, b)


def divide(a: Operand, b: Operand) -> Tensor:
    return apply(arithmetic.divide, a, b)


def negative(x: Operand) -> Tensor:
    return apply(arithmetic.negative, x)


def power(a: Operand, b: Operand) -> Tensor:
    return apply(arithmetic.power, a, b)


def exp(x: Operand) -> Tensor:
    return apply(arithmetic.exp, x)


def log(x: Operand) -> Tensor:
    return apply(arithmetic.log, x)


def sqrt(x: Operand) -> Tensor:
    return apply(arithmetic.sqrt, x)


def sin(x: Operand) -> Tensor:
    return apply(arithmetic.sin, x)


def cos(x: Operand) -> Tensor:
    return apply(arithmetic.cos, x)


def absolute(x: Operand) -> Tensor:
    return apply(arithmetic.absolute, x)


def maximum(a: Operand, b: Operand) -> Tensor:
    return apply(arithmetic.maximum, a, b)


def minimum(a: Operand, b: Operand) -> Tensor:
    return apply(arithmetic.minimum, a, b)


def where(condition: Operand, a: Operand, b: Operand) -> Tensor:
    return apply(arithmetic.where, condition, a, b)


def astype(x: Operand, dtype: Any) -> Tensor:
    return apply(arithmetic.astype, x, dtype=np.dtype(dtype))


# -- comparison ----------------------------------------------------------------------------------------


def greater(a: Operand, b: Operand) -> Tensor:
    return apply(comparison.greater, a, b)


def greater_equal(a: Operand, b: Operand) -> Tensor:
    return apply(comparison.greater_equal, a, b)


def less(a: Operand, b: Operand) -> Tensor:
    return apply(comparison.less, a, b)


def less_equal(a: Operand, b: Operand) -> Tensor:
    return apply(comparison.less_equal, a, b)


def equal(a: Operand, b: Operand) -> Tensor:
    return apply(comparison.equal, a, b)


def not_equal(a: Operand, b: Operand) -> Tensor:
    return apply(comparison.not_equal, a, b)


def argmax(x: Operand, axis: int | None = None) -> Tensor:
    return apply(comparison.argmax, x, axis=axis)


# -- reduction (with NumPy's names, which hide Python's own inside this module) -------------------------


def sum(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return apply(reduction.sum_, x, axis=axis, keepdims=keepdims)


def mean(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return apply(reduction.mean, x, axis=axis, keepdims=keepdims)


def var(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return apply(reduction.var, x, axis=axis, keepdims=keepdims)


def max(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return apply(reduction.max_, x, axis=axis, keepdims=keepdims)


def min(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return apply(reduction.min_, x, axis=axis, keepdims=keepdims)


# -- shape and indexing --------------------------------------------------------------------------------


def reshape(x: Operand, shape_: tuple[int, ...]) -> Tensor:
    return apply(shape.reshape, x, shape=tuple(shape_))


def transpose(x: Operand, axes: tuple[int, ...] | None = None) -> Tensor:
    return apply(shape.transpose, x, axes=axes)


def broadcast_to(x: Operand, shape_: tuple[int, ...]) -> Tensor:
    return apply(shape.broadcast_to, x, shape=tuple(shape_))


def concatenate(xs: Sequence[Operand], axis: int = 0) -> Tensor:
    return apply(shape.concatenate, *xs, axis=axis)


def stack(xs: Sequence[Operand], axis: int = 0) -> Tensor:
    return apply(shape.stack, *xs, axis=axis)


def split_heads(x: Operand, heads: int, size: int, start: int = 0) -> Tensor:
    """(..., T, C) → (..., heads, T, size), from feature `start` on."""
    return apply(shape.split_heads, x, heads=heads, size=size, start=start)


def merge_heads(x: Operand) -> Tensor:
    """(..., H, T, D) → (..., T, H · D)"""
    return apply(shape.merge_heads, x)


def getitem(x: Tensor, index: Any) -> Tensor:
    return x[index]


def checked_ids(ids: Ids, below: int, like: Tensor, what: str, allowed: int | None = None) -> Any:
    """Ids as an array beside `like`, after a look at their range: a GPU would wrap wrong ones silently.

    Raises TypeError for anything but whole numbers, ValueError for ids outside 0 … below − 1 (and not `allowed`),
    DeviceError for ids on another GPU array library than `like`.
    """
    array: Any = ids.data if isinstance(ids, Tensor) else ids
    if not hasattr(array, "dtype") or isinstance(array, np.generic):
        array = np.asarray(array)
        array = array.astype(np.int64) if array.size == 0 else array
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} must be whole numbers, got {array.dtype}")
    owner, home = backend_of(array), backend_of(like.data)
    wrong = (array < 0) | (array >= below)
    if allowed is not None:
        wrong = wrong & (array != allowed)
    if array.size and bool(wrong.any()):
        bad = owner.to_host(array)[owner.to_host(wrong)][0]
        raise ValueError(f"{what} must be from 0 to {below - 1}, got {bad}")
    if owner is home:
        return array
    if owner.name != "numpy":
        raise DeviceError(f'{what} are on {owner.name}, the values on {home.name}; move them with .to("{home.name}")')
    return home.from_host(array)


def embedding(table: Tensor, ids: Ids) -> Tensor:
    """Rows of the table; ids out of range raise ValueError, also on a GPU."""
    return apply(indexing.embedding, table, checked_ids(ids, table.shape[0], table, "embedding: ids"))


# -- matrix products -----------------------------------------------------------------------------------


def matmul(a: Operand, b: Operand) -> Tensor:
    return apply(matmul_ops.matmul, a, b)


def linear(x: Operand, weight: Operand, bias: Operand | None = None, *, transposed: bool = False) -> Tensor:
    """x W + b with W (in, out), or (out, in) where `transposed`."""
    return apply(matmul_ops.linear, x, weight, bias, transposed=transposed)


# -- activation ----------------------------------------------------------------------------------------


def relu(x: Operand) -> Tensor:
    return apply(activation.relu, x)


def gelu(x: Operand, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    return apply(activation.gelu, x, approximate=approximate)


def sigmoid(x: Operand) -> Tensor:
    return apply(activation.sigmoid, x)


def silu(x: Operand) -> Tensor:
    return apply(activation.silu, x)


def tanh(x: Operand) -> Tensor:
    return apply(activation.tanh, x)


def softmax(x: Operand, axis: int = -1) -> Tensor:
    return apply(activation.softmax, x, axis=axis)


def log_softmax(x: Operand, axis: int = -1) -> Tensor:
    return apply(activation.log_softmax, x, axis=axis)


# -- normalization -------------------------------------------------------------------------------------


def layer_norm(x: Operand, gain: Operand, bias: Operand | None = None, eps: float = 1e-5) -> Tensor:
    return apply(normalization.layer_norm, x, gain, bias, eps=eps)


def rms_norm(x: Operand, gain: Operand, eps: float = 1e-5) -> Tensor:
    return apply(normalization.rms_norm, x, gain, eps=eps)


# -- attention and position ----------------------------------------------------------------------------


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Operand | None = None,
    *,
    scale: float | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Attention under a mask (True = may attend), with dropout of the attention weights.

    Raises TypeError for a mask of floats: it would mean the opposite of a mask that is added to the scores.
    """
    if getattr(getattr(mask, "dtype", None), "kind", "b") == "f":
        raise TypeError("attention: mask is made of bools, True = may attend; for a mask of 0 and −∞ give mask == 0")
    return apply(attention_ops.attention, q, k, v, mask, _gates(q, k, dropout, rng), scale=scale)


def causal_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    scale: float | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Attention to the past and oneself, with dropout of the attention weights."""
    return apply(attention_ops.causal_attention, q, k, v, _gates(q, k, dropout, rng), scale=scale)


def rotary(x: Tensor, positions: Ids, base: float = 10000.0) -> Tensor:
    """Turn pairs of features by their positions, whole numbers from 0 up."""
    return apply(position.rotary, x, checked_ids(positions, 2**31, x, "rotary: positions"), base=base)


# -- dropout and loss ----------------------------------------------------------------------------------

_default_dropout = stream(0, "dropout")


def _mask(shape: tuple[int, ...], like: Tensor, p: float, rng: np.random.Generator | None) -> Any:
    """True with probability 1 − p, drawn on the host: the same stream means the same mask on every device."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability from 0 to 1, got {p}")
    return backend_of(like.data).from_host((rng or _default_dropout).random(shape, dtype=np.float32) >= p)


def _gates(q: Tensor, k: Tensor, p: float, rng: np.random.Generator | None) -> Any:
    """What dropout multiplies attention weights with, (..., H, T, S): 0 or 1/(1 − p); None for p = 0."""
    if p == 0:
        return None
    return _mask((*q.shape[:-1], k.shape[-2]), q, p, rng).astype(q.dtype) * (0.0 if p == 1 else 1 / (1 - p))


def dropout(x: Tensor, p: float, training: bool = True, rng: np.random.Generator | None = None) -> Tensor:
    """Set each element to 0 with probability p and scale the others by 1/(1 − p); x itself where not training.

    Raises ValueError for p outside 0 … 1.
    """
    if p == 0 or (not training and 0 <= p <= 1):
        return x
    return apply(dropout_ops.dropout, x, _mask(x.shape, x, p, rng), p=p)


IGNORED = -100  # as a target it counts nothing: ignore_index of torch.nn.functional.cross_entropy


def softmax_cross_entropy(
    logits: Tensor,
    targets: Ids,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """Mean, sum or each of −ln softmax(logits)[target], in nats; see the op for the equation.

    Raises ValueError for targets that are no ids or of another shape, and for label_smoothing outside 0 … 1.
    """
    _check_smoothing("softmax_cross_entropy", label_smoothing)
    ids = _checked_targets("softmax_cross_entropy", targets, logits.shape[-1], logits, ignore_index)
    return apply(
        loss.softmax_cross_entropy,
        logits,
        ids,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )


def linear_cross_entropy(
    x: Tensor,
    weight: Tensor,
    targets: Ids,
    *,
    transposed: bool = False,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """softmax_cross_entropy(linear(x, weight), targets), in less memory: the logits are not kept.

    Raises ValueError as softmax_cross_entropy does.
    """
    _check_smoothing("linear_cross_entropy", label_smoothing)
    V = weight.shape[0 if transposed else 1]
    ids = _checked_targets("linear_cross_entropy", targets, V, x, ignore_index)
    return apply(
        loss.linear_cross_entropy,
        x,
        weight,
        ids,
        transposed=transposed,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )


def _check_smoothing(name: str, smoothing: float) -> None:
    if not 0 <= smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing is a share from 0 to 1, got {smoothing}")


def _checked_targets(name: str, targets: Ids, V: int, x: Tensor, ignore_index: int | None) -> Any:
    """One id below V for each row of x, (..., C)."""
    ids = checked_ids(targets, V, x, f"{name}: targets", ignore_index)
    if ids.shape != x.shape[:-1]:
        raise ValueError(
            f"{name}: targets must have shape {x.shape[:-1]}, the logits' without the last axis; got {ids.shape}"
        )
    return ids


__all__ = [
    "absolute",
    "add",
    "argmax",
    "astype",
    "attention",
    "broadcast_to",
    "causal_attention",
    "concatenate",
    "cos",
    "divide",
    "dropout",
    "embedding",
    "equal",
    "exp",
    "gelu",
    "getitem",
    "greater",
    "greater_equal",
    "layer_norm",
    "less",
    "less_equal",
    "linear",
    "linear_cross_entropy",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "maximum",
    "mean",
    "merge_heads",
    "min",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "relu",
    "reshape",
    "rms_norm",
    "rotary",
    "sigmoid",
    "silu",
    "sin",
    "softmax",
    "softmax_cross_entropy",
    "split_heads",
    "sqrt",
    "stack",
    "subtract",
    "sum",
    "tanh",
    "transpose",
    "var",
    "where",
]
