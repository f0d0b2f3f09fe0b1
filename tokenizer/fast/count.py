"""Texts to counted pre-tokens on whole arrays: the twin of tokenizer.count.count_texts; knows nothing of merges."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tokenizer.fast.classes import Bytes, Indices
from tokenizer.fast.corpus import Words
from tokenizer.fast.pretokens import STRETCH, PretokenFinder, Units, gather, joined
from tokenizer.fast.units import Numbers, UnitIndex

Counts = npt.NDArray[np.int64]

NEVER = np.iinfo(np.int64).max
KEPT = 1 << 20  # units that a worker remembers from task to task: some 50 MB
KEPT_BYTES = 1 << 25  # in these units together

_kept = threading.local()


def count_words(texts: Sequence[str], pattern: str) -> Words:
    """How often each pre-token occurs in texts that can be split alone, in the order first seen.

    >>> count_words(["the cat's", "the hat"], "gpt2").to_dict()
    {b'the': 2, b' cat': 1, b"'s": 1, b' hat': 1}

    A worker calls this for task after task, and meets the same units again: what it knows of them it keeps.
    """
    counter = _kept.__dict__.pop("counter", None)  # put back when it has done its work, so never half-changed
    if counter is None or counter.pattern != pattern:
        counter = Counter(pattern)
    counter.reset()
    counter.add_texts(texts)
    words: Words = counter.words()
    if len(counter) <= KEPT and counter.bytes_held <= KEPT_BYTES:
        _kept.counter = counter
    return words


class Counter:
    """Pre-tokens counted so far. Memory grows with the distinct ones."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._finder = PretokenFinder(pattern)
        self._units = Found()
        self._words = Found()  # pre-tokens in doubtful units, and those counted elsewhere
        # of each unit and of each word counted elsewhere, by number: how often, and where first
        self._of_units = self._of_words = np.zeros(0, np.int64), np.zeros(0, np.int64)
        # for each pre-token in a doubtful unit: the unit's number, its own among the words, its place in the unit
        self._parts: list[tuple[Indices, Indices, Indices]] = []
        self._doubtful: list[Indices] = []
        self._seen = 0  # bytes of all texts so far

    def __len__(self) -> int:
        """Distinct units so far, for those who watch: exactly the pre-tokens but where a unit is several of them."""
        return max(self._units.index.size - 1, 0)  # the END

    @property
    def bytes_held(self) -> int:
        """The bytes of all units and words remembered."""
        return self._units.bytes_held + self._words.bytes_held

    def reset(self) -> None:
        """Begin to count anew; units stay known."""
        for counts, first in (self._of_units, self._of_words):
            counts[:], first[:] = 0, NEVER
        self._seen = 0

    def add_texts(self, texts: Sequence[str], at: int | None = None, stretch: int = STRETCH) -> None:
        """Count the pre-tokens of texts, each of which can be split alone, so many bytes at a time.

        at: where the texts stand in the whole, if not behind what was added before (any measure that grows)
        """
        at = self._seen if at is None else at
        for units in self._finder.walk(joined(texts), stretch):
            numbers, new = self._units.number(units)
            self._of_units = self._units.room(self._of_units)
            self._meet(units, numbers, new)
            counts, first = self._of_units
            earlier = np.flatnonzero(units.starts + at < first[numbers])[::-1]
            first[numbers[earlier]] = units.starts[earlier] + at  # of several the last assigned, the first, stays
            counts[: self._units.index.size] += np.bincount(numbers, minlength=self._units.index.size)
            at += int(units.starts[-1] + units.lengths[-1])
        self._seen = max(self._seen, at)

    def add_words(self, words: Words, at: int | None = None) -> None:
        """Add what was counted elsewhere."""
        at = self._seen if at is None else at
        lengths = words.lengths.astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        numbers, _ = self._words.number(Units(words.data.tobytes(), starts, lengths, None))
        self._of_words = counts, first = self._words.room(self._of_words)
        counts[numbers] += words.counts  # they are distinct
        first[numbers] = np.minimum(first[numbers], starts + at)
        self._seen = max(self._seen, at + len(words.data))

    def _meet(self, units: Units, numbers: Numbers, new: Indices) -> None:
        """Split the units not met before that are in doubt."""
        if not len(new) or not len(doubtful := np.sort(new[self._finder.doubtful(units, new)])):
            return
        split = self._finder.split(units, doubtful)
        many = np.array([len(lengths) for lengths in split])
        lengths = np.array([length for lengths in split for length in lengths], np.int64)
        owner = np.repeat(np.arange(len(split)), many)
        inside = np.cumsum(lengths) - lengths  # where each piece begins, all side by side
        offsets = inside - inside[(np.cumsum(many) - many)[owner]]
        pieces, _ = self._words.number(Units(units.text, units.starts[doubtful][owner] + offsets, lengths, None))
        whole = numbers[doubtful].astype(np.intp)
        self._doubtful.append(whole)
        self._parts.append((whole[owner], pieces.astype(np.intp), offsets))

    def words(self) -> Words:
        """The pre-tokens counted so far, in the order first seen."""
        counts, first, sure = self._settled()
        words = np.flatnonzero(counts)
        data, lengths = self._words.bytes_of(words)
        unit = self._units.index.find(data.tobytes(), np.cumsum(lengths) - lengths, lengths)
        both = np.append(sure, False)[unit]  # words that are simple units too
        of_units, first_of_units = (array[: len(sure)].copy() for array in self._of_units)
        of_units[unit[both]] += counts[words[both]]
        first_of_units[unit[both]] = np.minimum(first_of_units[unit[both]], first[words[both]])
        units, words = np.flatnonzero(sure), words[~both]
        (data, lengths), (more, their_lengths) = self._units.bytes_of(units), self._words.bytes_of(words)
        data, lengths = np.concatenate([data, more]), np.concatenate([lengths, their_lengths])
        order = np.argsort(np.concatenate([first_of_units[units], first[words]]))
        starts = np.cumsum(lengths) - lengths
        counts = np.concatenate([of_units[units], counts[words]])
        return Words(gather(data, starts[order], lengths[order]), lengths[order], counts[order])

    def _settled(self) -> tuple[Counts, Counts, npt.NDArray[np.bool_]]:
        """How often each word occurs but as a simple unit, and where first; and which units are simple, and occur."""
        counts, first = (array[: self._words.index.size].copy() for array in self._words.room(self._of_words))
        of_units, first_of_units = self._of_units
        for unit, word, offset in self._parts:
            some = np.flatnonzero(of_units[unit])
            np.add.at(counts, word[some], of_units[unit[some]])
            np.minimum.at(first, word[some], first_of_units[unit[some]] + offset[some])
        sure = of_units[: self._units.index.size] > 0
        for doubtful in self._doubtful:
            sure[doubtful] = False
        return counts, first, sure


class Found:
    """Byte strings with their numbers, and by number their bytes."""

    def __init__(self) -> None:
        self.index = UnitIndex()
        self._data = bytearray()  # one after the other
        self._lengths = np.zeros(0, np.int32)

    def number(self, units: Units) -> tuple[Numbers, Indices]:
        """The number of each unit, and where each new one stands first, in order of number."""
        numbers, new = self.index.number(units.text, units.starts, units.lengths, units.last)
        lengths = units.lengths[new]
        self._data += gather(np.frombuffer(units.text, np.uint8), units.starts[new], lengths).tobytes()
        self._lengths = fit(self._lengths, self.index.size, 0)
        self._lengths[self.index.size - len(new) : self.index.size] = lengths
        return numbers, new

    @property
    def bytes_held(self) -> int:
        """The bytes of all strings."""
        return len(self._data)

    def room(self, arrays: tuple[Counts, Counts]) -> tuple[Counts, Counts]:
        """Counts and first places by number, with room for all numbers."""
        counts, first = arrays
        return fit(counts, self.index.size, 0), fit(first, self.index.size, NEVER)

    def bytes_of(self, which: Indices) -> tuple[Bytes, Indices]:
        """The bytes of the strings of these numbers, one after the other, and their lengths."""
        lengths = self._lengths[: self.index.size].astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        lengths = lengths[which]
        return gather(np.frombuffer(self._data, np.uint8), starts[which], lengths), lengths


def fit(array: Any, size: int, fill: int) -> Any:
    """The array, or where it is too short a longer copy."""
    if size <= len(array):
        return array
    longer = np.full(max(size, len(array) * 3 // 2), fill, array.dtype)
    longer[: len(array)] = array
    return longer
