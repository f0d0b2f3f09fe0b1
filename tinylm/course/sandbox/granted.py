"""What a student's file may import of the library: what the stubs import, and never the answer itself."""

import ast
from contextlib import suppress
from functools import cache
from typing import Any

from tinylm.course.problem import Problem, plain, problems
from tinylm.course.sandbox.look import KEEP, LIBRARY, dotted
from tinylm.course.work import elements

__all__ = ["asks_for_library", "granted"]

_FOUND: dict[tuple[Any, ...], tuple[Problem, frozenset[str]]] = {}


def granted(problem: Problem, *, own: bool = False) -> frozenset[str]:
    """Dotted names that a file with an answer to this problem may import.

    own   only what this problem's own stub and answer import; else also what those of all other exercises do, since
          they may stand in the same file
    """
    key = problem.name, id(problem.live), problem.imports, own  # the same for all variants
    if key not in _FOUND:
        names = _imports_of(problem) if own else frozenset().union(*map(_imports_of, [problem, *problems().values()]))
        answers = {problem.symbol, getattr(plain(problem.live), "__name__", problem.symbol)}
        kept = {name for name in names if name.rpartition(".")[2] not in answers}
        _FOUND[key] = problem, frozenset({*kept, KEEP})  # holds the live object, and with it its id
    return _FOUND[key][1]


def asks_for_library(problem: Problem) -> bool:
    """Whether it cannot be answered where tinylm and tokenizer are not there."""
    named = frozenset().union(*map(_names, problem.imports))
    counts = problem.work is not None and problem.work.count is not elements
    return problem.drive is not None or counts or bool(named - {KEEP})


def _imports_of(problem: Problem) -> frozenset[str]:
    from tinylm.course.stub import solution, stub

    found = [_names(line) for line in problem.imports]
    for make in (stub, solution):
        with suppress(OSError, TypeError, ValueError, SyntaxError):  # of a problem whose live object has no source
            found.append(_names(make(problem)))
    return frozenset().union(*found)


@cache
def _names(text: str) -> frozenset[str]:
    found = {name for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))
             for name in dotted(node)}  # fmt: skip
    return frozenset(name for name in found if name.split(".")[0] in LIBRARY)
