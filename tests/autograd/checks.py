"""Laws of the engine as plain functions: the tests run them, and test_faults.py runs them on broken engines."""
# ruff: noqa: PT012  (blocks of several lines that raise are what is tested)

import gc
import weakref

import numpy as np
import pytest

from tinylm import GraphError, Tensor, apply, no_grad, tensor
from tinylm import functional as F
from tinylm.autograd import GradientError, modes, watch
from tinylm.ops import keep, op


def leaf(*values: float) -> Tensor:
    return tensor(np.array(values), requires_grad=True)


def grad_of(x: Tensor) -> list:
    assert x.grad is not None
    return x.grad.tolist()


def check_broadcasting_is_undone_over_new_and_repeated_axes() -> None:
    row, column, number = tensor(np.ones((1, 3)), True), tensor(np.ones((2, 1)), True), tensor(np.array(1.0), True)
    (row * column * number * np.arange(6.0).reshape(2, 3)).sum().backward()
    assert row.grad.numpy().tolist() == [[3.0, 5.0, 7.0]]
    assert column.grad.numpy().tolist() == [[3.0], [12.0]]
    assert number.grad.numpy().tolist() == 15.0


def check_gradients_add_up_where_a_result_is_used_twice() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3  # used three times: 3 (1 + 2 + 4)
    (y + y * 2 + y * 4).sum().backward()
    assert grad_of(x) == [21.0, 21.0]


def check_gradients_add_up_over_backward_calls() -> None:
    x = leaf(1.0, 2.0)
    for times in (1, 2, 3):
        (x * 5).sum().backward()
        assert grad_of(x) == [5.0 * times] * 2


def check_a_node_waits_for_all_that_depend_on_it() -> None:
    x = leaf(2.0)
    early = x * x  # reached by a short way and by a long one
    late = early
    for _ in range(3):
        late = late * 2
    (early + late).backward(np.array([1.0]))
    assert grad_of(x) == [36.0]  # d 9x²/dx


def check_a_spent_graph_refuses() -> None:
    x = leaf(1.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GraphError, match=r"backward\(keep_graph=True\)"):
        y.backward()
    assert grad_of(x) == [2.0]


def check_a_kept_graph_can_be_used_again() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    for times in (1, 2, 3):
        y.backward(keep_graph=True)
        assert grad_of(x) == [6.0 * times]
    y.backward()
    assert grad_of(x) == [24.0]


def check_gradients_share_memory_with_nothing() -> None:
    x, y, incoming = leaf(1.0, 2.0), leaf(3.0, 4.0), np.array([1.0, 1.0])
    (x + y).backward(incoming)
    incoming[:] = 99
    x.grad.data[:] = 77
    assert y.grad.tolist() == [1.0, 1.0]


def check_summing_in_flight_changes_no_array_of_others() -> None:
    x, incoming = leaf(1.0, 2.0), np.array([1.0, 1.0])
    y = x * 1
    ((y + y) + y).backward(incoming)
    assert incoming.tolist() == [1.0, 1.0]
    assert grad_of(x) == [3.0, 3.0]


def check_promotion_is_undone_in_gradients() -> None:
    x, w = tensor([1.0, 2.0], requires_grad=True), tensor(np.array([3.0, 4.0]), requires_grad=True)
    (x * w).sum().backward()
    assert x.grad.dtype == np.float32
    assert w.grad.dtype == np.float64


def check_a_kept_array_is_read_only_until_backward() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    with pytest.raises(ValueError, match="read-only"):
        x.data[0] = 9
    y.backward()
    x.data[0] = 9
    assert x.tolist() == [9.0, 2.0]


def check_the_owner_of_kept_memory_is_read_only_too() -> None:
    base = np.arange(6.0)
    x = Tensor(base[2:4], requires_grad=True)
    y = (x * x).sum()
    with pytest.raises(ValueError, match="read-only"):
        base[2] = 9
    y.backward()
    base[2] = 9
    assert x.tolist() == [9.0, 3.0]


def check_a_counted_write_spoils_the_graph() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    with modes.no_grad():
        x[0] = 9
    with pytest.raises(GraphError, match="written since forward"):
        y.backward()


def check_backward_frees_what_forward_kept() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    kept = weakref.ref(y.data)
    z = y.sum()
    del y
    assert kept() is not None
    z.backward()
    assert kept() is None, "z lives, but the exponential that only backward needed does too"


def check_an_index_is_remembered_as_it_was() -> None:
    x, places = leaf(1.0, 2.0, 3.0), np.array([0, 0, 1])
    y = x[places].sum()
    places[:] = 2
    y.backward()
    assert grad_of(x) == [2.0, 1.0, 0.0]


def check_modes_come_back_after_an_exception() -> None:
    for manager, state, inside in [
        (modes.no_grad, modes.grad_enabled, False),
        (lambda: modes.use_kernels("reference"), modes.reference_kernels, True),
        (lambda: watch.scoped("inner"), watch.scope, "inner"),
        (lambda: watch.watching(print), watch.watchers, (print,)),
    ]:
        before = state()
        with pytest.raises(ZeroDivisionError), manager():
            assert state() == inside
            raise ZeroDivisionError
        assert state() == before


def check_a_backward_cannot_write_into_the_gradient_it_gets() -> None:
    @op
    def doubled_badly(xp, x):
        return x * 2, keep()

    @doubled_badly.backward
    def doubled_badly_backward(xp, dy):
        dy *= 2
        return dy

    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(ValueError, match="read-only"):
        (apply(doubled_badly, x * 1) + y).backward(np.array([1.0]))


def check_a_dropped_graph_gives_its_arrays_back() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    y.node.kept["cycle"] = y  # a reference cycle: only the garbage collector sees that it is dead
    del y
    gc.collect()
    x.data[0] = 9
    assert x.tolist() == [9.0, 2.0]


def check_a_step_by_hand_changes_the_parameter() -> None:
    parameters = [leaf(1.0, 2.0), leaf(4.0)]
    arrays = [p.data for p in parameters]
    for p in parameters:
        p.grad = np.ones(p.shape)
    with no_grad():
        for p in parameters:
            gradient = p.grad
            p -= 0.5 * gradient
            p += gradient
            p *= 3
            p /= 2
    assert [p.tolist() for p in parameters] == [[2.25, 3.75], [6.75]]
    assert all(p.data is array for p, array in zip(parameters, arrays, strict=True))


def check_a_running_total_keeps_its_graph() -> None:
    x = leaf(3.0)
    for start in (0, x[0] * 1, tensor(np.array(0.0))):
        x.grad = None
        total = start
        for factor in (2.0, 5.0):
            total += x[0] * factor
        total.backward()
        assert grad_of(x) == ([8.0] if getattr(start, "requires_grad", False) else [7.0])


def check_in_place_operators_mean_the_same_without_recording() -> None:
    def model(x):
        y = x * 2
        z, flat = y, y.reshape(4)
        z += 1
        flat *= 3
        return (y + z).reshape(4) + flat

    x = tensor(np.arange(4.0).reshape(2, 2), requires_grad=True)
    with no_grad():
        evaluated = model(x).tolist()
    assert evaluated == model(x).tolist() == [1.0, 11.0, 21.0, 31.0]  # 2x + (2x + 1) + 3 · 2x


def check_numpy_does_not_cut_a_graph() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match="off from its graph"):
        np.stack([x, x * 2])


def check_a_backward_that_forgets_return_is_told() -> None:
    @op
    def halved_badly(xp, x):
        return x / 2, keep()

    @halved_badly.backward
    def halved_badly_backward(xp, dy):
        dy / 2

    with pytest.raises(GradientError, match="returned no gradient for x"):
        apply(halved_badly, leaf(1.0)).backward(np.array([1.0]))


def check_a_recorder_shows_values_as_they_were() -> None:
    x = leaf(1.0, 2.0)
    with watch.watching(watch.Recorder()) as seen:
        y = x * x
    with no_grad():
        x[...] = 7.0
    assert seen.steps[0].inputs[0].tolist() == seen.steps[0].kept["a"].tolist() == [1.0, 2.0]
    assert y.tolist() == seen.steps[0].outputs[0].tolist() == [1.0, 4.0]


def check_joined_parts_get_their_own_gradients() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0)
    (F.concatenate([x, y, x]) * np.array([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
    assert grad_of(x) == [5.0, 7.0]
    assert grad_of(y) == [3.0]
