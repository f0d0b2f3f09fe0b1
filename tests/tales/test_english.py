"""The default stories: who is who is kept to the end of each, and their entropy is that of a large sample."""

import hashlib
import math
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import numpy as np

from tinylm.data import tales
from tinylm.tales import ENGLISH, Tales
from tokenizer import CharTokenizer, train_bpe

STORIES = tales(seed=4).first(3000)

DIGEST = "6ffdecbf46bafe88a5ce1c031eaaf61fac687b32f7df3a07e265a49744374708"

# Written down here once more, so that a slip in the grammar shows.
GIRLS, BOYS = {"Mia", "Ada", "Zoe", "Ruth", "Ines", "Pia"}, {"Tom", "Ben", "Hugo", "Sam", "Emil", "Paul"}
PAIRS = {"Nia and Jon", "Kim and Lou", "Ella and Finn", "Bo and Liv"}
ONE = {"red kite", "silver key", "little drum", "wooden horse", "blue ball", "golden ring", "paper boat", "tin whistle",
       "woolly scarf"}  # fmt: skip
SOME = {"glass beads", "new boots", "white feathers", "warm mittens", "round marbles"}
ANIMALS = {  # what it says, what it eats, where it lives
    "fox": ("barked", "cheese", "forest"), "owl": ("hooted", "ham", "forest"), "bear": ("growled", "honey", "forest"),
    "squirrel": ("chattered", "nut", "forest"),
    "gull": ("screamed", "bread", "sea"), "seal": ("coughed", "herring", "sea"), "crab": ("clicked", "shrimp", "sea"),
    "goat": ("bleated", "thistle", "hill"), "raven": ("croaked", "cherry", "hill"),
    "wolf": ("howled", "sausage", "hill"),
    "hen": ("clucked", "corn", "farm"), "cow": ("mooed", "clover", "farm"), "mouse": ("squeaked", "cake", "farm"),
}  # fmt: skip
SPOTS = {"forest": {"ferns", "oak", "moss"}, "sea": {"old boat", "shells", "rock"},
         "hill": {"big stone", "heather", "cave"}, "farm": {"hay", "barn", "cart"}}  # fmt: skip


def words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]+", text))


def named(story: str, names) -> set[str]:
    return {name for name in names if re.search(rf"\b{name}\b", story)}


def test_a_story_has_one_hero_whose_pronouns_and_verbs_agree() -> None:
    for story in STORIES:
        (hero,) = named(story, GIRLS | BOYS | PAIRS)
        narrated = re.sub(r'"[^"]*"', '""', story)  # what is said has an "I" of its own
        she, he = words(narrated.lower()) & {"she", "her"}, words(narrated.lower()) & {"he", "his", "him"}
        assert bool(she) == (hero in GIRLS), story
        assert bool(he) == (hero in BOYS), story
        (thing,) = named(story, ONE | SOME)
        if hero in PAIRS:
            assert "they" in words(narrated.lower()), story
            assert not re.search(r"\bthey (was|keeps)\b|was happy", narrated), story
        else:
            assert not re.search(r"\b(she|he) (were|keep)\b|were happy", narrated), story
            if thing in ONE:
                assert not words(story.lower()) & {"they", "them", "their", "our", "us"}, story
        kind = "two friends" if hero in PAIRS else "a girl" if hero in GIRLS else "a boy"
        assert set(re.findall("(two friends|a girl|a boy) called", story.replace("A ", "a ").lower())) <= {kind}, story


def test_the_thing_stays_the_same_and_is_one_or_several_throughout() -> None:
    for story in STORIES:
        (thing,) = named(story, ONE | SOME)
        nouns = {name.split()[-1] for name in ONE | SOME}
        story = story.replace("under the old boat", "").replace("Under the old boat", "")
        assert words(story) & nouns == {thing.split()[-1]}, story
        if thing in ONE:
            assert not re.search(rf"{thing} (were|are)|(Are|are|were) (they|the {thing})\b|[Tt]hose", story), story
            assert f"some {thing}" not in story
        else:
            assert not re.search(rf"{thing} (was|is)|(Is|is|was) (it|the {thing})\b|\bThat is\b|\bit\b", story), story
            assert f"a {thing}" not in story


def test_the_animal_lives_where_the_story_is_and_keeps_its_voice_and_its_food() -> None:
    for story in STORIES:
        (animal,) = named(story, ANIMALS)
        voice, food, home = ANIMALS[animal]
        assert words(story) & {other[0] for other in ANIMALS.values()} <= {voice}, story
        assert words(story) & {other[1] for other in ANIMALS.values()} <= {food}, story
        assert named(story, ["the forest", "the sea", "the hill", "the farm"]) in ({f"the {home}"}, set()), story
        assert len(named(story, SPOTS[home])) <= 1, story
        assert not named(story, {spot for place in SPOTS if place != home for spot in SPOTS[place]}), story


def test_a_story_is_one_line_of_plain_letters_and_every_word_of_the_grammar_occurs() -> None:
    for story in STORIES:
        assert re.fullmatch(r'[A-Z][A-Za-z ,.:!?"]+[.!]\n', story), story
        assert "  " not in story
        assert story.count('"') % 2 == 0
    text = "".join(STORIES)
    assert named(text, GIRLS | BOYS | PAIRS) == GIRLS | BOYS | PAIRS
    assert named(text, ONE | SOME) == ONE | SOME
    assert named(text, ANIMALS) == set(ANIMALS)


def test_the_stories_of_a_seed_are_these_on_every_machine() -> None:
    told = tales(seed=0).first(1000)
    assert hashlib.sha256("".join(told).encode()).hexdigest() == DIGEST


def test_a_fresh_process_with_other_hashes_tells_the_same() -> None:
    code = "from tinylm.data import tales; print(tales(7).text(3000), end='')"
    for hashes in ("1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": os.pathsep.join(sys.path)}
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, env=environment)
        assert told.stdout == tales(7).text(3000)


# -- the exact numbers against a sample ----------------------------------------------------------------


def far(values: np.ndarray, expected: float) -> float:
    """How many standard errors a sample's mean lies from what is expected."""
    return abs(values.mean() - expected) / (values.std(ddof=1) / math.sqrt(len(values)))


def test_sampled_information_and_length_agree_with_the_exact_ones() -> None:
    """Within four standard errors of 3000 stories: a slip as small as 1 % of the entropy lies further away."""
    source = Tales()
    information = np.array([-source.log_probability(story) for story in STORIES])
    lengths = np.array([len(story) for story in STORIES], dtype=float)
    assert far(information, source.entropy) < 4
    assert far(lengths, source.mean_length) < 4
    assert far(information, source.entropy * 1.01) > 4 or far(information, source.entropy * 0.99) > 4
    assert far(information - source.rate * lengths, 0.0) < 4


def test_sampled_characters_and_pairs_agree_with_the_exact_counts() -> None:
    """Of each story, its information under the exact unigram and bigram: the means are the bounds."""
    source, bounds = Tales(), Tales().bounds()
    single, pair = ({k: float(v / source.averages.length) for k, v in counts.items()}
                    for counts in (source.averages.characters, source.averages.pairs))  # fmt: skip
    assert set(single) == set("".join(STORIES))
    assert {a + b for a, b in pairwise("".join(STORIES))} <= set(pair)
    one, two = [], []
    for before, story in pairwise(STORIES):
        pairs = Counter(pairwise(before[-1] + story))
        one.append(sum(-math.log(single[c]) - bounds["unigram"] for c in story))
        two.append(sum(n * (-math.log(pair[a + b] / single[a]) - bounds["bigram"]) for (a, b), n in pairs.items()))
    assert far(np.array(one), 0.0) < 4
    assert far(np.array(two), 0.0) < 4
    assert bounds["uniform"] > bounds["unigram"] > bounds["bigram"] > 10 * bounds["exact"] > 0


def test_losses_sum_to_the_information_and_are_the_rate_on_average() -> None:
    source, text = Tales(), "".join(STORIES[:500])
    losses = source.losses(text)
    assert losses.min() >= 0
    assert math.isclose(losses.sum(), -sum(map(source.log_probability, STORIES[:500])), rel_tol=1e-12)
    assert np.mean(losses == 0) > 0.9  # most characters are certain


def test_the_floor_of_a_tokenizer_is_that_of_its_tokens_on_a_large_text() -> None:
    source, text = Tales(), "".join(STORIES[:1000])
    for tokenizer in (CharTokenizer([text]), train_bpe(STORIES[:1000], 400)):
        floor = source.floor(tokenizer)
        here = source.information(text) / len(tokenizer.encode(text))
        spread = source.entropy / floor.tokens_per_story * 4 / math.sqrt(1000) * 0.25  # sd of a story: < 1/4
        assert abs(floor.nats_per_token - here) < 4 * floor.standard_error + spread
        assert floor.nats_per_token > source.rate * 0.99
    assert floor.standard_error < 0.01 * floor.nats_per_token


def test_a_student_may_change_a_word_and_the_entropy_follows() -> None:
    fair = {**ENGLISH, "when": [(1, "last winter"), (1, "last summer"), (1, "yesterday")]}
    was, now = Tales(), Tales(grammar=fair)
    often = 3 / 2 * math.log(2)  # −½ ln ½ − 2 · ¼ ln ¼
    assert math.isclose(now.entropy - was.entropy, (math.log(3) - often) * 2 / 7, rel_tol=1e-9)  # one plot in 2/7
