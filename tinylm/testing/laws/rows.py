"""Laws of softmax and of layer norm: functions that work on each row of the last axis."""

from typing import Any

import numpy as np

import tinylm.testing as drawn
from tinylm.testing import given
from tinylm.testing.law import close, law, require
from tinylm.testing.mistakes import InputError

__all__ = [
    "layer_norm_centres_and_scales",
    "layer_norm_ignores_scale",
    "layer_norm_ignores_shifts",
    "rows_do_not_see_each_other",
    "softmax_ignores_shifts",
    "softmax_keeps_order",
    "softmax_sums_to_one",
]

Array = Any
EPS = 1e-2  # the largest eps of a layer norm for which these laws leave room


@law("softmax", x=lambda _: drawn.logits(lead=(2,)))
def softmax_sums_to_one(softmax: Any, x: Array) -> None:
    """Probabilities lie from 0 to 1 and each row of them sums to 1, also for logits of ±10,000 and of −∞."""
    x = _rows(x)
    p = np.array(softmax(x.copy()))
    require(p.shape == x.shape, f"its shape is {p.shape}, that of the logits {x.shape}")
    require(np.isfinite(p).all(), "some are not finite", got=p)
    require((p >= 0).all() and (p <= 1 + 1e-6).all(), "some are below 0 or above 1", got=p)
    close(np.ones(x.shape[:-1], p.dtype), p.sum(axis=-1), "the sum of a row")
    require((p[np.isneginf(x)] == 0).all(), "a logit of −∞ has a probability", got=p)


@law("softmax", x=lambda _: drawn.logits(lead=(2,)), shift=lambda _: drawn.numbers(64.0))
def softmax_ignores_shifts(softmax: Any, x: Array, shift: float) -> None:
    """The same number added to all logits changes no probability: softmax(x + c) = softmax(x)."""
    x, shift = _rows(x), given.number("shift", shift)
    p = np.array(softmax(x.copy()))  # a copy, here and below: the code may give the same array again, written over
    close(p, np.array(softmax(x + shift)), "softmax of the shifted logits")


@law("softmax", x=lambda _: drawn.logits(lead=(2,)))
def softmax_keeps_order(softmax: Any, x: Array) -> None:
    """A larger logit has no smaller probability, equal ones have equal, and e^(difference) is their ratio."""
    x = _rows(x)
    p = np.array(softmax(x.copy()))
    for row, share in zip(x.reshape(-1, x.shape[-1]), p.reshape(-1, x.shape[-1]), strict=True):
        top = row.max()
        close(np.exp(row - top) * share[row.argmax()], share, "the probability beside that of the largest logit")


@law("rows", x=lambda _: drawn.arrays((3, 4)))
def rows_do_not_see_each_other(f: Any, x: Array) -> None:
    """Each row is worked on alone: with the rows turned round, the same results come in the other order."""
    x = _rows(x)
    y = np.array(f(x.copy()))
    close(y[::-1], np.array(f(x[::-1].copy())), "the result for the rows in reverse order")


@law("layer_norm", x=lambda _: _features())
def layer_norm_centres_and_scales(norm: Any, x: Array) -> None:
    """Each row has mean 0 and variance 1 afterwards (less where eps counts), and rows of one number become zeros."""
    x = _rows(x)
    y = np.array(norm(x.copy()), np.float64)
    require(y.shape == x.shape, f"its shape is {y.shape}, that of the features {x.shape}")
    require(np.isfinite(y).all(), "some numbers are not finite", got=y)
    close(np.zeros(x.shape[:-1]), y.mean(axis=-1), "the mean of a row", room=1e-5)
    level = (x == x[..., :1]).all(axis=-1)
    slight = 1e-4 * max(1.0, float(np.abs(x).max(initial=0.0)))  # the rounding of a mean in float32, over √1e-5
    close(np.zeros(x[level].shape), y[level], "what becomes of a row of one number", room=slight)
    var, got = x.var(axis=-1), y.var(axis=-1)
    low, high = var / (var + EPS) - 1e-5, 1 + 1e-5
    says = "the variance of a row is not 1, or less by what eps makes of it"
    require((level | (got >= low) & (got <= high)).all(), says, np.where(level, 0.0, 1.0), got)


@law("layer_norm", x=lambda _: _features(), shift=lambda _: drawn.numbers(64.0))
def layer_norm_ignores_shifts(norm: Any, x: Array, shift: float) -> None:
    """The same number added to all features of a row changes nothing."""
    x, shift = _rows(x), given.number("shift", shift)
    y = np.array(norm(x.copy()))
    close(y, np.array(norm(x + shift)), "the norm of the shifted rows", slack=100)


@law("layer_norm", x=lambda _: _features(), scale=lambda _: _scales())
def layer_norm_ignores_scale(norm: Any, x: Array, scale: float) -> None:
    """Features times a positive number give the same, as far as eps is small beside their variance."""
    x, scale = _rows(x), given.number("scale", scale)
    if scale <= 0:
        raise InputError(f"scale must be positive, got {scale:g}")
    y, scaled = np.array(norm(x.copy())), np.array(norm(scale * x))
    # |ŷ| ≤ √C, and √(var / (var + eps)) differs from 1 by less than eps / 2 var
    room = np.sqrt(x.shape[-1]) * EPS / (2 * np.maximum(x.var(axis=-1, keepdims=True), 1e-12)) * max(1, 1 / scale**2)
    close(y, scaled, f"the norm of the rows times {scale}", slack=100, room=np.where(room < 1, room, 4.0))


def _rows(x: Any) -> Array:
    return given.floats("x", x, least=1)


def _features() -> Any:
    return drawn.arrays((2, 4), drawn.numbers(8.0))


def _scales() -> Any:
    from tinylm.testing.drawing import st

    return st.sampled_from([2.0, 0.5, 16.0])
