"""GGUF files that are damaged or hostile: each is one clear error, within a second and in little memory."""

import re
import struct
import time
from typing import Any

import numpy as np
import pytest

from tests.formats.gguf_bytes import ARRAY, STRING, made
from tests.formats.hostile import refusal
from tests.formats.test_gguf import F32, Q8, small
from tinylm.formats import gguf as module
from tinylm.formats import gguf_values
from tinylm.formats.gguf import parse_gguf
from tinylm.storage import CheckpointError


def nested(depth: int) -> tuple[int, Any]:
    return (4, [1]) if depth == 1 else (ARRAY, [nested(depth - 1)])


def patched(what: str, value: int, *, nth: int = 0, file: Any = None) -> bytes:
    """A good file with the nth number of that meaning replaced."""
    good = file or made(
        [("k", STRING, "text"), ("list", ARRAY, (STRING, ["a", "bc"])), ("n", ARRAY, (4, [1, 2, 3]))],
        [("a", (3, 2), 0, F32.tobytes()), ("b", (32, 2), 8, Q8 * 2)],
    )
    _, at, size = [mark for mark in good.marks if mark[0] == what][nth]
    return bytes(good.data[:at]) + (value % (1 << 8 * size)).to_bytes(size, "little") + bytes(good.data[at + size :])


REFUSED = {
    "nothing": (b"", "begins with b''"),
    "another format": (b"PK\3\4" + bytes(60), r"begins with b'PK"),
    "a header that is cut": (small()[:23], "23 bytes; the header alone takes 24"),
    "version 1": (small(version=1), "version 1; versions 2 and 3 are read"),
    "version 4": (small(version=4), "version 4"),
    "big-endian": (small(order=">"), r"big-endian \(version 3\); only little-endian"),
    "a terabyte of tensors": (patched("number of tensors", 1 << 40), "1,099,511,627,776 tensors"),
    "a terabyte of values": (patched("number of values", 1 << 40), "1,099,511,627,776 values"),
    "more tensors than there are": (patched("number of tensors", 3), "is in block format|left"),
    "more values than there are": (patched("number of values", 60), "value|type|key|would take|stands twice"),
    "a key of 2^60 bytes": (patched("length of key", 1 << 60), "key of value 0 has 1,152,921,504,606,846,976 bytes"),
    "a string of 2^60 bytes": (
        patched("length of string", 1 << 60),
        "'k' has 1,152,921,504,606,846,976 bytes; at most",
    ),
    "a string beyond the end": (patched("length of string", 1 << 20), "'k' would take 1,048,576 bytes"),
    "a string of 2^64 − 1 bytes in a list": (patched("length of string", -1, nth=1), "string 0 of 'list' goes beyond"),
    "a list of 2^60 strings": (patched("number of items", 1 << 60), "strings in arrays to more than 2,097,152"),
    "a list of more strings than bytes": (patched("number of items", 1 << 20), "'list' would take 8,388,608 bytes"),
    "an array of 2^62 numbers": (
        patched("number of items", 1 << 62, nth=1),
        "'n' would take 18,446,744,073,709,551,616",
    ),
    "a list whose last string is cut": (
        made([("s", ARRAY, (STRING, ["aa", "bbbb"]))], []).data.rstrip(b"\0")[:-1],
        "string 1 of 's' goes beyond the end",
    ),
    "an unknown type": (patched("type", 13), "'k' is of type 13; types go from 0 to 12"),
    "an unknown type of items": (patched("type of items", 99), "'list' is of type 99"),
    "a truth value of 2": (made([("b", 0, 2)], []).data.replace(b"b\0\0\0\0", b"b\7\0\0\0"), "neither 0 nor 1"),
    "a key twice": (made([("k", 4, 1), ("k", 4, 1)], []).data, "the key 'k' stands twice"),
    "a tensor twice": (made([], [("a", (3, 2), 0, F32.tobytes())] * 2).data, "the tensor 'a' stands twice"),
    "a key that is not UTF-8": (made([("kkkk", 4, 1)], []).data.replace(b"kkkk", b"k\xff\xfek"), "not UTF-8"),
    "a string that is not UTF-8": (made([("s", ARRAY, (STRING, ["ok", b"\xff"]))], []).data, "string 1 of 's' is not"),
    "arrays five deep": (made([("k", ARRAY, nested(5))], []).data, "nested more than 4 deep"),
    "five thousand arrays": (made([("k", ARRAY, (ARRAY, [(0, [])] * 5000))], []).data, "more than 4,096"),
    "a name of 65 bytes": (made([], [("n" * 65, (1,), 0, b"1234")]).data, "65 bytes; at most 64"),
    "five dimensions": (patched("number of dimensions", 5), "5 dimensions; at most 4"),
    "4 billion dimensions": (patched("number of dimensions", -1), "4,294,967,295 dimensions"),
    "a dimension of nothing": (patched("dimension", 0), r"shape \(2, 0\); its sizes must be positive"),
    "a dimension of 2^62": (patched("dimension", 1 << 62), "bytes after the file"),
    "dimensions that overflow": (patched("dimension", (1 << 63) + 3), "bytes after the file"),
    "a row of no whole blocks": (patched("dimension", 33, nth=2), "positive, the last a multiple of 32"),
    "a format that is not read": (patched("format", 10), "block format Q2_K; supported are F32, F16, Q4_0"),
    "a format that nobody knows": (patched("format", 77), "number 77, which is unknown; supported"),
    "an offset that is not aligned": (patched("offset", 8, nth=1), "begins at 8, which is no multiple of 32"),
    "an offset beyond the file": (patched("offset", 1 << 20, nth=1), "bytes after the file"),
    "an offset of 2^63": (patched("offset", 1 << 63, nth=1), "bytes after the file"),
    "two tensors in one place": (patched("offset", 0, nth=1), "'b' lies over 'a'"),
    "data that are cut": (small()[:-32], "'b', Q8_0 of shape .* ends"),
    "an alignment of 0": (made([("general.alignment", 4, 0)], []).data, "power of 2 from 8 to 1,048,576, it is 0"),
    "an alignment of 24": (made([("general.alignment", 4, 24)], []).data, "it is 24"),
    "an alignment of 2^31": (made([("general.alignment", 4, 1 << 31)], []).data, "it is 2147483648"),
    "an alignment that is true": (made([("general.alignment", 7, True)], []).data, "it is True"),
    "an alignment that is a list": (made([("general.alignment", ARRAY, (4, [32] * 999))], []).data, "it is a ndarray"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_damaged_or_hostile_is_one_clear_error_in_little_memory(case: str) -> None:
    data, message = REFUSED[case]
    text = refusal(lambda data: parse_gguf(data, "model.gguf"), data)
    assert text.startswith("model.gguf: not a GGUF file that can be read: ")
    assert re.search(message, text)


@pytest.mark.parametrize("end", range(len(small())))
def test_a_file_cut_anywhere_is_refused(end: int) -> None:
    if end >= len(small()) - 30:  # the zeros after the last tensor: nothing is missing
        np.testing.assert_array_equal(parse_gguf(small()[:end]).tensors["b"].numpy(), np.arange(-16, 16) / 2)
    else:
        with pytest.raises(CheckpointError):
            parse_gguf(small()[:end])


def test_a_great_file_of_small_strings_takes_no_more_than_the_largest_vocabulary() -> None:
    count = 1 << 21
    values = [("a", ARRAY, (0, [])), ("b", ARRAY, (0, []))]
    data = made(values, []).data.rstrip(b"\0")
    header = data[: data.index(b"a", 24) + 1]
    one = struct.pack("<IIQ", ARRAY, STRING, count)
    hostile = header + one + bytes(8 * count) + struct.pack("<Q", 1) + b"b" + one + bytes(8 * count)
    started = time.perf_counter()
    with pytest.raises(CheckpointError, match="'b' would bring the strings in arrays to more than 2,097,152"):
        parse_gguf(hostile)
    assert time.perf_counter() - started < 8


def test_only_the_first_quarter_of_a_gigabyte_is_read_as_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_values, "MAX_METADATA", 170)
    with pytest.raises(CheckpointError, match=r"would take .* of the 256 MB that are read as metadata are left"):
        parse_gguf(made([("k", STRING, "x" * 90), ("l", STRING, "x" * 90)], []).data)
    assert len(small()) > 240
    assert parse_gguf(small()).metadata  # the data may lie beyond


def test_limits_leave_room_for_published_files() -> None:
    # Llama 3: 128,256 tokens and 280,147 merges; Gemma 3: 262,144; DeepSeek V3: 1,025 tensors; Gemma's file: 20 MB
    assert gguf_values.MAX_STRINGS > 3 * (280_147 + 128_256)
    assert module.MAX_TENSORS > 10 * 1025
