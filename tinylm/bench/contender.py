"""The process of one contender: it does a piece of work as often as asked, and answers how long each time took.

    python contender.py        settings as one line of JSON, then a request a line, on standard input

settings    {"file": the peer's file, "threads": n, ...}; the file's `contender(settings)` gives the pieces of work
request     {"call": name, "count": k}   →   {"wall": [s, ...], "cpu": [s, ...], "values": [...], "peak": MB}

A piece of work is a function that begins it and returns an iterator; only `next` is timed. The file is run by its path,
and this one imports nothing of tinylm: a peer's memory is its own. A package that is missing is answered with its
name, an error with its text. It ends with its standard input.
"""

import json
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Calls = dict[str, Callable[[], Iterator[Any]]]
peak_memory = runpy.run_path(str(Path(__file__).resolve().parents[1] / "backend" / "peak.py"))["peak_memory"]


def pin(threads: int) -> None:
    """Stay on so many processors, the last ones, where the system lets a process choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def answer(calls: Calls, call: str, count: int) -> dict[str, Any]:
    """Do one piece of work `count` times."""
    wall, cpu, values = [], [], []
    work = calls[call]()
    for _ in range(count):
        began, cpu_began = time.perf_counter(), time.process_time()
        values.append(next(work))
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - cpu_began)
    return {"wall": wall, "cpu": cpu, "values": values, "peak": (peak_memory() or 0) / 1e6}


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that asks
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout = sys.stderr  # whatever a peer prints

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=channel, flush=True)

    try:
        settings = json.loads(sys.stdin.readline())
        pin(settings["threads"])  # before any library counts the processors
        calls: Calls = runpy.run_path(settings["file"])["contender"](settings)
        reply({"ready": True})
        for line in sys.stdin:
            request = json.loads(line)
            reply(answer(calls, request["call"], request["count"]))
    except ModuleNotFoundError as error:
        reply({"missing": error.name})
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reply({"failed": f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"})


if __name__ == "__main__":
    main()
