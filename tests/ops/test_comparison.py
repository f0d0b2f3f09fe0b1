"""Comparisons: truth values that fit together, no gradient, numbers on either side."""

import numpy as np
import pytest
from hypothesis import given, settings

import tinylm.functional as F
from tinylm import tensor

from .cases import CASES, COMPARISON
from .ladder import evaluate
from .test_ladder import PART

PAIRS = [("greater", "less_equal"), ("less", "greater_equal"), ("equal", "not_equal")]


@settings(max_examples=PART)
@given(example=CASES["equal"].examples)
@pytest.mark.parametrize(("name", "opposite"), PAIRS)
def test_of_two_opposites_exactly_one_holds(name, opposite, example, device):
    yes, _ = evaluate(getattr(F, name), example.arrays, device)
    no, _ = evaluate(getattr(F, opposite), example.arrays, device)
    assert (yes ^ no).all()


@settings(max_examples=PART)
@given(example=CASES["equal"].examples)
def test_exactly_one_of_less_equal_and_greater_holds(example, device):
    held = sum(
        evaluate(getattr(F, name), example.arrays, device)[0].astype(int) for name in ("less", "equal", "greater")
    )
    assert (held == 1).all()


@settings(max_examples=PART)
@given(example=CASES["argmax"].examples)
def test_argmax_finds_the_first_maximum(example, device):
    (x,), axis = example.arrays, example.settings["axis"]
    place = evaluate(lambda t: F.argmax(t, axis), (x,), device)[0]
    flat, along = (x.reshape(-1), 0) if axis is None else (x, axis)
    lined = np.moveaxis(flat, along, -1) if flat.ndim else flat.reshape(1)
    for row, found in zip(lined.reshape(-1, lined.shape[-1]), place.reshape(-1), strict=True):
        assert row.tolist().index(max(row.tolist())) == found


@pytest.mark.parametrize("name", sorted(COMPARISON))
def test_comparisons_record_no_gradient(name, device):
    x = tensor(np.array([1.0, 2.0]), requires_grad=True, device=device)
    y = getattr(F, name)(x) if name == "argmax" else getattr(F, name)(x, 1.5)
    assert not y.requires_grad


def test_nan_is_different_from_everything(device):
    x = tensor(np.array([np.nan, 1.0]), device=device)
    assert [(x == x).tolist(), (x != x).tolist(), (x < x).tolist()] == [[False, True], [True, False], [False, False]]


def test_numbers_may_stand_on_either_side(device):
    x = tensor(np.array([1.0, 2.0, 3.0]), device=device)
    two = 2
    assert (x > two).tolist() == (two < x).tolist() == [False, False, True]
    assert (x >= two).tolist() == (two <= x).tolist() == [False, True, True]
