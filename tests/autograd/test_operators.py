"""Tensors under NumPy's operators and names."""

import numpy as np
import pytest

from tests.autograd.checks import grad_of, leaf
from tinylm import DeviceError, Tensor, gradcheck, tensor

FOUR = {
    "+": (lambda a, b: a + b, lambda a, b: (1, 1)),
    "-": (lambda a, b: a - b, lambda a, b: (1, -1)),
    "*": (lambda a, b: a * b, lambda a, b: (b, a)),
    "/": (lambda a, b: a / b, lambda a, b: (1 / b, -a / b**2)),
    "**": (lambda a, b: a**b, lambda a, b: (b * a ** (b - 1), a**b * np.log(a))),
}


@pytest.mark.parametrize("sign", FOUR)
@pytest.mark.parametrize("kind", ["number", "array", "scalar"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_operators_take_numbers_arrays_and_scalars_on_both_sides(sign, kind, side) -> None:
    operation, slopes = FOUR[sign]
    values = np.array([1.5, 2.0])
    other = {"number": 3.0, "array": np.array([3.0, 4.0]), "scalar": np.float64(3.0)}[kind]
    x = tensor(values, requires_grad=True)
    y = operation(x, other) if side == "left" else operation(other, x)
    assert isinstance(y, Tensor)
    pair = (values, other) if side == "left" else (other, values)
    # one power and one product or logarithm: a few roundings
    np.testing.assert_allclose(y.numpy(), operation(*pair), rtol=1e-15)
    y.sum().backward()
    expected = np.broadcast_to(slopes(*pair)[0 if side == "left" else 1], (2,))
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-14)


def test_matrices_multiply_with_arrays_on_both_sides() -> None:
    x, a = tensor(np.eye(2), requires_grad=True), np.array([[1.0, 2.0], [3.0, 4.0]])
    assert (x @ a).tolist() == (a @ x).tolist() == a.tolist()
    (a @ x).sum().backward()
    assert grad_of(x) == [[4.0, 4.0], [6.0, 6.0]]


@pytest.mark.parametrize("other", [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2), np.bool_(True)])
def test_a_number_beside_float32_leaves_it_float32(other) -> None:
    x = tensor([1.0, 2.0])
    for result in (x + other, other + x, x * other, other * x, x - other, other - x, x / other, other / x, x**other):
        assert isinstance(result, Tensor)
        assert result.dtype == np.float32


def test_comparisons_give_bools_from_both_sides() -> None:
    x = tensor([1.0, 2.0, 3.0])
    assert (x > 2).tolist() == [False, False, True]
    assert (x >= 2).tolist() == [False, True, True]
    assert (np.float32(2) <= x).tolist() == [False, True, True]
    assert (x < np.array([2.0, 2.0, 4.0])).tolist() == [True, False, True]
    assert (np.array([1.0, 0.0, 3.0]) == x).tolist() == [True, False, True]
    assert (x != 2).tolist() == [True, False, True]
    assert (x <= 1).dtype == np.bool_


def test_signs_change_and_fall_away() -> None:
    x = leaf(-1.0, 2.0)
    assert (-x).tolist() == [1.0, -2.0]
    abs(x).sum().backward()
    assert grad_of(x) == [-1.0, 1.0]


def test_tensors_are_keys_by_identity() -> None:
    x, y = leaf(1.0), leaf(1.0)
    assert {x: 1, y: 2}[x] == 1


def test_two_owners_do_not_meet() -> None:
    with pytest.raises(DeviceError, match=r'multiply: a is on numpy, b is on strict; move one, as in x.to\("numpy"\)'):
        tensor([1.0]) * tensor([1.0], device="strict")


# -- methods with NumPy's names ------------------------------------------------------------------------

DATA = np.array([[1.0, 4.0, 2.0], [3.0, 0.5, 6.0]])


@pytest.mark.parametrize(
    "method",
    [
        lambda x: x.sum(),
        lambda x: x.sum(0),
        lambda x: x.sum(axis=(0, 1), keepdims=True),
        lambda x: x.mean(1),
        lambda x: x.var(),
        lambda x: x.max(1, keepdims=True),
        lambda x: x.min(0),
        lambda x: x.std(),
        lambda x: x.std(0, keepdims=True),
        lambda x: x.flatten(),
        lambda x: x.ravel(),
        lambda x: x[:, :1].squeeze(),
        lambda x: x[:1, :, None].squeeze((0, -1)),
        lambda x: x[:1].squeeze(axis=0),
        lambda x: x.copy(),
        lambda x: x.clip(1.0, 3.0),
        lambda x: x.clip(max=3),
        lambda x: x.clip(np.array([2.0, 0.0, 3.0])),
        lambda x: x.argmax(),
        lambda x: x.argmax(1),
        lambda x: x.reshape(3, 2),
        lambda x: x.reshape((3, 2)),
        lambda x: x.reshape([-1]),
        lambda x: x.transpose(),
        lambda x: x.transpose(None),
        lambda x: x.transpose(1, 0),
        lambda x: x.transpose((1, 0)),
        lambda x: x.swapaxes(0, -1),
        lambda x: x.T,
        lambda x: x.astype(np.float32),
        lambda x: x[0],
        lambda x: x[0, 1],
        lambda x: x[-1:, ::2],
        lambda x: x[..., None],
        lambda x: x[[1, 0, 1]],
        lambda x: x[:, np.array([2, 0])],
        lambda x: x[np.array([[0], [1]]), [0, 2]],
        lambda x: x[np.array([True, False])],
        lambda x: x[np.int64(1)],
        lambda x: x[()],
    ],
)
def test_a_method_means_what_it_means_in_numpy(method) -> None:
    found, expected = method(tensor(DATA)), np.asarray(method(DATA))
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15)


def test_elementwise_methods_mean_what_they_mean_in_numpy() -> None:
    for name in ("exp", "log", "sqrt", "tanh", "sin", "cos", "abs"):
        np.testing.assert_allclose(getattr(tensor(DATA), name)().numpy(), getattr(np, name)(DATA), rtol=1e-15)


def test_gradients_flow_through_methods_made_of_others() -> None:
    gradcheck(lambda x: x.clip(1.1, 3.3).copy().abs() + x.std(0) + x.flatten().ravel()[:3] + x[:1].squeeze(0), -DATA)
    x = leaf(1.0)
    with pytest.raises(ValueError, match="size not equal to one"):
        tensor(DATA).squeeze(0)
    assert not np.shares_memory(x.copy().data, x.data)


def test_an_index_may_be_a_tensor_or_hold_one() -> None:
    x, i = tensor(DATA), tensor([1, 0])
    assert x[i].tolist() == DATA[[1, 0]].tolist()
    assert x[:, i].tolist() == DATA[:, [1, 0]].tolist()
    assert x[tensor(1)].tolist() == DATA[1].tolist()
    assert x[tensor(DATA) > 2].tolist() == DATA[DATA > 2].tolist()


def test_an_index_as_a_list_is_remembered_as_it_was() -> None:
    x, places = leaf(1.0, 2.0, 3.0), [0, 0, 1]
    y = x[places].sum()
    places[:] = [2, 2, 2]
    y.backward()
    assert grad_of(x) == [2.0, 1.0, 0.0]


def test_iteration_gives_rows_with_gradients() -> None:
    x = tensor(DATA, requires_grad=True)
    first, second = x
    (first * 2 + second).sum().backward()
    assert grad_of(x) == [[2.0] * 3, [1.0] * 3]
    assert len(x) == 2


def test_one_number_has_no_length_and_no_rows() -> None:
    with pytest.raises(TypeError, match="0-d"):
        len(tensor(1.0))
    with pytest.raises(TypeError, match="0-d"):
        list(tensor(1.0))
