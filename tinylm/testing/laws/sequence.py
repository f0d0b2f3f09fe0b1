"""Laws of what works on positions in order: attention, blocks, whole models."""

from typing import Any

import numpy as np

import tinylm.testing as drawn
from tinylm.testing import given
from tinylm.testing.law import close, equal, law, require
from tinylm.testing.mistakes import InputError

__all__ = [
    "attention_averages_values",
    "attention_of_equal_keys_is_the_mean",
    "attention_sees_no_future",
    "cached_equals_uncached",
    "logits_are_finite",
    "model_keeps_the_order_of_the_batch",
    "model_on_a_row_alone",
    "model_sees_no_future",
    "padding_changes_nothing",
]

Array = Any
LOGITS = 3.0  # how many times the usual tolerance: logits are the end of a long way of roundings


def _qkv(_: Any) -> Any:
    from tinylm.testing.drawing import st

    sizes = st.tuples(st.integers(1, 4), st.integers(1, 3))  # T, D
    return sizes.flatmap(lambda drawn_: st.tuples(*[drawn.arrays(drawn_)] * 3))


@law("attention", qkv=_qkv, change=lambda _: drawn.numbers(64.0))
def attention_sees_no_future(attention: Any, qkv: Any, change: float) -> None:
    """Keys and values after a position do not reach it: change them, and its result is the same to the bit.

    qkv   q, k, v of shape (T, D) each
    """
    (q, k, v), change = _three(qkv), given.number("change", change)
    y = np.array(attention(q.copy(), k.copy(), v.copy()))  # a copy: the code may give the same array again, rewritten
    for t in range(len(q) - 1):
        k_, v_ = k.copy(), v.copy()
        k_[t + 1 :] += change
        v_[t + 1 :] -= change + 1
        changed = np.array(attention(q.copy(), k_, v_))
        equal(y[: t + 1], changed[: t + 1], f"with other keys and values after position {t}, positions up to {t}")


@law("attention", qkv=_qkv)
def attention_averages_values(attention: Any, qkv: Any) -> None:
    """A position's result lies between the smallest and the largest of the values that it sees; the first sees one."""
    q, k, v = _three(qkv)
    y = np.array(attention(q.copy(), k.copy(), v.copy()))
    close(v[:1], y[:1], "the result at position 0")
    low, high = np.minimum.accumulate(v, axis=0), np.maximum.accumulate(v, axis=0)
    require(((y >= low - 1e-4) & (y <= high + 1e-4)).all(), "a result lies outside of the values seen", (low, high), y)


@law("attention", qkv=_qkv)
def attention_of_equal_keys_is_the_mean(attention: Any, qkv: Any) -> None:
    """Where all keys are equal, every position sees the plain mean of the values up to it."""
    q, k, v = _three(qkv)
    k = np.broadcast_to(k[:1], k.shape).copy()
    mean = v.cumsum(axis=0) / np.arange(1, len(v) + 1)[:, None]
    close(mean, np.asarray(attention(q.copy(), k, v.copy())), "attention with equal keys")


def _three(qkv: Any) -> list[Array]:
    if not isinstance(qkv, np.ndarray) and not isinstance(qkv, (list, tuple)):
        raise InputError(f"qkv must be three arrays of one shape (T, D), got {qkv!r}")
    found = given.several("qkv", tuple(qkv), 3)
    shapes = [each.shape for each in found]
    if found[0].ndim != 2 or len(set(shapes)) != 1:
        raise InputError(f"qkv must be three arrays of one shape (T, D), their shapes are {shapes}")
    return found


def _batch(model: Any, ids: Any) -> Array:
    ids = given.integers("ids", ids, 2)
    if ids.size and not (ids.min() >= 0 and ids.max() < model.vocab_size):
        raise InputError(f"ids must lie in 0 … {model.vocab_size - 1}, got {ids.min()} … {ids.max()}")
    if not 0 < ids.shape[1] <= model.block_size:
        raise InputError(f"ids must have 1 … {model.block_size} positions, their shape is {ids.shape}")
    return ids


def _ids(model: Any) -> Any:
    longest = min(6, model.block_size)
    return drawn.token_ids(model.vocab_size, drawn.shapes(2, 2, max_side=longest).map(lambda s: (min(s[0], 3), s[1])))


@law("model", needs=("logits", "vocab_size", "block_size"), ids=_ids)
def logits_are_finite(model: Any, ids: Array) -> None:
    """A model gives a finite number for every position and every id: logits are (B, T, V)."""
    ids = _batch(model, ids)
    y = np.array(model.logits(ids.copy()))
    expected = (*ids.shape, model.vocab_size)
    require(y.shape == expected, f"the shape of the logits is {y.shape}, expected {expected}")
    require(np.isfinite(y).all(), "some logits are not finite", got=y)


@law("model", needs=("logits", "vocab_size", "block_size"), ids=_ids, other=lambda _: drawn.numbers(8, 1))
def model_sees_no_future(model: Any, ids: Array, other: float) -> None:
    """Ids after a position do not reach it: change them, and its logits are the same to the bit.

    other   how far the ids are moved, round the vocabulary
    """
    ids, moved = _batch(model, ids), given.whole("other", other)
    y = np.array(model.logits(ids.copy()))
    for t in range(ids.shape[1] - 1):
        changed = ids.copy()
        changed[:, t + 1 :] = (changed[:, t + 1 :] + moved) % model.vocab_size
        got = np.array(model.logits(changed))
        equal(y[:, : t + 1], got[:, : t + 1], f"with other ids after position {t}, the logits up to it")


@law("model", needs=("logits", "vocab_size", "block_size"), ids=_ids)
def model_keeps_the_order_of_the_batch(model: Any, ids: Array) -> None:
    """Rows of a batch in another order have their logits in that order."""
    ids = _batch(model, ids)
    y, turned = np.array(model.logits(ids.copy())), np.array(model.logits(ids[::-1].copy()))
    close(y[::-1], turned, "the logits of the rows in reverse order", slack=LOGITS)


@law("model", needs=("logits", "vocab_size", "block_size"), ids=_ids)
def model_on_a_row_alone(model: Any, ids: Array) -> None:
    """A row has the same logits alone as in a batch."""
    ids = _batch(model, ids)
    y = np.array(model.logits(ids.copy()))
    for row in range(len(ids)):
        alone = np.array(model.logits(ids[row : row + 1].copy()))
        close(y[row : row + 1], alone, f"the logits of row {row} alone", slack=LOGITS)


@law("model", needs=("logits", "vocab_size", "block_size"), ids=_ids, padding=lambda _: drawn.numbers(8, 1))
def padding_changes_nothing(model: Any, ids: Array, padding: float) -> None:
    """Ids put behind a text, whichever they are, leave the logits of the text as they were."""
    ids, filler = _batch(model, ids), given.whole("padding", padding)
    y = np.array(model.logits(ids.copy()))
    more = min(2, model.block_size - ids.shape[1])
    behind = np.full((len(ids), more), filler % model.vocab_size)
    padded = np.array(model.logits(np.concatenate([ids, behind], axis=1)))
    close(y, padded[:, : ids.shape[1]], f"the logits with {more} ids behind", slack=LOGITS)


@law("model", needs=("logits", "cached"), ids=_ids, cuts=lambda _: drawn.split_points(6))
def cached_equals_uncached(model: Any, ids: Array, cuts: Any) -> None:
    """Logits computed piece by piece, with keys and values kept, are those of the whole text at once.

    cuts   where the text is cut; those that would leave an empty piece are left out
    """
    ids = given.integers("ids", ids, 2)
    places = sorted({int(cut) for cut in given.integers("cuts", cuts, 1) if 0 < cut < ids.shape[1]})
    at_once = np.array(model.logits(ids.copy()))
    close(at_once, np.array(model.cached(ids.copy(), places)), f"the logits in pieces cut at {places}", slack=LOGITS)
