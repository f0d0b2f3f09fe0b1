"""Tales of small grammars against all of their stories; of any grammar: what is refused, and by what words."""

import math
from itertools import combinations, islice

import numpy as np
import pytest
from hypothesis import assume, given

from tests.tales import laws
from tests.tales.enumeration import SMALL, grammars, stories
from tinylm import data
from tinylm.tales import GrammarError, NotATale, Tales

MANY = 1500  # stories that are still listed one by one


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", SMALL)
def test_a_small_grammar_keeps_the_laws(name, law) -> None:
    law(SMALL[name])


@given(grammars(distinct=True))
def test_random_grammars_keep_the_laws(grammar) -> None:
    assume(len(list(islice(stories(grammar), MANY))) < MANY)
    for law in laws.LAWS[:-1]:
        law(grammar)


def test_draws_are_exactly_fair(monkeypatch: pytest.MonkeyPatch) -> None:
    laws.draws_are_exactly_fair(monkeypatch)


# -- unambiguity ---------------------------------------------------------------------------------------


@given(grammars(distinct=False))
def test_what_passes_as_unambiguous_is_and_no_story_begins_another(grammar) -> None:
    assume(len(list(islice(stories(grammar), MANY))) < MANY)
    laws.what_passes_is_unambiguous(grammar)


@pytest.mark.parametrize(
    ("grammar", "where"),
    [
        ({"story": [(1, "a"), (1, "a")]}, r"at \{story\}, alternatives 0 and 1 of 'story' can both write 'a'"),
        ({"story": [(1, "ab"), (1, "a")]}, "can both write 'a'"),
        ({"story": [(1, "{a}{b}")], "a": [(1, "x"), (1, "xy")], "b": [(1, "yz"), (1, "z")]}, "of 'a' can both write"),
        ({"story": [(1, "{a}.")], "a": [(1, "{b}"), (1, "-"), (1, "ok")], "b": [(1, "o"), (1, "k")]}, "0 and 2 of 'a'"),
        ({"story": [(1, "{h.it} is {h}.")], "h": [(1, {"name": name, "it": "x"}) for name in "AB"]}, r"at \{h.it\}"),
        ({"story": [(1, "{a}.")], "a": [(1, ""), (1, "b")]}, "can both write ''"),
        ({"story": [(1, "{a}{a}"), (1, "yx")], "a": [(1, "x"), (1, "y")]}, r"at \{story\}, .* can both write 'yx'"),
        ({"story": [(1, "y"), (1, "{a}{b}")], "a": [(1, "x"), (1, "{b}")], "b": [(1, "u"), (1, "y")]}, "write 'y'"),
        ({"story": [(1, "{h.it}{h}"), (1, "b.")], "h": [(1, {"name": ".", "it": it}) for it in "ab"]}, "write 'b.'"),
    ],
)  # fmt: skip
def test_ambiguous_grammars_are_refused_with_a_witness(grammar, where) -> None:
    with pytest.raises(GrammarError, match=r"^ambiguous: .*" + where):
        Tales(grammar=grammar)


def test_forms_that_are_alike_may_come_after_one_that_is_not() -> None:
    hero = [(1, {"name": name, "it": "she"}) for name in ("Ann", "Bea")]
    assert math.isclose(Tales(grammar={"story": [(1, "{hero}: {hero.it}.")], "hero": hero}).entropy, math.log(2))


# -- grammars that cannot be read ----------------------------------------------------------------------

HERO = {"hero": [(1, {"name": "Ann", "it": "she"})]}


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ({}, "a grammar begins with 'story'"),
        ({"story": []}, "story: give one alternative or more"),
        ({"story": ["once"]}, r"story, alternative 0: expected \(weight, text\), got 'once'"),
        ({"story": [(0, "a")]}, "a weight is a whole number from 1 up, got 0"),
        ({"story": [(True, "a")]}, "got True"),
        ({"story": [(0.5, "a")]}, "got 0.5"),
        ({"story": [(2**64, "a"), (1, "b")]}, r"more than 2\^64"),
        ({"story": [(1, "a"), (1, {"name": "b"})]}, "all texts or all mappings"),
        ({"story": [(1, {"name": "b"})]}, "'story': add a rule of that name"),
        ({"Story": [(1, "a")]}, "'Story': a symbol is a word that begins with a small letter"),
        ({"story": [(1, "{heroine}")], **HERO}, r"story: \{heroine\} asks for 'heroine'; there is story, hero"),
        ({"story": [(1, "{hero.them}")], **HERO}, "'hero' has no form 'them', only name, it"),
        ({"story": [(1, "{mood.it}")], "mood": [(1, "glad")]}, "'mood' is a rule, which has no forms"),
        ({"story": [(1, "{hero.it.it}")], **HERO}, r"not every hero.it is one slot"),
        ({"story": [(1, "{hero")], **HERO}, "story, alternative 0: '{hero': "),
        ({"story": [(1, "{hero!r}")], **HERO}, "is no slot"),
        ({"story": [(1, "{hero:>9}")], **HERO}, "is no slot"),
        ({"story": [(1, "{}")]}, "is no slot; write {symbol} or {symbol.form}"),
        ({"story": [(1, "{hero.}")], **HERO}, "is no slot"),
        ({"story": [(1, "{a}")], "a": [(1, "{b}")], "b": [(1, "x"), (1, "y{a}")]}, "back to themselves: story, a, b"),
        ({"story": [(1, "{h}")], "h": [(1, {"name": "A", "it": "x"}), (1, {"name": "B"})]}, "only one .* the forms it"),
        ({"story": [(1, "{a}")], "a": [(1, "")]}, "a story of this grammar may be empty"),
    ],
)  # fmt: skip
def test_malformed_grammars_are_refused_by_name(grammar, message) -> None:
    with pytest.raises(GrammarError, match=message):
        Tales(grammar=grammar)


def test_doubled_braces_stand_for_themselves() -> None:
    assert Tales(grammar={"story": [(1, "{{{a}}}\n")], "a": [(1, "x")]}).first(1) == ["{x}\n"]


# -- texts that are none -------------------------------------------------------------------------------


def test_what_is_no_tale_is_refused_where_it_goes_wrong() -> None:
    source = Tales(grammar=SMALL["three"])
    with pytest.raises(NotATale, match="character 2, after 'ye': expected 's' or 't', got 'p'"):
        source.losses("yep.")
    with pytest.raises(NotATale, match=r"character 6, after 'no': expected '!', got '\.'"):
        source.losses("no.", after="yet.")
    with pytest.raises(NotATale, match="the story ends early, after 'ye'"):
        source.probability("ye")
    with pytest.raises(NotATale, match="the story ends early"):
        source.probability("")
    with pytest.raises(NotATale, match="2 stories"):
        source.log_probability("yes.no!")
    with pytest.raises(NotATale, match="character 4"):
        source.probability("yes.x")
    assert source.losses("").shape == (0,)
    assert math.isclose(source.information("y"), math.log(2))
    assert source.next_characters("") == {"n": 0.5, "y": 0.5}


# -- the stream of stories -----------------------------------------------------------------------------


def test_iterating_begins_anew_each_time_and_never_ends() -> None:
    source = Tales(seed=5, grammar=SMALL["three"])
    one, two = iter(source), iter(source)
    first = [next(one) for _ in range(300)]
    assert [next(two) for _ in range(300)] == first == source.first(300)
    assert Tales(seed=6, grammar=SMALL["three"]).first(300) != first


def test_a_text_is_as_few_whole_stories_as_are_long_enough() -> None:
    source = data.tales(seed=2)
    exactly = len(source.first(2)[0]) + len(source.first(2)[1])
    for n in (0, 1, 1000, 5000, exactly, exactly + 1):
        told = source.text(n)
        count = next(k for k in range(1, 100) if len("".join(source.first(k))) >= n)
        assert told == "".join(source.first(count))


def test_a_negative_seed_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="from 0 up; got -1"):
        data.tales(-1)


# -- tokens --------------------------------------------------------------------------------------------


class Cut:
    """A tokenizer of pieces of n characters."""

    def __init__(self, n: int):
        self.n = n

    def encode(self, text: str) -> list[int]:
        return [0] * math.ceil(len(text) / self.n)


def test_the_floor_of_characters_is_exact_and_that_of_longer_tokens_in_proportion() -> None:
    source = Tales(grammar=SMALL["rules"])
    assert source.floor(Cut(1)) == (source.rate, 0.0, source.mean_length)
    floor = source.floor(Cut(4), stories=4000)
    assert floor.standard_error > 0
    assert floor.nats_per_token * floor.tokens_per_story == pytest.approx(source.entropy, rel=1e-12)
    # a block of 200 stories has at most 3/4 of a token more than its length / 4
    assert abs(floor.nats_per_token - 4 * source.rate) < 5 * floor.standard_error + 4 * source.rate * 0.75 / 200


def test_the_standard_error_is_that_of_a_mean_of_blocks() -> None:
    source = Tales(grammar=SMALL["rules"])
    told = source.first(100)
    blocks = [math.ceil(len("".join(told[i : i + 5])) / 3) / 5 for i in range(0, 100, 5)]
    means = [np.mean(rest) for rest in combinations(blocks, 19)]
    jackknife = math.sqrt(19 / 20 * sum((m - np.mean(blocks)) ** 2 for m in means))  # of a mean: exactly its error
    floor = source.floor(Cut(3), stories=100)
    assert floor.tokens_per_story == pytest.approx(np.mean(blocks), rel=1e-12)
    assert floor.standard_error == pytest.approx(jackknife * source.entropy / np.mean(blocks) ** 2, rel=1e-9)
    with pytest.raises(ValueError, match="stories must be 20 or more, got 19"):
        source.floor(Cut(1), stories=19)
