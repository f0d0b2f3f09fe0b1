"""Distinct byte strings numbered in the order met, by hashing whole arrays of them; knows nothing of ids.

A unit of up to 8, 16 or 32 bytes is one, two or four 64-bit words, padded with zeros, in an open-addressing
table that is searched for all units of a text at once. Longer units, and those that hold a NUL and could be
taken for padding, go to a dict.
"""

import secrets

import numpy as np
import numpy.typing as npt

from tokenizer.fast.classes import END, Indices

Words64 = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int32]

LONGEST = 32  # bytes of a unit that goes to a table
_LOW_BYTES = np.array([(1 << 8 * n) - 1 for n in range(8)] + [(1 << 64) - 1], np.uint64)  # keep the first n bytes


class HashTable:
    """Distinct keys of k 64-bit words, numbered from 0 as they are first met.

    The multipliers of the hash are drawn anew for every table: whoever writes the text does not know them
    and cannot choose words that fall on one place. Numbers do not depend on them within a look-up, and
    nothing that the package returns depends on numbers.
    """

    def __init__(self, k: int, bits: int) -> None:
        self.size = 0
        self.bits = bits
        self.slots = np.full(1 << bits, -1, np.int32)  # place -> number of a key, -1 where free
        self.keys = np.zeros((k, 1 << (bits - 2)), np.uint64)
        self._multipliers = [np.uint64(secrets.randbits(64) | 1) for _ in range(k + 1)]

    def _places(self, key: list[Words64]) -> Indices:
        """Where the search for each key begins."""
        mixed = key[0] * self._multipliers[0]
        for word, multiplier in zip(key[1:], self._multipliers[1:], strict=False):
            mixed ^= mixed >> np.uint64(32)
            mixed += word
            mixed *= multiplier
        mixed ^= mixed >> np.uint64(32)
        mixed *= self._multipliers[-1]
        return (mixed >> np.uint64(64 - self.bits)).view(np.int64)

    def _equal(self, numbers: Numbers, key: list[Words64]) -> npt.NDArray[np.bool_]:
        equal: npt.NDArray[np.bool_] = self.keys[0].take(numbers, mode="wrap") == key[0]
        for mine, theirs in zip(self.keys[1:], key[1:], strict=True):
            equal &= mine.take(numbers, mode="wrap") == theirs
        return equal

    def number(self, key: list[Words64]) -> tuple[Numbers, Indices]:
        """The number of each key, and where in the arrays each new one stands first, in order of number."""
        places = self._places(key)
        numbers = self.slots[places]
        known = self._equal(numbers, key)
        known &= numbers >= 0
        rest = np.flatnonzero(~known)
        if not len(rest):
            return numbers, rest
        places = places[rest]
        key = [word[rest] for word in key]
        born = []
        while len(rest):
            found = self.slots[places]
            free = np.flatnonzero(found < 0)
            if len(free):
                winners = self._claim(places[free], free)
                born.append(rest[winners])
                self._append(places[winners], [word[winners] for word in key])
                found[free] = self.slots[places[free]]
            numbers[rest] = found
            missed = np.flatnonzero(~self._equal(found, key))
            rest, key = rest[missed], [word[missed] for word in key]
            if 2 * self.size > len(self.slots):
                self._grow()
                places = self._places(key)
            else:
                places = (places[missed] + 1) & (len(self.slots) - 1)
        return numbers, np.concatenate(born) if born else rest

    def find(self, key: list[Words64]) -> Numbers:
        """The number of each key, -1 for one that was never met."""
        places = self._places(key)
        numbers = self.slots[places]
        rest = np.flatnonzero((numbers >= 0) & ~self._equal(numbers, key))
        while len(rest):
            places[rest] = (places[rest] + 1) & (len(self.slots) - 1)
            found = self.slots[places[rest]]
            numbers[rest] = found
            rest = rest[(found >= 0) & ~self._equal(found, [word[rest] for word in key])]
        return numbers

    def _claim(self, places: Indices, who: Indices) -> Indices:
        """Of those who want a free place, the first for each, in order."""
        claims = (-2 - who).astype(np.int32)
        self.slots[places[::-1]] = claims[::-1]  # of equal places the last assignment stays: the first in line
        winners: Indices = who[self.slots[places] == claims]
        return winners

    def _append(self, places: Indices, key: list[Words64]) -> None:
        after = self.size + len(places)
        if after > self.keys.shape[1]:
            more = np.zeros((len(self.keys), max(after, self.keys.shape[1] * 3 // 2)), np.uint64)
            more[:, : self.size] = self.keys[:, : self.size]
            self.keys = more
        for mine, word in zip(self.keys, key, strict=True):
            mine[self.size : after] = word
        self.slots[places] = np.arange(self.size, after, dtype=np.int32)
        self.size = after

    def _grow(self) -> None:
        self.bits += 2 if self.bits < 18 else 1
        self.slots = np.full(1 << self.bits, -1, np.int32)
        numbers = np.arange(self.size, dtype=np.int32)
        places = self._places([word[: self.size] for word in self.keys])
        while len(numbers):
            free = np.flatnonzero(self.slots[places] < 0)
            self.slots[places[free]] = numbers[free]
            homeless = np.flatnonzero(self.slots[places] != numbers)
            numbers, places = numbers[homeless], (places[homeless] + 1) & (len(self.slots) - 1)


class UnitIndex:
    """Numbers for byte strings of any length, in one sequence from 0."""

    def __init__(self) -> None:
        self.size = 0
        self._tables = [HashTable(1, 16), HashTable(2, 15), HashTable(4, 13)]
        self._own = [np.zeros(1 << 14, np.int32) for _ in self._tables]  # a table's number -> ours
        self._long: dict[bytes, int] = {}

    def number(
        self, text: bytes, starts: Indices, lengths: Indices, apart: Indices | None = None
    ) -> tuple[Numbers, Indices]:
        """The number of each unit of a text, and where each new one stands first, in order of number.

        starts, lengths: (n,) of each unit, in the order of the text, none empty
        apart: units that shall not be equal to others of the same bytes, but only to one another
        """
        if not len(starts):
            return np.zeros(0, np.int32), starts
        padded = padded_words(text)
        numbers = np.empty(len(starts), np.int32)
        born: list[Indices] = []
        special = self._special(text, starts, lengths, apart)
        for table, (own, here) in enumerate(zip(self._own, self._by_length(lengths, special), strict=True)):
            if here is not None and not len(here):
                continue
            begin, length = (starts, lengths) if here is None else (starts[here], lengths[here])
            found, new = self._tables[table].number(_keys(padded, begin, length, table))
            if len(new):
                own = self._own[table] = _fit(own, self._tables[table].size)
                first = self._tables[table].size - len(new)
                own[first : first + len(new)] = np.arange(self.size, self.size + len(new), dtype=np.int32)
                self.size += len(new)
                born.append(new if here is None else here[new])
            numbers[slice(None) if here is None else here] = own[found]
        if len(special):
            born.append(self._number_long(text, starts, lengths, special, apart, numbers))
        return numbers, np.concatenate(born) if born else np.zeros(0, np.intp)

    def find(self, text: bytes, starts: Indices, lengths: Indices) -> Numbers:
        """The number of each unit of a text, -1 for one that was never met."""
        padded = padded_words(text)
        numbers = np.full(len(starts), -1, np.int32)
        special = self._special(text, starts, lengths, None)
        for table, here in enumerate(self._by_length(lengths, special)):
            begin, length = (starts, lengths) if here is None else (starts[here], lengths[here])
            if len(begin):
                found = self._tables[table].find(_keys(padded, begin, length, table))
                own = np.append(self._own[table][: self._tables[table].size], np.int32(-1))
                numbers[slice(None) if here is None else here] = own[found]
        for i in special.tolist():
            numbers[i] = self._long.get(text[starts[i] : starts[i] + lengths[i]], -1)
        return numbers

    @staticmethod
    def _special(text: bytes, starts: Indices, lengths: Indices, apart: Indices | None) -> Indices:
        """The units that go to the dict: long ones, those with a NUL, those apart."""
        special = lengths > LONGEST
        if apart is not None:
            special[apart] = True
        if b"\0" in text:
            places = np.flatnonzero(np.frombuffer(text, np.uint8) == 0)
            holders = np.searchsorted(starts, places, "right") - 1
            special[holders[(holders >= 0) & (places < starts[holders] + lengths[holders])]] = True
        return np.flatnonzero(special)

    @staticmethod
    def _by_length(lengths: Indices, special: Indices) -> list[Indices | None]:
        """Which units go to each table; None for all of them."""
        if not len(special) and (len(lengths) == 0 or int(lengths.max()) <= 8):
            return [None, np.zeros(0, np.intp), np.zeros(0, np.intp)]
        table = (lengths > 8).view(np.uint8) + (lengths > 16).view(np.uint8)
        table[special] = 3
        return [np.flatnonzero(table == i) for i in range(3)]

    def _number_long(
        self, text: bytes, starts: Indices, lengths: Indices, which: Indices, apart: Indices | None, numbers: Numbers
    ) -> Indices:
        marked = set() if apart is None else set(apart.tolist())
        new = []
        for i, start, length in zip(which.tolist(), starts[which].tolist(), lengths[which].tolist(), strict=True):
            unit = text[start : start + length]
            if i in marked:
                unit += END
            number = self._long.get(unit)
            if number is None:
                number = self._long[unit] = self.size
                self.size += 1
                new.append(i)
            numbers[i] = number
        return np.array(new, np.intp)


def padded_words(text: bytes) -> Words64:
    """The 8 bytes that begin at each place of a text, as one number; zeros after the end."""
    return np.ndarray(len(text) + LONGEST - 7, "<u8", buffer=text + bytes(LONGEST), strides=(1,))


def _keys(padded: Words64, starts: Indices, lengths: Indices, table: int) -> list[Words64]:
    """The bytes of units as 64-bit words, zeros after the end."""
    if table == 0:
        return [padded[starts] & _LOW_BYTES[lengths]]
    if table == 1:
        return [padded[starts], padded[starts + 8] & _LOW_BYTES[lengths - 8]]
    third = padded[starts + 16] & _LOW_BYTES[np.minimum(lengths - 16, 8)]
    return [padded[starts], padded[starts + 8], third, padded[starts + 24] & _LOW_BYTES[np.maximum(lengths - 24, 0)]]


def _fit(array: Numbers, size: int) -> Numbers:
    """The array, or a longer copy if `size` numbers do not fit."""
    if size <= len(array):
        return array
    more = np.empty(max(size, len(array) * 3 // 2), array.dtype)
    more[: len(array)] = array
    return more
