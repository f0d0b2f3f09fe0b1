"""Contenders in processes of their own, asked in turns: who is measured together shares the machine's moods."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

from tinylm.bench.shapes import Shape

__all__ = ["OURS", "TORCH", "Absent", "Contender", "Times", "difference", "in_turns", "started", "written_weights"]

FOLDER = Path(__file__).resolve().parent
OURS, TORCH = FOLDER / "ours.py", FOLDER / "torch_peer.py"
THREAD_VARIABLES = (
    "TINYLM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Absent(Exception):
    """A contender cannot be measured here, for the reason given."""


@dataclass
class Times:
    """What one contender's work took, time by time, in seconds; what it gave; and its peak memory so far, in MB."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    peak: float = 0.0

    def add(self, answer: Mapping[str, Any]) -> None:
        self.wall += answer["wall"]
        self.cpu += answer["cpu"]
        self.values += answer["values"]
        self.peak = max(self.peak, answer["peak"])

    def seconds(self, threads: int) -> float:
        """The median: of CPU time where there is one thread, of wall time where there are more."""
        return max(median(self.cpu if threads == 1 else self.wall), 1e-9)


class Contender:
    """A process that does pieces of work; a context that ends it.

    file       defines `contender(settings)`, see contender.py
    threads    how many it may use, and on how many processors it stays
    limit      seconds that an answer may take

    Raises Absent where a package of the peer is missing, where it fails, and where it takes too long.
    """

    def __init__(self, file: Path, threads: int, limit: float = 900.0, **settings: Any) -> None:
        self._limit = limit
        paths = [str(FOLDER.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(FOLDER / "contender.py")],  # -P: this folder holds no packages
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # errors are answered
            encoding="utf-8",
            env=environment | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        try:
            self._send({"file": str(file), "threads": threads, **settings})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.communicate()

    def ask(self, call: str, count: int) -> dict[str, Any]:
        """Have one piece of work done so many times."""
        return self._send({"call": call, "count": count})

    def _send(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        alarm = threading.Timer(self._limit, self._process.kill)
        alarm.start()
        began = time.perf_counter()
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            alarm.cancel()
        if not line:
            late = time.perf_counter() - began >= self._limit
            raise Absent(f"not done in {self._limit:g} s" if late else f"ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "missing" in answer:
            raise Absent(f"{answer['missing']} is not installed")
        if "failed" in answer:
            raise Absent(f"failed: {answer['failed'].strip()[:160]}")
        return answer


def started(
    stack: ExitStack, contenders: Mapping[str, tuple[Path, Mapping[str, Any]]], threads: int, **settings: Any
) -> tuple[dict[str, Contender], dict[str, str]]:
    """The contenders that can be measured, by name, and why the others cannot; the stack ends them.

    contenders   name: (file, its own settings); the first is ours, and if that is absent it raises Absent
    """
    found: dict[str, Contender] = {}
    absent: dict[str, str] = {}
    for name, (file, own) in contenders.items():
        try:
            found[name] = stack.enter_context(Contender(file, threads, **settings, **own))
        except Absent as reason:
            if not found:
                raise
            absent[name] = str(reason)
    return found, absent


def difference(ours: Iterable[float], peer: Iterable[float]) -> float:
    """The largest relative difference between two runs' losses, as far as the shorter goes.

    >>> difference([4.0, 2.0], [4.0, 2.5, 3.0])
    0.2
    """
    return max(abs(a - b) / max(abs(b), 1e-9) for a, b in zip(ours, peer, strict=False))


def in_turns(
    contenders: Mapping[str, Contender],
    call: str,
    rounds: int,
    count: int,
    *,
    pause: float = 0.0,
    within: float = float("inf"),
) -> dict[str, Times]:
    """Ask each contender for `count` times a piece of work, and so on, round by round.

    pause     seconds before each turn: threads of the one before may spin for a while
    within    seconds after which no new round is begun
    """
    times = {name: Times() for name in contenders}
    began = time.perf_counter()
    for number in range(rounds):
        if number and time.perf_counter() - began > within:
            break
        for name in list(contenders)[:: -1 if number % 2 else 1]:  # nobody always comes first
            time.sleep(pause)
            times[name].add(contenders[name].ask(call, count))
    return times


@contextmanager
def written_weights(shape: Shape, scale: float = 1.0) -> Iterator[Path]:
    """A file of initial weights, batches and a prompt for all contenders, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.npz"
        with Contender(OURS, 1, work="weights", shape=shape.to_dict(), weights=str(path), scale=scale) as writer:
            writer.ask("write", 1)
        yield path
