"""Notebooks as files: cells in, the text of an .ipynb out; with what nbgrader reads in a cell's metadata."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinylm.course.tidy import KERNEL

__all__ = ["Cell", "answer", "code", "given", "notebook", "prose", "test"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what it is called, its source, and what it says to a program."""

    name: str
    source: str
    kind: str = "code"
    metadata: Mapping[str, Any] = field(default_factory=dict)


def prose(name: str, source: str) -> Cell:
    """A cell of Markdown."""
    return Cell(name, source, "markdown")


def code(name: str, source: str) -> Cell:
    """A cell of Python."""
    return Cell(name, source)


def given(cell: Cell) -> Cell:
    """The same cell, which a student cannot change."""
    return _for_nbgrader(cell, grade=False, solution=False, locked=True)


def answer(name: str, source: str) -> Cell:
    """A cell that a student fills in; what stands between the marks of a solution is taken out for them."""
    return _for_nbgrader(code(name, source), grade=False, solution=True, locked=False)


def test(name: str, source: str, points: float) -> Cell:
    """A cell that gives points; what stands between the marks of hidden tests is taken out for students."""
    return _for_nbgrader(code(name, source), grade=True, solution=False, locked=True, points=points)


def _for_nbgrader(cell: Cell, **says: Any) -> Cell:
    # nbgrader's schema 3: nbgrader/nbgraderformat/v3.py
    says = {"grade_id": cell.name, "schema_version": 3, "task": False, "cell_type": cell.kind, **says}
    locked = {"deletable": False, "editable": False} if says["locked"] else {"deletable": False}
    return Cell(cell.name, cell.source, cell.kind, {**locked, "nbgrader": says})


def notebook(cells: Iterable[Cell]) -> str:
    """The file of a notebook, without outputs."""
    made = []
    for cell in cells:
        each: dict[str, Any] = {
            "cell_type": cell.kind,
            "id": cell.name.replace("_", "-")[:64],
            "metadata": dict(cell.metadata),
            "source": cell.source.rstrip().splitlines(keepends=True),
        }
        made.append(each | {"execution_count": None, "outputs": []} if cell.kind == "code" else each)
    book = {"cells": made, "metadata": {"kernelspec": KERNEL}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
