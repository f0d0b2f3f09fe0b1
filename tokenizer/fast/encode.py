"""Texts to ids on whole arrays: every distinct unit is merged once, then looked up; knows nothing of files.

The twin of splitting a text and encoding its pre-tokens one by one (tokenizer.encode.encode_word).
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tokenizer.fast.classes import END, Indices
from tokenizer.fast.pretokens import PretokenFinder, Units, flatten, gather, joined
from tokenizer.fast.units import UnitIndex
from tokenizer.fast.words import WordMerger

IdArray = npt.NDArray[Any]

MOST_UNITS = 1 << 18  # remembered before all is forgotten: some 10 MB; 10 MB of English have 130,000
MOST_BYTES = 1 << 24  # in these units together
_LENGTH_BITS = 32


class Encoder:
    """What a vocabulary makes of texts, and a memory of the units met; safe to use from several threads.

    merger: merges words   dtype: of the ids   whole: bytes -> id of the pre-tokens that are tokens, whatever merging
    makes of them
    """

    def __init__(
        self, pattern: str, merger: WordMerger, dtype: npt.DTypeLike, whole: Mapping[bytes, int] | None = None
    ) -> None:
        self._finder = PretokenFinder(pattern)
        self._merger = merger
        self._dtype = np.dtype(dtype)
        self._unreachable = self._not_made_by_merging(whole) if whole else {}
        self._lock = threading.Lock()
        self._forget()

    def _not_made_by_merging(self, whole: Mapping[bytes, int]) -> dict[bytes, int]:
        """The tokens that merging their own bytes does not give."""
        lengths = np.fromiter(map(len, whole), np.int64, len(whole))
        ids, many = self._merger.merge(np.frombuffer(b"".join(whole), np.uint8), lengths)
        wanted = np.fromiter(whole.values(), np.int64, len(whole))
        missed = (many > 1) | (ids[np.cumsum(many) - many] != wanted)
        return {token: i for (token, i), miss in zip(whole.items(), missed.tolist(), strict=True) if miss}

    def _forget(self) -> None:
        self._index = UnitIndex()
        self._index.number(END, np.zeros(1, np.intp), np.ones(1, np.intp))
        self._spans = np.zeros(1 << 14, np.int64)  # of a unit's ids in the store: first place, how many; END has none
        self._known = 1
        self._store = np.empty(1 << 15, self._dtype)
        self._stored = 0
        self._bytes = 0
        self._unfinished = False

    def encode(self, texts: Sequence[str]) -> tuple[IdArray, Indices]:
        """The ids of all texts, one after the other, and where in them each text ends."""
        parts: list[IdArray] = []
        ends: list[Indices] = []
        done = 0
        with self._lock:
            if self._unfinished:  # a Ctrl-C came between numbering units and storing their ids
                self._forget()
            self._unfinished = True
            for units in self._finder.walk(joined(texts)):
                ids, stops = self._encode_units(units)
                parts.append(ids)
                ends.append(stops + done)
                done += len(ids)
            self._unfinished = False
        if len(parts) == 1:
            return parts[0], ends[0]
        return np.concatenate([np.empty(0, self._dtype), *parts]), np.concatenate([np.empty(0, np.intp), *ends])

    def _encode_units(self, units: Units) -> tuple[IdArray, Indices]:
        if self._index.size > MOST_UNITS or self._bytes > MOST_BYTES:
            self._forget()
        numbers, new = self._index.number(units.text, units.starts, units.lengths, units.last)
        if len(new):
            self._learn(units, new)
        spans = self._spans[numbers]
        many = spans & ((1 << _LENGTH_BITS) - 1)
        stops = np.cumsum(many)
        ids = np.empty(int(stops[-1]), self._dtype)
        some = many > 0
        if some.all():
            self._copy(ids, stops - many, spans >> _LENGTH_BITS, many)
        else:
            self._copy(ids, (stops - many)[some], (spans >> _LENGTH_BITS)[some], many[some])
        return ids, stops[~some]

    def _copy(self, ids: IdArray, target: Indices, source: Indices, many: Indices) -> None:
        """Copy spans of the store to their places: the first id of all, the second of those that have one, ..."""
        ids[target] = self._store[source]
        place = 1
        while len(rest := np.flatnonzero(many > 1)):
            target, source, many = target[rest] + 1, source[rest] + 1, many[rest] - 1
            place += 1
            if place > 8:  # few, and some of them long
                ids[flatten(target, many)] = self._store[flatten(source, many)]
                return
            ids[target] = self._store[source]

    def _learn(self, units: Units, new: Indices) -> None:
        """Merge the units not met before, and store their ids."""
        lengths = units.lengths[new]
        data = gather(np.frombuffer(units.text, np.uint8), units.starts[new], lengths)
        doubtful = np.flatnonzero(self._finder.doubtful(units, new))
        words = np.ones(len(new), np.int64)  # how many pre-tokens each unit is
        if len(doubtful):
            pieces = self._finder.split(units, new[doubtful])
            words[doubtful] = [len(each) for each in pieces]
            first = np.cumsum(words) - words
            lengths = np.repeat(lengths, words)
            lengths[flatten(first[doubtful], words[doubtful])] = [length for each in pieces for length in each]
        ids, many = self._merge(data, lengths)
        if len(doubtful):
            many = np.add.reduceat(many, first)
        self._append(ids, many)
        self._bytes += len(data)

    def _merge(self, data: npt.NDArray[np.uint8], lengths: Indices) -> tuple[IdArray, Indices]:
        ids, many = self._merger.merge(data, lengths)
        if not self._unreachable:
            return ids, many
        text = data.tobytes()
        stops = np.cumsum(lengths)
        words = [text[start:stop] for start, stop in zip((stops - lengths).tolist(), stops.tolist(), strict=True)]
        found = [self._unreachable.get(word) for word in words]
        where = np.array([i for i, each in enumerate(found) if each is not None], np.intp)
        if not len(where):
            return ids, many
        keep = np.ones(len(ids), bool)
        first = np.cumsum(many) - many
        keep[flatten(first[where], many[where])] = False
        keep[first[where]] = True
        ids[first[where]] = [found[i] for i in where.tolist()]
        many[where] = 1
        return ids[keep], many

    def _append(self, ids: IdArray, many: Indices) -> None:
        after = self._stored + len(ids)
        if after > len(self._store):
            store = np.empty(max(after, len(self._store) * 3 // 2), self._dtype)
            store[: self._stored] = self._store[: self._stored]
            self._store = store
        self._store[self._stored : after] = ids
        known = self._known + len(many)
        if known > len(self._spans):
            spans = np.zeros(max(known, len(self._spans) * 3 // 2), np.int64)
            spans[: self._known] = self._spans[: self._known]
            self._spans = spans
        first = self._stored + np.cumsum(many) - many
        self._spans[self._known : known] = (first << _LENGTH_BITS) | many
        self._stored, self._known = after, known
