"""Vocabularies for constraints, and what is allowed after a text, found by looking at everything."""

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.constrain.patterns import oracle
from tinylm.constrain import Automaton
from tinylm.constrain.automaton import DEAD


@dataclass(frozen=True)
class Vocabulary:
    """What Regex asks of a tokenizer, and no more."""

    vocab: Mapping[int, bytes]
    special_tokens: Mapping[str, int] = field(default_factory=dict)


def of(*tokens: bytes) -> Vocabulary:
    return Vocabulary(dict(enumerate(tokens)))


def spelled(data: bytes, tokens: Iterable[bytes]) -> bool:
    """Whether some of these tokens, one after the other, are the data."""
    ends = {0}
    for at in range(len(data)):
        if at in ends:
            ends |= {at + len(token) for token in tokens if token and data.startswith(token, at)}
    return len(data) in ends


@functools.cache
def listed(pattern: str, signs: str, longest: int) -> list[bytes]:
    """All texts of these signs, up to a length, that match."""
    every = ("".join(word) for n in range(longest + 1) for word in itertools.product(signs, repeat=n))
    return [word.encode() for word in every if oracle(pattern, word)]


def allowed_by_listing(pattern: str, signs: str, longest: int, tokens: Mapping[int, bytes], text: bytes) -> set[int]:
    """The ids after `text` by Python's `re` alone: of all texts of these signs, those that match and begin so.

    Right where no match is longer, and tokens have no other signs.
    """
    found = set()
    for i, token in tokens.items():
        so_far = text + token
        rests = (match[len(so_far) :] for match in listed(pattern, signs, longest) if match.startswith(so_far))
        if token and any(spelled(rest, tokens.values()) for rest in rests):
            found.add(i)
    return found


def allowed_by_walking(automaton: Automaton, tokens: Mapping[int, bytes], state: int) -> set[int]:
    """The ids after a state by walking the automaton with each token, from each state that tokens lead to."""

    def steps(at: int) -> dict[int, int]:
        return {i: automaton.step(at, token) for i, token in tokens.items() if token}

    reached, waiting = {state: steps(state)}, [state]
    for at in waiting:
        for after in reached[at].values():
            if after not in reached:
                reached[after] = steps(after)
                waiting.append(after)
    good = {at for at in reached if at != DEAD and automaton.accepts(at)}
    while more := {at for at in reached if at not in good and good & set(reached[at].values())}:
        good |= more
    return {i for i, after in reached[state].items() if after in good}
