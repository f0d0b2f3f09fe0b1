"""The block formats of GGUF, each as its bit layout and the numbers that it stands for; knows nothing of files.

A row of a tensor is cut into blocks of so many values, each stored in so many bytes, little-endian: whole numbers q of
a few bits, scaled by float16 numbers that the block shares. Products and sums are rounded to float32 one by one, in the
order written here, so the numbers are those of llama.cpp to the last bit.

Each function takes blocks (N, bytes) uint8 and gives their numbers (N, values) float32; FORMATS says how many. Source
of all layouts: ggml-org/ggml, src/ggml-common.h (block_q4_0, ...) and src/ggml-quants.c (dequantize_row_q4_0, ...).
`quants_fast` has the twin that whole matrices are widened with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.storage import from_bfloat16

__all__ = ["FORMATS", "Format", "six_bits", "widened"]

Array = Any  # np.ndarray, whose types do not follow views and mixed products


def f32(blocks: Array) -> Array:
    """x = the number.        bytes 0-3: float32"""
    return blocks.view("<f4").astype(np.float32)


def f16(blocks: Array) -> Array:
    """x = the number.        bytes 0-1: float16"""
    return blocks.view("<f2").astype(np.float32)


def bf16(blocks: Array) -> Array:
    """x = the number.        bytes 0-1: the upper half of a float32"""
    return from_bfloat16(blocks.view("<u2"))


def q8_0(blocks: Array) -> Array:
    """x[j] = d q[j]        bytes 0-1: d   2-33: q[0] ... q[31], int8"""
    return _half(blocks, 0) * blocks[:, 2:].view(np.int8)


def q4_0(blocks: Array) -> Array:
    """x[j] = d (q[j] − 8)        bytes 0-1: d   2-17: q, 4 bits each

    Byte 2 + j holds q[j] in its lower four bits and q[j + 16] in its upper ones, for j from 0 to 15.
    """
    q = _nibbles(blocks[:, 2:])  # (N, 32)
    return _half(blocks, 0) * (q.astype(np.float32) - 8)


def q4_1(blocks: Array) -> Array:
    """x[j] = d q[j] + m        bytes 0-1: d   2-3: m   4-19: q, 4 bits each, as in q4_0"""
    q = _nibbles(blocks[:, 4:])  # (N, 32)
    return _half(blocks, 0) * q.astype(np.float32) + _half(blocks, 2)


def q5_0(blocks: Array) -> Array:
    """x[j] = d (q[j] − 16)        bytes 0-1: d   2-5: bit 4 of q[j] is bit j   6-21: bits 0-3 of q, as in q4_0"""
    q = _nibbles(blocks[:, 6:]) | _bits(blocks[:, 2:6]) << 4  # (N, 32)
    return _half(blocks, 0) * (q.astype(np.float32) - 16)


def q5_1(blocks: Array) -> Array:
    """x[j] = d q[j] + m        bytes 0-1: d   2-3: m   4-7: bit 4 of q[j] is bit j   8-23: bits 0-3, as in q4_0"""
    q = _nibbles(blocks[:, 8:]) | _bits(blocks[:, 4:8]) << 4  # (N, 32)
    return _half(blocks, 0) * q.astype(np.float32) + _half(blocks, 2)


def q4_k(blocks: Array) -> Array:
    """x[s, j] = (d a[s]) q[s, j] − (e b[s]), for 8 parts s of 32 numbers j

    bytes 0-1: d   2-3: e   4-15: a and b, 6 bits each   16-143: q, 4 bits each

    Byte 16 + 32 p + j holds q[2 p, j] in its lower four bits and q[2 p + 1, j] in its upper ones.
    """
    q = _nibbles(blocks[:, 16:].reshape(-1, 4, 32))  # (N, 4, 64)
    return _scaled_parts(blocks, q.reshape(-1, 8, 32))


def q5_k(blocks: Array) -> Array:
    """x[s, j] = (d a[s]) q[s, j] − (e b[s]), for 8 parts s of 32 numbers j

    bytes 0-1: d   2-3: e   4-15: a and b, 6 bits each   16-47: bit s of byte 16 + j is bit 4 of q[s, j]
    48-175: bits 0-3 of q, as in q4_k
    """
    low = _nibbles(blocks[:, 48:].reshape(-1, 4, 32)).reshape(-1, 8, 32)
    high = blocks[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None] & 1  # (N, 8, 32)
    return _scaled_parts(blocks, low | high << 4)


def q6_k(blocks: Array) -> Array:
    """x[i] = (d a[i // 16]) (q[i] − 32), for i from 0 to 255

    bytes 0-127: bits 0-3 of q   128-191: bits 4-5 of q   192-207: a[0] ... a[15], int8   208-209: d

    Of each half h of 128 numbers, in four parts p of 32 numbers j: bits 0-3 of q[h, p, j] are the lower (p < 2) or
    upper four bits of byte 64 h + 32 (p mod 2) + j, and bits 4-5 are bits 2 p and 2 p + 1 of byte 128 + 32 h + j.
    """
    low = _nibbles(blocks[:, :128].reshape(-1, 2, 64)).reshape(-1, 2, 4, 32)
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> np.array([[0], [2], [4], [6]], np.uint8) & 3
    q = (low | high << 4).reshape(-1, 16, 16)
    scale = _half(blocks, 208) * blocks[:, 192:208].view(np.int8)  # (N, 16)
    return (scale[:, :, None] * (q.astype(np.float32) - 32)).reshape(-1, 256)


# -- what the layouts share ------------------------------------------------------------------------------


def _half(blocks: Array, at: int) -> Array:
    """The float16 at byte `at` of each block, (N, 1) float32."""
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float32)


def _nibbles(packed: Array) -> Array:
    """The lower four bits of all bytes, then the upper ones: (..., n) → (..., 2 n)."""
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


def _bits(packed: Array) -> Array:
    """The bits, lowest first: (N, n) → (N, 8 n)."""
    return np.unpackbits(packed, axis=-1, bitorder="little")


def six_bits(packed: Array, axis: int = -1) -> tuple[Array, Array]:
    """The 8 scales a and 8 offsets b of q4_k and q5_k, of 6 bits each, from their 12 bytes along an axis.

    a[s]: s < 4   the lower six bits of byte s;          else the lower half of byte s + 4, and two bits of byte s − 4
    b[s]: s < 4   the lower six bits of byte s + 4;      else the upper half of byte s + 4, and two bits of byte s
    """
    first, second, third = np.split(packed, 3, axis=axis)  # 4 bytes each; "two bits": bits 6-7, as bits 4-5
    a = np.concatenate([first & 63, third & 15 | first >> 6 << 4], axis=axis)
    b = np.concatenate([second & 63, third >> 4 | second >> 6 << 4], axis=axis)
    return a, b


def _scaled_parts(blocks: Array, q: Array) -> Array:
    """(d a[s]) q[s, j] − (e b[s]): (N, 8, 32) → (N, 256)."""
    a, b = six_bits(blocks[:, 4:16])
    scale, offset = _half(blocks, 0) * a, _half(blocks, 2) * b  # (N, 8)
    return (scale[:, :, None] * q - offset[:, :, None]).reshape(-1, 256)


# -- the table -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Format:
    """A block format: its name, its number in GGUF files, values and bytes of a block, and the function above."""

    name: str
    number: int
    values: int
    size: int
    widen: Callable[[Array], Array]


FORMATS = {  # the numbers: ggml-org/ggml, docs/gguf.md, enum ggml_type
    form.name: form
    for form in (
        Format("F32", 0, 1, 4, f32),
        Format("F16", 1, 1, 2, f16),
        Format("Q4_0", 2, 32, 18, q4_0),
        Format("Q4_1", 3, 32, 20, q4_1),
        Format("Q5_0", 6, 32, 22, q5_0),
        Format("Q5_1", 7, 32, 24, q5_1),
        Format("Q8_0", 8, 32, 34, q8_0),
        Format("Q4_K", 12, 256, 144, q4_k),
        Format("Q5_K", 13, 256, 176, q5_k),
        Format("Q6_K", 14, 256, 210, q6_k),
        Format("BF16", 30, 1, 2, bf16),
    )
}


def widened(form: Format, raw: np.ndarray) -> np.ndarray:
    """The numbers of rows of whole blocks: (R, bytes of a row) uint8 → (R, columns) float32."""
    with np.errstate(all="ignore"):  # a scale in a file may be infinite or NaN
        numbers = form.widen(np.ascontiguousarray(raw).reshape(-1, form.size))
    rows: np.ndarray = numbers.reshape(len(raw), raw.shape[1] // form.size * form.values)
    return rows
