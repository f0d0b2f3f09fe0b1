"""A template's source as tokens, with white space cut as chat templates expect; knows no grammar.

The rules are those of Jinja 2 with trim_blocks and lstrip_blocks, as transformers sets them: the line break after a
`{% %}` or `{# #}` goes, and so does what stands before one on its line if it is white space; `-` beside a bracket takes
all white space on that side, `+` leaves it.        palletsprojects.com/p/jinja, "Template Designer Documentation"
"""

import re
from dataclasses import dataclass
from typing import Any

from tinylm.templates.limits import LARGEST, LONGEST_SOURCE, MOST_TOKENS, TemplateError

__all__ = ["Token", "fail", "tokens"]

OPEN = re.compile(r"\{([{%#])([-+]?)")
RAW = re.compile(r"\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})")
END_RAW = re.compile(r"\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)")
END_COMMENT = re.compile(r"\+#\}|-#\}\s*|#\}\n?")
CLOSE = {"{": re.compile(r"-\}\}\s*|\}\}"), "%": re.compile(r"\+%\}|-%\}\s*|%\}\n?")}
SPACE = re.compile(r"\s+")
INSIDE = re.compile(
    r"""(?P<float>(?<!\.)\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?[eE][+-]?\d+(?:_\d+)*|(?<!\.)\d+(?:_\d+)*\.\d+(?:_\d+)*)
    |(?P<integer>0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|[1-9](?:_?\d)*|0(?:_?0)*)
    |(?P<name>[^\W\d]\w*)
    |(?P<string>'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*")
    |(?P<operator>\*\*|//|==|!=|>=|<=|[-+/*%~\[\](){}<>=.:|,;])""",
    re.VERBOSE | re.DOTALL,
)
BRACKETS = {"(": ")", "[": "]", "{": "}"}
ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "v": "\v",
           "\n": ""}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """kind: "text", "{{", "{%", "close", "name", "string", "number", "operator" or "end"."""

    kind: str
    value: Any
    line: int


def fail(line: int, what: str) -> TemplateError:
    return TemplateError(f"chat template, line {line}: {what}")


def tokens(source: str) -> list[Token]:
    """All tokens of a source, the last one of kind "end"; raises TemplateError for what is no token.

    >>> [(token.kind, token.value) for token in tokens("a {{- 1 }}")]
    [('text', 'a'), ('{{', '{{'), ('number', 1), ('close', '}}'), ('end', '')]
    """
    if len(source) > LONGEST_SOURCE:
        raise fail(1, f"the template has {len(source):,} characters, more than {LONGEST_SOURCE:,}")
    source = re.sub(r"\r\n?", "\n", source)
    return _Lexer(source.removesuffix("\n")).run()


class _Lexer:
    def __init__(self, source: str):
        self.source, self.place, self.line, self.found = source, 0, 1, list[Token]()

    def run(self) -> list[Token]:
        fresh = True  # whether a line begins here
        while opening := OPEN.search(self.source, self.place):
            which, sign = opening.groups()
            self._text(opening.start(), sign, which == "{", fresh)
            if raw := RAW.match(self.source, self.place):
                self._move(raw.end())
                end = END_RAW.search(self.source, self.place)
                if end is None:
                    raise fail(self.line, "{% raw %} without {% endraw %}")
                self._text(end.start(), end[1], False, raw[0].endswith("\n"))
                self._move(end.end())
            elif which == "#":
                end = END_COMMENT.search(self.source, opening.end())
                if end is None:
                    raise fail(self.line, "a comment, {#, without its end, #}")
                self._move(end.end())
            else:
                self.found.append(Token(opening[0][:2], opening[0][:2], self.line))
                self._move(opening.end())
                self._inside(which)
            fresh = self.source[self.place - 1] == "\n"
        self._text(len(self.source), "+", False, fresh)
        self.found.append(Token("end", "", self.line))
        return self.found

    def _move(self, end: int) -> None:
        self.line += self.source.count("\n", self.place, end)
        self.place = end

    def _text(self, end: int, sign: str, expression: bool, fresh: bool) -> None:
        """The text up to an opening bracket, less the white space before it that goes."""
        text = self.source[self.place : end]
        if sign == "-":
            text = text.rstrip()
        elif sign != "+" and not expression:
            begin = text.rfind("\n") + 1
            if (begin > 0 or fresh) and SPACE.fullmatch(text, begin):
                text = text[:begin]
        if text:
            self.found.append(Token("text", text, self.line))
        self._move(end)

    def _inside(self, which: str) -> None:
        """The tokens between the brackets; the closing one counts only where all of its own are closed."""
        opened: list[str] = []
        while True:
            if not opened and (end := CLOSE[which].match(self.source, self.place)):
                self.found.append(Token("close", "}}" if which == "{" else "%}", self.line))
                self._move(end.end())
                return
            if space := SPACE.match(self.source, self.place):
                self._move(space.end())
                continue
            token = INSIDE.match(self.source, self.place)
            if token is None:
                if self.place >= len(self.source):
                    raise fail(self.line, "the template ends inside {" + which)
                character = self.source[self.place]
                if character in "'\"":
                    raise fail(self.line, "a string without its end")
                raise fail(self.line, f"unexpected {character!r}")
            sort = str(token.lastgroup)
            if sort == "operator":
                if token[0] in BRACKETS:
                    opened.append(BRACKETS[token[0]])
                elif token[0] in ")]}" and (not opened or opened.pop() != token[0]):
                    raise fail(self.line, f"unexpected {token[0]!r}")
            if len(self.found) >= MOST_TOKENS:
                raise fail(self.line, f"the template has more than {MOST_TOKENS:,} words and signs")
            self.found.append(self._token(sort, token[0]))
            self._move(token.end())

    def _token(self, sort: str, text: str) -> Token:
        value: Any = text
        if sort == "string":
            value = ESCAPE.sub(self._escaped, text[1:-1])
        elif sort == "integer":
            value = int(text.replace("_", ""), 0) if len(text) <= 30 else LARGEST
            if value >= LARGEST:
                raise fail(self.line, "a number is beyond 2^63")
        elif sort == "float":
            value = float(text.replace("_", ""))
            if value == float("inf"):
                raise fail(self.line, "a number is too large")
        return Token("number" if sort in ("integer", "float") else sort, value, self.line)

    def _escaped(self, match: re.Match[str]) -> str:
        octal, *digits, other = match.groups()
        if other is not None:
            if other == "N":
                raise fail(self.line, r"\N{...} in a string is not supported; write the character itself")
            if other in "xuU":
                raise fail(self.line, f"\\{other} in a string without its digits")
            return ESCAPES.get(other, match[0])
        code = int(octal, 8) if octal else int(next(filter(None, digits)), 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise fail(self.line, f"{match[0]} in a string is no character")
        return chr(code)
