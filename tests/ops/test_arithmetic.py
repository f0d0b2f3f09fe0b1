"""Arithmetic: broadcasting, edge values of powers, Python numbers, ties and mixed precision."""

import numpy as np
import pytest
from hypothesis import given, settings

import tinylm.functional as F
from tinylm import gradcheck, tensor, use_device

from .cases import CASES
from .ladder import both_close, close, evaluate
from .strategies import broadcastable, generators, values
from .test_ladder import PART


@settings(max_examples=PART)
@given(rng=generators, shapes=broadcastable(2))
@pytest.mark.parametrize("name", ["add", "multiply", "subtract", "divide", "maximum", "minimum", "power"])
def test_broadcasting_equals_repeating_by_hand(name, rng, shapes, device):
    a, b = np.abs(values(rng, shapes[0])), values(rng, shapes[1]) * 1.01
    full = np.broadcast_shapes(*shapes)
    y, (da, db) = evaluate(getattr(F, name), (a.reshape(shapes[0]), b), device)
    wide, (dwide_a, dwide_b) = evaluate(getattr(F, name), (np.broadcast_to(a, full), np.broadcast_to(b, full)), device)
    assert (y == wide).all()
    for narrow, gradient in ((da, dwide_a), (db, dwide_b)):
        extra = gradient.ndim - narrow.ndim
        ones = tuple(extra + i for i, n in enumerate(narrow.shape) if n != gradient.shape[extra + i])
        # at most 27 summands, in another order
        close(narrow, gradient.sum(axis=(*range(extra), *ones)).reshape(narrow.shape), 27 * 2.0**-52)


@settings(max_examples=PART)
@given(rng=generators, shapes=broadcastable(2))
def test_subtraction_undoes_addition_in_gradients_too(rng, shapes, device):
    a, b = values(rng, shapes[0]), values(rng, shapes[1])
    both_close(
        evaluate(lambda x, y: (x + y) - y, (a, b), device), evaluate(lambda x, y: x + 0 * y, (a, b), device), 1e-14
    )


@settings(max_examples=PART)
@given(example=CASES["log"].examples)
def test_exp_log_and_sqrt_undo_each_other(example, device):
    for there_and_back in (lambda x: x.log().exp(), lambda x: x.sqrt() * x.sqrt(), lambda x: (x * x).sqrt()):
        both_close(
            evaluate(there_and_back, example.arrays, device), evaluate(lambda x: x * 1, example.arrays, device), 1e-14
        )


@settings(max_examples=PART)
@given(example=CASES["sin"].examples)
def test_sine_and_cosine_lie_on_the_unit_circle(example, device):
    y, (dx,) = evaluate(lambda x: F.sin(x) ** 2 + F.cos(x) ** 2, example.arrays, device)
    close(y, np.ones_like(y), 1e-15)
    close(dx, np.zeros_like(dx), 1e-15)


@pytest.mark.parametrize("exponent", [-2, -1, 0, 1, 2, 3, 0.5, 2.5, -0.5])
def test_powers_with_a_number_for_exponent(exponent, device):
    base = np.array([0.5, 1.0, 2.0] if exponent % 1 else [-2.0, -0.5, 0.5, 3.0])
    with use_device(device):
        gradcheck(lambda x: x**exponent, base)
    y, (dx,) = evaluate(lambda x: x**exponent, (base.astype(np.float32),), device)
    assert y.dtype == dx.dtype == np.float32
    assert y.tolist() == pytest.approx([b**exponent for b in base.tolist()], rel=1e-6)  # a few roundings of 6e-8


@pytest.mark.parametrize(("exponent", "slope"), [(0, 0.0), (1, 1.0), (2, 0.0), (3, 0.0)])
@pytest.mark.parametrize("spelling", ["number", "array"])
def test_powers_of_0_have_the_slope_of_the_polynomial(exponent, slope, spelling, device):
    power = exponent if spelling == "number" else tensor(np.array([float(exponent)]), device=device)
    y, (dx,) = evaluate(lambda x: (x**power).sum(), (np.zeros(1),), device)
    assert y == 0.0**exponent
    weight = np.random.default_rng(0).uniform(-1.0, 1.0, ())
    assert dx.tolist() == [slope * weight]


def test_exponents_have_gradients_also_for_a_number_and_for_base_0(device):
    with use_device(device):
        gradcheck(lambda x: 2**x, np.array([-1.0, 0.0, 2.5]))
        gradcheck(lambda x: tensor(np.array([2.0, 3.0, 0.5])) ** x, np.array([-1.0, 0.0, 2.5]))
    _, (dx,) = evaluate(lambda x: 0**x, (np.array([1.0, 2.0]),), device)
    assert dx.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("exponents", [[2, 3, -1], [0, 1, 2]])
def test_negative_bases_take_whole_exponents_from_an_array(exponents, device):
    whole = tensor(np.array(exponents), device=device)
    with use_device(device):
        gradcheck(lambda x: x**whole, np.array([-1.0, -2.0, -3.0]))


@pytest.mark.parametrize("number", [2, 0.5, True, np.float64(0.5), np.int64(2)])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum"])
def test_numbers_take_the_dtype_of_the_array_on_either_side(name, number, device):
    f = getattr(F, name)
    for call in (lambda x: f(x, number), lambda x: f(number, x)):
        y, (dx,) = evaluate(call, (np.array([1.5, 3.0], np.float32),), device)
        assert y.dtype == dx.dtype == np.float32


def test_mixed_precision_promotes_and_each_gradient_comes_back_in_its_own_type(device):
    narrow, wide = np.array([1.5, 3.0], np.float32), np.array([[0.5], [2.0]])
    for name in ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum"):
        y, (da, db) = evaluate(getattr(F, name), (narrow, wide), device)
        assert (y.dtype, da.dtype, db.dtype) == (np.float64, np.float32, np.float64)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_equal_numbers_share_the_gradient_in_halves(name, device):
    y, (da, db) = evaluate(getattr(F, name), (np.ones(4), np.ones(4)), device)
    assert y.tolist() == [1.0] * 4
    assert da.tolist() == db.tolist()
    close(da + db, np.random.default_rng(0).uniform(-1.0, 1.0, 4), 0)


def test_where_passes_no_gradient_to_what_was_not_chosen(device):
    condition = np.array([True, False])
    y, (_, da, db) = evaluate(F.where, (condition, np.array([1.0, np.inf]), np.array([np.nan, 2.0])), device)
    assert y.tolist() == [1.0, 2.0]
    weights = np.random.default_rng(0).uniform(-1.0, 1.0, 2)
    assert (da == weights * condition).all()
    assert (db == weights * ~condition).all()


def test_the_slope_of_the_absolute_value_at_0_is_0(device):
    assert evaluate(F.absolute, (np.zeros(2),), device)[1][0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("source", "target"), [("float32", "float64"), ("float64", "float32"), ("float64", "float64")])
def test_conversion_brings_gradients_back(source, target, device):
    x = values(np.random.default_rng(0), (2, 3)).astype(source)
    y, (dx,) = evaluate(lambda t: F.astype(t, target), (x,), device)
    assert (y.dtype, dx.dtype) == (np.dtype(target), np.dtype(source))
    assert (y == x.astype(target)).all()


def test_conversion_to_whole_numbers_records_nothing(device):
    y = F.astype(tensor(np.array([1.7, -1.7]), requires_grad=True, device=device), np.int64)
    assert y.numpy().tolist() == [1, -1]
    assert not y.requires_grad


def test_mixed_owners_are_refused_by_op_and_argument():
    ours, theirs = tensor([1.0], device="numpy"), tensor([1.0], device="strict")
    with pytest.raises(RuntimeError, match=r'add: a is on numpy, b is on strict; move one, as in x.to\("numpy"\)'):
        F.add(ours, theirs)
    with pytest.raises(RuntimeError, match=r"layer_norm: x is on strict, gain is on numpy"):
        F.layer_norm(theirs, ours)
    with pytest.raises(RuntimeError, match=r"concatenate: xs is on numpy, xs is on strict"):
        F.concatenate((ours, theirs))
