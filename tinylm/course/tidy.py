"""Notebooks as they are kept: no outputs, no counts, one order of keys, so that a diff shows what was written.

python -m tinylm.course.tidy notebooks/*.ipynb     # after editing in Jupyter; prints what it changed
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizer.formats import write_atomically

__all__ = ["main", "tidied"]

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def tidied(text: str) -> str:
    """The file of a notebook, given as text, in the form in which it is kept; sources stay, but for space at the end.

    Raises ValueError for what is no notebook of nbformat 4.

    >>> tidied('{"cells": [], "nbformat": 3}')
    Traceback (most recent call last):
    ...
    ValueError: expected a notebook of nbformat 4
    """
    book = json.loads(text)
    if not isinstance(book, dict) or book.get("nbformat") != 4 or not isinstance(book.get("cells"), list):
        raise ValueError("expected a notebook of nbformat 4")
    taken: set[str] = set()
    cells = [_cell(cell, number, taken) for number, cell in enumerate(book["cells"])]
    metadata = {"kernelspec": KERNEL}
    kept = {"cells": [cell for cell in cells if cell["source"]], "metadata": metadata}
    # as Jupyter's own nbformat writes it
    return json.dumps(kept | {"nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cell(cell: dict[str, Any], number: int, taken: set[str]) -> dict[str, Any]:
    source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    name = str(cell.get("id") or f"cell-{number}")
    while name in taken:
        name += "-again"
    taken.add(name)
    tidy = {
        "cell_type": cell["cell_type"],
        "id": name,
        "metadata": {},
        "source": source.rstrip().splitlines(keepends=True),
    }
    return tidy | {"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else tidy


def main(names: Sequence[str]) -> int:
    """Tidy these files; 0 where all are notebooks."""
    failed = 0
    for name in names:
        try:
            before = Path(name).read_text("utf-8")
            after = tidied(before)
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
            continue
        if after != before:
            write_atomically(name, after.encode())
            print(f"{name}: tidied")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
