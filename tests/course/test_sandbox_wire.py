"""Plain data as bytes and back: the identity on what has a form, and no trouble from bytes that are hostile."""

import contextlib
import json
import math
import struct
import time
from collections import Counter, OrderedDict, namedtuple
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinylm.autograd import Tensor, tensor
from tinylm.course.sandbox.unwire import ALIKE, decode
from tinylm.course.sandbox.wire import DEPTH, ITEMS, Opaque, WireError, encode
from tinylm.course.spelling import Source

DTYPES = [f"{order}{kind}" for order in "<>" for kind in "i2 i4 i8 u2 u4 u8 f2 f4 f8 c8 c16".split()] + [
    "?",
    "i1",
    "u1",
]

numbers = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=True), st.complex_numbers(allow_nan=True))
texts = st.one_of(st.text(), st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)), st.binary())
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
)
scalars = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, 1)).map(lambda array: array[0])
atoms = st.one_of(st.none(), numbers, texts)
keys = st.one_of(atoms, st.tuples(atoms, st.tuples(atoms)), st.frozensets(atoms, max_size=2))
values = st.recursive(
    st.one_of(
        atoms,
        arrays,
        scalars,
        st.just(...),
        st.just(np),
        st.builds(slice, st.none() | st.integers(), st.none() | st.integers(), st.none() | st.integers()),
        st.builds(range, st.integers(), st.integers(), st.integers(1)),
        st.sampled_from(DTYPES).map(np.dtype),
        st.builds(Opaque, st.just("Thing"), st.text(max_size=9)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.sets(keys, max_size=3),
    ),
    max_leaves=8,
)


def spelled(value: Any) -> Any:
    """A value as something that == compares to the last bit: types, shapes, NaN payloads, signs of zeros."""
    kind = type(value).__name__
    if isinstance(value, float) and not isinstance(value, np.generic):
        return kind, struct.pack("<d", value)
    if isinstance(value, complex) and not isinstance(value, np.generic):
        return kind, struct.pack("<dd", value.real, value.imag)
    if isinstance(value, (np.ndarray, np.generic)):
        return kind, value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (list, tuple)):
        return kind, [spelled(each) for each in value]
    if isinstance(value, dict):
        return kind, [(spelled(key), spelled(item)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return kind, sorted(repr(spelled(each)) for each in value)
    return ("Opaque", value.kind, value.shown) if isinstance(value, Opaque) else (kind, value)


@given(values)
@settings(max_examples=120, deadline=None)
@example([0.0, -0.0, math.nan, math.inf, -math.inf, True, 1, 1.0])
@example([10**4000, -(2**63), -1, 255, -256, "\ud800", "", b"", (), {}, set(), []])
@example({(1, ("a", b"b")): [np.float32(-0.0)], frozenset({1, 2}): np.zeros((0, 3), "f2")})
def test_reading_what_was_written_is_the_identity(value: Any) -> None:
    assert spelled(decode(encode(value))) == spelled(value)


@given(arrays)
@settings(max_examples=50, deadline=None)
def test_arrays_come_writable_and_in_one_piece_however_they_lie_in_memory(array: np.ndarray) -> None:
    for other in (array, array.T, array[..., ::-1] if array.ndim else array, np.asfortranarray(array)):
        got = decode(encode(other))
        assert spelled(got) == spelled(np.ascontiguousarray(other) if other.ndim else other)
        assert got.flags.writeable
        assert got.flags.c_contiguous


@given(st.binary(max_size=200))
@settings(max_examples=250, deadline=None)
def test_any_bytes_are_a_value_or_a_wire_error(data: bytes) -> None:
    try:
        value = decode(data)
    except WireError:
        return
    assert spelled(decode(encode(value))) == spelled(value)


@given(values, st.data())
@settings(max_examples=120, deadline=None)
def test_a_message_with_a_slip_is_a_value_or_a_wire_error(value: Any, data: Any) -> None:
    message = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(message) - 1))
        how = data.draw(st.sampled_from(["change", "cut", "insert", "large"]))
        if how == "change":
            message[place] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del message[place : place + data.draw(st.integers(1, 8))]
        elif how == "insert":
            message[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            message[place : place + 4] = struct.pack("<I", data.draw(st.sampled_from([2**32 - 1, 2**31, ITEMS])))
        if not message:
            break
    with contextlib.suppress(WireError):
        decode(bytes(message))


def array_of(dtype: str, shape: tuple[int, ...], data: bytes) -> bytes:
    return b"a" + dtype.encode() + bytes([len(shape)]) + b"".join(struct.pack("<Q", n) for n in shape) + data


def several(tag: bytes, count: int, inside: bytes) -> bytes:
    return tag + struct.pack("<I", count) + inside


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"?",
        b"NN",
        b"i" + struct.pack("<I", 2**32 - 1),
        b"i" + struct.pack("<I", 1 << 20) + bytes(1 << 20),
        several(b"l", 2**32 - 1, b""),
        several(b"l", 10**9, b"N" * 100),
        several(b"l", 1, b"") * (DEPTH + 2) + b"N",
        several(b"t", 1, b"") * 100_000 + b"N",
        several(b"l", ITEMS + 1, b"N" * (ITEMS + 1)),
        several(b"d", 1, b"N"),
        several(b"d", 2, b"l" + bytes(4) + b"N"),
        several(b"S", 1, b"l" + bytes(4)),
        several(b"S", 1, array_of("<f8", (1,), bytes(8))),
        array_of("<f8", (1 << 60,), b""),
        array_of("<f8", (1 << 32, 1 << 32), b""),
        array_of("<f8", (0, 1 << 63), b""),
        array_of("<f8", (2,), bytes(8)),
        array_of("<f8", (1,) * 40, bytes(8)),
        array_of("|O8", (1,), bytes(8)),
        array_of("|V8", (1,), bytes(8)),
        array_of("<U1", (1,), bytes(4)),
        array_of("<M8", (1,), bytes(8)),
        b"n|O8" + bytes(8),
        b"y|O8",
        several(b"T", 2, b"+" + array_of("<i8", (1,), bytes(8))),
        several(b"T", 2, b"Ni" + bytes(4)),
        several(b"o", 2, b"N" + b"N"),
        several(b"o", 2, b"s" + struct.pack("<I", 61) + b"x" * 61 + b"s" + bytes(4)),
        several(b"r", 3, b"i\x01\x00\x00\x00\x01" * 2 + b"i\x00\x00\x00\x00"),
        several(b"r", 3, b"NNN"),
        b"s" + struct.pack("<I", 2) + b"\xff\xff",
        b"F" + b"s" + struct.pack("<I", 4) + b"1+1 ",
    ],
    ids=range(33),
)
def test_a_message_that_is_made_to_hurt_is_refused_at_once(message: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(WireError):
        decode(message)
    assert time.process_time() - begun < 5


def test_keys_that_collide_are_refused() -> None:
    """2**61 - 1 is the modulus of Python's hash of an int: a thousand multiples of it share the hash 0."""
    modulus = 2**61 - 1
    few, many = [n * modulus for n in range(ALIKE)], [n * modulus for n in range(1000)]
    assert decode(encode(set(few))) == set(few)
    for hostile in (set(many), dict.fromkeys(many), {(n,) for n in many}):
        with pytest.raises(WireError, match="collide"):
            decode(encode(hostile))


def test_a_bool_is_true_or_false_whatever_its_byte() -> None:
    got = decode(array_of("|b1", (3,), b"\x00\x01\x02"))
    assert got.view(np.uint8).tolist() == [0, 1, 1]


def test_subclasses_go_as_what_they_derive_from() -> None:
    class Colour(IntEnum):
        RED = 7

    class Mine(np.ndarray):
        pass

    pair = namedtuple("pair", "a b")
    given = [Counter("aab"), OrderedDict(a=1), pair(1, 2), Colour.RED, np.ones(2).view(Mine), np.str_("x")]
    got = decode(encode(given))
    assert spelled(got[:5]) == spelled([{"a": 2, "b": 1}, {"a": 1}, (1, 2), 7, np.ones(2)])
    assert isinstance(got[5], Opaque)


def test_tensors_and_sources_go_as_their_arrays_and_values() -> None:
    got = decode(encode([tensor([1.0, 2.0], requires_grad=True), Source("np", np)]))
    assert isinstance(got[0], Tensor)
    assert got[0].requires_grad
    assert got[0].numpy().tolist() == [1.0, 2.0]
    assert got[1] is np


def test_a_function_goes_as_its_text_and_is_made_only_for_who_asks() -> None:
    message = encode(Source("lambda x: 3 * x", lambda x: 3 * x), strict=True)
    with pytest.raises(WireError):
        decode(message)
    assert decode(message, run=lambda text: text) == "lambda x: 3 * x"


@pytest.mark.parametrize("value", [json, print, object(), object, [Exception("x")], np.array(["a"])])
def test_what_has_no_form_is_opaque_or_refused(value: Any) -> None:
    got = decode(encode(value))
    assert isinstance(got[0] if isinstance(got, list) else got, Opaque)
    with pytest.raises(WireError, match="has no form"):
        encode(value, strict=True)


def test_an_opaque_value_shows_its_type_and_a_short_text() -> None:
    class Tree:
        def __repr__(self) -> str:
            return "x" * 10_000

    got = decode(encode(Tree()))
    assert type(got).__name__ == "Tree"
    assert len(repr(got)) == 200


def test_what_is_too_large_is_said() -> None:
    for value, words in (
        (b"x" * 200, "bytes"),
        (np.zeros(100), "bytes"),
        (np.broadcast_to(1.0, (10**6, 10**6)), "bytes"),
        ([None] * 101, "bytes"),
        (1 << (1 << 24), "million bits"),
    ):
        with pytest.raises(WireError, match=words):
            encode(value, limit=100)
    with pytest.raises(WireError, match="values"):
        encode([None] * (ITEMS + 1))
    nested: Any = []
    for _ in range(DEPTH + 1):
        nested = [nested]
    with pytest.raises(WireError, match="deep"):
        encode(nested)


@pytest.mark.parametrize("container", [list, tuple, lambda items: dict.fromkeys(range(len(items)), items[0])])
def test_a_container_of_more_items_than_bytes_is_refused_before_any_item_is_looked_at(container: Any) -> None:
    looked = []

    class Item:
        def __repr__(self) -> str:
            looked.append(self)
            return ""

    with pytest.raises(WireError, match="more than 100 bytes"):
        encode(container([Item()] * 101), limit=100)
    assert not looked
    assert encode([Item()], limit=100)
    assert looked
