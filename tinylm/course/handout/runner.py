"""What a student's run.py does: judges files, weeks and exercises of the folder that it stands in."""

import argparse
import difflib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinylm.course.grade import UnreadableError, grading, read
from tinylm.course.problem import problem_named
from tinylm.course.report import verdict_text
from tinylm.course.sandbox import Limits, Nursery
from tinylm.course.verdict import number

__all__ = ["answers", "main"]

WORK = "my_work.py"
FILES = (".py", ".ipynb")
NOTEBOOK = "week_1/week_1.ipynb"
EPILOG = """examples:
  python run.py                          every week
  python run.py 2                        week 2
  python run.py layer_norm               one exercise
  python run.py week_1/week_1.ipynb      the answers in a notebook
  python run.py train --out mine         train a small GPT on what you have written"""

Job = tuple[str, Path, dict[str, float]]  # what it is called, the file, its exercises and their points


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Judge what is asked for and print it; 0 where all is right, 1 where something is not, 2 for a wrong command."""
    parser = argparse.ArgumentParser(
        "run.py", description="Judge your work.", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", metavar="WHAT", help="a week, an exercise, or a file; default: every week")
    asked = parser.parse_args(list(arguments)).what
    plan = json.loads((folder / "course.json").read_text("utf-8"))
    try:
        jobs = [_job(folder, plan, each) for each in asked] or [_week(folder, week) for week in plan["weeks"]]
        right = [_judge(title, file, worth, plan["settings"]) for title, file, worth in jobs]
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (LookupError, OSError, UnreadableError, ImportError) as problem:
        print(f"run.py: {problem.args[0] if isinstance(problem, LookupError) else problem}", file=sys.stderr)
        return 2
    return 0 if all(right) else 1


def _week(folder: Path, week: Mapping[str, Any]) -> Job:
    return f"{week['name'].replace('_', ' ')}: {week['title']}", folder / week["name"] / WORK, week["exercises"]


def _job(folder: Path, plan: Mapping[str, Any], what: str) -> Job:
    """What a word of the command line means; LookupError where it means nothing."""
    weeks = {week["name"]: week for week in plan["weeks"]}
    if (name := f"week_{what}") in weeks or (name := what.strip("/\\")) in weeks:
        return _week(folder, weeks[name])
    for week in weeks.values():
        if what in week["exercises"]:
            return what, folder / week["name"] / WORK, {what: week["exercises"][what]}
    if what.endswith(FILES):
        file = Path(what).resolve()
        every = {name: points for week in weeks.values() for name, points in week["exercises"].items()}
        return what, file, weeks[file.parent.name]["exercises"] if file.parent.name in weeks else every
    names = [name for week in weeks.values() for name in week["exercises"]]
    near = difflib.get_close_matches(what, names, n=1)
    hint = f"did you mean {near[0]!r}? There" if near else "there"
    raise LookupError(
        f"{what!r} is no week (1 to {len(weeks)}), no file and no exercise; {hint} are {', '.join(names)}"
    )


def _judge(title: str, file: Path, worth: Mapping[str, float], settings: Mapping[str, Any]) -> bool:
    if not file.is_file():
        what = title if title.endswith(FILES) else f"{file.parent.name}/{file.name}"
        raise LookupError(f"No such file: {what}; name the one that you write in, as in: python run.py {NOTEBOOK}")
    try:
        read(file)
    except UnreadableError as problem:
        raise UnreadableError(f"{file.name}: {problem}") from problem
    print(f"── {title}\n", flush=True)
    points, right = 0.0, 0
    with Nursery(Limits()) as nursery:
        for name in worth:  # in the order of the week
            [verdict] = grading(file, [name], settings=settings, nursery=nursery)
            text = verdict_text(verdict)
            print(f"{text}\n" if "\n" in text else text, flush=True)
            points += verdict.share * worth[name]
            right += verdict.status == "right"
    print(f"\n{right} of {len(worth)} right, {number(points)} of {number(sum(worth.values()))} points\n", flush=True)
    return right == len(worth)


def answers(folder: Path) -> dict[str, Any]:
    """What the my_work.py of all weeks define, by exercise, as far as it is written; runs them."""
    plan, found = json.loads((folder / "course.json").read_text("utf-8")), {}
    for week in plan["weeks"]:
        file = folder / week["name"] / WORK
        spec = importlib.util.spec_from_file_location(f"{week['name']}_{WORK[:-3]}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        work = read(file, week["exercises"])
        for name in week["exercises"]:
            symbol = problem_named(name).symbol
            if work.written(symbol):
                found[name] = getattr(module, symbol)
    if not found:
        sys.exit("Nothing is written yet, so there is nothing to put into the model.")
    print(f"with your {', '.join(found)}", flush=True)
    return found
