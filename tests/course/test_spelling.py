"""A value spelled as Python makes the same value again, to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinylm import tensor
from tinylm.course.spelling import imports_of, show, size, source

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers() | st.binary(max_size=2) | st.tuples(st.integers()), inner, max_size=3)
    ),
    max_leaves=8,
)


def again(value):
    line = source(value)
    names = {}
    exec(imports_of(line) + "made = " + line, names)
    return names["made"]


def alike(a, b):
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    return type(a) is type(b) and (a == b or (a != a and b != b))


@given(PLAIN)
def test_plain_data_comes_back(value):
    assert alike(value, again(value))


@given(
    arrays.arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]),
        arrays.array_shapes(min_dims=0, min_side=0, max_side=3),
    )
)
def test_arrays_come_back_with_dtype_and_shape(array):
    made = again(array)
    assert (made.dtype, made.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(made, array)


@pytest.mark.parametrize("array", [np.array(["a", "it's"]), np.array([b"x", b"yz"]), np.array("a")])
def test_arrays_of_text_come_back(array):
    made = again(array)
    assert (made.dtype, made.shape, made.tolist()) == (array.dtype, array.shape, array.tolist())


@pytest.mark.parametrize("value", [np.float32(0.1), np.int64(3), np.bool_(True), np.float64(np.nan)])
def test_a_number_of_numpy_comes_back(value):
    made = again(value)
    assert made.dtype == value.dtype
    np.testing.assert_array_equal(made, value)


@pytest.mark.parametrize("grad", [True, False])
def test_a_tensor_comes_back(grad):
    made = again(tensor(np.array([0.1, 2.0]), requires_grad=grad))
    assert made.requires_grad is grad
    assert made.numpy().tolist() == [0.1, 2.0]


def test_long_values_are_cut_for_a_reader_alone():
    assert len(show(list(range(1000)))) < 500
    assert again(list(range(1000))) == list(range(1000))
    assert show(np.zeros((100, 10))).endswith("float64 (100, 10)")


@given(PLAIN)
def test_a_longer_list_is_greater(value):
    assert size([value, value]) > size([value])
