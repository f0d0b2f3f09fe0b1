"""Arrays as text that a page can carry and unpack bit by bit; knows nothing of models."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["pack", "unpack"]


def pack(arrays: Mapping[str, np.ndarray]) -> tuple[list[dict[str, Any]], str]:
    """A list of what there is, and all numbers as one base64 text of about 1.1 times their size.

        base64(deflate(byte 0 of every number, byte 1 of every number, ...)), little-endian

    Weights of one layer are about equally large: the bytes with sign and exponent, side by side, shrink to a third,
    while those of the lower digits are noise. All arrays have one dtype, float32 or float64.
    """
    listed = [{"name": name, "shape": list(array.shape)} for name, array in arrays.items()]
    flat = np.concatenate([array.reshape(-1) for array in arrays.values()])
    little = np.ascontiguousarray(flat, dtype=flat.dtype.newbyteorder("<"))
    planes = little.view(np.uint8).reshape(-1, little.itemsize).T  # (bytes of a number, numbers)
    return listed, base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")


def unpack(listed: list[dict[str, Any]], text: str, dtype: Any) -> dict[str, np.ndarray]:
    """The arrays of `pack`, with the same bytes."""
    little = np.dtype(dtype).newbyteorder("<")
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(little.itemsize, -1)
    flat = np.ascontiguousarray(planes.T).view(little).reshape(-1).astype(dtype)
    arrays, start = {}, 0
    for entry in listed:
        size = int(np.prod(entry["shape"], dtype=np.int64))
        arrays[entry["name"]] = flat[start : start + size].reshape(entry["shape"])
        start += size
    return arrays
