"""Reading GGUF: what a file says is what is read; files that are damaged or hostile are in test_gguf_refused."""

import gc
import os
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.formats.gguf_bytes import ARRAY, STRING, made
from tinylm.formats import gguf_values
from tinylm.formats.gguf import parse_gguf, read_gguf
from tinylm.storage import CheckpointError

SMOLLM2 = os.environ.get("TINYLM_SMOLLM2")

F32 = np.arange(6, dtype="<f4").reshape(2, 3) / 4
Q8 = struct.pack("<e32b", 0.5, *range(-16, 16))  # one block


def small(**changes: Any) -> bytes:
    """A file with one value and two tensors."""
    return made(
        [("general.architecture", STRING, "llama")], [("a", (3, 2), 0, F32.tobytes()), ("b", (32,), 8, Q8)], **changes
    ).data


# -- what is read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
def test_tensors_have_their_shapes_and_numbers(version: int) -> None:
    file = parse_gguf(small(version=version))
    assert file.version == version
    assert file.metadata == {"general.architecture": "llama"}
    assert list(file.tensors) == ["a", "b"]
    a, b = file.tensors.values()
    assert (a.type, a.shape, a.columns, a.raw.shape) == ("F32", (2, 3), 3, (2, 12))
    assert (b.type, b.shape, b.columns, b.raw.shape) == ("Q8_0", (32,), 32, (1, 34))
    np.testing.assert_array_equal(a.numpy(), F32)
    np.testing.assert_array_equal(b.numpy(), np.arange(-16, 16) / 2)
    assert a.numpy().dtype == np.float32


def test_every_type_of_value_is_read() -> None:
    numbers = {0: 200, 1: -100, 2: 60000, 3: -30000, 4: 4_000_000_000, 5: -2_000_000_000, 6: 0.5, 10: 1 << 63,
               11: -(1 << 62), 12: 0.1}  # fmt: skip
    values = [(f"n{kind}", kind, number) for kind, number in numbers.items()]
    values += [("yes", 7, True), ("no", 7, False), ("text", STRING, "é\n"), ("empty", STRING, "")]
    values += [(f"a{kind}", ARRAY, (kind, [number, number])) for kind, number in numbers.items()]
    values += [("flags", ARRAY, (7, [True, False])), ("texts", ARRAY, (STRING, ["a", "", "ü"]))]
    values += [("none", ARRAY, (STRING, [])), ("no numbers", ARRAY, (6, []))]
    read = parse_gguf(made(values, []).data).metadata
    assert list(read) == [key for key, _, _ in values]
    for kind, number in numbers.items():
        assert (read[f"n{kind}"], type(read[f"n{kind}"])) == (number, type(number))
        array = read[f"a{kind}"]
        assert array.tolist() == [number, number]
        assert array.dtype.isnative
        assert array.dtype == np.dtype(gguf_values.NUMBERS[kind])
        assert array.flags.aligned
    assert read["yes"] is True
    assert read["no"] is False
    assert (read["text"], read["empty"], read["texts"], read["none"]) == ("é\n", "", ["a", "", "ü"], [])
    assert (read["flags"].dtype, read["flags"].tolist()) == (np.bool_, [True, False])
    assert read["no numbers"].dtype == np.float32
    assert len(read["no numbers"]) == 0


def test_arrays_of_arrays_are_lists_of_arrays() -> None:
    nested = (ARRAY, [(4, [1, 2]), (STRING, ["x"]), (ARRAY, [(7, [True])])])
    (a, b, c) = parse_gguf(made([("k", ARRAY, nested)], []).data).metadata["k"]
    assert (a.tolist(), b, c[0].tolist()) == ([1, 2], ["x"], [True])


@pytest.mark.parametrize("alignment", [8, 32, 64, 4096])
def test_the_data_begin_where_the_alignment_says(alignment: int) -> None:
    tensors = [("a", (3, 2), 0, F32.tobytes()), ("b", (3, 2), 0, (F32 + 1).tobytes())]
    for length in range(min(alignment, 64)):  # the header ends at every distance from a multiple, also at one
        values = [("general.alignment", 4, alignment), ("pad", STRING, "x" * length)]
        file = parse_gguf(made(values, tensors, alignment=alignment).data)
        assert file.alignment == alignment
        np.testing.assert_array_equal(file.tensors["a"].numpy(), F32)
        np.testing.assert_array_equal(file.tensors["b"].numpy(), F32 + 1)


def test_tensors_may_lie_in_any_order_and_have_up_to_four_axes() -> None:
    whole = np.arange(24, dtype="<f4")
    data, marks = made([], [("b", (2, 3, 2, 2), 0, whole.tobytes()), ("a", (), 0, b"\0\0\x80?")])
    swapped = bytearray(data)
    first, second = (at for what, at, _ in marks if what == "offset")
    swapped[first : first + 8], swapped[second : second + 8] = struct.pack("<Q", 32), bytes(8)
    swapped[-128:] = b"\0\0\x80?" + bytes(28) + whole.tobytes()
    for file in (data, bytes(swapped)):
        tensors = parse_gguf(file).tensors
        np.testing.assert_array_equal(tensors["b"].numpy(), whole.reshape(2, 2, 3, 2))
        np.testing.assert_array_equal(tensors["a"].numpy(), np.float32(1))
        assert tensors["b"].raw.shape == (12, 8)


def test_rows_are_widened_as_they_are_asked_for() -> None:
    whole = np.arange(12, dtype="<f4").reshape(4, 3)
    tensor = parse_gguf(made([], [("w", (3, 4), 0, whole.tobytes())]).data).tensors["w"]
    np.testing.assert_array_equal(tensor.rows(1, 3), whole[1:3])
    assert tensor.rows(2, 2).shape == (0, 3)
    np.testing.assert_array_equal(tensor.take(np.array([[3, 0], [3, 1]])), whole[[[3, 0], [3, 1]]])
    assert tensor.take(np.zeros((0, 2), int)).shape == (0, 2, 3)
    out = np.empty((3, 3), np.float32)
    tensor.into(out, np.array([2, 0, 2]), transposed=True)
    np.testing.assert_array_equal(out, whole[[2, 0, 2]].T)
    tensor.into(out[:2], slice(2, 4))
    np.testing.assert_array_equal(out[:2], whole[2:])
    for a, b in ((-1, 2), (0, 5), (3, 2)):
        with pytest.raises(IndexError, match="w has rows 0 to 4"):
            tensor.rows(a, b)


def test_a_file_is_mapped_and_its_pages_can_be_given_back(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    whole = np.random.default_rng(0).normal(size=(300, 700)).astype("<f4")
    path.write_bytes(made([], [("w", (700, 300), 0, whole.tobytes()), ("v", (3, 2), 0, F32.tobytes())]).data)
    gc.collect()
    tracemalloc.start()
    tensors = read_gguf(path).tensors
    assert tracemalloc.get_traced_memory()[1] < 100_000  # the file has 840,000 bytes
    tracemalloc.stop()
    for _ in range(2):
        np.testing.assert_array_equal(tensors["w"].numpy(), whole)
        np.testing.assert_array_equal(tensors["v"].numpy(), F32)
        tensors["w"].release()
        tensors["v"].release()
    assert not tensors["w"].raw.flags.writeable
    parse_gguf(path.read_bytes()).tensors["w"].release()  # of bytes there is nothing to give back


# -- files -----------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_or_no_plain_file_is_refused(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.gguf", "none.gguf: no such file"),
        (tmp_path, "not a plain file|directory|denied"),
        (tmp_path / "file" / "below", "no such file"),
        ("a\0b", "null"),
    ):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(CheckpointError, match=message):
            read_gguf(path)
    with pytest.raises(CheckpointError, match="file: not a GGUF file that can be read: it begins with b''"):
        read_gguf(tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    started = time.perf_counter()
    with pytest.raises(CheckpointError):
        read_gguf(tmp_path / "pipe")
    assert time.perf_counter() - started < 1


@pytest.mark.skipif(not SMOLLM2, reason="TINYLM_SMOLLM2 does not name SmolLM2-135M-Instruct.Q4_1.gguf")
def test_the_metadata_of_a_published_model_are_read_fast() -> None:
    times = []
    for _ in range(3):
        started = time.perf_counter()
        file = read_gguf(str(SMOLLM2))
        times.append(time.perf_counter() - started)
    assert len(file.metadata["tokenizer.ggml.tokens"]) == 49152
    assert len(file.metadata["tokenizer.ggml.merges"]) == 48900
    assert file.metadata["tokenizer.ggml.token_type"].dtype == np.int32
    assert file.metadata["llama.rope.freq_base"] == 100000.0
    assert len(file.tensors) == 272
    assert min(times) < 0.3


@pytest.mark.skipif(not SMOLLM2, reason="TINYLM_SMOLLM2 does not name SmolLM2-135M-Instruct.Q4_1.gguf")
def test_a_published_model_is_widened_as_the_package_gguf_does() -> None:
    gguf = pytest.importorskip("gguf", reason="the peer is the package gguf")
    ours = read_gguf(str(SMOLLM2)).tensors
    for theirs in gguf.GGUFReader(SMOLLM2).tensors[:12]:
        tensor = ours[theirs.name]
        assert tensor.shape == tuple(theirs.shape.tolist()[::-1])
        some = theirs.data[:3000] if theirs.data.ndim > 1 else theirs.data
        expected = gguf.dequantize(some, theirs.tensor_type)
        np.testing.assert_array_equal(tensor.rows(0, min(3000, len(tensor.raw))).reshape(expected.shape), expected)
