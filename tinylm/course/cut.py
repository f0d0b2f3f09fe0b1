"""Live source with its bodies taken out, or marked; knows nothing of courses.

Every change is an edit of a stretch of the source, so that signature, annotations and comments stay as they are
written.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tinylm.course.problem import plain

__all__ = ["Function", "recut", "whole_source"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Body = Callable[[Function, str, str], str]  # node, its body as it stands, its dotted name → the new body, unindented


def whole_source(live: Any) -> str:
    """The source of a live function or class, unindented; a class with its decorators, a function without."""
    text = textwrap.dedent(inspect.getsource(plain(live)))
    node = ast.parse(text).body[0]
    return text if isinstance(node, ast.ClassDef) else "".join(text.splitlines(keepends=True)[node.lineno - 1 :])


def recut(
    text: str,
    body: Body,
    *,
    symbol: str,
    doc: Callable[[str], str] = lambda text: text,
    defaults: Mapping[str, Any] | None = None,
    marks: tuple[str, str] | None = None,
) -> str:
    """The source of one function or class with new bodies.

    body      what stands in place of a body; a class keeps its own `__init__` where the exercise is another method
    symbol    what it is called
    doc       the docstring as it stands between the quotes → the new one
    defaults  of the signature, by name; of a class's `__init__`
    marks     the first and the last line of every new body, where they mark a region: then the methods of a class that
              are part of how it is done are not left out, but stand in the last region
    """
    data = text.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def at(line: int, column: int) -> int:
        return starts[line - 1] + column

    edits: list[tuple[int, int, bytes]] = []
    top = ast.parse(text).body[0]
    assert isinstance(top, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    word = data.index(top.name.encode(), at(top.lineno, top.col_offset) + len(b"def"))
    edits.append((word, word + len(top.name.encode()), symbol.encode()))

    literal = _docstring(top)
    if literal is not None:
        assert literal.end_lineno is not None
        assert literal.end_col_offset is not None
        begin, stop = at(literal.lineno, literal.col_offset), at(literal.end_lineno, literal.end_col_offset)
        quoted = data[begin:stop].decode()
        opening = quoted[: quoted.index('"""') + 3] if '"""' in quoted else ""
        if opening:
            edits.append((begin, stop, f'{opening}{doc(quoted[len(opening) : -3])}"""'.encode()))
    elif isinstance(top, ast.FunctionDef) and (said := doc("")):
        place = at(top.body[0].lineno, 0)
        edits.append((place, place, f'    """{said}"""\n'.encode()))

    shown: list[tuple[int, int, bytes]] = []
    tucked = b""
    first, last = (f"\n        {mark}".encode() for mark in marks or ("", ""))
    for function, dotted in _functions(top, symbol):
        if function.name == "__init__" or function is top:
            edits += [
                (at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset), _spelled(value).encode())
                for node, value in _changed(function, defaults or {})
            ]
        if isinstance(top, ast.ClassDef) and _stays(function, top):
            continue
        begin, stop, new = _body_edit(data, at, function, body, dotted)
        if isinstance(top, ast.ClassDef) and _hidden(function, top):
            start = at(min([function.lineno, *(each.lineno for each in function.decorator_list)]), 0)
            tucked += b"\n\n" + data[start:begin] + new.replace(first, b"").replace(last, b"")
            edits.append((start, stop, b""))
        else:
            shown.append((begin, stop, new))
    if marks and tucked and shown:
        begin, stop, new = shown.pop()
        shown.append((begin, stop, new.removesuffix(last) + tucked + last))
    edits += shown
    for begin, stop, new in sorted(edits, reverse=True):
        data = data[:begin] + new + data[stop:]
    return _blank_lines(data.decode())


def _spelled(value: Any) -> str:
    text = repr(value)
    return f'"{value}"' if isinstance(value, str) and text == f"'{value}'" and '"' not in value else text


def _line(data: bytes, number: int | None) -> bytes:
    return data.splitlines(keepends=True)[(number or 1) - 1]


def _docstring(node: Any) -> ast.Constant | None:
    first = node.body[0]
    literal = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return first.value if literal and isinstance(first.value.value, str) else None


def _functions(top: ast.stmt, symbol: str) -> Iterator[tuple[Function, str]]:
    if isinstance(top, ast.ClassDef):
        for each in top.body:
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield each, f"{symbol}.{each.name}"
    elif isinstance(top, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield top, symbol


def _stays(function: Function, top: ast.ClassDef) -> bool:
    """Whether a method is given: the set-up of a class whose exercise is what it computes."""
    names = {each.name for each in top.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return function.name == "__init__" and bool(top.bases or names & {"forward", "__call__"}) and len(names) > 1


def _hidden(function: Function, top: ast.ClassDef) -> bool:
    """Whether a method is part of how it is done, and no part of what is asked."""
    own = function.name.startswith("_") and not function.name.endswith("__")
    given = [each for each in top.body if isinstance(each, ast.FunctionDef) and _stays(each, top)]
    called = {node.attr for each in given for node in ast.walk(each) if isinstance(node, ast.Attribute)}
    return own and function.name not in called


def _changed(function: Function, defaults: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True)]
    pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
    for argument, default in pairs:
        if argument.arg in defaults:
            yield default, defaults[argument.arg]


def _body_edit(
    data: bytes, at: Callable[[int, int], int], function: Function, body: Body, dotted: str
) -> tuple[int, int, bytes]:
    """From below the docstring, or else the signature, to the end of the function."""
    literal = _docstring(function)
    rest = function.body[1:] if literal else function.body
    end = at(function.end_lineno or 0, 0) + len(_line(data, function.end_lineno).rstrip())  # a comment goes with it
    inner = " " * (function.col_offset + 4)
    if literal:
        begin = at(literal.end_lineno or 0, literal.end_col_offset or 0)
    elif rest[0].lineno == function.lineno:  # def f(x): return x
        begin = at(rest[0].lineno, rest[0].col_offset)
        begin -= len(data[:begin]) - len(data[:begin].rstrip())
    else:
        line = min([rest[0].lineno, *(each.lineno for each in getattr(rest[0], "decorator_list", []))])
        while _line(data, line - 1).strip().startswith(b"#") or not _line(data, line - 1).strip():
            line -= 1
        begin = at(line, 0) - 1  # the newline before
    old = textwrap.dedent(data[begin:end].decode()) if rest else ""
    new = body(function, old.strip("\n"), dotted)
    return begin, end, ("\n" + textwrap.indent(new, inner)).encode()


def _blank_lines(text: str) -> str:
    """No more than two blank lines, and one inside of a class, where methods were taken out."""
    lines: list[str] = []
    for line in text.rstrip().splitlines():
        if line.strip() or (lines and lines[-1].strip()):
            lines.append(line.rstrip())
    return "\n".join(lines) + "\n"
