"""A corpus as one array of linked tokens, which merges change in place; knows nothing of which merge is next.

Every byte of every word has a row, and so has the end of every word. A token lives in the row of its first
byte, and its row says how far away the tokens beside it begin:

    position    0     1   2   3    4     5   6    7
    "low" "er"  end   l   o   w    end   e   r    end
    after lo    end   lo  --  w    end   e   r    end       row 1: length 2; row 3: before 2
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tokenizer.fast.corpus import Words

Positions = npt.NDArray[np.signedinteger[Any]]  # int32 or int64, as the size of the corpus asks for
Rows = npt.NDArray[np.void]

END = -1  # the "token" at the end of a word
GONE = -2  # the "token" where the right half of a merged pair began
NO_PAIR = -1  # the "pair" of a row where no pair of tokens begins

# token: its id. pair: the number of the pair that begins here. weight: how often the word occurs.
# length: bytes to the next token. before: bytes back to the one before.
# All that is asked of a token lies in 16 or 32 bytes side by side, and so costs one cache miss and one take().
COMPACT = np.dtype([("token", "i4"), ("pair", "i4"), ("weight", "i4"), ("length", "u2"), ("before", "u2")])
WIDE = np.dtype([("token", "i4"), ("pair", "i4"), ("weight", "i8"), ("length", "i8"), ("before", "i8")])

STEP = 1 << 20  # rows laid out at once, more or less, to keep temporary arrays small


def linked(words: Words, numbering: npt.NDArray[np.int32]) -> Rows:
    """The rows of words of two bytes or more, every byte a token: `numbering` of the byte.

    words: n of them, of L bytes in all   numbering: (256,)   -> (1 + L + n,)
    """
    held = words.lengths > 1  # a word of one byte holds no pair
    lengths, counts = words.lengths[held], words.counts[held]
    data = words.data if held.all() else words.data[np.repeat(held, words.lengths)]
    ends = np.concatenate([[0], np.cumsum(lengths + 1)])  # (n + 1,) the first stands before the first word
    rows = np.empty(int(ends[-1]) + 1, _layout(lengths, counts))
    rows[:] = (END, NO_PAIR, 0, 1, 1)
    for first in range(0, len(lengths), STEP // 16):
        last = min(first + STEP // 16, len(lengths))
        block = rows[ends[first] + 1 : ends[last] + 1]
        block["weight"] = np.repeat(counts[first:last], lengths[first:last] + 1)
        is_byte = np.ones(len(block), np.bool_)
        is_byte[ends[first + 1 : last + 1] - ends[first] - 1] = False
        block["token"][is_byte] = numbering[data[ends[first] - first : ends[last] - last]]
    return rows


def _layout(lengths: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> np.dtype[np.void]:
    """The compact layout where every field fits: the length of a token is at most that of its word."""
    positions = int(lengths.sum()) + len(lengths) + 1
    fits = positions < 2**31 and counts.max(initial=0) < 2**31 and lengths.max(initial=0) < 2**16
    return COMPACT if fits else WIDE


def position_type(rows: Rows) -> type[np.signedinteger[Any]]:
    """What positions are counted in."""
    return np.int32 if rows.dtype == COMPACT else np.int64


def byte_pairs(rows: Rows) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.uint16]]]:
    """Where pairs begin while all tokens are bytes, and which: STEP rows at a time.

    -> at: (m,) ascending   pair: (m,) 256 left + right
    """
    for start in range(0, len(rows) - 1, STEP):
        tokens = rows["token"][start : start + STEP + 1]
        at = np.flatnonzero((tokens[:-1] >= 0) & (tokens[1:] >= 0))
        if len(at):
            yield start + at, (tokens[at] * 256 + tokens[at + 1]).astype(np.uint16)


def group_starts(keys: npt.NDArray[Any], more: npt.NDArray[Any] | None = None) -> npt.NDArray[np.intp]:
    """Where the runs of equal keys begin, and of equal `more` if given.

    >>> group_starts(np.array([3, 3, 5, 3])).tolist()
    [0, 2, 3]
    """
    begins = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    if more is not None:
        begins[1:] |= more[1:] != more[:-1]
    return np.flatnonzero(begins)
