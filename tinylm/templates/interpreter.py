"""Statements and expressions carried out, one step at a time; knows no source and no message."""

from collections.abc import Callable, Mapping
from typing import Any

from tinylm.templates import syntax as s
from tinylm.templates.checks import CHECKS
from tinylm.templates.filters import call_filter
from tinylm.templates.functions import FUNCTIONS, Loop, Macro, call_function
from tinylm.templates.limits import DEEPEST_MACROS, Budget, refuse
from tinylm.templates.methods import call_method
from tinylm.templates.operators import arithmetic, attribute, compare, item, part, sign
from tinylm.templates.text import join
from tinylm.templates.values import (
    Fields,
    Fixed,
    Function,
    Method,
    Namespace,
    Row,
    Undefined,
    as_text,
    iterate,
    kind,
    truth,
)

__all__ = ["Interpreter"]


class Scope:
    """Names and values, and where to look for those that are not here."""

    __slots__ = ("names", "outer")

    def __init__(self, outer: "Scope | None", names: dict[str, Any] | None = None):
        self.outer, self.names = outer, names if names is not None else {}

    def find(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return FUNCTIONS.get(name) or Undefined(name)


class Interpreter:
    """Carries a template out over some variables; `line` is where it is, `shown` the text that it has made."""

    def __init__(self, budget: Budget, variables: Mapping[str, Any], strftime: Callable[[str], str] | None):
        self.budget, self.strftime = budget, strftime
        self.top = Scope(Scope(None, dict(variables)))
        self.shown: list[str] = []
        self.line, self.macros = 1, 0
        self.values: dict[type, Callable[[Any, Scope], Any]] = {
            s.Literal: lambda node, scope: node.value,
            s.Name: lambda node, scope: scope.find(node.name),
            s.Sequence: self._sequence,
            s.Mapping: self._mapping,
            s.Attribute: lambda node, scope: attribute(self.value(node.of, scope), node.name),
            s.Item: lambda node, scope: self._item(node, scope),
            s.Call: self._call,
            s.Filter: self._filter,
            s.Test: self._test,
            s.Sign: lambda node, scope: sign(node.operator, self.value(node.of, scope)),
            s.Chain: self._chain,
            s.Compare: self._compare,
            s.Concat: self._concat,
            s.And: lambda node, scope: self._either(node, scope, False),
            s.Or: lambda node, scope: self._either(node, scope, True),
            s.Not: lambda node, scope: not truth(self.value(node.of, scope)),
            s.Conditional: self._conditional,
        }
        self.statements: dict[type, Callable[[Any, Scope], str]] = {
            s.Text: lambda node, scope: self._show(node.text),
            s.Output: lambda node, scope: self._show(as_text(self.budget, self.value(node.of, scope))),
            s.If: self._if,
            s.For: self._for,
            s.Set: self._set,
            s.SetBlock: self._set_block,
            s.FilterBlock: self._filter_block,
            s.Macro: self._macro,
            s.With: self._with,
            s.Scope: lambda node, scope: self.run(node.body, Scope(scope)),
            s.Break: lambda node, scope: "break",
            s.Continue: lambda node, scope: "continue",
        }

    # -- statements: each gives "", or "break" or "continue" for the loop around it ------------------------------

    def run(self, body: list[s.Statement], scope: Scope) -> str:
        for node in body:
            self.budget.spend()
            self.line = node.line
            leaving = self.statements[type(node)](node, scope)
            if leaving:
                return leaving
        return ""

    def _show(self, text: str) -> str:
        self.budget.make(len(text))
        self.shown.append(text)
        return ""

    def _captured(self, body: list[s.Statement], scope: Scope) -> str:
        """The text that a body shows."""
        before, self.shown = self.shown, []
        self.run(body, scope)
        made, self.shown = self.shown, before
        self.budget.make(sum(map(len, made)))
        return join(made)

    def _if(self, node: s.If, scope: Scope) -> str:
        for test, body in node.branches:
            if truth(self.value(test, scope)):
                return self.run(body, scope)
        return self.run(node.other, scope)

    def _for(self, node: s.For, scope: Scope) -> str:
        items = []
        for one in iterate(self.budget, self.value(node.over, scope)):
            inner = Scope(scope, {"loop": Undefined("loop")})
            if node.test is not None:
                self._assign(node.target, one, inner)
            if node.test is None or truth(self.value(node.test, inner)):
                items.append(one)
        self.budget.hold(len(items))
        for index, one in enumerate(items):
            self.budget.spend()
            inner = Scope(scope, {"loop": Loop(items, index)})
            self._assign(node.target, one, inner)
            if self.run(node.body, inner) == "break":
                break
        if not items:
            return self.run(node.other, Scope(scope))
        return ""

    def _assign(self, target: s.Target, value: Any, scope: Scope) -> None:
        if target.parts:
            values = list(iterate(self.budget, value))
            if len(values) != len(target.parts):
                refuse(f"{len(target.parts)} names for {len(values)} values")
            for one, to in zip(values, target.parts, strict=True):
                self._assign(to, one, scope)
        elif target.space:
            space = scope.find(target.space)
            if not isinstance(space, Namespace):
                refuse(f"{target.space}.{target.name} can be set only in a namespace()")
            if target.name.startswith("_"):
                refuse(f"the name {target.name!r} in a namespace begins with an underscore")
            space.fields[target.name] = value
        else:
            scope.names[target.name] = value

    def _set(self, node: s.Set, scope: Scope) -> str:
        self._assign(node.target, self.value(node.value, scope), scope)
        return ""

    def _set_block(self, node: s.SetBlock, scope: Scope) -> str:
        text: Any = self._captured(node.body, Scope(scope))
        if node.filters is not None:
            text = self.value(node.filters, Scope(scope, {"": text}))
        self._assign(node.target, text, scope)
        return ""

    def _filter_block(self, node: s.FilterBlock, scope: Scope) -> str:
        text = self._captured(node.body, Scope(scope))
        return self._show(as_text(self.budget, self.value(node.filters, Scope(scope, {"": text}))))

    def _macro(self, node: s.Macro, scope: Scope) -> str:
        scope.names[node.name] = Macro(node, scope)
        return ""

    def _with(self, node: s.With, scope: Scope) -> str:
        inner = Scope(scope)
        for target, value in node.pairs:
            self._assign(target, self.value(value, scope), inner)
        return self.run(node.body, inner)

    # -- expressions -----------------------------------------------------------------------------------------------

    def value(self, node: s.Expression, scope: Scope) -> Any:
        self.budget.spend()
        self.line = node.line
        return self.values[type(node)](node, scope)

    def _sequence(self, node: s.Sequence, scope: Scope) -> Any:
        items = [self.value(one, scope) for one in node.items]
        return Fixed.of(self.budget, items) if node.fixed else Row.of(self.budget, items)

    def _mapping(self, node: s.Mapping, scope: Scope) -> Fields:
        return Fields.of(self.budget, [(self.value(k, scope), self.value(v, scope)) for k, v in node.pairs])

    def _item(self, node: s.Item, scope: Scope) -> Any:
        value = self.value(node.of, scope)
        if isinstance(node.key, s.Slice):
            bounds = [None if bound is None else self.value(bound, scope) for bound in node.key.parts]
            return part(self.budget, value, *[*bounds, None, None][:3])
        return item(value, self.value(node.key, scope))

    def _call(self, node: s.Call, scope: Scope) -> Any:
        function = self.value(node.of, scope)
        arguments, named = self._arguments(node, scope)
        self.line = node.line
        if isinstance(function, Macro):
            return self._expand(function, arguments, named)
        if isinstance(function, Method) and isinstance(function.of, Loop):  # loop.cycle
            return arguments[function.of.index % len(arguments)]
        if isinstance(function, Method):
            return call_method(self.budget, function.of, function.name, arguments, named)
        if isinstance(function, Function):
            return call_function(self.budget, function, arguments, named, self.strftime)
        return refuse(f"{kind(function)} cannot be called")

    def _arguments(self, node: s.Call | s.Filter, scope: Scope) -> tuple[list[Any], dict[str, Any]]:
        plain = [self.value(one, scope) for one in node.arguments]
        return plain, {name: self.value(one, scope) for name, one in node.named.items()}

    def _expand(self, macro: Macro, arguments: list[Any], named: dict[str, Any]) -> str:
        node, names = macro.node, macro.bind(arguments, named)
        inner = Scope(macro.scope, names)
        first = len(node.parameters) - len(node.defaults)
        for name, default in zip(node.parameters[first:], node.defaults, strict=True):
            if name not in names:
                names[name] = self.value(default, inner)
        self.macros += 1
        if self.macros > DEEPEST_MACROS:
            refuse(f"macros call each other more than {DEEPEST_MACROS} deep")
        made = self._captured(node.body, inner)
        self.macros -= 1
        return made

    def _filter(self, node: s.Filter, scope: Scope) -> Any:
        value = self.value(node.of, scope)
        arguments, named = self._arguments(node, scope)
        self.line = node.line
        return call_filter(self.budget, node.name, value, arguments, named)

    def _test(self, node: s.Test, scope: Scope) -> bool:
        value = self.value(node.of, scope)
        return CHECKS[node.name](self.budget, value, *(self.value(one, scope) for one in node.arguments))

    def _chain(self, node: s.Chain, scope: Scope) -> Any:
        value = self.value(node.first, scope)
        for operator, one in node.rest:
            right = self.value(one, scope)
            self.line = node.line
            value = arithmetic(self.budget, operator, value, right)
        return value

    def _compare(self, node: s.Compare, scope: Scope) -> bool:
        left = self.value(node.first, scope)
        for operator, one in node.rest:
            right = self.value(one, scope)
            self.line = node.line
            if not compare(self.budget, operator, left, right):
                return False
            left = right
        return True

    def _concat(self, node: s.Concat, scope: Scope) -> str:
        parts = [as_text(self.budget, self.value(one, scope)) for one in node.items]
        self.budget.make(sum(map(len, parts)))
        return join(parts)

    def _either(self, node: s.And | s.Or, scope: Scope, wanted: bool) -> Any:
        value = None
        for one in node.items:
            value = self.value(one, scope)
            if truth(value) == wanted:
                break
        return value

    def _conditional(self, node: s.Conditional, scope: Scope) -> Any:
        if truth(self.value(node.test, scope)):
            return self.value(node.then, scope)
        return Undefined("the value of an if without else") if node.other is None else self.value(node.other, scope)
