"""A task that a small model learns in a second, with the least loss that any model can reach; reads no files."""

import math
from collections.abc import Iterator

import numpy as np

from tinylm.backend import stream

__all__ = ["repeats", "repeats_floor"]


def repeats(
    *, letters: int = 10, period: int = 6, length: int = 24, batch: int = 32, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches without end of rows that repeat a pattern: `period` random letters, over and over.

    →   x, y: (batch, length) of ids below `letters`, with y[b, t] the id that follows x[b, : t + 1]

    From its second round on a row can be foretold by looking `period` − 1 places back. Raises ValueError for sizes
    below 1.

    >>> x, y = next(repeats(letters=5, period=2, length=6, batch=1))
    >>> bool((x[:, 2:] == x[:, :-2]).all() and (y[:, :-1] == x[:, 1:]).all())
    True
    """
    sizes = {"letters": letters, "period": period, "length": length, "batch": batch}
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"repeats: {name} must be 1 or more, got {value}")
    return _batches(letters, period, length, batch, stream(seed, "data"))


def _batches(
    letters: int, period: int, length: int, batch: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while True:
        pattern = rng.integers(0, letters, (batch, period))
        rows = pattern[:, np.arange(length + 1) % period]  # (batch, length + 1)
        yield rows[:, :-1], rows[:, 1:]


def repeats_floor(*, letters: int = 10, period: int = 6, length: int = 24) -> float:
    """The least mean loss that any model can reach on `repeats`, in nats: the first round cannot be foretold.

        min(period − 1, length) · ln(letters) / length

    >>> round(repeats_floor(letters=10, period=6, length=24), 4)
    0.4797
    """
    return min(period - 1, length) * math.log(letters) / length
