"""Grading submissions side by side in processes; what is done already is not done again."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

import tinylm.course
import tokenizer
from tinylm.course.grade import How
from tinylm.course.klass import worker
from tinylm.course.klass.submissions import Submission
from tinylm.course.problem import Problem, problem_named, problems
from tinylm.course.variants import variants_of
from tokenizer.formats import write_atomically

__all__ = ["key_of", "result_of", "results"]

TRIES = 2  # of a submission on which a worker dies
START = "import sys; sys.path[:] = {path}; from tinylm.course.klass.worker import main; main()"


@cache
def version() -> str:
    """A digest of the code that decides a verdict: this library's, and the versions of Python and NumPy."""
    whole = sha256(f"{sys.version_info[:2]} {np.__version__}".encode())
    for module in (tinylm.course, tokenizer):
        root = Path(str(module.__file__)).parent
        root = root.parent if module is tinylm.course else root
        for file in sorted(root.rglob("*.py")):
            if "cli" not in file.relative_to(root).parts:
                whole.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return whole.hexdigest()


def key_of(submission: Submission, names: Sequence[str] | None, how: How) -> str:
    """What a result depends on, as a digest: with the same key, the result is the same."""
    chosen: list[Problem] = [*(problems().values() if names is None else map(problem_named, names))]
    variants = variants_of(chosen, submission.student, how.secret) if how.secret else {}
    parts = [
        version(), submission.digest, names, how.seed, how.tries, how.seconds, how.memory, variants,
        _of_others(tuple(each.name for each in chosen), how),
    ]  # fmt: skip
    return sha256(json.dumps(parts, default=repr).encode()).hexdigest()[:32]


@cache
def _of_others(names: tuple[str, ...], how: How) -> str:
    """A digest of the others' variants; the same for a whole class."""
    chosen = list(map(problem_named, names))
    found = [(each, variants_of(chosen, each, how.secret)) for each in how.others if how.secret]
    return sha256(json.dumps(found, default=repr).encode()).hexdigest()


def result_of(folder: Path, key: str) -> dict[str, Any] | None:
    """The result that was written under this key; None where there is none, or it cannot be read."""
    try:
        found = json.loads((folder / f"{key}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("key") == key else None


def results(
    jobs: Mapping[str, Submission], folder: Path, *, names: Sequence[str] | None, how: How, workers: int
) -> Iterator[str]:
    """Grade the jobs, key → submission, and yield each key as its result lies in the folder; in no certain order.

    Raises RuntimeError where no worker can be started. Closing the iterator stops the workers.
    """
    waiting: queue.SimpleQueue[tuple[str, Submission] | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[str | BaseException] = queue.SimpleQueue()
    for item in jobs.items():
        waiting.put(item)
    crew = [
        _Hand(worker.about(folder, names, how), folder, waiting, done) for _ in range(max(1, min(workers, len(jobs))))
    ]
    for each in crew:
        waiting.put(None)
        each.start()
    try:
        for _ in jobs:
            found = done.get()
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        for each in crew:
            each.stop()
        for each in crew:
            each.join()


class _Hand(threading.Thread):
    """Feeds one worker, and starts another where it dies."""

    def __init__(
        self,
        about: str,
        folder: Path,
        waiting: "queue.SimpleQueue[tuple[str, Submission] | None]",
        done: "queue.SimpleQueue[str | BaseException]",
    ) -> None:
        super().__init__(daemon=True)
        self.about, self.folder, self.waiting, self.done = about, folder, waiting, done
        self.process: subprocess.Popen[str] | None = None
        self.stopped = False
        self.lock = threading.Lock()

    def run(self) -> None:
        try:
            while not self.stopped and (item := self.waiting.get()) is not None:
                key, submission = item
                self._grade(key, submission)
                self.done.put(key)
        except BaseException as problem:
            self.done.put(problem)
        finally:
            self.stop(politely=True)

    def _grade(self, key: str, submission: Submission) -> None:
        """Have a result written under this key."""
        files = submission.files
        if not any(self._graded(key, submission.student, files) for _ in range(TRIES)) and not self.stopped:
            self._given_up(key)

    def _graded(self, key: str, student: str, files: Mapping[str, bytes]) -> bool:
        """Whether a worker has answered; where it died, the next call starts another."""
        with self.lock:
            if self.stopped:
                return False
            process = self.process = self.process or _started(self.about)
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            process.stdin.write(worker.job(key, student, files))
            process.stdin.flush()
            if process.stdout.readline().strip() == key:
                return True
        self._end()
        return False

    def _given_up(self, key: str) -> None:
        """Write that this submission ended its grader."""
        note = "the process that grades ended twice on this submission; a person looks at it"
        found = {"key": key, "verdicts": [], "shapes": {}, "notes": [note], "failures": {"*": note}, "protections": {}}
        write_atomically(self.folder / f"{key}.json", json.dumps(found, indent=1).encode())

    def stop(self, *, politely: bool = False) -> None:
        """End the worker: at once, or, politely, as it has nothing to do."""
        self.stopped = self.stopped or not politely
        with self.lock:
            self._end()

    def _end(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        _gone(process)


def _gone(process: "subprocess.Popen[str]") -> None:
    """End a worker, politely at first, so that it ends what it has started."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        process.stdin.close()
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _started(about: str) -> "subprocess.Popen[str]":
    """A worker that is ready; raises RuntimeError with what it said where it does not get so far."""
    path = [os.path.abspath(each) for each in sys.path if each]
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", START.format(path=path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C reaches only who can say how to go on
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        process.stdin.write(about)
        process.stdin.flush()
        if process.stdout.readline().strip() == worker.READY:
            return process
    _gone(process)
    raise RuntimeError("a process that grades could not be started; what it says stands above")


def first_of_each(keys: Iterable[str], submissions: Iterable[Submission]) -> dict[str, Submission]:
    """One submission for each key: equal ones are graded once."""
    found: dict[str, Submission] = {}
    for key, each in zip(keys, submissions, strict=True):
        found.setdefault(key, each)
    return found
