"""Every file of a run folder, damaged in thousands of ways: read or refused, in bounded time and memory.

TINYLM_FUZZ=20000 pytest tests/runs/test_hostile_fuzz.py    the same with 20,000 files a reader
"""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

import tinylm
from tinylm import GPT, CheckpointError, GPTConfig
from tinylm.checkpoint import load_training
from tinylm.data import read_tokens
from tinylm.optim import AdamW, decay_groups
from tinylm.runs import Run
from tinylm.settings import TrainingSettings
from tinylm.storage import read_json, read_tensors, write_tensors
from tinylm.train import TrainingError, TrainingStep
from tokenizer import CharTokenizer, TokenizerError, load_tokenizer, train_bpe

from .hostile import attacked, changed_bytes, changed_json, changed_safetensors

TEXT = "abc" * 30
SHAPE = {"block_size": 4, "n_layer": 1, "n_head": 2, "n_embd": 4}
SETTINGS = TrainingSettings(
    steps=3, batch_size=1, warmup=1, eval_every=0, save_every=1, sample_every=0, eval_tokens=8, seed=5
)

COUNT = int(os.environ.get("TINYLM_FUZZ", "500"))  # files a reader meets; TINYLM_FUZZ=20000 takes minutes


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run of three steps, of which the last is still to come."""
    tokenizer = CharTokenizer(TEXT)
    model = GPT(GPTConfig(vocab_size=3, **SHAPE), seed=1)
    run = Run.create(tmp_path_factory.mktemp("made") / "run", [TEXT], tokenizer, model, SETTINGS)
    for _ in run.records(lambda: run.step >= 2):
        pass
    return run.folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def changed_text(rng: random.Random, good: bytes) -> bytes:
    return changed_bytes(rng, good) if rng.random() < 0.2 else changed_json(rng, good)


def test_a_config_is_used_or_refused(folder):
    file = folder / "config.json"
    good = file.read_bytes()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        tinylm.load(folder)

    read(good)
    _, refused = attacked(lambda rng: changed_text(rng, good), read, (CheckpointError,), COUNT)
    assert refused > COUNT / 2


def test_weights_are_read_or_refused(folder):
    file = folder / "x.safetensors"
    arrays = {
        "a": np.ones((3, 2), np.float32),
        "b": np.arange(4.0),
        "c": np.zeros((0, 5), np.float16),
        "d": np.array(2, np.int64),
    }
    write_tensors(file, arrays, {"x": "y", "notes": "{}"})
    good = file.read_bytes()
    write_tensors(file, {"a": np.ones((3, 2), np.float32), "b": np.ones(3)}, {}, "bfloat16")
    narrow = file.read_bytes()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        found, metadata = read_tensors(file)
        assert sum(array.nbytes for array in found.values()) <= 2 * len(data)
        assert all(isinstance(value, str) for value in metadata.values())

    read(good)
    taken, refused = attacked(
        lambda rng: changed_safetensors(rng, rng.choice((good, narrow))), read, (CheckpointError,), COUNT
    )
    assert taken > COUNT / 50
    assert refused > COUNT / 2


def test_the_state_of_training_is_taken_up_or_refused(folder):
    file = folder / "training.safetensors"
    good, tokenizer = file.read_bytes(), CharTokenizer(TEXT)
    model = GPT(GPTConfig(vocab_size=3, **SHAPE), seed=1)
    optimizer = AdamW(decay_groups(model, 0.1))

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load_training(folder, model, optimizer, tokenizer)
        for p in model.parameters():
            p.grad = None
        loss = model(np.array([[0, 1, 2]]), np.array([[1, 2, 0]]))[1]
        loss.backward()
        optimizer.step()

    read(good)
    with np.errstate(all="ignore"):
        attacked(lambda rng: changed_safetensors(rng, good, "notes"), read, (CheckpointError,), COUNT)


def test_a_run_goes_on_or_is_refused_whatever_file_was_damaged(folder, made, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # most of the time otherwise
    names = ["config.json", "training.safetensors", "model.safetensors", "train.npy", "log.jsonl", "tokenizer.json"]
    good = {name: (made / name).read_bytes() for name in names}
    chosen = ["", b""]

    def change(rng: random.Random) -> bytes:
        name = rng.choice(names)
        if name.endswith("safetensors"):
            data = changed_safetensors(rng, good[name], "notes" if name.startswith("training") else None)
        elif name.endswith("json"):
            data = changed_text(rng, good[name])
        else:
            data = changed_bytes(rng, good[name])
        chosen[0] = name
        return data

    def read(data: bytes) -> None:
        for name in names:  # a run that went on has written some of them
            (folder / name).write_bytes(data if name == chosen[0] else good[name])
        run = Run.resume(folder, {"steps": 3})
        for record in run.records():
            if isinstance(record, TrainingStep):
                break

    with np.errstate(all="ignore"):
        attacked(change, read, (CheckpointError, TrainingError), COUNT // 4)


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_a_tokenizer_is_read_or_refused(tmp_path, kind):
    file = tmp_path / "tokenizer.json"
    tokenizer = CharTokenizer("abcdé") if kind == "char" else train_bpe(["aaabbb aab " * 9], 260)
    tokenizer.save(file)
    good = file.read_bytes()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load_tokenizer(file)

    read(good)
    attacked(lambda rng: changed_text(rng, good), read, (TokenizerError,), COUNT)


def test_tokens_are_mapped_or_refused(tmp_path):
    file = tmp_path / "train.npy"
    np.save(file, np.arange(50, dtype=np.uint16))
    good = file.read_bytes()
    words = [
        b"'<u2'", b"'|O'", b"'>i8'", b"'<f4'", b"'<U9'", b"'V16'", b"(50,)", b"(5, 10)", b"(1<<62,)", b"(-1,)", b"()",
        b"(4611686018427387904,)", b"True", b"False", b"__import__('os')", b"[('a','O')]", b"9" * 40, b"(" * 90,
    ]  # fmt: skip

    def change(rng: random.Random) -> bytes:
        if rng.random() < 0.5:
            return changed_bytes(rng, good)
        head, rest = good[:10], good[10:]
        for _ in range(rng.choice((1, 1, 2))):
            old = rng.choice([word for word in (b"'<u2'", b"(50,)", b"False", b"shape", b"descr") if word in rest])
            rest = rest.replace(old, rng.choice(words))
            if not any(word in rest for word in (b"'<u2'", b"(50,)", b"False", b"shape", b"descr")):
                break
        return head + rest

    def read(data: bytes) -> None:
        file.write_bytes(data)
        ids = read_tokens(file)
        assert ids.nbytes <= len(data)

    read(good)
    attacked(change, read, (ValueError,), COUNT)


def test_a_settings_file_is_read_or_refused(tmp_path):
    file = tmp_path / "c.json"
    good = (
        b'{"model": {"n_layer": 2, "dropout": 0.5}, "training": {"steps": 4, "lr": 0.01}, "tokenizer": {"char": true}}'
    )

    def read(data: bytes) -> None:
        file.write_bytes(data)
        read_json(file)

    read(good)
    attacked(lambda rng: changed_text(rng, good), read, (CheckpointError,), COUNT)
