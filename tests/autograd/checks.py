"""Laws of the engine as plain functions: the tests run them, and test_faults.py runs them on broken engines."""
# ruff: noqa: PT012  (blocks of several lines that raise are what is tested)

import gc
import weakref

import numpy as np
import pytest

from tinylm import GraphError, Tensor, apply, tensor
from tinylm import functional as F
from tinylm.autograd import modes, watch
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


def check_joined_parts_get_their_own_gradients() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0)
    (F.concatenate([x, y, x]) * np.array([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
    assert grad_of(x) == [5.0, 7.0]
    assert grad_of(y) == [3.0]
