"""Twenty thousand damaged GGUF files: each is read, or refused with a CheckpointError, in little memory."""

import contextlib
import gc
import random
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.formats.gguf_bytes import ARRAY, STRING, Made, made
from tests.formats.hostile import NUMBERS, mutated
from tinylm.formats.gguf import GGUF, parse_gguf, read_gguf
from tinylm.formats.quants import FORMATS
from tinylm.storage import CheckpointError

COUNT = 20_000


def rows(name: str, blocks: int) -> tuple[int, bytes]:
    """The number of a format, and some blocks of it."""
    form = FORMATS[name]
    return form.number, np.random.default_rng(blocks).integers(0, 256, blocks * form.size, np.uint8).tobytes()


FILES: list[Made] = [
    made([], [("w", (1,), 0, b"1234")]),
    made(
        [("general.architecture", STRING, "llama"), ("n", 4, 7), ("eps", 6, 1e-5), ("yes", 7, True)],
        [("a", (32, 2), *rows("Q8_0", 2)), ("b", (3, 2), *rows("F32", 6)), ("c", (5,), *rows("F16", 5))],
    ),
    made(
        [
            ("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "", "ü", "Ġt" * 9])),
            ("tokenizer.ggml.scores", ARRAY, (6, [0.0, -1.0, -2.0, -3.0])),
            ("general.alignment", 4, 64),
            ("deep", ARRAY, (ARRAY, [(ARRAY, [(7, [True, False])]), (STRING, ["x", "y"]), (10, [])])),
            ("last", 12, -0.5),
        ],
        [("a.weight", (256, 1), *rows("Q6_K", 1)), ("b.weight", (32, 3, 2), *rows("Q4_1", 6))],
        alignment=64,
        version=2,
    ),
]


def look_at_all_of(file: GGUF) -> None:
    """What a valid result must allow: every value is of a known type, every tensor can be widened whole."""

    def look(value: Any) -> None:
        assert isinstance(value, (int, float, bool, str, list, np.ndarray))
        for item in value if isinstance(value, list) else []:
            look(item)

    for value in file.metadata.values():
        look(value)
    for tensor in file.tensors.values():
        assert tensor.numpy().shape == tensor.shape


@pytest.mark.parametrize("part", range(10))
def test_a_damaged_file_is_read_or_refused(part: int) -> None:
    read, started = 0, time.perf_counter()
    for seed in range(part, COUNT, 10):
        rng = random.Random(seed)
        file = FILES[seed // 10 % len(FILES)]
        data = mutated(file.data, file.marks, rng)
        try:
            look_at_all_of(parse_gguf(data))
            read += 1
        except CheckpointError as problem:
            assert len(str(problem)) < 500, seed
        except Exception as problem:
            raise AssertionError(f"seed {seed}: {type(problem).__name__}: {problem}") from problem
    assert COUNT // 10 * 0.05 < read < COUNT // 10 * 0.8  # both happen
    assert time.perf_counter() - started < 60


def test_no_number_of_the_structure_makes_a_small_file_take_much_memory() -> None:
    gc.collect()
    tracemalloc.start()
    for file in FILES:
        for what, at, size in file.marks:
            for number in NUMBERS:
                data = file.data[:at] + (number % (1 << 8 * size)).to_bytes(size, "little") + file.data[at + size :]
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                with contextlib.suppress(CheckpointError):
                    look_at_all_of(parse_gguf(data))
                taken = tracemalloc.get_traced_memory()[1] - before
                assert taken < 500_000, (what, at, number, taken)
    tracemalloc.stop()


def test_damaged_files_on_disk_end_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    for seed in range(300):
        file = FILES[seed % len(FILES)]
        data = mutated(file.data, file.marks, random.Random(-1 - seed))
        path.write_bytes(data)
        outcomes = []
        for read in (lambda: parse_gguf(data, str(path)), lambda: read_gguf(path)):  # noqa: B023
            try:
                outcomes.append(repr(read().metadata))
            except CheckpointError as problem:
                outcomes.append(str(problem))
        assert outcomes[0] == outcomes[1]


def test_random_bytes_after_the_magic_are_refused() -> None:
    rng = random.Random(7)
    for _ in range(2000):
        with pytest.raises(CheckpointError):
            parse_gguf(b"GGUF" + struct.pack("<I", 3) + rng.randbytes(rng.randrange(200)))
