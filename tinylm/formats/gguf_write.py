"""Write GGUF, whose layout is described in `gguf`: named values, and tensors as F32, F16, BF16 or Q8_0."""

import math
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from tinylm.formats.gguf import ALIGNMENT, MAGIC, MAX_ALIGNMENT, MAX_DIMENSIONS, MAX_NAME
from tinylm.formats.gguf_values import ARRAY, BOOL, MAX_DEPTH, MAX_KEY, NUMBERS, STRING, shown
from tinylm.formats.quants import FORMATS
from tinylm.storage import CheckpointError, to_bfloat16, to_float16
from tokenizer.formats import written_whole

__all__ = ["to_q8_0", "write_gguf"]

VERSION = 3
PIECE = 1 << 18  # numbers that are converted at a time
WRITABLE = ("F32", "F16", "BF16", "Q8_0")
KINDS = {np.dtype(code): kind for kind, code in NUMBERS.items()}
UINT32, INT32, FLOAT32, UINT64, INT64 = 4, 5, 6, 10, 11  # numbers of value types


def write_gguf(
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    types: Mapping[str, str] | None = None,
) -> None:
    """Write values and tensors as a GGUF file, version 3, little-endian, atomically, in the order given.

    metadata   str, bool; int as uint32 where it fits, else int32, uint64 or int64; float as float32; NumPy's scalars
               and 1-d arrays as the type that they have; lists of str; lists of lists and arrays
               general.alignment: of the data, a power of 2 (default: 32)
    tensors    floating-point arrays of 1 to 4 axes, in any memory order; taken twice from the mapping, one at a time
    types      name -> "F32" (the default), "F16", "BF16" or "Q8_0", whose rows must be whole blocks of 32

    Raises CheckpointError naming the key or tensor that cannot be written, and OSError as open() does.
    """
    types = types or {}
    unknown = [name for name in types if name not in tensors]
    if unknown:
        raise CheckpointError(f"{path}: types names {shown(unknown[0])}, which is not among the tensors")
    alignment = metadata.get("general.alignment", ALIGNMENT)
    if not isinstance(alignment, (int, np.integer)) or alignment not in [1 << n for n in range(3, 21)]:
        raise CheckpointError(f"{path}: general.alignment must be a power of 2 from 8 to {MAX_ALIGNMENT:,}")
    header = bytearray(MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(metadata)))
    for key, value in metadata.items():
        if not 0 < len(_utf8(key, "a key")) <= MAX_KEY:
            raise CheckpointError(f"{path}: a key must have 1 to {MAX_KEY:,} bytes, got {shown(key)}")
        kind, data = _packed(value, f"{path}: {shown(key)}", 1)
        header += _string(key, "a key") + struct.pack("<I", kind) + data
    sizes, offset = [], 0
    for name, array in tensors.items():
        form = types.get(name, "F32")
        size = _size(f"{path}: {shown(name)}", name, array, form)
        shape = array.shape[::-1]
        header += _string(name, "a name") + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        header += struct.pack("<IQ", FORMATS[form].number, offset)
        sizes.append(size)
        offset += -(-size // alignment) * alignment
    with written_whole(path) as file:
        file.write(header + bytes(-len(header) % alignment))
        for (name, array), size in zip(tensors.items(), sizes, strict=True):
            for piece in _pieces(f"{path}: {shown(name)}", array, types.get(name, "F32")):
                file.write(piece)
            file.write(bytes(-size % alignment))


# -- values ----------------------------------------------------------------------------------------------


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise CheckpointError(f"{what} holds half a character, which UTF-8 cannot say: {shown(text)}") from None


def _string(text: str, what: str) -> bytes:
    data = _utf8(text, what)
    return struct.pack("<Q", len(data)) + data


def _refuse(what: str, value: Any) -> NoReturn:
    raise CheckpointError(
        f"{what}: a {type(value).__name__} cannot be written; give a str, bool, int or float, a list of str, or a 1-d "
        "array of numbers of 8 to 64 bits"
    )


def _packed(value: Any, what: str, depth: int) -> tuple[int, bytes]:
    """The type and the bytes of a value."""
    if isinstance(value, str):
        return STRING, _string(value, what)
    if isinstance(value, (list, tuple, np.ndarray)):
        return ARRAY, _packed_array(value, what, depth)
    if isinstance(value, (bool, np.bool_)):
        return BOOL, bytes([bool(value)])
    if isinstance(value, np.generic):
        kind = KINDS.get(value.dtype.newbyteorder("<"))
        return (kind, value.tobytes()) if kind is not None else _refuse(what, value)
    try:
        if isinstance(value, int):
            kind = (UINT32 if value < 1 << 32 else UINT64) if value >= 0 else INT32 if value >= -1 << 31 else INT64
            return kind, struct.pack({UINT32: "<I", UINT64: "<Q", INT32: "<i", INT64: "<q"}[kind], value)
        if isinstance(value, float):
            return FLOAT32, struct.pack("<f", value)
    except (struct.error, OverflowError):
        raise CheckpointError(f"{what}: {value} is too large; np.float64 holds larger fractions") from None
    return _refuse(what, value)


def _packed_array(value: Any, what: str, depth: int) -> bytes:
    if isinstance(value, np.ndarray):
        kind = BOOL if value.dtype == np.bool_ else KINDS.get(value.dtype.newbyteorder("<"))
        if kind is None or value.ndim != 1:
            _refuse(what, value)
        return struct.pack("<IQ", kind, len(value)) + value.astype(value.dtype.newbyteorder("<")).tobytes()
    if all(isinstance(item, str) for item in value):
        return struct.pack("<IQ", STRING, len(value)) + b"".join(_string(item, what) for item in value)
    if depth == MAX_DEPTH or not all(isinstance(item, (list, tuple, np.ndarray)) for item in value):
        _refuse(what, value)
    return struct.pack("<IQ", ARRAY, len(value)) + b"".join(_packed_array(item, what, depth + 1) for item in value)


# -- tensors ---------------------------------------------------------------------------------------------


def _size(what: str, name: str, array: np.ndarray, kind: str) -> int:
    """The bytes that a tensor takes; raises CheckpointError where it cannot be written so."""
    if kind not in WRITABLE:
        raise CheckpointError(f"{what}: type {kind!r} is not written; {', '.join(WRITABLE)} are")
    if not 0 < len(_utf8(name, what)) < MAX_NAME:  # one byte less than is read: llama.cpp ends a name with a zero
        raise CheckpointError(f"{what}: the name of a tensor must have 1 to {MAX_NAME - 1} bytes")
    if array.dtype.kind != "f" or not 1 <= array.ndim <= MAX_DIMENSIONS or not array.size:
        raise CheckpointError(
            f"{what}: expected floating-point numbers with 1 to {MAX_DIMENSIONS} axes, got {array.dtype} of shape "
            f"{array.shape}"
        )
    form = FORMATS[kind]
    if array.shape[-1] % form.values:
        raise CheckpointError(
            f"{what}: rows of {array.shape[-1]} are no whole blocks of {form.values}; leave it F32 or F16"
        )
    return math.prod(array.shape) // form.values * form.size


def _pieces(what: str, array: np.ndarray, kind: str) -> Iterator[bytes]:
    """The bytes of a tensor, a few rows at a time."""
    array = array.reshape(1, -1) if array.ndim == 1 else array
    if array.ndim > 2:
        for part in array:
            yield from _pieces(what, part, kind)
        return
    form = FORMATS[kind]
    rows, columns = max(1, PIECE // array.shape[1]), PIECE
    for a in range(0, len(array), rows):
        for b in range(0, array.shape[1], columns):
            numbers = np.ascontiguousarray(array[a : a + rows, b : b + columns])
            raw = _narrowed(numbers, kind)
            with np.errstate(all="ignore"):
                stored = form.widen(raw.reshape(-1, form.size)).reshape(numbers.shape)
            lost = ~np.isfinite(stored)
            if lost.any() and (kind == "Q8_0" or (lost & np.isfinite(numbers)).any()):
                raise CheckpointError(f"{what}: it holds {abs(numbers).max():.6g}, which {kind} cannot hold; use F32")
            yield raw.tobytes()


def _narrowed(numbers: np.ndarray, kind: str) -> np.ndarray:
    """Rows of whole blocks as their bytes."""
    if kind == "Q8_0":
        return to_q8_0(numbers.reshape(-1, 32))
    if kind == "BF16":
        return to_bfloat16(numbers).astype("<u2").view(np.uint8)
    with np.errstate(all="ignore"):
        narrow = to_float16(numbers).astype("<f2") if kind == "F16" else numbers.astype("<f4")
    return narrow.view(np.uint8)


def to_q8_0(x: np.ndarray) -> np.ndarray:
    """The Q8_0 blocks of numbers, as llama.cpp makes them.

        d = max |x| / 127        q[j] = round(x[j] / d), halves away from zero        stored: d as float16, q

    x: (N, 32)   →   blocks: (N, 34) uint8        ggml-org/ggml, src/ggml-quants.c, quantize_row_q8_0_ref

    The quotient is a product with float32's 1/d. A block whose 1/d is infinite becomes zeros.
    """
    with np.errstate(all="ignore"):
        x = x.astype(np.float32)
        d = abs(x).max(axis=1, keepdims=True) / np.float32(127)
        scaled = x * np.where(np.isfinite(1 / d), 1 / d, np.float32(0))
        whole = np.trunc(scaled)
        q = whole + np.trunc(2 * (scaled - whole))  # adding a half first would bring 0.49999997 to 1
        return np.concatenate([d.astype("<f2").view(np.uint8), q.astype(np.int8).view(np.uint8)], axis=1)
