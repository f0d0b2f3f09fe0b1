"""A run that takes a second, for tests; as a script it is the process that gets killed.

    python small_run.py FOLDER create|resume [step:N | write:N]

`step:N` kills the process with SIGKILL after update N; `write:N` before the N-th fsync or rename of its
life, which falls into the middle of a save.
"""

import os
import signal
import sys
from pathlib import Path

from tinylm.prepare import new_model, new_tokenizer
from tinylm.runs import Run
from tinylm.settings import TrainingSettings
from tinylm.train import TrainingStep

TEXT = "the quick brown fox jumps over the lazy dog, and the lazy dog sleeps on. " * 40
SETTINGS = TrainingSettings(
    steps=30, batch_size=2, accumulate=2, warmup=3, eval_every=7, save_every=4, sample_every=11, eval_tokens=64, seed=5
)
SHAPE = {"block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 16, "dropout": 0.2}


def create(folder: Path) -> Run:
    """A new run of thirty steps with dropout and accumulation, so that every stream of numbers matters."""
    tokenizer = new_tokenizer([TEXT], vocab_size=280)
    return Run.create(folder, [TEXT], tokenizer, new_model(SHAPE, tokenizer, SETTINGS.seed), SETTINGS)


def finish(run: Run) -> dict[str, bytes]:
    """Train to the end; the bytes of what a run is judged by."""
    for _ in run.records():
        pass
    return final_bytes(run.folder)


def final_bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "training.safetensors")}


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_write(number: int) -> None:
    """Let the number-th fsync or rename from now on be the moment of death."""
    count = 0

    def dying(function):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == number:
                kill()
            return function(*args, **kwargs)

        return call

    os.fsync, os.replace = dying(os.fsync), dying(os.replace)


def main(folder: str, how: str, moment: str = "") -> None:
    run = create(Path(folder)) if how == "create" else Run.resume(folder)
    kind, _, number = moment.partition(":")
    if kind == "write":
        kill_at_write(int(number))
    for record in run.records():
        if kind == "step" and isinstance(record, TrainingStep) and record.step == int(number):
            kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
