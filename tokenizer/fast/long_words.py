"""Long words to tokens in rounds, and in turn where rounds do not help; knows nothing of ids and texts.

Cells are bytes: a token of n bytes fills n cells and stands in the first and the last of them. Lines are
between cells: line i is left of cell i. A pair is known by the line between its two tokens.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

from tokenizer.fast.pairs import BITS, NONE, Ints, PairTable
from tokenizer.fast.rivals import Rivals

PAD = 3  # cells outside, before and after all words; two would do on the left
GONE = NONE + 1  # the rank of a line that has vanished inside a token
FEW = 32  # merges: a round costs as much as merging this many in turn
SHARE = 32  # of the lines that were looked at, one in this many must be safe, or it is cheaper in turn


def merge_side_by_side(
    pairs: PairTable, rivals: Rivals | None, data: NDArray[np.uint8], starts: Ints, lengths: Ints
) -> tuple[Ints, Ints]:
    """The tokens of the words that begin at `starts`, and how many each has; without rivals, in turn."""
    cells = starts_of(lengths + 1) + PAD  # where each word begins; a cell outside of all parts it from the next
    at = np.arange(int(lengths.sum())) + np.repeat(cells - starts_of(lengths), lengths)
    tokens = np.full(int(cells[-1] + lengths[-1]) + PAD, pairs.outside)
    tokens[at] = data[at + np.repeat(starts - cells, lengths)]
    if rivals is None:
        ranks = np.append(NONE, pairs.find(tokens[:-1], tokens[1:]))
        merge_in_turn(pairs, tokens, ranks)
    else:
        ranks = Rounds(pairs, rivals, tokens).run()
    begins = np.flatnonzero((ranks <= NONE) & (tokens != pairs.outside))
    return tokens[begins], np.diff(np.searchsorted(begins, np.append(cells, len(tokens))))


def starts_of(lengths: Ints) -> Ints:
    """Where each of several stretches begins when they are put one after the other."""
    return np.cumsum(lengths) - lengths


def merge_in_turn(pairs: PairTable, tokens: Ints, ranks: Ints) -> None:
    """Always the lowest rank first, the leftmost within a rank: a queue of lines, in n log n steps."""
    token, rank = tokens.data, ranks.data
    sizes, find = pairs.sizes.tolist(), pairs.by_key.get
    made = pairs.made.tolist()
    queue = [rank[line] << 40 | line for line in np.flatnonzero(ranks < NONE).tolist()]
    heapq.heapify(queue)
    while queue:
        best = heapq.heappop(queue)
        line = best & ((1 << 40) - 1)
        if rank[line] != best >> 40:
            continue  # one of the two was merged meanwhile
        first, after = line - sizes[token[line - 1]], line + sizes[token[line]]
        token[first] = token[after - 1] = made[rank[line]]
        rank[line] = GONE
        for near in (first, after):
            rank[near] = least = find(token[near - 1] << BITS | token[near], NONE)
            if least < NONE:
                heapq.heappush(queue, least << 40 | near)


class Rounds:
    """The state of some words, put side by side, while every round merges all pairs that nothing can pre-empt."""

    def __init__(self, pairs: PairTable, rivals: Rivals, tokens: Ints) -> None:
        self.pairs, self.rivals, self.tokens = pairs, rivals, tokens
        self.rank, self.from_left, self.from_right = np.full((3, len(tokens)), NONE)  # by line
        self._look(np.arange(1, len(tokens)))
        self._marked = np.zeros(len(tokens), bool)

    def run(self) -> Ints:
        """Merge until nothing merges; returns the rank of each line, GONE where it is inside a token."""
        lines, all_of_them = np.flatnonzero(self.rank < NONE), True
        few = max(FEW, len(self.tokens) >> 12)  # looking at all lines costs as much as merging this many in turn
        while len(lines):
            safe = self.safe(lines)
            enough = max(few, len(lines) // SHARE) if all_of_them else 0
            if len(safe) < enough and len(lines) > SHARE * few:
                safe = self.safe(lines, self.calm())
            if len(safe) < enough:  # rounds would be quadratic
                merge_in_turn(self.pairs, self.tokens, self.rank)
                break
            near = self._merge(safe)
            lines = self._among(near) if len(safe) >= FEW else lines[:0]
            if all_of_them := not len(lines):
                lines = np.flatnonzero(self.rank < NONE)
        return self.rank

    def before(self, lines: Ints) -> Ints:
        """The line on the other side of the token to the left."""
        return lines - self.pairs.sizes[self.tokens[lines - 1]]

    def after(self, lines: Ints) -> Ints:
        """The line on the other side of the token to the right."""
        return lines + self.pairs.sizes[self.tokens[lines]]

    def safe(self, lines: Ints, calm: NDArray[np.bool_] | None = None) -> Ints:
        """Which of the lines can be merged at once, in any order, without changing what comes out.

        With tokens l2|l|x|y|r|r2, take x|y of rank R. While it waits, others merge at R or below, and those at
        R to the left of it (they are the same pair). So x stays if no t|x at R or below can come about:
        l|x is above R, and either so is t|x for all t that l may become the last part of, or l stays as it
        is because all t|l are above R. And y stays if no y|t below R can come about, likewise. Then x|y will be
        merged. To merge it now changes nothing else if the new z meets nobody at R or below: if z takes
        part in higher merges only (quiet), or no t|z and no z|t is at R or below. All this holds in turn for
        several safe pairs, taken in the order in which they would be merged: what is to the left of x then
        still ends with l, unless l stays, and what is to the right of y begins with r.

        In a run x x x x the pairs overlap: they are taken two by two from its beginning, where that is safe. The z
        to the left of the next x x meets nobody at R or below, as was asked of it, so x x keeps together there.

        calm: the lines, if they are known, to which nothing can come from afar (see calm).
        """
        before, after = self.before(lines), self.after(lines)
        rank = self.rank[lines]
        here = np.flatnonzero((self.rank[before] >= rank) & (self.rank[after] >= rank))
        lines, before, after, rank = lines[here], before[here], after[here], rank[here]
        starts = self.left_stays(before, rank)
        good = self.right_stays(after, rank) & self._unnoticed(lines, before, after, rank)
        follows = np.zeros(len(lines), bool)
        follows[1:] = (before[1:] == lines[:-1]) & (rank[1:] == rank[:-1])
        good &= follows | starts
        if calm is not None:
            good |= calm[lines] & (follows | (self.rank[before] > rank))
        return lines[alternate(follows, good)]

    def calm(self) -> NDArray[np.bool_]:
        """By line: whether its pair is of the lowest rank as far as the longest token reaches, and quiet.

        Below that rank (at it, to the left), a token can then come near only from beyond that reach, by taking all
        tokens between one after the other, and no token is as long as that; nor can it take what a pair of the
        same rank became, which is quiet. So calm pairs are safe, save that those of a run overlap.
        """
        begins = np.flatnonzero(self.rank <= NONE)
        rank = self.rank[begins]
        least, reach, step = rank, 0, 1
        while reach < int(self.pairs.sizes.max()):
            wider = least.copy()
            np.minimum(wider[step:], least[:-step], out=wider[step:])
            np.minimum(wider[:-step], least[step:], out=wider[:-step])
            least, reach, step = wider, reach + step, 2 * step
        lowest = (least == rank) & (rank < NONE)
        calm = np.zeros(len(self.tokens), bool)
        calm[begins[lowest]] = self.rivals.quiet[rank[lowest]]
        return calm

    def left_stays(self, before: Ints, rank: Ints) -> NDArray[np.bool_]:
        """Whether nothing to the left takes x, given the line before it, at `rank` or below."""
        later = (self.from_left[before] > rank) | (self.from_left[self.before(before)] > rank)
        return (self.rank[before] > rank) & later

    def right_stays(self, after: Ints, rank: Ints) -> NDArray[np.bool_]:
        """Whether nothing to the right takes y, given the line after it, below `rank`."""
        later = (self.from_right[after] >= rank) | (self.from_right[self.after(after)] >= rank)
        return (self.rank[after] >= rank) & later

    def _unnoticed(self, lines: Ints, before: Ints, after: Ints, rank: Ints) -> NDArray[np.bool_]:
        """Whether no merge at `rank` or below takes the token that the pair makes."""
        fine = self.rivals.quiet[rank]
        loud = np.flatnonzero(~fine)
        if len(loud):
            made = self.pairs.made[rank[loud]]
            _, from_left, _ = self.rivals.find(self.tokens[before[loud] - 1], made)
            _, _, from_right = self.rivals.find(made, self.tokens[after[loud]])
            fine[loud] = (from_left > rank[loud]) & (from_right > rank[loud])
        return fine

    def _merge(self, lines: Ints) -> Ints:
        """Merge the pairs at these lines, no two of which overlap; returns the lines on both sides of the results."""
        made = self.pairs.made[self.rank[lines]]
        first, after = self.before(lines), self.after(lines)
        self.tokens[first] = self.tokens[after - 1] = made
        self.rank[lines] = GONE
        near = np.concatenate([first, after])
        self._look(near)
        return near

    def _look(self, lines: Ints) -> None:
        found = self.rivals.find(self.tokens[lines - 1], self.tokens[lines])
        self.rank[lines], self.from_left[lines], self.from_right[lines] = found

    def _among(self, near: Ints) -> Ints:
        """The lines, in order, for which `safe` may now say something new: up to two tokens away."""
        first, after = near[: len(near) // 2], near[len(near) // 2 :]
        left, right = self.before(first), self.after(after)
        lines = np.concatenate([near, left, right, self.before(left), self.after(right)])
        lines = lines[self.rank[lines] < NONE]
        if len(lines) * 20 < len(self.tokens):
            return np.unique(lines)
        self._marked[lines] = True
        lines = np.flatnonzero(self._marked)
        self._marked[lines] = False
        return lines


def alternate(follows: NDArray[np.bool_], good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Every second member of each chain from its first one on, up to the first of these that is not good."""
    place = np.arange(len(follows))
    start = np.maximum.accumulate(np.where(follows, 0, place))
    taken = (place - start) % 2 == 0
    failed = taken & ~good
    failures = np.cumsum(failed)
    alternating: NDArray[np.bool_] = taken & (failures == failures[start] - failed[start])
    return alternating
