"""Bytes that wire.py wrote as plain data again; whoever wrote these bytes is taken for hostile.

Sizes, depth, dtypes and shapes are checked before anything is made of them, and keys that were chosen to collide are
refused. Reading runs, imports and looks up nothing.
"""

import math
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from tinylm.course.sandbox.wire import (
    COMPLEX,
    DEPTH,
    DOUBLE,
    DTYPES,
    INTEGER,
    ITEMS,
    LENGTH,
    ROWS,
    SHAPE,
    SHOWN,
    Opaque,
    WireError,
    class_of,
    opaque_type,
)

__all__ = ["ALIKE", "decode", "steady"]

ALIKE = 32  # keys of one dict or set that may share a hash: more are a try to make it slow
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def decode(data: bytes, *, run: Callable[[str], Any] | None = None) -> Any:
    """The value; raises WireError for bytes that `encode` does not write.

    run   what makes a function of its Python text, for who trusts the sender; without it such a text is no message
    """
    reader = _Reader(data, run)
    try:
        value = reader.read(0)
    except (struct.error, UnicodeError, OverflowError, TypeError) as error:
        raise WireError(f"these bytes are no message: {error}") from error
    if reader.at != len(data):
        raise WireError("there are bytes after the message")
    return value


class _Reader:
    def __init__(self, data: bytes, run: Callable[[str], Any] | None) -> None:
        self.data, self.at, self.items, self.run = memoryview(data), 0, 0, run

    def take(self, size: int) -> memoryview:
        if size > len(self.data) - self.at:
            raise WireError("the message is cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def length(self) -> int:
        size: int = LENGTH.unpack(self.take(4))[0]
        return size

    def read(self, depth: int) -> Any:
        self.items += 1
        if depth > DEPTH or self.items > ITEMS:
            raise WireError("the message is too deep or has too many values")
        tag = bytes(self.take(1))
        if tag in CONSTANTS:
            return CONSTANTS[tag]
        if tag == b"i":
            if (size := self.length()) > INTEGER:
                raise WireError("a whole number that is too long")
            return int.from_bytes(self.take(size), "little", signed=True)
        if tag == b"f":
            return DOUBLE.unpack(self.take(8))[0]
        if tag == b"c":
            return complex(*COMPLEX.unpack(self.take(16)))
        if tag in b"sb":
            data = bytes(self.take(self.length()))
            return data.decode("utf-8", "surrogatepass") if tag == b"s" else data
        if tag in b"an":
            return self.array() if tag == b"a" else self.scalar()
        if tag == b"y":
            return self.dtype()
        if tag == b"F" and self.run is not None:
            return self.run(self.read(depth + 1))
        if tag not in READERS:
            raise WireError(f"no value begins with {tag!r}")
        parts, make = READERS[tag]
        if (count := self.length()) > len(self.data) - self.at or parts not in (None, count):  # a byte each, at least
            raise WireError("the message is cut short")
        return make([self.read(depth + 1) for _ in range(count)])

    def dtype(self) -> np.dtype[Any]:
        name = bytes(self.take(3)).decode("ascii")
        if name[1:] == "c1":
            name += bytes(self.take(1)).decode("ascii")
        if name not in DTYPES:
            raise WireError(f"no dtype of numbers: {name!r}")
        return np.dtype(name)

    def array(self) -> np.ndarray:
        dtype = self.dtype()
        shape = [SHAPE.unpack(self.take(8))[0] for _ in range(self.take(1)[0])]
        most = ROWS if 0 in shape else 1 << 48
        if len(shape) > 32 or math.prod(side or 1 for side in shape) > most:
            raise WireError("an array of too many sides, or too long")
        return _numbers(self.take(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)

    def scalar(self) -> Any:
        dtype = self.dtype()
        return _numbers(self.take(dtype.itemsize), dtype)[0]


def _numbers(data: memoryview, dtype: np.dtype[Any]) -> np.ndarray:
    """An array of its own, writable; a bool that is neither 0 nor 1 is True."""
    if dtype.kind == "b":
        return np.array(np.frombuffer(data, np.uint8) != 0)
    return np.frombuffer(data, dtype).copy()


def _hashed(keys: list[Any]) -> list[Any]:
    """The keys, unless so many of them share a hash that to put them into a dict would take for ever."""
    seen: dict[int, int] = {}
    for key in keys:
        number = hash(key)
        seen[number] = seen.get(number, 0) + 1
        if seen[number] > ALIKE:
            raise WireError("keys that collide")
    return keys


def _dict(parts: list[Any]) -> dict[Any, Any]:
    if len(parts) % 2:
        raise WireError("a dict with a key that has no value")
    return dict(zip(_hashed(parts[::2]), parts[1::2], strict=True))


def _tensor(parts: list[Any]) -> Any:
    wants, array = parts
    if type(wants) is not bool or type(array) is not np.ndarray or (wants and array.dtype.kind != "f"):
        raise WireError("a tensor that is none")
    Tensor = class_of("tinylm.autograd.tensor", "Tensor")
    return array if Tensor is class_of else Tensor(array, requires_grad=wants)


def _opaque(parts: list[Any]) -> Opaque:
    kind, shown = parts
    if type(kind) is not str or type(shown) is not str or len(kind) > 60 or len(shown) > SHOWN:
        raise WireError("something of no form that is too long")
    return opaque_type(kind if kind.isidentifier() else "object")(kind, steady(shown))


def steady(text: str) -> str:
    """Text that can be written anywhere, and without the addresses of objects, which are new in every process."""
    return ADDRESS.sub("", text).encode("utf-8", "backslashreplace").decode()


def _bounds(make: Any) -> Callable[[list[Any]], Any]:
    def made(parts: list[Any]) -> Any:
        try:
            return make(*parts)
        except ValueError as error:
            raise WireError(str(error)) from error

    return made


CONSTANTS: dict[bytes, Any] = {b"N": None, b"+": True, b"-": False, b"e": ..., b"m": np}
READERS: dict[bytes, tuple[int | None, Callable[[list[Any]], Any]]] = {  # how many parts, and what to make of them
    b"l": (None, list),
    b"t": (None, tuple),
    b"d": (None, _dict),
    b"S": (None, lambda parts: set(_hashed(parts))),
    b"Z": (None, lambda parts: frozenset(_hashed(parts))),
    b"T": (2, _tensor),
    b"o": (2, _opaque),
    b"x": (3, lambda parts: slice(*parts)),
    b"r": (3, _bounds(range)),
}
