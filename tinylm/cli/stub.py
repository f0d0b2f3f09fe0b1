"""`tinylm stub`: exercises as a file to write in, with signature and docstring cut from the library's own source."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinylm.cli.errors import UsageError, bad_input
from tinylm.course.exercise import UnknownExerciseError
from tinylm.course.problem import Problem, problem_named, problems
from tinylm.course.stub import listing, rows, stubs
from tinylm.course.variants import variants_of
from tokenizer.formats import write_atomically

__all__ = ["add"]

EPILOG = """examples:
  tinylm stub --list
  tinylm stub layer_norm > my_work.py
  tinylm stub layer_norm layer_norm_backward -o my_work.py
  TINYLM_SECRET=... tinylm stub layer_norm --variant ada > ada.py

Then write the function, and have it judged: tinylm grade my_work.py"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "stub",
        help="write an exercise as a file to fill in; --list names them all",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("names", nargs="*", metavar="EXERCISE", help="one or more, for one file")
    command.add_argument("--list", action="store_true", help="name every exercise instead")
    command.add_argument("--json", action="store_true", help="the list as JSON")
    command.add_argument("--topic", metavar="TOPIC", help="list only the exercises of a topic")
    command.add_argument("-o", "--output", metavar="FILE", help="a new file, instead of the standard output")
    command.add_argument("--variant", metavar="ID", help="with the settings of this student")
    command.add_argument(
        "--secret", metavar="S", help="the course's, for --variant (default: TINYLM_SECRET from the environment)"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.list or arguments.json or arguments.topic:
        if arguments.names or arguments.variant or arguments.output:
            raise UsageError("--list shows all exercises; leave out names, --variant and --output")
        print(_list(arguments.topic, as_json=arguments.json))
        return 0
    if not arguments.names:
        raise UsageError("which exercise? as in: tinylm stub layer_norm > my_work.py; tinylm stub --list shows all")
    if arguments.secret and not arguments.variant:
        raise UsageError("--secret goes with --variant ID; add it, or leave out --secret")
    chosen = _named(arguments.names)
    with bad_input():
        settings = {}
        if arguments.variant is not None:
            secret = arguments.secret or os.environ.get("TINYLM_SECRET", "")
            settings = variants_of(chosen, arguments.variant, secret)
        text = stubs(chosen, variants=settings)
    if not arguments.output:
        sys.stdout.write(text)
        return 0
    if Path(arguments.output).exists():
        raise UsageError(f"{arguments.output} exists, and may be your work; give another name to -o")
    write_atomically(arguments.output, text.encode())
    print(f"{arguments.output}: written; next: tinylm grade {arguments.output}", file=sys.stderr)
    return 0


def _named(names: Sequence[str]) -> list[Problem]:
    try:
        return [problem_named(name) for name in dict.fromkeys(names)]
    except UnknownExerciseError as problem:
        raise UsageError(str(problem)) from problem


def _list(topic: str | None, *, as_json: bool) -> str:
    every = list(problems().values())
    topics = list(dict.fromkeys(each.topic for each in every))
    if topic is not None and topic not in topics:
        raise UsageError(f"there is no topic {topic!r}; there are {', '.join(topics)}")
    every = [each for each in every if topic in (None, each.topic)]
    if as_json:
        return json.dumps(rows(every), indent=1, ensure_ascii=False, default=repr)
    return listing(every, shutil.get_terminal_size((100, 24)).columns)
