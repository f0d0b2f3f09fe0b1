"""The small task of the notebooks: rows that repeat a pattern, and the least loss on them."""

import math
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm.course.tasks import repeats, repeats_floor

SIZES = {
    "letters": st.integers(1, 5),
    "period": st.integers(1, 5),
    "length": st.integers(1, 12),
    "batch": st.integers(1, 4),
}


@given(st.fixed_dictionaries(SIZES), st.integers(0, 3))
def test_a_row_repeats_its_first_letters_and_y_is_one_letter_later(sizes, seed):
    x, y = next(repeats(**sizes, seed=seed))
    assert x.shape == y.shape == (sizes["batch"], sizes["length"])
    for first, later in zip(x.tolist(), y.tolist(), strict=True):
        row = [first[0], *later]
        assert row[:-1] == first
        assert all(row[t] == row[t - sizes["period"]] for t in range(sizes["period"], len(row)))
        assert all(0 <= letter < sizes["letters"] for letter in row)


def test_patterns_are_uniform_and_independent_of_each_other():
    pairs = Counter()
    for x, _ in islice(repeats(letters=3, period=2, length=2, batch=50), 60):
        pairs.update(map(tuple, x.tolist()))
    assert len(pairs) == 9
    # 3000 rows, 9 pairs: 333 each, standard deviation √(3000 · 1/9 · 8/9) = 17; six of them
    assert all(abs(count - 3000 / 9) < 6 * 17.3 for count in pairs.values())


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    one, two, other = (next(repeats(seed=seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


@given(st.fixed_dictionaries({name: SIZES[name] for name in ("letters", "period", "length")}))
def test_the_floor_is_the_loss_of_one_who_knows_all_that_can_be_known(sizes):
    # the letters that a row has not shown yet cost ln(letters) each, the others nothing
    losses = [math.log(sizes["letters"]) if t + 1 < sizes["period"] else 0.0 for t in range(sizes["length"])]
    assert repeats_floor(**sizes) == pytest.approx(sum(losses) / len(losses))


@pytest.mark.parametrize("name", ["letters", "period", "length", "batch"])
def test_a_size_below_one_is_refused_at_once(name):
    with pytest.raises(ValueError, match=f"{name} must be 1 or more, got 0"):
        repeats(**{name: 0})
