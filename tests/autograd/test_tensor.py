"""What a tensor is to its user: made of numbers, read back, moved, copied and written into."""

import copy
import pickle

import numpy as np
import pytest

from tests.autograd.checks import grad_of, leaf
from tinylm import DeviceError, GraphError, Tensor, no_grad, tensor, use_device
from tinylm import functional as F

DATA = np.array([[1.0, 4.0, 2.0], [3.0, 0.5, 6.0]])

# -- making one ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        ([[1, 2], [3, 4]], np.int64),
        (7, np.int64),
        ([True, False], np.bool_),
        (np.float64(1.5), np.float64),
        (np.float32(1.5), np.float32),
        (np.arange(3, dtype=np.uint16), np.uint16),
        (np.ones(2), np.float64),
        ([np.float64(1.0)], np.float32),
        ([], np.float32),
    ],
)
def test_a_tensor_has_the_dtype_of_its_data(data, dtype) -> None:
    assert tensor(data).dtype == dtype
    assert tensor(data).shape == np.shape(data)


@pytest.mark.parametrize("data", ["text", [1, "a"], None, 2**70, [1 + 2j], object()])
def test_what_is_no_number_is_refused(data) -> None:
    with pytest.raises(TypeError, match="expected numbers or bools"):
        tensor(data)


def test_a_dtype_can_be_asked_for() -> None:
    assert tensor([1, 2], dtype=np.float64).dtype == np.float64
    assert tensor([1.5], dtype=np.int64).tolist() == [1]
    assert tensor(0.1, dtype=np.float64).item() == 0.1  # not by way of float32


def test_data_are_copied() -> None:
    data = np.ones(2)
    x, y = tensor(data), tensor(tensor(data))
    data[:] = 5
    assert x.tolist() == y.tolist() == [1.0, 1.0]


def test_new_tensors_go_to_the_current_device_and_old_ones_stay() -> None:
    here = tensor([1.0])
    with use_device("strict"):
        assert tensor([1.0]).device == "strict"
        assert tensor(np.ones(1)).device == "strict"
        assert tensor(here).device == "numpy"
        assert tensor(here, device="strict").device == "strict"
    assert tensor([1.0], device="strict").device == "strict"
    assert tensor(tensor([1.0], device="strict")).device == "strict"
    with pytest.raises(DeviceError, match="'tpu' is not known"):
        tensor([1.0], device="tpu")


@pytest.mark.parametrize("data", [[1, 2], [True], np.arange(3)])
def test_whole_numbers_cannot_want_a_gradient(data) -> None:
    with pytest.raises(TypeError, match="only floating-point tensors can require a gradient"):
        tensor(data, requires_grad=True)


def test_results_of_whole_numbers_want_no_gradient() -> None:
    x = leaf(1.0, 2.0)
    assert not (x > 1).requires_grad
    assert not x.argmax().requires_grad


# -- reading it back -----------------------------------------------------------------------------------


def test_numpy_gives_a_read_only_view_without_a_copy() -> None:
    x = tensor(DATA)
    assert np.shares_memory(x.numpy(), x.data)
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0, 0] = 1


@pytest.mark.parametrize("device", ["numpy", "strict"])
def test_item_tolist_and_number_conversions(device) -> None:
    x = tensor([[2.5]], device=device)
    assert (x.item(), x.tolist(), float(x), int(x), bool(x)) == (2.5, [[2.5]], 2.5, 2, True)
    with pytest.raises(ValueError, match=r"item\(\) is for one value; this tensor has shape \(2,\)"):
        tensor([1.0, 2.0], device=device).item()
    with pytest.raises(ValueError, match="ambiguous"):
        bool(tensor([1.0, 2.0], device=device))


def test_numpy_converts_host_tensors_only() -> None:
    assert np.asarray(tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert np.array(tensor([1.0]), dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x := tensor([1.0])), x.data)
    with pytest.raises(TypeError, match=r"on strict; bring it to the host with \.numpy\(\)"):
        np.asarray(tensor([1.0], device="strict"))


def test_numpy_does_not_cut_a_graph_silently() -> None:
    x = leaf(1.0, 2.0)
    for cuts in (lambda: np.stack([x, x]), lambda: np.asarray(x * 2), lambda: tensor([x, x]), lambda: tensor([x[0]])):
        with pytest.raises(TypeError, match=r"off from its graph: use functional.stack .* \.detach\(\) or \.numpy\(\)"):
            cuts()
    with no_grad():
        assert np.stack([x, x]).tolist() == [[1.0, 2.0]] * 2
    for free in (x.detach(), x.numpy(), tensor([1.0, 2.0])):
        np.testing.assert_array_equal(np.stack([free, free]), [[1.0, 2.0]] * 2)
        assert tensor([free, free]).tolist() == [[1.0, 2.0]] * 2
    assert (repr(x), x.tolist()) == ("tensor([1., 2.], dtype=float64, requires_grad=True)", [1.0, 2.0])


@pytest.mark.parametrize("device", ["numpy", "strict"])
def test_one_number_takes_a_format_and_one_whole_number_is_an_index(device) -> None:
    loss = tensor([[1.23456]], requires_grad=True, device=device)
    assert f"{loss:.3f} {(loss * 2).sum():8.2f} {tensor(7, device=device):03d}" == "1.235     2.47 007"
    assert f"{loss}" == repr(loss)
    with pytest.raises(TypeError, match="unsupported format"):
        f"{tensor([1.0, 2.0], device=device):.3f}"
    assert ["a", "b", "c"][tensor(1, device=device)] == "b"
    assert list(range(tensor([3], device=device))) == [0, 1, 2]
    for no_index in (tensor(1.0, device=device), tensor(True, device=device)):
        with pytest.raises(TypeError, match="only a tensor of one whole number is an index"):
            [1, 2][no_index]
    with pytest.raises(ValueError, match="one value"):
        [1, 2][tensor([0, 1], device=device)]


@pytest.mark.parametrize("data", [[1.0, 2.0], 1.0, "text", None, tensor([1.0])])
def test_a_tensor_around_no_array_says_what_to_type(data) -> None:
    with pytest.raises(TypeError, match=rf"around an array, not a {type(data).__name__}; use tensor\(\.\.\.\)"):
        Tensor(data)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (lambda: tensor(3), "tensor(3)"),
        (lambda: tensor(np.ones(1)), "tensor([1.], dtype=float64)"),
        (lambda: tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: tensor([1.0], requires_grad=True) * 2, "tensor([2.], from=multiply)"),
        (lambda: tensor([1.0], device="strict"), "tensor([1.], device='strict')"),
    ],
)
def test_repr_says_what_it_is(make, text) -> None:
    assert repr(make()) == text


def test_a_tensor_moves_there_and_back() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    there = x.to("strict")
    assert (there.device, there.requires_grad, there.tolist()) == ("strict", True, [1.0, 2.0])
    assert x.to("numpy") is x
    assert there.to("numpy").tolist() == [1.0, 2.0]


def test_leaves_can_be_copied_and_pickled_graphs_cannot() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()  # x's array is read-only now, a copy is not
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.tolist() == [1.0, 2.0]
        assert twin.requires_grad
        twin.data[0] = 5
    for broken in (copy.deepcopy, pickle.dumps):
        with pytest.raises(GraphError, match=r"neither copied nor pickled; detach\(\)"):
            broken(y)
    assert copy.deepcopy(y.detach()).item() == 5.0


# -- writing into it -----------------------------------------------------------------------------------


def test_a_leaf_without_gradient_can_be_written_by_index() -> None:
    x = tensor([[1.0, 2.0], [3.0, 4.0]])
    x[0] = 9
    x[:, 1] = tensor([5.0, 6.0])
    x[1, 0] = np.float64(0)
    assert x.tolist() == [[9.0, 5.0], [0.0, 6.0]]


def test_results_and_recorded_leaves_cannot_be_written() -> None:
    x = leaf(1.0)
    with pytest.raises(GraphError, match="made by multiply"):
        (x * 2)[0] = 1
    with pytest.raises(GraphError, match=r"not recorded; use no_grad\(\)"):
        x[0] = 1


def test_concatenate_and_stack_take_arrays_among_tensors() -> None:
    x = leaf(1.0)
    assert F.concatenate([x, np.array([2.0])]).tolist() == [1.0, 2.0]
    F.stack([x, np.array([2.0]), x]).sum().backward()
    assert grad_of(x) == [2.0]


def test_numbers_alone_are_operands_and_lists_are_refused():
    assert F.sum(2.0).item() == 2.0
    assert F.gelu(0.0).dtype == np.float32
    with pytest.raises(TypeError, match=r"add: expected tensors, arrays or numbers, got a list; use tensor\(\)"):
        F.add(tensor([1.0, 2.0]), [1, 2])
