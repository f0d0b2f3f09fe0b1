"""A template's source as statements; what is not supported is refused by its name and line."""

from collections.abc import Callable, Collection

from tinylm.templates import syntax as s
from tinylm.templates.expressions import RESERVED, Expressions
from tinylm.templates.lexer import fail, tokens

__all__ = ["parse"]

HIDDEN = ("varargs", "kwargs", "caller")  # what Jinja puts into a macro, and this does not


def parse(source: str, *, filters: Collection[str], tests: Collection[str]) -> list[s.Statement]:
    """The statements of a template; raises TemplateError for a line that is wrong or not supported."""
    parser = Parser(tokens(source), filters, tests)
    body, _ = parser.body((), 1)
    return body


class Parser(Expressions):
    loops = 0  # how many loops are open here

    def body(self, ends: tuple[str, ...], line: int) -> tuple[list[s.Statement], str]:
        """Statements up to a tag that is one of `ends`, and which: its word is passed over. No ends: to the last.

        line: where the tag stands that the body belongs to
        """
        found: list[s.Statement] = []
        with self.deeper():
            while True:
                token = self.next()
                if token.kind == "end":
                    if ends:
                        raise fail(line, f"the template ends, and {{% {ends[-1]} %}} has not come")
                    return found, ""
                if token.kind == "text":
                    found.append(s.Text(token.line, token.value))
                elif token.kind == "{{":
                    found.append(s.Output(token.line, self._shown()))
                    self.close()
                else:
                    word = self.name("a statement")
                    if word.value in ends:
                        return found, word.value
                    found.append(self._statement(word.value, word.line))

    def _shown(self) -> s.Expression:
        """What `{{ }}` holds; `safe` as its last filter says that nothing is to be escaped, and nothing ever is."""
        value = self.tuple_()
        return value.of if isinstance(value, s.Filter) and value.name == "safe" else value

    def _statement(self, word: str, line: int) -> s.Statement:
        readers: dict[str, Callable[[int], s.Statement]] = {
            "if": self._if,
            "for": self._for,
            "set": self._set,
            "macro": self._macro,
            "with": self._with,
            "filter": self._filter,
            "generation": self._generation,
            "break": self._break,
            "continue": self._continue,
        }
        if word not in readers:
            here = " here" if word[:3] in ("end", "els", "eli") else ""
            raise fail(line, f"{{% {word} %}} is not supported{here}")
        return readers[word](line)

    def _break(self, line: int) -> s.Break:
        self._in_loop(line, "break")
        return s.Break(line)

    def _continue(self, line: int) -> s.Continue:
        self._in_loop(line, "continue")
        return s.Continue(line)

    def _in_loop(self, line: int, word: str) -> None:
        self.close()
        if not self.loops:
            raise fail(line, f"{{% {word} %}} outside of a loop")

    def _if(self, line: int) -> s.If:
        branches, other, word = [], list[s.Statement](), "elif"
        while word == "elif":
            test = self.tuple_(conditional=False)
            self.close()
            body, word = self.body(("elif", "else", "endif"), line)
            branches.append((test, body))
        if word == "else":
            self.close()
            other, _ = self.body(("endif",), line)
        self.close()
        return s.If(line, branches, other)

    def _for(self, line: int) -> s.For:
        target = self._target(spaces=False)
        self.expect("in")
        over = self.tuple_(conditional=False)
        test = self.expression() if self.skip("if") else None
        if self.at("recursive"):
            raise fail(line, "{% for ... recursive %} is not supported")
        self.close()
        self.loops += 1
        body, word = self.body(("else", "endfor"), line)
        self.loops -= 1
        other = list[s.Statement]()
        if word == "else":
            self.close()
            other, _ = self.body(("endfor",), line)
        self.close()
        return s.For(line, target, over, test, body, other)

    def _target(self, *, spaces: bool) -> s.Target:
        """A name, several with commas, or where `spaces` is true space.name."""
        line, parts, several = self.now.line, [], False
        while True:
            if self.skip("("):
                parts.append(self._target(spaces=spaces))
                self.expect(")")
            else:
                parts.append(self._assigned(spaces))
            if not self.skip(","):
                break
            several = True
            if self.at("in", "=", ")"):
                break
        return s.Target(line, parts=parts) if several else parts[0]

    def _assigned(self, spaces: bool) -> s.Target:
        token = self.name("a name to assign to")
        if token.value in RESERVED or token.value in ("true", "false", "none", "True", "False", "None"):
            raise fail(token.line, f"{token.value!r} cannot be assigned to")
        if spaces and self.skip("."):
            return s.Target(token.line, self.name().value, token.value)
        return s.Target(token.line, token.value)

    def _set(self, line: int) -> s.Statement:
        target = self._target(spaces=True)
        if self.skip("="):
            value = self.tuple_()
            self.close()
            return s.Set(line, target, value)
        filters = self._filters() if self.at("|") else None
        self.close()
        return s.SetBlock(line, target, filters, self._apart("endset", line))

    def _filters(self) -> s.Expression:
        """| a | b(c), for a text that is not known yet: the name "" stands for it."""
        value: s.Expression = s.Name(self.now.line, "")
        while self.at("|"):
            value = self.filter_(value)
        return value

    def _filter(self, line: int) -> s.FilterBlock:
        value = self.named_filter(s.Name(line, ""))
        while self.at("|"):
            value = self.filter_(value)
        self.close()
        return s.FilterBlock(line, value, self._apart("endfilter", line))

    def _apart(self, end: str, line: int) -> list[s.Statement]:
        """A body of its own, from which no loop outside can be left."""
        loops, self.loops = self.loops, 0
        body, _ = self.body((end,), line)
        self.loops = loops
        self.close()
        return body

    def _macro(self, line: int) -> s.Macro:
        name = self._assigned(False).name
        self.expect("(")
        parameters: dict[str, None] = {}
        defaults: list[s.Expression] = []

        def one() -> None:
            token = self._assigned(False)
            if token.name in parameters:
                raise fail(token.line, f"the parameter {token.name!r} is given twice")
            parameters[token.name] = None
            if self.skip("="):
                defaults.append(self.expression())
            elif defaults:
                raise fail(token.line, f"the parameter {token.name!r} needs a default, as those before it have one")

        self.items(")", one)
        self.close()
        first = self.place
        body = self._apart("endmacro", line)
        for token in self.tokens[first : self.place]:
            if token.kind == "name" and token.value in HIDDEN and token.value not in parameters:
                raise fail(token.line, f"{token.value!r} in a macro is not supported")
        return s.Macro(line, name, list(parameters), defaults, body)

    def _with(self, line: int) -> s.With:
        pairs: list[tuple[s.Target, s.Expression]] = []
        while self.now.kind != "close":
            if pairs:
                self.expect(",")
            target = self._assigned(False)
            self.expect("=")
            pairs.append((target, self.expression()))
        self.close()
        return s.With(line, pairs, self._apart("endwith", line))

    def _generation(self, line: int) -> s.Scope:
        self.close()
        return s.Scope(line, self._apart("endgeneration", line))
