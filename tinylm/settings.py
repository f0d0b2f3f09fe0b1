"""The settings of a training run, checked; knows nothing of models or files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

__all__ = ["TrainingSettings"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a run trains. Raises ValueError for settings that make no sense.

    steps, batch_size, accumulate    updates; windows in a batch; batches in an update
    lr, min_lr, warmup               the cosine schedule, over all steps; min_lr None is a tenth of lr
    beta1, beta2, weight_decay, clip AdamW and the largest gradient norm
    eval_every, save_every, sample_every    in steps; 0: never but at the end (samples: never at all)
    eval_tokens                      how many tokens of each part an evaluation reads at most
    val_fraction                     the last part of the text, kept for validation
    seed                             decides the initial weights, the order of the data, dropout and samples
    recompute                        run each block again in backward: less memory, more time, the same bytes
    """

    steps: int = 400
    batch_size: int = 12
    accumulate: int = 1
    lr: float = 2e-3
    min_lr: float | None = None
    warmup: int = 40
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.1
    clip: float = 1.0
    eval_every: int = 100
    save_every: int = 100
    sample_every: int = 200
    eval_tokens: int = 16384
    val_fraction: float = 0.1
    seed: int = 1
    recompute: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "eval_tokens"):
            _whole(name, getattr(self, name), least=1)
        for name in ("warmup", "eval_every", "save_every", "sample_every", "seed"):
            _whole(name, getattr(self, name), least=0)
        for name in ("lr", "min_lr", "beta1", "beta2", "weight_decay", "clip", "val_fraction"):
            value = getattr(self, name)
            if name == "min_lr" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} must be a number from 0 up, got {value!r}")
        for name in ("beta1", "beta2", "val_fraction"):
            if getattr(self, name) >= 1:
                raise ValueError(f"{name} must be below 1, got {getattr(self, name)}")
        if not isinstance(self.recompute, bool):
            raise ValueError(f"recompute must be true or false, got {self.recompute!r}")
        if self.clip == 0:
            raise ValueError("clip must be above 0: it is the largest norm of the gradients")
        if self.lowest_lr > self.lr:
            raise ValueError(f"min_lr {self.min_lr} is above lr {self.lr}")

    @property
    def lowest_lr(self) -> float:
        """Where the schedule ends."""
        return self.lr / 10 if self.min_lr is None else self.min_lr

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The settings of a dict; raises ValueError naming one that is unknown."""
        known = [f.name for f in fields(cls)]
        unknown = [name for name in settings if name not in known]
        if unknown:
            raise ValueError(f"unknown training setting {', '.join(unknown)}; known are {', '.join(known)}")
        return cls(**settings)


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number from {least} up, got {value!r}")
