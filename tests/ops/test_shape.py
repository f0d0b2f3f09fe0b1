"""Rearranging: everything can be undone, values and gradients alike, bit by bit."""

import numpy as np
import pytest
from hypothesis import given, settings

import tinylm.functional as F

from .cases import CASES
from .ladder import evaluate
from .strategies import values
from .test_ladder import PART


def same(got, x):
    """The value is x, and the gradient what came in, exactly."""
    y, (dx, *_) = got
    assert y.shape == x.shape
    assert (y == x).all()
    assert (dx == np.random.default_rng(0).uniform(-1.0, 1.0, x.shape)).all()


@settings(max_examples=PART)
@given(example=CASES["transpose"].examples)
def test_transposing_twice_gives_back_the_array(example, device):
    (x,), axes = example.arrays, example.settings["axes"]
    back = None if axes is None else tuple(int(i) for i in np.argsort([a % x.ndim for a in axes]))
    same(evaluate(lambda t: F.transpose(F.transpose(t, axes), back), (x,), device), x)


@settings(max_examples=PART)
@given(example=CASES["reshape"].examples)
def test_reshaping_back_gives_back_the_array(example, device):
    x = example.arrays[0]
    same(evaluate(lambda t: F.reshape(F.reshape(t, example.settings["shape"]), x.shape), (x,), device), x)


@settings(max_examples=PART)
@given(example=CASES["stack"].examples)
def test_a_stack_is_taken_apart_by_indexing(example, device):
    axis, ndim = example.settings["axis"], example.arrays[0].ndim + 1
    for i, x in enumerate(example.arrays):
        at = (slice(None),) * (axis % ndim) + (i,)
        y, gradients = evaluate(lambda *t, at=at: F.stack(t, axis)[at], example.arrays, device)
        assert (y == x).all()
        assert [bool(g.any()) for g in gradients] == [j == i and x.size > 0 for j in range(len(gradients))]


@settings(max_examples=PART)
@given(example=CASES["concatenate"].examples)
def test_joined_arrays_are_taken_apart_by_slices(example, device):
    axis, ndim, start = example.settings["axis"], example.arrays[0].ndim, 0
    for i, x in enumerate(example.arrays):
        at = (slice(None),) * (axis % ndim) + (slice(start, start := start + x.shape[axis]),)
        y, gradients = evaluate(lambda *t, at=at: F.concatenate(t, axis)[at], example.arrays, device)
        assert (y == x).all()
        assert [bool(g.any()) for g in gradients] == [j == i and x.size > 0 for j in range(len(gradients))]


@settings(max_examples=PART)
@given(example=CASES["broadcast_to"].examples)
def test_repeating_adds_the_gradients_of_the_copies(example, device):
    x, shape = example.arrays[0], example.settings["shape"]
    repeated = evaluate(lambda t: F.broadcast_to(t, shape), (x,), device)
    added = evaluate(lambda t: t + F.reshape(t, x.shape) * 0 + F.broadcast_to(t * 0, shape), (x,), device)
    assert repeated[1][0].shape == x.shape
    np.testing.assert_allclose(repeated[1][0], added[1][0], rtol=0, atol=1e-14)  # 125 summands of size 1


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize("join", [F.concatenate, F.stack])
def test_joining_mixed_precisions_gives_each_its_own_gradient_type(join, dtypes, device):
    arrays = tuple(values(np.random.default_rng(0), (2, 3)).astype(dtype) for dtype in dtypes)
    y, gradients = evaluate(lambda *t: join(t), arrays, device)
    assert y.dtype == np.float64
    assert [g.dtype for g in gradients] == [np.dtype(dtype) for dtype in dtypes]


def test_the_same_array_joined_with_itself_adds_its_gradients(device):
    x = values(np.random.default_rng(0), (2,))
    _, (dx,) = evaluate(lambda t: F.concatenate((t, t, t)), (x,), device)
    weights = np.random.default_rng(0).uniform(-1.0, 1.0, 6)
    np.testing.assert_allclose(dx, weights[:2] + weights[2:4] + weights[4:], rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: F.reshape(t, (4,)),
        lambda t: F.transpose(t, (0, 0)),
        lambda t: F.broadcast_to(t, (3,)),
        lambda t: F.concatenate((t, F.transpose(t)), axis=1),
        lambda t: F.stack((t, F.transpose(t))),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, device):
    with pytest.raises(ValueError, match=r"reshape|axis|broadcast|dimension|shape"):
        evaluate(call, (np.ones((2, 3)),), device)
