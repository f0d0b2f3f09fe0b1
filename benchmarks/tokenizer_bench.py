"""How benchmarks/tokenizer.py finds its texts and runs its tasks: in processes of one thread, within a time limit.

It imports no arrays and holds no text: on Linux a child's peak memory is never reported below that of its parent.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = {
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
EOT = b"<|endoftext|>"
VOCABULARIES = {"r50k": ("r50k_base.tiktoken", "gpt2"), "cl100k": ("cl100k_base.tiktoken", "gpt4")}
QUICK = {"en100.txt": 1_000_000, "en10.txt": 300_000, "multi10.txt": 300_000}  # bytes


class Skip(Exception):
    """What is asked cannot be measured here, for the reason given."""


class Unequal(Exception):
    """Ours and the peer's results differ."""


class Bench:
    """Texts, vocabularies and settings, and a folder of its own for as long as the context lasts."""

    def __init__(self, corpora: Path, data: Path, repeat: int, quick: bool) -> None:
        self._corpora, self._data, self.repeat, self.quick = corpora, data, repeat, quick
        self.vocab_size = 1000 if quick else 32_000
        self._answers: dict[str, dict[str, Any] | Skip | Unequal] = {}
        self._trained: dict[tuple[str, str, str], list[dict[str, Any]]] = {}

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def text(self, name: str) -> Path:
        """The path of a text, or with --quick of its beginning; raises Skip where there is none."""
        path = self._corpora / name
        if not path.is_file():
            raise Skip(f"no {name} in --corpora")
        if not self.quick:
            return path
        beginning = Path(self._folder.name) / name
        with path.open("rb") as file:
            data = file.read(QUICK[name])
        beginning.write_bytes(data.decode("utf-8", "ignore").encode())
        return beginning

    def vocabulary(self, name: str) -> dict[str, str]:
        """The file and the pattern of a published vocabulary; raises Skip where there is none."""
        file, pattern = VOCABULARIES[name]
        if not (self._data / file).is_file():
            raise Skip(f"no {file} in --data")
        return {"vocab": str(self._data / file), "pattern": pattern}

    def repeated(self, name: str, times: int = 3) -> Path:
        """A text that holds another so many times."""
        source, target = self.text(name), Path(self._folder.name) / f"{times}-{name}"
        with target.open("wb") as file:
            for _ in range(times):
                with source.open("rb") as copy:
                    shutil.copyfileobj(copy, file)
                file.write(EOT)
        return target

    def unseparated(self, name: str) -> Path:
        """A text with a line end for every separator: one document."""
        source, target = self.text(name), Path(self._folder.name) / f"whole-{name}"
        held = b""
        with source.open("rb") as read, target.open("wb") as written:
            while chunk := read.read(1 << 20):
                held = (held + chunk).replace(EOT, b"\n")
                written.write(held[: 1 - len(EOT)])
                held = held[1 - len(EOT) :]
            written.write(held)
        return target

    def task(self, task: str, limit: float = 900, **settings: Any) -> dict[str, Any]:
        """What a task answers; raises Skip, saying why, where it does not, and Unequal where results differ."""
        shown = " ".join(Path(value).name if isinstance(value, str) else str(value) for value in settings.values())
        say(f"  {task} {shown}")
        began = time.perf_counter()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.tokenizer_tasks", task],
                input=json.dumps(settings),
                capture_output=True,
                text=True,
                cwd=ROOT,
                env=os.environ | ONE_THREAD,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Skip(f"not done in {limit:g} s") from None
        say(f"    {time.perf_counter() - began:.1f} s")
        if done.returncode < 0:
            raise Skip(f"crashed by signal {-done.returncode}")
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise Skip(f"failed: {last[0][:160]}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # whatever peers print comes before
        if "unequal" in answer:
            raise Unequal(answer["unequal"])
        if "skipped" in answer:
            raise Skip(answer["skipped"])
        return answer

    def once(self, task: str, **settings: Any) -> dict[str, Any]:
        """The same, but a task that was run before with these settings is not run again."""
        key = json.dumps([task, settings])
        if key not in self._answers:
            try:
                self._answers[key] = self.task(task, **settings)
            except (Skip, Unequal) as failure:
                self._answers[key] = failure
        answer = self._answers[key]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def train(self, path: Path, pattern: str, contenders: Iterable[str], repeat: int) -> list[list[dict[str, Any]]]:
        """The runs of each contender, in turns, each in a fresh process; what was run before is not run again.

        Raises Unequal as soon as two of them have made something else.
        """
        keys = [(str(path), pattern, who) for who in contenders]
        for turn in range(repeat):
            for key in keys:
                runs = self._trained.setdefault(key, [])
                if len(runs) <= turn:
                    settings = {"who": key[2], "path": key[0], "pattern": pattern, "vocab_size": self.vocab_size}
                    runs.append(self.task("train", **settings))
                first = self._trained[keys[0]][0]
                if runs[turn] is not first and "made" in runs[turn]:
                    check_made(key[2], runs[turn]["made"], first["made"])
                    del runs[turn]["made"]  # this process must stay small
        return [self._trained[key] for key in keys]


def check_made(who: str, made: list[Any], first: list[Any]) -> None:
    """Raise Unequal unless both trainings made the same."""
    if made != first:
        at = next((i for i, pair in enumerate(zip(made, first, strict=False)) if pair[0] != pair[1]), "the end")
        raise Unequal(f"{who} made something else from merge {at} on ({len(made)} and {len(first)} in all)")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
