"""Generation: every stage promises something, and the record of a choice adds up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinylm import GPT, GPTConfig
from tinylm.sample import (
    generate,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
    pick,
    probabilities,
    sampling,
)

LOGITS = hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-30, 30))
MODEL = GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=8), seed=2)
DOUBLE = GPT(MODEL.config, seed=2, dtype=np.float64)  # no two ways round so far apart that a choice could change


@given(LOGITS, st.integers(1, 15))
def test_top_k_keeps_the_k_largest_and_smaller_ids_among_equals(logits, k):
    best = sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:k]
    assert set(np.flatnonzero(keep_top_k(logits, k))) == set(best)


@given(LOGITS, st.floats(0.01, 1.0))
def test_top_p_keeps_the_fewest_that_reach_p(logits, top_p):
    p = probabilities(logits)
    kept = keep_top_p(p, top_p)
    mass = p[kept].sum()
    assert kept.any()
    assert mass >= top_p - 1e-12  # a sum of 12 numbers rounds by less
    assert kept.sum() == 1 or mass - p[kept].min() < top_p + 1e-12  # without the last one it would not reach
    assert kept.all() or p[~kept].max() <= p[kept].min()


def test_the_token_that_crosses_p_belongs_to_the_nucleus():
    assert keep_top_p(np.array([0.4, 0.35, 0.25]), 0.5).tolist() == [True, True, False]


@pytest.mark.parametrize("spread", [0.0, 0.1, 3.0])
def test_filters_of_a_large_vocabulary_are_those_of_sorting_all_of_it(spread):
    logits = np.round(np.random.default_rng(0).normal(0, spread, 50257), 2)  # many are equal
    p = probabilities(logits)
    order = sorted(range(len(p)), key=lambda i: (-logits[i], i))
    for k in (1, 50, 50256, 50257, 60000):
        assert np.flatnonzero(keep_top_k(logits, k)).tolist() == sorted(order[:k])
    ends = np.cumsum(p[order])
    for top_p in (1e-9, 0.5, 0.95, 0.999999):
        count = int(np.searchsorted(ends, top_p)) + 1
        assert np.flatnonzero(keep_top_p(p, top_p)).tolist() == sorted(order[:count])


@given(LOGITS, st.floats(0, 1))
def test_min_p_keeps_what_is_not_too_far_below_the_best(logits, min_p):
    p = probabilities(logits)
    assert keep_min_p(p, min_p).tolist() == [bool(x >= min_p * max(p)) for x in p]


@given(LOGITS, st.data(), st.floats(1.0, 3.0))
def test_the_penalty_lowers_seen_ids_and_no_others(logits, data, penalty):
    seen = data.draw(st.lists(st.integers(0, len(logits) - 1), max_size=6))
    after = penalize_repetition(logits, seen, penalty)
    for i, (old, new) in enumerate(zip(logits, after, strict=True)):
        assert new <= old if i in seen else new == old


@given(LOGITS)
def test_probabilities_are_positive_and_add_up_to_one(logits):
    p = probabilities(logits)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert (p >= 0).all()
    shifted = probabilities(logits + 7.0)
    np.testing.assert_allclose(shifted, p, rtol=1e-12)  # shifting moves each exponent by a rounding of 37 at most


@given(LOGITS, st.floats(0, 1, exclude_max=True))
def test_pick_finds_the_interval_by_walking_along_it(logits, uniform):
    p = probabilities(np.where(np.arange(len(logits)) % 3 == 1, -np.inf, logits))
    walked, chosen = 0.0, None
    for i, part in enumerate(p):
        walked += part
        if uniform * p.sum() < walked:
            chosen = i
            break
    token = pick(p, uniform)
    assert p[token] > 0, "an id that was filtered out is never chosen"
    if chosen is not None and abs(walked - uniform) > 1e-9:  # at a border rounding decides
        assert token == chosen


def test_frequencies_match_probabilities():
    step = next(sampling(MODEL, [1, 2], 1, seed=0))
    p = step.p
    counts = np.bincount([pick(p, u) for u in np.random.default_rng(0).random(20000)], minlength=11)
    expected = p * 20000
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 35.6  # the 0.9999 quantile of χ² with 10 degrees of freedom


settings = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        "top_k": st.none() | st.integers(1, 11),
        "top_p": st.none() | st.floats(0.1, 1.0),
        "min_p": st.none() | st.floats(0.0, 0.9),
        "repetition_penalty": st.sampled_from([1.0, 1.3]),
    }
)


@given(settings, st.lists(st.integers(0, 10), min_size=1, max_size=8), st.integers(0, 5))
def test_the_record_of_a_choice_adds_up(chosen, prompt, seed):
    for step in sampling(MODEL, prompt, 3, seed=seed, **chosen):
        assert step.p.sum() == pytest.approx(1, abs=1e-12)
        assert step.p[step.token] > 0
        for kept in (step.top_k, step.top_p, step.min_p):
            assert kept is None or (kept[step.token] and not step.p[~kept].any())
        if chosen["temperature"] == 0:
            assert step.uniform is None
            assert step.token == int(np.argmax(step.penalized))
        else:
            np.testing.assert_array_equal(step.scaled, step.penalized / chosen["temperature"])
            assert step.token == pick(step.p, step.uniform)


@given(settings, st.lists(st.integers(0, 10), min_size=1, max_size=8), st.integers(0, 5))
def test_the_cache_changes_no_token_also_past_the_context(chosen, prompt, seed):
    with_cache = list(generate(DOUBLE, prompt, 12, seed=seed, use_cache=True, **chosen))
    assert with_cache == list(generate(DOUBLE, prompt, 12, seed=seed, use_cache=False, **chosen))


def test_a_seed_means_the_same_text_and_another_seed_another():
    texts = {seed: tuple(generate(MODEL, [3], 20, seed=seed)) for seed in (1, 2)}
    assert texts[1] == tuple(generate(MODEL, [3], 20, seed=1))
    assert texts[1] != texts[2]


def test_greedy_is_what_a_very_low_temperature_or_top_1_gives():
    greedy = list(generate(MODEL, [3], 10, temperature=0))
    assert list(generate(MODEL, [3], 10, temperature=1e-6, seed=0)) == greedy
    assert list(generate(MODEL, [3], 10, top_k=1, seed=0)) == greedy


def test_generation_ends_with_a_stop_id():
    ids = list(generate(MODEL, [3], 50, seed=4))
    stop = ids[5]
    assert list(generate(MODEL, [3], 50, seed=4, stop=[stop])) == ids[: ids.index(stop) + 1]


def test_sampling_leaves_the_mode_of_the_model_and_gradients_alone():
    MODEL.train()
    steps = sampling(MODEL, [1], 2, seed=0)
    next(steps)
    assert MODEL.training
    x = MODEL.wte.weight * 1.0  # recording is still on between two tokens
    assert x.requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": [11]}, "has id 11; this model's vocabulary is 0 … 10"),
        ({"ids": [-1]}, "has id -1"),
        ({"ids": []}, "prompt is empty"),
        ({"ids": [1] * 9}, "9 tokens, the model's context is 8"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"min_p": -0.1}, "min_p"),
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
    ],
)
def test_settings_out_of_range_are_refused_before_the_first_token(change, message):
    with pytest.raises(ValueError, match=message):
        sampling(MODEL, **{"ids": [1], "max_new_tokens": 1, **change})
