"""The settings of a training run and the conventions of its texts, checked; knows nothing of models or files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

__all__ = ["Conventions", "TrainingSettings"]

MOST = (1 << 63) - 1  # what NumPy can count to


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a run trains. Raises ValueError for settings that make no sense.

    steps, batch_size, accumulate    updates; windows (or dialogues) in a batch; batches in an update
    context                          tokens of a window at most; None: the model's block_size
    lr, min_lr, warmup               the cosine schedule, over all steps; min_lr None is a tenth of lr
    beta1, beta2, weight_decay, clip AdamW and the largest gradient norm
    eval_every, save_every, sample_every    in steps; 0: never but at the end (samples: never at all)
    eval_tokens                      how many tokens of each part an evaluation reads at most
    val_fraction                     the last part of the text, kept for validation
    seed                             decides the initial weights, the order of the data, dropout and samples
    recompute                        run each block again in backward: less memory, more time, the same bytes
    lora_rank                        train matrices of this rank beside frozen weights (tinylm.lora); 0: all weights
    lora_alpha, lora_dropout         what these add counts alpha / rank; dropout before them
    """

    steps: int = 400
    batch_size: int = 12
    accumulate: int = 1
    context: int | None = None
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
    lora_rank: int = 0
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "eval_tokens"):
            _whole(name, getattr(self, name), least=1)
        if self.context is not None:
            _whole("context", self.context, least=1)
        for name in ("warmup", "eval_every", "save_every", "sample_every", "seed", "lora_rank"):
            _whole(name, getattr(self, name), least=0)
        numbers = (
            "lr",
            "min_lr",
            "beta1",
            "beta2",
            "weight_decay",
            "clip",
            "val_fraction",
            "lora_alpha",
            "lora_dropout",
        )
        for name in numbers:
            value = getattr(self, name)
            if name == "min_lr" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} must be a number from 0 up, got {value!r}")
        for name in ("beta1", "beta2", "val_fraction", "lora_dropout"):
            if getattr(self, name) >= 1:
                raise ValueError(f"{name} must be below 1, got {getattr(self, name)}")
        if not isinstance(self.recompute, bool):
            raise ValueError(f"recompute must be true or false, got {self.recompute!r}")
        if self.lora_alpha == 0:
            raise ValueError("lora_alpha must be above 0: it is what the adapters count")
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


@dataclass(frozen=True, slots=True)
class Conventions:
    """How the texts of a model begin and end, as a run keeps it of the model that it started from.

    start                   ids that go before every text; often none
    stops                   ids that end a text or an answer; none: end-of-text, where the tokenizer has it
    chat_template           how a dialogue is spelled, in Jinja; None: not known
    bos_token, eos_token    their spelling, for the template

    Raises ValueError for what is none of that.
    """

    start: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()
    chat_template: str | None = None
    bos_token: str | None = None
    eos_token: str | None = None

    def __post_init__(self) -> None:
        for name in ("start", "stops"):
            ids = getattr(self, name)
            if not isinstance(ids, tuple) or not all(type(i) is int and i >= 0 for i in ids):
                raise ValueError(f"{name} must be a list of token ids, got {str(ids)[:80]}")
        for name in ("chat_template", "bos_token", "eos_token"):
            if not isinstance(getattr(self, name), str | None):
                raise ValueError(f"{name} must be a text, got {str(getattr(self, name))[:80]}")

    @classmethod
    def from_dict(cls, noted: object) -> Self:
        """Those that to_dict gave; other entries are passed over. Raises ValueError for what is no dict."""
        if not isinstance(noted, dict):
            raise ValueError(f"use must be an object, got {str(noted)[:80]}")
        found: dict[str, Any] = {f.name: noted[f.name] for f in fields(cls) if f.name in noted}
        given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Those that say something, for JSON."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if v or isinstance(v, str)}


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number from {least} up, got {value!r}")
    if value > MOST:
        raise ValueError(f"{name} must be at most {MOST:,}, got {value}")
