"""The laws, by name: laws.softmax_ignores_shifts(f, x=..., shift=...); each module is one topic or two."""

from tinylm.testing.law import LAWS, Law
from tinylm.testing.laws import bpe_training, coding, engine, gradient, rows, sampling, sequence, training

__all__ = ["bpe_training", "coding", "engine", "gradient", "rows", "sampling", "sequence", "training"]


def __getattr__(name: str) -> Law:
    if name not in LAWS:
        raise AttributeError(f"there is no law {name!r}; there are {', '.join(LAWS)}")
    return LAWS[name]


def __dir__() -> list[str]:
    return [*__all__, *LAWS]
