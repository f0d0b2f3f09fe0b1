"""Token ids as training data: files mapped into memory, and batches cut from them; and `tales`, texts without end."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinylm.backend import stream
from tinylm.tales import tales

_default_data = stream(0, "data")  # for batches asked for without a stream

__all__ = ["batches", "get_batch", "read_tokens", "split", "tales", "windows_in_order", "write_tokens"]


def write_tokens(path: str | os.PathLike[str], ids: np.ndarray) -> None:
    """Write ids as a .npy file of whole numbers, atomically; `read_tokens` maps it back."""
    target = Path(path)
    beside = target.with_name(f".{target.name}.tmp")
    with open(beside, "wb") as file:
        np.save(file, np.asarray(ids), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, target)


def read_tokens(path: str | os.PathLike[str]) -> np.ndarray:
    """The ids of a .npy file, mapped into memory: only the parts that are used are read.

    Raises ValueError for anything but a one-dimensional array of whole numbers.
    """
    try:
        ids = np.lib.format.open_memmap(os.fspath(path), mode="r")
    except (ValueError, EOFError) as problem:
        raise ValueError(f"{path}: not a file of token ids: {problem}") from None
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ValueError(f"{path}: expected a one-dimensional array of whole numbers")
    return ids


def split(tokens: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """The first part for training, the last `fraction` for validation: text is not shuffled across the cut."""
    cut = len(tokens) - int(len(tokens) * fraction)
    return tokens[:cut], tokens[cut:]


def get_batch(
    tokens: np.ndarray, batch_size: int, block_size: int, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Random windows of a long sequence, and the same windows one token later.

    tokens: (N,)   →   x, y: (batch_size, block_size) of int64, with y[:, t] = x[:, t + 1]: y[b, t] is the
    token that follows x[b, : t + 1].

    Raises ValueError where N is not larger than block_size.

    >>> x, y = get_batch(np.arange(10), batch_size=1, block_size=4)
    >>> bool((y == x + 1).all())
    True
    """
    choices = len(tokens) - block_size
    if choices < 1:
        raise ValueError(f"{len(tokens)} tokens are too few for a block of {block_size}: need {block_size + 1}")
    starts = (rng or _default_data).integers(0, choices, batch_size)
    windows = np.stack([tokens[start : start + block_size + 1] for start in starts]).astype(np.int64)
    return windows[:, :-1].copy(), windows[:, 1:].copy()  # apart: whoever masks targets must not change inputs


def batches(
    tokens: np.ndarray, batch_size: int, block_size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches without end; each is drawn when it is asked for, so the stream's state is the position in the data."""
    while True:
        yield get_batch(tokens, batch_size, block_size, rng)


def windows_in_order(tokens: np.ndarray, batch_size: int, block_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every token of a sequence as a target once, in windows that do not overlap, for evaluation.

    The last window may be shorter and then comes alone.
    """
    ends = [*range(block_size, len(tokens), block_size)]
    for first in range(0, len(ends), batch_size):
        chunk = ends[first : first + batch_size]
        rows = np.stack([tokens[end - block_size : end + 1] for end in chunk]).astype(np.int64)
        yield rows[:, :-1].copy(), rows[:, 1:].copy()
    rest = np.asarray(tokens[(ends[-1] if ends else 0) :]).astype(np.int64)
    if len(rest) > 1:
        yield rest[None, :-1].copy(), rest[None, 1:].copy()
