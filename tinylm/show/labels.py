"""How tokens and numbers are read and written for pictures; knows nothing of what is drawn around them."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from tinylm.show.style import families
from tokenizer.show.characters import crop, label

__all__ = ["Token", "drawable", "field", "legible", "many", "number", "percent", "thinned", "written"]

Token = bytes | str


def field(record: Any, name: str) -> Any:
    """A field of a record, be it a mapping or an object; None where it has none."""
    return record.get(name) if isinstance(record, Mapping) else getattr(record, name, None)


def written(token: Token, columns: int = 14) -> str:
    """A token with its spaces and line ends to be seen, cropped in the middle to so many columns.

    >>> written(b" the"), written("a\\n"), written("<|endoftext|>", 9)
    ('␣the', 'a\\\\n', '<|en…xt|>')
    """
    if not isinstance(token, (bytes, str)):
        raise TypeError(f"a token is bytes or text, got {token!r}")
    return crop(label(token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")), columns)


def drawable(token: Token, columns: int = 14) -> str:
    """The same for matplotlib; see legible."""
    return legible(written(token, columns))


def legible(text: str) -> str:
    """A text for matplotlib: a character that none of its fonts has is written as its number, not as a box."""
    return "".join(c if c.isascii() or _has(c) else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    """Its number, as Python writes it."""
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


@lru_cache(maxsize=4096)
def _has(character: str) -> bool:
    return any(font.get_char_index(ord(character)) for font in _fonts())


@lru_cache(maxsize=1)
def _fonts() -> tuple[Any, ...]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return tuple(get_font(findfont(FontProperties(family=[name]))) for name in families())


def number(value: float, digits: int = 3) -> str:
    """A number in so many digits, NaN and infinity in words.

    >>> number(0.000123456), number(-12345.0), number(float("nan")), number(float("-inf"))
    ('0.000123', '−1.23e4', 'NaN', '−∞')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}g}"
    if "e" in text:
        digits_part, _, power = text.partition("e")
        text = f"{digits_part}e{int(power)}"
    return text.replace("-", "−")


def many(count: int, word: str) -> str:
    """A number of things.

    >>> many(1, "head"), many(1200, "head")
    ('1 head', '1200 heads')
    """
    return f"{count} {word}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """A share of 1 in per cent, short.

    >>> percent(1.0), percent(0.1234), percent(0.0123), percent(0.00004), percent(0.0)
    ('100%', '12%', '1.2%', '<0.1%', '0%')
    """
    if math.isnan(share):
        return "NaN"
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{100 * share:.1f}%".replace(".0%", "%") if share < 0.0995 else f"{100 * share:.0f}%"


def thinned(labels: Sequence[str], most: int) -> list[tuple[int, str]]:
    """Places and labels, every n-th so that at most so many are left.

    >>> thinned(["a", "b", "c", "d", "e"], 3)
    [(0, 'a'), (2, 'c'), (4, 'e')]
    """
    stride = max(1, -(-len(labels) // most))
    return [(place, labels[place]) for place in range(0, len(labels), stride)]
