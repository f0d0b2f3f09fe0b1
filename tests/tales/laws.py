"""Laws that hold for every grammar small enough to list all its stories; each is also a net for seeded faults."""

import math
from collections import Counter
from fractions import Fraction
from itertools import islice, pairwise

import numpy as np

from tests.tales.enumeration import facts, stories
from tinylm.tales import GrammarError, Tales, write
from tinylm.tales.grammar import Slot

CLOSE = 1e-12  # sums of at most some thousand terms of order 1, each rounded to 2^-53


def entropy_is_that_of_all_stories(data) -> None:
    true, source = facts(data), Tales(grammar=data)
    assert sum(true.probabilities.values()) == 1
    assert math.isclose(source.entropy, true.entropy, rel_tol=CLOSE, abs_tol=CLOSE)
    assert source.entropy_bits == source.entropy / math.log(2)
    assert source.mean_length == float(true.length)
    assert math.isclose(source.rate, true.entropy / float(true.length), rel_tol=CLOSE, abs_tol=CLOSE)


def characters_and_pairs_are_those_of_all_stories(data) -> None:
    true, averages = facts(data), Tales(grammar=data).averages
    assert averages.length == true.length
    assert averages.characters == true.characters
    assert averages.pairs == true.pairs
    assert sum(averages.pairs.values()) == averages.length


def bounds_are_entropies_of_contexts(data) -> None:
    """The bigram's from H(c₂|c₁) = Σ p(c₁) H(c₂ | c₁), each row by itself."""
    true, bounds = facts(data), Tales(grammar=data).bounds()
    unigram = -sum(float(n / true.length) * math.log(n / true.length) for n in true.characters.values())
    bigram = 0.0
    for first, n in true.characters.items():
        row = [Fraction(m) / n for pair, m in true.pairs.items() if pair[0] == first]
        assert sum(row) == 1
        bigram -= float(n / true.length) * sum(float(p) * math.log(p) for p in row)
    expected = [math.log(len(true.characters)), unigram, bigram, true.entropy / float(true.length)]
    assert list(bounds) == ["uniform", "unigram", "bigram", "exact"]
    assert np.allclose(list(bounds.values()), expected, rtol=CLOSE, atol=CLOSE)
    assert all(a >= b - CLOSE for a, b in pairwise(bounds.values()))


def every_story_has_its_probability(data) -> None:
    true, source = facts(data), Tales(grammar=data)
    for text, p in true.probabilities.items():
        assert source.probability(text) == p
        assert math.isclose(source.log_probability(text), math.log(p), rel_tol=CLOSE, abs_tol=CLOSE)


def each_character_has_its_share_of_the_probability(data) -> None:
    """P(character | before) = P(stories that begin so, with it) / P(stories that begin so)."""
    true, source = facts(data), Tales(grammar=data)
    for text in islice(sorted(true.probabilities), 0, None, 1 + len(true.probabilities) // 20):
        begins = [sum(p for other, p in true.probabilities.items() if other.startswith(text[:n]))
                  for n in range(len(text) + 1)]  # fmt: skip
        expected = [-math.log(begins[n + 1] / begins[n]) for n in range(len(text))]
        losses = source.losses(text)
        assert losses.shape == (len(text),)
        assert losses.dtype == np.float64
        assert np.allclose(losses, expected, rtol=CLOSE, atol=CLOSE)
        middle = len(text) // 2
        following = Counter()
        for other, p in true.probabilities.items():
            if other.startswith(text[:middle]) and len(other) > middle:
                following[other[middle]] += p / begins[middle]
        assert source.next_characters(text[:middle]) == {c: float(p) for c, p in following.items()}


def stories_laid_end_to_end_are_independent(data) -> None:
    source = Tales(grammar=data)
    told = source.first(5)
    apart = np.concatenate([source.losses(text) for text in told])
    whole = "".join(told)
    assert np.allclose(source.losses(whole), apart, rtol=CLOSE, atol=CLOSE)
    for cut in (0, 1, len(whole) // 2, len(whole)):
        assert np.allclose(source.losses(whole[cut:], after=whole[:cut]), apart[cut:], rtol=CLOSE, atol=CLOSE)
    assert math.isclose(source.information(whole), apart.sum(), rel_tol=CLOSE, abs_tol=CLOSE)
    assert math.isclose(
        source.information(whole), -sum(map(source.log_probability, told)), rel_tol=CLOSE, abs_tol=CLOSE
    )


def only_stories_are_told_each_as_often_as_it_should(data, stories: int = 4000) -> None:
    """Pearson's χ² against all stories; its mean is the degrees of freedom k, its variance about 2k and more where
    stories are rare: six standard deviations. The seed is fixed, so this passes always or never.
    """
    true = facts(data).probabilities
    seen = Counter(Tales(seed=3, grammar=data).first(stories))
    assert set(seen) <= set(true)
    k = len(true) - 1
    chi2 = sum(float((seen[text] - stories * p) ** 2 / (stories * p)) for text, p in true.items())
    variance = 2 * k + sum(float(1 / (stories * p)) for p in true.values())
    assert chi2 <= k + 6 * math.sqrt(variance)


def what_passes_is_unambiguous(data) -> None:
    """No two ways write the same text, and no story is the beginning of another, unless the grammar is refused."""
    try:
        Tales(grammar=data)
    except GrammarError:
        return
    texts = sorted(text for _, text in stories(data))
    assert not any(after.startswith(before) for before, after in pairwise(texts))  # sorted: neighbours suffice


def draws_are_exactly_fair(monkeypatch) -> None:
    """With words of 4 bits, all of them are tried: each option gets its weight's share of those that are taken."""
    monkeypatch.setattr(write, "MOST", 16)
    for weights in ([1, 1], [1, 2, 3], [5, 2], [3], [1, 15], [1, 16 - 2], [4, 4, 4]):
        options = [Options(weight) for weight in weights]
        counts = Counter()
        for word in range(16):
            taken = iter([word, None])
            try:
                counts[id(write.drawn(options, taken))] += 1
            except TypeError:  # the word was refused, and there is no other
                continue
        per_weight = {counts[id(option)] / option.weight for option in options}
        assert len(per_weight) == 1
        assert sum(counts.values()) == (16 if len(weights) == 1 else 16 - 16 % sum(weights))


class Options:
    """An option of which only the weight matters."""

    rest, memory = (Slot("story"),), {}

    def __init__(self, weight: int):
        self.weight = weight


LAWS = [
    entropy_is_that_of_all_stories,
    characters_and_pairs_are_those_of_all_stories,
    bounds_are_entropies_of_contexts,
    every_story_has_its_probability,
    each_character_has_its_share_of_the_probability,
    stories_laid_end_to_end_are_independent,
    only_stories_are_told_each_as_often_as_it_should,
]
