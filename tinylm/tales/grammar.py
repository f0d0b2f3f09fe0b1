"""A grammar of stories as plain data, read and checked; knows no stories, no random numbers and no entropy.

A grammar is a mapping from symbols to lists of (weight, alternative). Where all alternatives of a symbol are texts,
it is a *rule*: `{symbol}` in a text is replaced by one of them, drawn anew each time. Where all are mappings from
forms to texts, it is *remembered*: the first mention in a story draws one entry, and every later mention of the
symbol writes a form of that same entry. `{hero.they}` is the form "they" of the hero, `{hero}` the form "name",
`{hero.They}` the same with a capital. A form that is nothing but a slot hands on what stands behind it:
`{place.animal.a}` is `{forest_animal.a}` where the place's form "animal" is "{forest_animal}"; so one choice may
decide what another chooses from. Weights are whole numbers; an alternative has probability weight / their sum.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import NamedTuple

__all__ = ["START", "Grammar", "GrammarData", "GrammarError", "Memory", "Option", "Piece", "Slot"]

START = "story"
MOST = 2**64  # weights of one symbol together: choices are drawn with one 64-bit word
GrammarData = Mapping[str, Sequence[tuple[int, str | Mapping[str, str]]]]
Memory = Mapping[str, int]  # remembered symbol -> which of its entries


class GrammarError(ValueError):
    """A grammar that cannot be read, or whose texts do not tell how they were made."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a text where a choice is written: `{symbol.form}`, or `{symbol.form.form}` through another slot."""

    symbol: str
    forms: tuple[str, ...] = ()
    capital: bool = False

    def __str__(self) -> str:
        *path, last = (self.symbol, *self.forms)
        return "{" + ".".join([*path, last.capitalize() if self.capital else last]) + "}"


Piece = str | Slot
Text = tuple[Piece, ...]


class Option(NamedTuple):
    """One way on: its weight, what is then still to be written, and what is remembered."""

    weight: int
    rest: Text
    memory: Memory


class Grammar:
    """The grammar in pieces: rules and entries by symbol, each alternative a tuple of literal texts and slots.

    Raises GrammarError for data that is malformed, leads back to itself, or is ambiguous (`tinylm.tales.unique`).
    """

    def __init__(self, data: GrammarData):
        self.weights: dict[str, tuple[int, ...]] = {}
        self.rules: dict[str, tuple[Text, ...]] = {}
        self.entries: dict[str, tuple[dict[str, Text], ...]] = {}
        for symbol, alternatives in data.items():
            self._add(symbol, alternatives)
        if START not in self.rules:
            raise GrammarError(f"a grammar begins with {START!r}: add a rule of that name, a list of (weight, text)")
        for where, slot in self._slots():
            self._check_slot(where, slot)
        self._check_ends()

    def options(self, rest: Text, memory: Memory) -> list[Option]:
        """The ways to go on where `rest` begins with a slot; one of weight 1 where there is nothing to choose."""
        slot, rest = rest[0], rest[1:]
        assert isinstance(slot, Slot)
        symbol = slot.symbol
        if symbol in self.rules:
            texts = zip(self.weights[symbol], self.rules[symbol], strict=True)
            return [Option(weight, spoken(text, slot) + rest, memory) for weight, text in texts]
        if symbol in memory:
            return [Option(1, self.form(slot, memory[symbol]) + rest, memory)]
        choices = enumerate(self.weights[symbol])
        return [Option(weight, self.form(slot, i) + rest, {**memory, symbol: i}) for i, weight in choices]

    def form(self, slot: Slot, entry: int) -> Text:
        """What a slot of a remembered symbol writes for one of its entries."""
        form, *further = slot.forms or ("name",)
        text = self.entries[slot.symbol][entry][form]
        if further:
            inner = text[0]
            assert isinstance(inner, Slot)
            return (replace(inner, forms=inner.forms + tuple(further), capital=slot.capital),)
        return spoken(text, slot)

    # -- reading and checking ----------------------------------------------------------------------------

    def _add(self, symbol: str, alternatives: Sequence[tuple[int, str | Mapping[str, str]]]) -> None:
        if not symbol.isidentifier() or not symbol[0].islower():
            raise GrammarError(f"{symbol!r}: a symbol is a word that begins with a small letter")
        texts: list[Text] = []
        entries: list[dict[str, Text]] = []
        weights: list[int] = []
        for n, pair in enumerate(alternatives):
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise GrammarError(f"{symbol}, alternative {n}: expected (weight, text), got {pair!r}")
            weight, alternative = pair
            if type(weight) is not int or weight < 1:
                raise GrammarError(f"{symbol}, alternative {n}: a weight is a whole number from 1 up, got {weight!r}")
            weights.append(weight)
            if isinstance(alternative, str):
                texts.append(read(alternative, f"{symbol}, alternative {n}"))
            else:
                entries.append({form: read(text, f"{symbol}.{form}") for form, text in alternative.items()})
        if sum(weights) > MOST:
            raise GrammarError(f"{symbol}: the weights add up to {sum(weights)}, more than 2^64, what can be drawn")
        if bool(texts) == bool(entries):
            raise GrammarError(f"{symbol}: give one alternative or more, all texts or all mappings of forms to texts")
        for n, entry in enumerate(entries):
            if entry.keys() != entries[0].keys():
                odd = ", ".join(sorted(entry.keys() ^ entries[0].keys()))
                raise GrammarError(f"{symbol}, alternatives 0 and {n}: only one of them has the forms {odd}")
        self.weights[symbol] = tuple(weights)
        if texts:
            self.rules[symbol] = tuple(texts)
        else:
            self.entries[symbol] = tuple(entries)

    def _slots(self) -> Iterator[tuple[str, Slot]]:
        """Every slot of every text, and the symbol in whose text it stands."""
        for symbol, texts in self.texts():
            for text in texts:
                yield from ((symbol, piece) for piece in text if isinstance(piece, Slot))

    def texts(self) -> Iterator[tuple[str, list[Text]]]:
        """Every symbol with all texts it can be replaced by, forms one after another."""
        for symbol in self.weights:
            entries = self.entries.get(symbol, ())
            yield symbol, [*self.rules.get(symbol, ()), *(text for entry in entries for text in entry.values())]

    def _check_slot(self, where: str, slot: Slot) -> None:
        if slot.symbol not in self.weights:
            raise GrammarError(f"{where}: {slot} asks for {slot.symbol!r}; there is {', '.join(self.weights)}")
        if slot.symbol in self.rules:
            if slot.forms:
                raise GrammarError(f"{where}: {slot}: {slot.symbol!r} is a rule, which has no forms")
            return
        form, *further = slot.forms or ("name",)
        for entry in self.entries[slot.symbol]:
            if form not in entry:
                raise GrammarError(f"{where}: {slot}: {slot.symbol!r} has no form {form!r}, only {', '.join(entry)}")
            if further:
                inner = entry[form][0] if len(entry[form]) == 1 else None
                if not isinstance(inner, Slot):
                    raise GrammarError(f"{where}: {slot}: not every {slot.symbol}.{form} is one slot, '{{symbol}}'")
                self._check_slot(where, replace(inner, forms=inner.forms + tuple(further)))

    def _check_ends(self) -> None:
        """No symbol may lead back to itself: every story is finite, and so is the sum over stories."""
        leads = {symbol: {p.symbol for t in texts for p in t if isinstance(p, Slot)} for symbol, texts in self.texts()}
        while leads:
            done = [symbol for symbol, others in leads.items() if not others & leads.keys()]
            if not done:
                raise GrammarError(f"these symbols lead back to themselves: {', '.join(leads)}; a story must end")
            for symbol in done:
                del leads[symbol]


def read(text: str, where: str) -> Text:
    """A text with {slots} as a tuple of pieces; braces are doubled to stand for themselves."""
    pieces: list[Piece] = []
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            if literal:
                pieces.append(literal)
            if name is None:
                continue
            *path, last = name.split(".")
            if spec or conversion or not all(part.isidentifier() for part in (*path, last)):
                raise GrammarError(f"{where}: '{{{name}}}' in {text!r} is no slot; write {{symbol}} or {{symbol.form}}")
            symbol, *forms = (*path, last[0].lower() + last[1:])
            pieces.append(Slot(symbol, tuple(forms), capital=last[0].isupper()))
    except ValueError as problem:
        if isinstance(problem, GrammarError):
            raise
        raise GrammarError(f"{where}: {text!r}: {problem}") from None
    return tuple(pieces)


def spoken(text: Text, slot: Slot) -> Text:
    """The text as a slot asks for it: with a capital, or as it is."""
    if not slot.capital or not text:
        return text
    first = text[0]
    capital = first[0].upper() + first[1:] if isinstance(first, str) else replace(first, capital=True)
    return (capital, *text[1:])
