"""Writing GGUF: what is read back, here and by the package gguf, is what was given; and nothing half-written stays."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.formats.gguf_bytes import ARRAY, STRING, made
from tinylm.formats import gguf_write
from tinylm.formats.gguf import read_gguf
from tinylm.formats.gguf_write import to_q8_0, write_gguf
from tinylm.formats.quants import FORMATS, widened
from tinylm.storage import CheckpointError

METADATA: dict[str, Any] = {
    "general.architecture": "llama",
    "count": 7,
    "negative": -7,
    "largest of 32 bits": (1 << 32) - 1,
    "large": 1 << 40,
    "low": -(1 << 40),
    "eps": 1e-5,
    "yes": True,
    "small": np.uint8(9),
    "exact": np.float64(0.1),
    "tokens": ["a", "ü", ""],
    "scores": np.array([0.5, -1.0], np.float32),
    "types": np.array([1, 3], np.int32),
    "flags": np.array([True, False]),
    "empty": [],
}
KINDS = dict(zip(METADATA, [8, 4, 5, 4, 10, 11, 6, 7, 0, 12, 9, 9, 9, 9, 9], strict=True))  # the type of each in a file


def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "f32": rng.normal(size=(5, 7)).astype(np.float32),
        "f16": rng.normal(size=(3, 11)).astype(np.float32),
        "bf16": rng.normal(size=(2, 3, 5)),  # float64
        "q8": rng.normal(size=(4, 64)).astype(np.float32),
        "vector": rng.normal(size=9).astype(np.float16),
    }


TYPES = {"f16": "F16", "bf16": "BF16", "q8": "Q8_0"}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and bool(a == b)


def test_the_bytes_are_those_of_a_file_made_by_hand(tmp_path: Path) -> None:
    a, b = np.arange(6, dtype="<f4").reshape(2, 3), np.arange(5, dtype="<f2")
    values: list[tuple[str, int, Any]] = [
        ("k", STRING, "é"), ("n", 4, 7), ("eps", 6, 1e-5), ("no", 7, False),
        ("t", ARRAY, (STRING, ["a", ""])), ("s", ARRAY, (6, [0.5])), ("b", ARRAY, (7, [True])),
        ("nested", ARRAY, (ARRAY, [(STRING, ["x"]), (5, [1])])),
    ]  # fmt: skip
    by_hand = made(values, [("a", (3, 2), 0, a.tobytes()), ("b", (5,), 1, b.tobytes())])
    write_gguf(
        tmp_path / "m",
        {"k": "é", "n": 7, "eps": 1e-5, "no": False, "t": ["a", ""], "s": np.array([0.5], np.float32),
         "b": np.array([True]), "nested": [["x"], np.array([1], np.int32)]},
        {"a": a, "b": b},
        {"b": "F16"},
    )  # fmt: skip
    assert (tmp_path / "m").read_bytes() == by_hand.data


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m", METADATA, tensors(), TYPES)
    file = read_gguf(tmp_path / "m")
    assert list(file.metadata) == list(METADATA)
    for key, value in METADATA.items():
        expected = value.item() if isinstance(value, np.generic) else value
        expected = float(np.float32(expected)) if key == "eps" else expected
        assert same(file.metadata[key], expected), key
    assert list(file.tensors) == list(tensors())
    for name, array in tensors().items():
        tensor = file.tensors[name]
        assert tensor.type == TYPES.get(name, "F32")
        assert tensor.shape == array.shape
        assert tensor.offset % 32 == 0
    np.testing.assert_array_equal(file.tensors["f32"].numpy(), tensors()["f32"])
    np.testing.assert_array_equal(file.tensors["vector"].numpy(), tensors()["vector"].astype(np.float32))
    np.testing.assert_array_equal(file.tensors["f16"].numpy(), tensors()["f16"].astype(np.float16).astype(np.float32))


def test_a_file_that_was_read_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    metadata = {key: value for key, value in METADATA.items() if not isinstance(value, np.generic)}
    metadata |= {"general.alignment": 64, "nested": [["x", "y"], np.arange(3, dtype=np.uint64), []]}
    write_gguf(tmp_path / "a", metadata, tensors(), TYPES)
    file = read_gguf(tmp_path / "a")
    assert file.alignment == 64
    again = {name: tensor.numpy() for name, tensor in file.tensors.items()}
    write_gguf(tmp_path / "b", file.metadata, again, {name: tensor.type for name, tensor in file.tensors.items()})
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_the_package_gguf_reads_our_files(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="the peer is the package gguf")
    write_gguf(tmp_path / "m", METADATA, tensors(), TYPES)
    theirs, ours = gguf.GGUFReader(tmp_path / "m"), read_gguf(tmp_path / "m")
    for key, value in ours.metadata.items():
        field = theirs.get_field(key)
        assert field.types[0] == KINDS[key]
        got = field.contents()
        assert got == (value.tolist() if isinstance(value, np.ndarray) else value), key
    assert [tensor.name for tensor in theirs.tensors] == list(ours.tensors)
    for tensor in theirs.tensors:
        assert tensor.tensor_type.name == ours.tensors[tensor.name].type
        assert tuple(tensor.shape.tolist()[::-1]) == ours.tensors[tensor.name].shape
        widened_there = gguf.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(ours.tensors[tensor.name].numpy(), widened_there)


def test_we_read_the_files_of_the_package_gguf(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="the peer is the package gguf")
    writer = gguf.GGUFWriter(tmp_path / "m", "llama")
    writer.add_token_list(["a", "ü"])
    writer.add_token_scores([0.5, -1.0])
    writer.add_rope_freq_base(10000.0)
    writer.add_bool("yes", True)
    matrix = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
    blocks = gguf.quantize(matrix, gguf.GGMLQuantizationType.Q4_0)
    writer.add_tensor("w", blocks, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.add_tensor("v", matrix.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = read_gguf(tmp_path / "m")
    assert file.metadata["tokenizer.ggml.tokens"] == ["a", "ü"]
    assert file.metadata["tokenizer.ggml.scores"].tolist() == [0.5, -1.0]
    assert file.metadata["llama.rope.freq_base"] == 10000.0
    assert file.metadata["yes"] is True
    np.testing.assert_array_equal(file.tensors["w"].raw, blocks)
    np.testing.assert_array_equal(file.tensors["w"].numpy(), gguf.dequantize(blocks, gguf.GGMLQuantizationType.Q4_0))
    np.testing.assert_array_equal(file.tensors["v"].numpy(), matrix.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0"])
def test_arrays_in_any_memory_order_are_written_as_they_read(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_write, "PIECE", 128)  # 2 rows of 64; a row of 192 in two pieces
    x = np.random.default_rng(1).normal(size=(7, 192)).astype(np.float32)
    views = {
        "solid": x,
        "transposed": np.ascontiguousarray(x.T).T,
        "reversed": x[::-1, ::-1],
        "strided": x[::2, 64:128],
        "cube": np.asfortranarray(x.reshape(7, 3, 64)),
        "vector": x[3],
    }
    write_gguf(tmp_path / "views", {}, views, dict.fromkeys(views, kind))
    write_gguf(tmp_path / "copies", {}, {n: v.copy(order="C") for n, v in views.items()}, dict.fromkeys(views, kind))
    assert (tmp_path / "views").read_bytes() == (tmp_path / "copies").read_bytes()
    error = {"F32": 0, "F16": 2**-11, "BF16": 2**-8, "Q8_0": 0.5 / 127 + 2**-11}[kind]  # of the largest in a block
    for name, view in views.items():
        read = read_gguf(tmp_path / "views").tensors[name].numpy()
        assert abs(read - view).max() <= error * abs(view).max()


# -- Q8_0 ------------------------------------------------------------------------------------------------

BLOCKS = hnp.arrays(np.float32, (3, 32), elements=st.floats(-(2**20), 2**20, width=32))


@given(BLOCKS)
def test_q8_0_is_the_nearest_of_255_steps_and_keeps_the_largest_number(x: np.ndarray) -> None:
    blocks = to_q8_0(x)
    for block, numbers in zip(blocks, x.astype(np.float64), strict=True):
        largest = max(abs(number) for number in numbers)
        q = [int.from_bytes(byte.tobytes(), signed=True) for byte in block[2:]]
        assert float(np.frombuffer(block[:2].tobytes(), "<f2")[0]) == np.float16(np.float32(largest) / np.float32(127))
        if largest > 1e-30:
            assert max(abs(k) for k in q) == 127
            for k, number in zip(q, numbers, strict=True):
                assert abs(k - number * 127 / largest) <= 0.5 + 1e-4  # float32's 1/d and product: 127 · 2⁻²³ and less


@given(BLOCKS)
def test_q8_0_is_that_of_the_gguf_package(x: np.ndarray) -> None:
    gguf = pytest.importorskip("gguf", reason="the peer is the package gguf")
    x[abs(x) < 1e-30] = 0  # 1/d becomes infinite there, and what theirs is depends on the processor
    theirs = gguf.quantize(x, gguf.GGMLQuantizationType.Q8_0)
    np.testing.assert_array_equal(to_q8_0(x), theirs)


def test_halves_are_rounded_away_from_zero_and_what_is_just_below_is_not() -> None:
    x = np.zeros((1, 32), np.float32)
    x[0, :7] = 127, 0.5, -0.5, 1.5, 2.5, np.nextafter(np.float32(0.5), np.float32(0)), -126.5  # d = 1
    assert to_q8_0(x)[0, 2:9].view(np.int8).tolist() == [127, 1, -1, 2, 3, 0, -127]


def test_a_block_of_zeros_or_of_nearly_nothing_becomes_zeros() -> None:
    for size in (0, 1e-40, 1e-44):
        x = np.full((1, 32), size, np.float32)
        assert (to_q8_0(x)[:, 2:] == 0).all()
        assert (widened(FORMATS["Q8_0"], to_q8_0(x)) == 0).all()


# -- what cannot be written ------------------------------------------------------------------------------

ONE = {"w": np.ones((2, 32), np.float32)}
BAD: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, str], str]] = {
    "an object": ({"k": object()}, ONE, {}, "'k': a object cannot be written; give a str, bool"),
    "None": ({"k": None}, ONE, {}, "'k': a NoneType"),
    "a mixed list": ({"k": ["a", 1]}, ONE, {}, "'k': a list"),
    "a matrix": ({"k": np.ones((2, 2))}, ONE, {}, "'k': a ndarray"),
    "half a float": ({"k": np.ones(2, np.float16)}, ONE, {}, "'k': a ndarray"),
    "complex": ({"k": np.complex64(1)}, ONE, {}, "'k': a complex64"),
    "a whole number of 65 bits": ({"k": 1 << 64}, ONE, {}, "'k': 18446744073709551616 is too large"),
    "a float of no float32": ({"k": 1e300}, ONE, {}, r"'k': 1e\+300 is too large; np.float64 holds"),
    "half a character": ({"k": "\ud800"}, ONE, {}, "half a character"),
    "half a character in a key": ({"\ud800": 1}, ONE, {}, "half a character"),
    "an empty key": ({"": 1}, ONE, {}, "a key must have 1 to 65,535 bytes"),
    "a long key": ({"k" * 65536: 1}, ONE, {}, "a key must have 1 to 65,535 bytes"),
    "an alignment of 24": ({"general.alignment": 24}, ONE, {}, "power of 2 from 8"),
    "arrays five deep": ({"k": [[[[["a"]]]]]}, ONE, {}, "'k': a list"),
    "a type for nothing": ({}, ONE, {"v": "F16"}, "types names 'v', which is not among the tensors"),
    "a type that is not written": ({}, ONE, {"w": "Q4_0"}, "'w': type 'Q4_0' is not written; F32, F16, BF16, Q8_0 are"),
    "rows of no whole blocks": ({}, {"w": np.ones((2, 33))}, {"w": "Q8_0"}, "rows of 33 are no whole blocks of 32"),
    "whole numbers": ({}, {"w": np.ones(4, np.int32)}, {}, "expected floating-point numbers .* got int32"),
    "five axes": ({}, {"w": np.ones((1,) * 5)}, {}, "1 to 4 axes"),
    "no axes": ({}, {"w": np.array(1.0)}, {}, "1 to 4 axes"),
    "no numbers": ({}, {"w": np.ones((0, 3))}, {}, r"shape \(0, 3\)"),
    "a long name": ({}, {"n" * 64: np.ones(3)}, {}, "1 to 63 bytes"),
    "too large for float16": ({}, {"w": np.array([1.0, 1e6])}, {"w": "F16"}, r"'w': it holds 1e\+06, which F16 cannot"),
    "too large for float32": ({}, {"w": np.array([1e300])}, {}, r"'w': it holds 1e\+300, which F32 cannot"),
    "too large for Q8_0": ({}, {"w": np.full(32, 1e8)}, {"w": "Q8_0"}, r"'w': it holds 1e\+08, which Q8_0 cannot"),
    "infinities in Q8_0": ({}, {"w": np.full(32, np.inf)}, {"w": "Q8_0"}, "'w': it holds inf, which Q8_0 cannot"),
    "NaN in Q8_0": ({}, {"w": np.array([math.nan] + [1] * 31)}, {"w": "Q8_0"}, "'w': it holds nan, which Q8_0 cannot"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_written_is_named_and_the_old_file_stands(case: str, tmp_path: Path) -> None:
    metadata, arrays, types, message = BAD[case]
    (tmp_path / "m").write_bytes(b"old")
    with pytest.raises(CheckpointError, match=message):
        write_gguf(tmp_path / "m", metadata, arrays, types)
    assert (tmp_path / "m").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "m"]


def test_infinities_and_nan_are_written_where_the_format_has_them(tmp_path: Path) -> None:
    x = np.array([np.inf, -np.inf, np.nan, 1], np.float32)
    write_gguf(tmp_path / "m", {}, {"a": x, "b": x, "c": x}, {"b": "F16", "c": "BF16"})
    for tensor in read_gguf(tmp_path / "m").tensors.values():
        np.testing.assert_array_equal(tensor.numpy(), x)
