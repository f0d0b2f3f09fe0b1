"""Files of a run: JSON and named arrays as safetensors, written atomically, also in 16 bits; knows nothing of models.

bfloat16 is the upper half of a float32: 1 sign, 8 exponent and 7 fraction bits. NumPy has no such type, so its numbers
are made, and read, as bits. Arrays of both 16-bit types are widened to float32 when they are read, which is exact.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from tokenizer.formats import write_atomically

__all__ = [
    "CheckpointError",
    "Narrow",
    "from_bfloat16",
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


class CheckpointError(ValueError):
    """A file or folder that is missing, damaged, foreign, or does not fit the others."""


# -- JSON ------------------------------------------------------------------------------------------------


def write_json(path: Path_, value: Any) -> None:
    """Write a value as JSON, atomically."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path_) -> dict[str, Any]:
    """The object in a JSON file; raises CheckpointError naming the file where there is none."""
    try:
        value = json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except OSError as problem:
        raise CheckpointError(f"{path}: {problem.strerror}") from None
    except (ValueError, RecursionError) as problem:
        raise CheckpointError(f"{path}: not JSON: {problem}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got a {type(value).__name__}")
    return value


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
    if not os.path.isfile(path):
        raise CheckpointError(f"{path}: no such file")
    try:
        with safe_open(path, framework="np") as file, open(path, "rb") as raw:  # safe_open checks the header
            end = 8 + int.from_bytes(raw.read(8), "little")
            header = json.loads(raw.read(end - 8))
            arrays = {name: _read(raw, end, header[name], file, name) for name in file.keys()}  # noqa: SIM118
            return arrays, dict(file.metadata() or {})
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as problem:
        raise CheckpointError(f"{path}: not a safetensors file that can be read: {problem}") from None


def _read(raw: Any, end: int, entry: Mapping[str, Any], file: Any, name: str) -> np.ndarray:
    if entry["dtype"] == "BF16":  # which the library cannot hand to NumPy
        first, last = entry["data_offsets"]
        raw.seek(end + first)
        return from_bfloat16(np.frombuffer(raw.read(last - first), "<u2").reshape(entry["shape"]))
    array: np.ndarray = file.get_tensor(name)
    return array.astype(np.float32) if array.dtype == np.float16 else array
