"""Reductions: ties, empty axes, axes of NumPy's types, keepdims."""

import numpy as np
import pytest

import tinylm.functional as F

from . import laws
from .ladder import both_close, close, evaluate
from .strategies import values
from .test_ladder import climb

NAMES = ["sum", "mean", "var", "max", "min"]


@pytest.mark.parametrize("name", ["max", "min"])
def test_equal_extremes_share_the_gradient(name, device):
    climb(laws.check_ties_share_the_gradient, name, device)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axis", [0, -1, 1, (0, 2), (-1, 0), (), None])
def test_keepdims_only_keeps_the_axes(name, axis, device):
    x = values(np.random.default_rng(0), (2, 3, 4))
    f = getattr(F, name)
    kept = evaluate(lambda t: f(t, axis, keepdims=True), (x,), device)
    bare = evaluate(lambda t: f(t, axis), (x,), device)
    assert kept[0].shape == getattr(x, name)(axis=axis, keepdims=True).shape
    close(bare[0], kept[0].reshape(bare[0].shape), 0)
    close(bare[1][0], kept[1][0], 0)


@pytest.mark.parametrize("name", NAMES)
def test_one_axis_after_the_other_is_both_at_once(name, device):
    x = values(np.random.default_rng(0), (2, 3, 4))
    f = getattr(F, name)
    both = evaluate(lambda t: f(t, (0, 2)), (x,), device)
    if name == "var":  # the variance of all is the mean of variances and the variance of means
        then = evaluate(lambda t: F.mean(F.var(t, 2), 0) + F.var(F.mean(t, 2), 0), (x,), device)
    else:
        then = evaluate(lambda t: f(f(t, 2), 0), (x,), device)
    both_close(then, both, 1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_a_single_number_is_its_own_reduction(name, device):
    y, (dx,) = evaluate(getattr(F, name), (np.array(3.0),), device)
    weight = np.random.default_rng(0).uniform(-1.0, 1.0, ())
    assert y == (0.0 if name == "var" else 3.0)
    assert dx == (0.0 if name == "var" else weight)


@pytest.mark.parametrize("name", NAMES)
def test_empty_arrays_reduce_over_axes_that_have_numbers(name, device):
    y, (dx,) = evaluate(lambda t: getattr(F, name)(t, axis=1), (np.zeros((0, 3)),), device)
    assert y.shape == (0,)
    assert dx.shape == (0, 3)


def test_the_sum_of_nothing_is_0(device):
    y, (dx,) = evaluate(lambda t: F.sum(t, axis=0), (np.zeros((0, 3)),), device)
    assert y.tolist() == [0.0, 0.0, 0.0]
    assert dx.shape == (0, 3)


@pytest.mark.parametrize("name", ["max", "min"])
def test_nothing_has_no_extreme(name, device):
    with pytest.raises(ValueError, match="zero-size array"):
        evaluate(getattr(F, name), (np.zeros((2, 0)),), device)


def test_axes_may_be_numpys_whole_numbers():
    x = values(np.random.default_rng(0), (2, 3))
    for f in (F.sum, F.mean, F.var, F.max, F.min):
        whole = evaluate(lambda t, f=f: f(t, axis=np.int64(1)), (x,), "numpy")
        both_close(whole, evaluate(lambda t, f=f: f(t, axis=1), (x,), "numpy"), 0)


def test_the_variance_ignores_a_shift_and_divides_by_n(device):
    x = np.array([1.0, 2.0, 3.0, 6.0])
    y, (dx,) = evaluate(F.var, (x,), device)
    assert y == 3.5
    shifted, (dshifted,) = evaluate(F.var, (x + 1024,), device)
    close(shifted, y, 0)
    close(dshifted, dx, 0)
