"""Texts to counted pre-tokens on whole arrays: the twin of tokenizer.count.count_texts; knows nothing of merges."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenizer.fast.classes import Indices
from tokenizer.fast.corpus import Words
from tokenizer.fast.pretokens import STRETCH, PretokenFinder, Units, flatten, joined
from tokenizer.fast.rules import RULES
from tokenizer.fast.units import UnitIndex

NEVER = np.iinfo(np.int64).max


def serves(pattern: str) -> bool:
    """Whether the fast form knows this pattern; a regex of the user's own it does not."""
    return pattern in RULES


def count_words(texts: Sequence[str], pattern: str) -> Words:
    """How often each pre-token occurs in texts that can be split alone, in the order first seen.

    >>> count_words(["the cat's", "the hat"], "gpt2").to_dict()
    {b'the': 2, b' cat': 1, b"'s": 1, b' hat': 1}
    """
    counter = Counter(pattern)
    counter.add_texts(texts)
    return counter.words()


class Counter:
    """Pre-tokens counted so far. Memory grows with the distinct ones."""

    def __init__(self, pattern: str) -> None:
        self._finder = PretokenFinder(pattern)
        self._index = UnitIndex()
        self._seen = 0  # bytes of all texts so far, with their ENDs
        self._counts = np.zeros(1 << 14, np.int64)  # of each unit, by its number
        self._first = np.zeros(1 << 14, np.int64)  # where each was first seen, counted in bytes from the beginning
        self._data = bytearray()  # the bytes of all units, one after the other, by number
        self._lengths = np.zeros(1 << 14, np.int32)
        self._pieces: list[tuple[int, list[int]]] = []  # of each doubtful unit, the lengths of its pre-tokens

    def __len__(self) -> int:
        """Distinct units so far, for those who watch: exactly the pre-tokens but where a unit is several of them."""
        return max(self._index.size - 1, 0)  # the END

    def add_texts(self, texts: Sequence[str], stretch: int = STRETCH) -> None:
        """Count the pre-tokens of texts, each of which can be split alone, so many bytes at a time."""
        for units in self._finder.walk(joined(texts), stretch):
            numbers, new = self._index.number(units.text, units.starts, units.lengths, units.last)
            self._remember(units, new)
            self._counts[: self._index.size] += np.bincount(numbers, minlength=self._index.size)
            doubtful = new[self._finder.doubtful(units, new)]
            self._pieces += zip(numbers[doubtful].tolist(), self._finder.split(units, doubtful), strict=True)

    def add_words(self, words: Words) -> None:
        """Add what was counted elsewhere; what is added in order is as if counted in order."""
        lengths = words.lengths.astype(np.int64)
        units = Units(words.data.tobytes(), np.cumsum(lengths) - lengths, lengths, None)
        numbers, new = self._index.number(units.text, units.starts, units.lengths)
        self._remember(units, new)
        self._counts[numbers] += words.counts  # the words of a Words are distinct

    def _remember(self, units: Units, new: Indices) -> None:
        """Note the bytes, the length and the place of units not met before."""
        size = self._index.size
        old = size - len(new)
        starts, lengths = units.starts[new], units.lengths[new]
        self._data += np.frombuffer(units.text, np.uint8)[flatten(starts, lengths)].tobytes()
        self._counts, self._first, self._lengths = (
            _fit(array, old, size) for array in (self._counts, self._first, self._lengths)
        )
        self._lengths[old:size] = lengths
        self._first[old:size] = starts + self._seen
        self._counts[old:size] = 0
        self._seen += len(units.text)

    def words(self) -> Words:
        """The pre-tokens counted so far, in the order first seen. Ends the counting."""
        self._settle()
        size = self._index.size
        order = np.flatnonzero(self._counts[:size])
        order = order[np.argsort(self._first[order], kind="stable")]
        lengths = self._lengths[:size].astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        data = np.frombuffer(self._data, np.uint8)[flatten(starts[order], lengths[order])]
        return Words(data, lengths[order], self._counts[order])

    def _settle(self) -> None:
        """Give the counts of doubtful units to the pre-tokens that they are."""
        if not self._pieces:
            return
        whole = np.array([number for number, _ in self._pieces])
        many = np.array([len(lengths) for _, lengths in self._pieces])
        sizes = np.array([length for _, lengths in self._pieces for length in lengths], np.int64)
        size = self._index.size
        lengths = self._lengths[:size].astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        inside = np.cumsum(sizes) - sizes  # where each piece begins, all pieces side by side
        owner = np.repeat(np.arange(len(whole)), many)
        first_piece = np.cumsum(many) - many
        offset = inside - inside[first_piece[owner]]
        counts, first = self._counts[whole].copy(), self._first[whole].copy()
        self._counts[whole], self._first[whole] = 0, NEVER
        seen = self._seen
        units = Units(bytes(self._data), starts[whole][owner] + offset, sizes, None)
        numbers, new = self._index.number(units.text, units.starts, units.lengths)
        self._remember(units, new)
        self._first[size : self._index.size] = NEVER
        np.add.at(self._counts, numbers, counts[owner])
        np.minimum.at(self._first, numbers, first[owner] + offset)
        self._pieces, self._seen = [], seen


def _fit(array: Any, size: int, wanted: int) -> Any:
    """The array, or a longer copy of its first `size` numbers if `wanted` do not fit."""
    if wanted <= len(array):
        return array
    longer = np.zeros(max(wanted, len(array) * 3 // 2), array.dtype)
    longer[:size] = array[:size]
    return longer
