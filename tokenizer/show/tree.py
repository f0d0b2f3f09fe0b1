"""The merges of a word as a tree of nested boxes, an HTML table: bytes above, tokens below."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from tokenizer.show.characters import label
from tokenizer.show.style import GROUNDS

if TYPE_CHECKING:
    from tokenizer.encode import EncodeStep
    from tokenizer.explain import Piece


@dataclass(slots=True)
class Cell:
    """A token on the way, in the table: columns [begin, end), rows [top, bottom)."""

    begin: int
    end: int
    top: int
    bottom: int
    rank: int | None = None
    place: int | None = None  # which token of the finished word it is


def cells(length: int, steps: Iterable[EncodeStep], lengths: Iterable[int] | None = None) -> list[Cell]:
    """The boxes of a word of so many bytes; together they fill the table, each once.

    A token stands just under the lower of its two parts, the finished ones reach down to the last row.
    lengths: the bytes of each symbol that merging begins with; default: one.
    """
    ends = list(accumulate([1] * length if lengths is None else lengths))
    word = [Cell(begin, end, 0, 1) for begin, end in pairwise([0, *ends])]
    every = list(word)
    for step in steps:
        left, right = word[step.position : step.position + 2]
        top = 1 + max(left.top, right.top)
        left.bottom = right.bottom = top
        made = Cell(left.begin, right.end, top, top + 1, step.rank)
        word[step.position : step.position + 2] = [made]
        every.append(made)
    last = 1 + max(cell.top for cell in word)
    for place, cell in enumerate(word):
        cell.bottom, cell.place = last, place
    return every


def tree(piece: Piece, steps: Iterable[EncodeStep]) -> str:
    """The tree of one pre-token: in every box the bytes so far and the rank of the merge that joined them."""
    data = piece.text.encode()
    lengths = [len(symbol) for symbol in piece.start]
    rows: dict[int, list[Cell]] = {}
    for cell in sorted(cells(len(data), steps, lengths), key=lambda cell: (cell.top, cell.begin)):
        rows.setdefault(cell.top, []).append(cell)
    body = "".join(f"<tr>{''.join(_cell(cell, piece, data) for cell in row)}</tr>" for row in rows.values())
    what = "bytes" if piece.symbols is None else "characters"
    return f'<table class="tree" translate="no"><caption>From {what} to tokens, downwards</caption>{body}</table>'


def _cell(cell: Cell, piece: Piece, data: bytes) -> str:
    ground = "" if cell.place is None else f' class="t{cell.place % GROUNDS}"'
    below = "" if cell.rank is None else f"<span>merge {cell.rank}</span>"
    if cell.place is not None:
        below += f"<span>id {piece.ids[cell.place]}</span>"
    spans = f'colspan="{cell.end - cell.begin}" rowspan="{cell.bottom - cell.top}"'
    return f"<td {spans}{ground}>{escape(label(data[cell.begin : cell.end]))}{below}</td>"
