"""Which pairs are merged next, by count and then by the tie rule; knows nothing of how pairs are merged.

A tie rule is here a number for each pair, the smallest first, because arrays of numbers sort quickly.
"""

from bisect import bisect_left
from typing import Any

import numpy as np
import numpy.typing as npt

from tokenizer.fast.chain import Rows
from tokenizer.fast.pairs_pool import Numbers, Pairs

WATCHED = 3000  # pairs kept in view; more make each round slower, fewer make looking at all of them more frequent


class ByIds:
    """huggingface and smallest_ids: by left id, then by right, in the numbering that the rule gives the bytes."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def keys(self, numbers: Numbers) -> npt.NDArray[np.int64]:
        """A number for each of these pairs: among equal counts the smallest goes first."""
        return _joined(self.pairs.left[numbers], self.pairs.right[numbers])

    def settle(self, numbers: Numbers) -> bool:
        """Bring the keys of these pairs up to date; False if one of them was not."""
        return True

    def add_tokens(self, tokens: list[bytes], first: int) -> None:
        """Tokens were made: those from id `first` on."""


class ByGreatestBytes(ByIds):
    """greatest_bytes: by the place of the left token among all tokens, the greatest first, then of the right."""

    def __init__(self, pairs: Pairs) -> None:
        super().__init__(pairs)
        self.ascending: list[bytes] = [bytes([byte]) for byte in range(256)]
        self.ids = np.arange(256)  # of the same tokens in the same order
        self.places = -np.arange(256)  # id -> place, the greatest token has the smallest

    def keys(self, numbers: Numbers) -> npt.NDArray[np.int64]:
        return _joined(self.places[self.pairs.left[numbers]], self.places[self.pairs.right[numbers]])

    def add_tokens(self, tokens: list[bytes], first: int) -> None:
        new = sorted(range(first, len(tokens)), key=tokens.__getitem__)
        where = []
        for i in new:
            where.append(bisect_left(self.ascending, tokens[i]))  # the place it keeps: greater ones follow
            self.ascending.insert(where[-1], tokens[i])
        self.ids = np.insert(self.ids, np.array(where) - np.arange(len(new)), new)
        self.places = np.empty(len(tokens), np.int64)
        self.places[self.ids] = -np.arange(len(tokens))


class ByFirstPosition(ByIds):
    """first_seen: by the first position at which the pair still stands.

    The positions of a pair ascend in the pool, and its `start` is moved on where occurrences went away. As
    they only go away, what is noted is never too late: it is looked at when a pair is among the best.
    """

    def __init__(self, pairs: Pairs, rows: Rows) -> None:
        super().__init__(pairs)
        self.rows = rows

    def keys(self, numbers: Numbers) -> npt.NDArray[np.int64]:
        first: npt.NDArray[np.int64] = self.pairs.pool[self.pairs.start[numbers]].astype(np.int64)
        return first

    def settle(self, numbers: Numbers) -> bool:
        pairs, pair_at = self.pairs, self.rows["pair"]
        stale = numbers[pair_at[pairs.pool[pairs.start[numbers]]] != numbers]
        if len(stale) == 0:
            return True
        places, member = pairs.slices(stale)
        alive = np.flatnonzero(pair_at[pairs.pool[places]] == stale[member])
        first = np.searchsorted(member[alive], np.arange(len(stale)))  # a count above 0 has a position alive
        pairs.start[stale] = places[alive[first]]
        return False


def _joined(high: npt.NDArray[Any], low: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Two numbers as one that sorts like the two."""
    joined: npt.NDArray[np.int64] = (high.astype(np.int64) << 32) + low
    return joined


def first_k(pairs: Pairs, order: ByIds, numbers: Numbers, k: int) -> Numbers:
    """The k best of these pairs, in their order: by count from the greatest, then by key from the smallest."""
    if len(numbers) > k:
        count = pairs.count[numbers]
        least = np.partition(count, len(count) - k)[len(count) - k]
        above, ties = numbers[count > least], numbers[count == least]
        lacking = k - len(above)
        if len(ties) > lacking:
            ties = ties[np.argpartition(order.keys(ties), lacking - 1)[:lacking]]
        numbers = np.concatenate([above, ties])
    return numbers[np.lexsort((order.keys(numbers), -pairs.count[numbers]))]


class BestPairs:
    """The pairs of count `least` or more, kept in view so that a round need not look at all pairs.

    Counts only fall, and new pairs are shown as they come, so no pair of that count is ever missed.
    """

    def __init__(self, pairs: Pairs, order: ByIds, watched: int = WATCHED) -> None:
        self.pairs, self.order, self.watched = pairs, order, watched
        self.numbers = np.empty(0, np.int32)
        self.least = 2**63 - 1
        self.too_many = 8 * watched

    def show(self, numbers: Numbers) -> None:
        """These pairs are new."""
        seen = numbers[self.pairs.count[numbers] >= self.least]
        if len(seen):
            self.numbers = np.concatenate([self.numbers, seen])

    def first(self, k: int) -> Numbers:
        """The k best pairs of all in their order, fewer if there are fewer."""
        self.numbers = self.numbers[self.pairs.count[self.numbers] >= self.least]
        if len(self.numbers) < k and self.least > 1:
            self.least = 1
            self._watch(np.flatnonzero(self.pairs.count[: self.pairs.size] > 0).astype(np.int32), max(k, self.watched))
        elif len(self.numbers) > self.too_many:
            self._watch(self.numbers, max(k, self.watched))
        best = first_k(self.pairs, self.order, self.numbers, k)
        while not self.order.settle(best):
            best = first_k(self.pairs, self.order, self.numbers, k)
        return best

    def _watch(self, numbers: Numbers, n: int) -> None:
        """Keep the n most frequent of these pairs in view, and those as frequent as the last of them."""
        count = self.pairs.count[numbers]
        if len(numbers) > n:
            self.least = int(np.partition(count, len(count) - n)[len(count) - n])
        self.numbers = numbers[count >= self.least]
        self.too_many = max(8 * self.watched, 2 * len(self.numbers))
