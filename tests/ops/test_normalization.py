"""Norms: mean 0 and variance 1, invariances, one feature, no rows."""

import numpy as np
import pytest

import tinylm.functional as F

from . import laws
from .ladder import evaluate
from .test_ladder import climb


def test_normalized_rows_have_mean_0_and_variance_1(device):
    climb(laws.check_normalized_rows, "layer_norm", device)


def test_rows_have_root_mean_square_1(device):
    climb(laws.check_unit_root_mean_square, "rms_norm", device)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_the_scale_of_rows_does_not_matter(name, device):
    climb(laws.check_scale_of_rows_does_not_matter, name, device)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_inputs_of_ten_thousand_stay_finite(name, device):
    climb(laws.check_extremes_stay_finite, name, device)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
@pytest.mark.parametrize("rows", [(), (0,), (2, 0), (1,)])
def test_any_number_of_rows(name, rows, device):
    arrays = np.ones((*rows, 3)), np.ones(3)
    y, gradients = evaluate(getattr(F, name), arrays, device)
    assert y.shape == (*rows, 3)
    assert [g.shape for g in gradients] == [(*rows, 3), (3,)]


def test_one_feature_is_its_own_mean(device):
    arrays = np.array([[5.0], [-7.0]]), np.array([2.0]), np.array([0.5])
    y, (dx, _, _) = evaluate(F.layer_norm, arrays, device)
    assert y.tolist() == [[0.5], [0.5]]
    assert not dx.any()


def test_equal_features_are_saved_by_eps(device):
    y, (dx, _) = evaluate(F.layer_norm, (np.full((1, 4), 3.0), np.ones(4)), device)
    assert not y.any()
    assert np.isfinite(dx).all()
    y, (dx, _) = evaluate(F.rms_norm, (np.zeros((1, 4)), np.ones(4)), device)
    assert not y.any()
    assert np.isfinite(dx).all()
