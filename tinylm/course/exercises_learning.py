"""Exercises on the training of a model: a window and its targets, clipping, one step of AdamW, the learning rate."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tinylm.autograd import tensor
from tinylm.course.exercise import Exercise, case, register
from tinylm.data import get_batch
from tinylm.optim import AdamW, clip_grad_norm
from tinylm.schedule import cosine

Array = Any


def _window(tokens: Array, start: int, T: int) -> tuple[Array, Array]:
    """What get_batch cuts out where `start` is drawn."""
    drawn: Any = SimpleNamespace(integers=lambda low, high, size: np.array([start]))
    x, y = get_batch(tokens, 1, T, drawn)
    return x[0], y[0]


register(
    Exercise(
        "window",
        "Return (x, y), whole numbers of shape (T,): x is the T tokens from `start` on, and y[t] is the token that "
        "follows x[t].",
        reference=_window,
        cases=[
            case(np.array([5, 6]), 0, 1),
            case(np.array([5, 6, 7, 8]), 1, 2),
            case(np.array([3, 1, 4, 1, 5, 9]), 0, 4),
            case(np.array([3, 1, 4, 1, 5, 9]), 1, 4),
        ],
    )
)


def _clip(gradients: list[Array], max_norm: float) -> tuple[list[Array], float]:
    """By the library's function, on parameters that have these gradients."""
    params = [tensor(g, requires_grad=True) for g in gradients]
    for p, g in zip(params, gradients, strict=True):
        (p * tensor(g)).sum().backward()  # whose gradient is g
    norm = clip_grad_norm(params, max_norm)
    return [p.grad.numpy() for p in params if p.grad is not None], norm


register(
    Exercise(
        "clip",
        "Return (gradients, norm): norm is the root of the sum of all squares in all arrays together, and every array "
        "is multiplied by min(1, max_norm / (norm + 1e-6)).",
        reference=_clip,
        cases=[
            case([np.array([2.0])], 1.0),
            case([np.array([3.0, 4.0])], 1.0),
            case([np.array([3.0, 4.0])], 10.0),
            case([np.array([3.0]), np.array([4.0])], 2.5),
            case([np.array([[1.0, -2.0], [2.0, 0.0]]), np.array([4.0])], 0.5),
            case([np.array([0.0]), np.array([0.0])], 1.0),
        ],
    )
)


def _adamw_step(
    p: float,
    g: float,
    m: float,
    v: float,
    t: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> tuple[float, float, float]:
    """One step of the library's AdamW on one number, whose state is put in its place."""
    parameter = tensor(np.array([p]), requires_grad=True)
    optimizer = AdamW([parameter], lr, (beta1, beta2), eps, weight_decay)
    optimizer.state[0].update(t=t - 1, m=np.array([m]), v=np.array([v]))
    (parameter * tensor(np.array([g]))).sum().backward()
    optimizer.step()
    after = optimizer.state[0]
    return float(parameter.numpy()[0]), float(after["m"][0]), float(after["v"][0])


PLAIN = {"lr": 0.1, "beta1": 0.5, "beta2": 0.75, "eps": 0.0, "weight_decay": 0.0}
USUAL = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1}

register(
    Exercise(
        "adamw_step",
        "Return (p, m, v) after step number t, counted from 1: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², and "
        "p ← p − lr λ p − lr m̂ / (√v̂ + eps), with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) and λ = weight_decay.",
        reference=_adamw_step,
        cases=[
            case(1.0, 2.0, 0.0, 0.0, 1, **PLAIN),
            case(1.0, -2.0, 0.0, 0.0, 1, **PLAIN),
            case(1.0, 2.0, 1.0, 4.0, 2, **PLAIN),
            case(1.0, 2.0, 1.0, 4.0, 3, **{**PLAIN, "weight_decay": 0.5}),
            case(1.0, 2.0, 1.0, 4.0, 3, **{**PLAIN, "eps": 1.0}),
            case(-0.25, 1e-3, 2e-3, 1e-5, 10, **USUAL),
            case(0.5, 0.0, 0.0, 0.0, 1, **USUAL),
        ],
    )
)


def _learning_rate(step: int, max_lr: float, min_lr: float, warmup: int, total: int) -> float:
    return cosine(step, max_lr=max_lr, min_lr=min_lr, warmup=warmup, total=total)


register(
    Exercise(
        "learning_rate",
        "Return the learning rate of a step, counted from 0. Below `warmup` it is max_lr (step + 1) / (warmup + 1); "
        "then half a cosine goes down to min_lr at step `total`, where it stays: "
        "min_lr + ½ (1 + cos(π (step − warmup) / (total − warmup))) (max_lr − min_lr).",
        reference=_learning_rate,
        cases=[
            case(0, 1.0, 0.0, 0, 4),
            case(0, 1.0, 0.0, 3, 9),
            *[case(step, 1.0, 0.1, 2, 10) for step in (0, 1, 2, 4, 6, 9, 10, 15)],
            case(3, 1e-3, 1e-4, 2, 3),
        ],
    )
)
