"""Writing a story: every choice is drawn as its weights say, with whole numbers alone; knows no entropy."""

from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from tinylm.tales.grammar import MOST, START, Grammar, Memory, Option, Slot, Text

__all__ = ["drawn", "story", "words_of"]


def story(grammar: Grammar, words: Iterator[int]) -> str:
    """One story, from left to right."""
    written: list[str] = []
    rest: Text = (Slot(START),)
    memory: Memory = {}
    while rest:
        if isinstance(rest[0], str):
            written.append(rest[0])
            rest = rest[1:]
        else:
            _, rest, memory = drawn(grammar.options(rest, memory), words)
    return "".join(written)


def drawn(options: list[Option], words: Iterator[int]) -> Option:
    """One of the options, each exactly as often as its weight says; takes no word where there is no choice."""
    if len(options) == 1:
        return options[0]
    ends = list(accumulate(option.weight for option in options))
    fair = MOST - MOST % ends[-1]  # words from here up would come out as the first options more often than as the last
    number = next(word for word in words if word < fair) % ends[-1]
    return next(option for option, end in zip(options, ends, strict=True) if number < end)


def words_of(random: np.random.Generator) -> Iterator[int]:
    """The 64-bit words of a generator, without end: raw, since NumPy promises their order never to change."""
    while True:
        yield from random.bit_generator.random_raw(256).tolist()
