"""One setting decides the precision of everything; the same settings give the same bytes, recomputed or not."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.gpt.variants import VARIANTS, batch, model
from tinylm import optim, runs, watching
from tinylm.autograd.guard import arrays_in
from tinylm.backend import peak_memory
from tinylm.cli import main, progress
from tinylm.runs import Run
from tinylm.settings import TrainingSettings
from tinylm.train import training

from .small_run import SETTINGS, TEXT, create, final_bytes, finish

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_one_setting_decides_the_dtype_of_everything(variant, dtype, recompute) -> None:
    gpt = model(variant, dtype=dtype, dropout=0.2)
    gpt.recompute = recompute
    optimizer = optim.AdamW(gpt.parameters(), lr=1e-3)
    seen = 0

    def look(step) -> None:
        nonlocal seen
        for value in (*step.inputs, *step.kept.values(), *step.outputs):
            for array in arrays_in((value,), np.ndarray):
                seen += array.dtype.kind == "f"
                assert array.dtype.kind != "f" or array.dtype == dtype, f"{step}: {array.dtype}"

    with watching(look):
        for _ in training(gpt, optimizer, [batch(), batch(1)], accumulate=2):
            pass
        logits, loss = gpt(*batch())
    assert seen > 500
    assert gpt.dtype == logits.dtype == loss.dtype == dtype
    for p in gpt.parameters():
        assert p.dtype == p.grad.dtype == dtype
    states = [v for entry in optimizer.state_dict()["state"] for v in entry.values() if isinstance(v, np.ndarray)]
    assert len(states) >= 2 * len(list(gpt.parameters()))
    assert {state.dtype for state in states if state.dtype.kind == "f"} == {np.dtype(dtype)}


def test_float64_agrees_with_float32_as_far_as_float32_goes() -> None:
    losses = []
    for dtype in (np.float32, np.float64):
        gpt = model("gpt2", dtype=dtype)
        losses.append(gpt(*batch())[1].item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] != losses[1]


# -- the same bytes --------------------------------------------------------------------------------------


def test_two_processes_make_the_same_bytes(tmp_path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "random", "OPENBLAS_NUM_THREADS": "1"}
    for name in "ab":
        command = [sys.executable, "-m", "tests.runs.small_run", str(tmp_path / name), "create"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
    assert final_bytes(tmp_path / "a") == final_bytes(tmp_path / "b")


def test_recomputation_changes_no_byte_of_a_run_and_can_be_switched_at_any_time(tmp_path) -> None:
    straight = finish(create(tmp_path / "straight"))
    run = create(tmp_path / "run")
    for _ in run.records(lambda: run.step >= 10):
        pass
    for stop, recompute in ((20, True), (SETTINGS.steps, False)):
        run = Run.resume(tmp_path / "run", {"recompute": recompute})
        assert run.model.recompute is recompute
        for _ in run.records(lambda: run.step >= stop):  # noqa: B023
            pass
    assert final_bytes(tmp_path / "run") == straight


@pytest.mark.parametrize("variant", ["gpt2", "llama"])
def test_recomputation_changes_no_bit_where_parts_of_a_batch_run_side_by_side(variant) -> None:
    found = []
    for recompute in (False, True):
        gpt = model(variant, dtype=np.float32)
        gpt.recompute = recompute
        batches = [batch(seed, rows=5) for seed in range(20)]
        losses = [s.loss for s in training(gpt, optim.AdamW(gpt.parameters(), lr=1e-2), batches, shards=2)]
        found.append((losses, [array.tobytes() for array in gpt.state_dict().values()]))
    assert found[0] == found[1]


def test_a_setting_that_is_no_bool_is_refused() -> None:
    with pytest.raises(ValueError, match="recompute must be true or false, got 1"):
        replace(SETTINGS, recompute=1)
    assert TrainingSettings.from_dict({}).recompute is False


# -- peak memory -----------------------------------------------------------------------------------------


def test_the_log_has_the_peak_of_every_step_and_it_never_falls(tmp_path) -> None:
    finish(create(tmp_path / "run"))
    entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    peaks = [entry["peak_memory"] for entry in entries if "loss" in entry]
    assert len(peaks) == SETTINGS.steps
    assert peaks == sorted(peaks)
    assert 10e6 < peaks[-1] <= peak_memory()


def test_the_peak_is_that_of_the_process_itself() -> None:
    large = np.ones(60_000_000, np.uint8)
    program = (
        "import numpy as np; from tinylm.backend.peak import peak_memory as p; a = p(); x = np.ones(40_000_000, 'b')"
    )
    program += "; print(a, p())"
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
    before, after = map(int, found.stdout.split())
    assert 35e6 < after - before < 60e6
    assert peak_memory() > large.size


def test_the_command_shows_the_peak_and_takes_the_setting_also_later(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(TEXT)
    flags = "--steps 4 --n-layer 1 --n-head 2 --n-embd 8 --block-size 8 --batch-size 2 --vocab-size 270".split()
    assert main(["train", "a.txt", "--out", "run", "--recompute", *flags]) == 0
    assert re.search(r"step +4/4  loss: .*  peak \d[\d,]* MB\n", capsys.readouterr().out)
    assert Run.resume("run").settings.recompute is True
    assert main(["train", "--resume", "run", "--no-recompute", "--steps", "5"]) == 0
    assert Run.resume("run").settings.recompute is False


def test_without_a_figure_there_is_none(capsys, tmp_path, monkeypatch) -> None:
    for module in (runs, progress):
        monkeypatch.setattr(module, "peak_memory", lambda: None)
    run = create(tmp_path / "run")
    assert progress.follow(run) == 0
    assert "peak" not in capsys.readouterr().out
    assert "peak" not in (tmp_path / "run" / "log.jsonl").read_text()


STEP = """
import sys
import numpy as np
from tinylm import GPT, GPTConfig
from tinylm.backend import peak_memory
from tinylm.cli import main, progress

model = GPT(GPTConfig(vocab_size=65, block_size=128, n_layer=8, n_head=4, n_embd=64, dropout=0.1))
model.recompute = sys.argv[1] == "recompute"
ids = np.arange(8 * 129).reshape(8, 129) % 65
before = peak_memory()
_, loss = model(ids[:, :-1], ids[:, 1:])
loss.backward()
print(peak_memory() - before)
"""


def test_recomputation_needs_less_than_half_of_the_memory() -> None:
    needed = []
    for how in ("keep", "recompute"):
        command = [sys.executable, "-c", STEP, how]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        found = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)
        needed.append(int(found.stdout))
    assert needed[1] < needed[0] / 2, needed
