"""Stages that forbid ids or make them less likely, each a pure function of one row of logits; knows no model.

A *processor* is a callable with a name,

    processor(logits, ids, start)        logits: (V,) in float64   →   (V,)

where ids is the prompt and the text so far and ids[:start] the prompt. −∞ forbids an id. It changes none of its
arguments and depends on them alone. In which order the stages come stands in tinylm/choose.py.
"""

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

__all__ = [
    "BadWords",
    "NeverText",
    "OnlyIds",
    "Processor",
    "forbid",
    "keep_typical",
    "penalize_presence",
    "process",
    "would_complete",
]

Array = np.ndarray


class Processor(Protocol):
    """What `processors=` takes; `name` is what the record of a choice calls its row."""

    @property
    def name(self) -> str: ...

    def __call__(self, logits: Array, ids: Sequence[int], start: int, /) -> Array: ...


# -- pure functions ----------------------------------------------------------------------------------------


def penalize_presence(logits: Array, text: Sequence[int], presence: float, frequency: float) -> Array:
    """Make ids that the text has less likely, once for being there and once more for every time.

        z′ = z − presence · [n > 0] − frequency · n        n: how often the id occurs in the text

    logits: (V,)   text: (T,), what was generated, without the prompt   →   (V,)        OpenAI's API reference

    >>> penalize_presence(np.array([2.0, 2.0, 2.0]), [0, 1, 1], 1.0, 0.5).tolist()
    [0.5, 0.0, 2.0]
    """
    ids, counts = np.unique(np.asarray(text, dtype=np.int64), return_counts=True)
    result = logits.copy()
    result[ids] -= presence + frequency * counts
    return result


def forbid(logits: Array, ids: Iterable[int]) -> Array:
    """A copy in which these ids are −∞.  logits: (V,)   →   (V,)

    >>> forbid(np.array([2.0, 1.0]), [0]).tolist()
    [-inf, 1.0]
    """
    result = logits.copy()
    result[np.fromiter(ids, dtype=np.int64)] = -np.inf
    return result


def would_complete(ids: Sequence[int], words: Iterable[Sequence[int]]) -> list[int]:
    """The last id of every word whose other ids stand at the end of `ids`.

    >>> would_complete([5, 1, 2], [[1, 2, 3], [2, 9], [7], [4, 1, 2, 8]])
    [3, 9, 7]
    """
    return [word[-1] for word in words if list(ids[len(ids) - len(word) + 1 :]) == list(word[:-1])]


def keep_typical(p: Array, mass: float) -> Array:
    """True for the fewest ids, those first whose surprise is nearest to the expected one, that have this mass together.

        | −ln p − H |,  H = −Σ p ln p        in rising order; the id that crosses the mass belongs to it

    p: (V,)   →   (V,) of bools        Meister et al. 2022, sec. 3.2

    Among ids equally near the smaller one comes first.

    >>> keep_typical(np.array([0.6, 0.3, 0.1]), 0.3).tolist()
    [False, True, False]
    """
    possible = np.flatnonzero(p > 0)
    surprise = -np.log(p[possible])
    entropy = (p[possible] * surprise).sum()
    order = possible[np.argsort(np.abs(surprise - entropy), kind="stable")]
    reached = np.cumsum(p[order])
    kept = np.zeros(p.shape, dtype=bool)
    kept[order[: np.searchsorted(reached, mass) + 1]] = True
    return kept


def process(processors: Iterable[Processor], logits: Array, ids: Sequence[int], start: int) -> list[tuple[str, Array]]:
    """The row after each processor in turn, with its name.

    Raises ValueError where one gives back no row of this length, NaN or +∞, or forbids every id that was left.
    """
    rows: list[tuple[str, Array]] = []
    for each in processors:
        row = np.asarray(each(logits, ids, start), dtype=np.float64)
        if row.shape != logits.shape:
            raise ValueError(f"the processor {each.name!r} must give {logits.shape} logits back, got {row.shape}")
        largest = row.max()
        if math.isnan(largest) or largest == math.inf:
            raise ValueError(f"the processor {each.name!r} gave NaN or +inf; -inf is what forbids an id")
        if largest == -math.inf:
            raise ValueError(
                f"after {each.name!r} no id is left to choose: the text cannot go on, and no stop id may end it; "
                "give stop=, or forbid less"
            )
        rows.append((each.name, row))
        logits = row
    return rows


# -- processors --------------------------------------------------------------------------------------------


class BadWords:
    """Forbids the id that would complete one of these sequences of ids, also one that the prompt began.

    Raises ValueError for what is no list of sequences of ids.
    """

    name = "bad words"

    def __init__(self, words: Iterable[Sequence[int]]):
        self.words: list[list[int]] = []
        for word in words:
            ids = [] if isinstance(word, (str, bytes, int, np.integer)) else [*word]
            if not ids or not all(isinstance(i, (int, np.integer)) and i >= 0 for i in ids):
                raise ValueError(f"bad_words takes sequences of token ids, [[5], [17, 3]]; got {word!r}")
            self.words.append([int(i) for i in ids])
        self.largest = max((i for word in self.words for i in word), default=0)

    def check(self, V: int) -> None:
        """Raise ValueError where an id is outside the vocabulary."""
        if self.largest >= V:
            raise ValueError(f"bad_words has id {self.largest}; this model's vocabulary is 0 … {V - 1}")

    def __call__(self, logits: Array, ids: Sequence[int], start: int, /) -> Array:
        self.check(len(logits))
        return forbid(logits, would_complete(ids, self.words))


class OnlyIds:
    """Forbids every id but these: published models often have more ids than their tokenizer."""

    name = "ids without a token"

    def __init__(self, ids: Iterable[int]):
        self.ids = np.unique(np.fromiter(ids, dtype=np.int64))

    def __call__(self, logits: Array, ids: Sequence[int], start: int, /) -> Array:
        result = np.full_like(logits, -np.inf)
        known = self.ids[self.ids < len(logits)]
        result[known] = logits[known]
        return result


class NeverText:
    """Forbids every id that would complete one of these strings, into whatever tokens it is cut.

    vocab    id -> bytes, as a tokenizer has it

    A string is complete where the bytes so far, the prompt's too, end with its first d bytes and the next token begins
    with all others, or where the token contains it: ids in alphabetical order find the former by bisection, and the
    latter are found once. Raises ValueError for an empty string.
    """

    name = "bad strings"

    def __init__(self, strings: Iterable[str], vocab: Mapping[int, bytes]):
        self.words = [string.encode() for string in strings]
        if not all(self.words):
            raise ValueError("a bad word must not be empty: every text contains the empty one")
        self.vocab = vocab
        self.longest = max(map(len, self.words), default=0)
        self.sorted = sorted((data, i) for i, data in vocab.items())
        self.containing = [i for i, data in vocab.items() if any(word in data for word in self.words)]
        self._beginning: dict[bytes, list[int]] = {}

    def __call__(self, logits: Array, ids: Sequence[int], start: int, /) -> Array:
        data = b""
        for i in reversed(ids):
            data = self.vocab.get(i, b"") + data
            if len(data) >= self.longest:
                break
        wrong = set(self.containing)
        for word in self.words:
            for d in range(1, len(word)):
                if data.endswith(word[:d]):
                    wrong.update(self.beginning(word[d:]))
        return forbid(logits, (i for i in sorted(wrong) if i < len(logits)))

    def beginning(self, data: bytes) -> list[int]:
        """The ids whose bytes begin with these."""
        if data not in self._beginning:
            found = []
            for place in range(bisect.bisect_left(self.sorted, (data, -1)), len(self.sorted)):
                if not self.sorted[place][0].startswith(data):
                    break
                found.append(self.sorted[place][1])
            self._beginning[data] = found
        return self._beginning[data]
