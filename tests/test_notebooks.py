"""What every notebook must be, read from its file; `pytest --nbmake notebooks` runs them (extra: notebooks)."""

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinylm.course import check, exercises
from tinylm.course.spelling import value_of
from tinylm.course.tidy import tidied

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELLS, LINES = 40, 15
MACHINE = re.compile(r"(?<![\w.:])/(?:home|root|tmp|usr|opt|mnt|var|Users)/|\b[A-Z]:\\\\?\w|https?://")


def problems(text: str) -> Iterator[str]:
    """What is wrong with a notebook, given as its file's text."""
    book = json.loads(text)
    cells = book["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    if text != tidied(text):
        yield "it is not tidy; type: python -m tinylm.course.tidy notebooks/*.ipynb"
    if (book["nbformat"], book["nbformat_minor"]) != (4, 5):
        yield "it is not of nbformat 4.5"
    if book["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield "its kernel is not python3"
    if len(cells) >= CELLS:
        yield f"it has {len(cells)} cells; leave it under {CELLS}"
    if len({cell.get("id") for cell in cells}) != len(cells) or not all(cell.get("id") for cell in cells):
        yield "a cell has no id of its own"
    if not cells or cells[0]["cell_type"] != "markdown" or not sources[0].startswith("# "):
        yield "it does not open with a title"
    elif "After this notebook you can" not in sources[0]:
        yield 'its first cell does not say "After this notebook you can"'
    elif not re.search(r"\b(minutes|half an hour)\b", sources[0]):
        yield "its first cell does not say how long it takes"
    for number, (cell, source) in enumerate(zip(cells, sources, strict=True)):
        where = f"cell {number} ({cell.get('id')})"
        if not source.strip():
            yield f"{where} is empty"
        if cell["cell_type"] == "markdown":
            if "![](" in source or re.search(r"<img(?![^>]*\balt=.\w)", source):
                yield f"{where} has a picture without a text"
            continue
        if cell["outputs"] or cell["execution_count"] is not None:
            yield f"{where} holds outputs"
        if source.count("\n") >= LINES:
            yield f"{where} has more than {LINES} lines; put it into the package"
        if MACHINE.search(source):
            yield f"{where} names a place on a machine or in the network"
    yield from code_problems(parsed(cells))


def parsed(cells: list[dict]) -> list[ast.Module]:
    """The code cells; raises SyntaxError for a magic, too: what a notebook does must be plain Python."""
    return [ast.parse("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [node for node in found if isinstance(node.func, ast.Name) and node.func.id == name]


def imported(trees: list[ast.Module]) -> set[str]:
    """The names that the imports of a notebook bind."""
    found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {alias.asname or alias.name.split(".")[0] for node in found for alias in node.names}


def is_dots(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def code_problems(trees: list[ast.Module]) -> Iterator[str]:
    """What is wrong with predictions, exercises and imports."""
    asked: set[str] = set()
    predictions = 0
    for tree in trees:
        for call in calls(tree, "reveal"):
            predictions += 1
            guess = call.args[0]
            if not isinstance(guess, ast.Name) or guess.id not in asked:
                yield f"line {call.lineno} reveals {ast.unparse(guess)}, which no cell before asks for as name = ..."
        for node in tree.body:
            if isinstance(node, ast.Assign) and is_dots(node.value):
                asked |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("tinylm", "tokenizer"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        yield f"{node.module} has no {alias.name}"
    if predictions < 2:
        yield f"it asks for {predictions} predictions; ask for two at least"
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in sorted(imported(trees) - used):
        yield f"{name} is imported and not used"
    checks = [call for tree in trees for call in calls(tree, "check")]
    if len(checks) < 2:
        yield f"it has {len(checks)} exercises; it needs two at least"
    if not trees or not calls(trees[-1], "check"):
        yield "it does not end with an exercise"
    stubs = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    for call in checks:
        yield from stub_problems(call, stubs)


def stub_problems(call: ast.Call, stubs: dict[str, ast.FunctionDef]) -> Iterator[str]:
    """What is wrong with an exercise: its name, or the function that the reader finds."""
    name = ast.literal_eval(call.args[0])
    if name not in exercises():
        yield f"there is no exercise {name!r}"
        return
    answer = ast.unparse(call.args[1])
    if answer not in stubs:
        yield f"the exercise {name!r} has no function {answer} to be written"
        return
    names: dict = {}
    for arguments in ast.walk(stubs[answer]):
        if isinstance(arguments, ast.arg):
            arguments.annotation = None
    exec(compile(ast.Module([stubs[answer]], []), name, "exec"), names)
    for case in exercises()[name].cases:
        try:
            inspect.signature(names[answer]).bind(*map(value_of, case.args), **case.settings)
        except TypeError as error:
            yield f"{answer} cannot be called as the exercise {name!r} calls it: {error}"
            return
    result = check(name, names[answer])
    if result.written:
        yield f"the exercise {name!r} is written already: {result}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_notebook_is_as_it_must_be(file):
    found = list(problems(file.read_text("utf-8")))
    assert not found, "\n".join(found)


def test_notebooks_are_numbered_without_a_gap():
    assert [int(file.stem.split("_")[0]) for file in FILES] == list(range(1, len(FILES) + 1))


TITLE = "# T\n\nAfter this notebook you can read. It takes half an hour."
STUB = "def merge_pair(word, pair, token):\n    return ...\n\n\ncheck('merge_pair', merge_pair)"
GOOD = [
    TITLE,
    "guess = ...",
    "reveal(guess, 3)\nreveal(guess, 4)",
    "from tokenizer import Tokenizer\n\nTokenizer",
    STUB,
    STUB,
]


def written(sources: list[str], **changes: object) -> str:
    """The file of a notebook with these cells: what begins with # or ! is markdown."""
    cells: list[dict] = []
    for number, source in enumerate(sources):
        cell = {"id": f"c{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
        if source[:1] in "#!":
            cells.append(cell | {"cell_type": "markdown"})
        else:
            cells.append(cell | {"cell_type": "code", "execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5, **changes}
    return json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def test_a_good_notebook_is_let_through():
    assert list(problems(written(GOOD))) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (written(GOOD)[:-1], "it is not tidy"),
        (written(GOOD, nbformat_minor=4), "not of nbformat 4.5"),
        (written(GOOD, metadata={}), "not python3"),
        (written(["# T", *GOOD[1:]]), "After this notebook you can"),
        (written(["# T\n\nAfter this notebook you can read.", *GOOD[1:]]), "how long"),
        (written(GOOD[1:]), "open with a title"),
        (written([*GOOD[:3], *["x = 1"] * 34, *GOOD[3:]]), "leave it under 40"),
        (written([*GOOD[:3], "\n".join(["x = 1"] * 16), *GOOD[3:]]), "more than 15 lines"),
        (written([*GOOD[:3], "open('/home/me/x')", *GOOD[3:]]), "place on a machine"),
        (written([*GOOD[:3], "x = 'https://example.org'", *GOOD[3:]]), "place on a machine"),
        (written([*GOOD[:3], "![](x.png)", *GOOD[3:]]), "without a text"),
        (written([*GOOD[:3], "  ", *GOOD[3:]]), "is empty"),
        (written([GOOD[0], *GOOD[3:]]), "0 predictions"),
        (written([GOOD[0], GOOD[2], *GOOD[3:]]), "no cell before asks for"),
        (written([GOOD[0], f"{GOOD[1]}\n{GOOD[2]}", *GOOD[3:]]), "no cell before asks for"),
        (written([*GOOD[:4], STUB]), "1 exercises"),
        (written([*GOOD, "x = 1"]), "end with an exercise"),
        (written([*GOOD, "from tokenizer import Nothing", STUB]), "has no Nothing"),
        (written([*GOOD, "from tokenizer import merges as m", STUB]), "m is imported and not used"),
        (written([*GOOD, "check('nothing', merge_pair)"]), "no exercise 'nothing'"),
        (written([*GOOD, "check('decode', decode)"]), "no function decode"),
        (written([*GOOD, "def decode(ids):\n    return ...\n\n\ncheck('decode', decode)"]), "cannot be called"),
        (written([*GOOD, "def decode(ids, vocab):\n    return ''\n\n\ncheck('decode', decode)"]), "written already"),
        (written(GOOD).replace('"outputs": []', '"outputs": [1]', 1), "holds outputs"),
        (written(GOOD).replace('"execution_count": null', '"execution_count": 3', 1), "holds outputs"),
        (written(GOOD).replace('"id": "c1"', '"id": "c2"'), "no id of its own"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(text, what):
    assert any(what in problem for problem in problems(text)), list(problems(text))
