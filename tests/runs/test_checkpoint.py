"""Run folders: what is written is what is read, and what is damaged or foreign is refused with one clear line."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinylm
from tinylm import GPT, CheckpointError, GPTConfig
from tinylm.checkpoint import load_training, read_tensors, save_training, write_tensors
from tinylm.optim import SGD, AdamW
from tokenizer import CharTokenizer, train_bpe

from .small_run import TEXT, create

SHAPE = {"block_size": 8, "n_layer": 1, "n_head": 2, "n_embd": 8}


def small(tokenizer, **settings) -> GPT:
    return GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **{**SHAPE, **settings}), seed=3)


@pytest.fixture
def folder(tmp_path):
    """A saved model with a character tokenizer."""
    tokenizer = CharTokenizer(TEXT)
    tinylm.save(tmp_path / "run", small(tokenizer), tokenizer)
    return tmp_path / "run"


@pytest.mark.parametrize("settings", [{}, {"norm": "rms", "position": "rope", "mlp": "swiglu", "tie_weights": False}])
@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_what_was_saved_is_loaded(kind, settings, tmp_path):
    tokenizer = CharTokenizer(TEXT) if kind == "char" else train_bpe([TEXT], 270)
    model = small(tokenizer, **settings)
    tinylm.save(tmp_path / "run", model, tokenizer)
    loaded, same = tinylm.load(tmp_path / "run")
    assert same == tokenizer
    assert loaded.config == model.config
    before, after = model.state_dict(), loaded.state_dict()
    assert list(before) == list(after)
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_float64_weights_come_back_as_float64(tmp_path):
    tokenizer = CharTokenizer(TEXT)
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **SHAPE), dtype=np.float64)
    tinylm.save(tmp_path / "run", model, tokenizer)
    assert tinylm.load(tmp_path / "run")[0].wte.weight.dtype == np.float64


def test_saving_twice_gives_the_same_bytes(folder, tmp_path):
    model, tokenizer = tinylm.load(folder)
    for _ in range(5):  # the library writes metadata in a random order; ours is fixed
        tinylm.save(tmp_path / "again", model, tokenizer)
        assert (tmp_path / "again" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@given(rows=st.integers(1, 5), columns=st.integers(1, 5), data=st.data())
def test_arrays_that_are_not_contiguous_are_written_right(rows, columns, data, tmp_path_factory):
    base = np.arange(rows * columns * 4, dtype=np.float32).reshape(2 * rows, 2 * columns)
    views = [base.T, base[::2, ::2], np.asfortranarray(base), base[::-1], np.broadcast_to(base[0], (3, 2 * columns))]
    view = data.draw(st.sampled_from(views))
    path = tmp_path_factory.mktemp("t") / "a.safetensors"
    write_tensors(path, {"a": view}, {"note": "é"})
    arrays, metadata = read_tensors(path)
    np.testing.assert_array_equal(arrays["a"], view)
    assert metadata == {"note": "é"}


def test_a_tokenizer_that_does_not_fit_is_refused(folder):
    CharTokenizer(TEXT.upper()).save(folder / "tokenizer.json")
    with pytest.raises(CheckpointError, match="their ids mean different text"):
        tinylm.load(folder)


def test_weights_of_a_run_with_another_tokenizer_are_refused(folder, tmp_path):
    other = CharTokenizer(TEXT.upper())  # as many characters, so every shape fits
    tinylm.save(tmp_path / "other", small(other), other)
    (folder / "model.safetensors").write_bytes((tmp_path / "other" / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*their ids mean different text"):
        tinylm.load(folder)


def test_a_model_with_fewer_ids_than_its_tokenizer_is_not_saved(tmp_path):
    with pytest.raises(CheckpointError, match="2 token ids, the tokenizer 3"):
        tinylm.save(tmp_path / "run", GPT(GPTConfig(vocab_size=2, **SHAPE)), CharTokenizer("abc"))
    assert not (tmp_path / "run").exists()


def edit(folder, change):
    path = folder / "config.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="other"), "says neither that it is a run of tinylm nor a model_type"),
        (lambda d: d.update(version=99), "version 99"),
        (lambda d: d.update(dtype="int8"), "dtype must be float32 or float64"),
        (lambda d: d["model"].update(n_layer="two"), "n_layer must be a whole number"),
        (lambda d: d["model"].update(surprise=1), "unknown model setting surprise"),
        (lambda d: d["model"].pop("n_head"), "missing model setting n_head"),
        (lambda d: d["model"].update(n_layer=2), "made with n_layer 1, config.json beside it says 2"),
        (lambda d: d["model"].update(n_head=4), "made with n_head 2, config.json beside it says 4"),
        (lambda d: d["model"].update(rope_base=5.0), "made with rope_base 10000.0"),
        (lambda d: d.update(dtype="float64"), "is float32, config.json says float64"),
        (lambda d: d["tokenizer"].update(fingerprint="0" * 64), "their ids mean different text"),
        (lambda d: d.update(start=["a"]), "start must be a list of token ids"),
        (lambda d: d.update(tokenizer="gone"), "says nothing of the tokenizer"),
    ],
)
def test_a_config_that_contradicts_the_rest_is_refused(change, message, folder):
    edit(folder, change)
    with pytest.raises(CheckpointError, match=message):
        tinylm.load(folder)


def test_missing_files_are_named(folder):
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        (folder / name).unlink()
        with pytest.raises(CheckpointError, match=name):
            tinylm.load(folder)


@given(data=st.data())
def test_a_damaged_weights_file_is_refused_or_harmless(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "a.safetensors"
    write_tensors(path, {"a": np.ones((3, 2), np.float32), "b": np.zeros(4, np.float32)}, {"x": "y"})
    good = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        good = good[: data.draw(st.integers(0, len(good) - 1))]
    else:
        good[data.draw(st.integers(0, 8 + struct.unpack("<Q", good[:8])[0] - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(good))
    try:
        arrays, _ = read_tensors(path)
    except CheckpointError as refused:
        assert "a.safetensors" in str(refused)
    else:
        assert all(isinstance(array, np.ndarray) for array in arrays.values())


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\xff" * 64, struct.pack("<Q", 1 << 60) + b"{}"])
def test_files_of_another_kind_are_refused(content, folder):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a safetensors file"):
        tinylm.load(folder)


def test_training_state_of_another_model_is_refused_and_changes_nothing(tmp_path):
    tokenizer = CharTokenizer(TEXT)
    model, other = small(tokenizer), small(tokenizer, n_embd=16)
    save_training(tmp_path, model, AdamW(model.parameters()), tokenizer, {"step": 1})
    before = other.state_dict()
    with pytest.raises(CheckpointError, match="made with n_embd 8"):
        load_training(tmp_path, other, AdamW(other.parameters()), tokenizer)
    assert all(np.array_equal(before[name], p.numpy()) for name, p in other.named_parameters())


@pytest.mark.parametrize("optimizer", [AdamW, lambda p: SGD(p, lr=0.1, momentum=0.9)])
def test_training_state_goes_round(optimizer, tmp_path):
    tokenizer = CharTokenizer(TEXT)
    model, again = small(tokenizer), small(tokenizer)
    first, second = optimizer(model.parameters()), optimizer(again.parameters())
    ids = np.array([tokenizer.encode(TEXT[:8])])
    for _ in range(3):
        model(ids, ids)[1].backward()
        first.step()
    save_training(tmp_path, model, first, tokenizer, {"step": 3})
    assert load_training(tmp_path, again, second, tokenizer) == {"step": 3}
    for one, opt in ((model, first), (again, second)):
        opt.zero_grad()
        one(ids, ids)[1].backward()
        opt.step()
    assert all(
        np.array_equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(folder, monkeypatch):
    before = (folder / "model.safetensors").read_bytes()
    model, tokenizer = tinylm.load(folder)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        tinylm.save(folder, model, tokenizer)
    assert (folder / "model.safetensors").read_bytes() == before
    assert not list(folder.glob(".*.tmp"))


def test_nothing_is_ever_unpickled(tmp_path):
    create(tmp_path / "run")
    np.save(tmp_path / "run" / "train.npy", np.array([{"evil": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError, match="tokens cannot be read"):
        tinylm.runs.Run.resume(tmp_path / "run")
