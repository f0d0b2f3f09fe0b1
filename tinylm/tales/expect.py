"""What a story of a grammar holds on average, exactly: information, length, characters and pairs of them.

A story is written from left to right; whatever is still to be written and remembered is a state, and the states are
finitely many. With v(s) = the expected number of visits to state s in one story, every average is a sum over states:

    v(s') = Σ_s v(s) · P(s → s')        H = Σ_s v(s) · H(choice at s)        E[length] = Σ_s v(s) · E[written at s]

H is the entropy of how a story was made. It is the entropy of the story's text where the text tells how it was made,
which `tinylm.tales.unique` checks. All but the logarithms are fractions.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tinylm.tales.grammar import START, Grammar, GrammarError, Slot, Text

__all__ = ["Averages", "averages", "nats"]


class Written(NamedTuple):
    """A text that has been written: of which remembered symbol, and what it is for each of its entries.

    A literal text belongs to no symbol and is the only one.
    """

    symbol: str | None
    texts: tuple[str, ...]


class State(NamedTuple):
    """What is still to be written, what is remembered, and what was written last.

    Entries whose forms are all plain texts decide nothing but what is written, so that they were drawn is enough to
    remember (None), and each stays as likely as at first: it keeps the states few, and the sums are the same.
    """

    rest: Text
    memory: frozenset[tuple[str, int | None]]
    last: Written | None


class Averages(NamedTuple):
    """Expected values for one story.

    nats         information by the symbol whose choice brings it; their sum is the entropy of a story
    length       characters
    characters   how often each character occurs
    pairs        how often each pair of characters follow each other, the last one of a story and the first of the next
                 included: as many in all as characters
    choices      the slots where something is chosen
    """

    nats: dict[str, float]
    length: Fraction
    characters: dict[str, Fraction]
    pairs: dict[str, Fraction]
    choices: tuple[Slot, ...]


def nats(weights: Sequence[int]) -> float:
    """The entropy of one choice, −Σ p ln p with p = weight / Σ weights, in nats.

    >>> nats([1, 1, 2]) == 1.5 * math.log(2)
    True
    """
    whole = sum(weights)
    return math.fsum(w / whole * math.log(whole / w) for w in weights)


def averages(grammar: Grammar) -> Averages:
    """The expected values of a story of this grammar; raises GrammarError where a story may be empty."""
    ways = _states(grammar)
    visits: defaultdict[State, Fraction] = defaultdict(Fraction)
    start = State((Slot(START),), frozenset(), None)
    visits[start] = Fraction(1)
    information: defaultdict[str, list[float]] = defaultdict(list)
    written: defaultdict[Written, Fraction] = defaultdict(Fraction)
    neighbours: defaultdict[tuple[Written, Written], Fraction] = defaultdict(Fraction)
    first: defaultdict[Written, Fraction] = defaultdict(Fraction)
    final: defaultdict[Written, Fraction] = defaultdict(Fraction)
    choices: dict[Slot, None] = {}
    for state in _before_what_follows(ways, start):
        v, (chosen, edges) = visits[state], ways[state]
        if chosen is not None:
            choices[chosen] = None
            information[chosen.symbol].append(float(v) * nats(grammar.weights[chosen.symbol]))
        for p, now, following in edges:
            visits[following] += v * p
            if now is not None:
                written[now] += v * p
                if state.last is None:
                    first[now] += v * p
                else:
                    neighbours[state.last, now] += v * p
        if not edges:
            if state.last is None:
                raise GrammarError(f"a story of this grammar may be empty: give every {START!r} a text")
            final[state.last] += v
    across = [(last, next_, final[last] * first[next_]) for last in final for next_ in first]  # to the next story
    characters = _characters(grammar, written)
    return Averages(
        nats={symbol: math.fsum(terms) for symbol, terms in information.items()},
        length=sum(characters.values(), Fraction(0)),
        characters=characters,
        pairs=_pairs(grammar, written, neighbours, across),
        choices=tuple(choices),
    )


Edge = tuple[Fraction, Written | None, State]
Ways = dict[State, tuple[Slot | None, list[Edge]]]


def _states(grammar: Grammar) -> Ways:
    """Every state that can be reached, the slot that is chosen there if any, and the ways on with probabilities."""
    free = {
        symbol
        for symbol, entries in grammar.entries.items()
        if all(len(text) == 1 and isinstance(text[0], str) for entry in entries for text in entry.values())
    }
    ways: Ways = {}
    unseen = [State((Slot(START),), frozenset(), None)]
    while unseen:
        state = unseen.pop()
        if state not in ways:
            ways[state] = _ways_on(grammar, free, state)
            unseen += [following for _, _, following in ways[state][1]]
    return ways


def _ways_on(grammar: Grammar, free: set[str], state: State) -> tuple[Slot | None, list[Edge]]:
    if not state.rest:
        return None, []
    head, rest = state.rest[0], state.rest[1:]
    if isinstance(head, str):
        now = Written(None, (head,))
        return None, [(Fraction(1), now, State(rest, state.memory, now))]
    memory = dict(state.memory)
    chosen = None if head.symbol in memory else head
    if head.symbol in free:
        texts = [grammar.form(head, i)[0] for i in range(len(grammar.entries[head.symbol]))]
        now = Written(head.symbol, tuple(text for text in texts if isinstance(text, str)))
        return chosen, [(Fraction(1), now, State(rest, state.memory | {(head.symbol, None)}, now))]
    known = {symbol: entry for symbol, entry in memory.items() if entry is not None}
    options = grammar.options(state.rest, known)
    whole = sum(option.weight for option in options)
    return chosen, [
        (Fraction(weight, whole), None, State(after, state.memory | frozenset(remembered.items()), state.last))
        for weight, after, remembered in options
    ]


def _before_what_follows(ways: Ways, start: State) -> Iterator[State]:
    """The states in an order in which each comes after all that lead to it (Kahn 1962)."""
    open_ways = Counter(following for _, edges in ways.values() for _, _, following in edges)
    ready = [start]
    while ready:
        state = ready.pop()
        yield state
        for _, _, following in ways[state][1]:
            open_ways[following] -= 1
            if not open_ways[following]:
                ready.append(following)


def _likelihoods(grammar: Grammar, written: Written) -> list[tuple[Fraction, str]]:
    """The texts that were written there, each with the probability of its entry."""
    weights = grammar.weights[written.symbol] if written.symbol is not None else (1,)
    return [(Fraction(w, sum(weights)), text) for w, text in zip(weights, written.texts, strict=True)]


def _characters(grammar: Grammar, written: dict[Written, Fraction]) -> dict[str, Fraction]:
    """How often each character is written, from how often each text is."""
    counts: defaultdict[str, Fraction] = defaultdict(Fraction)
    for now, v in written.items():
        for p, text in _likelihoods(grammar, now):
            for character, n in Counter(text).items():
                counts[character] += v * p * n
    return dict(sorted(counts.items()))


def _pairs(
    grammar: Grammar,
    written: dict[Written, Fraction],
    neighbours: dict[tuple[Written, Written], Fraction],
    across: list[tuple[Written, Written, Fraction]],
) -> dict[str, Fraction]:
    """How often each pair of characters is written: within texts, and where one text ends and another begins."""
    counts: defaultdict[str, Fraction] = defaultdict(Fraction)
    for now, v in written.items():
        for p, text in _likelihoods(grammar, now):
            for a, b in pairwise(text):
                counts[a + b] += v * p
    independent = list(across)
    for (left, right), v in neighbours.items():
        if left.symbol is None or left.symbol != right.symbol:
            independent.append((left, right, v))
            continue
        for (p, a), (_, b) in zip(_likelihoods(grammar, left), _likelihoods(grammar, right), strict=True):
            counts[a[-1] + b[0]] += v * p  # two forms of one and the same entry
    for left, right, v in independent:
        for p, a in _likelihoods(grammar, left):
            for q, b in _likelihoods(grammar, right):
                counts[a[-1] + b[0]] += v * p * q
    return dict(sorted(counts.items()))
