"""Whether a file is judged by settings of its own where a student works; here they are told of, and never used.

course.json comes with the student's own files, so what it says may be anything: who grades goes by the secret.
"""

import ast
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tinylm.course.handed_in import DEFINITIONS, NOT_PARSED
from tinylm.course.problem import problem_named

__all__ = ["PLAN", "told_of_own"]

PLAN = "course.json"
SAID = "Your settings:"  # in the docstring of a stub that has a student's own
MOST = 1 << 20  # bytes of a course.json


def told_of_own(path: str | os.PathLike[str], source: bytes, names: Iterable[str]) -> str:
    """A sentence on a file whose student has settings of their own, with what to type; "" where nothing says so.

    source   its Python; names   the exercises that are judged
    """
    path, names = Path(os.path.abspath(path)), list(names)
    for folder in path.parents[:2]:
        own = [name for name in names if name in _settings(folder / PLAN)]
        if own:
            command = f"python run.py {path.relative_to(folder).as_posix()}"
            return (
                f"{', '.join(own)}: {PLAN} gives you settings of your own, and this went by the library's; "
                f"type, in {folder}: {command}"
            )
    symbols = {problem_named(name).symbol: name for name in names}
    own = [symbols[symbol] for symbol in _saying(source) if symbol in symbols]
    if own:
        return (
            f"{', '.join(own)}: the docstring names settings of your own, and this went by the library's; "
            "judge it with the run.py of the folder that you were given"
        )
    return ""


def _settings(file: Path) -> dict[str, Any]:
    """Exercise → settings; {} where there is no such file, or it is another's."""
    try:
        if file.stat().st_size > MOST:
            return {}
        found = json.loads(file.read_text("utf-8"))["settings"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _saying(source: bytes) -> list[str]:
    """The functions and classes whose docstring names a student's own settings."""
    try:
        body = ast.parse(source).body
    except NOT_PARSED:
        return []
    return [each.name for each in body if isinstance(each, DEFINITIONS) and SAID in (ast.get_docstring(each) or "")]
