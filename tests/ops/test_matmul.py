"""Matrix products: vectors, stacks that broadcast, empty sizes, and the linear layer."""

import numpy as np
import pytest
from hypothesis import given, settings

import tinylm.functional as F
from tinylm import tensor

from .ladder import both_close, close, evaluate
from .strategies import generators, lead, sizes, values
from .test_ladder import PART


@settings(max_examples=PART)
@given(rng=generators, front=lead(), M=sizes, K=sizes, N=sizes)
def test_the_transpose_of_a_product_is_the_product_of_transposes(rng, front, M, K, N, device):
    a, b = values(rng, (*front, M, K)), values(rng, (K, N))
    left = evaluate(lambda x, y: (x @ y).swapaxes(-1, -2), (a, b), device)
    right = evaluate(lambda x, y: y.swapaxes(-1, -2) @ x.swapaxes(-1, -2), (a, b), device)
    both_close(left, right, 1e-12)  # sums of at most 45 products, in another order


@settings(max_examples=PART)
@given(rng=generators, front=lead(), M=sizes, K=sizes)
def test_the_identity_changes_nothing(rng, front, M, K, device):
    a = values(rng, (*front, M, K))
    y, (da,) = evaluate(lambda x: x @ tensor(np.eye(K), device=device), (a,), device)
    close(y, a, 0)
    close(da, np.random.default_rng(0).uniform(-1.0, 1.0, a.shape), 0)


@pytest.mark.parametrize(
    ("a", "b", "y"),
    [
        ((3,), (3,), ()),
        ((3,), (3, 2), (2,)),
        ((2, 3), (3,), (2,)),
        ((3,), (4, 3, 2), (4, 2)),
        ((4, 2, 3), (3,), (4, 2)),
        ((3,), (5, 1, 3, 2), (5, 1, 2)),
        ((4, 1, 2, 3), (5, 3, 2), (4, 5, 2, 2)),
        ((0,), (0,), ()),
        ((2, 0), (0, 3), (2, 3)),
        ((0, 2, 3), (3, 4), (0, 2, 4)),
        ((1, 2, 3), (0, 3, 4), (0, 2, 4)),
    ],
)
def test_shapes_follow_numpys_rule_and_gradients_come_back(a, b, y, device):
    arrays = values(np.random.default_rng(0), a), values(np.random.default_rng(1), b)
    got, gradients = evaluate(F.matmul, arrays, device)
    assert got.shape == y
    assert [g.shape for g in gradients] == [a, b]


def test_a_matrix_times_itself_adds_both_gradients(device):
    x = values(np.random.default_rng(0), (3, 3))
    both, (total,) = evaluate(lambda t: t @ t, (x,), device)
    apart, (left, right) = evaluate(F.matmul, (x, x), device)
    close(both, apart, 0)
    close(total, left + right, 1e-15)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
@pytest.mark.parametrize("rows", [(), (0,), (2,), (2, 0), (0, 3)])
def test_linear_layers_without_inputs_or_outputs(shape, rows, device):
    inner, outer = shape
    arrays = np.ones((*rows, inner)), np.ones(shape), np.ones(outer)
    y, gradients = evaluate(F.linear, arrays, device)
    assert y.shape == (*rows, outer)
    assert [g.shape for g in gradients] == [a.shape for a in arrays]


def test_a_linear_layer_without_gradient_for_its_input_leaves_it_alone(device):
    x = tensor(np.ones((2, 3)), device=device)
    weight = tensor(np.ones((3, 4)), requires_grad=True, device=device)
    F.linear(x, weight).sum().backward()
    assert x.grad is None
    assert weight.grad.tolist() == [[2.0] * 4] * 3


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2,), (3,)), ((2, 3, 4), (5, 4, 2)), ((), (2,))])
def test_shapes_that_do_not_fit_are_refused(shapes, device):
    a, b = (tensor(np.ones(shape), device=device) for shape in shapes)
    with pytest.raises(ValueError, match=r"matmul|does not have enough dimensions|broadcast"):
        F.matmul(a, b)
