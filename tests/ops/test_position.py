"""Rotary position: norms, distances, far positions, what it refuses."""

import math

import numpy as np
import pytest

import tinylm.functional as F
from tinylm import tensor

from . import laws
from .ladder import close, evaluate
from .strategies import values
from .test_ladder import climb


def test_turning_preserves_norms_of_values_and_gradients(device):
    climb(laws.check_rotation_preserves_norms, "rotary", device)


def test_only_the_distance_of_two_positions_matters(device):
    climb(laws.check_only_the_distance_matters, "rotary", device)


def test_position_0_changes_nothing(device):
    x = values(np.random.default_rng(0), (3, 4))
    y, (dx, _) = evaluate(F.rotary, (x, np.zeros(3, int)), device)
    assert (y == x).all()
    close(dx, np.random.default_rng(0).uniform(-1.0, 1.0, x.shape), 0)


def test_the_first_pair_turns_by_one_radian_a_position_counterclockwise(device):
    y, _ = evaluate(F.rotary, (np.array([[1.0, 0.0]]), np.array([1])), device)
    close(y, np.array([[math.cos(1), math.sin(1)]]), 1e-15)


def test_far_positions_are_exact_in_float32(device):
    x = np.ones((1, 2), np.float32)
    y, _ = evaluate(F.rotary, (x, np.array([1_000_003])), device)
    angle = 1_000_003.0
    wanted = np.array([[math.cos(angle) - math.sin(angle), math.cos(angle) + math.sin(angle)]])
    assert y.dtype == np.float32
    close(y, wanted, 4 * 2.0**-24 * 2)  # four roundings of numbers up to 1.5; float32 angles would be off by 0.03


@pytest.mark.parametrize(("x", "positions"), [((4,), ()), ((0, 4), (0,)), ((3, 0), (3,)), ((2, 0, 3, 2), (3,))])
def test_awkward_shapes(x, positions, device):
    y, (dx, _) = evaluate(F.rotary, (np.ones(x), np.ones(positions, int)), device)
    assert y.shape == dx.shape == x


def test_odd_widths_and_bad_positions_are_refused(device):
    x = tensor(np.ones((2, 3)), device=device)
    with pytest.raises(ValueError, match="last axis must be even, got 3 features"):
        F.rotary(x, [0, 1])
    with pytest.raises(ValueError, match="positions must be from 0 to"):
        F.rotary(tensor(np.ones((2, 4)), device=device), [0, -1])
    with pytest.raises(TypeError, match="positions must be whole numbers"):
        F.rotary(tensor(np.ones((2, 4)), device=device), [0.5, 1.0])
