"""What a student hands in, as Python that can be graded: its names at top level, found without running anything."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

__all__ = ["MAX_BYTES", "HandedIn", "UnreadableError", "handed_in"]

MAX_BYTES = 1 << 20  # of Python; a person does not type more
MAX_NOTEBOOK = 1 << 25  # a notebook carries its pictures
DEFINED = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)|^(\w+)[ \t]*=(?!=)", re.MULTILINE)
TIMING = ("%%time", "%%timeit", "%%capture", "%%prun", "%%python3", "%%python")  # what follows them is Python still
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
MAGIC = re.compile(r"[ \t]*(?:[\w, ]+=[ \t]*)?[%!?].*|[^#]*\?[ \t]*")  # a line that only IPython understands
LINE_ENDS = re.compile(r"\r\n|\r|\n")  # those of Python: str.splitlines knows more
NOT_PARSED = (SyntaxError, ValueError, RecursionError, MemoryError)  # zero bytes; nested too deep


class UnreadableError(ValueError):
    """Something that is no Python file and no notebook; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class HandedIn:
    """Python source, and what it defines at top level.

    source   the bytes to be run
    names    functions, classes and aliases of such, in the order of the file
    broken   name → why it cannot be run
    """

    source: bytes
    names: tuple[str, ...]
    broken: dict[str, str] = field(default_factory=dict)

    def written(self, name: str) -> bool:
        """Whether there is more than a stub: a definition that can be read and raises no NotImplementedError."""
        if name in self.broken or name not in self.names:
            return False
        body = ast.parse(self.source).body
        found = [node for node in body if isinstance(node, DEFINITIONS) and node.name == name]
        names = {each.id for node in found[-1:] for each in ast.walk(node) if isinstance(each, ast.Name)}
        return "NotImplementedError" not in names


def handed_in(data: bytes, wanted: Collection[str], *, notebook: bool = False) -> HandedIn:
    """Read a Python file, or the code cells of a notebook, as far as the wanted names need them.

    Raises UnreadableError for what is too large, UTF-16 or no notebook; a syntax error is told of in `broken`.
    """
    most = MAX_NOTEBOOK if notebook else MAX_BYTES
    if len(data) > most:
        raise UnreadableError(f"it has {len(data) / 1e6:,.0f} MB; expected {most / 1e6:,.0f} MB at most")
    if notebook:
        return _sliced(list(_cells(data)), wanted)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("it is UTF-16, as PowerShell's > writes; Python reads UTF-8: save the file as that")
    try:
        data.decode(tokenize.detect_encoding(io.BytesIO(data).readline)[0])  # as Python reads a file: comments too
        tree = ast.parse(data)
    except NOT_PARSED as error:
        reason = _reason(error)
        text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
        return HandedIn(data, *_broken_names(text, reason))
    return HandedIn(data, tuple(dict.fromkeys(_defined(tree.body))))


def _reason(error: BaseException) -> str:
    """Why source does not parse, in a sentence without a file name."""
    said = str(error)
    if isinstance(error, UnicodeDecodeError) or "'utf-8' codec" in said or "encoding" in said:
        return "it is not UTF-8, which Python expects; save the file as UTF-8"
    if isinstance(error, SyntaxError):
        message = error.msg
        if "null bytes" in message:
            return "it holds bytes that are no text; save the file as plain UTF-8"
        if error.lineno is None:
            return f"it is no Python: {message}"
        line = (error.text or "").strip()
        return f"it is no Python: {message}, in line {error.lineno}{f': {line[:120]}' if line else ''}"
    if "null bytes" in str(error):
        return "it holds bytes that are no text; save the file as plain UTF-8"
    return "it is no Python that can be read: it is nested too deep"


def _broken_names(text: str, reason: str) -> tuple[tuple[str, ...], dict[str, str]]:
    names = tuple(dict.fromkeys(a or b for a, b in DEFINED.findall(text)))
    return names, dict.fromkeys(names, reason)


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    """Names that are bound to functions, classes or other names of such; a number or an array is no answer."""
    for node in body:
        if isinstance(node, DEFINITIONS):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and _callable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            for part in ("body", "orelse", "finalbody"):
                yield from _defined(getattr(node, part, []))


def _callable(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        made = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        return made in ("partial", "jit", "njit", "vectorize", "cache", "lru_cache", "staticmethod")
    return isinstance(value, (ast.Lambda, ast.Name, ast.Attribute))


def _cells(data: bytes) -> Iterator[str]:
    """The code cells of a notebook, nbformat 3 or 4."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
        cells = document["cells"] if "cells" in document else document["worksheets"][0]["cells"]
        code = [each for each in cells if each["cell_type"] == "code"]
        sources = [each["source"] if "source" in each else each["input"] for each in code]
        texts = ["".join(source) for source in sources]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise UnreadableError("it is no notebook: expected nbformat 4 with a list of cells; save it again") from error
    yield from texts


def _parsed(cell: str) -> tuple[ast.Module, list[str]]:
    """A cell and its lines, without what only IPython understands: a line that Python refuses and that looks like it.

    Raises one of NOT_PARSED where it is no Python nevertheless; lines keep their numbers.
    """
    if cell.lstrip().startswith("%%") and not cell.lstrip().startswith(TIMING):
        cell = ""
    lines = LINE_ENDS.split(cell)
    while True:  # each round takes a line out, or ends
        try:
            return ast.parse("\n".join(lines)), lines
        except SyntaxError as error:
            at = (error.lineno or 0) - 1
            line = lines[at] if 0 <= at < len(lines) else ""
            if not MAGIC.fullmatch(line):
                raise
            lines[at] = f"{line[: len(line) - len(line.lstrip())]}pass  # {line.strip().rstrip('?')}"


@dataclass(slots=True)
class _Statement:
    lines: list[str]
    binds: set[str]
    uses: set[str]
    asks: set[str]  # names of which it only calls something, as in table.append(0)
    kept: bool = False


def _sliced(cells: list[str], wanted: Collection[str]) -> HandedIn:
    """The statements that define the wanted names, and those that these need: no training, no pictures, no checks."""
    statements: list[_Statement] = []
    names: list[str] = []
    broken: dict[str, str] = {}
    modules: set[str] = set()  # a call of something in one changes nothing that is needed
    for cell in cells:
        try:
            tree, lines = _parsed(cell)
        except NOT_PARSED as error:
            found, why = _broken_names(cell, _reason(error).replace("it is no Python", "its cell is no Python"))
            names += found
            broken |= why
            continue
        names += _defined(tree.body)
        last = 0
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                modules |= _binds(node)
            begin = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            part = lines[max(begin - 1, last) : node.end_lineno]
            last = node.end_lineno or last
            if part:
                statements.append(_Statement(part, _binds(node) | _asked(node), _uses(node), _asked(node)))
            elif statements:  # a; b on one line
                statements[-1].binds |= _binds(node) | _asked(node)
                statements[-1].asks |= _asked(node)
                statements[-1].uses |= _uses(node)
    for each in statements:
        each.binds -= each.asks & modules
    open_names = {name for name in names if name in wanted}
    needed: set[str] = set()
    while open_names:
        needed |= open_names
        new: set[str] = set()
        for each in statements:
            if not each.kept and each.binds & (open_names | {"*"}):
                each.kept = True
                new |= each.uses | each.binds
        open_names = new - needed - {"*"}
    kept = [each for each in statements if each.kept]
    kept.sort(key=lambda each: not each.lines[0].startswith("from __future__"))
    source = "".join("\n".join(each.lines) + "\n\n\n" for each in kept)
    return HandedIn(source.encode("utf-8", "replace"), tuple(dict.fromkeys(names)), broken)


def _binds(node: ast.stmt) -> set[str]:
    """The names that a statement gives a value, or changes by index or attribute."""
    if isinstance(node, DEFINITIONS):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        return {"*"} if future else {(each.asname or each.name).split(".")[0] for each in node.names}
    found = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            found.add(each.id)
        elif isinstance(each, (ast.FunctionDef, ast.ClassDef)):
            found.add(each.name)
        elif isinstance(each, (ast.Attribute, ast.Subscript)) and isinstance(each.ctx, ast.Store):
            base: ast.expr = each
            while isinstance(base, (ast.Attribute, ast.Subscript)):
                base = base.value
            found |= {base.id} if isinstance(base, ast.Name) else set()
    return found


def _asked(node: ast.stmt) -> set[str]:
    """Of a statement like `table.append(0)`, which may change it: the name."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return set()
    base = node.value.func
    if not isinstance(base, ast.Attribute):
        return set()
    while isinstance(base, (ast.Attribute, ast.Subscript)):
        base = base.value
    return {base.id} if isinstance(base, ast.Name) else set()


def _uses(node: ast.stmt) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
