"""Laws of softmax and of layer norm: functions that work on each row of the last axis."""

from typing import Any

import numpy as np

import tinylm.testing as drawn
from tinylm.testing.law import close, law, require

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
    p = np.asarray(softmax(x.copy()))
    require(p.shape == x.shape, f"its shape is {p.shape}, that of the logits {x.shape}")
    require(np.isfinite(p).all(), "some are not finite", got=p)
    require((p >= 0).all() and (p <= 1 + 1e-6).all(), "some are below 0 or above 1", got=p)
    close(np.ones(x.shape[:-1], p.dtype), p.sum(axis=-1), "the sum of a row")
    require((p[np.isneginf(x)] == 0).all(), "a logit of −∞ has a probability", got=p)


@law("softmax", x=lambda _: drawn.logits(lead=(2,)), shift=lambda _: drawn.numbers(64.0))
def softmax_ignores_shifts(softmax: Any, x: Array, shift: float) -> None:
    """The same number added to all logits changes no probability: softmax(x + c) = softmax(x)."""
    close(np.asarray(softmax(x.copy())), np.asarray(softmax(x + shift)), "softmax of the shifted logits")


@law("softmax", x=lambda _: drawn.logits(lead=(2,)))
def softmax_keeps_order(softmax: Any, x: Array) -> None:
    """A larger logit has no smaller probability, equal ones have equal, and e^(difference) is their ratio."""
    p = np.asarray(softmax(x.copy()))
    for row, share in zip(x.reshape(-1, x.shape[-1]), p.reshape(-1, x.shape[-1]), strict=True):
        top = row.max()
        close(np.exp(row - top) * share[row.argmax()], share, "the probability beside that of the largest logit")


@law("rows", x=lambda _: drawn.arrays((3, 4)))
def rows_do_not_see_each_other(f: Any, x: Array) -> None:
    """Each row is worked on alone: with the rows turned round, the same results come in the other order."""
    close(np.asarray(f(x.copy()))[::-1], np.asarray(f(x[::-1].copy())), "the result for the rows in reverse order")


@law("layer_norm", x=lambda _: _features())
def layer_norm_centres_and_scales(norm: Any, x: Array) -> None:
    """Each row has mean 0 and variance 1 afterwards (less where eps counts), and rows of one number become zeros."""
    y = np.asarray(norm(x.copy()), np.float64)
    require(np.isfinite(y).all(), "some numbers are not finite", got=y)
    close(np.zeros(x.shape[:-1]), y.mean(axis=-1), "the mean of a row", room=1e-5)
    var = x.var(axis=-1)
    got = y.var(axis=-1)
    low, high = var / (var + EPS) - 1e-5, 1 + 1e-5
    require(((got >= low) & (got <= high)).all(), "the variance of a row is not 1", np.minimum(var / var.max(), 1), got)


@law("layer_norm", x=lambda _: _features(), shift=lambda _: drawn.numbers(64.0))
def layer_norm_ignores_shifts(norm: Any, x: Array, shift: float) -> None:
    """The same number added to all features of a row changes nothing."""
    close(np.asarray(norm(x.copy())), np.asarray(norm(x + shift)), "the norm of the shifted rows", slack=100)


@law("layer_norm", x=lambda _: _features(), scale=lambda _: _scales())
def layer_norm_ignores_scale(norm: Any, x: Array, scale: float) -> None:
    """Features times a positive number give the same, as far as eps is small beside their variance."""
    y, scaled = np.asarray(norm(x.copy())), np.asarray(norm(scale * x))
    # |ŷ| ≤ √C, and √(var / (var + eps)) differs from 1 by less than eps / 2 var
    room = np.sqrt(x.shape[-1]) * EPS / (2 * np.maximum(x.var(axis=-1, keepdims=True), 1e-12)) * max(1, 1 / scale**2)
    close(y, scaled, f"the norm of the rows times {scale}", slack=100, room=np.where(room < 1, room, 4.0))


def _features() -> Any:
    return drawn.arrays((2, 4), drawn.numbers(8.0))


def _scales() -> Any:
    from tinylm.testing.drawing import st

    return st.sampled_from([2.0, 0.5, 16.0])
