"""Counted pre-tokens to merges, the training of byte-pair encoding; knows nothing of text or files.

    repeat:  count every pair of neighbouring tokens;  merge the most frequent pair everywhere

Sennrich et al. 2016, algorithm 1, on bytes as in GPT-2 (Radford et al. 2019). Counting everything again
for every merge would be the whole algorithm; an index of the words that hold each pair makes it practical.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from numbers import Integral
from typing import Any

from tokenizer.errors import TokenizerError
from tokenizer.ties import Pair, TieRule, tie_rule


@dataclass(frozen=True, slots=True)
class Rival:
    """A pair that was not merged: its ids, their bytes, and how often it occurred."""

    pair: Pair
    left: bytes
    right: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Merge:
    """One step of training: `pair`, which occurred `count` times, became `token`; `rank` counts from 0.

    left, right: the bytes of the pair. rivals: the pairs next in line, best first; those of the same count
    lost by the tie rule alone.
    """

    rank: int
    pair: Pair
    token: int
    left: bytes
    right: bytes
    count: int
    rivals: tuple[Rival, ...] = ()

    @property
    def token_bytes(self) -> bytes:
        """The bytes of the new token."""
        return self.left + self.right


def merge_pair(word: list[int], pair: Pair, token: int) -> list[int]:
    """Put `token` for every occurrence of the pair in a word, from left to right, none overlapping.

    >>> merge_pair([97, 97, 97, 98], (97, 97), 256)
    [256, 97, 98]
    """
    merged: list[int] = []
    i = 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            merged.append(token)
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged


def count_pairs(
    words: Sequence[Sequence[int]], counts: Sequence[int]
) -> tuple[defaultdict[Pair, int], defaultdict[Pair, set[int]]]:
    """How often each pair of neighbours occurs, and the numbers of the words that it is in.

    words: each a sequence of ids   counts: how often each word occurs   →   pair -> count, pair -> {places in words}

    Neighbours are counted as they stand, so "aaa" holds (a, a) twice, though only one can be merged: this
    is how Hugging Face's trainer and minbpe count.
    """
    pair_counts: defaultdict[Pair, int] = defaultdict(int)
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, (word, count) in enumerate(zip(words, counts, strict=True)):
        for pair in pairwise(word):
            pair_counts[pair] += count
            where[pair].add(number)
    return pair_counts, where


class PairIndex:
    """The words of a corpus as tokens, with each pair's count and the words it is in, kept up to date."""

    def __init__(self, counts: Mapping[bytes, int]) -> None:
        self.tokens = [bytes([byte]) for byte in range(256)]  # id -> bytes
        self.words = [list(word) for word in counts]
        self.word_counts = list(counts.values())
        self.pair_counts, self.where = count_pairs(self.words, self.word_counts)

    def merge(self, pair: Pair) -> list[Pair]:
        """Make the pair a token, everywhere, and return the new pairs that it is in, each once."""
        token = len(self.tokens)
        self.tokens.append(self.tokens[pair[0]] + self.tokens[pair[1]])
        made: dict[Pair, None] = {}
        for number in sorted(self.where[pair]):
            word, count = self.words[number], self.word_counts[number]
            merged = merge_pair(word, pair, token)
            self.words[number] = merged
            before, after = list(pairwise(word)), list(pairwise(merged))
            for old in before:
                self.pair_counts[old] -= count
            for new in after:
                self.pair_counts[new] += count
                if token in new:
                    self.where[new].add(number)
                    made[new] = None
            for old in set(before).difference(after):
                self.where[old].discard(number)
        del self.pair_counts[pair], self.where[pair]
        return list(made)

    def first(self, pair: Pair) -> tuple[int, int]:
        """Where the pair is first met: (number of the word, offset in it in bytes)."""
        number = min(self.where[pair])
        offset = 0
        for here in pairwise(self.words[number]):
            if here == pair:
                break
            offset += len(self.tokens[here[0]])
        return number, offset


class PairQueue:
    """The pairs of an index, the most frequent first, ties by the rule.

    Counts of pairs already queued only fall, for a merge makes only pairs with its own new token; and as
    long as a count stands, no occurrence went away, so a position under `first_seen` stands too. An entry
    is therefore never too low in the queue: it is checked when it comes up, and put back if its count fell.
    """

    def __init__(self, index: PairIndex, rule: TieRule) -> None:
        self.index, self.rule = index, rule
        self.heap = [self._entry(pair) for pair in index.pair_counts]
        heapq.heapify(self.heap)

    def _entry(self, pair: Pair) -> tuple[int, Any, Pair]:
        return -self.index.pair_counts[pair], self.rule(pair, self.index), pair

    def push(self, pair: Pair) -> None:
        heapq.heappush(self.heap, self._entry(pair))

    def pop_all(self) -> Iterator[Pair]:
        """Take the pairs out, best first."""
        while self.heap:
            negative, _, pair = heapq.heappop(self.heap)
            count = self.index.pair_counts.get(pair, 0)
            if count == -negative:
                yield pair
            elif count > 0:
                self.push(pair)


def merges(
    counts: Mapping[bytes, int],
    n_merges: int | None = None,
    *,
    tie_break: str = "huggingface",
    rivals: int = 0,
) -> Iterator[Merge]:
    """Yield one merge after the other: the pair of neighbouring tokens that occurs most often becomes a token.

    counts: pre-token as bytes -> how often it occurs   n_merges: None is all   rivals: how many losers a Merge carries

    Among pairs of equal count the tie rule decides (ties.py). No pair crosses from one pre-token to the next. When no
    two tokens stand side by side any more, it ends. This is the readable form of tokenizer.merges, which states the
    arguments and errors.

    >>> [(merge.left, merge.right, merge.count) for merge in merges({b"low": 5, b"lower": 2, b"new": 4}, 3)]
    [(b'l', b'o', 7), (b'lo', b'w', 7), (b'e', b'w', 4)]
    """
    rule = tie_rule(tie_break)
    check_number("n_merges", n_merges or 0)
    check_number("rivals", rivals)
    check_counts(counts)
    return _merging(counts, n_merges, rule, rivals)


def check_number(name: str, number: object) -> None:
    """Raise TokenizerError unless it is a whole number from 0."""
    if not isinstance(number, Integral) or number < 0:
        wrong = "must not be negative" if isinstance(number, Integral) else "must be a whole number"
        raise TokenizerError(f"merges: {name} {wrong}, got {number!r}")


def check_counts(counts: Mapping[bytes, int]) -> None:
    """Raise TokenizerError unless they are whole numbers from 1, of bytes."""
    for word, count in counts.items():
        if not isinstance(word, bytes) or not isinstance(count, Integral) or count < 1:
            raise TokenizerError(f"merges: expected pre-token bytes -> count of 1 or more, got {word!r}: {count!r}")


def _merging(counts: Mapping[bytes, int], n_merges: int | None, rule: TieRule, rivals: int) -> Iterator[Merge]:
    index = PairIndex(counts)
    queue = PairQueue(index, rule)
    rank = 0
    while n_merges is None or rank < n_merges:
        best = list(islice(queue.pop_all(), 1 + rivals))
        if not best:
            return
        records = [Rival(pair, index.tokens[pair[0]], index.tokens[pair[1]], index.pair_counts[pair]) for pair in best]
        winner = records[0]
        yield Merge(rank, winner.pair, 256 + rank, winner.left, winner.right, winner.count, rivals=tuple(records[1:]))
        for pair in best[1:]:
            queue.push(pair)
        for pair in index.merge(winner.pair):
            queue.push(pair)
        rank += 1
