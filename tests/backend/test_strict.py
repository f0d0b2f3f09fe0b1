"""The stand-in for CuPy refuses what CuPy refuses, and computes what NumPy computes."""

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylm.backend import backend_named
from tinylm.backend.strict import StrictArray, cupy_names, unwrap, wrap, xp


def array(*data):
    return wrap(np.array(data))


REFUSED = {
    "np.asarray": lambda x: np.asarray(x),
    "np.array": lambda x: np.array([1.0, x]),
    "a ufunc": lambda x: np.exp(x),
    "a ufunc of two": lambda x: np.add(np.ones(2), x),
    "np.concatenate": lambda x: np.concatenate([x, x]),
    "np.where": lambda x: np.where([True, False], x, x),
    "NumPy + strict": lambda x: np.ones(2) + x,
    "strict + NumPy": lambda x: x + np.ones(2),
    "strict += NumPy": lambda x: operator.iadd(x, np.ones(2)),
    "strict @ NumPy": lambda x: x @ np.ones(2),
    "strict < NumPy": lambda x: x < np.ones(2),
    "a function given NumPy": lambda x: xp.maximum(x, np.ones(2)),
    "a list with NumPy inside": lambda x: xp.concatenate([x, np.ones(2)]),
    "a keyword given NumPy": lambda x: xp.sum(x, where=np.ones(2, bool)),
    "NumPy scalar * strict": lambda x: np.float64(2) * x,
    "strict * NumPy scalar": lambda x: x * np.float64(2),
    "strict ** NumPy scalar": lambda x: x ** np.float32(2),
    "a function given a NumPy scalar": lambda x: xp.where(x > 0, x, np.float64(0)),
    "assignment of NumPy": lambda x: operator.setitem(x, slice(None), np.ones(2)),
    "assignment of a NumPy scalar": lambda x: operator.setitem(x, 0, np.float64(1)),
    "a NumPy index": lambda x: x[np.array([0, 1])],
    "assignment at a NumPy index": lambda x: operator.setitem(x, np.array([0, 1]), 1.0),
    "an object": lambda x: x + object(),
    "a set": lambda x: xp.sum({1, 2}),
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED)
def test_implicit_conversion_and_mixing_are_refused(attempt):
    with pytest.raises(TypeError):
        attempt(array(1.0, 2.0))


@pytest.mark.parametrize(
    "name",
    ["__array_interface__", "__array_struct__", "__cuda_array_interface__", "__buffer__", "__dlpack__", "__foo__"],
)
def test_no_dunder_name_leaks_through(name):
    with pytest.raises(AttributeError):
        getattr(array(1.0), name)
    assert not isinstance(array(1.0), np.ndarray)


def test_the_buffer_protocol_does_not_leak():
    with pytest.raises(TypeError):
        memoryview(array(1.0))


@pytest.mark.parametrize("name", ["ctypes", "tostring", "newbyteorder", "setflags", "byte_swap", "_array_"])
def test_methods_that_cupy_lacks_are_refused(name):
    with pytest.raises(AttributeError):
        getattr(array(1.0), name)


@pytest.mark.parametrize(
    "name",
    ["ndarray_", "emath", "datetime64", "bmat", "matrix", "char", "_core", "__version__", "erf", "linalg", "random"],
)
def test_functions_that_cupy_lacks_are_refused(name):
    with pytest.raises(AttributeError):
        getattr(xp, name)


@pytest.mark.parametrize(
    "index", [np.array([0, 0]), np.array([0, -3]), (np.array([1, 1]), np.array([0, 0])), np.array([[2, 0], [1, 2]])]
)
def test_assignment_at_repeated_places_is_refused(index):
    x = wrap(np.zeros((3, 2)))
    moved = tuple(wrap(part) for part in index) if isinstance(index, tuple) else wrap(index)
    with pytest.raises(IndexError, match="undefined on a GPU; use scatter_add"):
        x[moved] = 1.0
    with pytest.raises(IndexError, match="undefined on a GPU"):
        x[moved] += 1.0


def test_assignment_at_different_places_is_allowed():
    x = wrap(np.zeros((3, 2)))
    x[array(2, 0)] = 1.0
    x[array(0, 1), array(1, 1)] += 5.0
    x[x > 5] = -1.0
    assert unwrap(x).tolist() == [[1.0, -1.0], [0.0, 5.0], [1.0, 1.0]]


def out_of_range(shape, index):
    """How an index array wraps round: each entry modulo the size of its own axis."""
    return wrap(np.arange(np.prod(shape)).reshape(shape))[index]


@pytest.mark.parametrize(
    ("index", "inside"),
    [
        ((array(7),), ([1],)),
        ((slice(None), array(7)), (slice(None), [3])),
        ((..., array(7)), (..., [2])),
        ((None, array(7)), (None, [1])),
        ((array(7), array(-9)), ([1], [3])),
        ((wrap(np.eye(3, 4, dtype=bool)), array(5, 6, 7)), (np.eye(3, 4, dtype=bool), [0, 1, 2])),
        ((0, ..., array(7)), (0, ..., [2])),
    ],
)  # fmt: skip
def test_index_arrays_out_of_range_wrap_silently_as_on_a_gpu(index, inside):
    shape = (3, 4, 5)
    found = out_of_range(shape, index)
    assert unwrap(found).tolist() == np.arange(60).reshape(shape)[inside].tolist()


def test_reductions_give_arrays_and_not_scalars():
    x = array(1.0, 2.0)
    for value in (x.sum(), xp.sum(x), x.max(), x[0], x.mean(axis=0), xp.exp(x.sum())):
        assert isinstance(value, StrictArray)
        assert value.shape == ()
    assert float(x.sum()) == 3.0
    assert x.sum().item() == 3.0
    assert int(array(3)[0]) == 3
    assert [10, 20, 30][array(1)[0]] == 20


def test_the_truth_of_several_values_is_refused():
    assert bool(array(True)[0])
    with pytest.raises(ValueError, match="ambiguous"):
        bool(array(True, False))


def test_moving_copies_in_both_directions():
    host = np.zeros(2)
    there = wrap(host)
    there += 1
    assert host.tolist() == [0.0, 0.0]
    unwrap(there)[0] = 9
    assert unwrap(there).tolist() == [1.0, 1.0]


def test_arrays_are_not_hashable_and_show_where_they_are():
    with pytest.raises(TypeError, match="unhashable"):
        hash(array(1.0))
    assert repr(array(1.0)) == "strict(array([1.]))"
    assert len(array(1.0, 2.0)) == 2


OPERATORS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.lt,
    operator.eq,
    operator.ne,
]


@settings(max_examples=25)
@given(st.lists(st.floats(0.5, 4, width=32), min_size=1, max_size=4), st.floats(0.5, 4, width=16))
@pytest.mark.parametrize("apply", OPERATORS, ids=lambda f: f.__name__)
def test_operators_compute_what_numpy_computes(apply, numbers, other):
    host = np.array(numbers, np.float32)
    x = wrap(host)
    for got, wanted in (
        (apply(x, other), apply(host, other)),
        (apply(other, x), apply(other, host)),
        (apply(x, x), apply(host, host)),
    ):
        assert isinstance(got, StrictArray)
        assert got.dtype == wanted.dtype
        assert unwrap(got).tolist() == wanted.tolist()


def test_in_place_operators_keep_the_array_and_its_type():
    x = wrap(np.ones(2, np.float32))
    same = x
    x += 1
    x *= array(2, 3)
    assert x is same
    assert x.dtype == np.float32
    assert unwrap(x).tolist() == [4.0, 6.0]


def test_methods_and_functions_give_strict_arrays():
    x = wrap(np.arange(6.0).reshape(2, 3))
    for value in (
        x.T,
        x.reshape(3, 2),
        x.astype(np.float32),
        x.copy(),
        xp.transpose(x),
        xp.concatenate((x, x)),
        xp.asarray(x),
    ):
        assert isinstance(value, StrictArray)
    assert x.shape == (2, 3)
    assert x.dtype == np.float64
    assert all(isinstance(part, StrictArray) for part in xp.split(x, 3, axis=1))
    assert isinstance(xp.asarray([1.0, 2.0]), StrictArray)
    assert isinstance(xp.asarray(np.ones(2)), StrictArray)  # the explicit way from the host


def test_scatter_add_takes_no_values_from_the_host():
    with pytest.raises(TypeError):
        backend_named("strict").scatter_add(wrap(np.zeros(3)), array(0, 0), np.ones(2))


def test_the_frozen_list_has_both_sections_in_order_and_no_submodules_of_ours():
    names = cupy_names()
    assert set(names) == {"cupy", "cupy.ndarray"}
    assert {"exp", "where", "matmul", "moveaxis", "zeros_like"} <= names["cupy"]
    assert {"reshape", "astype", "swapaxes"} <= names["cupy.ndarray"]
    assert not {"erf", "newbyteorder"} & (names["cupy"] | names["cupy.ndarray"])
