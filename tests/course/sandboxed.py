"""What the tests of the sandbox share: a small exercise, a file for a student, and a look at what was left behind."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tinylm.course.exercise import Case, case
from tinylm.course.outcome import Outcome
from tinylm.course.problem import Problem
from tinylm.course.sandbox import Limits, Nursery

# few results, so that to write down what is too much takes a small part of the time: the slowest case some 20 ms
LIMITS = Limits(seconds=0.2, memory=1 << 28, output=1 << 16, result=1 << 17, patience=30)
LINUX = os.path.exists("/proc/self/status")


def double(x: Any) -> Any:
    """Twice x."""
    return x + x


DOUBLE = Problem("double", double, "test", 1, 1, inputs=lambda: None, faults=())
CASES = tuple(case(n) for n in range(1, 6))
RIGHT = "def double(x):\n    return x + x\n"


def answers(nursery: Nursery, path: Path, text: str, cases: tuple[Case, ...] = CASES) -> list[Outcome]:
    """What a student's text does on the cases."""
    path.write_text(text)
    with nursery.guarded(path, DOUBLE) as answer:
        return list(answer.calls(cases))


def right(outcomes: list[Outcome]) -> bool:
    """Whether all five are what they should be, said another way: the even numbers."""
    return [each.value for each in outcomes] == [2, 4, 6, 8, 10] and not any(each.stopped for each in outcomes)


def descendants(pid: int) -> list[int]:
    """The living children of a process, and theirs; Linux only."""
    found: list[int] = []
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc") if LINUX else ():
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry))
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """One for a file of tests; afterwards nothing of it may run any more."""
    before = set(descendants(os.getpid()))
    with Nursery(LIMITS) as opened:
        yield opened
    assert set(descendants(os.getpid())) <= before
