"""What an op's docstring says, as data: its sentence, its equations, the names and letters of its shapes."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["Description", "derivative", "describe", "letters_for", "place_in_source"]

ENTRY = re.compile(r"(\w+): \(([^()]*)\)")
HOME = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Description:
    """A docstring taken apart; what is not there is "".

    sentence    what the op does
    equation    the indented lines: what it computes
    shapes      name of an array -> its letters, "(B, T, C)", the result's name last
    result      the name behind the arrow
    """

    sentence: str
    equation: str
    shapes: dict[str, str]
    result: str


def describe(docstring: str | None) -> Description:
    """Take an op's docstring apart, as in DESIGN's form: sentence, equations, one paragraph of shapes with an arrow.

    >>> from tinylm.ops import op_named
    >>> seen = describe(op_named("layer_norm").__doc__)
    >>> seen.sentence, seen.shapes["gain"], seen.result
    ('Normalise each row of features, then scale and shift it.', '(C,)', 'y')
    """
    text = inspect.cleandoc(docstring or "")
    paragraphs = re.split(r"\n\s*\n", text)
    sentence = " ".join(paragraphs[0].split())
    equation, result = "", ""
    shapes: dict[str, str] = {}
    for paragraph in paragraphs[1:]:
        if paragraph.startswith("    ") and not equation:
            equation = inspect.cleandoc(paragraph)
        elif not shapes and "→" in paragraph and ENTRY.search(paragraph):
            before, _, after = paragraph.partition("→")
            shapes = {name: f"({sizes})" for name, sizes in ENTRY.findall(before)}
            for name, sizes in ENTRY.findall(after)[:1]:
                result, shapes[name] = name, f"({sizes})"
    if not result:
        name = re.search(r"→\s+(\w+):", text)
        result = name[1] if name else ""
    return Description(sentence, equation, shapes, result)


def letters_for(letters: str, ndim: int) -> str:
    """The letters with names for leading axes: a batch B before a time T, B and T before others, else rows N.

    >>> letters_for("(..., C)", 3), letters_for("(..., H, T, D)", 4), letters_for("(..., C)", 2)
    ('(B, T, C)', '(B, H, T, D)', '(N, C)')
    """
    sizes = [size for size in letters.strip("()").replace(" ", "").split(",") if size]
    if sizes[:1] != ["..."] or "..." in sizes[1:]:
        return letters if len(sizes) == ndim and "..." not in sizes else ""
    named = sizes[1:]
    leading = ndim - len(named)
    if not named or leading < 0:
        return ""
    timed = "T" in named or "S" in named
    first = {0: [], 1: ["B"] if timed else ["N"], 2: [] if timed else ["B", "T"]}.get(leading)
    if first is None or (leading and not first):
        return ""
    return f"({', '.join([*first, *named])}{',' * (ndim == 1)})"


def derivative(function: Callable[..., Any] | None) -> str:
    """The equations of a backward: the first paragraph of its docstring."""
    text = inspect.cleandoc(getattr(function, "__doc__", None) or "")
    return " ".join(re.split(r"\n\s*\n", text)[0].split())


@lru_cache(maxsize=1024)
def place_in_source(function: Callable[..., Any] | None) -> str:
    """Where a function stands, "tinylm/ops/matmul.py:12"; "" for one that was typed in or built in."""
    code = getattr(inspect.unwrap(function), "__code__", None) if function is not None else None
    if code is None or not Path(code.co_filename).is_file():
        return ""
    file = Path(code.co_filename).resolve()
    name = file.relative_to(HOME).as_posix() if file.is_relative_to(HOME) else file.name
    return f"{name}:{code.co_firstlineno}"
