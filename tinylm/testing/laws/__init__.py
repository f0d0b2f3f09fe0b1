"""The laws, by name: laws.softmax_ignores_shifts(f, x=..., shift=...); each module is one topic or two."""

from tinylm.testing.law import LAWS, Law, law_named
from tinylm.testing.laws import bpe_training, coding, engine, gradient, rows, sampling, sequence, training

__all__ = ["bpe_training", "coding", "engine", "gradient", "rows", "sampling", "sequence", "training"]


def __getattr__(name: str) -> Law:
    try:
        return law_named(name)
    except ValueError as error:
        raise AttributeError(str(error)) from None


def __dir__() -> list[str]:
    return [*__all__, *LAWS]
