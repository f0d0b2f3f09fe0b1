"""Reading llama2.c's .bin: every version as its exporter writes it, and damaged files as one clear error."""

import contextlib
import gc
import random
import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.formats.hostile import NUMBERS, mutated, refusal
from tinylm.formats.llama2c import Llama2cTensors, parse_llama2c, read_llama2c
from tinylm.storage import CheckpointError

COUNT = 20_000
HEADER = ["dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "max_seq_len"]
SMALL = dict(zip(HEADER, [16, 24, 3, 4, 2, 11, 5], strict=True))


def weights(shape: dict[str, int] = SMALL) -> dict[str, np.ndarray]:
    """Random numbers under the names of llama2.c's model.py, with the number of the layer first."""
    rng = np.random.default_rng(0)
    C, M, V = shape["dim"], shape["hidden_dim"], shape["vocab_size"]
    K = C * shape["n_kv_heads"] // shape["n_heads"]
    made = {"tok_embeddings": (V, C), "norm": (C,), "output": (V, C)}
    for n in range(shape["n_layers"]):
        made |= {f"{n}.attention_norm": (C,), f"{n}.ffn_norm": (C,)}
        made |= {f"{n}.wq": (C, C), f"{n}.wk": (K, C), f"{n}.wv": (K, C), f"{n}.wo": (C, C)}
        made |= {f"{n}.w1": (M, C), f"{n}.w2": (C, M), f"{n}.w3": (M, C)}
    return {name: rng.normal(size=size).astype("<f4") for name, size in made.items()}


def q8(x: np.ndarray, group: int) -> tuple[bytes, np.ndarray]:
    """As quantize_q80 of export.py and serialize_* write it, and the numbers that it stands for."""
    rows = x.reshape(-1, group)
    scale = (abs(rows).max(1) / 127).astype("<f4")
    q = np.round(rows / scale[:, None]).astype(np.int8)
    return q.tobytes() + scale.tobytes(), (q.astype("f4") * scale[:, None]).reshape(x.shape)


def exported(version: int, *, tied: bool, group: int = 8, shape: dict[str, int] = SMALL) -> bytes:
    """A file in the order in which export.py writes it."""
    w, L = weights(shape), range(shape["n_layers"])
    numbers = [shape[name] for name in HEADER]
    layers = [f"{n}.{part}" for part in ("wq", "wk", "wv", "wo", "w1", "w2", "w3") for n in L]
    if version == 0:
        numbers[5] = numbers[5] if tied else -numbers[5]
        order = [["tok_embeddings"]]
        order += [
            [f"{n}.{p}" for n in L] for p in ("attention_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1", "w2", "w3")
        ]
        parts = [w[name].tobytes() for names in [*order, ["norm"]] for name in names]
        tables = np.full(shape["max_seq_len"] * (shape["dim"] // shape["n_heads"] // 2), 99.0, "<f4").tobytes()
        parts += [tables, tables, b"" if tied else w["output"].tobytes()]
        return struct.pack("<7i", *numbers) + b"".join(parts)
    header = struct.pack("<I8iB", 0x616B3432, version, *numbers, tied)
    norms = [f"{n}.attention_norm" for n in L] + [f"{n}.ffn_norm" for n in L] + ["norm"]
    matrices = ["tok_embeddings", *layers] + ([] if tied else ["output"])
    if version == 2:
        header += struct.pack("<i", group)
        body = [w[name].tobytes() for name in norms] + [q8(w[name], group)[0] for name in matrices]
    else:
        body = [w[name].tobytes() for name in norms + matrices]
    return header.ljust(256, b"\0") + b"".join(body)


THEIRS = {
    "input_layernorm": "attention_norm", "self_attn.q_proj": "wq", "self_attn.k_proj": "wk", "self_attn.v_proj": "wv",
    "self_attn.o_proj": "wo", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "w1", "mlp.down_proj": "w2",
    "mlp.up_proj": "w3", "model.embed_tokens": "tok_embeddings", "model.norm": "norm", "lm_head": "output",
}  # fmt: skip


def theirs(name: str) -> str:
    """The name in model.py for one of ours."""
    name = name.removesuffix(".weight")
    if name.startswith("model.layers."):
        number, _, part = name.removeprefix("model.layers.").partition(".")
        return f"{number}.{THEIRS[part]}"
    return THEIRS[name]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_array_is_the_one_that_was_exported(version: int, tied: bool, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(exported(version, tied=tied))
    settings, arrays = read_llama2c(tmp_path / "m.bin")
    assert settings == {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 11,
        "max_position_embeddings": 5,
        "tie_word_embeddings": tied,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "version": version,
    }
    expected = weights()
    if tied:
        del expected["output"]
    assert {theirs(name) for name in arrays} == set(expected)
    assert len(arrays) == len(expected)
    for name, array in arrays.items():
        numbers = expected[theirs(name)]
        if version == 2 and numbers.ndim == 2:
            numbers = q8(numbers, 8)[1]
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, numbers)


@pytest.mark.parametrize("version", [0, 1])
def test_arrays_are_views_of_the_file(version: int, tmp_path: Path) -> None:
    large = SMALL | {"vocab_size": 20_000}
    (tmp_path / "m.bin").write_bytes(exported(version, tied=True, shape=large))
    gc.collect()
    tracemalloc.start()
    _, arrays = read_llama2c(tmp_path / "m.bin")
    table = arrays["model.embed_tokens.weight"]
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()
    assert table.nbytes == 1_280_000
    assert not table.flags.writeable


@pytest.mark.parametrize("group", [1, 2, 8, 16, 32])
def test_groups_run_over_the_ends_of_rows(group: int) -> None:
    shape = SMALL | {"hidden_dim": 10, "vocab_size": 12}  # rows of w2 have 10 numbers, in all 160
    _, arrays = parse_llama2c(exported(2, tied=True, group=group, shape=shape))
    for name, array in arrays.items():
        if array.ndim == 2:
            np.testing.assert_array_equal(array, q8(weights(shape)[theirs(name)], group)[1])


# -- what is refused -------------------------------------------------------------------------------------


def header(of: int, **changes: int) -> bytes:
    """A good file with numbers of its header replaced."""
    data = bytearray(exported(of, tied=True))
    places = {name: (8 if of else 0) + 4 * n for n, name in enumerate(HEADER)}
    for name, number in changes.items():
        at = {**places, "version": 4, "group": 37}[name]
        data[at : at + 4] = struct.pack("<i", number)
    return bytes(data)


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it has 0 bytes; the header alone takes 28"),
    "a header that is cut": (header(1)[:255], "it has 255 bytes; the header alone takes 256"),
    "version 3": (header(1, version=3), "version 3; versions 0, 1 and 2 are read"),
    "version -1": (header(1, version=-1), "version -1"),
    "no width": (header(0, dim=0), "hidden_size is 0"),
    "a negative width": (header(1, dim=-16), "hidden_size is -16"),
    "no words": (header(0, vocab_size=0), "vocab_size is 0"),
    "negative words in version 1": (header(1, vocab_size=-11), "vocab_size is -11"),
    "the most negative words": (header(0, vocab_size=-(1 << 31)), "bytes; of version 0 with"),
    "a width of 2^31": (header(1, dim=1 << 30), "bytes; of version 1"),
    "everything of 2^30": (header(1, **dict.fromkeys(HEADER, 1 << 30)), "1,073,741,824 layers"),
    "2^31 layers": (header(1, n_layers=(1 << 31) - 1), "2,147,483,647 layers; at most 4,096 are read"),
    "4096 layers": (header(1, n_layers=4096), "bytes; of version 1"),
    "heads that do not fit": (header(1, n_heads=3, n_kv_heads=3), "hidden_size 16 is no whole number of pairs"),
    "heads of one feature": (header(1, n_heads=16, n_kv_heads=16), "no whole number of pairs for each of 16 heads"),
    "key heads that do not fit": (header(1, n_kv_heads=3), "num_attention_heads 4 is no multiple of num_key_value_"),
    "a flag of 2": (exported(1, tied=True)[:36] + b"\2" + exported(1, tied=True)[37:], "is 2, neither 0 nor 1"),
    "another flag than the data": (
        exported(1, tied=True)[:36] + b"\0" + exported(1, tied=True)[37:],
        "lm_head.weight ends at",
    ),
    "groups of nothing": (header(2, group=0), "the group size is 0"),
    "groups of -8": (header(2, group=-8), "the group size is -8"),
    "groups that do not fit": (header(2, group=7), "is no whole number of groups of 7"),
    "a byte too few": (
        exported(0, tied=True)[:-1],
        "bytes; of version 0 with hidden_size 16, intermediate_size 24",
    ),
    "a byte too many": (exported(2, tied=False) + b"\0", "bytes; of version 2"),
    "a text": (b"Once upon a time, there was a little girl named Lily. " * 9, "llama2.c"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_damaged_or_hostile_is_one_clear_error_in_little_memory(case: str) -> None:
    data, message = REFUSED[case]
    text = refusal(lambda data: parse_llama2c(data, "m.bin"), data)
    assert text.startswith("m.bin: not a llama2.c file that can be read: ")
    assert re.search(message, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.bin: no such file"):
        read_llama2c(tmp_path / "none.bin")


FILES = [
    (exported(version, tied=tied), [("number", at, 4) for at in range(0, 41 if version else 28, 4)])
    for version in (0, 1, 2)
    for tied in (True, False)
]


def look_at_all_of(found: tuple[dict[str, Any], Llama2cTensors]) -> None:
    settings, arrays = found
    assert arrays["model.embed_tokens.weight"].shape == (settings["vocab_size"], settings["hidden_size"])
    for array in arrays.values():
        assert array.dtype == np.float32


@pytest.mark.parametrize("part", range(4))
def test_a_damaged_file_is_read_or_refused(part: int) -> None:
    read = 0
    for seed in range(part, COUNT, 4):
        data = mutated(*FILES[seed // 4 % len(FILES)], random.Random(seed))
        try:
            look_at_all_of(parse_llama2c(data))
            read += 1
        except CheckpointError as problem:
            assert len(str(problem)) < 500, seed
        except Exception as problem:
            raise AssertionError(f"seed {seed}: {type(problem).__name__}: {problem}") from problem
    assert COUNT // 4 * 0.05 < read < COUNT // 4 * 0.8  # both happen


def test_no_number_of_the_header_makes_a_small_file_take_much_memory() -> None:
    gc.collect()
    tracemalloc.start()
    for data, marks in FILES:
        for _, at, size in marks:
            for number in NUMBERS:
                changed = data[:at] + (number % (1 << 8 * size)).to_bytes(size, "little") + data[at + size :]
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                with contextlib.suppress(CheckpointError):
                    look_at_all_of(parse_llama2c(changed))
                assert tracemalloc.get_traced_memory()[1] - before < 300_000, (at, number)
    tracemalloc.stop()
