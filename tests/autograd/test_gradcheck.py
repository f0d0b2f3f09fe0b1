"""gradcheck: finds wrong gradients, says where, and lets right ones pass, also ill-scaled ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm import GradientMismatch, GraphError, Tensor, apply, gradcheck, no_grad, tensor, use_device
from tinylm import functional as F
from tinylm.ops import keep, op

X, W = np.array([[0.7, -1.2, 0.4], [1.5, 0.3, -0.6]]), np.array([1.1, -0.8, 0.5])


def wrong_op(backward):
    """y = x² w with the given backward, which gets x and w."""

    @op
    def square_times(xp, x, w):
        return x * x * w, keep(x=x, w=w)

    @square_times.backward
    def square_times_backward(xp, dy, *, x, w):
        return backward(dy, x, w)

    return lambda x, w: apply(square_times, x, w)


def one_element_wrong(dy, x, w):
    dx = 2 * x * w * dy
    dx[1, 2] *= 1.001
    return dx, x * x * dy


def transposed(dy, x, w):
    return (2 * x * w * dy)[::-1], x * x * dy


WRONG = {
    "the factor is missing": lambda dy, x, w: (x * w * dy, x * x * dy),
    "the sign is wrong": lambda dy, x, w: (-2 * x * w * dy, x * x * dy),
    "one element is wrong by a thousandth": one_element_wrong,
    "the incoming gradient is forgotten": lambda dy, x, w: (2 * x * w + 0 * dy, x * x * dy),
    "the second gradient is missing": lambda dy, x, w: (2 * x * w * dy, None),
    "the second gradient is of another power": lambda dy, x, w: (2 * x * w * dy, x * dy),
    "broadcasting is undone by a mean": lambda dy, x, w: (2 * x * w * dy, (x * x * dy).mean(0)),
    "rows are swapped": transposed,
    "a not-a-number appears": lambda dy, x, w: (2 * x * w * dy * np.where(x > 1, np.nan, 1), x * x * dy),
    "an infinity appears": lambda dy, x, w: (2 * x * w * dy, x * x * dy + np.array([0.0, np.inf, 0.0])),
    "an offset is added": lambda dy, x, w: (2 * x * w * dy + 1e-3, x * x * dy),
    "it is wrong by two millionths": lambda dy, x, w: (2.000004 * x * w * dy, x * x * dy),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_backward_is_caught(fault) -> None:
    with pytest.raises(GradientMismatch):
        gradcheck(wrong_op(WRONG[fault]), X, W)


def test_the_right_backward_passes() -> None:
    gradcheck(wrong_op(lambda dy, x, w: (2 * x * w * dy, x * x * dy)), X, W)


def test_the_worst_element_is_named_with_both_values() -> None:
    with pytest.raises(GradientMismatch, match=r"argument 0 at index \[1, 2\]: backward gives .*, the numerical") as e:
        gradcheck(wrong_op(one_element_wrong), X, W)
    assert (e.value.argument, e.value.index) == (0, (1, 2))
    assert e.value.analytic / e.value.numeric == pytest.approx(1.001, rel=1e-6)
    for fault, argument, index in [("an infinity appears", 1, (1,)), ("a not-a-number appears", 0, (1, 0))]:
        with pytest.raises(GradientMismatch) as e:
            gradcheck(wrong_op(WRONG[fault]), X, W)
        assert (e.value.argument, e.value.index) == (argument, index)
        assert not np.isfinite(e.value.analytic)


@given(st.integers(0, 1), st.integers(0, 2), st.sampled_from([-1.0, 0.0, 1.01, 3.0]), st.integers(0, 99))
def test_one_wrong_element_is_found_wherever_it_is(row, column, factor, seed) -> None:
    def backward(dy, x, w):
        dx = 2 * x * w * dy
        dx[row, column] *= factor
        return dx, x * x * dy

    with pytest.raises(GradientMismatch) as caught:
        gradcheck(wrong_op(backward), X, W, seed=seed)
    assert (caught.value.argument, caught.value.index) == (0, (row, column))


def test_a_gradient_that_the_graph_loses_is_caught() -> None:
    with pytest.raises(GradientMismatch, match=r"argument 0 at index \[\]: backward gives 0"):
        gradcheck(lambda x: x.detach() * 3, 1.5)
    with pytest.raises(GradientMismatch, match="argument 0"):
        gradcheck(lambda x: x * x.detach(), 1.5)


def test_a_backward_that_writes_into_the_gradient_it_gets_is_caught() -> None:
    def greedy(dy, x, w):
        dy *= 2
        return x * w * dy, x * x * dy / 2

    with pytest.raises(ValueError, match="read-only"):
        gradcheck(wrong_op(greedy), X, W)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_coarse_numbers_are_refused(dtype) -> None:
    with pytest.raises(TypeError, match=rf"argument 1 is {np.dtype(dtype)}; numerical derivatives need float64"):
        gradcheck(lambda x, y: x * y, X, X.astype(dtype))


def test_a_function_must_return_a_tensor() -> None:
    with pytest.raises(TypeError, match="fn must return a tensor, it returned a float"):
        gradcheck(lambda x: x.sum().item(), X)


def test_where_there_is_nothing_to_check_it_is_said() -> None:
    with pytest.raises(TypeError, match="no floating-point argument to check; the arguments are int64, bool"):
        gradcheck(lambda n, m: n * 1.5, np.arange(3), True)
    with pytest.raises(TypeError, match="the arguments are none"):
        gradcheck(lambda: tensor(1.0))
    with pytest.raises(TypeError, match="must return floating-point numbers to have a gradient, not int64"):
        gradcheck(lambda x: x.argmax(), X)


def test_it_records_also_where_recording_is_off() -> None:
    with no_grad():
        gradcheck(lambda x: x.exp(), X)
        with pytest.raises(GradientMismatch):
            gradcheck(wrong_op(WRONG["the sign is wrong"]), X, W)


def test_a_forward_that_writes_into_its_input_is_caught() -> None:
    @op
    def square_badly(xp, x, w):
        w *= w
        return x * w, keep(x=x, w=w)

    @square_badly.backward
    def square_badly_backward(xp, dy, *, x, w):
        return w * dy, x * dy

    with pytest.raises(GraphError, match="fn wrote into its argument 1; compute into a new array"):
        gradcheck(lambda x, w: apply(square_badly, x, w), X, W)


def test_numbers_empty_arrays_and_whole_numbers_are_taken() -> None:
    gradcheck(lambda x: x * x, 3.0)
    gradcheck(lambda x: x * x, np.array(3.0))
    gradcheck(lambda x: (x * x).sum(), np.zeros((0, 3)))
    gradcheck(lambda x: x * 2, np.zeros(0))
    gradcheck(F.embedding, X, np.array([1, 0, 1]))
    gradcheck(lambda x, mask: F.where(mask, x, 0.0), X, X > 0)
    gradcheck(lambda x, n: x * n, X, 3)
    gradcheck(lambda x: x.exp(), tensor(X))


@pytest.mark.parametrize("shape", [(), (1,), (4, 3), (2, 1, 3)])
def test_outputs_of_any_shape_are_checked(shape) -> None:
    gradcheck(lambda x: x.exp() * np.ones(shape), np.array(0.3))


@pytest.mark.parametrize(
    ("fn", "arrays"),
    [
        (lambda x: x * 1e8, [X]),
        (lambda x: x * 1e-8, [X]),
        (lambda x: x * x, [X * 1e6]),
        (lambda x: x * 1e-9 + 1e6, [X]),
        (lambda x, w: x * 1e6 + w * 1e-6, [X, W]),
        (lambda x, w: (x * 1e10).tanh() * 0 + w, [X, W]),
        (lambda x: x * np.array([1e-6, 1.0, 1e6]), [X]),
        (lambda x: (x * 0.0).sum(), [X]),
        (lambda x: F.softmax(x * 100), [X]),
        (lambda x: (x - x).exp(), [X]),
    ],
)
def test_a_right_function_passes_however_it_is_scaled(fn, arrays) -> None:
    gradcheck(fn, *arrays)


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1e3, 1e8])
def test_a_wrong_sign_is_caught_however_it_is_scaled(scale) -> None:
    bad = wrong_op(WRONG["the sign is wrong"])
    with pytest.raises(GradientMismatch):
        gradcheck(lambda x, w: bad(x, w) * scale, X, W)


def test_arguments_are_not_changed_and_stay_writable() -> None:
    x = X.copy()
    gradcheck(lambda x: (x * x).exp().sum(), x)
    x[0, 0] = 5.0
    assert np.array_equal(x.ravel()[1:], X.ravel()[1:])


def test_gradcheck_works_on_the_current_device() -> None:
    devices = set()

    def fn(x: Tensor) -> Tensor:
        devices.add(x.device)
        return x.exp() * x

    with use_device("strict"):
        gradcheck(fn, X)
    assert devices == {"strict"}


def test_gradcheck_leaves_gradients_of_other_tensors_to_them_only() -> None:
    w = tensor(W, requires_grad=True)
    gradcheck(lambda x: x * w, X)
    assert w.grad is not None
    with no_grad():
        gradcheck(lambda x: (x * 0.0).detach(), X)


def test_the_same_seed_gives_the_same_verdict_and_message() -> None:
    messages = set()
    for _ in range(2):
        with pytest.raises(GradientMismatch) as caught:
            gradcheck(wrong_op(WRONG["an offset is added"]), X, W, seed=3)
        messages.add(str(caught.value))
    assert len(messages) == 1
