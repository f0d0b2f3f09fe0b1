"""A run that was stopped, at any moment and in any way, ends with the same bytes as one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinylm.runs import Run, Saved
from tinylm.train import TrainingStep

from .small_run import SETTINGS, create, final_bytes, finish

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WRITES_OF_A_SAVE = 9  # an fsync, a rename, an fsync of the folder: training.safetensors, model.safetensors, loss.svg


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> dict[str, bytes]:
    """What thirty steps without a stop give."""
    return finish(create(tmp_path_factory.mktemp("straight") / "run"))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def die(folder: Path, how: str, moment: str) -> None:
    """Run small_run.py in a process of its own, which must end by SIGKILL at the given moment."""
    command = [sys.executable, str(HERE / "small_run.py"), str(folder), how, moment]
    process = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, timeout=120)
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()


def test_two_runs_of_one_seed_are_the_same(straight, tmp_path):
    assert finish(create(tmp_path / "again")) == straight


@pytest.mark.parametrize("step", range(1, SETTINGS.steps))
def test_stopping_politely_after_any_step_changes_nothing(step, straight, tmp_path):
    run = create(tmp_path / "run")
    for _ in run.records(lambda: run.step >= step):
        pass
    assert run.step == step
    assert finish(Run.resume(tmp_path / "run")) == straight


@pytest.mark.parametrize("step", range(1, SETTINGS.steps))
def test_an_abandoned_run_goes_on_from_its_last_checkpoint(step, straight, tmp_path):
    run = create(tmp_path / "run")
    for record in run.records():
        if isinstance(record, TrainingStep) and record.step == step:
            break  # as when an exception flies: nothing is saved
    resumed = Run.resume(tmp_path / "run")
    assert resumed.step == (step - 1) // SETTINGS.save_every * SETTINGS.save_every
    assert finish(resumed) == straight


@pytest.mark.parametrize("step", range(1, SETTINGS.steps + 1))
def test_sigkill_after_any_step_changes_nothing(step, straight, tmp_path):
    die(tmp_path / "run", "create", f"step:{step}")
    assert finish(Run.resume(tmp_path / "run")) == straight


@pytest.mark.parametrize("write", range(1, 2 * WRITES_OF_A_SAVE + 1))
def test_sigkill_in_the_middle_of_a_save_changes_nothing(write, straight, tmp_path):
    die(tmp_path / "run", "create", f"write:{write}")
    resumed = Run.resume(tmp_path / "run")
    assert not list((tmp_path / "run").glob(".*.tmp")), "what the killed process left half-written is cleared away"
    assert finish(resumed) == straight


def test_being_killed_again_and_again_changes_nothing(straight, tmp_path):
    moments = ["step:5", "write:9", "step:13", "write:2", "write:5", "step:27"]
    for how, moment in zip(["create"] + ["resume"] * 5, moments, strict=True):
        die(tmp_path / "run", how, moment)
    assert finish(Run.resume(tmp_path / "run")) == straight


def test_the_log_of_a_resumed_run_has_every_step_once(tmp_path):
    run = create(tmp_path / "run")
    for record in run.records():
        if isinstance(record, TrainingStep) and record.step == 10:
            break
    finish(Run.resume(tmp_path / "run"))
    entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [e["step"] for e in entries if "loss" in e] == list(range(1, SETTINGS.steps + 1))
    assert [e["step"] for e in entries if "val_loss" in e] == [0, 7, 14, 21, 28, 30]


@pytest.mark.parametrize("step", [7, 11, 22, 29, 30])
def test_what_was_due_when_the_run_was_stopped_comes_when_it_goes_on(step, tmp_path):
    run = create(tmp_path / "run")
    for _ in run.records(lambda: run.step >= step):
        pass
    finish(Run.resume(tmp_path / "run"))
    entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [e["step"] for e in entries if "val_loss" in e] == [0, 7, 14, 21, 28, 30]
    assert [e["step"] for e in entries if "sample" in e] == [11, 22, 30]


def test_a_cut_off_last_line_of_the_log_is_no_obstacle(straight, tmp_path):
    run = create(tmp_path / "run")
    for record in run.records():
        if isinstance(record, Saved) and record.step == 8:
            break
    with open(tmp_path / "run" / "log.jsonl", "a") as log:
        log.write('{"step": 9, "lo')
    assert finish(Run.resume(tmp_path / "run")) == straight


def test_evaluations_and_samples_leave_training_alone(straight, tmp_path):
    run = create(tmp_path / "run")
    for record in run.records():
        if isinstance(record, TrainingStep):
            run.evaluate()
            run.sample(3)
    assert final_bytes(tmp_path / "run") == straight


def test_ctrl_c_saves_says_how_to_go_on_and_the_resumed_run_is_the_same(tmp_path):
    flags = "--steps 400 --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --vocab-size 270".split()
    flags += "--eval-every 0 --sample-every 0 --save-every 0 --eval-tokens 100".split()
    text = tmp_path / "text.txt"
    text.write_text("some words, and then some other words; words again. " * 300)

    def train(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tinylm", "train", *arguments]
        return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    whole = train(str(text), "--out", str(tmp_path / "whole"), *flags)
    assert whole.wait(60) == 0, whole.stderr.read()
    stopped = train(str(text), "--out", str(tmp_path / "stopped"), *flags)
    log = tmp_path / "stopped" / "log.jsonl"
    deadline = time.monotonic() + 60
    while (not log.exists() or log.read_bytes().count(b"\n") < 10) and time.monotonic() < deadline:
        time.sleep(0.005)
    stopped.send_signal(signal.SIGINT)
    output, errors = stopped.communicate(timeout=60)
    assert stopped.returncode == 130, errors
    assert f"tinylm train --resume {tmp_path / 'stopped'}" in output
    resumed = train("--resume", str(tmp_path / "stopped"))
    assert resumed.wait(60) == 0, resumed.stderr.read()
    for process in (whole, resumed):
        process.stdout.close()
        process.stderr.close()
    assert final_bytes(tmp_path / "stopped") == final_bytes(tmp_path / "whole")


def test_a_pipe_that_is_closed_saves_the_run(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("some words, and then some other words; words again. " * 300)
    flags = "--n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --eval-tokens 100".split()
    flags += "--steps 5000 --eval-every 1 --save-every 0".split()
    command = [sys.executable, "-m", "tinylm", "train", str(text), "--out", str(tmp_path / "run"), *flags]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for _ in range(20):
            process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(60) == 141, errors
    assert f"tinylm train --resume {tmp_path / 'run'}" in errors
    assert Run.resume(tmp_path / "run").step >= 15
