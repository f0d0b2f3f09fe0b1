"""Leaves side by side: the same values and gradients, nothing shared with who looked at an old gradient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm import GraphError, Tensor, apply, nn, tensor
from tinylm.autograd import flatten
from tinylm.ops import op_named


def leaves(*shapes, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in shapes]


def test_values_stay_and_lie_side_by_side_matrices_first():
    found = leaves((3,), (2, 4), (), (5, 1))
    before = [p.numpy().copy() for p in found]
    flatten(found)
    assert all((p.numpy() == old).all() for p, old in zip(found, before, strict=True))
    assert [(p.place.start, p.place.stop) for p in found] == [(13, 16), (0, 8), (16, 17), (8, 13)]
    flat = found[0].place.flat
    assert flat.values.shape == (17,)
    flat.values[:] = 7.0
    assert all((p.numpy() == 7).all() for p in found)


def test_other_types_placed_ones_and_devices_are_left_alone():
    mixed = [*leaves((2, 2)), *leaves((3,), dtype=np.float64)]
    flatten(mixed)
    assert mixed[0].place is not None
    assert mixed[1].place is None
    first = mixed[0].place
    flatten(mixed)
    assert mixed[0].place is first
    there = tensor([1.0], requires_grad=True, device="strict")
    flatten([there])
    assert there.place is None
    flatten([])


def test_a_leaf_that_a_graph_needs_is_refused():
    (w,) = leaves((2, 2))
    y = (w * w).sum()
    with pytest.raises(GraphError, match="before the model runs"):
        flatten([w])
    y.backward()
    flatten([w])
    with pytest.raises(GraphError):
        flatten([w * 2])


def test_gradients_come_to_the_shared_array_and_are_used_again():
    w, b = leaves((2, 3), (3,))
    flatten([w, b])
    for factor in (1.0, 3.0):
        w.grad = b.grad = None
        ((w * w).sum() * factor + b.sum()).backward()
        assert w.is_placed
        assert b.is_placed
        gradients = w.place.flat.gradients
        np.testing.assert_allclose(gradients[:6].reshape(2, 3), 2 * factor * w.numpy(), rtol=1e-6)
        assert gradients[6:].tolist() == [1, 1, 1]


def test_a_gradient_that_somebody_took_stays_as_it_was():
    for placed in (False, True):
        (w,) = leaves((2, 2))
        if placed:
            flatten([w])
        (w * 2).sum().backward()
        taken = w.grad
        w.grad = None
        (w * 5).sum().backward()
        assert taken.tolist() == [[2, 2], [2, 2]]
        assert w.grad.tolist() == [[5, 5], [5, 5]]
        w.grad = None
        (w * 7).sum().backward()
        assert w.grad.tolist() == [[7, 7], [7, 7]]


def test_without_zero_grad_gradients_add_up():
    (w,) = leaves((2, 2))
    flatten([w])
    for _ in range(3):
        (w * 2).sum().backward()
    assert w.grad.tolist() == [[6, 6], [6, 6]]
    w.grad = tensor(np.ones((2, 2), np.float32))
    (w * 2).sum().backward()
    assert w.grad.tolist() == [[3, 3], [3, 3]]


@given(st.lists(st.sampled_from(["linear", "embed", "rows", "sum"]), min_size=1, max_size=6), st.booleans())
def test_dense_gradients_and_parts_add_up_in_any_order(uses, placed):
    """linear writes into the leaf's place, embedding and a slice give parts, sum gives a broadcast array."""
    rng = np.random.default_rng(1)
    table, x, ids = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), np.array([0, 3, 3, 1])
    w = tensor(table, requires_grad=True)
    if placed:
        flatten([w])
    expected = np.zeros((5, 3))
    for _ in range(2):
        loss = tensor(0.0, dtype=np.float64)
        w.grad = None
        expected[:] = 0
        for use in uses:
            if use == "linear":
                loss = loss + apply(op_named("linear"), Tensor(x), w, transposed=True).sum()
                expected += x.sum(axis=0)
            elif use == "embed":
                loss = loss + apply(op_named("embedding"), w, ids).sum()
                np.add.at(expected, ids, 1.0)
            elif use == "rows":
                loss = loss + (w[1:3] * 2).sum()
                expected[1:3] += 2
            else:
                loss = loss + w.sum()
                expected += 1
        loss.backward()
        np.testing.assert_allclose(w.grad.numpy(), expected, rtol=0, atol=1e-13)


def test_one_leaf_as_both_inputs_of_an_op_that_writes_gradients_in_place():
    w = tensor(np.random.default_rng(0).normal(size=(3, 3)), requires_grad=True)
    apply(op_named("linear"), w, w).sum().backward()
    ones = np.ones((3, 3))
    np.testing.assert_allclose(w.grad.numpy(), ones @ w.numpy().T + w.numpy().T @ ones, atol=1e-14)


def test_parts_that_tile_an_array_and_parts_that_overlap():
    x = tensor(np.arange(12.0).reshape(2, 6), requires_grad=True)
    for index in ([(0, 2), (2, 6)], [(0, 2), (3, 6)], [(0, 4), (2, 6)], [(0, 6), (0, 6)], [(2, 6), (0, 2)]):
        y = x * 1.0
        x.grad = None
        total = sum((y[..., a:b] * float(n + 1)).sum() for n, (a, b) in enumerate(index))
        total.backward()
        expected = np.zeros((2, 6))
        for n, (a, b) in enumerate(index):
            expected[:, a:b] += n + 1
        assert x.grad.tolist() == expected.tolist()


def test_a_module_is_flattened_and_moves_away_from_it():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 2), nn.Linear(2, 1)

    model = Two().flatten()
    flat = model.a.weight.place.flat
    assert all(p.place.flat is flat for p in model.parameters())
    state = model.state_dict()
    model.load_state_dict({name: value * 2 for name, value in state.items()})
    assert flat.values[:6].tolist() == (state["a.weight"] * 2).reshape(-1).tolist()
    model.to("strict").to("numpy")
    assert not any(p.is_placed for p in model.parameters())
    assert (model.a.weight.numpy() == state["a.weight"] * 2).all()
