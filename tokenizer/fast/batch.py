"""Which of the best pairs can be merged at once, so that it comes to the same as one after the other.

Of the best pairs c_1, c_2, ... in order the batch keeps those before the first c_j that shares a token of the
corpus with one of c_1 ... c_j (`overlap_cut`). Merging c_k = (a, b) to ab then leaves the others in the batch
as they are, and can only lessen the pairs outside it. So nothing but a new pair could come before a later c_j.
Take (x, ab): wherever it stands (x, a) stood, so (x, a) was at least as frequent. If (x, a) came before c_j,
it was among the best pairs and shares a token with c_k: the batch ends before c_j. A new pair is therefore
dangerous only if it is as frequent as both (x, a) and c_j, and wins the tie with c_j that (x, a) lost:

    huggingface, smallest_ids   (x, a) sorts before (x, ab), for ab has a greater id than a; likewise (b, y)
                                before (ab, y), and (d, a) before (cd, ab). No danger.
    first_seen                  (x, ab) begins where (x, a) did. (ab, y) begins one token, a, before (b, y), and
                                no pair begins inside of a, so c_j is not between them; likewise (cd, ab) and
                                (d, a). No danger.
    greatest_bytes              "ab" > "a", so (x, ab) may win where (x, a) lost: `tie_cut` looks.

A pair (x, x) that stands in a run of three or more shares tokens with itself, and goes alone.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tokenizer.fast.chain import NO_PAIR, Positions, Rows
from tokenizer.fast.pairs_pool import Members, Numbers, Pairs

AT_ONCE = 1 << 17  # occurrences of a batch at most, but for one pair that has more; they take some 100 bytes each
OUTSIDE = -1  # which member of the batch a pair is that is none

Name = tuple[bytes, bytes]  # a pair by its bytes


@dataclass(frozen=True)
class Batch:
    """k pairs to merge at once, the best first, and their n occurrences.

    pairs: (k,) numbers   member: (n,) which of the k, ascending   at: (n,) positions, ascending for each pair
    left, right: (n,) copies of the rows of both tokens   right_at: (n,) where the right one is
    """

    pairs: Numbers
    member: Members
    at: Positions
    right_at: Positions
    left: Rows
    right: Rows

    @classmethod
    def of(cls, best: Numbers, pairs: Pairs, rows: Rows) -> "Batch":
        """Pairs, with those of their occurrences that still stand."""
        places, member = pairs.slices(best)
        at = pairs.pool[places]
        left = rows.take(at)
        alive = np.flatnonzero(left["pair"] == best[member])
        if len(alive) < len(at):
            member, at, left = member[alive], at[alive], left[alive]
        right_at = at + left["length"]
        return cls(best, member, at, right_at, left, rows.take(right_at))

    def first(self, k: int) -> "Batch":
        """Only the first k pairs."""
        if k == len(self.pairs):
            return self
        return self._keep(k, slice(int(np.searchsorted(self.member, k))))

    def without_overlap(self) -> "Batch":
        """For one pair: of the occurrences in a run, which overlap, the first, the third ..."""
        follows = np.zeros(len(self.at), np.bool_)  # (n,) whether it begins in the occurrence before it
        np.equal(self.at[1:], self.right_at[:-1], out=follows[1:])
        index = np.arange(len(self.at))
        run_start = np.maximum.accumulate(np.where(follows, 0, index))
        return self._keep(1, (index - run_start) % 2 == 0)

    def _keep(self, k: int, chosen: slice | npt.NDArray[np.bool_]) -> "Batch":
        return Batch(
            self.pairs[:k],
            self.member[chosen],
            self.at[chosen],
            self.right_at[chosen],
            self.left[chosen],
            self.right[chosen],
        )


class Cutter:
    """Cuts batches for one corpus. tokens: id -> bytes, and it grows."""

    def __init__(self, rows: Rows, pairs: Pairs, tokens: list[bytes], *, by_bytes: bool) -> None:
        self.rows, self.pairs, self.tokens, self.by_bytes = rows, pairs, tokens, by_bytes
        self.members = np.empty(0, np.int16)  # pair -> which of the batch it is; OUTSIDE between calls

    def batch(self, best: Numbers) -> Batch:
        """As many of the best pairs as can be merged at once, 1 or more."""
        sizes = self.pairs.end[best] - self.pairs.start[best]
        best = best[: max(1, int(np.searchsorted(np.cumsum(sizes), AT_ONCE)))]
        batch = Batch.of(best, self.pairs, self.rows)
        k = self.overlap_cut(batch)
        if k == 0:
            return batch.first(1).without_overlap()
        batch = batch.first(k)
        return batch.first(self.tie_cut(batch)) if self.by_bytes else batch

    def overlap_cut(self, batch: Batch) -> int:
        """How many of the pairs, from the first on, share no token with each other or with themselves.

        Two occurrences overlap where the right token of one is the left token of the other.
        """
        if len(self.members) <= self.pairs.size:
            self.members = np.full(len(self.pairs.count) + 1, OUTSIDE, np.int16)
        self.members[batch.pairs] = np.arange(len(batch.pairs))
        other = self.members[batch.right["pair"]]  # (n,) NO_PAIR, -1, finds the last element, which is no pair's
        self.members[batch.pairs] = OUTSIDE
        overlap = np.flatnonzero(other != OUTSIDE)
        if len(overlap) == 0:
            return len(batch.pairs)
        return int(np.maximum(batch.member[overlap], other[overlap]).min())

    def tie_cut(self, batch: Batch) -> int:
        """How many of the pairs, from the first on, no new pair beats by its bytes; 1 or more.

        A neighbour (x, a) of the batch comes after all of its pairs, so it is no more frequent than the last
        of them, and (x, ab) is a danger only to those of just that count, and only if (x, a) has it too. They
        come before (x, ab) if they are greater; the batch ends at the first that is not. Where two members
        meet, (d, a) becomes (cd, ab); for the order it may be taken for (cd, a), because no pair so far begins
        with the bytes cd. (Within a string the merges are the same wherever it stands, as long as none crosses
        its ends; so a string is made in one way only, and no two tokens are alike.)
        """
        k = len(batch.pairs)
        count = self.pairs.count[batch.pairs]
        tied = int(np.searchsorted(-count, -count[-1]))  # the first pair of the count of the last
        ascending = [self._name(pair) for pair in batch.pairs[tied:][::-1].tolist()]
        cut = k
        for before in (True, False):
            for i, neighbour in self._neighbours(batch, count[-1], before=before):
                new = self._new_name(int(batch.pairs[i]), neighbour, before=before)
                cut = min(cut, max(i + 1, k - bisect_left(ascending, new)))
        return cut

    def _neighbours(self, batch: Batch, count: np.int64, *, before: bool) -> set[tuple[int, int]]:
        """(i, a pair of that count that ends with the left token of pair i of the batch, or begins with its right)."""
        pair = self.rows["pair"][batch.at - batch.left["before"]] if before else batch.right["pair"]
        near = np.flatnonzero((pair != NO_PAIR) & (batch.member < len(batch.pairs) - 1))
        near = near[self.pairs.count[pair[near]] == count]
        return set(zip(batch.member[near].tolist(), pair[near].tolist(), strict=True))

    def _name(self, pair: int) -> Name:
        return self.tokens[self.pairs.left[pair]], self.tokens[self.pairs.right[pair]]

    def _new_name(self, merged: int, neighbour: int, *, before: bool) -> Name:
        """What the neighbour becomes when the pair is merged."""
        left, right = self._name(neighbour)
        token = b"".join(self._name(merged))
        return (left, token) if before else (token, right)
