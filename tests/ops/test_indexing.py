"""Picking: every kind of index, repeats that add up, ids out of range, indices that change afterwards."""

import numpy as np
import pytest

import tinylm.functional as F
from tinylm import tensor

from . import laws
from .ladder import close, evaluate
from .test_ladder import climb


def test_gradients_of_a_table_add_over_repeated_ids(device):
    climb(laws.check_gradients_add_over_repeats, "embedding", device)


def sums(index, shape, device="numpy"):
    """The gradient of the sum of x[index]: how often each element was picked."""
    return evaluate(
        lambda x: x[index].sum() / tensor(np.random.default_rng(0).uniform(-1, 1, ()), device=device),
        (np.ones(shape),),
        device,
    )[1][0]


@pytest.mark.parametrize(
    ("index", "counts"),
    [
        ([0, 0, 2], [2, 0, 1]),
        (([0, 0, -3],), [3, 0, 0]),
        (((0, 0),), [2, 0, 0]),  # a tuple inside the tuple is an index array too
        ([True, False, True], [1, 0, 1]),
        (-1, [0, 0, 1]),
        (slice(None, None, -2), [1, 0, 1]),
        ((None, ..., None), [1, 1, 1]),
        (True, [1, 1, 1]),
        (False, [0, 0, 0]),
        ([], [0, 0, 0]),
    ],
)
def test_gradients_count_how_often_each_element_was_picked(index, counts, device):
    close(sums(index, (3,), device), np.array(counts, float), 1e-15)


def test_a_range_counts_like_an_index_array():
    close(sums(range(-1, 1), (1,)), np.array([2.0]), 1e-15)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0,)])
@pytest.mark.parametrize("index", [..., None, slice(None), (slice(None, None, -1),), []])
def test_picking_from_empty_arrays(shape, index, device):
    y, (dx,) = evaluate(lambda x: x[index], (np.zeros(shape),), device)
    assert y.shape == np.zeros(shape)[index].shape
    assert dx.shape == shape


@pytest.mark.parametrize("index", [(), ..., None, (None, ...), True, False])
def test_picking_from_a_single_number(index, device):
    y, (dx,) = evaluate(lambda x: x[index], (np.array(2.0),), device)
    assert y.shape == np.array(2.0)[index].shape
    assert dx.shape == ()


def test_tensors_serve_as_indices(device):
    x = np.arange(12.0).reshape(3, 4)
    ids, mask = tensor(np.array([2, -1, 0]), device=device), tensor(np.array([True, False, True]), device=device)
    assert evaluate(lambda t: t[ids], (x,), device)[0].tolist() == x[[2, -1, 0]].tolist()
    assert evaluate(lambda t: t[mask, ids[:2]], (x,), device)[0].tolist() == x[[0, 2], [2, -1]].tolist()


@pytest.mark.parametrize("wrap", [lambda i: i, lambda i: (i,), lambda i: (..., i)])
@pytest.mark.parametrize("make", [np.array, list])
def test_an_index_that_changes_after_forward_does_not_change_the_gradient(wrap, make):
    index = make([0, 1])
    x = tensor(np.ones(3), requires_grad=True, device="numpy")
    y = x[wrap(index)]
    index[0] = 2
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("ids", [[0, 3], [-1], np.array(3, np.uint8), [[0, 1], [2, 99]]])
def test_ids_out_of_range_are_refused_on_every_device(ids, device):
    table = tensor(np.ones((3, 2)), device=device)
    with pytest.raises(ValueError, match=r"embedding: ids must be from 0 to 2, got (3|-1|99)"):
        F.embedding(table, ids)
    with pytest.raises(ValueError, match="embedding: ids must be from 0 to 2"):
        F.embedding(table, tensor(np.array(ids), device=device))


@pytest.mark.parametrize("ids", [2, np.int64(2), np.array(2, np.uint8), [2]])
def test_one_id_may_be_a_number_of_any_kind(ids, device):
    table = tensor(np.arange(6.0).reshape(3, 2), requires_grad=True, device=device)
    y = F.embedding(table, ids)
    y.sum().backward()
    assert y.numpy().reshape(-1).tolist() == [4.0, 5.0]
    assert table.grad.tolist() == [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize("ids", [[0.5], [True, False], np.array([1.0])])
def test_ids_are_whole_numbers(ids, device):
    with pytest.raises(TypeError, match="embedding: ids must be whole numbers"):
        F.embedding(tensor(np.ones((3, 2)), device=device), ids)


def test_ids_come_from_the_host_by_themselves_but_from_no_other_device():
    table = tensor(np.ones((3, 2)), device="strict")
    assert F.embedding(table, np.array([0, 2])).device == "strict"
    with pytest.raises(RuntimeError, match=r'ids are on strict, the values on numpy; move them with .to\("numpy"\)'):
        F.embedding(tensor(np.ones((3, 2)), device="numpy"), tensor(np.array([0]), device="strict"))


@pytest.mark.parametrize(("table", "ids"), [((3, 0), (2,)), ((3, 2), (0,)), ((3, 2), ()), ((1, 1), (5, 0))])
def test_tables_and_ids_of_awkward_shapes(table, ids, device):
    y, (dtable, _) = evaluate(F.embedding, (np.ones(table), np.zeros(ids, np.int64)), device)
    assert y.shape == (*ids, table[1])
    assert dtable.shape == table
