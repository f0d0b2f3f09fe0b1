"""Safetensors read by hand: equal to what the library reads, and no file can do harm."""

import json
import os
import resource
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from tinylm import CheckpointError
from tinylm.formats.safetensors import parse_safetensors, read_safetensors, read_sharded
from tinylm.storage import to_bfloat16, write_tensors

GOOD = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.float16), "c": np.array(2.5)}


def spelled(header: object, data: bytes, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@given(data=st.data())
@settings(max_examples=60)
def test_what_the_library_wrote_is_read_to_the_bit(data, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("files")
    arrays = {}
    for name in data.draw(st.lists(st.text(max_size=5), unique=True, max_size=4)):
        shape = data.draw(st.lists(st.integers(0, 3), max_size=3))
        dtype = data.draw(st.sampled_from(["<f4", "<f8", "<f2", "<i8", "|u1", "|b1"]))
        arrays[name] = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    arrays.pop("__metadata__", None)
    save_file(arrays, folder / "m.safetensors", metadata={"x": "y"})
    found, metadata = read_safetensors(folder / "m.safetensors")
    assert metadata == {"x": "y"}
    assert found.keys() == load_file(folder / "m.safetensors").keys()
    for name, array in load_file(folder / "m.safetensors").items():
        assert (found[name].raw.dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].raw.tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", None])
def test_rows_are_widened_and_brought_into_order_and_turned(dtype, tmp_path) -> None:
    array = np.random.default_rng(0).standard_normal((700, 5)).astype(np.float32)
    write_tensors(tmp_path / "m", {"x": array, "v": array[0]}, {}, dtype)
    found, _ = read_safetensors(tmp_path / "m")
    if dtype == "bfloat16":
        assert found["x"].type == "BF16"
        wide = (to_bfloat16(array).astype(np.uint32) << 16).view(np.float32)
    else:
        wide = array if dtype is None else array.astype(np.float16).astype(np.float32)
    assert (found["x"].numpy() == wide).all()
    assert (found["v"].numpy() == wide[0]).all()
    assert (found["x"].rows(3, 9) == wide[3:9]).all()
    order = np.random.default_rng(1).permutation(700)
    for rows in (None, slice(100, 650), order):
        expected = wide if rows is None else wide[rows]
        out, turned = np.empty(expected.shape, np.float32), np.empty(expected.shape[::-1], np.float32)
        found["x"].into(out, rows)
        found["x"].into(turned, rows, transposed=True)
        assert (out == expected).all()
        assert (turned == expected.T).all()
    found["x"].release()
    assert (found["x"].numpy() == wide).all()


def test_numbers_that_are_no_weights_are_refused_when_asked_for(tmp_path) -> None:
    save_file({"ids": np.arange(3)}, tmp_path / "m")
    found, _ = read_safetensors(tmp_path / "m")
    with pytest.raises(CheckpointError, match="ids is I64; weights are read from F64, F32, F16, BF16"):
        found["ids"].numpy()


HOSTILE = {
    "a header of 2^60 bytes": (spelled({}, b"", 1 << 60), "a header of 1152921504606846976 bytes"),
    "a header past the end": (spelled({"a": entry()}, b"", 4000), "cut off"),
    "nothing": (b"", "0 bytes"),
    "seven bytes": (b"1234567", "7 bytes"),
    "no JSON": (spelled(b"{{{{{{{{", b""), "not JSON"),
    "not UTF-8": (spelled(b"\xff\xfe" * 8, b""), "not JSON"),
    "a list": (spelled([1, 2, 3], b""), "its header is a list"),
    "a deep list": (spelled(b"[" * 100_000, b""), "not JSON"),
    "a bomb of brackets": (spelled(b"[" + b"[]," * 400_000 + b"[]]", b""), "brackets"),
    "twice the same name": (spelled(b'{"a": {}, "a": {}}', b""), "'a' stands twice"),
    "overlap": (spelled({"a": entry(), "b": entry(offsets=(4, 12))}, b"x" * 12), "overlaps"),
    "all at one place": (spelled({"a": entry(), "b": entry()}, b"x" * 8), "b overlaps a"),
    "a gap": (spelled({"a": entry(), "b": entry(offsets=(12, 20))}, b"x" * 20), "b leaves a gap after a"),
    "bytes left over": (spelled({"a": entry()}, b"x" * 9), "1 bytes after the last array"),
    "past the end": (spelled({"a": entry(offsets=(0, 1 << 70))}, b"x" * 8), "cut off?"),
    "backwards": (spelled({"a": entry(offsets=(8, 0))}, b"x" * 8), "cut off?"),
    "negative": (spelled({"a": entry(offsets=(-8, 0))}, b"x" * 8), "cut off?"),
    "too large a shape": (spelled({"a": entry(shape=(1 << 40, 1 << 40))}, b"x" * 8), "8 bytes for a shape that needs"),
    "a huge number": (spelled({"a": entry(shape=(10**4000,))}, b"x" * 8), "about 2^"),
    "a shape that overflows to fit": (spelled({"a": entry(shape=(1 << 63, 2, 2))}, b""), "cut off?"),
    "a negative shape": (spelled({"a": entry(shape=(-1, -2))}, b"x" * 8), "whole numbers from 0 up"),
    "a shape of truths": (spelled({"a": entry(shape=(True, 2))}, b"x" * 8), "whole numbers from 0 up"),
    "many axes": (spelled({"a": entry(shape=[1] * 9 + [2])}, b"x" * 8), "up to 8"),
    "a type from elsewhere": (spelled({"a": entry("F8_E4M3")}, b"x" * 8), "its type is F8_E4M3; supported are"),
    "a type that is a list": (spelled({"a": entry([])}, b"x" * 8), "its type is []"),
    "an entry without offsets": (spelled({"a": {"dtype": "F32", "shape": []}}, b""), "expected dtype, shape"),
    "metadata of numbers": (spelled({"__metadata__": {"a": 1}}, b""), "must be an object of texts"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_get_one_clear_error_soon(what, tmp_path) -> None:
    data, message = HOSTILE[what]
    (tmp_path / "m.safetensors").write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    with pytest.raises(CheckpointError) as caught:
        read_safetensors(tmp_path / "m.safetensors")
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    assert message in str(caught.value)
    assert str(tmp_path / "m.safetensors") in str(caught.value)
    assert len(str(caught.value)) < 600


def test_what_is_no_file_is_told(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        read_safetensors(tmp_path / "none")
    with pytest.raises(CheckpointError, match="not a plain file"):
        read_safetensors(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="not a plain file"):
        read_safetensors(tmp_path / "pipe")


# -- several files -----------------------------------------------------------------------------------------


def sharded(folder, weight_map, **files) -> None:
    for name, arrays in files.items():
        save_file(arrays, folder / f"{name}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_arrays_come_from_all_files_of_an_index(tmp_path) -> None:
    one, two = {"a": GOOD["a"]}, {"b": GOOD["b"], "c": GOOD["c"]}
    sharded(tmp_path, {"a": "x.safetensors", "b": "y.safetensors", "c": "y.safetensors"}, x=one, y=two)
    found, _ = read_sharded(tmp_path)
    assert {name: array.numpy().tolist() for name, array in found.items()} == {n: a.tolist() for n, a in GOOD.items()}


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"a": "../x.safetensors"}, "not the name of a safetensors file in this folder"),
        ({"a": "/etc/passwd"}, "not the name of a safetensors file in this folder"),
        ({"a": "x.bin"}, "not the name of a safetensors file in this folder"),
        ({"a": "y.safetensors"}, "no such file"),
        ({"a": "x.safetensors", "b": "x.safetensors"}, "b is not in x.safetensors"),
        ({"b": "x.safetensors"}, "has a, which the index does not look for there"),
        ({"a": 1}, "an object of file names"),
        ([], "an object of file names"),
        ({str(i): f"{i}.safetensors" for i in range(5000)}, "at most 4096"),
    ],
)
def test_an_index_that_does_not_fit(weight_map, message, tmp_path) -> None:
    sharded(tmp_path, weight_map, x={"a": GOOD["a"]})
    with pytest.raises(CheckpointError) as caught:
        read_sharded(tmp_path)
    assert message in str(caught.value)


# -- mutations ---------------------------------------------------------------------------------------------

MUTANTS = 20_000


def mutants(rng: np.random.Generator):
    """Files that were good: bytes changed, put in, taken out, cut off, and headers with other numbers."""
    header = {name: {"dtype": {4: "F32", 2: "F16", 8: "F64"}[a.dtype.itemsize], "shape": list(a.shape)}
              for name, a in GOOD.items()}  # fmt: skip
    first = 0
    for name, a in GOOD.items():
        header[name]["data_offsets"] = [first, first + a.nbytes]
        first += a.nbytes
    body = b"".join(a.tobytes() for a in GOOD.values())
    good = spelled(header, body)
    numbers = [0, 1, -1, 2, 3, 7, 8, 24, 40, 1 << 31, 1 << 63, 1 << 64, 10**30, 1.5, None, True, "1", [], {}]
    for turn in range(MUTANTS):
        if turn % 3 == 0:
            data = bytearray(good)
            for _ in range(rng.integers(1, 4)):
                place = int(rng.integers(len(data)))
                data[place : place + rng.integers(0, 3)] = rng.bytes(rng.integers(0, 3))
            yield bytes(data)
        elif turn % 3 == 1:
            yield good[: rng.integers(len(good))] + rng.bytes(rng.integers(0, 9))
        else:
            changed = json.loads(json.dumps(header))
            one = changed[str(rng.choice(list(GOOD)))]
            key = str(rng.choice(["dtype", "shape", "data_offsets"]))
            value = numbers[rng.integers(len(numbers))]
            if isinstance(one[key], list) and one[key] and rng.random() < 0.8:
                one[key][rng.integers(len(one[key]))] = value
            else:
                one[key] = value
            yield spelled(changed, body[: len(body) - int(rng.integers(0, 2))])


def test_mutated_files_are_read_right_or_refused() -> None:
    read = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in mutants(np.random.default_rng(11)):
        try:
            found, _ = parse_safetensors(data)
        except CheckpointError as problem:
            assert str(problem).startswith("the file: "), problem
            continue
        read += 1
        total = 0
        for array in found.values():
            total += array.raw.nbytes
            array.raw.tobytes()
        assert total == len(data) - 8 - int.from_bytes(data[:8], "little")
    assert MUTANTS / 100 < read < MUTANTS / 2  # some changes leave a good file
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
