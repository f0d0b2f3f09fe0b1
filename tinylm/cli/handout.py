"""`tinylm handout`: a course described in one file, as folders for students, for staff, and for other graders."""

import argparse
import os
import sys
from typing import Any

from tinylm.cli.errors import UsageError, bad_input

__all__ = ["add"]

EPILOG = """examples:
  tinylm handout --example > COURSE.toml             a course of five weeks, to be changed
  tinylm handout COURSE.toml -o course               course/student and course/staff
  tinylm handout COURSE.toml -o course --for nbgrader --for pytest --for adapters

forms: nbgrader, a course directory; pytest, autograders for Gradescope and the like; adapters, tests for packages that
students build themselves.

A folder that is not empty is refused. With --force a file there that differs is kept as NAME.old-1."""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "handout",
        help="make a course: folders for students and staff",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("course", nargs="?", metavar="COURSE.toml", help="the description of the course")
    command.add_argument("-o", "--output", metavar="DIR", help="where the folders go")
    command.add_argument(
        "--for",
        action="append",
        default=[],
        dest="forms",
        choices=("nbgrader", "pytest", "adapters"),
        help="a further folder, for another grader or layout (below); may be given again",
    )
    command.add_argument("--force", action="store_true", help="into a folder that is not empty")
    command.add_argument("--example", action="store_true", help="print a COURSE.toml to begin with")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from tinylm.course.handout import example, handout, read_course  # of use to this command alone, and much

    if arguments.example:
        if arguments.course or arguments.output or arguments.forms:
            raise UsageError("--example prints a COURSE.toml; give nothing with it")
        sys.stdout.write(example())
        return 0
    if not arguments.course or not arguments.output:
        raise UsageError("expected a course and a folder, as in: tinylm handout COURSE.toml -o course")
    with bad_input():
        course = read_course(arguments.course, secret=os.environ.get("TINYLM_SECRET", ""))
        moved = handout(course, arguments.output, arguments.forms, force=arguments.force)
    for name, old in moved:
        print(f"{name} differed; what stood there is kept as {old}", file=sys.stderr)
    exercises = sum(len(week.items) for week in course.weeks)
    whom = _count(len(course.students), "student") if course.students else "students"
    much = f"{_count(len(course.weeks), 'week')}, {_count(exercises, 'exercise')}"
    print(f"{arguments.output}: {course.title}: {much}, for {whom} and staff")
    print(f"next: read {os.path.join(arguments.output, 'staff', 'README.md')}")
    return 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
