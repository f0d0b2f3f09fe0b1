"""Gradients held to a largest norm."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.autograd import Tensor, listeners, reference_kernels, tell, writing
from tinylm.backend.threads import share
from tinylm.optim.optimizer import listed

__all__ = ["Clipped", "clip_grad_norm", "clip_gradients"]

CHUNK = 65536  # elements of a dot product
SHARE = 16  # of them, from which another thread is worth its while


@dataclass(frozen=True, slots=True, eq=False)
class Clipped:
    """Gradients were held to a largest norm: `norm` is theirs before, `scale` what they were multiplied by."""

    norm: float
    max_norm: float
    scale: float
    tensors: tuple[Tensor, ...]


def clip_grad_norm(params: Tensor | Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together so that their norm is at most `max_norm`; returns the norm before.

        g ← g · min(1, max_norm / (‖g‖ + 1e-6)),  ‖g‖² = Σ over all parameters of Σ g²        Pascanu et al. 2013

    Parameters without a gradient count nothing. Raises ValueError for a negative `max_norm`.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: max_norm must be a number from 0 up, got {max_norm}")
    tensors = [p for p in listed(params) if p.grad_data is not None]
    norm, scale = clip_gradients([p.grad_data for p in tensors], max_norm)
    if listeners():
        tell(Clipped(norm, max_norm, scale, tuple(tensors)))
    return norm


def clip_gradients(gradients: list[Any], max_norm: float) -> tuple[float, float]:
    """Scale arrays together, in place, so that their norm is at most `max_norm`; returns (norm before, scale).

        g ← g · scale,  scale = min(1, max_norm / (‖g‖ + 1e-6)),  ‖g‖² = Σ over all arrays of Σ g²

    gradients: arrays of any shapes        Pascanu et al. 2013
    """
    norm = math.sqrt(sum([_square(g) for g in gradients]))
    scale = max_norm / (norm + 1e-6)
    if scale < 1:
        for gradient in gradients:
            with writing(gradient):
                _multiply(gradient, scale)
    return norm, min(scale, 1.0)


def _in_one_piece(gradient: Any) -> bool:
    return type(gradient) is np.ndarray and gradient.flags.c_contiguous and not reference_kernels()


def _square(gradient: Any) -> float:
    """Σ g²: on NumPy chunk by chunk as dot products, whose sums are added in order in float64, on any threads."""
    if not _in_one_piece(gradient):
        return float((gradient * gradient).sum())
    flat = gradient.reshape(-1)
    sums = [0.0] * -(-flat.size // CHUNK)

    def part(start: int, stop: int) -> None:
        for number in range(start, stop):
            chunk = flat[number * CHUNK : (number + 1) * CHUNK]
            sums[number] = float(np.dot(chunk, chunk))

    share(part, len(sums), SHARE)
    return sum(sums)


def _multiply(gradient: Any, scale: float) -> None:
    if not _in_one_piece(gradient):
        gradient *= scale
        return
    flat = gradient.reshape(-1)
    share(lambda a, b: np.multiply(flat[a:b], scale, out=flat[a:b]), flat.size, SHARE * CHUNK)
