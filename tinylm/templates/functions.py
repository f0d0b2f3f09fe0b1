"""What a template can call by name, and the two things that its own syntax makes: loops and macros."""

from collections.abc import Callable, Sequence
from typing import Any

from tinylm.templates import syntax as s
from tinylm.templates.limits import LARGEST, Budget, refuse
from tinylm.templates.values import Fields, Function, Method, Namespace, Undefined, as_text, iterate, kind

__all__ = ["FUNCTIONS", "Loop", "Macro", "call_function"]

LONGEST_FORMAT = 100  # characters, of a date
LONGEST_RANGE = 100_000  # as in Jinja's sandbox

FUNCTIONS = {name: Function(name) for name in ("raise_exception", "namespace", "range", "dict")}


class Loop:
    """`loop` inside a for: what it says about the item that is on."""

    __slots__ = ("index", "items")

    def __init__(self, items: Sequence[Any], index: int):
        self.items, self.index = items, index

    def attribute(self, name: str) -> Any:
        index, count = self.index, len(self.items)
        if name == "previtem":
            return self.items[index - 1] if index else Undefined("loop.previtem")
        if name == "nextitem":
            return self.items[index + 1] if index + 1 < count else Undefined("loop.nextitem")
        if name == "cycle":
            return Method(self, name)
        values = {
            "index": index + 1,
            "index0": index,
            "revindex": count - index,
            "revindex0": count - index - 1,
            "first": index == 0,
            "last": index == count - 1,
            "length": count,
        }
        if name not in values:
            refuse(f"loop.{name} is not supported")
        return values[name]


class Macro:
    """A macro, and the names that are known where it stands."""

    def __init__(self, node: s.Macro, scope: Any):
        self.node, self.scope = node, scope

    def bind(self, arguments: list[Any], named: dict[str, Any]) -> dict[str, Any]:
        """The values of its parameters; those without one and without a default are undefined."""
        names = self.node.parameters
        if len(arguments) > len(names):
            refuse(f"the macro {self.node.name!r} takes at most {len(names)} arguments, got {len(arguments)}")
        bound = dict(zip(names, arguments, strict=False))
        for name, value in named.items():
            if name not in names or name in bound:
                refuse(f"the macro {self.node.name!r} has no place for the argument {name!r}")
            bound[name] = value
        for name in names[: len(names) - len(self.node.defaults)]:
            bound.setdefault(name, Undefined(name))
        return {"loop": Undefined("loop"), **bound}


def _pairs(budget: Budget, arguments: list[Any], named: dict[str, Any]) -> dict[Any, Any]:
    """What dict() and namespace() take: a dictionary, or pairs, and names."""
    if len(arguments) > 1:
        refuse(f"expected one dictionary, got {len(arguments)} values")
    found: dict[Any, Any] = {}
    for given in arguments:
        if isinstance(given, Fields):
            found.update(given)
            continue
        for pair in iterate(budget, given):
            both = list(iterate(budget, pair))
            if len(both) != 2:
                refuse("a dictionary is made of pairs")
            if not (both[0] is None or isinstance(both[0], str | int | float)):
                refuse(f"{kind(both[0])} cannot be a key of a dictionary")
            found[both[0]] = both[1]
    return found | named


def call_function(
    budget: Budget,
    function: Function,
    arguments: list[Any],
    named: dict[str, Any],
    strftime: Callable[[str], str] | None,
) -> Any:
    """What one of FUNCTIONS gives, or strftime_now; raise_exception is the template's own refusal."""
    if function.name == "dict":
        return Fields.of(budget, _pairs(budget, arguments, named).items())
    if function.name == "namespace":
        fields = _pairs(budget, arguments, named)
        if any(not isinstance(name, str) or name.startswith("_") for name in fields):
            refuse("the names in a namespace must be words without an underscore in front")
        budget.hold(len(fields))
        return Namespace(fields)
    if named:
        refuse(f"{function.name}() takes no named arguments")
    if function.name == "range":
        made = range(*arguments)
        if any(abs(number) >= LARGEST for number in arguments) or len(made) > LONGEST_RANGE:
            refuse(f"a range of more than {LONGEST_RANGE:,} numbers")
        return made
    if len(arguments) != 1:
        refuse(f"{function.name}() takes one argument, got {len(arguments)}")
    text = as_text(budget, arguments[0])
    if function.name == "raise_exception":
        refuse("the template says: " + str(text)[:1000])
    if strftime is None or len(text) > LONGEST_FORMAT:
        refuse(f"strftime_now() takes a format of at most {LONGEST_FORMAT} characters")
    return str(strftime(str(text)))
