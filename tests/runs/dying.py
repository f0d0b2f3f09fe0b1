"""A program that trains, and is killed at a chosen moment, over and over: what the folder is good for is reported.

    python dying.py FOLDER FIRST STEP

Moments are numbered as they come: half-way through every write to a file, and before and after every fsync, rename and
mkdir. For the moments FIRST, FIRST + STEP, ... a child process (a fork, which is cheap) runs `tinylm train` until
SIGKILL comes at that one; then another does what a person would: --resume where there is a run, else the same
command again. Prints a line of JSON for each moment, until one comes that is after the end of the run.
"""

import builtins
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import tinylm.cli.train  # so that a fork need not import it
import tinylm.runs
import tokenizer.formats
from tinylm.cli import main

TEXT = "the quick brown fox jumps over the lazy dog, and the lazy dog sleeps on. " * 30
FLAGS = (
    "--vocab-size 262 --n-layer 1 --n-head 2 --n-embd 8 --block-size 8 --batch-size 2 --steps 3 --warmup 1 "
    "--save-every 1 --eval-every 2 --sample-every 0 --eval-tokens 32 --dropout 0.1 --threads 1"
).split()


class Moments:
    """Counts moments, and dies at one of them."""

    def __init__(self, fatal: int):
        self.fatal, self.count = fatal, 0

    def pass_(self) -> bool:
        """One more moment has come; whether it is the last."""
        self.count += 1
        return self.count == self.fatal

    def around(self, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.pass_():
                die()
            result = function(*args, **kwargs) if function is not os_fsync else None  # SIGKILL leaves the disk alone
            if self.pass_():
                die()
            return result

        return call

    def open(self, path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = builtins.open(path, mode, *args, **kwargs)  # noqa: SIM115  (its caller closes it)
        return Half(file, self) if set(mode) & set("wxa") else file


class Half:
    """A file of which only half of the fatal write arrives."""

    def __init__(self, file: Any, moments: Moments):
        self.file, self.moments = file, moments

    def write(self, data: Any) -> Any:
        if self.moments.pass_():
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            die()
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> "Half":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


os_fsync = os.fsync


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def child(folder: Path, arguments: list[str], fatal: int = 0) -> int:
    """Run one command in a fork; its status, negative for a signal, or 99 where the fatal moment never came."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        quiet = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        moments = Moments(fatal)
        for name in ("fsync", "replace", "rename", "mkdir"):
            setattr(os, name, moments.around(getattr(os, name)))
        tokenizer.formats.open = tinylm.runs.open = moments.open
        status = main(["train", *arguments])
        sys.stdout.flush()
        os._exit(99 if fatal and not status else status)
    except BaseException as problem:
        builtins.print(repr(problem), flush=True)
        os._exit(98)


def final(run: Path) -> dict[str, str]:
    return {name: (run / name).read_bytes().hex() for name in ("model.safetensors", "training.safetensors")}


def report(folder: Path, first: int, step: int) -> None:
    text = folder / "text.txt"
    text.write_text(TEXT)
    straight = folder / "straight"
    assert child(folder, [str(text), "--out", str(straight), *FLAGS]) == 0, (folder / "said").read_text()
    expected, moment = final(straight), first
    while True:
        place = folder / f"at{moment}"
        place.mkdir()
        run = place / "run"
        new = [str(text), "--out", str(run), *FLAGS]
        died = child(folder, new, moment)
        if died == 99:
            return
        there = run.exists()
        loads = child(folder, ["--resume", str(run)] if there else new)
        print(json.dumps({
            "moment": moment, "died": died, "there": there, "status": loads,
            "said": (folder / "said").read_text()[-300:],
            "same": run.exists() and final(run) == expected,
            "left": sorted(p.name for p in [*place.iterdir(), *run.glob(".*")] if p.name != "run"),
        }), flush=True)  # fmt: skip
        moment += step


if __name__ == "__main__":
    report(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
