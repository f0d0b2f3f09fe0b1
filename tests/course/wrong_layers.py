"""Plausible wrong answers to the exercises on layer norm, softmax and cross-entropy; each must be found."""

import numpy as np


def softmax_that_overflows(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def softmax_of_the_whole_array(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def softmax_along_the_first_axis(x):
    e = np.exp(x - x.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


def softmax_shifted_by_one_number(x):
    e = np.exp(x - x.max())
    return e / e.sum(axis=-1, keepdims=True)


def softmax_shifted_by_the_size(x):
    e = np.exp(x - np.abs(x).max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_with_powers_of_two(x):
    e = np.exp2(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_cut_off(x):
    e = np.exp(np.clip(x, -700, 700))
    return e / e.sum(axis=-1, keepdims=True)


def _norm(x, gain, bias, eps=1e-5, *, axis=-1, ddof=0, outside=False):
    mean = x.mean(axis=axis, keepdims=True)
    variance = x.var(axis=axis, keepdims=True, ddof=ddof)
    return gain * (x - mean) / (np.sqrt(variance) + eps if outside else np.sqrt(variance + eps)) + bias


def norm_with_bessels_correction(x, gain, bias, eps=1e-5):
    return _norm(x, gain, bias, eps, ddof=1)


def norm_with_eps_outside_the_root(x, gain, bias, eps=1e-5):
    return _norm(x, gain, bias, eps, outside=True)


def norm_with_a_fixed_eps(x, gain, bias, eps=1e-5):
    return _norm(x, gain, bias)


def norm_without_eps(x, gain, bias, eps=1e-5):
    return _norm(x, gain, bias, 0.0)


def norm_over_rows(x, gain, bias, eps=1e-5):
    return _norm(x, gain, bias, eps, axis=0)


def norm_divided_by_the_variance(x, gain, bias, eps=1e-5):
    return gain * (x - x.mean(-1, keepdims=True)) / (x.var(-1, keepdims=True) + eps) + bias


def norm_without_the_mean(x, gain, bias, eps=1e-5):
    return gain * x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) + bias


def norm_without_bias(x, gain, bias, eps=1e-5):
    return _norm(x, gain, 0.0, eps)


def norm_of_the_whole_array(x, gain, bias, eps=1e-5):
    return _norm(x, gain, bias, eps, axis=None)


def _backward(dy, xhat, rstd, gain, *, scaled=True, centred=True, projected=True, axis=-1):
    dxhat = gain * dy if scaled else dy
    dx = dxhat - (dxhat.mean(axis=axis, keepdims=True) if centred else 0)
    if projected:
        dx = dx - xhat * (dxhat * xhat).mean(axis=axis, keepdims=True)
    return rstd * dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


def norm_backward_with_the_mean_held(dy, xhat, rstd, gain):
    return _backward(dy, xhat, rstd, gain, centred=False)


def norm_backward_with_the_size_held(dy, xhat, rstd, gain):
    return _backward(dy, xhat, rstd, gain, projected=False)


def norm_backward_without_the_gain(dy, xhat, rstd, gain):
    return _backward(dy, xhat, rstd, gain, scaled=False)


def norm_backward_without_rstd(dy, xhat, rstd, gain):
    return _backward(dy, xhat, np.ones_like(rstd), gain)


def norm_backward_over_rows(dy, xhat, rstd, gain):
    return _backward(dy, xhat, rstd, gain, axis=0)


def norm_backward_with_sums(dy, xhat, rstd, gain):
    dxhat = gain * dy
    dx = rstd * (dxhat - dxhat.sum(-1, keepdims=True) - xhat * (dxhat * xhat).sum(-1, keepdims=True))
    return dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


def norm_backward_not_summed(dy, xhat, rstd, gain):
    return _backward(dy, xhat, rstd, gain)[0], dy * xhat, dy


def norm_backward_with_the_gain_in_its_own_gradient(dy, xhat, rstd, gain):
    dx, dgain, dbias = _backward(dy, xhat, rstd, gain)
    return dx, gain * dgain, dbias


def norm_backward_of_x_alone(dy, xhat, rstd, gain):
    return _backward(dy, xhat, rstd, gain)[0]


def _gradient(logits, targets, *, safe=True, divided=True, sign=1.0):
    e = np.exp(logits - logits.max(axis=1, keepdims=True) if safe else logits)
    p = e / e.sum(axis=1, keepdims=True)
    return sign * (p - np.eye(logits.shape[1])[targets]) / (len(logits) if divided else 1)


def loss_gradient_of_the_sum(logits, targets):
    return _gradient(logits, targets, divided=False)


def loss_gradient_uphill(logits, targets):
    return _gradient(logits, targets, sign=-1.0)


def loss_gradient_that_overflows(logits, targets):
    return _gradient(logits, targets, safe=False)


def loss_gradient_without_the_target(logits, targets):
    return _gradient(logits, targets) + np.eye(logits.shape[1])[targets] / len(logits)


def loss_gradient_divided_by_all(logits, targets):
    return _gradient(logits, targets) / logits.shape[1]


def loss_gradient_at_the_target_alone(logits, targets):
    return _gradient(logits, targets) * np.eye(logits.shape[1])[targets]


def loss_gradient_of_the_logits_themselves(logits, targets):
    return (logits - np.eye(logits.shape[1])[targets]) / len(logits)


def loss_gradient_at_every_target(logits, targets):
    gradient = _gradient(logits, targets) + np.eye(logits.shape[1])[targets] / len(logits)
    gradient[:, targets] -= 1 / len(logits)
    return gradient


WRONG = {
    "softmax": [
        softmax_that_overflows, softmax_of_the_whole_array, softmax_along_the_first_axis,
        softmax_shifted_by_one_number, softmax_shifted_by_the_size, softmax_with_powers_of_two, softmax_cut_off,
    ],
    "layer_norm": [
        norm_with_bessels_correction, norm_with_eps_outside_the_root, norm_with_a_fixed_eps, norm_without_eps,
        norm_over_rows, norm_divided_by_the_variance, norm_without_the_mean, norm_without_bias,
        norm_of_the_whole_array,
    ],
    "layer_norm_backward": [
        norm_backward_with_the_mean_held, norm_backward_with_the_size_held, norm_backward_without_the_gain,
        norm_backward_without_rstd, norm_backward_over_rows, norm_backward_with_sums, norm_backward_not_summed,
        norm_backward_with_the_gain_in_its_own_gradient, norm_backward_of_x_alone,
    ],
    "cross_entropy_gradient": [
        loss_gradient_of_the_sum, loss_gradient_uphill, loss_gradient_that_overflows,
        loss_gradient_without_the_target, loss_gradient_divided_by_all, loss_gradient_at_the_target_alone,
        loss_gradient_of_the_logits_themselves, loss_gradient_at_every_target,
    ],
}  # fmt: skip
