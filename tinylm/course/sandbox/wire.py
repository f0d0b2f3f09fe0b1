"""Plain data as bytes, between a process that is trusted and one that is not; unwire.py reads them.

One letter says what follows, then lengths and contents, all little-endian. There is a letter for a function, sent as
its Python text, which only the process that runs a student's code will read; for a class or a reference there is none.
"""

import math
import struct
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["Opaque", "WireError", "class_of", "encode", "opaque_type"]

DEPTH = 64  # of containers in containers
ITEMS = 1 << 20  # values in one message, those of arrays not counted
INTEGER = 1 << 17  # bytes of an int: some 300,000 digits
ROWS = 1 << 14  # of an array that holds nothing: who takes one row after the other must come to an end
SHOWN = 200  # characters of what has no form here

DTYPES = frozenset(
    np.dtype(kind + str(size)).newbyteorder(order).str  # type: ignore[arg-type]
    for kind, sizes in (("b", (1,)), ("i", (1, 2, 4, 8)), ("u", (1, 2, 4, 8)), ("f", (2, 4, 8)), ("c", (8, 16)))
    for size in sizes
    for order in "<>"
)
LENGTH, DOUBLE, COMPLEX, SHAPE = struct.Struct("<I"), struct.Struct("<d"), struct.Struct("<dd"), struct.Struct("<Q")


class WireError(ValueError):
    """Bytes that are no message, or a value that makes none: too large, too deep, of no known form."""


class Opaque:
    """What stands for a value that has no form here: its type's name, and how it shows itself, cut short."""

    def __init__(self, kind: str, shown: str) -> None:
        self.kind, self.shown = kind, shown

    def __repr__(self) -> str:
        return self.shown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and (self.kind, self.shown) == (other.kind, other.shown)

    def __hash__(self) -> int:
        return hash((self.kind, self.shown))


@lru_cache(256)
def opaque_type(kind: str) -> type[Opaque]:
    """A class of that name, for messages that name the type of what came."""
    return type(kind, (Opaque,), {"__module__": "student"})


def encode(value: Any, *, limit: int = 1 << 26, strict: bool = False) -> bytes:
    """A value as bytes; WireError where they would be more than `limit`, or nested more than 64 deep.

    strict   raise WireError also for what has no form here, in place of sending an Opaque

    Subclasses go as what they derive from (a Counter as a dict), read through the base class: what theirs overrides
    is not asked. A Tensor goes as its array, and a Source as its value.
    """
    writer = _Writer(limit, strict)
    writer.write(value, 0)
    return bytes(writer.out)


class _Writer:
    def __init__(self, limit: int, strict: bool) -> None:
        self.out, self.limit, self.strict, self.items = bytearray(), limit, strict, 0

    def write(self, value: Any, depth: int) -> None:
        kind = type(value)
        form = FORMS.get(kind)
        if form is None:
            form = next((FORMS[base] for base in _mro(kind) if base in FORMS), None) or _other(value)
        self.items += 1
        if depth > DEPTH or self.items > ITEMS:
            raise WireError(f"nested more than {DEPTH} deep" if depth > DEPTH else f"more than {ITEMS:,} values")
        form(self, value, depth)
        if len(self.out) > self.limit:
            raise WireError(f"more than {self.limit:,} bytes")

    def raw(self, tag: bytes, data: bytes) -> None:
        if len(data) > self.limit:
            raise WireError(f"more than {self.limit:,} bytes")
        self.out += tag + LENGTH.pack(len(data)) + data

    def integer(self, value: int, depth: int) -> None:
        if (size := (int.bit_length(value) + 8) // 8) > INTEGER:
            raise WireError("a whole number of more than a million bits")
        self.raw(b"i", int.to_bytes(value, size, "little", signed=True))

    def several(self, tag: bytes, values: Any, size: int, depth: int) -> None:
        if size > self.limit - len(self.out):  # each takes a byte at least
            raise WireError(f"more than {self.limit:,} bytes")
        self.out += tag + LENGTH.pack(size)
        for each in values:
            self.write(each, depth + 1)

    def mapping(self, value: Any, depth: int) -> None:
        self.several(b"d", (part for pair in dict.items(value) for part in pair), 2 * dict.__len__(value), depth)

    def array(self, value: Any, depth: int) -> None:
        dtype, shape = np.ndarray.dtype.__get__(value), np.ndarray.shape.__get__(value)
        if dtype.str not in DTYPES:
            _unformed(self, value, depth)
            return
        if 0 in shape and math.prod(side or 1 for side in shape) > ROWS:
            raise WireError(f"an array of shape {shape}, which holds nothing")
        if dtype.itemsize * math.prod(shape) > self.limit:
            raise WireError(f"an array of more than {self.limit:,} bytes")
        self.out += b"a" + dtype.str.encode() + bytes([len(shape)]) + b"".join(map(SHAPE.pack, shape))
        self.out += np.ndarray.tobytes(value)

    def scalar(self, value: Any, depth: int) -> None:
        array = np.asarray(value)
        if array.dtype.str not in DTYPES or array.shape:
            _unformed(self, value, depth)
            return
        self.out += b"n" + array.dtype.str.encode() + array.tobytes()

    def bounds(self, tag: bytes, value: Any, depth: int) -> None:
        self.several(tag, (value.start, value.stop, value.step), 3, depth)


def _mro(kind: type) -> tuple[type, ...]:
    mro: tuple[type, ...] = type.__dict__["__mro__"].__get__(kind)  # whatever its metaclass says
    return mro


def _unformed(writer: _Writer, value: Any, depth: int) -> None:
    name = type.__dict__["__name__"].__get__(type(value))
    if writer.strict:
        raise WireError(f"a value of type {name} has no form; give plain data, arrays or tensors")
    try:
        shown = repr(value)
        shown = str.__str__(shown)[: SHOWN + 1]
    except BaseException:  # whatever the __repr__ of a student's class does
        shown = f"<a {name}>"
    shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
    writer.several(b"o", (str.__str__(name)[:60], shown), 2, depth)


def _other(value: Any) -> Callable[[_Writer, Any, int], None]:
    """How to write what FORMS does not know: NumPy itself, a Tensor, a Source, a dtype; else as Opaque."""
    bases = _mro(type(value))
    if Opaque in bases:
        return lambda w, v, depth: w.several(b"o", (v.kind, v.shown), 2, depth)
    if value is np:
        return lambda w, v, depth: w.out.extend(b"m")
    if class_of("tinylm.autograd.tensor", "Tensor") in bases:
        return lambda w, v, depth: w.several(b"T", (bool(v.requires_grad), v.numpy()), 2, depth)
    if class_of("tinylm.course.spelling", "Source") in bases:
        return _source
    if np.dtype in bases and value.str in DTYPES:
        return lambda w, v, depth: w.out.extend(b"y" + v.str.encode())
    return _unformed


def _source(writer: _Writer, value: Any, depth: int) -> None:
    """A Source: its value, or, of a function, its text."""
    if callable(value.value):
        writer.out += b"F"
    writer.write(value.text if callable(value.value) else value.value, depth + 1)


def class_of(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, class_of)  # class_of: among nobody's bases


FORMS: dict[type, Callable[[_Writer, Any, int], None]] = {
    type(None): lambda w, v, depth: w.out.extend(b"N"),
    bool: lambda w, v, depth: w.out.extend(b"+" if v else b"-"),
    type(...): lambda w, v, depth: w.out.extend(b"e"),
    int: _Writer.integer,
    float: lambda w, v, depth: w.out.extend(b"f" + DOUBLE.pack(float.__float__(v))),
    complex: lambda w, v, depth: w.out.extend(b"c" + COMPLEX.pack(complex.real.__get__(v), complex.imag.__get__(v))),
    str: lambda w, v, depth: w.raw(b"s", str.encode(v, "utf-8", "surrogatepass")),
    bytes: lambda w, v, depth: w.raw(b"b", bytes.__getitem__(v, slice(None))),
    list: lambda w, v, depth: w.several(b"l", list.__iter__(v), list.__len__(v), depth),
    tuple: lambda w, v, depth: w.several(b"t", tuple.__iter__(v), tuple.__len__(v), depth),
    set: lambda w, v, depth: w.several(b"S", set.__iter__(v), set.__len__(v), depth),
    frozenset: lambda w, v, depth: w.several(b"Z", frozenset.__iter__(v), frozenset.__len__(v), depth),
    dict: _Writer.mapping,
    np.ndarray: _Writer.array,
    np.generic: _Writer.scalar,
    slice: lambda w, v, depth: w.bounds(b"x", v, depth),
    range: lambda w, v, depth: w.bounds(b"r", v, depth),
}
for _kind in np.sctypeDict.values():
    FORMS[_kind] = _Writer.scalar  # before float and complex, from which two of them derive
