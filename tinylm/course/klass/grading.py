"""The loop over a class as a generator of records, and the files that it leaves in the report's folder.

results/      what was found, one file for each distinct submission, under a digest of all that decides it
feedback/     a page for each student; those of students who are gone are removed
grades.csv    the marks
report.json   all verdicts
overview.html for staff
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from tinylm.course.grade import How
from tinylm.course.klass.enrolled import enrolled
from tinylm.course.klass.files import other_report, write_report
from tinylm.course.klass.running import first_of_each, key_of, result_of, results
from tinylm.course.klass.submissions import Submission, submissions
from tinylm.course.problem import problem_named

__all__ = ["ClassError", "Graded", "grading_class"]


class ClassError(ValueError):
    """A folder that holds no submissions, or cannot take the report."""


@dataclass(frozen=True, slots=True)
class Graded:
    """A student whose result is there, or of whom there is none: then `why` says so.

    right, of     exercises right, and asked for: all that the hand-in holds, where none were named
    held          exercises that the hand-in holds, of these
    again         whether it was found in an earlier run
    done, whole   how many students are, and how many there are
    why           "" for a result; else a sentence, also under the name of a hand-in that is nobody's
    """

    student: str
    right: int
    of: int
    held: int
    again: bool
    done: int
    whole: int
    why: str = ""


def grading_class(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    how: How | None = None,
    points: Mapping[str, float] | None = None,
    title: str = "",
    workers: int | None = None,
    students: Sequence[str] = (),
) -> Iterator[Graded]:
    """Grade a folder of submissions, a record for each student; the report is written when all are there.

    names     the exercises, columns of the table; None: all that somebody handed in
    how       with a secret, each student has the variant of their name, and a wrong answer is compared with the others'
    points    exercise → what it is worth
    workers   processes; None: as many as there are cores
    students  ids of all who take part: each has a row, and a hand-in is graded if it is one's and no other is; see
              klass/enrolled.py. (): whoever has handed in, under the name of the hand-in

    What an earlier run has found for the same submission, exercises, settings and version is not looked for again, so
    a run that was interrupted, or killed, goes on where it was; where the grader itself failed, it tries again. The
    report does not depend on that, nor on `workers`. Another report that lies in `out` is never written over.
    Raises ClassError, OSError, and UnknownExerciseError for a name that no exercise has.
    """
    folder, out, how = Path(folder), Path(out), how or How()
    names = None if names is None else list(dict.fromkeys(problem_named(name).name for name in names))
    if folder.resolve() == out.resolve():
        raise ClassError(f"{folder}: the report would lie among the submissions; give another folder with -o")
    title = title or folder.name
    if other := other_report(out, title, names):
        free = next(name for n in count(2) if not (name := Path(f"{out if out.name else 'report'}_{n}")).exists())
        raise ClassError(f"{out} holds the report of {other}, which would be lost; give another folder, as -o {free}")
    roll = enrolled(submissions(folder, leave_out=out.resolve()), students)
    found, not_graded = roll.found, roll.not_graded
    if not found and not roll.unclear:
        raise ClassError(f"{folder}: no submission found; expected files as ada.py or folders as ada/my_work.py")
    if how.secret and not how.others:
        how = replace(how, others=roll.students)
    kept = out / "results"
    kept.mkdir(parents=True, exist_ok=True)
    (out / "feedback").mkdir(exist_ok=True)
    keys = {each.student: key_of(each, names, how) for each in found}
    having: dict[str, list[str]] = {}
    for student, key in keys.items():
        having.setdefault(key, []).append(student)
    of_key: dict[str, dict[str, Any]] = {}
    to_do: dict[str, Submission] = {}
    for key, each in first_of_each(keys.values(), found).items():
        earlier = result_of(kept, key)
        if earlier is None or earlier["failures"]:  # what failed in the grader is tried again
            to_do[key] = each
        else:
            of_key[key] = earlier
    done, whole = len(not_graded), len(found) + len(not_graded)
    for i, (student, why) in enumerate(not_graded.items(), 1):
        yield Graded(student, 0, len(names or ()), 0, False, i, whole, why)

    def records(key: str, *, again: bool) -> Iterator[Graded]:
        nonlocal done
        verdicts = of_key[key]["verdicts"]
        right = sum(each["status"] in ("right", "slow") for each in verdicts)
        for student in having[key]:
            done += 1
            asked = len(verdicts) if names is None else len(names)
            held = len(verdicts) or len(of_key[key]["failures"])  # who ended the grader did hand in something
            yield Graded(student, right, asked, held, again, done, whole)

    for key in list(of_key):
        yield from records(key, again=True)
    for key in results(to_do, kept, names=names, how=how, workers=workers or os.cpu_count() or 1):
        result = result_of(kept, key)
        if result is None:
            raise ClassError(f"{kept / key}.json was written, and is gone; is another program tidying {out}?")
        of_key[key] = result
        yield from records(key, again=False)
    result_for = {each.student: of_key[keys[each.student]] for each in found}
    write_report(out, roll, result_for, names, points, title, own=bool(how.secret))
