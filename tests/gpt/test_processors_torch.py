"""The same stages in Hugging Face's transformers, live: each alone, and several in its order where ours is the same."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tinylm.choose import Choice, keep_top_p, penalize_repetition, probabilities
from tinylm.processors import BadWords, keep_typical

pytestmark = pytest.mark.torch
once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

V = 16
ROWS = st.integers(0, 10**6).map(lambda seed: np.random.default_rng(seed).normal(0, 3, V))  # no two of them equal
IDS = st.lists(st.integers(0, V - 1), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def theirs():
    """Calls one of their processors on a row and ids, in float64."""
    torch = pytest.importorskip("torch")
    process = pytest.importorskip("transformers.generation.logits_process")

    def call(name, row, ids=(0,), **settings):
        made = getattr(process, name)(**settings)
        return made(torch.tensor([list(ids)]), torch.as_tensor(row)[None].clone())[0].numpy()

    return call


@once
@given(ROWS, IDS, st.floats(0.5, 3))
def test_repetition_penalty(theirs, row, ids, penalty):
    found = theirs("RepetitionPenaltyLogitsProcessor", row, ids, penalty=penalty)
    np.testing.assert_allclose(penalize_repetition(row, ids, penalty), found, rtol=1e-15)


@once
@given(ROWS, IDS, st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=3), min_size=1, max_size=4))
def test_bad_words(theirs, row, ids, words):
    found = theirs("NoBadWordsLogitsProcessor", row, ids, bad_words_ids=words)
    np.testing.assert_array_equal(BadWords(words)(row, ids, 0), found)


@once
@given(ROWS, st.floats(0.05, 0.99))
def test_typical(theirs, row, mass):
    p = probabilities(row)
    order = np.argsort(np.abs(-np.log(p) + (p * np.log(p)).sum()))
    assume(np.abs(np.cumsum(p[order]) - mass).min() > 1e-9)  # else a rounding decides
    found = theirs("TypicalLogitsWarper", row, mass=mass)
    assert keep_typical(p, mass).tolist() == np.isfinite(found).tolist()


@once
@given(ROWS, IDS, st.floats(0.3, 3), st.integers(1, V), st.floats(0.05, 0.99), st.floats(0, 0.9))
def test_repetition_temperature_top_k_top_p_and_min_p_one_after_the_other(theirs, row, ids, t, k, top_p, min_p):
    found = theirs("RepetitionPenaltyLogitsProcessor", row, ids, penalty=1.3)
    found = theirs("TemperatureLogitsWarper", found, temperature=t)
    found = theirs("TopKLogitsWarper", found, top_k=k)
    p = np.sort(probabilities(found))[::-1]
    assume(min(np.abs(np.cumsum(p) - top_p).min(), np.abs(p - min_p * p[0]).min()) > 1e-9)
    left = np.where(keep_top_p(probabilities(found), top_p), found, -np.inf)
    assume(np.abs(probabilities(left) - min_p * probabilities(left).max()).min() > 1e-9)
    found = theirs("TopPLogitsWarper", found, top_p=top_p)
    found = theirs("MinPLogitsWarper", found, min_p=min_p)
    step = Choice(t, k, top_p, min_p, 1.3).step(row, ids, np.random.default_rng(0))
    np.testing.assert_allclose(step.p, probabilities(found), rtol=1e-9, atol=1e-300)
