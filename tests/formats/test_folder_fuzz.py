"""Hugging Face folders, and files of our own with all inside, damaged in thousands of ways: loaded or refused.

TINYLM_FUZZ=20000 pytest tests/formats/test_folder_fuzz.py    with 20,000 files a reader
"""

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.formats.test_load import nanogpt
from tests.runs.hostile import attacked, changed_bytes, changed_json, changed_safetensors
from tinylm import GPT, CheckpointError, GPTConfig
from tinylm.corpus import TextError
from tinylm.formats import load_model
from tinylm.formats.export import export
from tinylm.formats.model import Loaded
from tinylm.instruct import read_dialogues
from tokenizer import train_bpe

COUNT = int(os.environ.get("TINYLM_FUZZ", "500"))
TEXT = "the quick brown fox jumps over the lazy dog, and the lazy dog sleeps on. " * 5
SHAPES = {
    "gpt2": {"mlp": "gelu_tanh"},
    "llama": {"norm": "rms", "position": "rope", "mlp": "swiglu", "bias": False, "n_kv_head": 1},
}


def loaded(kind: str) -> Loaded:
    """A small model with all that a file may say of one."""
    tokenizer = train_bpe([TEXT], 262, special_tokens=("<|endoftext|>",))
    shape = {"block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 4, **SHAPES[kind]}
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **shape), seed=1)
    end = tokenizer.special_tokens["<|endoftext|>"]
    return Loaded(
        model, tokenizer, start=[end], beginning=[end], stops=(end,), chat_template="{{ messages }}",
        bos_token="<|endoftext|>", eos_token="<|endoftext|>", notes=(), kind="run",
    )  # fmt: skip


def use(path: Path) -> None:
    """Load, and one step of the model: what was accepted must also work."""
    found = load_model(path)
    logits, _ = found.model(np.array([found.beginning]))
    assert logits.shape[-1] == found.model.config.vocab_size


@pytest.mark.parametrize("kind", SHAPES)
def test_a_hugging_face_folder_is_loaded_or_refused_whatever_was_damaged(kind, tmp_path) -> None:
    folder = tmp_path / "model"
    export(loaded(kind), folder, "hf")
    use(folder)
    names = sorted(p.name for p in folder.iterdir())
    good = {name: (folder / name).read_bytes() for name in names}
    chosen = [""]

    def change(rng: random.Random) -> bytes:
        name = chosen[0] = rng.choice([*names, "config.json", "config.json"])
        if name.endswith(".safetensors"):
            return changed_safetensors(rng, good[name])
        if name.endswith(".json") and rng.random() < 0.85:
            return changed_json(rng, good[name])
        return changed_bytes(rng, good[name])

    def read(data: bytes) -> None:
        name = chosen[0]
        (folder / name).write_bytes(data)
        try:
            with np.errstate(all="ignore"):
                use(folder)
        finally:
            (folder / name).write_bytes(good[name])

    attacked(change, read, (CheckpointError,), COUNT)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_file_with_all_inside_is_loaded_or_refused_whatever_was_damaged(kind, tmp_path) -> None:
    file = tmp_path / "model.safetensors"
    export(loaded(kind), file, "safetensors")
    use(file)
    good = file.read_bytes()
    inside = [name for name in ("config", "tokenizer", "tinylm") if f'"{name}":"{{'.encode() in good]

    def read(data: bytes) -> None:
        file.write_bytes(data)
        with np.errstate(all="ignore"):
            use(file)

    def change(rng: random.Random) -> bytes:
        return changed_safetensors(rng, good, rng.choice(inside) if inside else None)

    attacked(change, read, (CheckpointError,), COUNT)


def test_a_nanogpt_folder_is_loaded_or_refused_whatever_was_damaged(tmp_path) -> None:
    folder = nanogpt(tmp_path / "model", metadata={"n_head": "3"}, config={"model_args": {"n_head": 3, "n_layer": 2}})
    use(folder)
    good = {p.name: p.read_bytes() for p in folder.iterdir()}
    chosen = [""]

    def change(rng: random.Random) -> bytes:
        name = chosen[0] = rng.choice(sorted(good))
        if name.endswith(".safetensors"):
            return changed_safetensors(rng, good[name])
        return changed_json(rng, good[name]) if rng.random() < 0.8 else changed_bytes(rng, good[name])

    def read(data: bytes) -> None:
        (folder / chosen[0]).write_bytes(data)
        try:
            with np.errstate(all="ignore"):
                use(folder)
        finally:
            (folder / chosen[0]).write_bytes(good[chosen[0]])

    attacked(change, read, (CheckpointError,), COUNT)


def test_dialogues_are_read_or_refused_whatever_was_damaged(tmp_path) -> None:
    said = [{"role": "user", "content": "a\nb"}, {"role": "assistant", "content": "é c"}]
    good = b"".join(json.dumps(line).encode() + b"\n" for line in ({"messages": said}, said))
    file = tmp_path / "d.jsonl"

    def change(rng: random.Random) -> bytes:
        if rng.random() < 0.4:
            return changed_bytes(rng, good)
        lines = good.split(b"\n")
        number = rng.randrange(2)
        lines[number] = changed_json(rng, lines[number]).replace(b"\n", b" ")
        return b"\n".join(lines)

    def read(data: bytes) -> None:
        file.write_bytes(data)
        read_dialogues([file])

    attacked(change, read, (TextError,), COUNT)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_in_a_hugging_face_folder_are_refused_and_not_waited_for(tmp_path) -> None:
    export(loaded("llama"), tmp_path / "good", "hf")
    for name in sorted(p.name for p in (tmp_path / "good").iterdir()):
        folder = tmp_path / name
        shutil.copytree(tmp_path / "good", folder)
        (folder / name).unlink()
        os.mkfifo(folder / name)
        with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
            load_model(folder)
