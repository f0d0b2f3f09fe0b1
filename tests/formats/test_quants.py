"""The block formats of GGUF: each number of a block by hand, llama.cpp's own package, and the fast twin, to the bit."""

import math
import struct
from collections.abc import Callable

import numpy as np
import pytest

from tinylm.formats import quants_fast
from tinylm.formats.gguf import NAMES
from tinylm.formats.quants import FORMATS, Format, widened
from tinylm.formats.quants_fast import widen_into

QUANTISED = [name for name, form in FORMATS.items() if form.values > 1]


def bits(x: np.ndarray) -> np.ndarray:
    """The bits of float32 numbers, with every NaN the same: which NaN a product gives is up to the processor."""
    return np.where(np.isnan(x), 0x7FC00000, np.ascontiguousarray(x).view(np.uint32))


def random_rows(form: Format, rows: int, blocks: int, seed: int = 0) -> np.ndarray:
    """Rows of any bytes: scales of every size, subnormal, infinite and NaN among them."""
    return np.random.default_rng(seed).integers(0, 256, (rows, blocks * form.size), dtype=np.uint8)


# -- one number at a time --------------------------------------------------------------------------------
# Whole numbers, shifts and struct; each product and sum is made exactly in float64 and rounded once to float32.


def half(block: bytes, at: int) -> float:
    number: float = struct.unpack_from("<e", block, at)[0]
    return number


def rounded(x: float) -> float:
    """To float32; a product or a sum of two float32 numbers of these sizes is exact in float64."""
    return float(np.float32(x))


def nibble(block: bytes, first: int, j: int) -> int:
    """Of 32 numbers in 16 bytes."""
    return block[first + j] % 16 if j < 16 else block[first + j - 16] // 16


def bit(block: bytes, first: int, j: int) -> int:
    return int.from_bytes(block[first : first + 4], "little") >> j & 1


def six(block: bytes, s: int) -> tuple[int, int]:
    """Scale and offset s of the K formats, as get_scale_min_k4 of ggml-quants.c picks them."""
    p = block[4:16]
    if s < 4:
        return p[s] % 64, p[s + 4] % 64
    return p[s + 4] % 16 + p[s - 4] // 64 * 16, p[s + 4] // 16 + p[s] // 64 * 16


def of_parts(block: bytes, s: int, q: int) -> float:
    scale, offset = six(block, s)
    return rounded(rounded(rounded(half(block, 0) * scale) * q) - rounded(half(block, 2) * offset))


def k_nibble(block: bytes, first: int, i: int) -> int:
    """Of 256 numbers: 64 lie in 32 bytes, the first 32 in the lower halves."""
    group, j = divmod(i, 64)
    byte = block[first + 32 * group + j % 32]
    return byte % 16 if j < 32 else byte // 16


def q6_k(block: bytes, i: int) -> float:
    h, rest = divmod(i, 128)
    p, j = divmod(rest, 32)
    byte = block[64 * h + 32 * (p & 1) + j]
    low = byte // 16 if p >= 2 else byte % 16
    high = block[128 + 32 * h + j] >> 2 * p & 3
    (scale,) = struct.unpack_from("<b", block, 192 + i // 16)
    return rounded(rounded(half(block, 208) * scale) * (low + 16 * high - 32))


BY_HAND: dict[str, Callable[[bytes, int], float]] = {
    "F32": lambda block, i: struct.unpack("<f", block)[0],
    "F16": lambda block, i: half(block, 0),
    "BF16": lambda block, i: struct.unpack("<f", b"\0\0" + block)[0],
    "Q8_0": lambda block, i: rounded(half(block, 0) * struct.unpack_from("<b", block, 2 + i)[0]),
    "Q4_0": lambda block, i: rounded(half(block, 0) * (nibble(block, 2, i) - 8)),
    "Q4_1": lambda block, i: rounded(rounded(half(block, 0) * nibble(block, 4, i)) + half(block, 2)),
    "Q5_0": lambda block, i: rounded(half(block, 0) * (nibble(block, 6, i) + 16 * bit(block, 2, i) - 16)),
    "Q5_1": lambda block, i: rounded(
        rounded(half(block, 0) * (nibble(block, 8, i) + 16 * bit(block, 4, i))) + half(block, 2)
    ),
    "Q4_K": lambda block, i: of_parts(block, i // 32, k_nibble(block, 16, i)),
    "Q5_K": lambda block, i: of_parts(
        block, i // 32, k_nibble(block, 48, i) + 16 * (block[16 + i % 32] >> i // 32 & 1)
    ),
    "Q6_K": q6_k,
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_number_of_a_block_is_the_one_worked_out_by_hand(name: str) -> None:
    form = FORMATS[name]
    blocks = random_rows(form, 40, 1)
    with np.errstate(all="ignore"):
        by_hand = [[BY_HAND[name](block.tobytes(), i) for i in range(form.values)] for block in blocks]
        expected = np.array(by_hand, np.float32)
    assert np.isfinite(expected).mean() > 0.8  # so the comparison says something
    np.testing.assert_array_equal(bits(widened(form, blocks)), bits(expected))


@pytest.mark.parametrize("name", FORMATS)
def test_numbers_are_those_of_the_gguf_package_to_the_bit(name: str) -> None:
    gguf = pytest.importorskip("gguf", reason="the peer is the package gguf")
    form = FORMATS[name]
    raw = random_rows(form, 64, 5 if form.values > 1 else 600, seed=1)
    kind = gguf.GGMLQuantizationType[name]
    assert kind == form.number
    assert gguf.GGML_QUANT_SIZES[kind] == (form.values, form.size)
    with np.errstate(all="ignore"):
        theirs = gguf.dequantize(raw, kind)
    np.testing.assert_array_equal(bits(widened(form, raw)), bits(theirs))


def test_names_for_messages_are_those_of_the_gguf_package() -> None:
    gguf = pytest.importorskip("gguf", reason="the peer is the package gguf")
    for kind in gguf.GGMLQuantizationType:
        if kind < len(NAMES):
            assert NAMES[kind] == kind.name
    assert all(NAMES[form.number] == name for name, form in FORMATS.items())


# -- the fast twin ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_the_fast_twin_gives_the_same_bits(name: str, transposed: bool) -> None:
    form = FORMATS[name]
    raw = random_rows(form, 1300, 3 if form.values > 1 else 70, seed=2)  # more rows than a piece has
    expected = widened(form, raw)
    out = np.empty(expected.shape[::-1] if transposed else expected.shape, np.float32)
    widen_into(form, raw, out, transposed=transposed)
    np.testing.assert_array_equal(bits(out.T if transposed else out), bits(expected))


@pytest.mark.parametrize("rows", [1, 2, 6, 7, 8, 29])
@pytest.mark.parametrize("name", ["F16", "Q4_1", "Q8_0", "Q6_K"])
def test_pieces_of_any_size_meet_without_a_gap(name: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    form = FORMATS[name]
    monkeypatch.setattr(quants_fast, "ROWS", 7)
    monkeypatch.setattr(quants_fast, "LINES", 3)
    monkeypatch.setattr(quants_fast, "PIECE", 3 * 7 * form.values)  # 3 blocks of a row, of which there are 5
    raw = random_rows(form, rows, 5, seed=rows)
    for transposed in (False, True):
        out = np.empty((rows, 5 * form.values)[:: -1 if transposed else 1], np.float32)
        widen_into(form, raw, out, transposed=transposed)
        np.testing.assert_array_equal(bits(out.T if transposed else out), bits(widened(form, raw)))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_only_the_part_of_the_array_that_was_given_is_written(name: str, transposed: bool) -> None:
    form = FORMATS[name]
    raw = random_rows(form, 9, 2)
    shape = (2 * form.values, 9) if transposed else (9, 2 * form.values)
    whole = np.full((shape[0] + 4, shape[1] + 6), 7.5, np.float32)
    inside = np.zeros(whole.shape, bool)
    inside[1:-3, 2:-4] = True
    widen_into(form, raw, whole[1:-3, 2:-4], transposed=transposed)
    assert (whole[~inside] == 7.5).all()
    expected = widened(form, raw)
    np.testing.assert_array_equal(bits(whole[1:-3, 2:-4]), bits(expected.T if transposed else expected))


def test_an_array_of_another_shape_or_type_is_refused() -> None:
    form = FORMATS["Q4_0"]
    raw = random_rows(form, 4, 2)
    for out in (np.empty((64, 4), np.float32), np.empty((4, 63), np.float32), np.empty((4, 64), np.float64)):
        with pytest.raises(ValueError, match=r"out must be float32 of shape \(4, 64\)"):
            widen_into(form, raw, out)


@pytest.mark.parametrize("name", QUANTISED)
def test_rows_of_no_blocks_and_no_rows_are_widened_to_nothing(name: str) -> None:
    form = FORMATS[name]
    for rows, blocks in ((0, 2), (3, 0)):
        raw = np.empty((rows, blocks * form.size), np.uint8)
        assert widened(form, raw).shape == (rows, blocks * form.values)
        widen_into(form, raw, np.empty((rows, blocks * form.values), np.float32))
        widen_into(form, raw, np.empty((blocks * form.values, rows), np.float32), transposed=True)


def test_an_infinite_scale_gives_infinities_and_no_warning() -> None:
    block = np.zeros((1, 34), np.uint8)
    block[0, 1], block[0, 2] = 0x7C, 3  # d is infinite, q[0] = 3 and the others 0
    row = widened(FORMATS["Q8_0"], block)[0]
    assert row[0] == math.inf
    assert np.isnan(row[1:]).all()
