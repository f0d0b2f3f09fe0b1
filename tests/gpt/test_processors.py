"""Stages before the draw: what each promises, and that they come in the documented order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinylm.choose import Choice, probabilities
from tinylm.processors import (
    BadWords,
    NeverText,
    OnlyIds,
    forbid,
    keep_typical,
    penalize_presence,
    process,
    would_complete,
)

LOGITS = hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-30, 30))
PENALTIES = st.floats(-2, 2)


def ids_of(logits, **sizes):
    return st.lists(st.integers(0, len(logits) - 1), **sizes)


@given(LOGITS, st.data(), PENALTIES, PENALTIES)
def test_presence_and_frequency_take_their_part_off_each_id(logits, data, presence, frequency):
    text, before = data.draw(ids_of(logits, max_size=9)), logits.tolist()
    after = penalize_presence(logits, text, presence, frequency)
    for i, old in enumerate(before):
        lost = 0.0 if i not in text else presence + frequency * text.count(i)
        assert after[i] == pytest.approx(old - lost, abs=1e-12)  # three roundings of numbers below 64
        assert i in text or after[i] == old
    assert logits.tolist() == before


@given(LOGITS, st.data())
def test_what_is_forbidden_is_never_and_all_else_as_it_was(logits, data):
    ids, before = data.draw(ids_of(logits, max_size=4)), logits.tolist()
    assert forbid(logits, ids).tolist() == [-math.inf if i in ids else x for i, x in enumerate(before)]
    assert logits.tolist() == before


WORDS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), max_size=4)


@given(st.lists(st.integers(0, 3), max_size=12), WORDS)
def test_an_id_is_forbidden_exactly_where_a_bad_word_would_stand_at_the_end(ids, words):
    wrong = {i for i in range(4) if any([*ids, i][-len(word) :] == word for word in words)}
    assert set(would_complete(ids, words)) == wrong
    row = BadWords(words)(np.zeros(4), ids, 0)
    assert set(np.flatnonzero(row == -np.inf)) == wrong


@given(WORDS, st.lists(st.integers(0, 4), max_size=3), st.integers(0, 9))
def test_no_text_has_a_bad_word_in_it(words, prompt, seed):
    choice, rng, ids = Choice(bad_words=words), np.random.default_rng(seed), list(prompt)
    for _ in range(20):  # id 4 is in no word
        ids.append(choice.step(np.zeros(5), ids, rng, len(prompt)).token)
    for word in words:
        first = max(0, len(prompt) - len(word) + 1)
        assert not any(ids[a : a + len(word)] == word for a in range(first, len(ids)))


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=12), st.lists(st.booleans(), min_size=12), st.floats(0.01, 1))
def test_typical_keeps_the_fewest_ids_of_usual_surprise_that_reach_the_mass(weights, possible, mass):
    weights = [w if here else 0.0 for w, here in zip(weights, [True, *possible], strict=False)]
    p = np.array(weights) / math.fsum(weights)
    kept = keep_typical(p, mass)
    expected = math.fsum(-x * math.log(x) for x in p if x)
    far = [abs(-math.log(x) - expected) if x else math.inf for x in p]
    total = math.fsum(p[kept])
    assert kept.any()
    assert total >= mass - 1e-9  # a sum of 12 numbers up to 1 rounds by less
    last = max(np.flatnonzero(kept), key=lambda i: far[i])
    assert total - p[last] < mass + 1e-9
    assert all(far[i] <= far[j] + 1e-9 for i in np.flatnonzero(kept) for j in np.flatnonzero(~kept))


def test_among_equally_typical_ids_the_smaller_comes_first():
    assert keep_typical(np.full(4, 0.25), 0.5).tolist() == [True, True, False, False]
    assert keep_typical(np.full(4, 0.25), 1.0).all()


TOKENS = st.lists(st.binary(min_size=1, max_size=4).map(lambda b: bytes(97 + x % 2 for x in b)), max_size=6)


@given(TOKENS, st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.lists(st.integers(0, 7), max_size=9))
def test_a_bad_string_is_completed_by_no_token_however_it_is_spelled(tokens, strings, ids):
    vocab = dict(enumerate([b"a", b"b", *tokens]))
    ids = [i % len(vocab) for i in ids]
    row = NeverText(strings, vocab)(np.zeros(len(vocab)), ids, 0)
    text = b"".join(vocab[i] for i in ids).decode()
    for i, token in vocab.items():
        after = text + token.decode()
        came = [end for end in range(len(text) + 1, len(after) + 1) if after[:end].endswith(tuple(strings))]
        assert (row[i] == -np.inf) == bool(came)


def test_a_bad_string_is_completed_after_many_short_tokens_too():
    never = NeverText(["abab", "bb"], {0: b"a", 1: b"b", 2: b"ab"})
    assert never(np.zeros(3), [1, 0, 1, 0], 0).tolist() == [0, -math.inf, 0]
    assert never(np.zeros(3), [1, 0, 0, 1], 0).tolist() == [0, -math.inf, -math.inf]


def test_a_bad_string_may_end_within_a_character_that_the_next_token_goes_on_with():
    euro = "€".encode()  # three bytes
    never = NeverText(["€"], {0: euro[:1], 1: euro[1:], 2: b"x", 3: euro[1:2]})
    assert never(np.zeros(5), [2, 0], 0).tolist() == [0, -math.inf, 0, 0, 0]
    assert never(np.zeros(2), [0], 0).tolist() == [0, -math.inf], "a model may have fewer ids than the vocabulary"


@given(LOGITS, st.sets(st.integers(0, 15)))
def test_only_ids_keeps_these_and_no_others(logits, ids):
    row = OnlyIds(ids)(logits, [], 0)
    assert row.tolist() == [x if i in ids else -math.inf for i, x in enumerate(logits)]


# -- the order ---------------------------------------------------------------------------------------------


class Halve:
    """A processor for tests: it halves every logit, and forbids the last id of the prompt."""

    name = "halve"

    def __call__(self, logits, ids, start):
        return forbid(logits / 2, ids[start - 1 : start])


SETTINGS = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        "typical_p": st.none() | st.floats(0.2, 1.0),
        "top_k": st.none() | st.integers(1, 8),
        "top_p": st.none() | st.floats(0.1, 1.0),
        "min_p": st.none() | st.floats(0.0, 0.9),
        "repetition_penalty": st.sampled_from([1.0, 1.3]),
        "presence_penalty": st.sampled_from([0.0, 0.7]),
        "frequency_penalty": st.sampled_from([0.0, -0.4]),
        "bad_words": st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=2), max_size=2),
    }
)
ROW = hnp.arrays(np.float64, 8, elements=st.floats(-10, 10))


@given(ROW, st.lists(st.integers(0, 7), min_size=1, max_size=6), st.integers(0, 6), SETTINGS, st.booleans())
def test_stages_come_in_the_documented_order_and_the_record_has_each(logits, seen, start, settings, own):
    """Written out stage by stage, with Python's own numbers, in the order of tinylm/choose.py."""
    start = min(start, len(seen))
    choice = Choice(**settings, processors=[Halve()] if own else [])
    step = choice.step(logits, seen, np.random.default_rng(0), start)
    z, names = [float(x) for x in logits], []
    if own:
        z, names = [x / 2 for x in z], ["halve"]
        if start:
            z[seen[start - 1]] = -math.inf
        assert step.processed[0][1].tolist() == z
    if settings["bad_words"]:
        names.append("bad words")
        for *before, last in settings["bad_words"]:
            if seen[len(seen) - len(before) :] == before:
                z[last] = -math.inf
    r = settings["repetition_penalty"]
    if r != 1:
        names.append("repetition penalty")
        z = [(x / r if x > 0 else x * r) if i in seen else x for i, x in enumerate(z)]
    a, b = settings["presence_penalty"], settings["frequency_penalty"]
    if a or b:
        names.append("presence and frequency penalty")
        z = [x - (a + b * n) if (n := seen[start:].count(i)) else x for i, x in enumerate(z)]
    np.testing.assert_allclose(step.penalized, z, rtol=0, atol=1e-12)  # five roundings of numbers below 16
    assert [name for name, _ in step.processed] in (names, []), "the repetition penalty alone is `penalized`"
    assert step.logits is logits
    if settings["temperature"] == 0:
        assert step.uniform is step.typical is None
        assert step.token == max(range(8), key=lambda i: (step.penalized[i], -i))
        return
    np.testing.assert_array_equal(step.scaled, step.penalized / settings["temperature"])
    left = step.scaled
    if settings["typical_p"] is not None:
        assert step.typical.tolist() == keep_typical(probabilities(left), settings["typical_p"]).tolist()
        left = np.where(step.typical, left, -np.inf)
    plain = Choice(1.0, settings["top_k"], settings["top_p"], settings["min_p"])
    rest = plain.step(left, [], np.random.default_rng(0))
    np.testing.assert_allclose(step.p, rest.p, rtol=1e-12)
    assert step.token == rest.token
    assert step.p[step.penalized == -np.inf].sum() == 0


@given(ROW, st.floats(0.1, 1), st.sampled_from([0.5, 2.0]))
def test_typical_alone_draws_from_the_typical_ids_at_the_temperature(logits, mass, temperature):
    step = Choice(temperature, typical_p=mass).step(logits, [], np.random.default_rng(0))
    kept = keep_typical(probabilities(logits / temperature), mass)
    weights = np.where(kept, probabilities(logits / temperature), 0)
    np.testing.assert_allclose(step.p, weights / weights.sum(), rtol=1e-12)
    assert step.typical.tolist() == kept.tolist()


@given(ROW, st.lists(st.integers(0, 7), max_size=6), SETTINGS)
def test_new_stages_that_are_off_leave_the_record_as_it_was(logits, seen, settings):
    off = {"typical_p": None, "presence_penalty": 0.0, "frequency_penalty": 0.0, "bad_words": []}
    step = Choice(**(settings | off)).step(logits, seen, np.random.default_rng(1))
    assert step.processed == ()
    assert step.typical is None


# -- refusals ----------------------------------------------------------------------------------------------


class Gives:
    name = "mine"

    def __init__(self, row):
        self.row = row

    def __call__(self, logits, ids, start):
        return np.array(self.row, dtype=float)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.0, 0.0], r"'mine' must give \(3,\) logits back, got \(2,\)"),
        ([0.0, math.nan, 0.0], "'mine' gave NaN or"),
        ([0.0, math.inf, 0.0], "'mine' gave NaN or"),
        ([-math.inf] * 3, "after 'mine' no id is left"),
    ],
)
def test_a_processor_that_gives_no_row_to_choose_from_is_named(row, message):
    with pytest.raises(ValueError, match=message):
        process([Gives(row)], np.zeros(3), [], 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"typical_p": 0.0}, "typical_p must be above 0 and at most 1, got 0.0"),
        ({"typical_p": math.nan}, "typical_p must be"),
        ({"presence_penalty": 2.1}, "presence_penalty must be from -2 to 2"),
        ({"frequency_penalty": math.nan}, "frequency_penalty must be from -2 to 2"),
        ({"bad_words": [1, 2]}, r"bad_words takes sequences of token ids, \[\[5\], \[17, 3\]\]; got 1"),
        ({"bad_words": ["the"]}, "bad_words takes sequences of token ids"),
        ({"bad_words": [[]]}, "bad_words takes sequences of token ids"),
        ({"bad_words": [[-1]]}, "bad_words takes sequences of token ids"),
    ],
)
def test_settings_out_of_range_are_refused_with_what_to_type(settings, message):
    with pytest.raises(ValueError, match=message):
        Choice(**settings)


def test_an_empty_bad_string_is_refused():
    with pytest.raises(ValueError, match="must not be empty"):
        NeverText(["a", ""], {0: b"a"})
