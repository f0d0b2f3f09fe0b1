"""The files of a class's report, written from what was found; and whether another report lies there."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tinylm.course.grade import lacking
from tinylm.course.klass.alike import groups
from tinylm.course.klass.enrolled import Enrolled, some
from tinylm.course.klass.feedback import feedback
from tinylm.course.klass.overview import overview
from tinylm.course.klass.sheet import sheet
from tinylm.course.klass.statistics import about
from tinylm.course.problem import problem_named, problems
from tinylm.course.verdict import Verdict
from tokenizer.formats import write_atomically

__all__ = ["other_report", "page_names", "write_report"]


def other_report(out: Path, title: str, names: Sequence[str] | None) -> str:
    """What the report in the folder is of, where a run would lose it: another title, or exercises not among these.

    "" where none lies there, or it is an earlier one of the same.
    """
    try:
        earlier = json.loads((out / "report.json").read_bytes())
        there = str(earlier["title"])
        held = {each["problem"]: None for row in earlier["students"].values() for each in row["verdicts"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    if there == title and (names is None or held.keys() <= set(names)):
        return ""
    return f"{there} ({some(list(held))})" if held else there


def write_report(
    out: Path,
    roll: Enrolled,
    result_for: Mapping[str, Mapping[str, Any]],
    names: Sequence[str] | None,
    points: Mapping[str, float] | None,
    title: str,
    *,
    own: bool,
) -> None:
    """Write all of it; what is there and the same stays untouched.

    result_for   student → what was found, of those who are graded
    own          whether students have settings of their own
    """
    verdicts: dict[str, dict[str, Verdict]] = {student: {} for student in roll.students}
    for student, result in result_for.items():
        verdicts[student] = {each["problem"]: Verdict.from_dict(each) for each in result["verdicts"]}
    met = {name for each in verdicts.values() for name in each}
    columns = [name for name in problems() if (name in met if names is None else name in names)]
    table = {
        student: {name: row.get(name) or _missing(name, student in roll.unclear, own) for name in columns}
        for student, row in verdicts.items()
    }
    pages = page_names(list(table))
    notes = _notes(roll, result_for)
    _forget(out, pages.values())
    for student, page in pages.items():
        shown = [table[student][name] for name in columns if names is not None or name in verdicts[student]]
        text = feedback(student, shown, course=title, notes=notes[student], points=points)
        _put(out / "feedback" / page, text)
    worth = {name: (points or {}).get(name, 0.0) for name in columns}
    scores = {student: sum(worth[name] * row[name].share for name in columns) for student, row in table.items()}
    _put(out / "report.json", _as_json(title, table, None if points is None else scores, notes, roll.unclear))
    _put(out / "grades.csv", "\ufeff" + sheet(columns, table, points))  # the mark tells Excel that it is UTF-8
    graded = {student: table[student] for student in table if student in result_for}
    _put(
        out / "overview.html",
        overview(
            title,
            columns,
            table,
            about(columns, graded),
            pages={student: f"feedback/{quote(page)}" for student, page in pages.items()},
            alike=groups({student: result["shapes"] for student, result in result_for.items()}, order=columns),
            look_at=_look_at(roll, result_for, graded),
            scores=None if points is None else scores,
            most=sum(worth.values()),
            remarks=_remarks(roll, result_for),
            without=len(table) - len(graded),
        ),
    )


def _notes(roll: Enrolled, result_for: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Student → the sentences on their page."""
    notes = {student: [why] for student, why in roll.not_graded.items() if student in roll.students}
    for each in roll.found:
        notes[each.student] = [*each.notes, *result_for[each.student]["notes"]]
    return notes


def _look_at(
    roll: Enrolled, result_for: Mapping[str, Mapping[str, Any]], table: Mapping[str, Mapping[str, Verdict]]
) -> list[tuple[str, str]]:
    """(student or hand-in, why a person should look at it); first what is not graded."""
    listed = [
        (each, f"{why}; {'keep one of them' if each in roll.students else 'rename it'}, and grade again")
        for each, why in roll.unclear.items()
    ]
    for each in roll.found:
        result = result_for[each.student]
        listed += [(each.student, note) for note in (*each.notes, *result["notes"])]
        listed += [(each.student, f"{name}: the grader failed: {why}") for name, why in result["failures"].items()]
    for student, row in table.items():
        for verdict in row.values():
            if verdict.solves:
                listed.append((student, f"{verdict.problem}: it solves the variant of {some(verdict.solves)}"))
    return listed


def _forget(out: Path, pages: Collection[str]) -> None:
    """Remove the pages that an earlier run wrote for students who are no longer in the class."""
    try:
        earlier = list(json.loads((out / "report.json").read_bytes())["students"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    for page in page_names(earlier).values():
        if page not in pages:
            (out / "feedback" / page).unlink(missing_ok=True)


def _as_json(
    title: str,
    table: Mapping[str, Mapping[str, Verdict]],
    scores: Mapping[str, float] | None,
    notes: Mapping[str, Sequence[str]],
    unclear: Mapping[str, str],
) -> str:
    students = {
        student: {
            **({} if scores is None else {"points": scores[student]}),
            "notes": list(notes[student]),
            "verdicts": [each.to_dict() for each in row.values()],
        }
        for student, row in table.items()
    }
    return json.dumps({"title": title, "students": students, "unclear": dict(unclear)}, indent=1) + "\n"


def _missing(name: str, unclear: bool, own: bool) -> Verdict:
    """The verdict where there is nothing to judge; a stub with the library's settings is no help to who has others."""
    begins = f"tinylm stub {name} writes how it begins"
    if own and problem_named(name).variants:
        begins = "the my_work.py that you were given has how it begins, with your settings"
    return Verdict(name, "missing", "not graded" if unclear else f"not handed in; {begins}")


def _remarks(roll: Enrolled, result_for: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which names were taken for whose, and which protections did not work while somebody's answer ran."""
    without = {sentence for result in result_for.values() for sentence in lacking(result["protections"])}
    taken = "; ".join(f"{name} is taken to be {student}'s" for student, name in roll.came_as.items())
    return [f"By how the name begins: {taken}."] * bool(taken) + [
        f"On this machine, {sentence}." for sentence in sorted(without)
    ]


def page_names(students: Sequence[str]) -> dict[str, str]:
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
