"""Endless simple stories whose exact entropy is known: a language with a floor that no model can pass.

The stories of one source are independent of each other and laid end to end, each with its newline. So the text is a
renewal process, and its entropy rate is

    nats per character = H(story) / E[length of a story]

H(story) is exact: the grammar is checked to be unambiguous and its stories to be no beginnings of one another
(`tinylm.tales.unique`, with the proof), so the entropy of the text is the entropy of the choices that made it.

For one text, the floor is its information −ln P(text). A model q that was made without seeing the text can be luckier
than the source itself, but not by much: Σ over texts of P · (q / P) ≤ 1, so by Markov's inequality the chance that
q beats the information by k nats *in all* is at most e^−k. That holds for any tokens too: cutting a text into tokens
without loss changes neither P(text) nor what a model can know of it, so a model's mean loss per token times the
number of tokens has the same floor as its loss per character times the number of characters. A model that sees only
the window it is given knows less than all that came before, and so stays further above.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np

from tinylm.backend import stream
from tinylm.tales.english import ENGLISH
from tinylm.tales.expect import Averages, averages
from tinylm.tales.follow import NotATale, Reader
from tinylm.tales.grammar import Grammar, GrammarData
from tinylm.tales.unique import check_unique
from tinylm.tales.write import story, words_of

__all__ = ["Floor", "Tales", "tales"]

BLOCKS = 20  # of stories, whose tokens are counted apart to tell the standard error


class CanEncode(Protocol):
    """A tokenizer: all that is asked of it is ids for a text."""

    def encode(self, text: str, /) -> Sequence[int]:
        """The ids of a text."""


class Floor(NamedTuple):
    """The lowest mean loss that tokens of this kind allow.

    nats_per_token     entropy of a story / tokens of a story
    standard_error     of nats_per_token; 0 where the number of tokens is exact
    tokens_per_story   the mean number of tokens
    """

    nats_per_token: float
    standard_error: float
    tokens_per_story: float


class Tales:
    """Stories without end from a probabilistic grammar, the same for the same seed on every machine.

    seed      decides the stories; two seeds give independent ones of the same language
    grammar   plain data as in `tinylm.tales.english`; `tinylm.tales.grammar` says how to write one

    Raises GrammarError for a grammar that is malformed, never ends, or is ambiguous: only where a text tells how it
    was made are the entropies below those of the text.

    >>> from textwrap import fill
    >>> from tinylm.data import tales
    >>> source = tales(seed=0)
    >>> print(fill(source.text(1), width=100))  # whole stories, as few as have a character
    This is the story of Bo and Liv, who lived next to a church. When spring came they went to the farm,
    and in the hay they saw a paper boat. A hen came by. "That is mine," clucked the hen. "I lost it
    last winter." So they gave it back. From then on Bo and Liv and the hen were friends.
    >>> source
    <Tales of seed 0: 27.13 bits and 319.3 characters a story, 0.0589 nats a character>
    >>> {name: round(nats, 3) for name, nats in source.bounds().items()}
    {'uniform': 3.951, 'unigram': 3.021, 'bigram': 2.13, 'exact': 0.059}
    >>> text = source.text(10_000)
    >>> f"{source.information(text) / len(text):.4f}"  # the floor of this very text, in nats a character
    '0.0581'

    In a shell, a text to train on, and a run on it:

        python -c "from tinylm.data import tales; print(tales(0).text(1_000_000), end='')" > tales.txt
        tinylm train tales.txt --char --out letters
    """

    def __init__(self, seed: int = 0, *, grammar: GrammarData = ENGLISH):
        self.seed = seed
        stream(seed, "tales")  # refuses a negative seed, before the first story is asked for
        self.grammar = Grammar(grammar)
        check_unique(self.grammar, self.averages.choices)

    def __repr__(self) -> str:
        size = f"{self.entropy_bits:.2f} bits and {self.mean_length:.1f} characters a story"
        return f"<Tales of seed {self.seed}: {size}, {self.rate:.4f} nats a character>"

    # -- stories -------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        """The stories, from the first one, without end.

        Draws are whole numbers made of the 64-bit words of PCG64, whose order NumPy promises never to change; no
        floating-point number decides anything.
        """
        words = words_of(stream(self.seed, "tales"))
        while True:
            yield story(self.grammar, words)

    def first(self, n: int) -> list[str]:
        """The first n stories."""
        return list(islice(self, n))

    def text(self, n_chars: int) -> str:
        """The first stories end to end: one, and then as few more as make n_chars characters or more."""
        parts: list[str] = []
        for told in self:
            parts.append(told)
            n_chars -= len(told)
            if n_chars <= 0:
                break
        return "".join(parts)

    # -- the source ----------------------------------------------------------------------------------------

    @cached_property
    def averages(self) -> Averages:
        """The exact expected values of one story, all the others below are made of."""
        return averages(self.grammar)

    @property
    def entropy(self) -> float:
        """The entropy of a story in nats, exactly: the expected information of all choices that make it."""
        return math.fsum(self.averages.nats.values())

    @property
    def entropy_bits(self) -> float:
        """The entropy of a story in bits."""
        return self.entropy / math.log(2)

    @property
    def mean_length(self) -> float:
        """The expected length of a story in characters, its newline included."""
        return float(self.averages.length)

    @property
    def rate(self) -> float:
        """The entropy rate in nats per character: what the best model loses on average."""
        return self.entropy / self.mean_length

    def bounds(self) -> dict[str, float]:
        """Entropies in nats per character of what comes next, for growing knowledge: lines across a loss curve.

            uniform   ln |alphabet|
            unigram   H(c)              c: the character at a place taken anywhere in the endless text
            bigram    H(c₂ | c₁) = H(c₁ c₂) − H(c)
            exact     H(story) / E[length]

        All are exact, by expected counts over the states of the grammar, not estimated from a sample; a model that
        looks back so far and no further cannot have a lower mean loss.
        """
        single, pair = (_entropy(counts.values()) for counts in (self.averages.characters, self.averages.pairs))
        return {
            "uniform": math.log(len(self.averages.characters)),
            "unigram": single,
            "bigram": pair - single,
            "exact": self.rate,
        }

    def floor(self, tokenizer: CanEncode, *, stories: int = 2000) -> Floor:
        """The lowest mean loss per token of this tokenizer: H(story) / E[tokens of a story], in nats.

        The entropy is exact. The expected number of tokens is estimated: from the first `stories` stories of this
        seed, laid end to end in 20 blocks, with the standard error between blocks; where every character is one token
        it is exact. Raises ValueError for fewer stories than blocks.
        """
        if stories < BLOCKS:
            raise ValueError(f"stories must be {BLOCKS} or more, got {stories}")
        per_block = stories // BLOCKS
        told = iter(self)
        texts = ["".join(islice(told, per_block)) for _ in range(BLOCKS)]
        lengths = [len(tokenizer.encode(text)) for text in texts]
        if lengths == [len(text) for text in texts]:
            return Floor(self.rate, 0.0, self.mean_length)
        counts = np.array(lengths) / per_block
        mean, error = float(counts.mean()), float(counts.std(ddof=1) / math.sqrt(BLOCKS))
        return Floor(self.entropy / mean, self.entropy / mean**2 * error, mean)  # dy = |dx| · H / x²

    # -- one text ------------------------------------------------------------------------------------------

    def losses(self, text: str, *, after: str = "") -> np.ndarray:
        """−ln P(character | all before it), exactly: the loss of the best possible model at every place.

        text: N characters   →   (N,) nats in float64

        after: what stands before the text. It begins with a story; where a text was cut out of a longer one, as a
        part for validation is, give what came before it. The text may end anywhere. Raises NotATale, saying where
        (counted from the beginning of `after`), for a text that the grammar cannot write.
        """
        reader = Reader(self.grammar)
        for _ in reader.read(after):
            pass
        losses = np.zeros(len(text))
        for place, p in reader.read(text):
            losses[place] = _information(p)
        return losses

    def information(self, text: str, *, after: str = "") -> float:
        """−ln P(text) in nats, given what stands before it: the floor of the loss over this very text; see `losses`."""
        return math.fsum(self.losses(text, after=after))

    def next_characters(self, text: str) -> dict[str, float]:
        """The probability of every character that may follow this text: what the best possible model would say.

        >>> Tales(grammar={"story": [(3, "yes."), (1, "yet."), (4, "no.")]}).next_characters("no.ye")
        {'s': 0.75, 't': 0.25}
        """
        reader = Reader(self.grammar)
        for _ in reader.read(text):
            pass
        return {character: float(p) for character, p in reader.next_characters().items()}

    def probability(self, story: str) -> Fraction:
        """The probability of one whole story, as a fraction; raises NotATale for anything else."""
        reader = Reader(self.grammar)
        p = math.prod((p for _, p in reader.read(story)), start=Fraction(1))
        if not story or not reader.at_end:
            raise NotATale(f"the story ends early, after {story[-30:]!r}; information(text) takes one cut anywhere")
        if reader.stories:
            raise NotATale(f"{reader.stories + 1} stories; give one, or ask for information(text)")
        return p

    def log_probability(self, story: str) -> float:
        """ln P(story) in nats, exactly but for the logarithm; raises NotATale for anything but one whole story."""
        return -_information(self.probability(story))


def tales(seed: int = 0, *, grammar: GrammarData = ENGLISH) -> Tales:
    """Endless simple stories of known entropy; see `tinylm.tales.Tales`."""
    return Tales(seed, grammar=grammar)


def _information(p: Fraction) -> float:
    """−ln p, also for fractions too small for a float."""
    return math.log(p.denominator) - math.log(p.numerator)


def _entropy(counts: Iterable[Fraction]) -> float:
    """−Σ p ln p in nats of what occurs in proportion to these counts."""
    values = list(counts)
    whole = sum(values, Fraction(0))
    return math.fsum(float(n / whole) * _information(n / whole) for n in values)
