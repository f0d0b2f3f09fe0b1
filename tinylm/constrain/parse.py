"""A regular expression as a tree: Python's spelling, without what a finite automaton cannot do; knows no bytes.

literals          every character but . ^ $ * + ? ( ) [ | \\ and a { that begins a repetition
.                 any character but the line end
[a-z_] [^a-z]     classes: characters, ranges, the escapes below; ^ first: any other character
\\d \\w \\s         [0-9]  [a-zA-Z0-9_]  [ \\t\\n\\r\\f\\v], as in Python under re.ASCII;  \\D \\W \\S: any other
\\n \\r \\t \\f \\v \\a \\xhh \\uhhhh \\Uhhhhhhhh, and a backslash before a sign that is no letter and no digit
(...) (?:...)     groups; both only bracket
a|b  a?  a*  a+  a{m}  a{m,}  a{,n}  a{m,n}; another ? behind means the same: which match is found first is no
                  question where the whole text is to match
^ $               at the two ends of the pattern only, where they say what holds anyway
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from tinylm.constrain.utf8 import LAST

__all__ = ["Chain", "Chars", "Either", "Node", "Repeat", "parse", "written"]

LONGEST, DEEPEST = 50_000, 100  # characters of a pattern; groups in groups: the tree is walked by recursion

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of these ranges of code points, in rising order; none if there are no ranges."""

    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """One after the other; nothing at all if there are no parts."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of these."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The item from `least` to `most` times; None: any number."""

    item: "Node"
    least: int
    most: int | None


Node = Chars | Chain | Either | Repeat

DIGIT = ((0x30, 0x39),)
WORD = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACE = ((0x09, 0x0D), (0x20, 0x20))
CLASSES = {"d": DIGIT, "w": WORD, "s": SPACE}
CONTROLS = {"n": 0x0A, "r": 0x0D, "t": 0x09, "f": 0x0C, "v": 0x0B, "a": 0x07}
HEX = {"x": 2, "u": 4, "U": 8}
REPETITION = re.compile(r"\{(?!\})([0-9]*)(?:(,)([0-9]*))?\}")  # what Python takes for one: {} is two characters


def parse(pattern: str | bytes) -> Node:
    """The tree of a pattern. In one of bytes, as in Python, a character is a byte.

    Raises ValueError, saying where, for what is no pattern and for what this subset leaves out.

    >>> parse("a|b{2,}")
    Either(options=(Chars(ranges=((97, 97),)), Repeat(item=Chars(ranges=((98, 98),)), least=2, most=None)))
    """
    if not isinstance(pattern, str | bytes):
        raise ValueError(f"a pattern must be a str or bytes, got {type(pattern).__name__}")
    if len(pattern) > LONGEST:
        raise ValueError(f"the pattern has {len(pattern)} characters; {LONGEST} is the limit")
    if isinstance(pattern, bytes):
        return _Parser(pattern.decode("latin-1"), 0xFF).tree()
    return _Parser(pattern, LAST).tree()


def others(ranges: Iterable[Range], last: int) -> tuple[Range, ...]:
    """Everything from 0 to `last` that is in none of the ranges."""
    found, at = [], 0
    for first, end in sorted(ranges):
        if at < first:
            found.append((at, first - 1))
        at = max(at, end + 1)
    return (*found, (at, last)) if at <= last else tuple(found)


class _Parser:
    """Reads a pattern from left to right; groups that are open wait on a stack, so that no depth is too deep for it."""

    def __init__(self, pattern: str, last: int):
        self.pattern, self.last, self.at = pattern, last, 0

    def tree(self) -> Node:
        waiting: list[tuple[list[Node], list[Node]]] = []  # of each open group: the options and parts around it
        options: list[Node] = []
        parts: list[Node] = []
        while self.at < len(self.pattern):
            if self.take("(?:") or self.take("("):
                if self.pattern.startswith("?", self.at) and self.pattern[self.at - 1] == "(":
                    self.wrong("(?...) is not supported, only (...) and (?:...)", self.at - 1)
                if len(waiting) == DEEPEST:
                    self.wrong(f"more than {DEEPEST} groups are open")
                waiting.append((options, parts))
                options, parts = [], []
                continue
            if self.take("|"):
                options, parts = [*options, _chain(parts)], []
                continue
            if self.take(")"):
                if not waiting:
                    self.wrong("this ) closes no group; for the character write \\)", self.at - 1)
                item = _either([*options, _chain(parts)])
                options, parts = waiting.pop()
            elif self.at_an_end():
                continue
            else:
                item = self.one()
            parts.append(self.repeated(item))
        if waiting:
            self.wrong("a group is not closed: ) is missing")
        return _either([*options, _chain(parts)])

    def wrong(self, what: str, at: int | None = None) -> NoReturn:
        place = self.at if at is None else at
        raise ValueError(f"regular expression, position {place}: {what}; the pattern is {written(self.pattern)}")

    def take(self, sign: str) -> bool:
        """Go past the sign if it comes next."""
        if not self.pattern.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def at_an_end(self) -> bool:
        """Go past ^ at the beginning or $ at the end."""
        if self.at == 0 and self.take("^"):
            return True
        return self.at == len(self.pattern) - 1 and self.take("$")

    def one(self) -> Chars:
        """A literal, a point, a class or an escape."""
        sign = self.pattern[self.at]
        if sign in "*+?" or REPETITION.match(self.pattern, self.at):
            self.wrong(f"there is nothing to repeat; for the character write \\{sign}")
        if sign in "^$":
            self.wrong(f"the whole text is to match anyway: leave {sign} away; for the character write \\{sign}")
        self.at += 1
        if sign == ".":
            return Chars(others([(0x0A, 0x0A)], self.last))
        if sign == "[":
            return self.characters()
        if sign == "\\":
            found = self.escape()
            return Chars(found) if isinstance(found, tuple) else _one(found)
        return _one(self.literal(sign))

    def literal(self, sign: str) -> int:
        if "\ud800" <= sign <= "\udfff":
            self.wrong(f"U+{ord(sign):04X} is half a character and has no bytes", self.at - 1)
        return ord(sign)

    def escape(self) -> int | tuple[Range, ...]:
        """What comes after a backslash: one code point, or the ranges of \\d and its like."""
        if self.at == len(self.pattern):
            self.wrong("a backslash is the last character; for the character write \\\\", self.at - 1)
        sign = self.pattern[self.at]
        self.at += 1
        if sign in CLASSES:
            return CLASSES[sign]
        if sign.lower() in CLASSES:
            return others(CLASSES[sign.lower()], self.last)
        if sign in CONTROLS:
            return CONTROLS[sign]
        if sign in HEX and (sign == "x" or self.last == LAST):
            digits = self.pattern[self.at : self.at + HEX[sign]]
            if not re.fullmatch(rf"[0-9a-fA-F]{{{HEX[sign]}}}", digits):
                self.wrong(f"\\{sign} wants {HEX[sign]} hexadecimal digits", self.at - 2)
            self.at += HEX[sign]
            if int(digits, 16) > LAST or 0xD800 <= int(digits, 16) <= 0xDFFF:
                self.wrong(f"\\{sign}{digits} is no character", self.at - 2 - HEX[sign])
            return int(digits, 16)
        if sign.isascii() and sign.isalnum():
            self.wrong(f"\\{sign} is not supported; without the backslash it is the character", self.at - 2)
        return self.literal(sign)

    def characters(self) -> Chars:
        """A class, from behind its [ to behind its ]."""
        begin = self.at - 1
        negated = self.take("^")
        ranges: list[Range] = []
        first = True
        while first or not self.pattern.startswith("]", self.at):  # a ] that comes first is a character
            first = False
            low = self.member(begin)
            if self.pattern.startswith("-", self.at) and not self.pattern.startswith("-]", self.at):
                self.at += 1
                high = self.member(begin)
                if isinstance(low, tuple) or isinstance(high, tuple) or low > high:
                    self.wrong("this is no range: its ends must be two characters in rising order", self.at - 1)
                ranges.append((low, high))
            else:
                ranges += low if isinstance(low, tuple) else [(low, low)]
        self.at += 1
        rest = others(ranges, self.last)
        return Chars(rest if negated else others(rest, self.last))

    def member(self, begin: int) -> int | tuple[Range, ...]:
        """One character of a class, or an escape."""
        if self.at >= len(self.pattern):
            self.wrong("a class is not closed: ] is missing; for the character write \\[", begin)
        self.at += 1
        sign = self.pattern[self.at - 1]
        return self.escape() if sign == "\\" else self.literal(sign)

    def repeated(self, item: Node) -> Node:
        """The item with the repetition that stands behind it, if there is one."""
        begin = self.at
        least: int = 1
        most: int | None = 1
        if found := REPETITION.match(self.pattern, self.at):
            if max(map(len, found.groups(""))) > 9:
                self.wrong("the numbers of a repetition may have 9 digits")
            self.at = found.end()
            least = int(found[1] or 0)
            most = int(found[3]) if found[3] else None if found[2] else least
        elif self.take("*"):
            least, most = 0, None
        elif self.take("+"):
            least, most = 1, None
        elif self.take("?"):
            least, most = 0, 1
        if self.at == begin:
            return item
        if most is not None and most < least:
            self.wrong(f"{{{least},{most}}} wants more than it allows", begin)
        self.take("?")  # as few as possible: the same texts
        if self.pattern[self.at : self.at + 1] in tuple("*+?") or REPETITION.match(self.pattern, self.at):
            self.wrong("a repetition of a repetition: put the first in a group, (...)")
        return Repeat(item, least, most)


def _one(code: int) -> Chars:
    return Chars(((code, code),))


def _chain(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Chain(tuple(parts))


def _either(options: list[Node]) -> Node:
    return options[0] if len(options) == 1 else Either(tuple(options))


def written(pattern: str | bytes) -> str:
    """The pattern as messages show it: the beginning of a long one."""
    return repr(pattern) if len(pattern) <= 60 else f"{pattern[:60]!r}..."
