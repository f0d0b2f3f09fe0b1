"""One pre-token to ids, and ids to a stream of text; knows nothing of patterns, special tokens or files."""

import codecs
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, SupportsIndex

Ranks = Mapping[tuple[int, int], tuple[int, int]]
"""pair of ids -> (rank of its merge, id of the token it becomes)"""

LONG = 128
"""From this many bytes on a queue finds the next merge: looking at every pair for it is quadratic."""


@dataclass(frozen=True, slots=True)
class EncodeStep:
    """One merge in a word: the pair at `position` (in tokens) became `token`; `ids`: the word after."""

    rank: int
    position: int
    pair: tuple[int, int]
    token: int
    ids: tuple[int, ...]


def lowest(ids: Sequence[int], ranks: Ranks) -> int | None:
    """Where the next merge is: the pair of lowest rank, the leftmost of its kind; None if no pair merges."""
    found = [(ranks[pair][0], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
    return min(found)[1] if found else None


def encode_word(ids: Sequence[int], ranks: Ranks) -> list[int]:
    """Merge a word, given as the ids of its bytes: always the lowest rank first, one occurrence at a time.

    >>> encode_word([1, 2, 3], {(2, 3): (0, 4), (1, 2): (1, 5)})
    [1, 4]
    """
    if len(ids) >= LONG:
        return encode_long_word(ids, ranks)
    word = list(ids)
    while (i := lowest(word, ranks)) is not None:
        word[i : i + 2] = [ranks[word[i], word[i + 1]][1]]
    return word


def encode_steps(ids: Sequence[int], ranks: Ranks) -> Iterator[EncodeStep]:
    """The same, yielding every merge as it is made."""
    word = list(ids)
    while (i := lowest(word, ranks)) is not None:
        pair = word[i], word[i + 1]
        rank, token = ranks[pair]
        word[i : i + 2] = [token]
        yield EncodeStep(rank, i, pair, token, tuple(word))


def encode_long_word(ids: Sequence[int], ranks: Ranks) -> list[int]:
    """Merge as encode_word does, in n log n: tokens in a linked list, pairs that merge in a queue by (rank, place)."""
    token = list(ids)  # -1 where a token was merged into the one on its left
    left = list(range(-1, len(ids) - 1))
    right = list(range(1, len(ids) + 1))
    queue = [(ranks[pair][0], i, pair) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
    heapq.heapify(queue)
    while queue:
        _, i, pair = heapq.heappop(queue)
        j = right[i]
        if token[i] != pair[0] or j == len(ids) or token[j] != pair[1]:
            continue  # one of the two was merged meanwhile; tokens only grow, so it never comes back
        token[i], token[j] = ranks[pair][1], -1
        right[i] = after = right[j]
        if after < len(ids):
            left[after] = i
        for a, b in ((left[i], i), (i, after)):
            if a >= 0 and b < len(ids) and (near := (token[a], token[b])) in ranks:
                heapq.heappush(queue, (ranks[near][0], a, near))
    return [each for each in token if each != -1]


class Decodes(Protocol):
    """Whatever turns ids into bytes."""

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids, joined."""


class StreamDecoder:
    """Text from ids as they come: whole characters at once, and never half of one.

    The texts of all feeds and the flush join to `tokenizer.decode(ids, errors)`, however the ids are split.

    >>> from tokenizer import CharTokenizer
    >>> decoder = StreamDecoder(CharTokenizer("héllo"))
    >>> decoder.feed(1) + decoder.feed([0, 3]) + decoder.flush()
    'lhé'
    """

    def __init__(self, tokenizer: Decodes, errors: str = "replace") -> None:
        self._tokenizer = getattr(tokenizer, "streaming", tokenizer)  # one that remembers where a text begins
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)

    def feed(self, ids: SupportsIndex | Iterable[int]) -> str:
        """Take one id or several, and return the characters that they complete, perhaps none."""
        several = ids if isinstance(ids, Iterable) else [ids.__index__()]
        return self._decoder.decode(self._tokenizer.decode_bytes(several))

    def flush(self) -> str:
        """Return what an unfinished character at the end becomes under `errors`, and start anew."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        self._tokenizer = getattr(self._tokenizer, "streaming", self._tokenizer)
        return text
