"""Every pair that stands in a corpus: its count, and where it occurs; knows nothing of which one is merged.

A pair (x, z) can only come up in the round in which the later of its two tokens is made: afterwards
occurrences of it vanish, and none is added. So its positions are written down once, side by side, as a slice
of one pool. They are never deleted: a position counts as long as its row still names the pair.
"""

import numpy as np
import numpy.typing as npt

from tokenizer.fast.chain import Positions, Rows, byte_pairs, group_starts, position_type

Numbers = npt.NDArray[np.int32]  # of pairs
Ids = npt.NDArray[np.int32]  # of tokens
Members = npt.NDArray[np.int16]  # which of the pairs of a batch
Counts = npt.NDArray[np.int64]


class Pairs:
    """The pairs by number, `size` of them; the arrays are longer, and grow.

    left, right: ids of tokens   count: occurrences, each as often as its word   start, end: its slice of the
    pool of positions, which ascend within it
    """

    def __init__(self, rows: Rows) -> None:
        sizes = np.zeros(65536, np.int64)
        for _, kind in byte_pairs(rows):
            sizes += np.bincount(kind, minlength=65536)
        kinds = np.flatnonzero(sizes)
        self.left, self.right = (kinds // 256).astype(np.int32), (kinds % 256).astype(np.int32)
        self.end = np.cumsum(sizes[kinds])
        self.start = self.end - sizes[kinds]
        self.count = np.zeros(len(kinds), np.int64)
        self.size, self.used = len(kinds), int(sizes.sum())
        # A merge of one occurrence takes a token away and makes two pairs at most, so three times is enough for
        # all that is to come. What is never written of it takes no memory.
        self.pool: Positions = np.empty(3 * self.used, position_type(rows))
        number = np.zeros(65536, np.int32)
        number[kinds] = np.arange(len(kinds))
        self._sort_in(rows, number)

    def _sort_in(self, rows: Rows, number: Numbers) -> None:
        """Write down the positions of the pairs of bytes, sorted by counting. number: (65536,) of 256 left + right."""
        filled = self.start.copy()  # where the next position of each pair goes
        for at, kind in byte_pairs(rows):
            rows["pair"][at] = pairs = number[kind]
            order = np.argsort(kind, kind="stable")  # a radix sort, for 16 bits
            pairs, at = pairs[order], at[order]
            begins = group_starts(pairs)
            here, sizes = pairs[begins], np.diff(begins, append=len(at))
            self.pool[np.arange(len(at)) + np.repeat(filled[here] - begins, sizes)] = at
            filled[here] += sizes
            self.count[here] += np.add.reduceat(rows["weight"][at], begins, dtype=np.int64)

    def add(
        self,
        rows: Rows,
        left: npt.NDArray[np.integer],
        right: npt.NDArray[np.integer],
        count: Counts,
        positions: Positions,
        ends: npt.NDArray[np.integer],
    ) -> Numbers:
        """Add g pairs that stand at m positions, and give their numbers.

        left, right, count: (g,)   positions: (m,) those of the first pair, then of the second ...
        ends: (g,) where in them each pair ends
        """
        g, m = len(ends), len(positions)
        numbers = np.arange(self.size, self.size + g, dtype=np.int32)
        self._make_room(self.size + g)
        new = slice(self.size, self.size + g)
        self.left[new], self.right[new], self.count[new] = left, right, count
        np.add(ends, self.used, out=self.end[new])
        self.start[new][:1] = self.used
        self.start[new][1:] = self.end[new][:-1]
        self.pool[self.used : self.used + m] = positions
        rows["pair"][positions] = np.repeat(numbers, self.end[new] - self.start[new])
        self.size += g
        self.used += m
        return numbers

    def _make_room(self, size: int) -> None:
        if size <= len(self.count):
            return
        capacity = max(size, len(self.count) * 3 // 2)
        for name in ("left", "right", "count", "start", "end"):
            short = getattr(self, name)
            grown = np.empty(capacity, short.dtype)
            grown[: self.size] = short[: self.size]
            setattr(self, name, grown)

    def slices(self, numbers: Numbers) -> tuple[npt.NDArray[np.intp], Members]:
        """The slices of k pairs, one after the other: m places in the pool, and whose each is.

        -> places: (m,)   member: (m,) which of the k, counted from 0
        """
        start = self.start[numbers]
        sizes = self.end[numbers] - start
        ends = np.cumsum(sizes)
        places = np.repeat(start - (ends - sizes), sizes)
        places += np.arange(len(places))
        return places, np.repeat(np.arange(len(numbers), dtype=np.int16), sizes)

    def forget(self, numbers: Numbers, weights: Counts) -> None:
        """Occurrences of these pairs are gone."""
        np.subtract.at(self.count, numbers, weights)
