"""What holds of every problem: its faults are found and told apart, its inputs are steady and small, its data agree."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from tinylm.course.cases import cases_of, order, search, text
from tinylm.course.expect import difference, expected_of, quiet, similar
from tinylm.course.judge import judge
from tinylm.course.outcome import Here, Outcome
from tinylm.course.problem import Problem, plain, problems
from tinylm.ops.op import Op

PROBLEMS = problems()
ANY_SHAPE = {"backward_pass"}  # problems whose arrays may have any shape
TOPICS = ("tokenizer", "data", "operations", "attention", "autograd", "model", "optimizer", "sampling")
MINUTES = {1: (5, 20), 2: (10, 45), 3: (20, 90), 4: (45, 240)}  # least and most, by level
SMALL = 80  # the size of a call that can still be read: three lines of a terminal
AT_LEAST = 150  # faults, over all problems
ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

every = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))


@cache
def outcomes(name: str, fault: str) -> tuple[Outcome, ...]:
    """What the wrong version with this fault does on the drawn inputs."""
    problem = PROBLEMS[name]
    wrong = next(each for each in problem.faults if each.name == fault)
    with quiet():
        return tuple(Here(problem.faulty(wrong), problem.drive).calls(cases_of(problem)))


@cache
def telling(name: str, fault: str) -> frozenset[int]:
    """The drawn inputs on which a fault differs from what is right."""
    problem = PROBLEMS[name]
    cases = cases_of(problem)
    trio = zip(cases, expected_of(problem, cases), outcomes(name, fault), strict=True)
    return frozenset(
        i for i, (each, right, came) in enumerate(trio) if difference(problem, each, right, came) is not None
    )


def apart(problem: Problem, one: str, other: str) -> bool:
    """Whether two faults do different things on some drawn input."""
    if telling(problem.name, one) != telling(problem.name, other):
        return True
    trio = zip(cases_of(problem), outcomes(problem.name, one), outcomes(problem.name, other), strict=True)
    return any(not similar(problem, *each) for each in trio)


@every
def test_every_edit_of_a_fault_fits_the_live_source(problem: Problem) -> None:
    found = []
    for fault in problem.faults:
        assert bool(fault.edits) != (fault.answer is not None), f"{problem.name}.{fault.name}: edits, or an answer"
        try:
            assert callable(problem.faulty(fault))
        except (ValueError, SyntaxError) as error:
            found.append(f"{problem.name}.{fault.name}: {error}")
    assert not found, "\n".join(found)


@every
def test_every_fault_is_found_by_the_drawn_inputs(problem: Problem) -> None:
    missed = [f"{problem.name}.{fault.name}" for fault in problem.faults if not telling(problem.name, fault.name)]
    assert not missed, f"right on all {len(cases_of(problem))} drawn inputs: {', '.join(missed)}"


@every
def test_every_two_faults_are_told_apart(problem: Problem) -> None:
    pairs = combinations([fault.name for fault in problem.faults], 2)
    alike = [f"{problem.name}: {one} and {other}" for one, other in pairs if not apart(problem, one, other)]
    assert not alike, f"alike on all drawn inputs: {'; '.join(alike)}"


@every
def test_the_reference_is_right(problem: Problem) -> None:
    verdict = judge(problem, Here(problem.reference, problem.drive, problem.work and problem.work.count))
    assert verdict.status == "right", f"{problem.name}: {verdict}"


def floats(value):
    """Every floating-point array or number in a value."""
    if isinstance(value, (float, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from floats(each)
    elif isinstance(value, dict):
        yield from floats(list(value.values()))


def moved(value, by):
    """The value with every floating-point number in it moved by a part of the greatest in its array: by(its type)."""
    if isinstance(value, (float, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        array = np.asarray(value)
        finite = np.abs(array[np.isfinite(array)])
        result = (array + by(array.dtype) * finite.max(initial=0.0)).astype(array.dtype)
        return result if isinstance(value, np.ndarray) else type(value)(result)
    if type(value) in (list, tuple):
        return type(value)(moved(each, by) for each in value)
    if type(value) is dict:
        return {key: moved(each, by) for key, each in value.items()}
    return value


def differences(problem: Problem, by) -> Iterator[str | None]:
    """For each drawn input that gives floating-point numbers, whether moving them is noticed."""
    cases = cases_of(problem)
    for each, right in zip(cases, expected_of(problem, cases), strict=True):
        if right.error is None and any(np.size(number) and np.any(number) for number in floats(right.value)):
            yield difference(problem, each, right, Outcome(moved(right.value, by), right.after))


@every
def test_a_few_roundings_are_no_mistake(problem: Problem) -> None:
    found = [words for words in differences(problem, lambda dtype: 8 * np.finfo(dtype).eps) if words is not None]
    assert not found, f"{problem.name}: {found[0]}"


@every
def test_a_thousandth_is_a_mistake(problem: Problem) -> None:
    found = list(differences(problem, lambda dtype: 1e-3))
    assert not found or any(words is not None for words in found), f"{problem.name}: it passes unnoticed"


@every
def test_no_call_changes_its_arguments(problem: Problem) -> None:
    cases = cases_of(problem)
    changing = [text(each) for each, right in zip(cases, expected_of(problem, cases), strict=True) if right.after]
    assert not changing, f"{problem.name} changes an argument: {changing[0]}"


@every
def test_most_drawn_inputs_are_calls_that_return(problem: Problem) -> None:
    cases = cases_of(problem)
    raising = [text(each) for each, right in zip(cases, expected_of(problem, cases), strict=True) if right.error]
    assert len(cases) >= 15, f"{problem.name}: only {len(cases)} different inputs are drawn"
    assert len(raising) <= len(cases) / 3, f"{problem.name}: {len(raising)} of {len(cases)} raise, such as {raising[0]}"


@every
def test_every_fault_has_a_small_failing_input(problem: Problem) -> None:
    cases = cases_of(problem)
    for fault in problem.faults:
        best = min((cases[i].size for i in telling(problem.name, fault.name)), default=0)
        if best > SMALL:  # what is drawn is large; look for a smaller one, as the judge does
            best = min(best, shrunk(problem, fault))
        assert best <= SMALL, f"{problem.name}.{fault.name}: the smallest failing input has size {best}"


def shrunk(problem: Problem, fault) -> int:
    """The size of the smallest input, found by shrinking, on which a fault shows."""
    right, wrong = Here(problem.reference, problem.drive), Here(problem.faulty(fault), problem.drive)
    sizes = []

    def differs(each) -> bool:
        one, other = (next(iter(answer.calls((each,)))) for answer in (right, wrong))
        found = difference(problem, each, one, other) is not None
        sizes.extend([each.size] * found)
        return found

    with quiet():
        search(problem, differs)
    return min(sizes, default=10**9)


def drawn(problem: Problem) -> list[str]:
    """A few inputs of a problem, drawn anew, as text."""
    found = []
    search(problem, lambda each: bool(found.append(each)), tries=5)
    return [text(each) for each in sorted(found, key=order)]


ELSEWHERE = """
import json
from tests.course.test_problems import PROBLEMS, drawn
for problem in reversed(PROBLEMS.values()):
    print(json.dumps([problem.name, drawn(problem)]))
"""


def test_drawing_is_the_same_in_every_process() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    there = dict(map(json.loads, ran.stdout.splitlines()))
    assert list(there) == list(reversed(PROBLEMS))
    for name, problem in PROBLEMS.items():
        assert drawn(problem) == there[name], f"{name} is drawn otherwise in another process"


def said(problem: Problem) -> str:
    """All that a student is told."""
    return f"{plain(problem.live).__doc__ or ''}\n{problem.notes}"


@every
def test_a_student_is_told_the_shapes(problem: Problem) -> None:
    words = said(problem)
    assert words.strip(), f"{problem.name}: no docstring"
    if isinstance(problem.live, Op) or problem.name.endswith("_backward"):
        assert "→" in words, f"{problem.name}: the docstring and notes do not say what comes of what"
    arrays = any(
        isinstance(each, np.ndarray) for one in cases_of(problem) for each in (*one.args, *one.settings.values())
    )
    if arrays and problem.name not in ANY_SHAPE:
        assert re.search(r"\((?:\.\.\.|[A-Z]\w*)?(?:, ?[\w.]+)*,?\)", words), f"{problem.name}: no shape is stated"


@every
def test_a_note_fits_a_docstring(problem: Problem) -> None:
    for line in problem.notes.splitlines():
        assert "\n" not in problem.notes or len(line) <= 120 - 4, f"{problem.name}: too long a line: {line}"


@every
def test_topic_level_minutes_and_needs_make_sense(problem: Problem) -> None:
    names = list(PROBLEMS)
    assert problem.topic in TOPICS, f"{problem.name}: topic {problem.topic!r}"
    least, most = MINUTES[problem.level]
    assert least <= problem.minutes <= most, f"{problem.name}: level {problem.level}, {problem.minutes} minutes"
    for need in problem.needs:
        assert need in names, f"{problem.name} needs {need}, which does not exist"
        assert names.index(need) < names.index(problem.name), f"{problem.name} needs {need}, which comes later"


@every
def test_faults_are_said_in_words(problem: Problem) -> None:
    for fault in problem.faults:
        where = f"{problem.name}.{fault.name}"
        assert re.fullmatch(r"[^.](?:.*[^.?!\s])?", fault.says), f"{where}: says completes a sentence: {fault.says!r}"
        assert re.fullmatch(r"[^\s].*[.?!]", fault.hint), f"{where}: the hint is a sentence: {fault.hint!r}"
        assert fault.name.isidentifier(), where


def test_topics_come_in_the_order_of_a_course() -> None:
    places = [TOPICS.index(problem.topic) for problem in PROBLEMS.values()]
    back = [name for name, before, place in zip(list(PROBLEMS)[1:], places, places[1:], strict=False) if place < before]
    assert not back, f"after a later topic: {', '.join(back)}"


def test_there_are_faults_enough() -> None:
    few = [problem.name for problem in PROBLEMS.values() if len(problem.faults) < 3]
    assert not few, f"fewer than three faults: {', '.join(few)}"
    assert sum(len(problem.faults) for problem in PROBLEMS.values()) >= AT_LEAST


@every
def test_variants_are_settings_of_the_live_function(problem: Problem) -> None:
    for name, values in problem.variants.items():
        assert len(values) >= 2, f"{problem.name}: {name} leaves no choice"
        for value in values:
            chosen = problem.variant({name: value})
            cases = cases_of(chosen)
            wrong = [each for each in expected_of(chosen, cases) if each.error is not None]
            assert len(wrong) <= len(cases) / 3, f"{problem.name} with {name}={value!r}: {wrong[0].error}"


@every
def test_variants_are_told_apart(problem: Problem) -> None:
    for name, values in problem.variants.items():
        for one, other in combinations(values, 2):
            first, second = problem.variant({name: one}), problem.variant({name: other})
            cases = cases_of(problem)
            trio = zip(cases, expected_of(first, cases), expected_of(second, cases), strict=True)
            assert any(difference(problem, *each) is not None for each in trio), f"{problem.name}: {name} {one} {other}"
