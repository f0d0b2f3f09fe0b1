"""Nonlinearities: properties, extremes, and the accuracy of the normal distribution function."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinylm.functional as F
from tinylm import tensor, use_kernels
from tinylm.ops.activation import normal_cdf

from . import laws
from .cases import CASES
from .ladder import evaluate
from .test_ladder import climb

UNARY = ["relu", "gelu", "sigmoid", "silu", "tanh"]


@pytest.mark.parametrize("law", [laws.check_rows_sum_to_one, laws.check_gradients_of_rows_sum_to_zero])
def test_softmax_makes_distributions(law, device):
    climb(law, "softmax", device)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_ignores_shifts(name, device):
    climb(laws.check_shifts_change_nothing, name, device)


@pytest.mark.parametrize("name", [*UNARY, "softmax", "log_softmax"])
def test_inputs_of_ten_thousand_stay_finite(name, device):
    climb(laws.check_extremes_stay_finite, name, device)


@settings(max_examples=25)
@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=5))
def test_log_softmax_is_the_logarithm_of_softmax_where_that_is_not_0(numbers):
    x = np.array(numbers)
    p, logp = F.softmax(tensor(x)).numpy(), F.log_softmax(tensor(x)).numpy()
    # a difference of 1e4 is rounded by 1e4 · 1.1e-16, and with it the logarithm: 1e-12 with a few of them
    np.testing.assert_allclose(np.log(p[p > 1e-300]), logp[p > 1e-300], rtol=1e-12, atol=1e-11)


def test_log_softmax_is_exact_where_softmax_underflows(device):
    y = F.log_softmax(tensor(np.array([1e4, -1e4]), device=device)).numpy()
    assert y.tolist() == [0.0, -2e4]


def test_one_class_has_probability_1_and_no_gradient(device):
    for name in ("softmax", "log_softmax"):
        y, (dx,) = evaluate(getattr(F, name), (np.array([[3.0], [-1e4]]),), device)
        assert y.tolist() == [[1.0 if name == "softmax" else 0.0]] * 2
        assert dx.tolist() == [[0.0], [0.0]]


def test_softmax_of_no_numbers_is_refused_as_numpys_max_refuses_it(device):
    with pytest.raises(ValueError, match="zero-size"):
        F.softmax(tensor(np.zeros((2, 0)), device=device))


@pytest.mark.parametrize("z", [0.0, -0.0, 1e-300, 0.1, -0.7, 3.0, -3.0, -8.0, 8.0, -37.0, 40.0])
def test_the_normal_distribution_function_is_exact_in_both_tails(z):
    # 1e-14 relative by the series' design; e^{−z²/2} magnifies the rounding of z²/2 ≤ 700 to 700 · 1.1e-16 more
    wanted = math.erfc(-z / math.sqrt(2)) / 2
    assert float(normal_cdf(np, np.array(z))) == pytest.approx(wanted, rel=1e-14 + 8e-14 * (abs(z) > 8))


def test_exact_gelu_differs_from_its_tanh_form_by_less_than_five_ten_thousandths(device):
    x = tensor(np.linspace(-6, 6, 241), device=device)
    gap = np.abs(F.gelu(x).numpy() - F.gelu(x, approximate="tanh").numpy()).max()
    assert 4e-4 < gap < 5e-4  # 4.74e-4 near |x| = 2.7, the known distance of the two forms


@pytest.mark.parametrize("name", ["gelu", "sigmoid", "silu", "tanh"])
def test_whole_numbers_mean_the_same_as_floats(name, device):
    whole = getattr(F, name)(tensor(np.array([-2, 0, 3]), device=device)).numpy()
    assert whole.tolist() == getattr(F, name)(tensor(np.array([-2.0, 0.0, 3.0]), device=device)).numpy().tolist()


def test_the_slope_of_relu_at_0_is_0(device):
    _, (dx,) = evaluate(F.relu, (np.zeros(3),), device)
    assert dx.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_gelu_names_its_forms(kernels):
    with use_kernels(kernels), pytest.raises(ValueError, match='"none" or "tanh", got \'erf\''):
        F.gelu(tensor([1.0]), approximate="erf")


@pytest.mark.parametrize("n", [0, 1, 32767, 32768, 32769])
def test_gelu_is_the_same_on_both_sides_of_its_chunks(n):
    x = np.random.default_rng(0).standard_normal(n)
    y, (dx,) = evaluate(F.gelu, (x,), "numpy")
    for i in {0, n // 2, n - 1} if n else ():
        one, (slope,) = evaluate(F.gelu, (x[i : i + 1],), "numpy")
        assert y[i] == pytest.approx(one[0], rel=1e-15)
        weights = np.random.default_rng(0).uniform(-1.0, 1.0, n)
        assert dx[i] / weights[i] == pytest.approx(slope[0] / np.random.default_rng(0).uniform(-1.0, 1.0, 1)[0])


def test_the_cases_of_this_family_cover_both_forms_of_gelu():
    forms = set()

    @given(CASES["gelu"].examples)
    def look(example):
        forms.add(example.settings["approximate"])

    look()
    assert forms == {"none", "tanh"}
