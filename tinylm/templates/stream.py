"""A place in a list of tokens: what comes next, and what was expected; knows no grammar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tinylm.templates.lexer import Token, fail
from tinylm.templates.limits import DEEPEST, TemplateError

__all__ = ["Stream"]

T = TypeVar("T")


class Stream:
    def __init__(self, found: Sequence[Token]):
        self.tokens, self.place, self.depth = found, 0, 0

    @property
    def now(self) -> Token:
        return self.tokens[self.place]

    def at(self, *values: str, ahead: int = 0) -> bool:
        """Whether the next token is one of these operators or words."""
        token = self.tokens[min(self.place + ahead, len(self.tokens) - 1)]
        return token.kind in ("operator", "name") and token.value in values

    def skip(self, *values: str) -> str:
        """Pass over the next token if it is one of these; what it was, or nothing."""
        if not self.at(*values):
            return ""
        return str(self.next().value)

    def next(self) -> Token:
        token = self.now
        self.place += token.kind != "end"
        return token

    def expect(self, value: str) -> Token:
        if not self.at(value):
            raise self.unexpected(f"expected {value!r}")
        return self.next()

    def name(self, what: str = "a name") -> Token:
        if self.now.kind != "name":
            raise self.unexpected(f"expected {what}")
        return self.next()

    def close(self) -> None:
        if self.now.kind != "close":
            raise self.unexpected("expected the end of the tag")
        self.place += 1

    def unexpected(self, what: str) -> TemplateError:
        token = self.now
        came = {"close": f"the end, {token.value}", "end": "the end of the template", "text": "text"}.get(token.kind)
        return fail(token.line, f"{what}, got {came or repr(token.value)}")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise fail(self.now.line, f"nested more than {DEEPEST} deep")
        yield
        self.depth -= 1

    def items(self, end: str, part: Callable[[], T]) -> list[T]:
        """Parts with commas between them, up to a closing bracket; one more comma may stand before it."""
        found: list[T] = []
        while not self.skip(end):
            if found:
                self.expect(",")
                if self.skip(end):
                    break
            found.append(part())
        return found
