"""Weights on disk in 16 bits: rounded to the nearest, ties to even, and widened exactly when they are read."""

import json
import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import tinylm
from tinylm import GPT, CheckpointError, GPTConfig
from tinylm.storage import from_bfloat16, read_tensors, to_bfloat16, to_float16, write_tensors
from tokenizer import CharTokenizer

TEXT = "some words and other words"
FORMATS = {"bfloat16": (8, 7), "float16": (5, 10)}  # exponent and fraction bits
BITS32 = st.integers(0, 2**32 - 1).map(lambda n: struct.unpack("<f", struct.pack("<I", n))[0])
BITS64 = st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("<d", struct.pack("<Q", n))[0])


def value(bits: int, exponent_bits: int, fraction_bits: int) -> Fraction:
    """The number of finite bits without a sign, by the definition of IEEE 754."""
    exponent, fraction = divmod(bits, 2**fraction_bits)
    bias = 2 ** (exponent_bits - 1) - 1
    whole = Fraction(fraction, 2**fraction_bits) + (exponent > 0)
    return whole * Fraction(2) ** (max(exponent, 1) - bias)


def nearest(x: float, exponent_bits: int, fraction_bits: int) -> int:
    """The bits of the number nearest to a finite x, by bisection over exact fractions; ties to even bits."""
    exact, infinite = abs(Fraction(x)), (2**exponent_bits - 1) * 2**fraction_bits
    low, high = 0, infinite  # infinity stands where the next number would
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if value(middle, exponent_bits, fraction_bits) <= exact else (low, middle)
    below, above = (abs(value(n, exponent_bits, fraction_bits) - exact) for n in (low, high))
    found = low if below < above or (below == above and low % 2 == 0) else high
    sign = math.copysign(1.0, x) < 0
    return min(found, infinite) + (sign << exponent_bits + fraction_bits)


def narrow(x: np.ndarray, dtype: str) -> np.ndarray:
    return to_bfloat16(x) if dtype == "bfloat16" else to_float16(x).view(np.uint16)


@pytest.mark.parametrize("dtype", FORMATS)
def test_all_bits_of_the_format_come_back_as_they_were(dtype) -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    wide = from_bfloat16(bits) if dtype == "bfloat16" else bits.view(np.float16).astype(np.float32)
    finite = np.isfinite(wide)
    np.testing.assert_array_equal(narrow(wide, dtype)[finite], bits[finite])
    infinite = np.isinf(wide)
    assert infinite.sum() == 2
    np.testing.assert_array_equal(narrow(wide, dtype)[infinite], bits[infinite])
    exact = [float(value(int(b), *FORMATS[dtype])) for b in bits[:: 2**6] if np.isfinite(wide[b]) and b < 2**15]
    assert exact == [float(w) for w in wide[: 2**15 : 2**6] if np.isfinite(w)]


@pytest.mark.parametrize("dtype", FORMATS)
@given(x=BITS32.filter(math.isfinite) | st.floats(-1e5, 1e5, width=32))
def test_float32_rounds_as_exact_fractions_do(x, dtype) -> None:
    assert int(narrow(np.array([x], np.float32), dtype)[0]) == nearest(x, *FORMATS[dtype])


@given(x=BITS64.filter(math.isfinite) | st.floats(-1e5, 1e5))
@example(1e39)
@example(1e-60)
@example(1 + 2**-8 + 2**-40)  # rounded to float32 first it would be a tie, and round to 1
@example(-(1 + 3 * 2**-8 - 2**-40))
@example(1 + 2**-11 + 2**-40)
def test_float64_rounds_once(x) -> None:
    for dtype, sizes in FORMATS.items():
        assert int(narrow(np.array([x]), dtype)[0]) == nearest(x, *sizes)


@given(bits=st.integers(0, 2**15 - 2), dtype=st.sampled_from(sorted(FORMATS)), wide=st.sampled_from("fd"))
def test_ties_go_to_even_bits(bits, dtype, wide) -> None:
    pair = [value(n, *FORMATS[dtype]) for n in (bits, bits + 1)]
    middle = float(sum(pair) / 2)
    if pair[1] < Fraction(3) * 2**126 and Fraction(np.array(middle, wide).item()) == sum(pair) / 2:
        assert int(narrow(np.array([middle], wide), dtype)[0]) == nearest(middle, *FORMATS[dtype])


@given(payload=st.integers(1, 2**23 - 1), negative=st.booleans())
@example(payload=1, negative=False)  # whose upper half is that of infinity
def test_nan_stays_nan_with_its_sign(payload, negative) -> None:
    single = np.array([0x7F800000 | payload | negative << 31], np.uint32).view(np.float32)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        double = single.astype(np.float64)
    for dtype, infinite in (("bfloat16", 0x7F80), ("float16", 0x7C00)):
        for x in (single, double):
            found = int(narrow(x, dtype)[0])
            assert found & 0x7FFF > infinite
            assert found >> 15 == negative


@pytest.mark.torch
@given(x=arrays(np.uint32, array_shapes(max_dims=2, max_side=50)), wide=st.booleans())
def test_bits_are_those_of_torch(x, wide) -> None:
    torch = pytest.importorskip("torch")
    values = x.view(np.float32)
    values = np.where(np.isnan(values), np.float32(1), values)
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}
    for dtype, theirs in kind.items():
        ours = narrow(values.astype(np.float64) if wide else values, dtype)
        np.testing.assert_array_equal(ours, torch.from_numpy(values).to(theirs).view(torch.uint16).numpy())


# -- files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FORMATS)
@given(x=arrays(np.float32, array_shapes(min_dims=1, max_dims=3, min_side=0), elements=st.floats(-6e4, 6e4, width=32)))
def test_a_file_holds_what_was_rounded(x, dtype, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("t") / "a.safetensors"
    write_tensors(path, {"b": x, "a": x.T, "a.c": x[:0]}, {"z": "1", "é": "ü"}, dtype)
    found, metadata = read_tensors(path)
    bits = narrow(x, dtype)
    wide = from_bfloat16(bits) if dtype == "bfloat16" else bits.view(np.float16).astype(np.float32)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    for name, expected in (("b", wide), ("a", wide.T), ("a.c", wide[:0])):
        np.testing.assert_array_equal(found[name], expected)
    assert metadata == {"z": "1", "é": "ü"}
    assert path.stat().st_size <= 2 * 2 * x.size + 8 + 500


@pytest.mark.torch
@pytest.mark.parametrize("dtype", FORMATS)
def test_torch_reads_our_files_and_we_read_its(dtype, tmp_path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    x = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    write_tensors(tmp_path / "ours", {"x": x}, {}, dtype)
    theirs = load_file(tmp_path / "ours")["x"]
    assert theirs.dtype == getattr(torch, dtype)
    save_file({"x": theirs, "y": torch.ones(3)}, tmp_path / "theirs")
    found = read_tensors(tmp_path / "theirs")[0]
    np.testing.assert_array_equal(found["x"], theirs.float().numpy())
    np.testing.assert_array_equal(found["y"], np.ones(3, np.float32))


@given(data=st.data())
def test_a_damaged_file_is_refused_or_read_but_nothing_else(data, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("t") / "a.safetensors"
    write_tensors(path, {"a": np.ones((2, 3), np.float32), "b": np.ones(1, np.float32)}, {}, "bfloat16")
    good = bytearray(path.read_bytes())
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(good[: data.draw(st.just(len(good)) | st.integers(0, len(good)))]))
    try:
        found, _ = read_tensors(path)
    except CheckpointError as refused:
        assert "a.safetensors" in str(refused)
    else:
        assert all(isinstance(array, np.ndarray) for array in found.values())


# -- models ----------------------------------------------------------------------------------------------


def small(dtype=np.float32) -> tuple[GPT, CharTokenizer]:
    tokenizer = CharTokenizer(TEXT)
    shape = {"block_size": 8, "n_layer": 1, "n_head": 2, "n_embd": 8}
    return GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **shape), seed=3, dtype=dtype), tokenizer


@pytest.mark.parametrize("made", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", FORMATS)
def test_a_model_that_was_stored_in_16_bits_loads_as_float32(dtype, made, tmp_path) -> None:
    model, tokenizer = small(made)
    before = model.state_dict()
    tinylm.save(tmp_path / "run", model, tokenizer, dtype=dtype)
    loaded, same = tinylm.load(tmp_path / "run")
    assert same == tokenizer
    steps = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
    for name, p in loaded.named_parameters():
        assert p.dtype == np.float32
        np.testing.assert_allclose(p.numpy(), before[name], rtol=steps[dtype], atol=2.0**-25)  # half a step
        if p.ndim == 2:
            assert not np.array_equal(p.numpy(), before[name])
    tinylm.save(tmp_path / "again", loaded, tokenizer, dtype=dtype)
    files = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("run", "again")]
    assert files[0] == files[1], "what was rounded once stays"
    assert len(files[0]) < 2 * model.parameter_count() + 4000


@pytest.mark.parametrize(("dtype", "large"), [("float16", 65520.0), ("bfloat16", 3.4e38)])
def test_a_weight_that_is_too_large_is_named_and_nothing_is_written(dtype, large, tmp_path) -> None:
    model, tokenizer = small()
    for value in (large, -large):
        with tinylm.no_grad():
            model.h[0].mlp.c_fc.weight[3, 5] = value
        with pytest.raises(CheckpointError, match=rf"h\.0\.mlp\.c_fc\.weight\[3, 5\] is .*, too large for {dtype}"):
            tinylm.save(tmp_path / "run", model, tokenizer, dtype=dtype)
    assert not (tmp_path / "run").exists()
    for value in (np.inf, np.nan, 65519.0):
        with tinylm.no_grad():
            model.h[0].mlp.c_fc.weight[3, 5] = value
        tinylm.save(tmp_path / "run", model, tokenizer, dtype=dtype)
        found = tinylm.load(tmp_path / "run")[0].h[0].mlp.c_fc.weight.numpy()[3, 5]
        np.testing.assert_allclose(found, value, rtol=2**-8)


def test_another_dtype_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match='dtype must be "bfloat16", "float16" or None, got \'int8\''):
        tinylm.save(tmp_path / "run", *small(), dtype="int8")
    with pytest.raises(CheckpointError, match="a is int64; only floating-point"):
        write_tensors(tmp_path / "t", {"a": np.arange(3)}, {}, "bfloat16")


def test_a_file_of_16_bits_under_a_config_of_float64_is_refused(tmp_path) -> None:
    tinylm.save(tmp_path / "run", *small(), dtype="bfloat16")
    config = tmp_path / "run" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dtype": "float64"}))
    with pytest.raises(CheckpointError, match=r"is float32, config\.json says float64"):
        tinylm.load(tmp_path / "run")


def test_an_array_of_one_number_without_axes_keeps_its_shape(tmp_path):
    write_tensors(tmp_path / "x", {"a": np.float32(3.5).reshape(()), "b": np.zeros((0, 3))}, {})
    arrays, _ = read_tensors(tmp_path / "x")
    assert arrays["a"].shape == ()
    assert arrays["a"] == 3.5
    assert arrays["b"].shape == (0, 3)
