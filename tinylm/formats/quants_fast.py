"""The fast twin of `quants`: a matrix of blocks widened piece by piece, and transposed on the way, into a given array.

A piece is R rows times K blocks. Its bytes are transposed first, when they are few, to (K, bytes of a block, R): then
all that one number of a block is made of lies side by side for R rows, every step runs over R numbers at a time, and
what comes out is the transposed matrix, which is how Linear stores its weight. All arithmetic is that of `quants`, in
the same order.
"""

from collections.abc import Callable

import numpy as np

from tinylm.formats.quants import FORMATS, Format, six_bits, widened

__all__ = ["widen_into"]

PIECE = 1 << 17  # numbers of a piece: half a megabyte, which stays in a core's second cache
ROWS = 1024  # of a piece, at most
LINES = 128  # rows whose bytes are transposed together: 64 bytes of each, 8 kB

Planes = np.ndarray  # (K, bytes of a block, R) uint8
Numbers = np.ndarray  # (K, values of a block, R) float32, a view of the output


def widen_into(form: Format, raw: np.ndarray, out: np.ndarray, *, transposed: bool = False) -> None:
    """Widen rows of blocks into an array that is there already, also into a part of one.

    raw: (R, bytes of a row) uint8   out: (R, columns) float32, or (columns, R) if transposed
    """
    rows, columns = len(raw), raw.shape[1] // form.size * form.values
    expected = (columns, rows) if transposed else (rows, columns)
    if out.shape != expected or out.dtype != np.float32:
        raise ValueError(f"out must be float32 of shape {expected}, got {out.dtype} of shape {out.shape}")
    across = ACROSS.get(form.name)
    if across is not None and transposed:
        with np.errstate(all="ignore"):
            _widen_across(across, form, raw, out)
        return
    step = max(1, PIECE // max(columns, 1))
    for a in range(0, rows, step):
        numbers = widened(form, raw[a : a + step])
        if transposed:
            out[:, a : a + step] = numbers.T
        else:
            out[a : a + step] = numbers


def _widen_across(across: Callable[[Planes, Numbers], None], form: Format, raw: np.ndarray, out: np.ndarray) -> None:
    blocks = raw.reshape(len(raw), raw.shape[1] // form.size, form.size)  # (rows, blocks of a row, bytes of a block)
    R = min(len(blocks), ROWS)
    K = max(1, PIECE // (max(R, 1) * form.values))
    for a in range(0, len(blocks), ROWS):
        for k in range(0, blocks.shape[1], K):
            piece = blocks[a : a + ROWS, k : k + K]
            planes = _transposed(piece)
            part = out[k * form.values : (k + K) * form.values, a : a + ROWS]
            across(planes, part.reshape(len(planes), form.values, part.shape[1]))  # a view: one axis is cut in two


def _transposed(piece: np.ndarray) -> Planes:
    """(R, K, bytes of a block) → (K, bytes of a block, R), some rows at a time, whose lines stay in the first cache."""
    planes = np.empty((*piece.shape[1:], len(piece)), np.uint8)
    for a in range(0, len(piece), LINES):
        planes[:, :, a : a + LINES] = piece[a : a + LINES].transpose(1, 2, 0)
    return planes


def _half(planes: Planes, at: int) -> np.ndarray:
    """The float16 at byte `at` of each block, (K, 1, R) float32."""
    bits = planes[:, at + 1 : at + 2].astype(np.uint16) << 8 | planes[:, at : at + 1]
    numbers: np.ndarray = bits.view(np.float16).astype(np.float32)
    return numbers


def _q8_0(planes: Planes, out: Numbers) -> None:
    np.multiply(planes[:, 2:].view(np.int8), _half(planes, 0), out=out)


def _q4_0(planes: Planes, out: Numbers) -> None:
    _less(planes[:, 2:] & 15, 8, _half(planes, 0), out[:, :16])
    _less(planes[:, 2:] >> 4, 8, _half(planes, 0), out[:, 16:])


def _q4_1(planes: Planes, out: Numbers) -> None:
    scale, offset = _half(planes, 0), _half(planes, 2)
    _more(planes[:, 4:] & 15, scale, offset, out[:, :16])
    _more(planes[:, 4:] >> 4, scale, offset, out[:, 16:])


def _q5_0(planes: Planes, out: Numbers) -> None:
    high = _bits(planes[:, 2:6])
    _less(planes[:, 6:] & 15 | high[:, :16] << 4, 16, _half(planes, 0), out[:, :16])
    _less(planes[:, 6:] >> 4 | high[:, 16:] << 4, 16, _half(planes, 0), out[:, 16:])


def _q5_1(planes: Planes, out: Numbers) -> None:
    scale, offset, high = _half(planes, 0), _half(planes, 2), _bits(planes[:, 4:8])
    _more(planes[:, 8:] & 15 | high[:, :16] << 4, scale, offset, out[:, :16])
    _more(planes[:, 8:] >> 4 | high[:, 16:] << 4, scale, offset, out[:, 16:])


def _q4_k(planes: Planes, out: Numbers) -> None:
    scales, offsets = _scales(planes)
    for part in range(8):
        packed = planes[:, 16 + part // 2 * 32 :][:, :32]
        q = packed >> 4 if part % 2 else packed & 15
        _more(q, scales[:, part, None], offsets[:, part, None], out[:, part * 32 : part * 32 + 32])


def _q5_k(planes: Planes, out: Numbers) -> None:
    scales, offsets = _scales(planes)
    for part in range(8):
        packed = planes[:, 48 + part // 2 * 32 :][:, :32]
        q = packed >> 4 if part % 2 else packed & 15
        q |= (planes[:, 16:48] >> part & 1) << 4
        _more(q, scales[:, part, None], offsets[:, part, None], out[:, part * 32 : part * 32 + 32])


def _q6_k(planes: Planes, out: Numbers) -> None:
    scales = _half(planes, 208) * planes[:, 192:208].view(np.int8)  # (K, 16, R)
    for part in range(8):  # of 32 numbers, in two halves
        half, p = divmod(part, 4)
        packed = planes[:, 64 * half + 32 * (p % 2) :][:, :32]
        q = packed >> 4 if p >= 2 else packed & 15
        q |= (planes[:, 128 + 32 * half :][:, :32] >> 2 * p & 3) << 4
        for side in range(2):
            first = part * 32 + side * 16
            scale = scales[:, part * 2 + side, None]
            _less(q[:, side * 16 :][:, :16], 32, scale, out[:, first : first + 16])


ACROSS = {
    "Q8_0": _q8_0,
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}
assert ACROSS.keys() | {"F32", "F16", "BF16"} == FORMATS.keys()


def _more(q: np.ndarray, scale: np.ndarray, offset: np.ndarray, out: np.ndarray) -> None:
    """scale q + offset"""
    np.multiply(q, scale, out=out)
    out += offset


def _less(q: np.ndarray, zero: int, scale: np.ndarray, out: np.ndarray) -> None:
    """scale (q − zero)"""
    np.multiply(q.view(np.int8) - np.int8(zero), scale, out=out)


def _bits(planes: Planes) -> np.ndarray:
    """(K, n, R) → (K, 8 n, R), the lowest bit of a byte first."""
    return np.unpackbits(planes, axis=1, bitorder="little")


def _scales(planes: Planes) -> tuple[np.ndarray, np.ndarray]:
    """d a[s] and −(e b[s]), each (K, 8, R): adding the second is subtracting e b[s], to the last bit."""
    a, b = six_bits(planes[:, 4:16], axis=1)
    return _half(planes, 0) * a, -(_half(planes, 2) * b)
