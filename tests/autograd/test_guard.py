"""Writing into arrays that a graph needs is refused at the line, until the graph is spent or gone."""

import gc

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from tests.autograd.checks import grad_of, leaf
from tinylm import GraphError, Tensor, apply, no_grad, tensor
from tinylm import functional as F
from tinylm.autograd.guard import _held
from tinylm.ops import keep, op

READ_ONLY = pytest.raises(ValueError, match="read-only")


def test_the_books_are_as_before_when_graphs_are_gone() -> None:
    gc.collect()
    before = set(_held)
    flat = np.arange(6.0)
    x, w = Tensor(flat[:3], True), Tensor(flat[3:], True)
    spent, dropped = (x * w).sum(), (x.reshape(3, 1) * w.exp()).sum()
    assert len(_held) > len(before)
    spent.backward()
    del dropped
    assert set(_held) == before


def test_an_array_is_read_only_while_any_of_two_graphs_needs_it() -> None:
    x = leaf(1.0, 2.0)
    first, second = (x * x).sum(), x.exp().sum() * (x * 1).sum()
    first.backward()
    third = (x * x).sum()
    second.backward()
    with READ_ONLY:
        x.data[0] = 5
    third.backward()
    x.data[0] = 5


def test_a_dropped_graph_gives_its_arrays_back_at_once() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    with READ_ONLY:
        x.data[0] = 5
    del y
    x.data[0] = 5


def test_a_kept_graph_keeps_its_arrays_read_only() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(keep_graph=True)
    with READ_ONLY:
        x.data[0] = 5
    y.backward()
    x.data[0] = 5


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.reshape(3, 2),
        lambda x: x.T,
        lambda x: x[0:1],
        lambda x: x[..., None],
        lambda x: F.broadcast_to(x, (2, 2, 3)),
        lambda x: x.reshape(6).reshape(3, 2).T,
    ],
)
def test_a_leaf_is_read_only_while_a_graph_needs_a_view_of_it(view) -> None:
    x, w = tensor(np.ones((2, 3)), True), tensor(np.array(2.0), True)
    y = view(x) * w  # keeps the view
    with READ_ONLY:
        x.data[0, 0] = 5
    y.sum().backward()
    x.data[0, 0] = 5


def test_reshaped_results_cannot_be_written_behind_the_graphs_back() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with no_grad():
        view = x.reshape(2, 1)  # made before the graph is
    y = (x * w).sum()
    with READ_ONLY:
        view.data[0] = 5
    y.backward()
    assert grad_of(w) == [1.0, 2.0]


def test_the_owner_of_a_view_is_read_only_and_both_come_back() -> None:
    base = np.arange(6.0)
    middle = base[1:5]
    x = Tensor(middle[1:3], True)
    y = (x * x).sum()
    with READ_ONLY:
        base[2] = 5
    y.backward()
    for array in (x.data, middle, base):
        assert array.flags.writeable


@pytest.mark.parametrize("frozen", ["array", "owner", "both"])
def test_what_was_read_only_before_stays_so_and_the_rest_comes_back(frozen) -> None:
    base = np.arange(6.0)
    view = base[2:4]
    for array in {"array": [view], "owner": [base], "both": [view, base]}[frozen]:
        array.flags.writeable = False
    before = base.flags.writeable, view.flags.writeable
    x = Tensor(view, True)
    for _ in range(2):
        y = (x * x).sum()
        assert (base.flags.writeable, view.flags.writeable) == (False, False)
        y.backward()
        assert (base.flags.writeable, view.flags.writeable) == before


def test_arrays_of_the_user_become_writable_again() -> None:
    table, ids, mask = tensor(np.ones((4, 2)), True), np.array([[1, 2]]), np.tri(2, dtype=bool)
    x = F.embedding(table, ids)
    y = F.attention(x, x, x, mask)
    loss = F.softmax_cross_entropy(y, np.array([[0, 1]])) + (x * np.ones(2)).sum()
    with READ_ONLY:
        ids[0, 0] = 3
    loss.backward()
    ids[0, 0], mask[0, 0] = 3, False


def test_arrays_kept_inside_a_tuple_or_list_are_protected_too() -> None:
    @op
    def product_of_all(xp, *xs):
        return xs[0] * xs[1] * xs[2], keep(xs=xs)

    @product_of_all.backward
    def product_of_all_backward(xp, dy, *, xs):
        a, b, c = xs
        return dy * b * c, dy * a * c, dy * a * b

    x, w, constant = leaf(2.0), leaf(3.0), np.array([4.0])
    y = apply(product_of_all, x, w, constant)
    with READ_ONLY:
        constant[0] = 0
    with no_grad():
        w[0] = 7
    with pytest.raises(GraphError, match="written since forward"):
        y.backward(np.ones(1))


def test_windows_over_an_array_protect_the_array() -> None:
    signal = np.arange(5.0)
    x = tensor(np.ones((4, 2)), True)
    y = (x * sliding_window_view(signal, 2)).sum()
    with READ_ONLY:
        signal[0] = 5
    y.backward()
    signal[0] = 5


def test_memory_that_numpy_cannot_unlock_again_does_not_break_backward() -> None:
    x = tensor(np.ones((2, 2)), True)
    (x * as_strided(np.arange(4.0), (2, 2), (8, 8))).sum().backward()
    assert grad_of(x) == [[0.0, 1.0], [1.0, 2.0]]
