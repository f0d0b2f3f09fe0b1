"""The loop over a class as a generator of records, and the files that it leaves in the report's folder.

results/      what was found, one file for each distinct submission, under a digest of all that decides it
feedback/     a page for each student; those of students who are gone are removed
grades.csv    the marks
report.json   all verdicts
overview.html for staff
"""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tinylm.course.grade import How, lacking
from tinylm.course.klass.alike import groups
from tinylm.course.klass.feedback import feedback
from tinylm.course.klass.overview import overview
from tinylm.course.klass.running import first_of_each, key_of, result_of, results
from tinylm.course.klass.sheet import sheet
from tinylm.course.klass.statistics import about
from tinylm.course.klass.submissions import Submission, submissions
from tinylm.course.problem import problem_named, problems
from tinylm.course.verdict import Verdict
from tokenizer.formats import write_atomically

__all__ = ["ClassError", "Graded", "grading_class"]

NAMED = 4  # students in a sentence


class ClassError(ValueError):
    """A folder that holds no submissions, or cannot take the report."""


@dataclass(frozen=True, slots=True)
class Graded:
    """A student whose result is there.

    right, of     exercises right, and handed in
    again         whether it was found in an earlier run
    done, whole   how many students are, and how many there are
    """

    student: str
    right: int
    of: int
    again: bool
    done: int
    whole: int


def grading_class(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    how: How | None = None,
    points: Mapping[str, float] | None = None,
    title: str = "",
    workers: int | None = None,
) -> Iterator[Graded]:
    """Grade a folder of submissions, a record for each student; the report is written when all are there.

    names     the exercises, columns of the table; None: all that somebody handed in
    how       with a secret, each student has the variant of their name, and a wrong answer is compared with the others'
    points    exercise → what it is worth
    workers   processes; None: as many as there are cores

    What an earlier run has found for the same submission, exercises, settings and version is not looked for again, so
    a run that was interrupted, or killed, goes on where it was; where the grader itself failed, it tries again. The
    report does not depend on that, nor on `workers`.
    Raises ClassError, OSError, and UnknownExerciseError for a name that no exercise has.
    """
    folder, out, how = Path(folder), Path(out), how or How()
    names = None if names is None else [problem_named(name).name for name in names]
    if folder.resolve() == out.resolve():
        raise ClassError(f"{folder}: the report would lie among the submissions; give another folder with -o")
    found = list(submissions(folder, leave_out=out.resolve()))
    if not found:
        raise ClassError(f"{folder}: no submission found; expected files as ada.py or folders as ada/my_work.py")
    if how.secret and not how.others:
        how = replace(how, others=tuple(each.student for each in found))
    kept = out / "results"
    kept.mkdir(parents=True, exist_ok=True)
    (out / "feedback").mkdir(exist_ok=True)
    keys = {each.student: key_of(each, names, how) for each in found}
    students: dict[str, list[str]] = {}
    for student, key in keys.items():
        students.setdefault(key, []).append(student)
    of_key: dict[str, dict[str, Any]] = {}
    to_do: dict[str, Submission] = {}
    for key, each in first_of_each(keys.values(), found).items():
        earlier = result_of(kept, key)
        if earlier is None or earlier["failures"]:  # what failed in the grader is tried again
            to_do[key] = each
        else:
            of_key[key] = earlier
    done = 0

    def records(key: str, *, again: bool) -> Iterator[Graded]:
        nonlocal done
        verdicts = of_key[key]["verdicts"]
        right = sum(each["status"] in ("right", "slow") for each in verdicts)
        for student in students[key]:
            done += 1
            yield Graded(student, right, len(verdicts), again, done, len(found))

    for key in list(of_key):
        yield from records(key, again=True)
    for key in results(to_do, kept, names=names, how=how, workers=workers or os.cpu_count() or 1):
        result = result_of(kept, key)
        if result is None:
            raise ClassError(f"{kept / key}.json was written, and is gone; is another program tidying {out}?")
        of_key[key] = result
        yield from records(key, again=False)
    _write(
        out, found, {each.student: of_key[keys[each.student]] for each in found}, names, points, title or folder.name
    )


def _write(
    out: Path,
    found: Sequence[Submission],
    result_for: Mapping[str, Mapping[str, Any]],
    names: Sequence[str] | None,
    points: Mapping[str, float] | None,
    title: str,
) -> None:
    """The report, from what was found."""
    verdicts = {
        student: {each["problem"]: Verdict.from_dict(each) for each in result["verdicts"]}
        for student, result in result_for.items()
    }
    met = {name for each in verdicts.values() for name in each}
    columns = [name for name in problems() if (name in met if names is None else name in names)]
    table = {
        student: {name: each.get(name) or _missing(name) for name in columns} for student, each in verdicts.items()
    }
    pages = _page_names(list(table))
    look_at, notes_of = [], {}
    for each in found:
        result = result_for[each.student]
        notes_of[each.student] = [*each.notes, *result["notes"]]
        look_at += [(each.student, note) for note in notes_of[each.student]]
        look_at += [(each.student, f"{name}: the grader failed: {why}") for name, why in result["failures"].items()]
    for student, row in table.items():
        for verdict in row.values():
            if verdict.solves:
                look_at.append((student, f"{verdict.problem}: it solves the variant of {_some(verdict.solves)}"))
    _forget(out, pages.values())
    for student, page in pages.items():
        shown = [table[student][name] for name in columns if names is not None or name in verdicts[student]]
        text = feedback(student, shown, course=title, notes=notes_of[student], points=points)
        _put(out / "feedback" / page, text)
    worth = {name: (points or {}).get(name, 0.0) for name in columns}
    scores = {student: sum(worth[name] * row[name].share for name in columns) for student, row in table.items()}
    _put(out / "report.json", _as_json(title, table, None if points is None else scores, notes_of))
    _put(out / "grades.csv", "\ufeff" + sheet(columns, table, points))  # the mark tells Excel that it is UTF-8
    shapes = {student: result["shapes"] for student, result in result_for.items()}
    _put(
        out / "overview.html",
        overview(
            title,
            columns,
            table,
            about(columns, table),
            pages={student: f"feedback/{quote(page)}" for student, page in pages.items()},
            alike=groups(shapes, order=columns),
            look_at=look_at,
            scores=None if points is None else scores,
            most=sum(worth.values()),
            remarks=_remarks(result_for),
        ),
    )


def _forget(out: Path, pages: Collection[str]) -> None:
    """Remove the pages that an earlier run wrote for students who are no longer among the submissions."""
    try:
        earlier = list(json.loads((out / "report.json").read_bytes())["students"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    for page in _page_names(earlier).values():
        if page not in pages:
            (out / "feedback" / page).unlink(missing_ok=True)


def _as_json(
    title: str,
    table: Mapping[str, Mapping[str, Verdict]],
    scores: Mapping[str, float] | None,
    notes: Mapping[str, Sequence[str]],
) -> str:
    students = {
        student: {
            **({} if scores is None else {"points": scores[student]}),
            "notes": list(notes[student]),
            "verdicts": [each.to_dict() for each in row.values()],
        }
        for student, row in table.items()
    }
    return json.dumps({"title": title, "students": students}, indent=1) + "\n"


def _some(students: Sequence[str]) -> str:
    """The first few by name: many share a setting that has few options."""
    more = f" and {len(students) - NAMED} more" if len(students) > NAMED else ""
    return ", ".join(students[:NAMED]) + more


def _missing(name: str) -> Verdict:
    return Verdict(name, "missing", f"not handed in; tinylm stub {name} writes how it begins")


def _remarks(result_for: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which protections did not work while somebody's answer ran."""
    without = {sentence for result in result_for.values() for sentence in lacking(result["protections"])}
    return [f"On this machine, {sentence}." for sentence in sorted(without)]


def _page_names(students: Sequence[str]) -> dict[str, str]:
    """A file name for each student that every system takes, and that no two share where letters' case is lost."""
    plain = {student: re.sub(r"[^\w.@+-]+", "_", student).strip("._")[:80] for student in students}
    folded = [each.casefold() for each in plain.values()]
    return {
        student: f"{name}.html"
        if name == student and folded.count(name.casefold()) == 1
        else f"{name}-{sha256(student.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}.html"
        for student, name in plain.items()
    }


def _put(path: Path, text: str) -> None:
    """Write a file, unless it is what it should be already."""
    data = text.encode("utf-8", "backslashreplace")
    if not path.is_file() or path.is_symlink() or path.read_bytes() != data:
        write_atomically(path, data)
