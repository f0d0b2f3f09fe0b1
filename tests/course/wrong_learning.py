"""Answers to the exercises on the training of a model: plausible wrong ones, each to be found, and right ones."""

import math

import numpy as np


def window_without_a_shift(tokens, start, T):
    return tokens[start : start + T], tokens[start : start + T]


def window_shifted_the_other_way(tokens, start, T):
    return tokens[start + 1 : start + T + 1], tokens[start : start + T]


def window_that_wraps_round(tokens, start, T):
    x = tokens[start : start + T]
    return x, np.roll(x, -1)


def window_from_the_beginning(tokens, start, T):
    return tokens[:T], tokens[1 : T + 1]


def window_in_one_piece(tokens, start, T):
    return tokens[start : start + T + 1]


def window_by_index(tokens, start, T):
    places = start + np.arange(T)
    return tokens[places], tokens[places + 1]


def _norm(gradients):
    return math.sqrt(sum(float((g * g).sum()) for g in gradients))


def clip_each_by_itself(gradients, max_norm):
    return [g * min(1, max_norm / (_norm([g]) + 1e-6)) for g in gradients], _norm(gradients)


def clip_numbers(gradients, max_norm):
    return [np.clip(g, -max_norm, max_norm) for g in gradients], _norm(gradients)


def clip_always(gradients, max_norm):
    norm = _norm(gradients)
    return [g * max_norm / (norm + 1e-6) for g in gradients], norm


def clip_with_the_norm_after(gradients, max_norm):
    norm = _norm(gradients)
    clipped = [g * min(1, max_norm / (norm + 1e-6)) for g in gradients]
    return clipped, _norm(clipped)


def clip_in_place(gradients, max_norm):
    norm = _norm(gradients)
    for g in gradients:
        g *= min(1, max_norm / (norm + 1e-6))
    return gradients, norm


def clip_by_the_square(gradients, max_norm):
    norm = _norm(gradients) ** 2
    return [g * min(1, max_norm / (norm + 1e-6)) for g in gradients], norm


def clip_without_eps(gradients, max_norm):
    norm = _norm(gradients)
    return [g * min(1, max_norm / norm) if norm else g for g in gradients], norm


def clip_flat(gradients, max_norm):
    norm = float(np.linalg.norm(np.concatenate([g.ravel() for g in gradients])))
    scale = max_norm / (norm + 1e-6)
    return [g * scale if scale < 1 else g for g in gradients], norm


def _adamw(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay, *, correct=True, inside=False, coupled=False,
           square=True, from_zero=False, late=False, sign=1):  # fmt: skip
    if coupled:
        g = g + weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g if square else abs(g))
    n = t - 1 if from_zero and t > 1 else t
    mhat, vhat = (m / (1 - beta1**n), v / (1 - beta2**n)) if correct else (m, v)
    root = math.sqrt(vhat + eps) if inside else math.sqrt(vhat) + eps
    moved = sign * lr * mhat / root if mhat else 0.0
    if late:
        return (p - moved) * (1 - lr * weight_decay), m, v
    return p - moved - (0 if coupled else lr * weight_decay * p), m, v


def adam_without_correction(*args, **settings):
    return _adamw(*args, **settings, correct=False)


def adam_with_eps_under_the_root(*args, **settings):
    return _adamw(*args, **settings, inside=True)


def adam_with_decay_in_the_gradient(*args, **settings):
    return _adamw(*args, **settings, coupled=True)


def adam_without_squares(*args, **settings):
    return _adamw(*args, **settings, square=False)


def adam_counting_from_zero(*args, **settings):
    return _adamw(*args, **settings, from_zero=True)


def adam_decaying_what_has_moved(*args, **settings):
    return _adamw(*args, **settings, late=True)


def adam_uphill(*args, **settings):
    return _adamw(*args, **settings, sign=-1)


def adam_plainly(*args, **settings):
    return _adamw(*args, **settings)


def _rate(step, max_lr, min_lr, warmup, total, *, first=1, offset=1, share=None, end=True):
    if step < warmup:
        return max_lr * (step + first) / (warmup + offset)
    if end and step >= total:
        return min_lr
    progress = (step - warmup) / (total - warmup) if share is None else share(step, warmup, total)
    return min_lr + (1 + math.cos(math.pi * progress)) / 2 * (max_lr - min_lr)


def rate_that_begins_at_zero(*args):
    return _rate(*args, first=0, offset=0)


def rate_that_reaches_the_top_too_soon(*args):
    return _rate(*args, offset=0)


def rate_over_all_steps(*args):
    return _rate(*args, share=lambda step, warmup, total: step / total)


def rate_that_comes_up_again(*args):
    return _rate(*args, end=False)


def rate_on_a_straight_line(step, max_lr, min_lr, warmup, total):
    if step < warmup:
        return max_lr * (step + 1) / (warmup + 1)
    return max_lr + min(1, (step - warmup) / (total - warmup)) * (min_lr - max_lr)


def rate_down_to_zero(step, max_lr, min_lr, warmup, total):
    return _rate(step, max_lr, 0.0, warmup, total)


def rate_plainly(*args):
    return _rate(*args)


WRONG = {
    "window": [
        window_without_a_shift, window_shifted_the_other_way, window_that_wraps_round, window_from_the_beginning,
        window_in_one_piece,
    ],
    "clip": [
        clip_each_by_itself, clip_numbers, clip_always, clip_with_the_norm_after, clip_in_place, clip_by_the_square,
        clip_without_eps,
    ],
    "adamw_step": [
        adam_without_correction, adam_with_eps_under_the_root, adam_with_decay_in_the_gradient, adam_without_squares,
        adam_counting_from_zero, adam_decaying_what_has_moved, adam_uphill,
    ],
    "learning_rate": [
        rate_that_begins_at_zero, rate_that_reaches_the_top_too_soon, rate_over_all_steps, rate_that_comes_up_again,
        rate_on_a_straight_line, rate_down_to_zero,
    ],
}  # fmt: skip
RIGHT = {
    "window": [window_by_index],
    "clip": [clip_flat],
    "adamw_step": [adam_plainly],
    "learning_rate": [rate_plainly],
}
