"""Safetensors files of others, read by hand: mapped into memory, checked whole before any number is touched.

    8 bytes    length of the header, little-endian
    header     JSON: {"__metadata__": {...}, name: {"dtype": "BF16", "shape": [...], "data_offsets": [first, last]}}
    data       the arrays, one after the other, in C order

The format is small enough to read here, and the library that storage.py writes with cannot hand bfloat16 to NumPy.
A model in several files has an index, model.safetensors.index.json: {"weight_map": {name: file}}.
"""

import json
import math
import mmap
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinylm.formats.mapped import Mapped, mapped
from tinylm.storage import CheckpointError, from_bfloat16

__all__ = ["StoredArray", "check_ordinary", "parse_safetensors", "read_safetensors", "read_sharded"]

MOST_HEADER = 1 << 24  # bytes; a model of a thousand billion numbers in one file has less
MOST_BRACKETS = 1 << 18  # three an array
MOST_AXES = 8
MOST_FILES = 4096
BLOCK = 256  # rows widened at a time

NUMPY = {  # of safetensors -> of NumPy; bfloat16 as its bits
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "|b1",
}  # fmt: skip
FLOATS = ("F64", "F32", "F16", "BF16")


class StoredArray:
    """An array in a mapped file, widened to float32 when it is asked for, some rows at a time.

    name, type, shape    as the file has them; type is of safetensors: F32, F16, BF16, ...
    """

    def __init__(self, name: str, kind: str, shape: tuple[int, ...], data: Mapped, first: int):
        self.name, self.type, self.shape = name, kind, shape
        self._data, self._first = data, first

    @property
    def raw(self) -> np.ndarray:
        """The numbers as they lie in the file, read-only; bfloat16 as bits."""
        count = math.prod(self.shape)
        if not count:
            return np.empty(self.shape, NUMPY[self.type])
        return np.frombuffer(self._data, NUMPY[self.type], count, self._first).reshape(self.shape)

    def rows(self, first: int, last: int) -> np.ndarray:
        """Rows of the first axis in float32 (float64 stays); raises CheckpointError for other than floating-point."""
        if self.type not in FLOATS:
            raise CheckpointError(f"{self.name} is {self.type}; weights are read from {', '.join(FLOATS)}")
        part = self.raw[first:last] if self.shape else self.raw
        if self.type == "BF16":
            return from_bfloat16(part)
        return part.astype(np.float64 if self.type == "F64" else np.float32)

    def numpy(self) -> np.ndarray:
        """All of it."""
        return self.rows(0, self.shape[0] if self.shape else 1)

    def into(self, out: np.ndarray, rows: slice | np.ndarray | None = None, *, transposed: bool = False) -> None:
        """Write rows, in the order asked for, into an array or a part of one, block by block.

        out: (R, C), or (C, R) if transposed   rows: a slice, or numbers (R,); None: all
        """
        numbers = np.arange(self.shape[0])[slice(None) if rows is None else rows]
        target = out.T if transposed else out
        in_order = not isinstance(rows, np.ndarray)
        for a in range(0, len(numbers), BLOCK):
            part = numbers[a : a + BLOCK]
            if in_order:
                target[a : a + BLOCK] = self.rows(int(part[0]), int(part[-1]) + 1)
            else:
                first = int(part.min())
                target[a : a + BLOCK] = self.rows(first, int(part.max()) + 1)[part - first]

    def release(self) -> None:
        """Give the pages of the file that were read back to the system; they are read anew when needed."""
        if hasattr(mmap, "MADV_DONTNEED") and isinstance(self._data, mmap.mmap):  # Windows has no such advice
            page = mmap.PAGESIZE
            start = self._first // page * page
            size = self._first + math.prod(self.shape) * np.dtype(NUMPY[self.type]).itemsize - start
            if size:
                self._data.madvise(mmap.MADV_DONTNEED, start, size)


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, StoredArray], dict[str, str]]:
    """The arrays of a file, mapped, in the file's order, and its metadata.

    Raises CheckpointError, naming the file, for one that is missing, damaged or built to do harm: a header beyond the
    file or longer than 16 MB, offsets that overlap, leave a gap or the file, shapes that do not fit their bytes.
    """
    return parse_safetensors(mapped(path), os.fspath(path))


def parse_safetensors(data: Mapped, path: str = "the file") -> tuple[dict[str, StoredArray], dict[str, str]]:
    """The arrays and the metadata in the bytes of a safetensors file; see `read_safetensors`."""
    size = len(data)
    if size < 10:
        raise CheckpointError(f"{path}: not a safetensors file: it has {size} bytes")
    length = int.from_bytes(data[:8], "little")
    if length > min(size - 8, MOST_HEADER):
        raise CheckpointError(
            f"{path}: not a safetensors file, or cut off: a header of {length} bytes, "
            f"the file has {size} (at most {MOST_HEADER} are read)"
        )
    header = _parse(path, data[8 : 8 + length])
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{path}: __metadata__ must be an object of texts")
    entries = {name: _entry(path, name, entry, size - 8 - length) for name, entry in header.items()}
    _check_cover(path, {name: (first, last) for name, (_, _, first, last) in entries.items()}, size - 8 - length)
    arrays = {
        name: StoredArray(name, kind, shape, data, 8 + length + first)
        for name, (kind, shape, first, _) in sorted(entries.items(), key=lambda item: item[1][2:])
    }
    return arrays, metadata


def check_ordinary(path: str | os.PathLike[str]) -> None:
    """Raise CheckpointError for what is there but no ordinary file: opening a pipe would wait for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise CheckpointError(f"{path}: not a plain file")


def _parse(path: object, text: bytes) -> dict[str, Any]:
    """The header's object; refuses what is built to fill memory, and names that stand twice."""
    if text.count(b"[") + text.count(b"{") > MOST_BRACKETS:
        raise CheckpointError(f"{path}: not a safetensors file: more than {MOST_BRACKETS} brackets in its header")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise CheckpointError(f"{path}: damaged: {twice[:80]!r} stands twice in its header")
        return found

    try:
        header = json.loads(text.decode(), object_pairs_hook=once)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as problem:
        raise CheckpointError(f"{path}: not a safetensors file: its header is not JSON: {problem}") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: not a safetensors file: its header is a {type(header).__name__}")
    return header


def _entry(path: object, name: str, entry: Any, size: int) -> tuple[str, tuple[int, ...], int, int]:
    """Type, shape and place of one array, all of them checked."""
    where = f"{path}: {name[:80]}"
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise CheckpointError(f"{where}: expected dtype, shape and data_offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in NUMPY:
        raise CheckpointError(f"{where}: its type is {str(kind)[:40]}; supported are {', '.join(NUMPY)}")
    if not isinstance(shape, list) or len(shape) > MOST_AXES or not all(type(n) is int and n >= 0 for n in shape):
        raise CheckpointError(f"{where}: the shape must be a list of up to {MOST_AXES} whole numbers from 0 up")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int for n in offsets):
        raise CheckpointError(f"{where}: data_offsets must be two whole numbers")
    first, last = offsets
    if not 0 <= first <= last <= size:
        raise CheckpointError(f"{where}: lies from {_short(first)} to {_short(last)} in {size} bytes of data; cut off?")
    need = math.prod(shape) * np.dtype(NUMPY[kind]).itemsize
    if need != last - first:
        raise CheckpointError(f"{where}: {last - first} bytes for a shape that needs {_short(need)}")
    return kind, tuple(shape), first, last


def _short(number: int) -> str:
    return str(number) if number.bit_length() <= 64 else f"about 2^{number.bit_length()}"


def _check_cover(path: object, places: Mapping[str, tuple[int, int]], size: int) -> None:
    """Raise CheckpointError unless the arrays lie one after the other, without overlap or gap, to the end."""
    reached, before = 0, "the header"
    for name, (first, last) in sorted(places.items(), key=lambda item: item[1]):
        if first != reached:
            what = "overlaps" if first < reached else "leaves a gap after"
            raise CheckpointError(f"{path}: damaged: {name[:80]} {what} {before[:80]}")
        reached, before = last, name
    if reached != size:
        raise CheckpointError(f"{path}: damaged: {size - reached} bytes after the last array")


def read_sharded(folder: Path) -> tuple[dict[str, StoredArray], dict[str, str]]:
    """The arrays of model.safetensors in a folder, or of all the files that its index names.

    Raises CheckpointError where files are missing or damaged, and for an index that names files elsewhere.
    """
    one, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if one.exists():
        return read_safetensors(one)
    if not index.exists():
        pickles = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth") for p in folder.glob(pattern))
        hint = f"; {pickles[0]} is a pickle, which is never read: convert it to safetensors" if pickles else ""
        raise CheckpointError(f"{folder}: there is no model.safetensors, and no {index.name}{hint}")
    check_ordinary(index)
    if index.stat().st_size > MOST_HEADER:
        raise CheckpointError(f"{index}: longer than {MOST_HEADER} bytes")
    weight_map = _parse(index, index.read_bytes()).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
        raise CheckpointError(f"{index}: expected weight_map, an object of file names")
    files = list(dict.fromkeys(weight_map.values()))
    if len(files) > MOST_FILES:
        raise CheckpointError(f"{index}: names {len(files)} files, at most {MOST_FILES} are read")
    arrays: dict[str, StoredArray] = {}
    metadata: dict[str, str] = {}
    for file in files:
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise CheckpointError(f"{index}: {file[:80]!r} is not the name of a safetensors file in this folder")
        found, noted = read_safetensors(folder / file)
        metadata |= noted
        for name, array in found.items():
            if weight_map.get(name) != file:
                raise CheckpointError(f"{folder / file}: has {name[:80]}, which the index does not look for there")
            arrays[name] = array
    missing = [name for name in weight_map if name not in arrays]
    if missing:
        raise CheckpointError(f"{index}: {missing[0][:80]} is not in {weight_map[missing[0]]}")
    return arrays, metadata
