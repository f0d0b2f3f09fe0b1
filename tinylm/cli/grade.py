"""`tinylm grade`: a student's file, exercise by exercise; or a folder of submissions, a whole class.

Exit status of a file: 0 where all is right, 1 where something is not, 2 for bad input. Of a class: 0 where the report
is written, 2 for bad input, 130 where Ctrl-C came before; the same command then goes on.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinylm.cli.errors import UsageError, bad_input
from tinylm.cli.screen import coloured
from tinylm.course.exercise import UnknownExerciseError
from tinylm.course.grade import How, Report, UnreadableError, exercises_in, grading, lacking, read
from tinylm.course.handout.at_home import told_of_own
from tinylm.course.handout.settings import CourseError, read_course
from tinylm.course.klass import ClassError, grading_class
from tinylm.course.klass.enrolled import NOTHING
from tinylm.course.klass.feedback import feedback
from tinylm.course.problem import problem_named
from tinylm.course.report import summary, verdict_text
from tinylm.course.sandbox import Nursery, protections
from tokenizer.formats import write_atomically

__all__ = ["add"]

EPILOG = """A file stands alone: modules that lie beside it are not found. Of a notebook, the definitions are run.

examples:
  tinylm grade my_work.py                            every exercise that the file holds
  tinylm grade my_work.py layer_norm softmax         these
  tinylm grade homework.ipynb --html feedback.html   a notebook, and a page to keep
  tinylm grade submissions/ -o report/               a class: ada.py, ben/my_work.py, submitted/ada/week_1/...
  tinylm grade submissions/ -o report_2/ --course COURSE.toml --week 2
  TINYLM_SECRET=... tinylm grade ada.py --variant ada --others class.txt"""


WHERE = "is it the right folder, and the right --week?"


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "grade",
        help="what is right in an exercise, and what is not",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("path", metavar="FILE", help="Python or a notebook; or a folder of submissions")
    command.add_argument("exercises", nargs="*", metavar="EXERCISE", help="default: all that the file holds")
    command.add_argument("--variant", metavar="ID", help="the student whose variant is asked for; needs a secret")
    command.add_argument("--secret", metavar="S", help="of the variants (default: TINYLM_SECRET)")
    command.add_argument("--others", metavar="FILE", help="ids of the class, one a line: whose variant is solved?")
    command.add_argument("--seconds", type=float, metavar="X", help="limit of an exercise (default 10)")
    command.add_argument("--memory", type=int, metavar="MB", help="limit of an exercise (default 1024)")
    command.add_argument(
        "--seed", type=int, metavar="N", help="of the inputs (default: with --course the course's own, else 0)"
    )
    command.add_argument("--tries", type=int, default=100, metavar="N", help="how many inputs (default 100)")
    command.add_argument("--json", action="store_true", help="print what was found as JSON instead")
    command.add_argument("--html", metavar="FILE", help="also write it as a page")
    command.add_argument("-o", "--out", metavar="DIR", help="of a class: where the report goes")
    command.add_argument("--course", metavar="COURSE.toml", help="of a class: exercises, points and title")
    command.add_argument("--week", type=int, metavar="N", help="of a class: this week of the course alone")
    command.add_argument("--workers", type=int, metavar="N", help="of a class: processes (default: the cores)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):  # not so in a notebook
        sys.stdout.reconfigure(errors="replace")
    try:
        with bad_input():
            return _class(arguments) if Path(arguments.path).is_dir() else _file(arguments)
    except (UnknownExerciseError, ImportError) as problem:
        raise UsageError(str(problem)) from problem


def _refuse(arguments: argparse.Namespace, what: str, *flags: str) -> None:
    for flag in flags:
        if getattr(arguments, flag.strip("-").replace("-", "_")) not in (None, False):
            raise UsageError(f"{flag} is for {what}; {arguments.path} is not one")


def _how(arguments: argparse.Namespace, secret: str = "", seed: int = 0) -> How:
    others: tuple[str, ...] = ()
    if arguments.others:
        lines = Path(arguments.others).read_text("utf-8-sig").splitlines()
        others = tuple(line.split(",")[0].strip() for line in lines if line.strip() and not line.startswith("#"))
    memory = None if arguments.memory is None else arguments.memory << 20
    seed = seed if arguments.seed is None else arguments.seed
    return How(seed, arguments.tries, secret, others, arguments.seconds, memory)


def _file(arguments: argparse.Namespace) -> int:
    _refuse(arguments, "a folder of submissions", "--out", "--course", "--week", "--workers")
    secret = arguments.secret or os.environ.get("TINYLM_SECRET", "")
    if (arguments.variant is not None or arguments.others) and not secret:
        raise UsageError("--variant and --others need the secret of the course: --secret S, or TINYLM_SECRET=S")
    if arguments.variant is not None and not arguments.variant.strip():
        raise UsageError("--variant: expected the id of a student, got an empty text")
    how = _how(arguments, secret if arguments.variant or arguments.others else "")
    path = Path(arguments.path)
    try:
        names = [problem_named(name).name for name in arguments.exercises] or list(exercises_in(path))
    except UnreadableError as problem:
        raise UsageError(f"{path}: {problem}") from problem
    if not names:
        raise UsageError(
            f"{path}: no exercise in it; expected functions or classes at top level that are called as in "
            "tinylm stub --list"
        )
    if how.secret and arguments.variant and not any(problem_named(name).variants for name in names):
        print(f"note: none of {', '.join(names)} has variants", file=sys.stderr)
    student = arguments.variant or ""
    verdicts, gap = [], True  # an empty line stands around a verdict of several
    with _bar(len(names), " exercises") as line, Nursery(how.limits) as nursery:
        protected = protections(nursery)
        for verdict in grading(path, names, student=student, how=how, nursery=nursery):
            verdicts.append(verdict)
            text = verdict_text(verdict, colour=coloured() and sys.stdout.isatty(), staff=bool(arguments.others))
            long = "\n" in text
            line("" if arguments.json else f"{chr(10) * (long and not gap)}{text}{chr(10) * long}")
            gap = long
    report = Report(path.name, tuple(verdicts), student, protected)
    if arguments.html:
        write_atomically(arguments.html, feedback(path.name, verdicts).encode("utf-8", "backslashreplace"))
    if arguments.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        print(f"{chr(10) * (not gap)}{path.name}: {summary(verdicts)}")
    by_library = not how.secret or arguments.variant is None
    home = told_of_own(path, read(path).source, names) if by_library else ""
    for sentence in filter(None, (home, *lacking(report.protections))):
        print(f"note: {sentence}", file=sys.stderr if arguments.json else sys.stdout)
    return 0 if report.all_right else 1


def _class(arguments: argparse.Namespace) -> int:
    _refuse(arguments, "a single file", "--variant", "--html")
    if arguments.out is None:
        raise UsageError(f"{arguments.path} is a folder: a class; say where the report goes: -o report")
    if arguments.workers is not None and arguments.workers < 1:
        raise UsageError(f"--workers must be 1 or more, got {arguments.workers}")
    given = arguments.secret or os.environ.get("TINYLM_SECRET", "")
    names, points, title, seed, secret = arguments.exercises or None, None, "", 0, given
    students: tuple[str, ...] = ()
    if arguments.course:
        try:
            course = read_course(arguments.course, secret=given)
        except CourseError as problem:
            raise UsageError(str(problem)) from problem
        weeks = [week for week in course.weeks if arguments.week in (None, week.number)]
        if not weeks:
            raise UsageError(f"--week {arguments.week}: {arguments.course} has weeks 1 to {len(course.weeks)}")
        worth = {item.problem.name: float(item.points) for week in weeks for item in week.items}
        points = {name: worth.get(name, 0.0) for name in names or worth}
        names, seed, secret = list(points), course.seed, course.secret if course.students or arguments.others else ""
        students = course.students
        title = course.title if arguments.week is None else f"{course.title}: {weeks[0].title}"
    elif arguments.week is not None:
        raise UsageError("--week counts the weeks of a course; give it with --course COURSE.toml")
    how = _how(arguments, secret, seed)
    records: Iterator[Any] = grading_class(
        arguments.path, arguments.out, names, how=how, points=points, title=title, workers=arguments.workers,
        students=students,
    )  # fmt: skip
    if how.secret:
        print("note: each student is asked for the variant of their name", file=sys.stderr)
    graded, held, open_ = None, 0, []
    try:
        with _bar(None, " students") as line:
            for graded in records:
                held += graded.held
                open_ += [graded.student] * (graded.why not in ("", NOTHING))
                none = "; it holds none of the exercises" * (not graded.held)
                again = " (from before)" * graded.again
                text = f"{graded.student}: {graded.why or f'{graded.right} of {graded.of} right{none}{again}'}"
                line("" if arguments.json else text, total=graded.whole)
    except ClassError as problem:
        raise UsageError(str(problem)) from problem
    except KeyboardInterrupt:
        done = "nobody is" if graded is None else f"{graded.done} of {graded.whole} students are"
        print(f"\nstopped; {done} done, and the same command goes on from there", file=sys.stderr)
        return 130
    finally:
        close = getattr(records, "close", None)
        if close is not None:
            close()
    if arguments.json:
        print((Path(arguments.out) / "report.json").read_text("utf-8"), end="")
    else:
        print(f"{arguments.out}: grades.csv, overview.html, and a page for each student in feedback/")
    if open_:
        print(f"note: not graded until a person says whose, or which one counts: {', '.join(open_)}", file=sys.stderr)
    if names and not held:
        print(f"note: nobody handed in any of {', '.join(names)}; {WHERE}", file=sys.stderr)
    return 0


@contextmanager
def _bar(total: int | None, unit: str) -> Iterator[Any]:
    """How far it is, on a terminal; lines are printed above it, and in a pipe there are only these."""
    if not sys.stderr.isatty():

        def plain(text: str, total: int | None = None) -> None:
            if text:
                print(text, flush=True)

        yield plain
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, leave=False, file=sys.stderr) as bar:

        def above(text: str, total: int | None = None) -> None:
            if total is not None and bar.total != total:
                bar.total = total
            if text:
                bar.clear()
                print(text, flush=True)
            bar.update()

        yield above
