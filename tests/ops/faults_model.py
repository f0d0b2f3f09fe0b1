"""Plausible wrong attention, norms, positions, dropout and loss, each a step away from the right ones."""

import numpy as np

from tinylm.ops import attention, loss, normalization, position
from tinylm.ops import dropout as dropping
from tinylm.ops.op import keep

from . import ladder, laws
from .faults import fault, true

forward, gradient = ladder.check_forward, ladder.check_gradient
ATTEND, ATTEND_BACKWARD = attention.attend, attention.attend_backward
LAYER, LAYER_BACKWARD = true(normalization.layer_norm)
RMS, RMS_BACKWARD = true(normalization.rms_norm)
LOSS, LOSS_BACKWARD = true(loss.softmax_cross_entropy)
ROTARY, ROTARY_BACKWARD = true(position.rotary)

# -- attention -----------------------------------------------------------------------------------------


def masked(xp, q, k, v, gates, scale, offset):
    T, S = q.shape[-2], k.shape[-2]
    mask = np.tril(np.ones((T, S), bool), S - T + offset)
    return ATTEND(xp, q, k, v, xp.asarray(mask), gates, scale)


@fault("causal mask one too far", attention.causal_attention, laws.check_no_future, "forward")
def _(xp, q, k, v, gates=None, *, scale=None):
    return masked(xp, q, k, v, gates, scale, 1)


@fault("causal mask one too short", attention.causal_attention, laws.check_own_position_is_seen, "forward")
def _(xp, q, k, v, gates=None, *, scale=None):
    return masked(xp, q, k, v, gates, scale, -1)


@fault("queries taken for the first positions", attention.causal_attention, forward, "forward")
def _(xp, q, k, v, gates=None, *, scale=None):
    return masked(xp, q, k, v, gates, scale, q.shape[-2] - k.shape[-2])


@fault(
    "grouped heads in the wrong order", attention.attention, laws.check_grouped_heads_equal_repeated_heads, "forward"
)
def _(xp, q, k, v, mask=None, gates=None, *, scale=None):
    if q.ndim > 2:
        R = q.shape[-3] // k.shape[-3]
        k, v = (np.concatenate([a] * R, axis=-3) for a in (k, v))  # 0 1 0 1, not 0 0 1 1
    return ATTEND(xp, q, k, v, mask, gates, scale)


@fault("mask turned round", attention.attention, forward, "forward")
def _(xp, q, k, v, mask=None, gates=None, *, scale=None):
    return ATTEND(xp, q, k, v, None if mask is None else xp.logical_not(mask), gates, scale)


@fault("no scale", attention.attention, forward, "forward")
def _(xp, q, k, v, mask=None, gates=None, *, scale=None):
    return ATTEND(xp, q, k, v, mask, gates, 1.0 if scale is None else scale)


@fault("scale forgotten in dq", attention.attention, gradient)
def _(xp, dy, *, q, k, v, p, gates, scale):
    dq, dk, dv = ATTEND_BACKWARD(xp, dy, q, k, v, p, gates, scale)
    return dq / (q.shape[-1] ** -0.5 if scale is None else scale), dk, dv


@fault("no gates in dv", attention.causal_attention, gradient)
def _(xp, dy, *, q, k, v, p, gates, scale):
    dq, dk, _ = ATTEND_BACKWARD(xp, dy, q, k, v, p, gates, scale)
    return dq, dk, ATTEND_BACKWARD(xp, dy, q, k, v, p, None, scale)[2]


# -- norms ---------------------------------------------------------------------------------------------


@fault("eps outside the root", normalization.layer_norm, forward, "forward")
def _(xp, x, gain, bias=None, *, eps=1e-5):
    rstd = 1 / (xp.sqrt(x.var(axis=-1, keepdims=True)) + eps)
    xhat = (x - x.mean(axis=-1, keepdims=True)) * rstd
    return gain * xhat + (0 if bias is None else bias), keep(xhat=xhat, rstd=rstd, gain=gain)


@fault("unbiased variance", normalization.layer_norm, laws.check_normalized_rows, "forward")
def _(xp, x, gain, bias=None, *, eps=1e-5):
    C = x.shape[-1]
    rstd = 1 / xp.sqrt(x.var(axis=-1, keepdims=True) * (C / max(C - 1, 1)) + eps)
    xhat = (x - x.mean(axis=-1, keepdims=True)) * rstd
    return gain * xhat + (0 if bias is None else bias), keep(xhat=xhat, rstd=rstd, gain=gain)


@fault("gradient without the mean of dx̂", normalization.layer_norm, gradient)
def _(xp, dy, *, xhat, rstd, gain):
    _, dgain, dbias = LAYER_BACKWARD(xp, dy, xhat=xhat, rstd=rstd, gain=gain)
    dxhat = gain * dy
    return rstd * (dxhat - xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)), dgain, dbias


@fault("gradient of the bias not summed", normalization.layer_norm, gradient)
def _(xp, dy, *, xhat, rstd, gain):
    dx, dgain, _ = LAYER_BACKWARD(xp, dy, xhat=xhat, rstd=rstd, gain=gain)
    return dx, dgain, dy[(0,) * (dy.ndim - 1)] if dy.size else dy.sum(axis=tuple(range(dy.ndim - 1)))


@fault("eps dropped", normalization.rms_norm, laws.check_unit_root_mean_square, "forward")
def _(xp, x, gain, *, eps=1e-5):
    return RMS(xp, x, gain, eps=0.0)


@fault("variance for the mean of squares", normalization.rms_norm, forward, "forward")
def _(xp, x, gain, *, eps=1e-5):
    rstd = 1 / xp.sqrt(x.var(axis=-1, keepdims=True) + eps)
    return gain * x * rstd, keep(xhat=x * rstd, rstd=rstd, gain=gain)


# -- position, dropout, loss ---------------------------------------------------------------------------


@fault("turned the same way in the gradient", position.rotary, gradient)
def _(xp, dy, *, cos, sin):
    return position.rotate(xp, dy, cos, sin), None


@fault("neighbours for halves", position.rotary, forward, "forward")
def _(xp, x, positions, *, base=10000.0):
    y, kept = ROTARY(xp, xp.concatenate((x[..., ::2], x[..., 1::2]), axis=-1), positions, base=base)
    return y, kept


@fault("both signs the same", position.rotary, laws.check_rotation_preserves_norms, "forward")
def _(xp, x, positions, *, base=10000.0):
    _, kept = ROTARY(xp, x, positions, base=base)
    half = x.shape[-1] // 2
    a, b, cos, sin = x[..., :half], x[..., half:], kept["cos"], kept["sin"]
    return xp.concatenate((a * cos + b * sin, b * cos + a * sin), axis=-1), kept


@fault("angle not linear in the position", position.rotary, laws.check_only_the_distance_matters, "forward")
def _(xp, x, positions, *, base=10000.0):
    return ROTARY(xp, x, positions * positions, base=base)


@fault("not scaled up", dropping.dropout, laws.check_expectation_is_kept, "forward")
def _(xp, x, mask, *, p):
    return x * mask, keep(mask=mask)


@fault("scaled twice in the gradient", dropping.dropout, gradient)
def _(xp, dy, *, mask, p):
    return dy * mask * (0.0 if p == 1 else 1 / (1 - p) ** 2), None


@fault("ignored positions counted in the mean", loss.softmax_cross_entropy, laws.check_reductions_agree, "forward")
def _(xp, logits, targets, *, ignore_index=None, label_smoothing=0.0, reduction="mean"):
    given = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    if reduction != "mean":
        return LOSS(xp, logits, targets, reduction=reduction, **given)
    total, kept = LOSS(xp, logits, targets, reduction="sum", **given)
    n = max(targets.size, 1)
    return total / n, {**kept, "weight": kept["weight"] / n}


@fault("mean for sum", loss.softmax_cross_entropy, forward, "forward")
def _(xp, logits, targets, *, ignore_index=None, label_smoothing=0.0, reduction="mean"):
    reduction = "mean" if reduction == "sum" else reduction
    return LOSS(xp, logits, targets, ignore_index=ignore_index, label_smoothing=label_smoothing, reduction=reduction)


@fault("ignored positions keep a gradient", loss.softmax_cross_entropy, laws.check_ignored_positions_count_nothing)
def _(xp, dy, *, p, ids, weight, shape, label_smoothing):
    return LOSS_BACKWARD(
        xp, dy, p=p, ids=ids, weight=weight + (weight == 0), shape=shape, label_smoothing=label_smoothing
    )


SMOOTHING = laws.check_smoothing_mixes_with_the_uniform_target


@fault("smoothing shared by V − 1 classes", loss.softmax_cross_entropy, SMOOTHING, "forward")
def _(xp, logits, targets, *, ignore_index=None, label_smoothing=0.0, reduction="mean"):
    V = logits.shape[-1]
    s = label_smoothing * V / max(V - 1, 1)
    return LOSS(xp, logits, targets, ignore_index=ignore_index, label_smoothing=s, reduction=reduction)


@fault("smoothing forgotten in the gradient", loss.softmax_cross_entropy, gradient)
def _(xp, dy, *, p, ids, weight, shape):
    return LOSS_BACKWARD(xp, dy, p=p, ids=ids, weight=weight, shape=shape, label_smoothing=0.0)
