"""The exercises on layer norm, softmax and cross-entropy."""

from typing import Any

import numpy as np

from tinylm.course.exercise import Exercise, case, register
from tinylm.ops import activation, loss, normalization

Array = Any


def _softmax(x: Array) -> Array:
    return activation.softmax(np, x)[0]


def _layer_norm(x: Array, gain: Array, bias: Array, eps: float = 1e-5) -> Array:
    return normalization.layer_norm(np, x, gain, bias, eps=eps)[0]


def _layer_norm_backward(dy: Array, xhat: Array, rstd: Array, gain: Array) -> Any:
    return normalization.layer_norm.reference.backward(np, dy, xhat=xhat, rstd=rstd, gain=gain)  # type: ignore[misc]


def _cross_entropy_gradient(logits: Array, targets: Array) -> Array:
    value, kept = loss.softmax_cross_entropy(np, logits, targets)
    backward: Any = loss.softmax_cross_entropy.reference.backward
    return backward(np, np.ones_like(value), **kept, label_smoothing=0.0)[0]


_rng = np.random.default_rng(6)


def _numbers(*shape: int) -> Array:
    return _rng.integers(-4, 5, shape) / 2


def _backward_case(T: int, C: int) -> Any:
    """Arguments of layer_norm_backward as a forward pass leaves them."""
    x, gain = _numbers(T, C) + np.arange(C), np.arange(1.0, C + 1)
    kept = normalization.layer_norm(np, x, gain, np.zeros(C))[1]
    return case(_numbers(T, C), kept["xhat"].round(2), kept["rstd"].round(2), gain)


register(
    Exercise(
        "softmax",
        "Return numbers in proportion to e^x that add up to 1 along the last axis; x may be large. "
        "x: (..., N) → p: (..., N)",
        reference=_softmax,
        cases=[
            case(np.array([0.0, 0.0])),
            case(np.array([0.0, 1.0, 3.0])),
            case(np.array([1000.0, 1001.0, 0.0])),
            case(np.array([-1000.0, -1001.0, -1000.0])),
            case(np.array([[1.0, 2.0], [3.0, 3.0]])),
            case(np.array([[900.0, 901.0], [-900.0, -902.0]])),
        ],
    )
)

register(
    Exercise(
        "layer_norm",
        "Return gain · x̂ + bias with x̂ = (x − μ) / √(σ² + eps), where μ is the mean of each row and σ² = "
        "mean((x − μ)²) its variance. "
        "x: (..., C), gain, bias: (C,) → y: (..., C)",
        reference=_layer_norm,
        cases=[
            case(np.array([[1.0, 3.0]]), np.array([1.0, 1.0]), np.array([0.0, 0.0])),
            case(np.array([[2.0, 2.0]]), np.array([1.0, 2.0]), np.array([0.5, 1.0])),
            case(np.array([[0.0, 0.0, 3.0]]), np.array([1.0, 2.0, 1.0]), np.array([0.0, 1.0, 0.0])),
            case(np.array([[0.0, 0.01]]), np.array([1.0, 1.0]), np.array([0.0, 0.0]), eps=0.01),
            case(np.array([[0.0, 0.0, 3.0], [1.0, 5.0, 3.0]]), np.array([1.0, 2.0, 1.0]), np.array([0.0, 1.0, 0.0])),
            case(_numbers(2, 2, 4), np.arange(1.0, 5.0), np.arange(4.0)),
        ],
    )
)

register(
    Exercise(
        "layer_norm_backward",
        "Return dx, dgain and dbias: dx = r (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂)) with dx̂ = gain · dy and r = rstd, "
        "dgain = Σ dy · x̂, dbias = Σ dy; means over features, sums over rows. "
        "dy, xhat: (T, C), rstd: (T, 1), gain: (C,) → dx: (T, C), dgain, dbias: (C,)",
        reference=_layer_norm_backward,
        cases=[
            case(np.array([[1.0]]), np.array([[0.0]]), np.array([[2.0]]), np.array([3.0])),
            case(np.array([[1.0, 0.0]]), np.array([[-1.0, 1.0]]), np.array([[2.0]]), np.array([1.0, 3.0])),
            _backward_case(1, 3),
            _backward_case(2, 2),
            _backward_case(2, 4),
        ],
    )
)

register(
    Exercise(
        "cross_entropy_gradient",
        "Return the gradient by the logits of the mean over n of −ln softmax(logits[n])[targets[n]]. "
        "logits: (N, V), targets: (N,) of whole numbers below V → dlogits: (N, V)",
        reference=_cross_entropy_gradient,
        cases=[
            case(np.array([[0.0, 0.0]]), np.array([1])),
            case(np.array([[0.0, 1.0, 2.0]]), np.array([0])),
            case(np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([1, 1])),
            case(np.array([[1000.0, 0.0, 999.0]]), np.array([2])),
            case(_numbers(4, 3), np.array([2, 0, 2, 1])),
        ],
    )
)
