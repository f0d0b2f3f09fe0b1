"""Learning rates as functions of the step, counted from 0; knows nothing of optimizers."""

import math

__all__ = ["constant", "cosine"]


def constant(step: int, *, max_lr: float, warmup: int = 0) -> float:
    """Straight up to `max_lr` over `warmup` steps, then level.

    >>> [constant(step, max_lr=1.0, warmup=3) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return max_lr * (step + 1) / (warmup + 1) if step < warmup else max_lr


def cosine(step: int, *, max_lr: float, min_lr: float, warmup: int, total: int) -> float:
    """Straight up to `max_lr` over `warmup` steps, then down half a cosine to `min_lr` at step `total`.

        lr = min + ½ (1 + cos(π (step − warmup) / (total − warmup))) · (max − min)

    Never 0 at step 0: the first of w warm-up steps has max/(w + 1). Loshchilov & Hutter 2017, eq. 5.

    >>> [round(cosine(step, max_lr=1.0, min_lr=0.1, warmup=2, total=10), 3) for step in (0, 2, 6, 10, 99)]
    [0.333, 1.0, 0.55, 0.1, 0.1]
    """
    if step < warmup:
        return constant(step, max_lr=max_lr, warmup=warmup)
    if step >= total:
        return min_lr
    progress = (step - warmup) / (total - warmup)
    return min_lr + (1 + math.cos(math.pi * progress)) / 2 * (max_lr - min_lr)
