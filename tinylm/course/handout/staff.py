"""What staff get: the answers from the live source, hidden tests, and what the grader knows; not for students."""

import csv
import io

from tinylm.course.handout.own import OWN, own_settings
from tinylm.course.handout.settings import Course, Week
from tinylm.course.handout.student import STARS, statement
from tinylm.course.stub import solution
from tinylm.course.verdict import number

__all__ = ["hidden_tests", "staff_files"]


def staff_files(course: Course, exports: tuple[str, ...] = ()) -> dict[str, str]:
    """The files of the staff's folder, by name."""
    files = {
        "README.md": _readme(course, exports),
        "COURSE.toml": course.source,
        "rubric.md": _rubric(course),
        "rubric.csv": _table(course),
    }
    for week in course.weeks:
        files[f"{week.name}/test_hidden.py"] = hidden_tests(course, week)
        if course.students:
            files[f"{week.name}/{OWN}"] = own_settings(course, week)
        for problem in week.problems:
            files[f"{week.name}/reference/{problem.name}.py"] = solution(problem)
    return files


def hidden_tests(course: Course, week: Week, name: str = "test_hidden.py") -> str:
    """A pytest file that judges a my_work.py: one test for each exercise, with the verdict as its message."""
    own, given, more = "", "", ""
    if course.students:
        own = "\nWhose it is, the file's name says, or that of a folder above; or else STUDENT=ada does.\n"
        given = "from tinylm.course.handout.own import settings_of, whose\n"
        more = ", settings=settings_of(Path(__file__).parent, whose(WORK))"
    listed = "\n".join(f'    "{item.problem.name}": {number(item.points)},' for item in week.items)
    return f'''"""Week {week.number}, {week.title}: judges the file or notebook that WORK names, or my_work.py here.

    WORK=ada/my_work.py pytest {name}
{own}"""

import os
from pathlib import Path

import pytest

from tinylm.course.handout.cells import judged
{given}from tinylm.course.report import verdict_text

WORK = Path(os.environ.get("WORK") or Path(__file__).with_name("my_work.py"))
SEED = {course.seed}  # of the inputs that students have not seen; 0: there are none
POINTS = {{
{listed}
}}


@pytest.mark.parametrize("name", POINTS)
def test_exercise(name):
    try:
        verdict = judged(WORK, name, seed=SEED{more})
    except (OSError, ValueError) as problem:  # no file, no Python, or nobody's
        pytest.fail(str(problem), pytrace=False)
    if verdict.status != "right":
        pytest.fail(verdict_text(verdict), pytrace=False)
'''


def _rubric(course: Course) -> str:
    """Points by exercise, and under each the wrong versions that the grader knows, with what it says of them."""
    total = sum(week.points for week in course.weeks)
    lines = [
        f"# {course.title}: rubric",
        "",
        f"{number(total)} points, {len(course.weeks)} hand-ins. An exercise gets its points where the answer is right "
        "on all inputs, half of them where it is right and works far too much, else none. Everything below is staff's: "
        'it tells what a wrong answer "behaves as if".',
    ]
    for week in course.weeks:
        due = f", due {week.due}" if week.due else ""
        lines += ["", f"## Week {week.number}: {week.title} ({number(week.points)} points{due})", ""]
        lines += ["| exercise | which is | points | level | minutes |", "| --- | --- | --- | --- | --- |"]
        for item in week.items:
            problem = item.problem
            lines.append(
                f"| `{problem.name}` | {statement(item)} | {number(item.points)} | {STARS * problem.level} "
                f"| {problem.minutes} |"
            )
        for item in week.items:
            lines += ["", f"### {item.problem.name}", ""]
            if item.problem.variants:
                chosen = "; ".join(
                    f"{name}: {', '.join(map(repr, values))}" for name, values in item.problem.variants.items()
                )
                lines += [f"Variants of {chosen}", ""]
            for fault in item.problem.faults:
                hint = f" *{fault.hint}*" if fault.hint else ""
                lines.append(f"* `{fault.name}`: behaves as if {fault.says}.{hint}")
            if item.problem.work is not None:
                lines.append(f"* too much work: {item.problem.work.says}; {item.problem.work.unit} are counted")
    return "\n".join(lines) + "\n"


def _table(course: Course) -> str:
    """The rubric for a spreadsheet: one row for each wrong version."""
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["week", "exercise", "points", "level", "minutes", "fault", "behaves as if", "hint"])
    for week in course.weeks:
        for item in week.items:
            problem = item.problem
            for fault in problem.faults:
                worth = (number(item.points), problem.level, problem.minutes)
                rows.writerow([week.number, problem.name, *worth, fault.name, fault.says, fault.hint])
    return file.getvalue()


def _readme(course: Course, exports: tuple[str, ...]) -> str:
    week = course.weeks[0]
    students = "students/ID" if course.students else "student"
    variants = (
        "\nEverybody has settings of their own, made from the secret and their id; `week_1/settings.json` has them.\n"
        "Keep the secret where it is (a file or TINYLM_SECRET): it stands in none of these folders. Where an answer\n"
        "is wrong for its own settings and right for those of others, the overview says whose.\n"
        if course.students
        else ""
    )
    same = " Everybody gets the same exercises, without settings of their own." if course.students else ""
    alone = f"tinylm grade path/to/ada.py{' --variant ada   # with TINYLM_SECRET set' * bool(course.students)}"
    named = (
        "A name is an id of the course, or begins with one and goes on with no letter or digit (`ada_week_1.py`).\n"
        "What is nobody's, or one of two of the same student, is listed in the overview and not graded.\n"
        if course.students
        else ""
    )
    flags = "".join(f" --for {each}" for each in exports)
    made = {
        "nbgrader": f"* `../nbgrader/` is an nbgrader course; its README says what to type.{same}",
        "pytest": "* `../pytest/week_1/` is an autograder for Gradescope and the like: zip its files and upload them.",
        "adapters": "* `../adapters/` is for students who build a package of their own, in place of "
        f"`../{students}/`: they connect it in `tests/adapters.py`.{same}",
    }
    listed = "\n".join(made[each] for each in exports)
    return f"""# {course.title}: for staff

Nothing in this folder is for students.

* `../{students}/` is what students get: zip it, or put it into a repository. No file of it tells an
  answer, a hidden test or the secret.
* `rubric.md` and `rubric.csv` say what is worth how much, and which wrong versions the grader knows.
* `week_1/reference/` holds the answers, as they stand in the library today.
* `week_1/test_hidden.py` judges one hand-in under pytest, also on inputs that students have not seen.
* `COURSE.toml` is a copy of the description that all of this was made from.
{listed}
{variants}
## Grade a week

Collect the hand-ins in a folder, one file or folder for each student (`ada.py`, `ben/my_work.py`, `eve/week_1.ipynb`).
{named}Then, where your own COURSE.toml lies:

    tinylm grade submissions/ -o report_1/ --course COURSE.toml --week 1

That writes the points as CSV, a page of feedback for each student, and an overview: which exercises were hard, and
which mistakes were common. It may be stopped and started again; each week has a report of its own.
One hand-in alone, in this folder:

    WORK=path/to/ada.py pytest {week.name}/test_hidden.py
    {alone}

## Change the course

Edit your COURSE.toml and type, where it lies (DIR is the folder above this one):

    tinylm handout COURSE.toml -o DIR --force{flags}

A file that differs from what was there is not lost: it is kept as NAME.old-1. `tinylm stub --list` shows all exercises.

Answers are cut from the installed tinylm; after an update of it, make the folders again.
"""
