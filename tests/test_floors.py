"""Imports go only down: every file's imports, read with `ast`, against the floors of the design."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS = {
    "tinylm.backend": 0,
    "tinylm.ops": 1,
    "tinylm.autograd": 2,
    "tinylm.functional": 3,
    "tinylm.spelled": 3,
    "tinylm.nn": 4,
    "tinylm.cache": 4,
    "tinylm.tales": 4,
    "tinylm.rope": 4,
    "tinylm.templates": 4,
    "tinylm.gpt": 5,
    "tinylm.optim": 5,
    "tinylm.schedule": 5,
    "tinylm.data": 5,
    "tinylm.corpus": 5,
    "tinylm.settings": 5,
    "tinylm.logfile": 6,
    "tinylm.prepare": 6,
    "tinylm.checkpoint": 5,
    "tinylm.storage": 5,
    "tinylm.parallel": 5,
    "tinylm.nonfinite": 5,
    "tinylm.train": 6,
    "tinylm.choose": 5,
    "tinylm.processors": 4,
    "tinylm.stops": 5,
    "tinylm.constrain": 5,
    "tinylm.quantised": 5,
    "tinylm.lora": 6,
    "tinylm.formats": 6,
    "tinylm.sample": 6,
    "tinylm.show": 5,
    "tinylm.tracing": 6,
    "tinylm.runs": 7,
    "tinylm.beam": 7,
    "tinylm.instruct": 6,
    "tinylm.chat": 7,
    "tinylm.bench": 7,
    "tinylm.course": 7,
    "tinylm.explore": 7,
    "tinylm.testing": 7,
    "tinylm.cli": 8,
    "tinylm.__main__": 9,  # python -m tinylm: one line that calls cli.main
    "tinylm": 9,  # the package's own __init__, which offers all names
}
TOKENIZER_FROM = 5

SIDEWAYS_OR_UP = {  # (who, whom): why it may
    ("tinylm.spelled", "tinylm.functional"): "composite ops are spelled in the primitive functions",
    ("tinylm.checkpoint", "tinylm.gpt"): "a checkpoint is of a GPT",
    ("tinylm.checkpoint", "tinylm.storage"): "a checkpoint is made of files",
    ("tinylm.checkpoint", "tinylm.optim"): "a checkpoint holds an optimizer's state",
    ("tinylm.formats", "tinylm.lora"): "a run may hold an adapter alone, and is loaded as its model with it",
    ("tinylm.course", "tinylm.testing"): "the inputs of an exercise are drawn from the strategies",
    ("tinylm.testing", "tinylm.course"): "a counterexample is searched for and spelled as in a course",
    ("tinylm.cli", "tinylm"): "the command says which version it is",
}


def unit(module: str) -> str:
    """The package or single-file module that stands on a floor: "tinylm.ops.matmul" belongs to "tinylm.ops"."""
    parts = module.split(".")
    if parts[0] == "tokenizer":
        return "tokenizer"
    return ".".join(parts[:2])


def imports(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Line and full name of every module of this project that a source imports, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                outer = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*outer, *filter(None, [node.module])])
            # `from tinylm import nn` imports tinylm.nn; `from tinylm import tensor` only the package
            names = [f"{base}.{a.name}" if f"{base}.{a.name}" in FLOORS else base for a in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] in ("tinylm", "tokenizer"))


def complaint(who: str, whom: str) -> str | None:
    """Why unit `who` may not import unit `whom`; None where it may."""
    if who == whom or (who, whom) in SIDEWAYS_OR_UP:
        return None
    if who == "tokenizer":
        return "the tokenizer imports nothing of tinylm"
    if who not in FLOORS or (whom != "tokenizer" and whom not in FLOORS):
        return "it has no floor in this test's table"
    if whom == "tokenizer":
        return (
            None if FLOORS[who] >= TOKENIZER_FROM else f"the tokenizer may be imported from floor {TOKENIZER_FROM} up"
        )
    if FLOORS[whom] >= FLOORS[who]:
        return f"it goes from floor {FLOORS[who]} to floor {FLOORS[whom]}"
    return None


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def problems(file: str, name: str, source: str, *, is_package: bool) -> list[str]:
    package = name if is_package else name.rpartition(".")[0]
    found = []
    for line, imported in imports(source, package):
        reason = complaint(unit(name), unit(imported))
        if reason:
            found.append(f"{file}:{line}: {name} imports {imported}: {reason}")
    return found


FILES = sorted(file for package in ("tinylm", "tokenizer") for file in (ROOT / package).rglob("*.py"))


def test_there_are_files_to_read() -> None:
    assert {"tinylm", "tokenizer"} == {file.relative_to(ROOT).parts[0] for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_only_go_down(file: Path) -> None:
    is_package = file.name == "__init__.py"
    found = problems(str(file.relative_to(ROOT)), module_name(file), file.read_text("utf-8"), is_package=is_package)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "source", "where"),
    [
        ("tinylm.ops.matmul", "import tinylm.autograd", "floor 1 to floor 2"),
        ("tinylm.ops.matmul", "def f():\n    from tinylm import nn", "floor 1 to floor 4"),
        ("tinylm.ops.matmul", "from ..autograd import tensor", "floor 1 to floor 2"),
        ("tinylm.gpt", "from tinylm.optim import AdamW", "floor 5 to floor 5"),
        ("tinylm.backend.device", "if True:\n    import tokenizer.train", "from floor 5 up"),
        ("tinylm.nn.layers", "from tinylm import GPT", "floor 4 to floor 9"),
        ("tokenizer.train", "from tinylm.backend import stream", "nothing of tinylm"),
        ("tinylm.ops.matmul", "import tinylm.attic", "no floor"),
        ("tinylm.attic", "import tinylm.ops", "no floor"),
    ],
)
def test_a_planted_bad_import_is_found(name: str, source: str, where: str) -> None:
    found = problems("planted.py", name, source, is_package=False)
    assert len(found) == 1
    assert where in found[0]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("tinylm.ops.matmul", "from tinylm.ops.op import op"),
        ("tinylm.ops.matmul", "from .op import op\nfrom tinylm.backend import stream\nimport numpy"),
        ("tinylm.checkpoint", "from tinylm.gpt import GPT\nfrom tokenizer import Tokenizer"),
        ("tokenizer.train", "from tokenizer.count import count\nfrom .special import find"),
    ],
)
def test_a_good_import_is_let_through(name: str, source: str) -> None:
    assert problems("planted.py", name, source, is_package=False) == []


def test_every_exception_is_still_needed() -> None:
    used = {
        (unit(module_name(file)), unit(imported))
        for file in FILES
        for _, imported in imports(file.read_text("utf-8"), module_name(file))
    }
    assert set(SIDEWAYS_OR_UP) <= used


def test_only_the_backend_imports_cupy() -> None:
    importers = {
        module_name(file)
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.split(".")[0] in ("cupy", "cupyx")
    }
    assert {unit(name) for name in importers} == {"tinylm.backend"}
