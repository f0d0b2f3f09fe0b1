"""Read GGUF, llama.cpp's file of named values and of tensors in blocks; knows nothing of what the names mean.

    "GGUF", version uint32, number of tensors uint64, number of values uint64
    for each value:    key string, type uint32, value
    for each tensor:   name string, number of dimensions uint32, each of them uint64 with the contiguous one first,
                       block format uint32, offset uint64
    zeros up to a multiple of general.alignment, from where the offsets count; then the data

A string is its length uint64 and its bytes in UTF-8; an array is the type of its items uint32, their number uint64, and
the items. Numbers are little-endian. Source: ggml-org/ggml, docs/gguf.md. Version 2 differs from 3 in its number only.

A file is hostile until checked, see `gguf_values`. What no check can catch: another program that shortens the file
while it is mapped here ends this one.
"""

import math
import mmap
import os
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinylm.formats.gguf_values import MAX_KEY, Cursor, shown
from tinylm.formats.mapped import Mapped, mapped
from tinylm.formats.quants import FORMATS, Format, widened
from tinylm.formats.quants_fast import widen_into

__all__ = ["GGUF", "GGUFTensor", "parse_gguf", "read_gguf"]

MAGIC = b"GGUF"
HEADER = 24  # bytes
ALIGNMENT = 32  # where a file says nothing
MAX_ALIGNMENT = 1 << 20
MAX_VALUES = 1 << 16  # published files have 20 to 60
MAX_TENSORS = 1 << 16  # the largest published models have some 2,000
MAX_NAME = 64  # bytes; docs/gguf.md
MAX_DIMENSIONS = 4  # ggml.h, GGML_MAX_DIMS

BY_NUMBER = {form.number: form for form in FORMATS.values()}
NAMES = (  # of the block formats by number, for messages: ggml-org/ggml, docs/gguf.md, enum ggml_type
    "F32 F16 Q4_0 Q4_1 Q4_2 Q4_3 Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S "
    "IQ4_NL IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 Q4_0_4_4 Q4_0_4_8 Q4_0_8_8 TQ1_0 TQ2_0 "
    "IQ4_NL_4_4 IQ4_NL_4_8 IQ4_NL_8_8 MXFP4"
).split()


@dataclass(frozen=True, slots=True, eq=False)
class GGUFTensor:
    """A tensor in a mapped file, of rows of blocks that are widened to float32 when they are asked for.

    type: its block format, a name in FORMATS   shape: as NumPy counts, the contiguous axis last
    raw: (R, bytes of a row) uint8, the blocks; R is the product of the leading axes
    """

    name: str
    type: str
    shape: tuple[int, ...]
    raw: np.ndarray = field(repr=False)
    offset: int = field(repr=False)  # of raw in the file
    source: Mapped = field(repr=False)

    @property
    def columns(self) -> int:
        """Numbers of a row."""
        return self.shape[-1] if self.shape else 1

    def rows(self, a: int, b: int) -> np.ndarray:
        """The rows from a to before b: (b − a, columns) float32; raises IndexError for rows that it has not."""
        if not 0 <= a <= b <= len(self.raw):
            raise IndexError(f"{self.name} has rows 0 to {len(self.raw)}, not {a} to {b}")
        return widened(FORMATS[self.type], self.raw[a:b])

    def take(self, ids: np.ndarray) -> np.ndarray:
        """The rows of these numbers, which it has: ids (...) whole numbers → (..., columns) float32."""
        return widened(FORMATS[self.type], self.raw[ids.reshape(-1)]).reshape(*ids.shape, self.columns)

    def into(self, out: np.ndarray, rows: slice | np.ndarray | None = None, *, transposed: bool = False) -> None:
        """Write rows, in the order asked for, as float32 into an array or a part of one, with little memory beside it.

        out: (R, columns) float32, or (columns, R) if transposed   rows: a slice, or numbers (R,); None: all
        """
        raw = self.raw if rows is None else self.raw[rows]
        widen_into(FORMATS[self.type], raw, out, transposed=transposed)

    def numpy(self) -> np.ndarray:
        """All of it, float32 of its shape."""
        out = np.empty((len(self.raw), self.columns), np.float32)
        self.into(out)
        return out.reshape(self.shape)

    def release(self) -> None:
        """Give the memory of its pages back to the system, which reads them again from the file when next needed."""
        advice = getattr(mmap, "MADV_DONTNEED", None)  # not on Windows
        if advice is not None and isinstance(self.source, mmap.mmap):
            first = self.offset // mmap.PAGESIZE * mmap.PAGESIZE
            self.source.madvise(advice, first, self.offset + self.raw.nbytes - first)


@dataclass(frozen=True, slots=True, eq=False)
class GGUF:
    """A GGUF file: its values and tensors by name, in the order of the file.

    metadata: int, float, bool, str; arrays as list of str, or as 1-d array of numbers or truth values (lists of these
    where arrays are nested)   alignment: of the data, in bytes
    """

    path: str
    version: int
    alignment: int
    metadata: dict[str, Any] = field(repr=False)
    tensors: dict[str, GGUFTensor] = field(repr=False)


def read_gguf(path: str | os.PathLike[str]) -> GGUF:
    """The values and the tensors of a GGUF file, version 2 or 3, mapped into memory.

    Raises CheckpointError naming the file and what is wrong with it: also for a big-endian file, for a block format
    that is not read here, and for what would take more memory than any published file.
    """
    return parse_gguf(mapped(path), os.fspath(path))


def parse_gguf(data: Mapped, path: str = "the file") -> GGUF:
    """The values and the tensors in the bytes of a GGUF file; see `read_gguf`."""
    cursor = Cursor(data, path)
    if data[:4] != MAGIC:
        cursor.fail(f'it begins with {bytes(data[:4])!r}, not with "GGUF"')
    if len(data) < HEADER:
        cursor.fail(f"it has {len(data)} bytes; the header alone takes {HEADER}")
    cursor.skip(4, "the magic")
    version = cursor.uint32("the version")
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        if swapped in (1, 2, 3):
            cursor.fail(f"it is big-endian (version {swapped}); only little-endian files are read")
        cursor.fail(f"it is of version {version}; versions 2 and 3 are read")
    tensors, values = cursor.uint64("the number of tensors"), cursor.uint64("the number of values")
    if tensors > MAX_TENSORS or values > MAX_VALUES:
        cursor.fail(f"it says {tensors:,} tensors and {values:,} values; at most {MAX_TENSORS:,} of each are read")
    metadata = _values(cursor, values)
    entries = _entries(cursor, tensors)
    alignment = metadata.get("general.alignment", ALIGNMENT)
    fits = type(alignment) is int and 8 <= alignment <= MAX_ALIGNMENT and alignment & (alignment - 1) == 0
    if not fits:
        found = alignment if isinstance(alignment, (int, float)) else f"a {type(alignment).__name__}"
        cursor.fail(f"general.alignment must be a power of 2 from 8 to {MAX_ALIGNMENT:,}, it is {found}")
    start = -(-cursor.at // alignment) * alignment
    _check_places(cursor, entries, start, alignment)
    return GGUF(path, version, alignment, metadata, {e.name: _tensor(data, e, start) for e in entries})


def _values(cursor: Cursor, count: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for number in range(count):
        key = cursor.string(f"the key of value {number}", MAX_KEY)
        if key in metadata:
            cursor.fail(f"the key {shown(key)} stands twice")
        kind = cursor.uint32(f"the type of {shown(key)}")
        metadata[key] = cursor.value(kind, shown(key))
    return metadata


class _Entry(NamedTuple):
    """What a file says of a tensor."""

    name: str
    form: Format
    shape: tuple[int, ...]
    size: int  # bytes
    offset: int  # from the start of the data


def _entries(cursor: Cursor, count: int) -> list[_Entry]:
    entries: dict[str, _Entry] = {}
    for number in range(count):
        name = cursor.string(f"the name of tensor {number}", MAX_NAME)
        if name in entries:
            cursor.fail(f"the tensor {shown(name)} stands twice")
        dimensions = cursor.uint32(f"the number of dimensions of {shown(name)}")
        if dimensions > MAX_DIMENSIONS:
            cursor.fail(f"{shown(name)} has {dimensions:,} dimensions; at most {MAX_DIMENSIONS} are allowed")
        shape = tuple(cursor.uint64(f"a dimension of {shown(name)}") for _ in range(dimensions))[::-1]
        kind = cursor.uint32(f"the block format of {shown(name)}")
        form = BY_NUMBER.get(kind)
        if form is None:
            known = NAMES[kind] if kind < len(NAMES) else f"number {kind:,}, which is unknown"
            cursor.fail(f"{shown(name)} is in block format {known}; supported are {', '.join(FORMATS)}")
        columns = shape[-1] if shape else 1
        if min(shape, default=1) < 1 or columns % form.values:
            wanted = f"positive, the last a multiple of {form.values}" if form.values > 1 else "positive"
            cursor.fail(f"{shown(name)} is {form.name} of shape {shape}; its sizes must be {wanted}")
        size = math.prod(shape) // form.values * form.size
        entries[name] = _Entry(name, form, shape, size, cursor.uint64(f"the offset of {shown(name)}"))
    return list(entries.values())


def _check_places(cursor: Cursor, entries: list[_Entry], start: int, alignment: int) -> None:
    """Fail unless the tensors lie in the file, aligned, and none over another."""
    last, end = "", 0
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if entry.offset % alignment:
            cursor.fail(f"{shown(entry.name)} begins at {entry.offset:,}, which is no multiple of {alignment}")
        if entry.offset < end:
            cursor.fail(f"{shown(entry.name)} lies over {shown(last)}")
        last, end = entry.name, entry.offset + entry.size
        if start + end > len(cursor.data):
            beyond = start + end - len(cursor.data)
            cursor.fail(
                f"{shown(last)}, {entry.form.name} of shape {entry.shape}, ends {beyond:,} bytes after the file"
            )


def _tensor(data: Mapped, entry: _Entry, start: int) -> GGUFTensor:
    raw = np.frombuffer(data, np.uint8, entry.size, start + entry.offset).reshape(math.prod(entry.shape[:-1]), -1)
    return GGUFTensor(entry.name, entry.form.name, entry.shape, raw, start + entry.offset, data)
