"""Tokens as expressions, by precedence climbing; knows the names of filters and tests, and none of statements.

Weakest first, as in Jinja 2: `a if b else c`, or, and, not, comparisons and in, + -, ~, * / // %, **, signs, then
whatever follows a value: .name, [key], (arguments), | filter, is test.
"""

from collections.abc import Callable, Collection, Sequence

from tinylm.templates import syntax as s
from tinylm.templates.lexer import Token, fail
from tinylm.templates.limits import LONGEST_CHAIN
from tinylm.templates.stream import Stream

__all__ = ["Expressions"]

LEVELS = (("+", "-"), ("~",), ("*", "/", "//", "%"), ("**",))  # from weak to strong, all from left to right
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
CONSTANTS = {"true": True, "True": True, "false": False, "False": False, "none": None, "None": None}
RESERVED = frozenset("and or not in is if else elif for set macro endif endfor recursive".split())


class Expressions(Stream):
    """A place in a list of tokens, and the expression that begins there."""

    def __init__(self, found: Sequence[Token], filters: Collection[str], tests: Collection[str]):
        super().__init__(found)
        self.filters, self.tests = filters, tests

    # -- expressions, from weak to strong ---------------------------------------------------------------

    def expression(self) -> s.Expression:
        """`a if b else c`, or what is stronger."""
        with self.deeper():
            value = self.either()
            while self.at("if"):
                line = self.next().line
                test = self.either()
                value = s.Conditional(line, test, value, self.expression() if self.skip("else") else None)
            return value

    def either(self) -> s.Expression:
        return self._several("or", s.Or, self._both)

    def _both(self) -> s.Expression:
        return self._several("and", s.And, self._not)

    def _several(self, word: str, node: type[s.Or] | type[s.And], part: Callable[[], s.Expression]) -> s.Expression:
        line, items = self.now.line, [part()]
        while self.skip(word):
            items.append(part())
        return items[0] if len(items) == 1 else node(line, items)

    def _not(self) -> s.Expression:
        if not self.at("not"):
            return self._compare()
        with self.deeper():
            return s.Not(self.next().line, self._not())

    def _compare(self) -> s.Expression:
        line, first = self.now.line, self._level(0)
        rest: list[tuple[str, s.Expression]] = []
        while True:
            operator = self.skip(*COMPARISONS, "in")
            if not operator and self.at("not") and self.at("in", ahead=1):
                self.place += 2
                operator = "not in"
            if not operator:
                return s.Compare(line, first, rest) if rest else first
            rest.append((operator, self._level(0)))

    def _level(self, level: int) -> s.Expression:
        if level == len(LEVELS):
            return self._signed()
        line, first = self.now.line, self._level(level + 1)
        rest = []
        while operator := self.skip(*LEVELS[level]):
            rest.append((operator, self._level(level + 1)))
        if not rest:
            return first
        if LEVELS[level] == ("~",):
            return s.Concat(line, [first, *(item for _, item in rest)])
        return s.Chain(line, first, rest)

    def _signed(self, filtered: bool = True) -> s.Expression:
        """-x.y|f is (-(x.y))|f: a sign binds weaker than .y and stronger than a filter."""
        if self.at("-", "+"):
            token = self.next()
            with self.deeper():
                value: s.Expression = s.Sign(token.line, token.value, self._signed(False))
        else:
            value = self.primary()
        return self.followed(value, filtered)

    def primary(self) -> s.Expression:
        token = self.now
        if token.kind == "number":
            return s.Literal(self.next().line, token.value)
        if token.kind == "string":
            parts = []
            while self.now.kind == "string":
                parts.append(self.next().value)
            return s.Literal(token.line, "".join(parts))
        if token.kind == "name" and token.value not in RESERVED:
            self.next()
            if token.value in CONSTANTS:
                return s.Literal(token.line, CONSTANTS[token.value])
            return s.Name(token.line, token.value)
        if self.skip("("):
            value = self.tuple_(empty=True)
            self.expect(")")
            return value
        if self.skip("["):
            return s.Sequence(token.line, self.items("]", self.expression), False)
        if self.skip("{"):
            return s.Mapping(token.line, self.items("}", self._pair))
        raise self.unexpected("expected a value")

    def tuple_(self, *, empty: bool = False, conditional: bool = True) -> s.Expression:
        """One expression, or several with commas: a tuple; `empty`: or none, before a closing bracket."""
        line, items = self.now.line, []
        if empty and self.at(")"):
            return s.Sequence(line, [], True)
        part = self.expression if conditional else self.either
        items.append(part())
        while self.skip(","):
            if self.now.kind == "close" or self.at(")"):
                return s.Sequence(line, items, True)
            items.append(part())
            if not self.at(","):
                return s.Sequence(line, items, True)
        return items[0]

    def _pair(self) -> tuple[s.Expression, s.Expression]:
        key = self.expression()
        self.expect(":")
        return key, self.expression()

    # -- what follows a value -----------------------------------------------------------------------------

    def followed(self, value: s.Expression, filtered: bool = True) -> s.Expression:
        after = False  # a filter or a test, after which Jinja takes neither .name nor [key]
        for _ in range(LONGEST_CHAIN):
            line = self.now.line
            if not after and self.skip("."):
                value = self._dot(value, line)
            elif not after and self.skip("["):
                value = s.Item(line, value, self._subscript())
            elif self.at("("):
                value = s.Call(line, value, *self.arguments())
            elif filtered and self.at("|"):
                value, after = self.filter_(value), True
            elif filtered and self.at("is"):
                value, after = self._test(value), True
            else:
                return value
        raise fail(self.now.line, f"more than {LONGEST_CHAIN} parts after one value")

    def _dot(self, value: s.Expression, line: int) -> s.Expression:
        if self.now.kind == "number" and isinstance(self.now.value, int):
            return s.Item(line, value, s.Literal(line, self.next().value))
        return s.Attribute(line, value, self.name("a name after the dot").value)

    def _subscript(self) -> s.Expression:
        line = self.now.line
        parts: list[s.Expression | None] = [None]
        if not self.at(":"):
            parts = [self.expression()]
        if not self.at(":") and parts[0] is not None:
            self.expect("]")
            return parts[0]
        while self.skip(":") and len(parts) < 3:
            parts.append(None if self.at(":", "]") else self.expression())
        self.expect("]")
        return s.Slice(line, parts)

    def arguments(self) -> tuple[list[s.Expression], dict[str, s.Expression]]:
        """(a, b, name=c)"""
        self.expect("(")
        plain: list[s.Expression] = []
        named: dict[str, s.Expression] = {}

        def one() -> None:
            if self.at("*", "**"):
                raise fail(self.now.line, "* and ** in a call are not supported")
            if self.now.kind == "name" and self.at("=", ahead=1):
                name = self.next().value
                if name in named:
                    raise fail(self.now.line, f"the argument {name!r} is given twice")
                self.expect("=")
                named[name] = self.expression()
            elif named:
                raise self.unexpected("expected name=value after a named argument")
            else:
                plain.append(self.expression())

        self.items(")", one)
        return plain, named

    def filter_(self, value: s.Expression) -> s.Filter:
        self.expect("|")
        return self.named_filter(value)

    def named_filter(self, value: s.Expression) -> s.Filter:
        token = self.name("the name of a filter")
        if token.value not in self.filters:
            raise fail(token.line, f"the filter {token.value!r} is not supported")
        plain, named = self.arguments() if self.at("(") else ([], {})
        return s.Filter(token.line, value, token.value, plain, named)

    def _test(self, value: s.Expression) -> s.Expression:
        line = self.expect("is").line
        negated = bool(self.skip("not"))
        token = self.name("the name of a test")
        if token.value not in self.tests:
            raise fail(token.line, f"the test {token.value!r} is not supported")
        plain: list[s.Expression] = []
        if self.at("("):
            plain, named = self.arguments()
            if named:
                raise fail(token.line, "named arguments of a test are not supported")
        elif self.now.kind in ("name", "string", "number") or self.at("[", "{"):
            if self.at("is"):
                raise fail(line, "`is` after `is`; write `and`")
            if not self.at("else", "or", "and"):
                plain = [self.followed(self.primary(), False)]
        test = s.Test(token.line, value, token.value, plain)
        return s.Not(line, test) if negated else test
