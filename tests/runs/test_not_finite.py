"""Training that meets NaN or infinity: it stops before the update, names the first guilty op, and can go on."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from tinylm import GPT, GPTConfig, data, nn, tensor, train
from tinylm.cli import main
from tinylm.nonfinite import Draws, first_fault
from tinylm.optim import SGD, AdamW
from tinylm.runs import Run
from tinylm.storage import read_tensors, write_tensors
from tinylm.train import TrainingError, training

from .dying import FLAGS, TEXT

SHAPE = {"vocab_size": 7, "block_size": 6, "n_layer": 2, "n_head": 2, "n_embd": 8}
TOKENS = np.arange(200) * 3 % 7


def model(**changes) -> GPT:
    return GPT(GPTConfig(**{**SHAPE, **changes}), seed=1)


def batches(seed: int = 0):
    return data.batches(TOKENS, 4, 6, np.random.default_rng(seed))


def fails(gpt, optimizer, **settings) -> TrainingError:
    """What training says when it stops."""
    with pytest.raises(TrainingError) as caught:
        for _ in training(gpt, optimizer, settings.pop("batches", None) or batches(), steps=20, **settings):
            pass
    return caught.value


# -- in the loop ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}, {"shards": 2}, {"clip_norm": None}])
def test_a_learning_rate_far_too_high_is_found_before_the_next_update(settings):
    gpt = model(dropout=0.1)
    error = fails(gpt, AdamW(gpt.parameters(), lr=1e12), **settings)
    assert re.match(r"step 2: the loss is (nan|inf)\n  first guilty op: forward of causal_attention made ", str(error))
    assert "in module h.0.attn" in str(error)
    assert re.search(r"q: float32\[\d, 2, 6, 4\] from -\d\.\d+e\+2\d to", str(error))
    assert "likely cause: the learning rate, 1e+12, is too high" in str(error)
    assert error.cause == "growth"
    assert all(np.isfinite(p.numpy()).all() for p in gpt.parameters()), "the update of that step was not made"


def test_an_update_that_overflows_the_weights_is_told_from_weights_that_came_damaged():
    gpt = model()
    error = fails(gpt, AdamW(gpt.parameters(), lr=1e39))
    assert str(error).startswith(
        "step 2: the loss is nan\n  the weights were not finite before that: wte.weight[0, 0] is"
    )
    assert "the learning rate, 1e+39, is too high" in str(error)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_weight_that_is_not_finite_is_named_with_the_op_that_reads_it(value):
    gpt = model()
    gpt.h[1].mlp.c_fc.weight.data[2, 3] = value
    error = fails(gpt, AdamW(gpt.parameters(), lr=1e-3))
    assert f"h.1.mlp.c_fc.weight[2, 3] is {value}, and so 1 of its 256 numbers are not finite" in str(error)
    assert "first guilty op: forward of linear made" in str(error)
    assert "in module h.1.mlp.c_fc" in str(error)
    assert "nothing was updated yet: the weights are damaged" in str(error)
    assert error.cause == "weights"


def test_an_overflow_in_one_op_is_named_there_and_not_where_the_loss_shows_it():
    gpt = model()
    gpt.h[0].mlp.c_fc.weight.data[0, 3] = 3e38
    error = fails(gpt, AdamW(gpt.parameters(), lr=1e-3))
    assert "first guilty op: forward of linear made float32[4, 6, 32]" in str(error)
    assert "in module h.0.mlp.c_fc" in str(error)
    assert "weight: float32[8, 32] from -0.0" in str(error)
    assert error.cause == "growth"


class Root(nn.Module):
    """A loss whose gradient is infinite where its parameter is 0."""

    def __init__(self, start: float):
        super().__init__()
        self.scale = nn.Parameter(np.array([start], np.float32))

    def forward(self, x, y):
        return None, (self.scale * tensor(np.asarray(x, np.float32))).sqrt().sum()


def test_a_gradient_that_is_not_finite_is_found_in_backward():
    gpt = Root(0.0)
    error = fails(gpt, SGD(gpt.parameters(), lr=0.1), batches=[(np.ones((1, 1)), np.ones((1, 1)))] * 3)
    assert str(error).startswith("step 1: the norm of the gradients is inf")
    assert "first guilty op: backward of sqrt made float32[1, 1]" in str(error)
    assert error.cause == "op"
    assert gpt.scale.numpy() == 0


class Steep(nn.Module):
    """A gradient that is finite and has no finite square."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(np.zeros(2, np.float32))

    def forward(self, x, y):
        return None, (self.gain * tensor(np.array([1.0, 1e30], np.float32))).sum()


def test_a_norm_that_overflows_names_the_gradient():
    steep = Steep()
    error = fails(steep, SGD(steep.parameters(), lr=0.1), batches=[(np.ones((1, 1)), np.ones((1, 1)))] * 2)
    assert "the norm of the gradients is inf" in str(error)
    assert "every op gave finite numbers" in str(error)
    assert "1e+30, in that of gain" in str(error)


def test_the_step_is_run_again_on_the_same_batch_with_the_same_dropout(monkeypatch):
    """A weight of which only one id's row is damaged: the batch that holds it is the one that is looked at."""
    gpt, rare = model(dropout=0.3, tie_weights=False), 6  # tied, the damaged row would be in all logits
    gpt.wte.weight.data[rare] = math.nan
    rows = [np.full((2, 6), i) for i in (1, 2, 3, rare, 4)]
    seen = []

    def spy(module, group, loss):
        seen.append((gpt.streams.state(), [x.copy() for x, _ in group]))
        return first_fault(module, group, loss)

    monkeypatch.setattr(train, "first_fault", spy)
    states = []

    def drawn():
        for row in rows:
            states.append(gpt.streams.state())
            yield row, np.full((2, 6), 1)

    error = fails(gpt, SGD(gpt.parameters(), lr=0.0), batches=drawn())
    assert str(error).startswith("step 4: the loss is nan")
    ((state, group),) = seen
    assert np.array_equal(group[0], rows[3])
    assert state == states[3], "the generators stand where they stood before the forward pass"


def test_generators_are_put_back_exactly():
    gpt = model(dropout=0.5)
    draws = Draws(gpt)
    first = gpt(TOKENS[None, :6])[0].numpy()
    second = gpt(TOKENS[None, :6])[0].numpy()
    draws.put_back()
    assert np.array_equal(gpt(TOKENS[None, :6])[0].numpy(), first)
    assert not np.array_equal(first, second)


def test_a_healthy_run_never_looks_for_a_fault(monkeypatch):
    def never(*args):
        raise AssertionError("a healthy step was run again")

    monkeypatch.setattr(train, "first_fault", never)
    gpt = model(dropout=0.1)
    assert len(list(training(gpt, AdamW(gpt.parameters(), lr=1e-3), batches(), steps=10))) == 10


# -- in a run ---------------------------------------------------------------------------------------------


@pytest.fixture
def text(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path / "text.txt"


def stopped(capsys, *arguments) -> str:
    """What a command says that ends because numbers are not finite."""
    assert main([str(a) for a in arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("tinylm: error: ")
    assert "Traceback" not in said
    assert "first guilty op: " in said
    return said


def test_weights_that_have_diverged_are_not_saved_over_good_ones(text, capsys):
    said = stopped(capsys, "train", text, "--out", "run", *FLAGS, "--lr", "1e12", "--steps", 10)
    assert re.search(r"after step 1: the loss of \d+ tokens is nan", said)
    assert "run holds all up to step 0" in said
    assert "tinylm train --resume run --lr 0.002" in said
    run = Run.resume("run")
    assert run.step == 0
    assert all(np.isfinite(p.numpy()).all() for p in run.model.parameters())


def test_what_the_message_says_to_type_goes_on_to_the_end(text, capsys):
    said = stopped(capsys, "train", text, "--out", "run", *FLAGS, "--lr", "1e12", "--min-lr", "1e11", "--steps", 10)
    advice = said.partition("tinylm train --resume run ")[2].split()
    assert advice == ["--lr", "0.002", "--min-lr", "0.0002"]
    assert main(["train", "--resume", "run", *advice]) == 0
    assert Run.resume("run").step == 10


def test_a_run_that_diverges_between_two_saves_keeps_the_one_before(text, capsys):
    assert main(["train", str(text), "--out", "run", *FLAGS, "--steps", "4"]) == 0
    before = (text.parent / "run" / "training.safetensors").read_bytes()
    flags = "--steps 40 --save-every 0 --eval-every 0 --lr 1e9 --clip 1e30".split()
    said = stopped(capsys, "train", "--resume", "run", *flags)
    assert "run holds all up to step 4" in said
    assert (text.parent / "run" / "training.safetensors").read_bytes() == before
    assert main(["train", "--resume", "run", "--lr", "0.001", "--steps", "6"]) == 0


def test_a_damaged_weight_in_a_checkpoint_is_named_and_the_advice_is_another(text, capsys):
    assert main(["train", str(text), "--out", "run", *FLAGS]) == 0
    file = text.parent / "run" / "training.safetensors"
    arrays, metadata = read_tensors(file)
    arrays["model.h.0.mlp.c_proj.weight"][1, 2] = math.nan
    write_tensors(file, arrays, metadata)
    said = stopped(capsys, "train", "--resume", "run", "--steps", 9)
    assert "h.0.mlp.c_proj.weight[1, 2] is nan" in said
    assert "forward of linear" in said
    assert "in module h.0.mlp.c_proj" in said
    assert "put back a copy of it" in said
    assert "--lr" not in said


def test_starting_from_damaged_weights_is_refused_before_a_folder_is_made(text, capsys):
    assert main(["train", str(text), "--out", "run", *FLAGS]) == 0
    file = text.parent / "run" / "model.safetensors"
    arrays, metadata = read_tensors(file)
    arrays["h.0.attn.c_attn.weight"][0, 0] = math.inf
    write_tensors(file, arrays, metadata)
    said = stopped(capsys, "train", text, "--init-from", "run", "--out", "tuned", "--steps", 2)
    assert "h.0.attn.c_attn.weight[0, 0] is inf" in said
    assert not (text.parent / "tuned").exists()


def test_the_log_of_a_run_that_diverged_is_json(text, capsys):
    stopped(capsys, "train", text, "--out", "run", *FLAGS, "--lr", "1e12", "--eval-every", 1, "--sample-every", 1)
    log = (text.parent / "run" / "log.jsonl").read_text()
    assert "NaN" not in log
    assert "Infinity" not in log
