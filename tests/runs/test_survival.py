"""SIGKILL at any moment: the folder always loads, goes on, and ends with the bytes of a run that was never killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tinylm
from tinylm.cli import main

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")

FLAGS = (
    "--vocab-size 262 --n-layer 1 --n-head 2 --n-embd 8 --block-size 8 --batch-size 2 --steps 60 --warmup 1 "
    "--save-every 1 --eval-every 0 --sample-every 0 --eval-tokens 32 --dropout 0.1 --threads 1"
).split()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_sigkill_at_every_kind_of_moment_loses_nothing(tmp_path):
    first, step = 1, int(os.environ.get("TINYLM_MOMENTS", "7"))  # 1: every moment
    command = [sys.executable, str(HERE / "dying.py"), str(tmp_path), str(first), str(step)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 120 // step
    for moment in found:
        assert moment["died"] == -signal.SIGKILL, moment
        assert moment["status"] == 0, moment
        assert moment["same"], moment
        assert not moment["left"], moment
    there = [moment["there"] for moment in found]
    assert there == sorted(there), "a run is there from one moment on"
    assert not there[0]
    assert there.count(False) > 20 // step


def test_a_command_killed_at_random_moments_again_and_again_ends_as_if_it_never_was(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("some words, and then some other words; words again. " * 100)
    rng = random.Random(time.time_ns())  # other moments each time: what holds must hold at all of them

    def train(*arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tinylm", "train", *arguments]
        return subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(process: "subprocess.Popen[bytes]") -> None:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors.decode()

    run = tmp_path / "killed"
    for _ in range(3):
        process = train("--resume", str(run)) if run.exists() else train(str(text), "--out", str(run), *FLAGS)
        checkpoint = run / "training.safetensors"
        before = changed(checkpoint)
        while process.poll() is None and changed(checkpoint) == before:  # until it has saved once more
            time.sleep(0.001)
        time.sleep(rng.random() * 0.02)
        process.kill()
        process.communicate()
        if run.exists():
            tinylm.load(run)
    finish(train("--resume", str(run)))
    finish(train(str(text), "--out", str(tmp_path / "straight"), *FLAGS))
    for name in ("model.safetensors", "training.safetensors"):
        assert (run / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    assert not list(run.glob(".*"))


def changed(file: Path) -> int:
    """When a file was last written; 0 for none."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def test_weights_that_are_older_than_the_state_of_a_finished_run_are_brought_up_to_it(tmp_path):
    """A process may be killed after it wrote the last state and before it wrote the weights beside it."""
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("some words, and then some other words; words again. " * 100)
    file = run / "model.safetensors"
    assert main(["train", str(text), "--out", str(run), *FLAGS, "--steps", "2"]) == 0
    older = file.read_bytes()
    assert main(["train", "--resume", str(run), "--steps", "3"]) == 0
    newer = file.read_bytes()
    assert older != newer
    file.write_bytes(older)
    assert main(["train", "--resume", str(run)]) == 0
    assert file.read_bytes() == newer


def test_a_model_that_is_saved_over_and_over_is_whole_at_every_moment(tmp_path):
    program = (
        "import sys, tinylm; from tokenizer import CharTokenizer; t = CharTokenizer('abc');"
        "m = tinylm.GPT(tinylm.GPTConfig(vocab_size=3, block_size=4, n_layer=1, n_head=1, n_embd=64));"
        "tinylm.save(sys.argv[1], m, t); print('saved', flush=True)\n"
        "while True: tinylm.save(sys.argv[1], m, t)"
    )
    for number in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "run")], env=environment(), stdout=subprocess.PIPE
        )
        with process:
            assert process.stdout.readline() == b"saved\n"
            time.sleep(0.003 * number)
            process.kill()
        model, _ = tinylm.load(tmp_path / "run")
        assert model.config.n_embd == 64
