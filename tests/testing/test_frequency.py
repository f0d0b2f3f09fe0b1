"""The sequential test of frequencies: how seldom it accuses the right, and how soon it finds the wrong."""

import math

import numpy as np
import pytest

from tinylm.testing import FrequencyTest

P = np.array([0.5, 0.25, 0.125, 0.0625, 0.0625])


def first_alarm(p, r, draws, false_alarm, seed):
    """The number of draws from r after which p is refuted; infinity where it never is."""
    test = FrequencyTest(p, false_alarm)
    for n, i in enumerate(np.random.default_rng(seed).choice(len(r), draws, p=r), 1):
        if test.see([i]).refuted:
            return n
    return math.inf


def test_the_right_is_accused_no_more_often_than_stated_however_often_one_looks():
    rate, runs = 0.1, 300
    alarms = sum(first_alarm(P, P, 300, rate, seed) < math.inf for seed in range(runs))
    # were the rate 0.1, more than 47 of 300 would come once in a thousand (binomial)
    assert alarms <= 47
    assert alarms >= 1  # it is a test, not a stone


def test_the_evidence_is_1_on_average_while_the_claim_is_true():
    """Every sequence of four draws, weighed by its probability: an oracle without chance."""
    p = np.array([0.5, 0.25, 0.25])
    total = 0.0
    for places in np.ndindex(3, 3, 3, 3):
        test = FrequencyTest(p).see(places)
        total += math.exp(test.log_evidence) * float(np.prod(p[list(places)]))
    assert total == pytest.approx(1, abs=1e-12)


def test_the_wrong_is_found_in_about_as_many_draws_as_theory_says():
    bent = P**1.5 / (P**1.5).sum()
    divergence = float((bent * np.log(bent / P)).sum())
    found = [first_alarm(P, bent, 5000, 1e-6, seed) for seed in range(20)]
    needed = (math.log(1e6) + len(P) / 2 * math.log(5000)) / divergence  # evidence, and the price of not knowing r
    assert max(found) < 4 * needed
    assert np.median(found) < needed


def test_a_uniform_sampler_of_a_bent_distribution_is_found_soon():
    assert first_alarm(P, np.full(5, 0.2), 1000, 1e-6, 0) < 150


def test_a_draw_that_cannot_come_refutes_at_once_and_for_ever():
    test = FrequencyTest([1.0, 0.0])
    assert not test.see([0] * 50).refuted
    assert test.see([1]).refuted
    assert test.see([0] * 1000).refuted
    assert test.draws == 1051


def test_a_certainty_is_never_refuted():
    test = FrequencyTest([1.0]).see([0] * 500)
    assert test.log_evidence == 0
    assert not test.refuted
    assert "not refuted after 500 draws" in repr(test)


@pytest.mark.parametrize("p", [[0.5, 0.6], [1.5, -0.5], [[1.0]], [np.nan, 1.0]])
def test_what_is_no_distribution_is_refused(p):
    with pytest.raises(ValueError, match="sum to 1"):
        FrequencyTest(p)


def test_bad_settings_and_draws_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        FrequencyTest([1.0], false_alarm=0)
    with pytest.raises(ValueError, match="outside of 0 … 1"):
        FrequencyTest([0.5, 0.5]).see([2])
    test = FrequencyTest([0.5, 0.5])
    for draw in (0.9, np.float32(0.5), -0.5, "1"):
        with pytest.raises(ValueError, match="is no id: ids are whole numbers"):
            test.see([draw])
    assert test.draws == 0
    assert test.see([1.0, np.int32(0), True]).counts.tolist() == [1, 2]


def test_draws_that_depend_on_each_other_pass_as_is_said():
    assert not FrequencyTest([0.5, 0.5]).see([0, 1] * 2000).refuted
    assert "not tested" in FrequencyTest.__doc__
