"""A terminal as a screen with keys: entered, painted, read and given back as it was; knows nothing of what is shown."""

import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from tokenizer.show.characters import crop, display_width

__all__ = ["coloured", "draw", "has_keys", "keys", "painted", "screen"]

STYLES = {"bold": "1", "faint": "2", "good": "32", "mark": "36", "warn": "1;33", "head": "7"}
ESCAPES = {
    "[A": "up", "[B": "down", "[C": "right", "[D": "left", "OA": "up", "OB": "down", "OC": "right", "OD": "left",
    "[H": "home", "[F": "end", "OH": "home", "OF": "end", "[1~": "home", "[4~": "end", "[7~": "home", "[8~": "end",
    "[5~": "pageup", "[6~": "pagedown", "[Z": "tab",
}  # fmt: skip
NAMES = {"\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\t": "tab", "\x1b": "escape"}
WINDOWS = {"H": "up", "P": "down", "M": "right", "K": "left", "G": "home", "O": "end", "I": "pageup", "Q": "pagedown"}
CUBE = (0, 95, 135, 175, 215, 255)  # the levels of the 6 × 6 × 6 colours that begin at 16, as xterm has them
WAKE = 0.25  # seconds: how soon a change of the window's size is seen
REST = 0.05  # seconds within which the rest of an escape sequence comes; else it was the key Esc

Piece = tuple[str, str]


def coloured() -> bool:
    """Whether colours are wanted: no NO_COLOR (no-color.org), and a terminal that is not dumb."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _style(style: str, colour: bool) -> str:
    """The numbers of a style; without colours those that are no colours: bold, faint, reverse."""
    if style.startswith("#"):
        if not colour:
            return ""
        r, g, b = (int(style[i : i + 2], 16) for i in (1, 3, 5))
        places = [CUBE.index(min(CUBE, key=partial(_apart, level))) for level in (r, g, b)]
        ink = 16 if 0.299 * r + 0.587 * g + 0.114 * b > 130 else 231
        return f"38;5;{ink};48;5;{16 + 36 * places[0] + 6 * places[1] + places[2]}"
    numbers = STYLES.get(style, "")
    return numbers if colour else ";".join(n for n in numbers.split(";") if n in ("1", "2", "7"))


def _apart(level: int, other: int) -> int:
    return abs(level - other)


def painted(line: Sequence[Piece], width: int, *, colour: bool) -> str:
    """Pieces of (text, style) as one line of at most `width` columns; what a terminal would obey is taken out of them.

    >>> painted([("a", "bold"), ("\\x1b[2Jb", "")], 6, colour=True)
    '\\x1b[1ma\\x1b[0m?[2Jb'
    """
    made, left = "", width
    for text, style in line:
        text = "".join(character if character.isprintable() else "?" for character in text)
        if display_width(text) > left:
            text = crop(text, left) if left > 2 else text[:left]
        left -= display_width(text)
        numbers = _style(style, colour)
        made += f"\x1b[{numbers}m{text}\x1b[0m" if numbers and text else text
        if left <= 0:
            break
    return made


def has_keys() -> bool:
    """Whether single keys can be read here: a terminal at both ends, and a system module for it."""
    if os.environ.get("TERM") == "dumb":
        return False
    try:
        import termios  # noqa: F401
    except ImportError:
        try:
            import msvcrt  # noqa: F401
        except ImportError:
            return False
    return True


@contextmanager
def screen() -> Iterator[None]:
    """The other screen of the terminal, without a cursor and without echo; as it was before in any case afterwards."""
    try:
        import termios
        import tty
    except ImportError:
        with _drawn():
            yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    ended = signal.signal(signal.SIGTERM, _end)
    try:
        tty.setcbreak(descriptor)
        mode = termios.tcgetattr(descriptor)
        mode[6][termios.VSUSP] = b"\x00"  # Ctrl-Z would leave the shell on this screen
        termios.tcsetattr(descriptor, termios.TCSANOW, mode)
        with _drawn():
            yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, ended)


def _end(number: int, _frame: Any) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _drawn() -> Iterator[None]:
    _write("\x1b[?1049h\x1b[?25l")
    try:
        yield
    finally:
        _write("\x1b[0m\x1b[?25h\x1b[?1049l")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def draw(lines: Sequence[Sequence[Piece]], width: int, *, colour: bool) -> None:
    """Paint all lines over what stands there, in one write, so that nothing flickers."""
    rows = [f"\x1b[{row};1H{painted(line, width, colour=colour)}\x1b[K" for row, line in enumerate(lines, 1)]
    _write("".join(rows) + "\x1b[J")


def keys() -> Iterator[str]:
    """Keys as they are pressed: characters, names as "left", and "" four times a second while there is none.

    It ends with the input.
    """
    try:
        import termios  # noqa: F401
    except ImportError:
        yield from _windows_keys()
        return
    descriptor, pending = sys.stdin.fileno(), b""
    while True:
        if not select.select([descriptor], [], [], WAKE)[0]:
            yield ""
            continue
        read = os.read(descriptor, 1024)
        if not read:
            return
        pending += read
        while pending == b"\x1b" or (pending[:2] in (b"\x1b[", b"\x1bO") and not _whole(pending)):
            if not select.select([descriptor], [], [], REST)[0]:
                break
            pending += os.read(descriptor, 1024)
        text = pending.decode("utf-8", "ignore")
        pending = _unfinished(pending)
        yield from split_keys(text)


def _unfinished(data: bytes) -> bytes:
    """The first bytes of a character whose others have not come yet."""
    for size in (1, 2, 3):
        tail = data[-size:]
        if len(tail) == size and tail[0] >= 0xC0:
            need = 2 if tail[0] < 0xE0 else 3 if tail[0] < 0xF0 else 4
            return tail if size < need else b""
    return b""


def _whole(data: bytes) -> bool:
    return len(data) > 2 and (data[-1:].isalpha() or data[-1:] == b"~")


def split_keys(text: str) -> Iterator[str]:
    """What a terminal sent, key by key; escape sequences that mean no key here are passed over.

    >>> list(split_keys("n\\x1b[C\\x1bOA\\x1b[5~\\x1b[99~\\r"))
    ['n', 'right', 'up', 'pageup', 'enter']
    """
    place = 0
    while place < len(text):
        character = text[place]
        place += 1
        if character == "\x1b" and text[place : place + 1] in ("[", "O"):
            end = place + 1
            while end < len(text) and not (text[end].isalpha() or text[end] == "~"):
                end += 1
            found = ESCAPES.get(text[place : end + 1])
            place = end + 1
            if found:
                yield found
        elif character in NAMES:
            yield NAMES[character]
        elif character.isprintable():
            yield character


def _windows_keys() -> Iterator[str]:
    import msvcrt
    import time

    console: Any = msvcrt
    while True:
        if not console.kbhit():
            time.sleep(REST)
            yield ""
            continue
        key = console.getwch()
        if key in ("\x00", "\xe0"):
            yield WINDOWS.get(console.getwch(), "")
        elif key == "\x03":
            raise KeyboardInterrupt
        else:
            yield NAMES.get(key, key)
