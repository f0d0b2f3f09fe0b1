"""A run that trains an adapter: what its folder holds, and that it is loaded, gone on with, merged, or refused."""

import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tinylm import GPT, GPTConfig, checkpoint
from tinylm.formats import load_model
from tinylm.lora import adapter_of, attach, base_of, merge, new_adapter, read_adapter, read_base
from tinylm.prepare import new_tokenizer, with_dropout
from tinylm.runs import Run
from tinylm.settings import TrainingSettings
from tinylm.storage import CheckpointError, read_tensors, write_tensors
from tinylm.train import TrainingStep

TEXT = "the quick brown fox jumps over the lazy dog, and the lazy dog sleeps on. " * 40
SETTINGS = TrainingSettings(
    steps=12, batch_size=2, accumulate=2, warmup=2, eval_every=5, save_every=4, sample_every=0, eval_tokens=64, seed=5,
    lr=0.05, lora_rank=2, lora_dropout=0.1,
)  # fmt: skip
IDS = np.arange(14)[None] * 7 % 280


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The run folder of a model that nobody trained."""
    folder = tmp_path_factory.mktemp("base") / "run"
    tokenizer = new_tokenizer([TEXT], vocab_size=280)
    shape = {"vocab_size": 280, "block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16, "position": "rope"}
    checkpoint.save(folder, GPT(GPTConfig(**shape), seed=1), tokenizer)
    return folder


def create(base, folder) -> Run:
    loaded = load_model(base)
    return Run.create(folder, [TEXT], loaded.tokenizer, loaded.model, SETTINGS, base=base_of(loaded.model, base))


def finish(run: Run) -> dict[str, bytes]:
    for _ in run.records():
        pass
    return {name: (run.folder / name).read_bytes() for name in ("adapter.safetensors", "training.safetensors")}


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    finish(create(base, folder))
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    """A copy to damage."""
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


def change(file, **entries) -> None:
    document = json.loads(file.read_text())
    document["base"] |= entries
    file.write_text(json.dumps(document))


# -- the folder ------------------------------------------------------------------------------------------


def test_the_folder_holds_the_adapter_alone(base, trained):
    assert not (trained / "model.safetensors").exists()
    arrays, _ = read_tensors(trained / "adapter.safetensors")
    assert {name.rpartition(".")[2] for name in arrays} == {"lora_A", "lora_B"}
    kept, _ = read_tensors(trained / "training.safetensors")
    assert {name for name in kept if name.startswith("model.")} == {f"model.{name}" for name in arrays}
    assert sum(a.size for a in kept.values()) == 3 * sum(a.size for a in arrays.values()), "with two moments each"
    assert read_base(trained).path == str(base)


def test_loading_it_gives_base_and_adapter_folded_together(base, trained):
    adapted = attach(load_model(base).model, read_adapter(trained, read_base(trained)))
    loaded = load_model(trained)
    want = adapted.eval()(IDS)[0].numpy()
    assert np.abs(loaded.model.eval()(IDS)[0].numpy() - want).max() < 1e-5 * np.abs(want).max()
    plain = load_model(base).model(IDS)[0].numpy()
    assert np.abs(want - plain).max() > 0.1, "it has learnt something"
    assert loaded.tokenizer == load_model(base).tokenizer
    assert loaded.kind == "run"
    assert list(loaded.model.state_dict()) == list(load_model(base).model.state_dict())


def test_losses_before_and_after_are_in_the_log(trained):
    entries = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    losses = {entry["step"]: entry["val_loss"] for entry in entries if "val_loss" in entry}
    assert list(losses) == [0, 5, 10, 12]
    assert losses[12] < losses[0] - 0.02


def test_the_base_is_left_as_it_was(base, tmp_path):
    before = {p.name: p.read_bytes() for p in base.iterdir()}
    finish(create(base, tmp_path / "run"))
    assert {p.name: p.read_bytes() for p in base.iterdir()} == before


# -- going on --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 4, 7, 11])
def test_stopping_after_any_step_changes_nothing(step, base, trained, tmp_path):
    run = create(base, tmp_path / "run")
    for _ in run.records(lambda: run.step >= step):
        pass
    assert run.step == step
    straight = {name: (trained / name).read_bytes() for name in ("adapter.safetensors", "training.safetensors")}
    assert finish(Run.resume(tmp_path / "run")) == straight


def test_an_abandoned_run_goes_on_from_its_last_checkpoint(base, trained, tmp_path):
    run = create(base, tmp_path / "run")
    for record in run.records():
        if isinstance(record, TrainingStep) and record.step == 7:
            break
    resumed = Run.resume(tmp_path / "run")
    assert resumed.step == 4
    straight = {name: (trained / name).read_bytes() for name in ("adapter.safetensors", "training.safetensors")}
    assert finish(resumed) == straight


def test_a_resumed_run_trains_the_adapter_and_nothing_else(base, copy):
    run = Run.resume(copy, {"steps": 14})
    assert sum(len(group["params"]) for group in run.optimizer.param_groups) == 2 * 2 * 4, "A and B of 4 layers a block"
    frozen = {n: p.numpy().copy() for n, p in run.model.named_parameters() if "lora" not in n}
    finish(run)
    assert all(np.array_equal(p.numpy(), frozen[n]) for n, p in run.model.named_parameters() if "lora" not in n)
    assert all(p.grad_data is None for n, p in run.model.named_parameters() if "lora" not in n)
    assert Run.resume(copy).step == 14


def test_a_run_with_dropout_in_the_model_is_resumed_with_it(base, tmp_path):
    loaded = load_model(base)
    model = with_dropout(loaded.model, 0.3)
    assert all(np.array_equal(a, b) for a, b in zip(
        model.state_dict().values(), loaded.model.state_dict().values(), strict=True))  # fmt: skip
    settings = replace(SETTINGS, steps=6, lora_dropout=0.0)
    Run.create(tmp_path / "run", [TEXT], loaded.tokenizer, model, settings, base=base_of(model, base))
    assert Run.resume(tmp_path / "run").model.config.dropout == 0.3
    assert load_model(tmp_path / "run").model.config.vocab_size == 280


# -- what is refused -------------------------------------------------------------------------------------


def refused(folder) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(folder)
    with pytest.raises(CheckpointError):
        Run.resume(folder)
    return str(caught.value)


def test_a_base_that_is_gone_is_told_with_where_it_was(copy):
    change(copy / "adapter.json", path="/nowhere/model")
    assert "is not at /nowhere/model; put it there, or say in" in refused(copy)


def test_a_path_may_be_relative_to_the_folder(base, copy):
    shutil.copytree(base, copy / "inside")
    change(copy / "adapter.json", path="inside")
    assert load_model(copy).model.config.n_layer == 2


def test_a_base_whose_weights_have_changed_is_refused(base, copy, tmp_path):
    model, tokenizer = checkpoint.load(base)
    model.ln_f.weight.data[3] += 1e-6
    checkpoint.save(tmp_path / "other", model, tokenizer)
    change(copy / "adapter.json", path=str(tmp_path / "other"))
    assert "made for other weights than" in refused(copy)


def test_a_base_of_another_shape_is_refused_by_the_setting_that_differs(copy):
    noted = json.loads((copy / "adapter.json").read_text())["base"]["model"]
    change(copy / "adapter.json", model={**noted, "norm_eps": 1e-6})
    assert "with norm_eps 1e-06; " in refused(copy)


def test_an_adapter_of_another_base_is_refused(copy):
    change(copy / "adapter.json", fingerprint="0" * 64)
    assert "made for" in refused(copy)


def test_matrices_that_were_made_for_another_base_are_refused(base, copy):
    arrays, metadata = read_tensors(copy / "adapter.safetensors")
    write_tensors(copy / "adapter.safetensors", arrays, metadata | {"base": "0" * 64})
    with pytest.raises(CheckpointError, match="made for another model than adapter"):
        load_model(copy)


def test_an_adapter_of_an_adapter_or_of_itself_is_refused(trained, copy):
    change(copy / "adapter.json", path=str(trained))
    assert "is an adapter itself; merge that one first" in refused(copy)
    change(copy / "adapter.json", path=".")
    assert "belongs to itself" in refused(copy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[1]", "expected a JSON object"),
        ("{}", "not the notes of a tinylm adapter"),
        ('{"format": "tinylm-adapter", "version": 2}', "version 2"),
        ('{"format": "tinylm-adapter", "version": 1}', "says nothing of the model"),
        ('{"format": "tinylm-adapter", "version": 1, "base": {"path": 3}}', '"path" must say'),
        ('{"format": "tinylm-adapter", "version": 1, "base": {"path": "a\\u0000b"}}', '"path" must say'),
        ('{"format": "tinylm-adapter", "version": 1, "base": {"path": "a"}}', '"fingerprint"'),
        (" " * 2_000_000, "too many for the notes"),
    ],
)
def test_notes_that_are_damaged_are_refused(text, message, copy):
    (copy / "adapter.json").write_text(text)
    assert message in refused(copy)


def test_every_cut_and_every_changed_byte_gives_a_clear_error_or_a_model(copy):
    """The weights may be others then, which nobody can know; nothing else may be."""
    rng = random.Random(7)
    for name in ("adapter.json", "adapter.safetensors"):
        whole = (copy / name).read_bytes()
        for number in range(60):
            data = bytearray(whole[: rng.randrange(len(whole))] if number % 3 == 0 else whole)
            for _ in range(rng.randrange(4) if number % 3 == 0 else 1 + rng.randrange(8)):
                if data:
                    data[rng.randrange(min(len(data), 600))] = rng.randrange(256)
            (copy / name).write_bytes(bytes(data))
            try:
                load_model(copy)
            except CheckpointError as problem:
                assert str(copy) in str(problem) or "inside" in str(problem), problem
        (copy / name).write_bytes(whole)
    load_model(copy)


@pytest.mark.parametrize("changed", [{"lora_rank": 10**12}, {"lora_alpha": 3.0}, {"lora_dropout": 0.5}])
def test_settings_of_another_adapter_are_refused_before_room_is_made_for_it(changed, copy):
    document = json.loads((copy / "config.json").read_text())
    document["training"] |= changed
    (copy / "config.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match="tells of another adapter"):
        Run.resume(copy)


def test_matrices_of_another_rank_than_their_pair_are_refused(base, copy):
    arrays, metadata = read_tensors(copy / "adapter.safetensors")
    arrays["h.0.mlp.c_fc.lora_A"] = np.zeros((16, 3), np.float32)
    write_tensors(copy / "adapter.safetensors", arrays, metadata)
    with pytest.raises(CheckpointError, match=r"adapter\.safetensors: h\.0\..* needs two matrices"):
        load_model(copy)


def test_merging_twice_is_merging_once(base, trained):
    model = attach(load_model(base).model, read_adapter(trained, read_base(trained)))
    assert adapter_of(model).rank == 2
    once = merge(model).state_dict()
    assert all(np.array_equal(a, b) for a, b in zip(once.values(), merge(model).state_dict().values(), strict=True))
    assert new_adapter(model).rank == 8
