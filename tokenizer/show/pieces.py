"""One token as a box of HTML: its text as it can be copied, and its id, bytes and blanks as they can be seen."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from tokenizer.show.characters import DOTTED_CIRCLE, combines, label, visible
from tokenizer.show.style import GROUNDS

if TYPE_CHECKING:
    from tokenizer.explain import Piece

Part = str | bytes | tuple[str]


@dataclass(frozen=True, slots=True)
class Spelled:
    """A token of a text: its number and its pre-token's, and its characters.

    parts: a str for characters that are whole in it; bytes for those of a character that other tokens share,
    followed, in the token with its last byte, by (character,).
    """

    number: int
    word: int
    id: int
    data: bytes
    is_special: bool
    parts: tuple[Part, ...]


def spell(pieces: Iterable[Piece]) -> Iterator[Spelled]:
    """The tokens of the pieces one by one, with their characters.

    >>> from tokenizer.explain import Piece
    >>> [token.parts for token in spell([Piece("né", (0, 1), (b"n\\xc3", b"\\xa9"))])]
    [('n', b'\\xc3'), (b'\\xa9', ('é',))]
    """
    number = 0
    for word, piece in enumerate(pieces):
        parts = _parts(piece.text, [len(data) for data in piece.tokens])
        for i, data, mine in zip(piece.ids, piece.tokens, parts, strict=True):
            yield Spelled(number, word, i, data, piece.is_special, tuple(mine))
            number += 1


def _parts(text: str, lengths: Sequence[int]) -> list[list[Part]]:
    """The characters of a text, dealt out to tokens of so many bytes."""
    dealt: list[list[Part]] = [[] for _ in lengths]
    token, room = 0, lengths[0]
    for character in text:
        data = rest = character.encode()
        while rest:
            if not room:
                token += 1
                room = lengths[token]
            taken, rest = rest[:room], rest[room:]
            room -= len(taken)
            mine = dealt[token]
            if taken != data:
                mine.append(taken)
            elif mine and isinstance(mine[-1], str):
                mine[-1] += character
            else:
                mine.append(character)
        if taken != data:
            dealt[token].append((character,))
    return dealt


def box(token: Spelled, *, with_id: bool = True) -> str:
    """A token as boxes, one for each line that it is on, the id under the first; its line ends stand between.

    Hovering shows id, bytes and token; a title is also what a screen reader says.
    """
    ground = "special" if token.is_special else f"t{token.number % GROUNDS}"
    kind = "special token, " if token.is_special else ""
    title = escape(f"{kind}id {token.id}, {label(token.data)}, bytes {token.data.hex(' ')}")
    opening = f'<span class="t {ground}" title="{title}"'
    first = f' data-id="{token.id}"' if with_id else ""
    lines: list[list[str]] = [[]]
    for markup, is_line_end in _marked(token):
        lines[-1].append(markup)
        if is_line_end:
            lines.append([])
    ended = len(lines) > 1 and not lines[-1]
    boxes = (
        f"{opening}{first if n == 0 else ''}>{''.join(line)}</span>"
        for n, line in enumerate(lines[:-1] if ended else lines)
    )
    return "\n".join(boxes) + "\n" * ended


def _marked(token: Spelled) -> Iterator[tuple[str, bool]]:
    """The markup of each character, and whether a line ends after it."""
    for n, part in enumerate(token.parts):
        if isinstance(part, bytes):
            yield _mark(part.hex(" ")), False
        elif isinstance(part, tuple):
            stand = _mark(DOTTED_CIRCLE) if combines(part[0]) else ""
            yield f"<bdi>{stand}{_character(part[0])}</bdi>", False
        else:
            if n == 0 and combines(part[0]):
                yield _mark(DOTTED_CIRCLE), False
            for character in part:
                yield _character(character), character == "\n"


def _character(character: str) -> str:
    """One character: itself, drawn if it is a blank, escaped if it would not show."""
    if character == " ":
        return '<span class="s"> </span>'
    if character == "\n":
        return _mark("\\n")  # the line end itself stands after the box
    if character == "\\" or character.isprintable():
        return escape(character)
    spelled = visible(character.encode())
    if unicodedata.category(character) == "Cc" and character not in "\t\r":
        return spelled  # HTML has no way to hold it
    return f'{_mark(spelled)}<bdi class="h">&#{ord(character)};</bdi>'


def _mark(text: str) -> str:
    """Something drawn that is not in the text, and so is not copied with it."""
    return f'<span class="m" data-m="{escape(text)}"></span>'
