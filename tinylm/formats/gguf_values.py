"""The cursor that reads numbers, strings, arrays and named values out of the bytes of a GGUF file; see `gguf`.

Every length and count is compared with the bytes that are left, as Python's whole numbers, before anything is made.
"""

import struct
from typing import Any, NoReturn

import numpy as np

from tinylm.formats.mapped import Mapped
from tinylm.storage import CheckpointError

__all__ = ["ARRAY", "BOOL", "NUMBERS", "STRING", "Cursor", "shown"]

# ggml-org/ggml, docs/gguf.md, enum gguf_metadata_value_type
NUMBERS = {0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 10: "<u8", 11: "<i8", 12: "<f8"}
BOOL, STRING, ARRAY = 7, 8, 9

MAX_METADATA = 1 << 28  # bytes before the data; the largest published vocabularies take some 20 MB
MAX_STRINGS = 1 << 21  # in arrays; the largest published file has some 700,000 tokens and merges
MAX_ARRAYS = 1 << 12  # in arrays
MAX_DEPTH = 4  # of arrays in arrays
MAX_KEY = 65535  # bytes; docs/gguf.md

UINT32, UINT64 = struct.Struct("<I"), struct.Struct("<Q")


def shown(text: str) -> str:
    """A name from a file, quoted, and short enough for a message."""
    return repr(text if len(text) <= 80 else f"{text[:60]}...")


class Cursor:
    """A place in the bytes of a file that moves on as they are read; what does not fit raises CheckpointError."""

    def __init__(self, data: Mapped, path: str):
        self.data, self.path, self.at = data, path, 0
        self.end = min(len(data), MAX_METADATA)
        self.strings_left, self.arrays_left = MAX_STRINGS, MAX_ARRAYS

    def fail(self, problem: str) -> NoReturn:
        raise CheckpointError(f"{self.path}: not a GGUF file that can be read: {problem}")

    def skip(self, size: int, what: str) -> int:
        """Move on by so many bytes, which are there; returns where they begin."""
        start, left = self.at, self.end - self.at
        if size > left:
            whose = "of the 256 MB that are read as metadata" if self.end < len(self.data) else "of the file"
            self.fail(f"{what} would take {size:,} bytes from byte {start:,}; {left:,} {whose} are left")
        self.at += size
        return start

    def uint32(self, what: str) -> int:
        number: int = UINT32.unpack_from(self.data, self.skip(4, what))[0]
        return number

    def uint64(self, what: str) -> int:
        number: int = UINT64.unpack_from(self.data, self.skip(8, what))[0]
        return number

    def string(self, what: str, longest: int = MAX_METADATA) -> str:
        """A string of at most so many bytes."""
        size = self.uint64(f"the length of {what}")
        if size > longest:
            self.fail(f"{what} has {size:,} bytes; at most {longest:,} are allowed")
        start = self.skip(size, what)
        try:
            return self.data[start : start + size].decode()
        except UnicodeDecodeError:
            self.fail(f"{what} is not UTF-8")

    def value(self, kind: int, what: str) -> Any:
        """A value of a type: an int, float, bool or str; an array as a list, or 1-d of numbers or truth values."""
        if kind == STRING:
            return self.string(what)
        if kind == ARRAY:
            return self.array(what, 1)
        return self.numbers(kind, 1, what)[0].item()

    def array(self, what: str, depth: int) -> Any:
        kind, count = self.uint32(f"the type of {what}"), self.uint64(f"the length of {what}")
        if kind == STRING:
            return self.strings(count, what)
        if kind != ARRAY:
            return self.numbers(kind, count, what)
        if depth == MAX_DEPTH:
            self.fail(f"{what} is nested more than {MAX_DEPTH} deep")
        self.arrays_left -= count
        if self.arrays_left < 0:
            self.fail(f"{what} would bring the arrays in arrays to more than {MAX_ARRAYS:,}")
        return [self.array(what, depth + 1) for _ in range(count)]

    def numbers(self, kind: int, count: int, what: str) -> np.ndarray:
        """So many numbers or truth values, as an array of their own."""
        if kind != BOOL and kind not in NUMBERS:
            self.fail(f"{what} is of type {kind}; types go from 0 to 12")
        dtype = np.dtype("<u1" if kind == BOOL else NUMBERS[kind])
        start = self.skip(count * dtype.itemsize, what)
        found = np.frombuffer(self.data, dtype, count, start) if count else np.empty(0, dtype)
        if kind == BOOL:
            if found.max(initial=0) > 1:
                self.fail(f"{what} holds a truth value that is neither 0 nor 1")
            return found.astype(np.bool_)
        return found.astype(dtype.newbyteorder("="))  # aligned, and not of the map

    def strings(self, count: int, what: str) -> list[str]:
        """So many strings, in one loop over local names: a vocabulary has 100,000 of them and more."""
        self.strings_left -= count
        if self.strings_left < 0:
            self.fail(f"{what} would bring the strings in arrays to more than {MAX_STRINGS:,}")
        if count * 8 > self.end - self.at:
            self.skip(count * 8, what)  # which says so
        data, at, end, size_at, found = self.data, self.at, self.end, UINT64.unpack_from, list[str]()
        for number in range(count):
            stop = at + 8
            if stop <= end:
                stop += size_at(data, at)[0]
            if stop > end:
                self.at = at
                self.fail(f"string {number:,} of {what} goes beyond the end")
            try:
                found.append(data[at + 8 : stop].decode())
            except UnicodeDecodeError:
                self.fail(f"string {number:,} of {what} is not UTF-8")
            at = stop
        self.at = at
        return found
