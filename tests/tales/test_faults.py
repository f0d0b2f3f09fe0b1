"""Tales broken on purpose, each caught by a named law on a named grammar."""

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate

import pytest

from tests.tales import laws
from tests.tales.enumeration import SMALL
from tinylm.tales import Tales, expect, follow, grammar, stories, unique, write
from tinylm.tales.grammar import Grammar, Option

Patch = pytest.MonkeyPatch
true_options, true_pairs, true_shared = Grammar.options, expect._pairs, unique.shared_beginning


def entropy_without_weights(patch: Patch) -> None:
    patch.setattr(expect, "nats", lambda weights: math.log(len(weights)))


def entropy_in_bits(patch: Patch) -> None:
    true = expect.nats
    patch.setattr(expect, "nats", lambda weights: true(weights) / math.log(2))


def rare_choices_count_as_often_as_others(patch: Patch) -> None:
    true = stories.averages

    def once(rules):
        found = true(rules)
        return found._replace(nats={symbol: expect.nats(rules.weights[symbol]) for symbol in found.nats})

    patch.setattr(stories, "averages", once)


def states_summed_before_all_ways_to_them_are(patch: Patch) -> None:
    patch.setattr(expect, "_before_what_follows", lambda ways, start: iter(list(ways)))


def later_mentions_counted_as_choices(patch: Patch) -> None:
    true = expect._ways_on

    def chosen_again(rules, free, state):
        chosen, edges = true(rules, free, state)
        slot = state.rest[0] if state.rest and isinstance(state.rest[0], grammar.Slot) else None
        return chosen or slot, edges

    patch.setattr(expect, "_ways_on", chosen_again)


def remembered_things_drawn_anew(patch: Patch) -> None:
    patch.setattr(Grammar, "options", lambda self, rest, memory: true_options(self, rest, {}))


def two_forms_of_one_entry_taken_as_independent(patch: Patch) -> None:
    def independent(rules, written, neighbours, across):
        return true_pairs(rules, written, {}, across + [(a, b, v) for (a, b), v in neighbours.items()])

    patch.setattr(expect, "_pairs", independent)


def no_pair_between_stories(patch: Patch) -> None:
    patch.setattr(
        expect, "_pairs", lambda rules, written, neighbours, across: true_pairs(rules, written, neighbours, [])
    )


def bigram_by_halving(patch: Patch) -> None:
    true = Tales.bounds
    patch.setattr(
        Tales, "bounds", lambda self: {**true(self), "bigram": stories._entropy(self.averages.pairs.values()) / 2}
    )


def length_without_the_last_character(patch: Patch) -> None:
    patch.setattr(Tales, "mean_length", property(lambda self: float(self.averages.length) - 1))


def capitals_lost(patch: Patch) -> None:
    patch.setattr(grammar, "spoken", lambda text, slot: text)


def reader_takes_all_options_as_equal(patch: Patch) -> None:
    class Equal:
        def __init__(self, rules):
            self.rules = rules

        def options(self, rest, memory):
            return [Option(1, after, known) for _, after, known in true_options(self.rules, rest, memory)]

    true = follow.Reader.__init__
    patch.setattr(follow.Reader, "__init__", lambda self, rules: true(self, Equal(rules)))


def reader_forgets_what_it_has_excluded(patch: Patch) -> None:
    always_one = property(lambda self: Fraction(1), lambda self, value: None)
    patch.setattr(follow.Reader, "whole", always_one, raising=False)


def drawn_with_a_bias(patch: Patch) -> None:
    def drawn(options, words):
        if len(options) == 1:
            return options[0]
        ends = list(accumulate(option.weight for option in options))
        number = next(words) % ends[-1]
        return next(option for option, end in zip(options, ends, strict=True) if number < end)

    patch.setattr(write, "drawn", drawn)


def drawn_one_off(patch: Patch) -> None:
    def drawn(options, words):
        ends = list(accumulate(option.weight for option in options))
        number = next(words) % ends[-1]
        return next(option for option, end in zip(options, ends, strict=True) if number <= end)

    patch.setattr(write, "drawn", drawn)


def drawn_without_weights(patch: Patch) -> None:
    patch.setattr(write, "drawn", lambda options, words: options[next(words) % len(options)])


def ambiguity_never_seen(patch: Patch) -> None:
    patch.setattr(unique, "shared_beginning", lambda rules, one, other: None)


def ambiguity_seen_only_in_whole_texts(patch: Patch) -> None:
    def equal(rules, one, other):
        return true_shared(rules, (*one, "\0"), (*other, "\0"))

    patch.setattr(unique, "shared_beginning", equal)


def ambiguity_sought_in_first_pieces_only(patch: Patch) -> None:
    patch.setattr(unique, "shared_beginning", lambda rules, one, other: true_shared(rules, one[:1], other[:1])
                  if one[:1] == other[:1] and len(one) == len(other) == 1 else None)  # fmt: skip


def ambiguity_sought_in_first_alternatives_only(patch: Patch) -> None:
    class First:
        def __init__(self, rules):
            self.rules = rules

        def options(self, rest, memory):
            return true_options(self.rules, rest, memory)[:1]

    patch.setattr(unique, "shared_beginning", lambda rules, one, other: true_shared(First(rules), one, other))


AMBIGUOUS = {
    "twice": {"story": [(1, "a"), (1, "a")]},
    "prefix": {"story": [(1, "ab"), (1, "a")]},
    "nested": {"story": [(1, "{a}{a}"), (1, "yx")], "a": [(1, "x"), (1, "y")]},
    "split": {"story": [(1, "{a}{b}")], "a": [(1, "x"), (1, "xy")], "b": [(1, "yz"), (1, "z")]},
}
GRAMMARS = {**SMALL, **AMBIGUOUS}

FAULTS: list[tuple[Callable, Callable, str]] = [
    (entropy_without_weights, laws.entropy_is_that_of_all_stories, "three"),
    (entropy_in_bits, laws.entropy_is_that_of_all_stories, "three"),
    (rare_choices_count_as_often_as_others, laws.entropy_is_that_of_all_stories, "rules"),
    (states_summed_before_all_ways_to_them_are, laws.characters_and_pairs_are_those_of_all_stories, "rules"),
    (later_mentions_counted_as_choices, laws.entropy_is_that_of_all_stories, "agreement"),
    (remembered_things_drawn_anew, laws.entropy_is_that_of_all_stories, "dependence"),
    (remembered_things_drawn_anew, laws.every_story_has_its_probability, "dependence"),
    (remembered_things_drawn_anew, laws.only_stories_are_told_each_as_often_as_it_should, "agreement"),
    (two_forms_of_one_entry_taken_as_independent, laws.characters_and_pairs_are_those_of_all_stories, "endings"),
    (no_pair_between_stories, laws.characters_and_pairs_are_those_of_all_stories, "three"),
    (bigram_by_halving, laws.bounds_are_entropies_of_contexts, "rules"),
    (length_without_the_last_character, laws.entropy_is_that_of_all_stories, "rules"),
    (capitals_lost, laws.every_story_has_its_probability, "agreement"),
    (capitals_lost, laws.only_stories_are_told_each_as_often_as_it_should, "capitals"),
    (reader_takes_all_options_as_equal, laws.every_story_has_its_probability, "three"),
    (reader_takes_all_options_as_equal, laws.each_character_has_its_share_of_the_probability, "dependence"),
    (reader_forgets_what_it_has_excluded, laws.each_character_has_its_share_of_the_probability, "three"),
    (drawn_one_off, laws.only_stories_are_told_each_as_often_as_it_should, "rules"),
    (drawn_without_weights, laws.only_stories_are_told_each_as_often_as_it_should, "three"),
    (ambiguity_never_seen, laws.what_passes_is_unambiguous, "twice"),
    (ambiguity_seen_only_in_whole_texts, laws.what_passes_is_unambiguous, "prefix"),
    (ambiguity_sought_in_first_pieces_only, laws.what_passes_is_unambiguous, "split"),
    (ambiguity_sought_in_first_alternatives_only, laws.what_passes_is_unambiguous, "nested"),
]


@pytest.mark.parametrize(
    ("fault", "law", "name"), FAULTS, ids=lambda value: value if isinstance(value, str) else value.__name__
)
def test_a_fault_is_caught(monkeypatch: Patch, fault, law, name) -> None:
    law(GRAMMARS[name])
    fault(monkeypatch)
    with pytest.raises((AssertionError, KeyError, ValueError)):
        law(GRAMMARS[name])


@pytest.mark.parametrize("fault", [drawn_with_a_bias, drawn_one_off, drawn_without_weights])
def test_an_unfair_draw_is_caught(monkeypatch: Patch, fault) -> None:
    fault(monkeypatch)
    with pytest.raises((AssertionError, StopIteration)):
        laws.draws_are_exactly_fair(monkeypatch)
