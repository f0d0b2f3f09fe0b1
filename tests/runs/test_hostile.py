"""Run folders built to do harm: each is refused with one clear line, soon, and without taking memory."""

import json
import os
import shutil
import signal
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import tinylm
from tinylm import GPT, CheckpointError, GPTConfig
from tinylm.cli import main
from tinylm.runs import Run
from tinylm.storage import CheckpointError as Refusal
from tinylm.storage import parse_json, read_json, read_tensors
from tokenizer import CharTokenizer

from .hostile import peak
from .test_hostile_fuzz import SETTINGS, SHAPE, TEXT

FILES = ("config.json", "tokenizer.json", "model.safetensors", "training.safetensors", "train.npy", "val.npy")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run with all its files."""
    model = GPT(GPTConfig(vocab_size=3, **SHAPE), seed=1)
    run = Run.create(tmp_path_factory.mktemp("made") / "run", [TEXT], CharTokenizer(TEXT), model, SETTINGS)
    for _ in run.records(lambda: run.step >= 1):
        pass
    return run.folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


@contextmanager
def bounded(seconds: float = 4, megabytes: float = 300) -> Iterator[None]:
    """Fail where the block takes longer than four times the second that is promised, hangs, or takes memory."""

    def late(number: int, frame: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    began, held = time.process_time(), peak()
    try:
        yield
        assert time.process_time() - began < seconds
        assert peak() - held < megabytes * 1e6
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def both(folder: Path) -> list[str]:
    """What loading and resuming a folder say; each must refuse, or neither need the file."""
    said = []
    for how in (tinylm.load, lambda path: Run.resume(path, {"steps": 3})):
        try:
            how(folder)
        except CheckpointError as problem:
            said.append(str(problem))
    return said


def edit(folder: Path, **changes) -> None:
    file = folder / "config.json"
    document = json.loads(file.read_text())
    for name, value in changes.items():
        part = document["model"] if name in document["model"] else document["training"]
        (part if name in part else document)[name] = value
    file.write_text(json.dumps(document))


# -- what stands where a file should ---------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(name, folder):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with bounded():
        said = both(folder)
    assert said
    assert all(name in line for line in said)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no /dev/zero")
@pytest.mark.parametrize("name", FILES)
def test_a_link_to_a_device_without_end_is_refused(name, folder):
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with bounded():
        said = both(folder)
    assert said
    assert all(name in line for line in said)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file_is_refused(name, folder):
    (folder / name).unlink()
    (folder / name).mkdir()
    said = both(folder)
    assert said
    assert all(name in line for line in said)


@pytest.mark.parametrize("name", ["log.jsonl", "model.safetensors", "training.safetensors", "loss.svg", "config.json"])
def test_a_link_that_leads_out_of_the_folder_is_never_written_through(name, folder, tmp_path):
    outside = tmp_path / "precious"
    outside.write_bytes((folder / name).read_bytes())
    (folder / name).unlink()
    (folder / name).symlink_to(outside)
    before = outside.read_bytes()
    run = Run.resume(folder, {"steps": 3, "eval_every": 1})
    for _ in run.records():
        pass
    assert outside.read_bytes() == before
    assert not (folder / name).is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_a_log_without_end_is_refused(make, folder):
    (folder / "log.jsonl").unlink()
    make(folder / "log.jsonl")
    with bounded(), pytest.raises(CheckpointError, match=r"log\.jsonl"):
        Run.resume(folder)


# -- config.json -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"a":' + b"[[]," * 500_000 + b"1",
        b'{"a":[' + b"0," * 5_000_000 + b"0]}",
        b'{"a":"' + b"x" * 30_000_000 + b'"}',
        b'{"a":' + b"9" * 1_000_000 + b"}",
        b'{"a":-' + b"9" * 5000 + b"}",
        b"\xff\xfe{}",
        b"",
        b"null",
    ],
    ids=["lists", "objects", "wide", "numbers", "text", "digits", "negative", "UTF-16", "nothing", "null"],
)
def test_json_built_to_fill_memory_is_refused(content, folder):
    for name in ("config.json", "tokenizer.json"):
        good = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        with bounded():
            said = both(folder)
        assert len(said) == 2
        assert all(name in line and len(line) < 1500 for line in said)
        (folder / name).write_bytes(good)


def test_json_within_bounds_is_read_as_it_was(tmp_path):
    value = {"a": [1, -2.5, True, None, "é"], "b": {"c": [[]] * 1000}, "state": 2**128 - 1}
    (tmp_path / "x").write_text(json.dumps(value))
    assert read_json(tmp_path / "x") == value
    assert parse_json(b"1e400") == float("inf")
    with pytest.raises(ValueError, match="41 digits"):
        parse_json(b"1" * 41)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_layer": 10**9},
        {"n_layer": 10**39},
        {"block_size": 2**60},
        {"vocab_size": 2**60, "start": [0]},
        {"n_embd": 2**12},
        {"n_embd": 2**60},
        {"n_embd": 2**40, "n_head": 2**40},
        {"mlp_hidden": 2**62},
        {"n_embd": 10**39, "n_head": 1, "mlp_hidden": 10**39},
        {"dropout": 1e400},
        {"norm_eps": 10**39},
        {"rope_base": -1e400},
        {"n_kv_head": 10**30},
        {"start": [3]},
        {"start": [-1]},
        {"start": [10**30]},
        {"start": list(range(10**5))},
    ],
)
def test_a_config_that_would_take_terabytes_is_refused_before_any_is_taken(changes, folder):
    edit(folder, **changes)
    with bounded():
        said = both(folder)
    assert len(said) == 2
    assert all("config.json" in line or "tensors" in line for line in said), said


def test_a_config_and_weights_that_agree_on_terabytes_are_refused_by_the_memory_there_is(folder, monkeypatch):
    monkeypatch.setattr("tinylm.checkpoint.memory", lambda: 100.0)
    with pytest.raises(CheckpointError, match="GB of memory"):
        tinylm.load(folder)


@pytest.mark.parametrize(
    "changes",
    [{"batch_size": 10**39}, {"steps": 1e400}, {"lr": -1}, {"eval_tokens": 0}, {"seed": -1}, {"beta1": 10**39}],
)
def test_settings_of_training_that_make_no_sense_are_refused(changes, folder):
    edit(folder, **changes)
    with bounded(), pytest.raises(CheckpointError, match=r"config\.json"):
        Run.resume(folder)


# -- weights -----------------------------------------------------------------------------------------------


def packed(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], first: int, last: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


@pytest.mark.parametrize(
    "content",
    [
        packed({}, length=2**60),
        packed({}, length=2**64 - 1),
        packed(b"[" * 1_000_000),
        packed(b'{"a":' * 1_000_000),
        packed(b'{"a":' + b"9" * 100_000 + b"}"),
        packed({"a": entry([1], 0, 4), "b": entry([1], 0, 4)}, b"\0" * 4),
        packed({"a": entry([2], 0, 8), "b": entry([1], 4, 8)}, b"\0" * 8),
        packed({"a": entry([1], 4, 8)}, b"\0" * 8),
        packed({"a": entry([4], 0, 16)}, b"\0" * 4),
        packed({"a": entry([1], 0, 2**62)}, b"\0" * 4),
        packed({"a": entry([2**62, 4], 0, 0)}),
        packed({"a": entry([2**32, 2**32], 0, 0)}),
        packed({"a": entry([0, 2**62], 0, 0)}),
        packed({"a": entry([1] * 100, 0, 4)}, b"\0" * 4),
        packed({"a": entry([-1], 0, 4)}, b"\0" * 4),
        packed({"a": entry([1], 0, 4, "F7")}, b"\0" * 4),
        packed({"a": entry([4], 0, 4, "F8_E4M3")}, b"\0" * 4),
        packed({"a": entry([4], 0, 4, "F8_E8M0")}, b"\0" * 4),
        packed({"a": entry([8], 0, 4, "F4")}, b"\0" * 4),
        packed({"a": entry([2**61], 0, 2**62, "BF16")}, b"\0" * 4),
        packed({"a": entry([1], 0, 4)}, b"\0" * 5),
        packed({"__metadata__": {"a": 1}}),
        packed({"__metadata__": []}),
        packed([]),
        packed(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e400]}}', b"\0" * 4),
        b"",
        b"\0" * 8,
        b"\x80\x04\x95pickle",
    ],
)
def test_weights_that_lie_about_themselves_are_refused(content, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(content)
    with bounded(), pytest.raises(Refusal, match=r"x\.safetensors: not a safetensors file"):
        read_tensors(tmp_path / "x.safetensors")


def test_a_file_larger_than_the_memory_is_refused(tmp_path):
    file = tmp_path / "x.safetensors"
    numbers = 2**40
    head = packed({"a": entry([numbers], 0, 4 * numbers)})
    file.write_bytes(head)
    try:
        os.truncate(file, len(head) + 4 * numbers)  # zeros that take no space on the disk
    except OSError as problem:
        pytest.skip(f"no file of four terabytes here: {problem.strerror}")
    with bounded(), pytest.raises(Refusal, match="of memory"):
        read_tensors(file)


def test_messages_hold_no_control_characters_and_stay_short(tmp_path):
    name = "\x1b[2J" + "x" * 5000
    (tmp_path / "x.safetensors").write_bytes(packed({name: entry([4], 0, 4, "F8_E4M3")}, b"\0" * 4))
    with pytest.raises(Refusal) as caught:
        read_tensors(tmp_path / "x.safetensors")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1500
    assert str(Refusal("a\x1b[31mb\nc")) == "a\\x1b[31mb\nc"


# -- the tokens ----------------------------------------------------------------------------------------------


def npy(header: bytes, data: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


@pytest.mark.parametrize(
    "content",
    [
        npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"\x80\x04N."),
        npy(b"{'descr': '<u2', 'fortran_order': False, 'shape': (4611686018427387904,), }\n", b"\0" * 8),
        npy(b"{'descr': '<u2', 'fortran_order': False, 'shape': (100000000000,), }\n", b"\0" * 8),
        npy(b"{'descr': '<u2', 'fortran_order': False, 'shape': (-1,), }\n", b"\0" * 8),
        npy(b"(" * 9000),
        npy(b"__import__('os').abort()\n"),
        npy(b"{'descr': [('a', '<u2', (2,))] , 'fortran_order': False, 'shape': (1,), }\n", b"\0" * 8),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        b"\x93NUMPY\x09\x00",
        b"\x93NUMPY",
    ],
)
def test_tokens_that_lie_about_themselves_are_refused(content, folder):
    (folder / "train.npy").write_bytes(content)
    with bounded(), pytest.raises(CheckpointError, match=r"train\.npy"):
        Run.resume(folder)


def test_tokens_of_a_later_numpy_format_are_read(folder):
    ids = np.load(folder / "train.npy")
    with open(folder / "train.npy", "wb") as file:
        np.lib.format.write_array(file, ids, version=(2, 0))
    assert np.array_equal(Run.resume(folder).train_tokens, ids)


# -- as a person meets it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["sample", "eval", "train --resume", "step", "explore"])
def test_every_command_refuses_with_one_line(command, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("abcabc")
    edit(folder, n_layer=10**9)
    arguments = {"eval": ["a.txt"], "step": ["abc"]}.get(command, [])
    with bounded():
        assert main([*command.split(), str(folder), *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("tinylm: error: ")
    assert err.count("\n") == 1
    assert "config.json" in err
