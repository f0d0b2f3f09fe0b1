"""Text that knows which of its characters come out of a message; knows nothing of templates.

A chat template says `<|im_end|>` and means the end of a turn; a person who types the same means eight characters. Which
is which must outlive all that a template does with text, so every operation that cuts or joins text is here.
"""

from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex

from tinylm.templates.limits import Budget

__all__ = ["Typed", "join", "like", "pieces", "replaced", "runs", "stripped", "typed"]


class Typed(str):
    """A str with one byte for each character: 1 where it comes out of a message, 0 where the template says it.

    >>> text = join(["<b>", Typed.all("hi"), "!"])
    >>> text, text.mask, runs([text])
    ('<b>hi!', b'\\x00\\x00\\x00\\x01\\x01\\x00', [('<b>', False), ('hi', True), ('!', False)])
    """

    __slots__ = ("mask",)
    mask: bytes

    @classmethod
    def of(cls, text: str, mask: bytes) -> str:
        """Text under this mask; a plain str where nothing is marked."""
        if 1 not in mask:
            return str(text)
        made = cls(text)
        made.mask = mask
        return made

    @classmethod
    def all(cls, text: str) -> str:
        return cls.of(text, b"\1" * len(text))

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        text = str.__getitem__(self, key)
        return Typed.of(text, self.mask[key] if isinstance(key, slice) else bytes([self.mask[key]]))

    def __reduce__(self) -> tuple[Any, ...]:
        return Typed.of, (str(self), self.mask)


def typed(text: str) -> bool:
    return isinstance(text, Typed)


def _mask(text: str) -> bytes:
    return text.mask if isinstance(text, Typed) else bytes(len(text))


def like(made: str, *sources: object) -> str:
    """Text made in a way that loses the places: all of it is marked if any of the sources is."""
    return Typed.all(made) if any(isinstance(source, Typed) for source in sources) else made


def join(parts: Sequence[str], between: str = "") -> str:
    """The parts one after the other, as str.join."""
    if between and len(parts) > 1:
        parts = [part for pair in zip([between] * len(parts), parts, strict=True) for part in pair][1:]
    text = "".join(parts)
    if not any(isinstance(part, Typed) for part in parts):
        return text
    return Typed.of(text, b"".join(map(_mask, parts)))


def stripped(text: str, characters: str | None = None, *, left: bool = True, right: bool = True) -> str:
    """As str.strip, lstrip, rstrip."""
    start = len(text) - len(text.lstrip(characters)) if left else 0
    end = len(text.rstrip(characters)) if right else len(text)
    return text[start : max(start, end)]


def pieces(text: str, cut: Iterable[str], gap: int | None = None) -> list[str]:
    """The pieces `cut` of a text, with the marks they have in it.

    gap: how many characters lie between two pieces; None: unknown, and no piece is empty or begins with what lies there
    """
    if not isinstance(text, Typed):
        return list(cut)
    found, place = [], 0
    for piece in cut:
        if gap is None:
            place = text.index(piece, place)
        found.append(text[place : place + len(piece)])
        place += len(piece) + (gap or 0)
    return found


def replaced(budget: Budget, text: str, old: str, new: str, count: int = -1) -> str:
    """As str.replace."""
    times = text.count(old) if count < 0 else min(count, text.count(old))
    budget.make(len(text) + times * len(new))
    if not typed(text) and not typed(new):
        return text.replace(old, new, count)
    if not old:  # between all characters
        return like(text.replace(old, new, count), text, new)
    budget.hold(times)
    return join(pieces(text, text.split(old, times), len(old)), new)


def runs(parts: Iterable[str]) -> list[tuple[str, bool]]:
    """Text cut where marks begin or end: (stretch, whether it comes out of a message), none empty."""
    text = join(list(parts))
    mask, found, start = _mask(text), [], 0
    while start < len(text):
        marked = mask[start]
        end = mask.find(1 - marked, start)
        end = len(text) if end < 0 else end
        found.append((str.__getitem__(text, slice(start, end)), bool(marked)))
        start = end
    return found
