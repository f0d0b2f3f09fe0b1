"""How single characters and tokens are written so that each of them shows; knows nothing of colours or pages."""

import unicodedata
from collections.abc import Iterator

SPACE = "␣"
ELLIPSIS = "…"
DOTTED_CIRCLE = "◌"  # what Unicode's charts draw under a combining mark that stands alone


def visible(token: bytes) -> str:
    """A token with nothing in it that a terminal would obey or hide: controls, marks of direction and the like
    are escaped, bytes that are no whole character stand in hex, and a backslash is doubled.

    >>> print(visible(b" caf\\xc3\\xa9\\n"), visible(b"\\xc3"), visible("\\u202e".encode()))
     café\\n \\xc3 \\u202e
    """
    return "".join(map(_visible_character, token.decode("utf-8", "surrogateescape")))


def _visible_character(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how surrogateescape spells a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return "\\\\" if character == "\\" else character
    if code < 0x80:
        return character.encode("unicode_escape").decode()
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # never \xa0: that is a byte


def label(token: bytes) -> str:
    """The same with its spaces drawn, and with something for a combining mark at its beginning to stand on.

    >>> print(label(b" the"), label("\\u0301".encode()) == "◌\\u0301")
    ␣the True
    """
    text = visible(token).replace(SPACE, f"\\u{ord(SPACE):04x}").replace(" ", SPACE)
    return DOTTED_CIRCLE + text if text and combines(text[0]) else text


def combines(character: str) -> bool:
    """Whether it is drawn onto the character before it."""
    return unicodedata.category(character) in ("Mn", "Me")


def display_width(text: str) -> int:
    """The number of columns that a terminal gives a text: wide characters two, combining ones none.

    >>> display_width("naïve"), display_width("日本"), display_width("e\\u0301")
    (5, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if combines(character) or "\u1160" <= character <= "\u11ff":  # vowels and endings that join a Hangul syllable
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int) -> str:
    """The text with blanks after it up to a display width."""
    return text + " " * (width - display_width(text))


def chunks(text: str, width: int) -> Iterator[str]:
    """The text in pieces of at most so many columns (one character, if that alone is wider).

    >>> list(chunks("日本語", 5))
    ['日本', '語']
    """
    piece, used = "", 0
    for character in text:
        columns = _columns(character)
        if piece and used + columns > width:
            yield piece
            piece, used = "", 0
        piece += character
        used += columns
    if piece:
        yield piece


def crop(text: str, width: int) -> str:
    """The text, or what of its beginning and end has room with dots between.

    >>> crop("antidisestablishment", 9)
    'anti…ment'
    """
    if display_width(text) <= width:
        return text
    head = next(chunks(text, width // 2), "")
    tail = next(chunks(text[::-1], (width - 1) // 2), "")[::-1]
    return head + ELLIPSIS + tail
