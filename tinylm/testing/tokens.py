"""Token ids, targets, logits and probabilities: the numbers that a language model is fed and gives."""

from typing import Any

import numpy as np

from tinylm.testing.drawing import st
from tinylm.testing.operands import Shape, numbers, shapes

__all__ = ["HUGE", "logits", "probabilities", "targets", "token_ids"]

HUGE = 1e4  # exp overflows beyond 709 in float64, beyond 88 in float32


@st.composite
def token_ids(draw: Any, vocab_size: int, shape: Any = None, dtype: Any = np.int64) -> Any:
    """Ids from 0 up to vocab_size - 1 in an array; shape (B, T) is drawn where none is given.

    Repeated ids, rows of one id, the smallest and the greatest id are common. Shrinks to zeros.
    """
    if shape is None:
        shape = shapes(min_dims=2, max_dims=2)
    if not isinstance(shape, (int, tuple)):
        shape = draw(shape)
    size = int(np.prod(shape))
    last = vocab_size - 1  # a fifth of all, drawn by one choice as the others are, so that it shrinks to 0
    each = st.integers(0, last + 1 + vocab_size // 4).map(lambda i: min(i, last))
    if draw(st.booleans()):
        each = st.sampled_from(draw(st.lists(each, min_size=1, max_size=3)))
    return np.array(draw(st.lists(each, min_size=size, max_size=size)), dtype).reshape(shape)


@st.composite
def targets(
    draw: Any, vocab_size: int, shape: Any = None, ignore_index: int | None = -100, all_ignored: bool = False
) -> Any:
    """Token ids of which some are `ignore_index`: they count nothing in the loss.

    all_ignored   whether every one may be, so that the mean is one of nothing. With ignore_index=None none is
    """
    ids = draw(token_ids(vocab_size, shape))
    if ignore_index is None or not ids.size:
        return ids
    ignored = np.array(draw(st.lists(st.booleans(), min_size=ids.size, max_size=ids.size))).reshape(ids.shape)
    if not all_ignored and ignored.all():
        ignored.flat[0] = False
    return np.where(ignored, ignore_index, ids)


@st.composite
def logits(draw: Any, vocab_size: Any = None, lead: Shape = (), never: bool = True, huge: bool = True) -> Any:
    """Rows of logits, (*lead, V) in float64: ties, rows all equal, ±1e4, and −∞ for what cannot come.

    vocab_size   V, or a strategy of it; 1 … 6 where it is not given
    never        whether −∞ may come; at least one number of each row is finite
    huge         whether ±HUGE may come

    Shrinks to zeros.
    """
    V = draw(st.integers(1, 6) if vocab_size is None else vocab_size) if not isinstance(vocab_size, int) else vocab_size
    rows = [_row(draw, V, never, huge) for _ in range(int(np.prod(lead)))]
    return np.array(rows, np.float64).reshape(*lead, V)


def _row(draw: Any, V: int, never: bool, huge: bool) -> list[float]:
    kinds = ["plain", "few"] + ["huge"] * huge + ["never"] * never
    kind = draw(st.sampled_from(kinds))
    each = numbers()
    if kind == "few":  # ties, and rows all equal
        each = st.sampled_from(draw(st.lists(numbers(), min_size=1, max_size=2)))
    if kind == "huge":
        each = st.one_of(numbers(), st.sampled_from([HUGE, -HUGE]))
    if kind == "never":
        each = st.one_of(numbers(), st.just(-np.inf))
    row: list[float] = draw(st.lists(each, min_size=V, max_size=V))
    if not np.isfinite(row).any():
        row[draw(st.integers(0, V - 1))] = 0.0
    return row


@st.composite
def probabilities(draw: Any, size: Any = None) -> Any:
    """Probabilities (V,) that are exact in binary and sum to exactly 1: zeros, ties, and certainty among them.

    size   V, or a strategy of it; 1 … 6 where it is not given. Shrinks to [1, 0, 0, ...].
    """
    V = size if isinstance(size, int) else draw(st.integers(1, 6) if size is None else size)
    each = st.integers(0, 8)
    if draw(st.booleans()):
        each = st.sampled_from([draw(each), 0])
    parts = draw(st.lists(each, min_size=V, max_size=V))
    whole = 1 << max(sum(parts) - 1, 0).bit_length()  # the next power of two: all quotients are exact
    parts[draw(st.integers(0, V - 1))] += whole - sum(parts)
    return np.array(parts, np.float64) / whole
