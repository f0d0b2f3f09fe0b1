"""Does the grader work? Faults known by name, right answers of odd style, and random changes of the library's own.

    python benchmarks/grading.py                       all three parts; exit status 1 where one falls short
    python benchmarks/grading.py --only mutants --per-exercise 12 --seed 3
    python benchmarks/grading.py --exercise layer_norm --exercise merges

1. Every fault of the catalogue is given as an answer: it must be found wrong, and named as itself.
2. The right but unusual answers in tests/course/unusual must all be accepted, in the sandbox as students' files are.
3. Changes of one place in the answer's syntax tree must be noticed: all that the rules of grading_mutants.py make, or
   so many of each exercise, drawn with the seed. Those that are not noticed are listed with the reason, in
   grading_explained.py, why they are no fault; a survivor without a reason counts against the grader.
"""

import argparse
import os
import platform
import resource
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.grading_explained import reason  # noqa: E402
from benchmarks.grading_mutants import Mutant, some  # noqa: E402
from tinylm.course.cases import cases_of  # noqa: E402
from tinylm.course.expect import difference, expected_of, quiet  # noqa: E402
from tinylm.course.judge import judge  # noqa: E402
from tinylm.course.outcome import Here  # noqa: E402
from tinylm.course.problem import Problem, problem_named, problems  # noqa: E402

PARTS = ("faults", "unusual", "mutants")
NAMED, CAUGHT = 0.90, 0.95  # the shares that must be reached
PATIENCE = 2.0  # seconds of computing for one changed answer: one that loops for ever is noticed by any grader
MEMORY = 4 << 30  # bytes of addresses


class TooLong(BaseException):
    """A changed answer did not come back; no Exception, since those count as what the answer raises."""


def names_of(chosen: list[str]) -> list[Problem]:
    return [problem_named(name) for name in chosen] if chosen else list(problems().values())


# -- 1: the catalogue ------------------------------------------------------------------------------------------


def try_faults(name: str) -> list[tuple[str, str, str]]:
    """For every fault of an exercise: (fault, status, what it was named)."""
    problem = problem_named(name)
    found = []
    for fault in problem.faults:
        verdict = judge(problem, answer_of(problem, problem.faulty(fault)))
        found.append((fault.name, verdict.status, " + ".join(named.fault for named in verdict.named)))
    return found


def answer_of(problem: Problem, function: object) -> Here:
    return Here(function, problem.drive, problem.work.count if problem.work else None)


def faults(chosen: list[Problem], workers: int) -> bool:
    tried = detected = named = 0
    for problem, rows in zip(chosen, spread(try_faults, [p.name for p in chosen], workers), strict=True):
        tried += len(rows)
        for fault, status, name in rows:
            slow = problem.work is not None and status == "slow"
            detected += status not in ("right", "slow") or slow
            named += name == fault or slow
            if status == "right" or (name != fault and not slow):
                print(f"  {problem.name}: {fault} is {'not noticed' if status == 'right' else f'named {name!r}'}")
    print(
        f"faults: {tried} in {len(chosen)} exercises, {detected} noticed, {named} named right ({share(named, tried)})"
    )
    return detected == tried and named >= NAMED * tried


# -- 2: unusual answers ----------------------------------------------------------------------------------------


def unusual(chosen: list[Problem], workers: int) -> bool:
    from tinylm.course.grade import grade_file

    wanted, tried, wrong = [problem.name for problem in chosen], 0, 0
    for file in sorted((ROOT / "tests" / "course" / "unusual").glob("[!_]*.py")):
        for verdict in grade_file(file, wanted).verdicts:
            if verdict.status == "missing":
                continue
            tried += 1
            wrong += verdict.status != "right"
            if verdict.status != "right":
                print(f"  {file.name}: {verdict.problem}: {verdict.sentence} {verdict.failing or ''}")
    print(f"unusual: {tried} right answers of odd style, {tried - wrong} accepted")
    return not wrong


# -- 3: random changes -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """A change, and whether it was noticed."""

    mutant: Mutant
    noticed: bool


def try_mutants(name: str, count: int, seed: int) -> list[Trial]:
    """Whether each of `count` changes of an exercise's answer is noticed; a fault of the grader raises."""
    problem = problem_named(name)
    return [Trial(mutant, noticed(problem, mutant)) for mutant in some(problem, count, seed)]


def noticed(problem: Problem, mutant: Mutant) -> bool:
    sources = problem.sources()
    sources[mutant.source] = mutant.text
    cases = cases_of(problem)
    expected = expected_of(problem, cases)
    try:
        with patience(PATIENCE), quiet():
            answer = problem.built(sources, "a change")
            tried = zip(cases, expected, answer_of(problem, answer).calls(cases), strict=True)
            return any(difference(problem, *each) is not None for each in tried)
    except TooLong:
        return True


class patience:  # noqa: N801  (used like a function)
    """Raise TooLong after so many seconds of computing, and again every second, in case it is caught.

    Memory is held to MEMORY meanwhile: a loop that collects for ever gets a MemoryError before the machine is full.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        def stop(*_: object) -> None:
            raise TooLong

        self.limit = resource.getrlimit(resource.RLIMIT_AS)
        hard = self.limit[1]
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY if hard < 0 else min(MEMORY, hard), hard))
        self.before = signal.signal(signal.SIGVTALRM, stop)
        signal.setitimer(signal.ITIMER_VIRTUAL, self.seconds, 1.0)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, self.before)
        resource.setrlimit(resource.RLIMIT_AS, self.limit)


def random_changes(chosen: list[Problem], workers: int, per_exercise: int, seed: int) -> bool:
    trials = [
        trial for rows in spread(try_mutants, [p.name for p in chosen], workers, per_exercise, seed) for trial in rows
    ]
    survivors = [trial.mutant for trial in trials if not trial.noticed]
    why = {mutant: reason(mutant) or "NOT EXPLAINED: a fault that goes unnoticed" for mutant in survivors}
    for each in dict.fromkeys(why.values()):
        print(f"  {each}", *(mutant for mutant in survivors if why[mutant] == each), sep="\n      ")
    harmless = sum(bool(reason(mutant)) for mutant in survivors)
    caught, faulty = len(trials) - len(survivors), len(trials) - harmless
    print(
        f"changes: {len(trials)} in {len(chosen)} exercises, {caught} noticed ({share(caught, len(trials))}); "
        f"{harmless} of the {len(survivors)} others change nothing that is asked for, so of {faulty} faults "
        f"{share(caught, faulty)} are noticed"
    )
    return caught >= CAUGHT * faulty


def share(part: int, whole: int) -> str:
    return f"{part / max(whole, 1):.1%}"


def spread(task, names: list[str], workers: int, *more: object) -> Iterator[list]:
    """The task for every name, in order, shared between processes."""
    if workers == 1:
        yield from (task(name, *more) for name in names)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(task, names, *([each] * len(names) for each in more))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be given again")
    parser.add_argument("--exercise", action="append", default=[], metavar="NAME", help="may be given again")
    parser.add_argument("--per-exercise", type=int, metavar="N", help="so many changes of each answer; else all")
    parser.add_argument("--seed", type=int, default=0, help="of the changes (default 0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  (so that one sees how far it is)
    chosen = names_of(options.exercise)
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {len(chosen)} exercises")
    good = True
    for part in options.only or PARTS:
        if part == "mutants":
            good &= random_changes(chosen, options.workers, options.per_exercise or sys.maxsize, options.seed)
        else:
            good &= (faults if part == "faults" else unusual)(chosen, options.workers)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
