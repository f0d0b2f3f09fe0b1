"""Files of a run: JSON and named arrays as safetensors, written atomically, also in 16 bits; knows nothing of models.

bfloat16 is the upper half of a float32: 1 sign, 8 exponent and 7 fraction bits. NumPy has no such type, so its numbers
are made, and read, as bits. Arrays of both 16-bit types are widened to float32 when they are read, which is exact.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from tokenizer.formats import MAX_BRACKETS, MAX_BYTES, open_plain, write_atomically

__all__ = [
    "CheckpointError",
    "Narrow",
    "from_bfloat16",
    "memory",
    "parse_json",
    "read_json",
    "read_tensors",
    "to_bfloat16",
    "to_bytes",
    "to_float16",
    "write_json",
    "write_tensors",
]

Narrow = Literal["bfloat16", "float16"]
Path_ = str | os.PathLike[str]

MOST_HEADER = 1 << 24  # bytes of a safetensors header
MOST_VALUES = 1 << 22  # in a JSON file, by its commas; parsed, they take some 200 MB
MOST_MESSAGE = 1000  # characters
MOST_DIGITS = 40  # the state of a stream of random numbers has 39


class CheckpointError(ValueError):
    """A file or folder that is missing, damaged, foreign, or does not fit the others.

    Its message may quote the file, so it is kept to a few lines, of characters that a terminal prints.
    """

    def __init__(self, message: str):
        if len(message) > MOST_MESSAGE:
            message = f"{message[: MOST_MESSAGE // 2]} ... {message[-MOST_MESSAGE // 2 :]}"
        if not message.isprintable():
            message = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in message)
        super().__init__(message)


# -- JSON ------------------------------------------------------------------------------------------------


def write_json(path: Path_, value: Any) -> None:
    """Write a value as JSON, atomically."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path_) -> dict[str, Any]:
    """The object in a JSON file; raises CheckpointError naming the file where there is none, or one to fill memory."""
    try:
        with open_plain(path) as file:
            data = file.read(min(os.fstat(file.fileno()).st_size, MAX_BYTES) + 1)  # read takes that memory at once
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        raise CheckpointError(f"{path}: {getattr(problem, 'strerror', None) or problem}") from None
    try:
        value = parse_json(data)
    except ValueError as problem:
        raise CheckpointError(f"{path}: not JSON: {problem}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got a {type(value).__name__}")
    return value


def parse_json(data: bytes) -> Any:
    """The value that JSON says, within bounds of memory and time; raises ValueError for what is not JSON or beyond."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES >> 20} MB")
    if data.count(b"[") + data.count(b"{") > MAX_BRACKETS or data.count(b",") > MOST_VALUES:
        raise ValueError(f"it has more than {MAX_BRACKETS:,} brackets or {MOST_VALUES:,} values")
    try:
        return json.loads(data.decode(), parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"it holds a number of {len(digits):,} digits")
    return int(digits)


def memory() -> float:
    """The bytes of memory that this machine has; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")


# -- 16 bits ---------------------------------------------------------------------------------------------


def to_bfloat16(x: np.ndarray) -> np.ndarray:
    """The bits of the bfloat16 nearest to each number, ties to even, of the shape of x, as uint16.

        y = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16

    x: float32, float64 or float16. Numbers above the largest bfloat16 give infinity; NaN stays NaN, with its sign.

    >>> [hex(bits) for bits in to_bfloat16(np.array([1.0, -2.0, np.inf], np.float32))]
    ['0x3f80', '0xc000', '0x7f80']
    """
    bits = _float32_bits(x)
    nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16  # a carry out of the fraction raises the exponent, as it should
    nan = np.isnan(x)
    if nan.any():
        nearest = np.where(nan, bits >> 16 | 0x40, nearest)  # 0x40: a NaN keeps a bit of its fraction
    return np.asarray(nearest, np.uint16)


def _float32_bits(x: np.ndarray) -> np.ndarray:
    """The bits of x as float32; a float64 is rounded to odd, so that rounding again gives what rounding once would."""
    with np.errstate(all="ignore"):
        near = x.astype(np.float32)
    bits: np.ndarray = near.view(np.uint32)
    if x.dtype == np.float64:
        bits = (bits - (abs(near) > abs(x))) | (near != x)  # towards zero, then to odd where that lost something
    return bits


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """The float32 numbers of bfloat16 bits.

    >>> from_bfloat16(np.array([0x3F80, 0xC000], np.uint16)).tolist()
    [1.0, -2.0]
    """
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_float16(x: np.ndarray) -> np.ndarray:
    """The float16 nearest to each number, ties to even; infinity above 65504 and half a step."""
    with np.errstate(all="ignore"):
        return x.astype(np.float16)


def _narrow(name: str, x: np.ndarray, dtype: Narrow) -> np.ndarray:
    """x as uint16 bits of bfloat16, or as float16; raises CheckpointError where a finite number becomes infinite."""
    if x.dtype.kind != "f":
        raise CheckpointError(f"{name} is {x.dtype}; only floating-point arrays are stored as {dtype}")
    narrow = to_bfloat16(x) if dtype == "bfloat16" else to_float16(x)
    infinite = narrow & 0x7FFF == 0x7F80 if dtype == "bfloat16" else np.isinf(narrow)
    lost = infinite & np.isfinite(x)
    if lost.any():
        place = tuple(int(i) for i in np.argwhere(lost)[0])
        advice = 'leave dtype out, or type dtype="bfloat16"' if dtype == "float16" else "leave dtype out"
        raise CheckpointError(f"{name}{list(place)} is {x[place]:.6g}, too large for {dtype}; {advice}")
    return narrow


# -- safetensors -----------------------------------------------------------------------------------------


def to_bytes(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str], dtype: Narrow | None = None) -> bytes:
    """Named arrays as the bytes of a safetensors file, with the metadata in order of name.

    dtype: store them all as "bfloat16" or "float16". Raises CheckpointError naming an array that cannot be, ValueError
    for another dtype.
    """
    if dtype not in (None, "bfloat16", "float16"):
        raise ValueError(f'dtype must be "bfloat16", "float16" or None, got {dtype!r}')
    solid = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # the format needs it
    if dtype is not None:
        solid = {name: _narrow(name, array, dtype) for name, array in solid.items()}
    data = to_safetensors(solid, metadata=dict(metadata))
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))  # the library writes them in a random order
    if dtype == "bfloat16":
        for name in solid:
            header[name]["dtype"] = "BF16"
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def write_tensors(
    path: Path_, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str], dtype: Narrow | None = None
) -> None:
    """Write named arrays as safetensors, atomically; see `to_bytes`."""
    write_atomically(path, to_bytes(arrays, metadata, dtype))


def read_tensors(path: Path_) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a safetensors file, those of 16 bits as float32.

    Raises CheckpointError naming the file.
    """
    try:
        with open_plain(path) as raw:
            size, length = os.fstat(raw.fileno()).st_size, int.from_bytes(raw.read(8), "little")
            if length > min(size - 8, MOST_HEADER):  # before the library reads it
                raise ValueError(f"a header of {length} bytes in a file of {size}; at most {MOST_HEADER} are read")
            if size > memory():
                raise ValueError(f"it has {size / 1e9:,.0f} GB, this machine {memory() / 1e9:,.0f} GB of memory")
            header = parse_json(raw.read(length))
            with safe_open(path, framework="np") as file:  # which checks that offsets, shapes and types fit
                arrays = {name: _read(raw, 8 + length, header[name], file, name) for name in file.keys()}  # noqa: SIM118
                return arrays, dict(file.metadata() or {})
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
        raise CheckpointError(f"{path}: not a safetensors file that can be read: {str(why)[:300]}") from None


def _read(raw: Any, end: int, entry: Mapping[str, Any], file: Any, name: str) -> np.ndarray:
    kind = entry["dtype"]
    if kind == "BF16":  # which the library cannot hand to NumPy
        first, last = entry["data_offsets"]
        raw.seek(end + first)
        return from_bfloat16(np.frombuffer(raw.read(last - first), "<u2").reshape(entry["shape"]))
    if kind == "F4" or kind.startswith(("F6_", "F8_")):
        raise TypeError(f"{name[:80]} is {kind}, which is not read; store it as BF16, F16 or F32")
    array: np.ndarray = file.get_tensor(name)
    return array.astype(np.float32) if array.dtype == np.float16 else array
