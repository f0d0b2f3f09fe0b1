"""The graph and the backward pass: order, depth, reuse, accumulation and what may be changed."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.autograd import checks
from tests.autograd.checks import grad_of, leaf
from tinylm import GraphError, Tensor, enable_grad, no_grad, tensor

LAWS = [law for name, law in inspect.getmembers(checks, inspect.isfunction) if name.startswith("check_")]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("check_"))
def test_the_law_holds(law) -> None:
    law()


def test_a_chain_of_100_000_ops_differentiates_without_recursion() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward(np.array([2.0]))
    assert grad_of(x) == [2.0]


def test_a_chain_of_100_000_ops_is_dropped_without_backward() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = -y
    del y
    assert x.grad is None


def test_a_diamond_of_60_levels_takes_60_visits() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2⁶⁰ paths
        y = (y + y) * 0.5
    y.backward(np.array([1.0]))
    assert grad_of(x) == [1.0]


def test_only_leaves_get_gradients() -> None:
    x = leaf(1.0)
    y = x * 2
    y.sum().backward()
    assert y.grad is None
    assert grad_of(x) == [2.0]


def test_leaves_that_want_none_get_none() -> None:
    x, w = leaf(1.0), tensor(np.array([2.0]))
    (x * w).sum().backward()
    assert w.grad is None


def test_backward_of_a_leaf_is_its_own_gradient_and_accumulates() -> None:
    x, dy = leaf(1.0, 2.0), np.array([3.0, 4.0])
    x.backward(dy)
    x.backward(dy)
    dy[:] = 0
    assert grad_of(x) == [6.0, 8.0]


def test_part_of_a_graph_that_another_backward_spent_is_refused() -> None:
    x = leaf(1.0)
    shared = x.exp()
    first, second = (shared * 2).sum(), (shared * 3).sum()
    first.backward()
    with pytest.raises(GraphError, match=r"exp: backward has already been through.*keep_graph=True"):
        second.backward()


def test_two_losses_of_one_graph_add_up_when_the_first_keeps_it() -> None:
    x = leaf(0.0)
    shared = x.exp()
    first, second = (shared * 2).sum(), (shared * 3).sum()
    first.backward(keep_graph=True)
    second.backward()
    assert grad_of(x) == [5.0]


def test_backward_needs_something_that_wants_a_gradient() -> None:
    with pytest.raises(GraphError, match="requires_grad=True"):
        tensor([1.0]).backward()


def test_only_one_number_has_an_implied_gradient() -> None:
    with pytest.raises(ValueError, match="only one number has an implied gradient"):
        (leaf(1.0, 2.0) * 2).backward()


@pytest.mark.parametrize(
    ("grad", "error", "says"),
    [
        (np.ones(3), ValueError, r"float64 of shape \(2,\), got float64 of \(3,\)"),
        (np.ones((1, 2)), ValueError, r"got float64 of \(1, 2\)"),
        (np.ones(2, np.float32), ValueError, "got float32"),
        ([1.0, 1.0], TypeError, "got a list"),
        (tensor(np.ones(2), device="strict"), TypeError, "array on numpy, got a StrictArray"),
    ],
)
def test_an_incoming_gradient_must_fit(grad, error, says) -> None:
    with pytest.raises(error, match=says):
        (leaf(1.0, 2.0) * 2).backward(grad)


@pytest.mark.parametrize("grad", [2.0, 2, np.float32(2), np.array([2.0, 2.0]), tensor(np.array([2.0, 2.0]))])
def test_an_incoming_gradient_may_be_a_number_an_array_or_a_tensor(grad) -> None:
    x = leaf(1.0, 2.0)
    (x * 3).backward(grad)
    assert grad_of(x) == [6.0, 6.0]


def test_assigned_gradients_are_copied_and_checked() -> None:
    x, y, g = leaf(1.0, 2.0), leaf(1.0, 2.0), np.array([1.0, 2.0])
    x.grad = g
    y.grad = x.grad
    (x * 1).backward(np.array([1.0, 1.0]))
    assert g.tolist() == [1.0, 2.0]
    assert grad_of(y) == [1.0, 2.0]
    assert grad_of(x) == [2.0, 3.0]
    with pytest.raises(ValueError, match=r"float64 of shape \(2,\), got float64 of \(3,\)"):
        x.grad = np.ones(3)
    with pytest.raises(TypeError, match="got a list"):
        x.grad = [1.0, 2.0]


@pytest.mark.parametrize("device", ["numpy", "strict"])
@pytest.mark.parametrize("view", [lambda g: g, lambda g: g.reshape(2, 1).reshape(2)])
def test_a_gradient_that_a_graph_uses_is_not_changed_by_the_next_backward(device, view) -> None:
    x, w = leaf(1.0, 2.0).to(device), leaf(3.0, 4.0).to(device)
    (x * 2).sum().backward()
    penalty = (view(x.grad) * w).sum()  # keeps the array of x.grad, or a view of it
    (x * 5).sum().backward()
    assert grad_of(x) == [7.0, 7.0]
    penalty.backward()
    assert grad_of(w) == [2.0, 2.0]


def test_the_same_holds_for_a_gradient_that_is_one_number() -> None:
    x, w = tensor(np.array(1.0), True), tensor(np.array(3.0), True)
    (x * 2).backward()
    penalty = x.grad * w
    (x * 5).backward()
    penalty.backward()
    assert (x.grad.item(), w.grad.item()) == (7.0, 2.0)


def test_backward_works_inside_no_grad_on_what_was_recorded_outside() -> None:
    x = leaf(2.0)
    y = (x * x).sum()
    with no_grad():
        y.backward()
    assert grad_of(x) == [4.0]


def test_no_grad_records_nothing_and_enable_grad_records_again() -> None:
    x = leaf(1.0)
    with no_grad():
        assert (x * 2).node is None
        with enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad


def test_a_detached_tensor_shares_its_array_and_stops_gradients() -> None:
    x = leaf(2.0)
    y = x * 3
    assert y.detach().data is y.data
    (y * y.detach()).sum().backward()
    assert grad_of(x) == [18.0]  # 3 · y, and nothing through the detached factor


def test_an_error_in_the_middle_of_backward_leaves_the_engine_usable() -> None:
    def explode(step) -> None:
        if step.phase == "backward" and step.op.name == "exp":
            raise RuntimeError("stop here")

    from tinylm import watching

    x = leaf(1.0)
    with watching(explode), pytest.raises(RuntimeError, match="stop here"):
        x.exp().sum().backward()
    x.grad = None
    (x * 2).sum().backward()
    assert grad_of(x) == [2.0]


def test_a_graph_that_lives_when_python_ends_does_not_complain() -> None:
    code = "import numpy as np, tinylm; x = tinylm.tensor([1.0], True); y = x * x; z = [y]; z.append(z)"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_leaf_may_stand_at_both_sides_of_one_op() -> None:
    x = leaf(3.0)
    (x * x - x / x + x @ x).sum().backward()
    assert grad_of(x) == [pytest.approx(12.0, abs=1e-15)]


def test_moving_a_result_is_refused_and_under_no_grad_gives_no_leaf() -> None:
    y = leaf(1.0) * 2
    with pytest.raises(GraphError, match=r"detach\(\) first"):
        y.to("strict")
    with no_grad():
        moved = y.to("strict")
    assert isinstance(moved, Tensor)
    assert not moved.requires_grad
