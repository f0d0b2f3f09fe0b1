"""Text to numbered pre-tokens: cutting, numbering, and the pattern itself where a unit leaves doubt.

What count and encode share; knows nothing of counts or ids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import regex

from tokenizer.fast.classes import (
    CLASSES,
    END,
    Bytes,
    Indices,
    N,
    class_of_byte,
    first_classes,
)
from tokenizer.fast.cut import cutter
from tokenizer.fast.rules import RULES
from tokenizer.patterns import PATTERNS, splitter

BLOCK = 1 << 14  # spans gathered together
STRETCH = 1 << 20  # bytes looked at together: arrays of this size stay in a processor's cache


@dataclass(frozen=True)
class Units:
    """The units of a text: where they begin, their lengths in bytes, and which of them end the texts in it.

    last: of the units that stand before an END, those that the pattern cuts otherwise than inside a text
    """

    text: bytes
    starts: Indices
    lengths: Indices
    last: Indices | None


class PretokenFinder:
    """What one named pattern makes of bytes."""

    def __init__(self, pattern: str) -> None:
        rules = RULES[pattern]
        self._cut = cutter(pattern)
        self._split = splitter(pattern).split
        self._split_inner = regex.compile(rules.inner or PATTERNS[pattern]).findall
        self._has_inner = bool(rules.inner)
        self._digits = rules.digits
        doubtful = [CLASSES.index(name) for name in rules.doubtful]
        self._doubtful_byte = np.isin(np.frombuffer(class_of_byte(), np.uint8), doubtful)
        self._doubtful_byte[128:] = False
        self._doubtful_byte[END[0]] = True

    def units(self, text: bytes) -> Units:
        """Cut valid UTF-8, with END after every text in it, into units; an END is a unit of its own."""
        starts = self._cut(text)
        lengths = np.empty(len(starts), np.int64)
        np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
        lengths[-1] = len(text) - starts[-1]
        return Units(text, starts, lengths, self._last(text, starts) if self._has_inner else None)

    def walk(self, text: bytes, stretch: int = STRETCH) -> Iterator[Units]:
        """All units of a text, a stretch at a time; a unit longer than that lengthens it."""
        begin, reach = 0, stretch
        while begin + reach < len(text):
            stop = begin + reach
            while 0x80 <= text[stop] < 0xC0:  # not between the bytes of a character
                stop -= 1
            units = self.units(text[begin:stop])
            if len(units.starts) == 1:
                reach *= 2
                continue
            rest = int(units.starts[-1])  # the last unit may go on
            yield Units(units.text, units.starts[:-1], units.lengths[:-1], units.last)
            begin, reach = begin + rest, stretch
        if begin < len(text):
            yield self.units(text[begin:])

    def _last(self, text: bytes, starts: Indices) -> Indices:
        """The last units of texts that end in a line end and blanks after it."""
        data = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(data[starts] == END[0])
        ends = ends[ends > 0]
        before = data[starts[ends] - 1]
        ends = ends[~_INK_BYTE[before]]
        last = []
        for unit, stop in zip((ends - 1).tolist(), starts[ends].tolist(), strict=True):
            if _BLANKS_AFTER_LINE_END.search(text[starts[unit] : stop].decode()):
                last.append(unit)
        return np.array(last, np.intp)

    def doubtful(self, units: Units, which: Indices) -> npt.NDArray[np.bool_]:
        """Whether each of these units may be several pre-tokens, or none (an END)."""
        data = np.frombuffer(units.text, np.uint8)
        starts, lengths = units.starts[which], units.lengths[which]
        suspect = self._doubtful_byte[data[flatten(starts, lengths)]]
        doubtful = np.logical_or.reduceat(suspect, np.cumsum(lengths) - lengths)
        if self._digits:
            many = np.flatnonzero(lengths > self._digits)
            doubtful[many] |= first_classes(data, starts[many]) == N
        if units.last is not None:
            doubtful |= np.isin(which, units.last)
        return doubtful

    def split(self, units: Units, which: Indices) -> list[list[int]]:
        """The lengths in bytes of the pre-tokens that each of these units is; none for an END."""
        final = set() if units.last is None else set(units.last.tolist())
        return [self._split_unit(units, unit, unit in final) for unit in which.tolist()]

    def _split_unit(self, units: Units, unit: int, final: bool) -> list[int]:
        """The lengths in bytes of the pre-tokens of one unit."""
        start = int(units.starts[unit])
        data = units.text[start : start + int(units.lengths[unit])]
        if data == END:
            return []
        text = data.decode()
        words = self._split(text) if final else self._split_inner(text)
        if text.isascii():
            return [len(word) for word in words]
        return [len(word.encode()) for word in words]


def joined(texts: Sequence[str]) -> bytes:
    """Texts in UTF-8, with END after each."""
    return b"".join([part for text in texts for part in (text.encode(), END)])


def flatten(starts: Indices, lengths: npt.NDArray[np.integer]) -> Indices:
    """The places of all bytes of spans, one span after the other: (n,), (n,) -> (sum of lengths,)."""
    ends = np.cumsum(lengths)
    places = np.repeat(starts - (ends - lengths), lengths)
    places += np.arange(len(places))
    return places


# Bytes that no blank ends in; a text that ends in one has no last unit of its own.
_INK_BYTE = np.ones(256, bool)
_INK_BYTE[list(b" \t\v\f")] = False
_INK_BYTE[0x80:0xC0] = False
_BLANKS_AFTER_LINE_END = regex.compile(r"[\r\n][^\S\r\n]+$")


def gather(data: Bytes, starts: Indices, lengths: Indices) -> Bytes:
    """The bytes of spans, one after the other: (n,), (n,) -> (sum of lengths,).

    A block at a time: the place of a byte takes eight.
    """
    stops = np.cumsum(lengths)
    gathered = np.empty(int(stops[-1]) if len(stops) else 0, np.uint8)
    for begin in range(0, len(starts), BLOCK):
        some = slice(begin, begin + BLOCK)
        first = int(stops[begin] - lengths[begin])
        places = flatten(starts[some], lengths[some])
        gathered[first : first + len(places)] = data[places]
    return gathered
