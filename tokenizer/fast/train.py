"""Training on whole arrays: the twin of tokenizer.train.merges; knows nothing of text or files.

    repeat:  take the best pairs, as many as cannot get in each other's way;  merge them all at once

batch.py says which these are, and why the merges are those of one after the other. A round costs some 100
NumPy calls however little it does; with batches there are about 900 rounds in 32,000 merges of English.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from tokenizer.alphabet import PRINTABLE_FIRST
from tokenizer.errors import TokenizerError
from tokenizer.fast.batch import Batch, Cutter
from tokenizer.fast.best_pairs import WATCHED, BestPairs, ByFirstPosition, ByGreatestBytes, ByIds
from tokenizer.fast.chain import GONE, NO_PAIR, Positions, group_starts, linked
from tokenizer.fast.corpus import Words
from tokenizer.fast.pairs_pool import Counts, Ids, Members, Pairs
from tokenizer.ties import tie_rule
from tokenizer.train import Merge, check_counts, check_number

MAX_BATCH = 512  # looking for more at once costs more than it brings: few batches get that long


def merges(
    words: Words | Mapping[bytes, int],
    n_merges: int | None = None,
    *,
    tie_break: str = "huggingface",
    max_batch: int = MAX_BATCH,
    watched: int = WATCHED,
) -> Iterator[Merge]:
    """Train: yield the Merges that tokenizer.train.merges yields, without rivals.

    words: pre-tokens with their counts, no two alike (`first_seen` uses their order)
    n_merges, tie_break: as there
    max_batch, watched: how many merges are done at once at most, and how many pairs are kept in view; they
    change how long it takes, and nothing else

    >>> [(merge.left, merge.right, merge.count) for merge in merges({b"low": 5, b"lower": 2, b"new": 4}, 3)]
    [(b'l', b'o', 7), (b'lo', b'w', 7), (b'e', b'w', 4)]

    Raises TokenizerError where that does, and for counts that 64 bits cannot hold.
    """
    tie_rule(tie_break)
    check_number("n_merges", n_merges or 0)
    if not 1 <= max_batch < 2**15:
        raise TokenizerError(f"merges: max_batch must be from 1 to {2**15 - 1}, got {max_batch}")
    return _merging(_checked(words), n_merges, tie_break, max_batch, watched)


def _checked(words: Words | Mapping[bytes, int]) -> Words:
    """The words with counts of 1 or more, the counts of whose pairs fit into an int64."""
    if not isinstance(words, Words):
        check_counts(words)
        if max(words.values(), default=0) >= 2**63:
            raise TokenizerError("merges: these counts do not fit into 64 bits; use tokenizer.train.merges")
        words = Words.of(words)
    elif len(words) and words.counts.min() < 1:
        raise TokenizerError(f"merges: expected counts of 1 or more, got {words.counts.min()}")
    if np.dot(words.counts.astype(np.float64), np.maximum(words.lengths - 1, 0)) > 0.999 * 2**63:  # of all pairs
        raise TokenizerError("merges: these counts add up to more than 64 bits hold; use tokenizer.train.merges")
    return words


def _merging(words: Words, n_merges: int | None, tie_break: str, max_batch: int, watched: int) -> Iterator[Merge]:
    trainer = Trainer(words, tie_break, watched)
    del words  # unless the caller holds them, their memory is free for the pairs to come
    rank = 0
    wanted = min(16, max_batch)
    while n_merges is None or rank < n_merges:
        best = trainer.best.first(wanted if n_merges is None else min(wanted, n_merges - rank))
        if len(best) == 0:
            return
        batch = trainer.cutter.batch(best)
        yield from trainer.records(batch, rank)
        rank += len(batch.pairs)
        if rank == n_merges:
            return
        trainer.merge(batch)
        if len(batch.pairs) == wanted:
            wanted = min(2 * wanted, max_batch)
        elif 3 * len(batch.pairs) < wanted:
            wanted = max(3 * wanted // 4, min(8, max_batch))


class Trainer:
    """A corpus and its pairs after some merges. Ids number the bytes as the tie rule does; merges follow."""

    def __init__(self, words: Words, tie_break: str, watched: int) -> None:
        byte_order = PRINTABLE_FIRST if tie_break == "huggingface" else range(256)  # id -> byte
        numbering = np.empty(256, np.int32)
        numbering[byte_order] = np.arange(256)
        self.tokens = [bytes([byte]) for byte in byte_order]  # id -> bytes
        self.public = list(byte_order)  # id -> the id by which others know it: that of a byte is its value
        self.rows = linked(words, numbering)
        self.pairs = Pairs(self.rows)
        if tie_break == "greatest_bytes":
            self.order: ByIds = ByGreatestBytes(self.pairs)
        elif tie_break == "first_seen":
            self.order = ByFirstPosition(self.pairs, self.rows)
        else:
            self.order = ByIds(self.pairs)
        self.best = BestPairs(self.pairs, self.order, watched)
        self.cutter = Cutter(self.rows, self.pairs, self.tokens, by_bytes=tie_break == "greatest_bytes")

    def records(self, batch: Batch, rank: int) -> Iterator[Merge]:
        """What the batch does, merge by merge, before it is done; `rank` is that of the first."""
        for i, (left, right, count) in enumerate(zip(*self._told(batch), strict=True), start=rank):
            pair = self.public[left], self.public[right]
            yield Merge(i, pair, 256 + i, self.tokens[left], self.tokens[right], count)

    def _told(self, batch: Batch) -> tuple[list[int], list[int], list[int]]:
        """Left ids, right ids and counts of the pairs of the batch."""
        pairs = self.pairs
        return pairs.left[batch.pairs].tolist(), pairs.right[batch.pairs].tolist(), pairs.count[batch.pairs].tolist()

    def merge(self, batch: Batch) -> None:
        """Make the pairs of the batch tokens, everywhere, and take note of the pairs that come and go."""
        rows, pairs = self.rows, self.pairs
        at, member, left, right = batch.at, batch.member, batch.left, batch.right  # (n,)
        first_new = len(self.tokens)
        self._add_tokens(batch)
        weight = left["weight"].astype(np.int64)
        after_at = batch.right_at + right["length"]  # (n,) where the next token, or the end of the word, is
        before_at = at - left["before"]  # (n,) where the one before is
        self._forget(right["pair"], weight)

        right["token"], right["pair"] = GONE, NO_PAIR
        rows[batch.right_at] = right
        left["token"] = first_new + member.astype(np.int32)
        left["pair"] = NO_PAIR
        left["length"] += right["length"]
        rows[at] = left
        after = rows.take(after_at)["token"]
        rows["before"][after_at] = left["length"]
        # If the token before went into another occurrence, its row is GONE; that occurrence has this one after it.
        before = rows.take(before_at)
        self._forget(before["pair"], weight)
        pairs.count[batch.pairs] = 0

        has = np.flatnonzero(after >= 0)
        groups = grouped(after[has], member[has])
        self._add_pairs(left["token"][has], after[has], at[has], weight[has], groups)
        has = np.flatnonzero(before["pair"] != NO_PAIR)
        groups = grouped(before["token"][has], member[has])
        self._add_pairs(before["token"][has], left["token"][has], before_at[has], weight[has], groups)

    def _add_tokens(self, batch: Batch) -> None:
        first_new = len(self.tokens)
        lefts, rights, _ = self._told(batch)
        self.tokens += [self.tokens[left] + self.tokens[right] for left, right in zip(lefts, rights, strict=True)]
        self.public += range(first_new, len(self.tokens))
        self.order.add_tokens(self.tokens, first_new)

    def _forget(self, pairs: npt.NDArray[np.int32], weight: Counts) -> None:
        has = np.flatnonzero(pairs != NO_PAIR)
        self.pairs.forget(pairs[has], weight[has])

    def _add_pairs(self, left: Ids, right: Ids, at: Positions, weight: Counts, order: npt.NDArray[np.intp]) -> None:
        """Take note of new pairs. left, right, at, weight: (m,) of each occurrence   order: (m,) that groups them"""
        if len(at) == 0:
            return
        left, right = left[order], right[order]
        starts = group_starts(left, right)  # (g,)
        count = np.add.reduceat(weight[order], starts)
        ends = np.append(starts[1:], len(order))
        self.best.show(self.pairs.add(self.rows, left[starts], right[starts], count, at[order], ends))


def grouped(neighbour: Ids, member: Members) -> npt.NDArray[np.intp]:
    """The order that brings together what has the same neighbour and member, and else changes nothing.

    A stable sort of 16 bits is a radix sort in NumPy, so two or three of them are quicker than one of 64.
    """
    if len(neighbour) < 256:
        return np.argsort((member.astype(np.int64) << 32) + neighbour, kind="stable")
    order = np.argsort(neighbour.astype(np.uint16), kind="stable")
    if neighbour.max() >= 2**16:
        order = order[np.argsort((neighbour >> 16).astype(np.uint16)[order], kind="stable")]
    if member[0] != member[-1]:
        order = order[np.argsort(member[order], kind="stable")]
    return order
