"""The best possible reader: how likely each next character is, given all before it, exactly.

Stories are laid end to end. The reader holds every way in which the text so far can have been made, each with its
probability; the next character's is the sum over the ways that go on with it (the forward algorithm, Rabiner 1989).
A choice is only made where its text begins, so few ways are open at a time, and mostly one.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from tinylm.tales.grammar import START, Grammar, Memory, Slot, Text

__all__ = ["NotATale", "Reader"]


class NotATale(ValueError):
    """A text that the grammar cannot write."""


class Way(NamedTuple):
    """One way in which the text so far can have been made: its weight, and what is still to be written of it."""

    p: Fraction
    pending: str
    rest: Text
    memory: Memory


BEGINNING = Way(Fraction(1), "", (Slot(START),), {})


class Reader:
    """Reads a text character by character; `at_end` says whether it stands exactly between two stories."""

    def __init__(self, grammar: Grammar):
        self.grammar = grammar
        self.ways = [BEGINNING]
        self.whole = Fraction(1)  # all ways together
        self.place = 0  # characters read
        self.stories = 0  # that have ended and been followed by another

    @property
    def at_end(self) -> bool:
        """Whether the text so far is made of whole stories."""
        return all(not way.pending and not way.rest for way in self.ways) or self.ways == [BEGINNING]

    def next_characters(self) -> dict[str, Fraction]:
        """The probability of every character that may come next."""
        self._write_on()
        found: dict[str, Fraction] = {}
        for way in self.ways:
            found[way.pending[0]] = found.get(way.pending[0], Fraction(0)) + way.p / self.whole
        return dict(sorted(found.items()))

    def read(self, text: str) -> Iterator[tuple[int, Fraction]]:
        """Read on, yielding place and probability of each character that was not certain.

        Raises NotATale at the first character that cannot stand where it stands.
        """
        before, place = self.place, 0
        while place < len(text):
            self._write_on()
            shared = _common([way.pending for way in self.ways])[: len(text) - place]
            if shared:  # certain, whichever way it is: read at once
                if not text.startswith(shared, place):
                    wrong = next(i for i, character in enumerate(shared) if text[place + i] != character)
                    raise _refusal(before, text, place + wrong, [shared[wrong]])
                self.ways = [way._replace(pending=way.pending[len(shared) :]) for way in self.ways]
                place += len(shared)
            else:
                matching = [way for way in self.ways if way.pending[0] == text[place]]
                if not matching:
                    raise _refusal(before, text, place, sorted({way.pending[0] for way in self.ways}))
                here = sum((way.p for way in matching), Fraction(0))
                yield place, here / self.whole
                self.whole = here
                self.ways = [way._replace(pending=way.pending[1:]) for way in matching]
                if len(matching) == 1:  # keeps the fractions short
                    self.whole = Fraction(1)
                    self.ways = [self.ways[0]._replace(p=self.whole)]
                place += 1
            self.place = before + place

    def _write_on(self) -> None:
        """Go on with every way of which nothing is pending, up to its next character."""
        ready, unfinished = [], self.ways
        while unfinished:
            opened = []
            for way in unfinished:
                if way.pending:
                    ready.append(way)
                elif not way.rest:  # a story has ended, and the next begins
                    self.stories += 1
                    opened.append(BEGINNING._replace(p=way.p))
                elif isinstance(way.rest[0], str):
                    ready.append(way._replace(pending=way.rest[0], rest=way.rest[1:]))
                else:
                    options = self.grammar.options(way.rest, way.memory)
                    whole = sum(option.weight for option in options)
                    opened += [Way(way.p * w / whole, "", rest, memory) for w, rest, memory in options]
            unfinished = opened
        self.ways = ready


def _common(texts: list[str]) -> str:
    """The longest beginning that all texts share: that of the first and the last one in alphabetical order."""
    least, greatest = min(texts), max(texts)
    return next((least[:i] for i, (a, b) in enumerate(zip(least, greatest, strict=False)) if a != b), least)


def _refusal(before: int, text: str, place: int, expected: list[str]) -> NotATale:
    here = f"character {before + place}, after {text[max(0, place - 30) : place]!r}"
    return NotATale(f"{here}: expected {' or '.join(map(repr, expected))}, got {text[place]!r}")
