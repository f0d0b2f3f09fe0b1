"""The law of slopes: right code of hard functions is not accused, and wrong code of the same functions is found."""

import math

import numpy as np
import pytest

from tinylm.testing import Differentiable, InputError, LawBroken, arrays, broadcastable, check_law, laws, must_hold

HARD = {  # name → (function, its slope): poles, steep steps, quick waves and kinks
    "1/x²": (lambda x: 1 / (x * x), lambda x: -2 / x**3),
    "1/x³": (lambda x: 1 / x**3, lambda x: -3 / x**4),
    "tan": (np.tan, lambda x: 1 + np.tan(x) ** 2),
    "tanh(20x)": (lambda x: np.tanh(20 * x), lambda x: 20 / np.cosh(20 * x) ** 2),
    "sin(100x)": (lambda x: np.sin(100 * x), lambda x: 100 * np.cos(100 * x)),
    "sin(400x)": (lambda x: np.sin(400 * x), lambda x: 400 * np.cos(400 * x)),
    "exp(x²)": (lambda x: np.exp(x * x), lambda x: 2 * x * np.exp(x * x)),
    "|x|": (np.abs, np.sign),
    "|x| x": (lambda x: np.abs(x) * x, lambda x: 2 * np.abs(x)),
    "√|x|³": (lambda x: np.abs(x) ** 1.5, lambda x: 1.5 * np.sign(x) * np.sqrt(np.abs(x))),
    "∛x": (np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)),
    "hinge beside 0": (lambda x: np.maximum(x - 0.001, 0), lambda x: (x > 0.001) * 1.0),
}
FLAT = {  # jumps; everywhere else the slope is 0
    "sign": np.sign,
    "heaviside": lambda x: np.heaviside(x, 0.5),
    "heaviside from the right": lambda x: np.heaviside(x, 1.0),
    "round": lambda x: np.round(2 * x),
    "floor": np.floor,
}


def function(name, dtype, times=1.0):
    """One of the two, with `times` its slope as gradient."""
    f, slope = HARD[name] if name in HARD else (FLAT[name], np.zeros_like)

    def backward(dy, x):
        with np.errstate(all="ignore"):
            return [(times * dy * slope(np.asarray(x, np.float64))).astype(dtype)]

    def forward(x):
        with np.errstate(all="ignore"):
            return f(np.asarray(x, dtype)).astype(dtype)

    return Differentiable(forward, backward)


ONE = arrays(()).map(lambda x: (x,))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*HARD, *FLAT])
def test_right_code_is_not_accused(name, dtype):
    must_hold(laws.gradients_are_numerical, function(name, dtype), arrays=ONE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("times", [0.5, 1.1, -1.0])
@pytest.mark.parametrize("name", HARD)
def test_wrong_code_is_found(name, times, dtype):
    if dtype == np.float32 and name in ("sin(100x)", "sin(400x)"):  # a wave and more within a step: nothing is asked
        assert check_law(laws.gradients_are_numerical, function(name, dtype, times), arrays=ONE).held
    elif (dtype, times, name) == (np.float32, 1.1, "|x|"):
        tried = check_law(laws.gradients_are_numerical, function(name, dtype, 1.2), arrays=ONE)
        assert not tried.held
    else:
        assert not check_law(laws.gradients_are_numerical, function(name, dtype, times), arrays=ONE).held


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FLAT)
def test_a_slope_beside_a_jump_is_found(name, dtype):
    right = function(name, dtype)
    wrong = Differentiable(right.forward, lambda dy, x: [dy * 0 + 0.5])
    assert not check_law(laws.gradients_are_numerical, wrong, arrays=ONE).held


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_of_two_arguments_are_not_accused_where_they_jump_or_have_poles(dtype):
    def quotient(times):
        def backward(dy, x, y):
            with np.errstate(all="ignore"):
                return [np.sum(dy / y**2, axis=None, keepdims=False), times * np.sum(-2 * dy * x / y**3)]

        def forward(x, y):
            with np.errstate(all="ignore"):
                return np.asarray(x / (y * y), dtype)

        return Differentiable(forward, backward, 2)

    def angle(x, y):
        with np.errstate(all="ignore"):
            return np.asarray(np.arctan2(x, y), dtype)

    def angles(dy, x, y):
        with np.errstate(all="ignore"):
            square = x * x + y * y
            return [np.nan_to_num(dy * y / square), np.nan_to_num(-dy * x / square)]

    two = broadcastable(max_dims=0)
    must_hold(laws.gradients_are_numerical, quotient(1.0), arrays=two)
    must_hold(laws.gradients_are_numerical, Differentiable(angle, angles, 2), arrays=two)
    laws.gradients_are_numerical(Differentiable(angle, angles, 2), arrays=(0.0, 0.0))
    assert not check_law(laws.gradients_are_numerical, quotient(0.5), arrays=two).held


def test_the_point_beside_the_pole_is_asked_about_where_the_step_is_small_enough():
    right, wrong = (function("1/x²", np.float32, times) for times in (1.0, 0.95))
    laws.gradients_are_numerical(right, arrays=(np.array(0.25),))
    with pytest.raises(LawBroken, match="the slope is -12"):
        laws.gradients_are_numerical(wrong, arrays=(np.array(0.25),))


def test_steps_are_in_no_ratio_in_which_a_wave_looks_flat_to_both():
    """sin(ωx) with a whole number of waves in one of the steps, and so for ever flat to it."""
    for step in (5 / 512, 3 / 512, 1 / 64, 1 / 128):
        rate = 2 * math.pi / step
        wave = Differentiable(
            lambda x, rate=rate: np.sin(rate * np.asarray(x, np.float64)).astype(np.float32),
            lambda dy, x, rate=rate: [dy * rate * np.cos(rate * x)],
        )
        laws.gradients_are_numerical(wave, arrays=(np.array(0.0),))


def test_arguments_are_taken_as_numpy_takes_them():
    square = Differentiable(lambda x: x * x, lambda dy, x: [2 * dy * x])
    for law in (laws.gradients_are_numerical, laws.gradients_have_the_shapes_of_operands, laws.gradients_add_up):
        for given in (([1.0, 2.0],), ([1, 2],), [np.array([1, 2])], (3,), (np.float32(3),)):
            law(square, arrays=given)
        for given in (np.array([1.0, 2.0]), 3, (1.0, 2.0), (["a"],), ([[1.0], [1.0, 2.0]],), (None,)):
            with pytest.raises(InputError, match="arrays"):
                law(square, arrays=given)
    with pytest.raises(LawBroken, match="slope is 2"):
        laws.gradients_are_numerical(Differentiable(lambda x: x * x, lambda dy, x: [dy * x]), arrays=([1, 2],))
