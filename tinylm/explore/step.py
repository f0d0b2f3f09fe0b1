"""One training step on a short text, in float64, as numbers that a page must reproduce; knows nothing of pages."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm import functional as F
from tinylm.autograd import use_kernels
from tinylm.backend import stream
from tinylm.gpt import GPT
from tinylm.optim import AdamW, clip_grad_norm, decay_groups
from tinylm.settings import TrainingSettings

__all__ = ["PROBES", "Probe", "StepRecord", "training_step"]

PROBES = 6  # weights of each parameter whose numbers are recorded: half the largest gradients, half drawn
EPS = 1e-8


@dataclass(frozen=True, slots=True)
class Probe:
    """One weight in the step: where it stands, its gradient before clipping, its value before and after."""

    name: str
    place: tuple[int, ...]
    gradient: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What the step was.

    losses        (T,) cross-entropy of each position, in nats
    loss          their mean
    norms         norm of the gradient of each parameter, before clipping
    norm          of all of them together
    ratios        ‖change‖ / ‖weights‖ of each parameter; None where all weights were 0
    loss_after    the mean loss of the same text with the new weights
    """

    losses: list[float]
    loss: float
    norms: dict[str, float]
    norm: float
    ratios: dict[str, float | None]
    probes: list[Probe]
    loss_after: float


def training_step(model: GPT, ids: Sequence[int], settings: TrainingSettings) -> StepRecord:
    """The first step of AdamW with fresh moments, on one row of text; the model stays as it is.

        loss = mean over t < T of −ln softmax(logits[t])[ids[t + 1]]        ids: (T + 1,)

    A copy of the model in float64 takes the step, without dropout, so that what another program computes from the
    same weights can be compared digit by digit. Raises ValueError for fewer than two ids.
    """
    if len(ids) < 2:
        raise ValueError(f"a training step needs at least 2 tokens, got {len(ids)}: one to read and one to predict")
    twin = GPT(model.config, dtype=np.float64).eval()
    twin.load_state_dict({name: p.numpy().astype(np.float64) for name, p in model.named_parameters()})
    named = dict(twin.named_parameters())
    before = {name: p.numpy().copy() for name, p in named.items()}
    x, y = np.array([ids[:-1]]), np.array([ids[1:]])
    with use_kernels("reference"):
        logits, _ = twin(x)
        losses = F.softmax_cross_entropy(logits, y, reduction="none")
        losses.mean().backward()
        gradients = {name: _gradient(p) for name, p in named.items()}
        optimizer = AdamW(decay_groups(twin, settings.weight_decay), settings.lr, (settings.beta1, settings.beta2), EPS)
        norm = clip_grad_norm(list(named.values()), settings.clip)
        optimizer.step()
        _, after = twin(x, y)
    assert after is not None
    changed = {name: p.numpy() for name, p in named.items()}
    values = [float(loss) for loss in losses.numpy().reshape(-1)]
    return StepRecord(
        losses=values,
        loss=math.fsum(values) / len(values),
        norms={name: float(np.linalg.norm(g)) for name, g in gradients.items()},
        norm=norm,
        ratios={name: _ratio(changed[name] - before[name], before[name]) for name in named},
        probes=_probes(gradients, before, changed),
        loss_after=after.item(),
    )


def _gradient(p: Any) -> np.ndarray:
    return np.zeros(p.shape) if p.grad is None else p.grad.numpy().copy()


def _ratio(change: np.ndarray, weights: np.ndarray) -> float | None:
    size = float(np.linalg.norm(weights))
    return float(np.linalg.norm(change)) / size if size else None


def _probes(
    gradients: dict[str, np.ndarray], before: dict[str, np.ndarray], after: dict[str, np.ndarray]
) -> list[Probe]:
    """Of every parameter the weights with the largest gradients, and some drawn at random."""
    rng, found = stream(0, "sampling"), []
    for name, gradient in gradients.items():
        flat = np.abs(gradient).reshape(-1)
        largest = np.argsort(-flat, kind="stable")[: PROBES // 2]
        drawn = rng.integers(0, flat.size, PROBES - PROBES // 2)
        for number in dict.fromkeys([*largest.tolist(), *drawn.tolist()]):
            place = tuple(int(i) for i in np.unravel_index(number, gradient.shape))
            found.append(
                Probe(name, place, float(gradient[place]), float(before[name][place]), float(after[name][place]))
            )
    return found
