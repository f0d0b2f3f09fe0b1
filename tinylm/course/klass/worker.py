"""A process that grades submissions, one a line of its input, and writes each result whole or not at all.

It knows nothing of the class. It ends when its input does: also where the process that started it was killed.
"""

import base64
import json
import os
import queue
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tinylm.course.problem as all_problems
from tinylm.course.grade import How, UnreadableError, grading, read
from tinylm.course.handed_in import HandedIn
from tinylm.course.klass.alike import shape_of
from tinylm.course.klass.enrolled import some
from tinylm.course.sandbox import Nursery, protections
from tinylm.course.verdict import Verdict
from tokenizer.formats import write_atomically

__all__ = ["READY", "grade_submission", "main"]

READY = "ready"


def grade_submission(
    files: Mapping[str, bytes], names: Iterable[str] | None, student: str, how: How, nursery: Nursery
) -> dict[str, Any]:
    """What is found about one submission, as JSON has it.

    verdicts   of the exercises that it holds, in the order of the course
    shapes     exercise → digest of its code; see alike.py
    notes      sentences on files that could not be read, or were not
    failures   exercise → what went wrong in the grader itself
    """
    wanted = None if names is None else set(names)
    verdicts: dict[str, Verdict] = {}
    shapes: dict[str, str] = {}
    failures: dict[str, str] = {}
    notes: list[str] = []
    works: dict[str, HandedIn] = {}
    with tempfile.TemporaryDirectory(prefix="tinylm-") as folder:
        for name, data in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            try:
                works[name] = read(path)
            except UnreadableError as unread:
                notes.append(f"{name}: {unread}")
        for exercise, problem in all_problems.problems().items():
            holding = [name for name, work in works.items() if problem.symbol in work.names]
            if not holding or (wanted is not None and exercise not in wanted):
                continue
            written = [name for name in holding if works[name].written(problem.symbol)]
            name = (written or holding)[0]
            shapes[exercise] = shape_of(works[name].source, problem.symbol)
            if len({shape_of(works[each].source, problem.symbol, least=0) for each in written}) > 1:
                notes.append(f"{exercise} is written in {' and in '.join(written)}; {name} is graded")
            try:
                [verdicts[exercise]] = grading(
                    Path(folder, name), [exercise], student=student, how=how, nursery=nursery
                )
            except Exception as error:
                failures[exercise] = f"{type(error).__name__}: {error}"
                sentence = "the grader itself failed here, which is no fault of this answer; a person looks at it"
                verdicts[exercise] = Verdict(exercise, "broken", sentence)
    if not verdicts and files and not notes:
        others = [
            name
            for name, each in all_problems.problems().items()
            if any(each.symbol in w.names for w in works.values())
        ]
        notes.append(
            f"it holds {some(others)}, and none of the exercises that are graded here"
            if others
            else "no exercise is defined at the top level of any file"
        )
    return {
        "verdicts": [each.to_dict() for each in verdicts.values()],
        "shapes": {name: shapes[name] for name in verdicts if shapes[name] and verdicts[name].status != "unwritten"},
        "notes": notes,
        "failures": failures,
    }


def main() -> None:
    """Read jobs and answer each with a line: its key, or what went wrong."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed here must not look like an answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started this
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # the nursery is closed on the way
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    about = json.loads(lines.get() or "{}")
    if not about:
        return
    results, names = Path(about["results"]), about["names"]
    how = How(**{**about["how"], "others": tuple(about["how"]["others"])})
    with Nursery(how.limits) as nursery:
        protected = protections(nursery)
        print(READY, file=answers, flush=True)
        while line := lines.get():
            job = json.loads(line)
            files = {name: base64.b64decode(data) for name, data in job["files"].items()}
            found = grade_submission(files, names, job["student"], how, nursery)
            text = json.dumps({"key": job["key"], **found, "protections": protected}, ensure_ascii=True, indent=1)
            write_atomically(results / f"{job['key']}.json", text.encode())
            print(job["key"], file=answers, flush=True)


def _listen(lines: "queue.SimpleQueue[str]") -> None:
    """Pass on what comes; when the input ends while something is graded, nobody waits for it: stop."""
    for line in sys.stdin:
        lines.put(line)
    lines.put("")
    os.kill(os.getpid(), signal.SIGTERM)


def about(results: Path, names: Iterable[str] | None, how: How) -> str:
    """The first line of a worker's input."""
    given = {"results": str(results), "names": None if names is None else list(names), "how": asdict(how)}
    return json.dumps(given) + "\n"


def job(key: str, student: str, files: Mapping[str, bytes]) -> str:
    """A further line of its input."""
    coded = {name: base64.b64encode(data).decode() for name, data in files.items()}
    return json.dumps({"key": key, "student": student, "files": coded}) + "\n"
