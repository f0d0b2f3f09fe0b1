"""Writes through this library are counted, and a graph that kept the old values refuses to run backward."""

import numpy as np
import pytest

from tests.autograd.checks import grad_of, leaf
from tinylm import DeviceError, GraphError, Tensor, WriteGuard, nn, no_grad, optim, tensor, watching

READ_ONLY = pytest.raises(ValueError, match="read-only")
WRITTEN = pytest.raises(GraphError, match="written since forward; run backward before the write")


def some_loss(model: nn.Module) -> Tensor:
    return (model(tensor([[1.0, 2.0]])) * 3).exp().sum()


def test_a_write_by_index_spoils_graphs_that_kept_the_old_values_only() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    needs, needs_not = (x * w).sum(), (x + w).sum()
    with no_grad():
        x[0] = 5
    assert x.tolist() == [5.0, 2.0]
    with WRITTEN:
        needs.backward()
    needs_not.backward()
    assert grad_of(x) == [1.0, 1.0]


def test_a_graph_made_after_the_write_is_fine() -> None:
    x = leaf(1.0, 2.0)
    old = (x * x).sum()
    with no_grad():
        x[0] = 5
    (x * x).sum().backward()
    assert grad_of(x) == [10.0, 4.0]
    with WRITTEN:
        old.backward()


def test_an_array_stays_protected_after_a_counted_write() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    with no_grad():
        x[0] = 5
    with READ_ONLY:
        x.data[0] = 6
    del y
    x.data[0] = 6


@pytest.mark.parametrize("kind", [optim.SGD, optim.AdamW])
def test_a_step_of_the_optimizer_spoils_a_graph_that_lives(kind) -> None:
    model = nn.Linear(2, 2)
    optimizer = kind(model.parameters(), lr=0.1)
    some_loss(model).backward()
    late = some_loss(model)
    before = model.weight.tolist()
    optimizer.step()
    assert model.weight.tolist() != before
    with pytest.raises(GraphError, match=r"linear: an array of shape \(2, 2\) that backward needs was written"):
        late.backward()


def test_loading_weights_spoils_a_graph_that_lives() -> None:
    model = nn.Linear(2, 2)
    late = some_loss(model)
    model.load_state_dict(model.state_dict())
    with WRITTEN:
        late.backward()


def test_clipping_spoils_a_graph_over_gradients() -> None:
    x, w = leaf(3.0, 4.0), leaf(1.0, 1.0)
    (x * x).sum().backward()
    penalty = (x.grad * w).sum()
    optim.clip_grad_norm([x], 1.0)
    with WRITTEN:
        penalty.backward()


def test_a_write_through_a_shared_array_is_counted() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    with no_grad():
        Tensor(x.data)[0] = 5
    with WRITTEN:
        y.backward()


def test_writes_on_the_strict_device_are_counted() -> None:
    x = tensor([1.0, 2.0], requires_grad=True, device="strict")
    y = (x * x).sum()
    with no_grad():
        x[0] = 5
    with WRITTEN:
        y.backward()


# -- += -= *= /= -----------------------------------------------------------------------------------------


def test_an_operator_in_place_writes_by_the_rule_of_an_index() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    needs, needs_not = (x * w).sum(), (x + w).sum()
    with no_grad():
        x *= 2
    with WRITTEN:
        needs.backward()
    needs_not.backward()
    with pytest.raises(GraphError, match=r"not recorded; use no_grad\(\)"):
        x += 1
    assert x.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("device", ["numpy", "strict"])
def test_parts_are_written_by_index_and_views_are_results(device) -> None:
    x = tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
    x[0] += 1
    x[:, 1] *= 2
    row = x[0]
    row += 100
    assert x.tolist() == [[2.0, 6.0], [3.0, 8.0]]
    assert row.tolist() == [102.0, 106.0]


def test_a_copy_and_a_frozen_array() -> None:
    x, frozen = leaf(1.0, 2.0), np.ones(2)
    frozen.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        Tensor(frozen).__iadd__(1)
    for twin in (x.detach().copy(), tensor(x.numpy())):
        same = twin
        same *= 2
        assert twin.tolist() == [2.0, 4.0]
    assert x.tolist() == [1.0, 2.0]


def test_an_operator_in_place_keeps_shape_dtype_and_device() -> None:
    x, n = tensor([1.0, 2.0]), tensor([1, 2])
    with pytest.raises(ValueError, match="broadcast"):
        x += np.ones((3, 2))
    for half in (0.5, np.float64(0.5), tensor([0.5, 0.5])):
        with pytest.raises(TypeError, match="Cannot cast"):
            n += half
    with pytest.raises(TypeError, match="got a list; use tensor"):
        x += [1.0, 2.0]
    with pytest.raises(DeviceError, match="numpy and on strict"):
        x += tensor([1.0, 1.0], device="strict")
    x += np.array([1.0, 2.0])
    assert (x.dtype, x.tolist(), n.tolist()) == (np.float32, [2.0, 4.0], [1, 2])


def test_a_result_is_not_overwritten() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    before, old = y.numpy().copy(), y
    y *= 2
    assert y is not old
    np.testing.assert_array_equal(old.numpy(), before)
    total = old.detach()
    total += 1
    np.testing.assert_array_equal(old.numpy(), before)
    y.sum().backward()
    np.testing.assert_allclose(grad_of(x), 2 * before, rtol=1e-15)


# -- parameters that are views of one flat buffer ------------------------------------------------------


def flat_pair() -> tuple[np.ndarray, Tensor, Tensor]:
    flat = np.arange(1.0, 7.0)
    return flat, Tensor(flat[:3], True), Tensor(flat[3:], True)


def test_writing_one_view_leaves_the_graph_of_the_other_usable() -> None:
    flat, first, second = flat_pair()
    needs_second = (second * second).sum()
    with no_grad():
        first[...] = 0
    needs_second.backward()
    assert grad_of(second) == [8.0, 10.0, 12.0]
    assert flat.tolist() == [0.0, 0.0, 0.0, 4.0, 5.0, 6.0]


def test_writing_the_whole_buffer_spoils_the_graphs_of_all_views() -> None:
    flat, first, second = flat_pair()
    losses = (first * first).sum(), (second * second).sum()
    with no_grad():
        Tensor(flat)[...] = 0
    for loss in losses:
        with WRITTEN:
            loss.backward()


def test_a_view_is_writable_again_before_the_last_graph_over_the_buffer_is_done() -> None:
    flat, first, second = flat_pair()
    needs_first, needs_second = (first * first).sum(), (second * second).sum()
    needs_first.backward()
    optim.SGD([first], lr=1.0).step()
    first.data[0] = 9.0
    with READ_ONLY:
        second.data[0] = 9.0
    with READ_ONLY:
        flat[0] = 9.0
    needs_second.backward()
    assert flat.flags.writeable
    assert second.data.flags.writeable


# -- what neither sees ---------------------------------------------------------------------------------


def test_the_write_guard_finds_a_write_through_a_view_made_by_hand() -> None:
    x = leaf(1.0, 2.0)
    view = x.data[:1]  # made before the graph, so NumPy lets it write
    with watching(WriteGuard()):
        y = (x * x).sum()
        view[0] = 5
        with pytest.raises(GraphError, match="multiply: a, b changed between forward and backward"):
            y.backward()


def test_the_write_guard_looks_again_when_a_kept_graph_is_used_twice() -> None:
    x = leaf(1.0, 2.0)
    view = x.data[:1]
    with watching(WriteGuard()):
        y = x.exp().sum() * (x * 3).sum()
        y.backward(keep_graph=True)
        z = (x * x).sum()
        z.backward(keep_graph=True)
        view[0] = 5
        with pytest.raises(GraphError, match="multiply: a, b changed"):
            z.backward()


@pytest.mark.parametrize("device", ["numpy", "strict"])
def test_the_write_guard_is_silent_where_nothing_changed(device) -> None:
    x = tensor([1.0, 2.0], requires_grad=True, device=device)
    with watching(WriteGuard()):
        (x * x + x[0]).exp().sum().backward()
    assert x.grad is not None


def test_the_write_guard_sees_writes_on_the_strict_device() -> None:
    x = tensor([1.0, 2.0], requires_grad=True, device="strict")
    with watching(WriteGuard()):
        y = (x * x).sum()
        x.data[0] = 5.0
        with pytest.raises(GraphError, match="a, b changed"):
            y.backward()
