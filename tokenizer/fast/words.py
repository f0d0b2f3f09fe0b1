"""Many words to ids at once, the vectorised twin of encode_word; knows nothing of text, patterns or caches."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tokenizer.encode import Ranks
from tokenizer.fast.long_words import merge_side_by_side, starts_of
from tokenizer.fast.pairs import NONE, Ints, PairTable
from tokenizer.fast.rivals import Rivals

SHORT = 32  # bytes: longer words are merged in rounds over all of them, not one pair of each at a time
IN_TURN = 1024  # bytes of long words: below, a queue is faster than rounds
BLOCK = 8192  # short words at once: what they need fits in a cache of 1 MB
PLACE_BITS = 10  # a key is a rank and, below it, a place in the word
PLACE = (1 << PLACE_BITS) - 1
NO_PAIR = NONE << PLACE_BITS  # the least key of what does not merge
VANISHED = NO_PAIR + PLACE + 1  # above all keys: a line inside a token


class WordMerger:
    """Merges words as encode_word does, always the lowest rank first and the leftmost of a rank, many at a time.

    Frozen after it is made, save for tables made when first needed, so threads may share it.

    >>> byte_ids = list(range(256))
    >>> merger = WordMerger(byte_ids, {(97, 98): (0, 300), (300, 300): (1, 400)})
    >>> ids, counts = merger.merge(np.frombuffer(b"abababba", np.uint8), np.array([6, 2]))
    >>> ids.tolist(), counts.tolist()
    ([400, 300, 98, 97], [2, 2])
    """

    def __init__(self, byte_ids: Sequence[int], ranks: Ranks, *, short: int = SHORT, in_turn: int = IN_TURN) -> None:
        """byte_ids: the ids of the 256 bytes, all different; ranks: pair of ids -> (rank, id), fewer than 2^21

        short: words of up to so many bytes are merged side by side; at most 1022
        in_turn: longer words, when they have fewer bytes than this in all, are merged by a queue
        """
        self._pairs = PairTable(byte_ids, ranks)
        self._short, self._in_turn = min(short, PLACE - 1), in_turn

    @cached_property
    def _rivals(self) -> Rivals | None:
        try:
            return Rivals(self._pairs)
        except OverflowError:
            return None

    def merge(self, data: NDArray[np.uint8], lengths: Ints) -> tuple[Ints, Ints]:
        """The ids of all words, one after the other, and how many each has.

        data: the bytes of all words, one after the other; lengths: the bytes of each word, at least 1
        """
        starts = starts_of(lengths)
        order = np.argsort(np.minimum(lengths, self._short + 1).astype(np.uint16), kind="stable")
        n_short = int(np.count_nonzero(lengths <= self._short))
        groups = [order[i : min(i + BLOCK, n_short)] for i in range(0, n_short, BLOCK)]
        merged = [merge_short(self._pairs, data, starts[group], lengths[group]) for group in groups]
        if n_short < len(order):
            long = order[n_short:]
            rivals = self._rivals if lengths[long].sum() >= self._in_turn else None
            merged.append(merge_side_by_side(self._pairs, rivals, data, starts[long], lengths[long]))
        if not merged:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        tokens, counts = (np.concatenate(parts) for parts in zip(*merged, strict=True))
        return unsort(self._pairs.ids[tokens], counts, order)


def unsort(items: Ints, counts: Ints, order: Ints) -> tuple[Ints, Ints]:
    """The items of all words and their numbers, put from the order in which they were merged into the words'."""
    by_word = np.empty_like(counts)
    by_word[order] = counts
    to = starts_of(by_word)[order] - starts_of(counts)
    place = np.repeat(to, counts)
    place += np.arange(len(items))
    result = np.empty_like(items)
    result[place] = items
    return result, by_word


def merge_short(pairs: PairTable, data: NDArray[np.uint8], starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
    """The tokens of the words that begin at `starts`, and how many each has: one merge in each word a round.

    A word is a column of cells, one for each byte; a token of n bytes fills n cells and stands in the first and
    the last of them. Line i is above cell i, and the key of the pair around it is its rank and then i. So
    the least key of a column is its next merge, and its neighbours are found by the sizes of tokens alone.
    """
    N = len(starts)
    tokens, keys, inside = lay_out(pairs, data, starts, lengths)  # (L + 3, N), (L + 1, N), (L + 1, N)
    token_at, key_at = tokens.ravel(), keys.ravel()  # token_at[(i + 1) * N + n]: cell i of word n
    columns, least = next_merges(keys, np.arange(N))
    while len(columns):
        rank, line = least >> PLACE_BITS, least & PLACE
        made = pairs.made[rank]
        first, after = line - pairs.left_size[rank], line + pairs.right_size[rank]  # lines around the new token
        line_at, first_at, after_at = line * N + columns, first * N + columns, after * N + columns
        left, right = token_at[first_at], token_at[after_at + N]
        token_at[first_at + N] = made
        token_at[after_at] = made
        ranks = pairs.find(np.concatenate([left, made]), np.concatenate([made, right])) << PLACE_BITS
        key_at[line_at] = VANISHED
        key_at[first_at] = ranks[: len(made)] | first
        key_at[after_at] = ranks[len(made) :] | after
        columns, least = next_merges(keys, columns)
    begins = ((keys != VANISHED) & inside).T  # (N, L + 1): the words one after the other
    return tokens[1:-1].T[begins], np.count_nonzero(begins, axis=1)


def lay_out(
    pairs: PairTable, data: NDArray[np.uint8], starts: Ints, lengths: Ints
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """The words' bytes in columns with a cell outside above and below, their keys, and which cells are inside."""
    L, N = int(lengths.max()), len(starts)
    rows = np.arange(L + 1)[:, None]
    inside = rows < lengths  # (L + 1, N)
    cells = np.where(inside, data[np.minimum(starts + rows, len(data) - 1)], np.int64(pairs.outside))
    tokens = np.full((L + 3, N), pairs.outside)
    tokens[1:-1] = cells
    keys = np.full((L + 1, N), NO_PAIR)
    paired = inside[1:]  # (L, N): line i has a cell of the word above it, and one below
    keys[1:][paired] = pairs.of_bytes[(cells[:-1] << 8 | cells[1:])[paired]] << PLACE_BITS
    keys |= rows
    return tokens, keys, inside


def next_merges(keys: Ints, columns: Ints) -> tuple[Ints, Ints]:
    """The columns, of these, in which something merges, and the key of what merges first."""
    if 4 * len(columns) < keys.shape[1]:
        least = keys.take(columns, axis=1).min(axis=0)
    else:
        least = keys.min(axis=0)[columns]
    going = np.flatnonzero(least < NO_PAIR)
    return columns[going], least[going]
