"""The names that a source reads, and the imports that bind them in the module it was cut from."""

import ast
import builtins
import doctest
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

from tinylm.course.problem import plain

__all__ = ["Import", "doc_names", "home", "import_lines", "import_of", "imports_in", "needed"]

WIDTH = 120  # columns of a line


@dataclass(frozen=True, order=True, slots=True)
class Import:
    """`from module import name as asname`; with no name, `import module as asname`."""

    module: str
    name: str = ""
    asname: str = ""

    @property
    def binds(self) -> str:
        return self.asname or self.name or self.module.split(".")[0]


def home(live: Any) -> ModuleType:
    """The module in which a live object stands."""
    module = inspect.getmodule(plain(live))
    if module is None:
        raise ValueError(f"{live!r} has no module, and so no source")
    return module


def needed(text: str, extra: Iterable[str] = ()) -> list[str]:
    """The names that a source reads and does not make, in order of the alphabet, built-in ones left out."""
    read: set[str] = set(extra)
    bound: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
                read |= {each.id for each in ast.walk(ast.parse(annotation.value)) if isinstance(each, ast.Name)}
    return sorted(read - bound - set(dir(builtins)))


def doc_names(text: str, symbol: str) -> list[str]:
    """The names that the examples in the docstrings of a source need besides what it defines."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            examples = doctest.DocTestParser().get_examples(ast.get_docstring(node) or "")
            found |= set(needed("".join(each.source for each in examples)))
    return sorted(found - {symbol})


@lru_cache
def _statements(module: ModuleType) -> dict[str, Import]:
    """What the module's own imports bind."""
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom):
            package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
            whom = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                each = Import(whom, alias.name, alias.asname or "")
                found[each.binds] = each
        elif isinstance(node, ast.Import):
            for alias in node.names:
                each = Import(alias.name, "", alias.asname or "")
                found[each.binds] = each
    return found


def imports_in(lines: Iterable[str]) -> list[Import]:
    """The imports that these lines make; raises ValueError for another statement."""
    found = []
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, ast.ImportFrom) and not node.level:
            found += [Import(node.module or "", each.name, each.asname or "") for each in node.names]
        elif isinstance(node, ast.Import):
            found += [Import(each.name, "", each.asname or "") for each in node.names]
        else:
            raise ValueError(f"expected an import, got {ast.unparse(node)!r}")
    return found


def import_of(name: str, modules: Iterable[ModuleType]) -> Import | None:
    """How a name of one of these modules is imported: as the module itself does, or else from it."""
    for module in modules:
        if name in _statements(module):
            return _statements(module)[name]
        if name in vars(module):
            return Import(module.__name__, name)
    return None


def import_lines(imports: Iterable[Import], used: Iterable[str]) -> list[str]:
    """Import statements in the usual order; what the code does not use (yet) says so to a linter."""
    used = set(used)
    grouped: dict[tuple[bool, bool, str], list[Import]] = {}
    for each in sorted(set(imports)):
        alone = not each.name
        third = each.module.split(".")[0] not in sys.stdlib_module_names
        grouped.setdefault((third, not alone, each.module), []).append(each)
    lines: list[str] = []
    previous = None
    for (third, _, module), members in sorted(grouped.items()):
        if previous is not None and previous != third:
            lines.append("")
        previous = third
        plain = [each for each in members if each.name and not each.asname]
        if plain:
            names = sorted((each.name for each in plain), key=_natural)
            quiet = _quiet(plain, used)
            line = f"from {module} import {', '.join(names)}"
            if len(line) > WIDTH:
                lines += [f"from {module} import ({quiet}", *(f"    {name}," for name in names), ")"]
            else:
                lines.append(f"{line}{quiet}")
        for each in members:
            if each not in plain:
                from_where = f"from {module} import {each.name}" if each.name else f"import {module}"
                lines.append(f"{from_where}{f' as {each.asname}' if each.asname else ''}{_quiet([each], used)}")
    return lines


def _quiet(members: Iterable[Import], used: set[str]) -> str:
    return "" if all(each.binds in used for each in members) else "  # noqa: F401"


def _natural(name: str) -> tuple[int, str]:
    """The order of a linter: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)
