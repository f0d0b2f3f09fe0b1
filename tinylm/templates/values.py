"""The values of a template: what they are, what they weigh, and how they read as text; knows no syntax.

There are str, int, float, bool, None, lists, tuples, dicts and ranges, and what the language itself makes: the
undefined, namespaces, functions, and the series that filters give. Nothing of Python can be reached from any of them.
Lists, tuples and dicts carry the weight of all they hold: a list that holds twice what holds twice what ..., forty
times over, is small in memory and endless as text.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from tinylm.templates.limits import DEEPEST_VALUE, LARGEST, Budget, Problem, refuse
from tinylm.templates.text import Typed

__all__ = [
    "Fields", "Fixed", "Function", "Method", "Namespace", "Row", "Series", "Undefined",
    "as_text", "check_number", "iterate", "kind", "take", "truth", "weight",
]  # fmt: skip

HEAVIEST = 10**8


class Undefined:
    """What a name without a value is: no text, nothing to loop over, false; anything else with it is an error."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return "Undefined"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Undefined)

    __hash__ = None  # type: ignore[assignment]


class _Held:
    """A list, tuple or dict with its weight, its depth, and whether any text in it comes out of a message."""

    weight: int
    depth: int
    typed: bool

    def weighed(self, budget: Budget, values: Iterable[Any], count: int) -> Self:
        budget.hold(count)
        self.weight, self.depth, self.typed = 1, 1, False
        for value in values:
            self.weight += weight(value)
            if isinstance(value, _Held):
                self.depth = max(self.depth, value.depth + 1)
                self.typed = self.typed or value.typed
            elif isinstance(value, Typed):
                self.typed = True
            elif not (value is None or isinstance(value, str | int | float | Undefined)):
                refuse(f"{kind(value)} cannot be put into a list or dictionary")
        if self.weight > HEAVIEST or self.depth > DEEPEST_VALUE:
            refuse("a list or dictionary holds too much, or is nested too deeply")
        return self


class Row(list[Any], _Held):
    @classmethod
    def of(cls, budget: Budget, items: Iterable[Any]) -> Self:
        row = cls(items)
        return row.weighed(budget, row, len(row))


class Fixed(tuple[Any, ...], _Held):
    @classmethod
    def of(cls, budget: Budget, items: Iterable[Any]) -> Self:
        row = cls(items)
        return row.weighed(budget, row, len(row))


class Fields(dict[Any, Any], _Held):
    @classmethod
    def of(cls, budget: Budget, pairs: Iterable[tuple[Any, Any]]) -> Self:
        fields = cls()
        for key, value in pairs:
            if not (key is None or isinstance(key, str | int | float)):
                refuse(f"{kind(key)} cannot be a key of a dictionary")
            fields[key] = value
        return fields.weighed(budget, [*fields, *fields.values()], 2 * len(fields))


class Namespace:
    """What `{% set ns.x = ... %}` can change from inside a loop."""

    def __init__(self, fields: Mapping[str, Any]):
        self.fields = dict(fields)


class Series:
    """What some filters and methods give: to be looped over; once: a second time it is empty."""

    def __init__(self, items: Iterable[Any], *, once: bool):
        self.items, self.once = list(items), once


class Function:
    """One of the few functions that there are."""

    def __init__(self, name: str):
        self.name = name


class Method(Function):
    """A function of a value, as text.strip."""

    def __init__(self, of: Any, name: str):
        super().__init__(name)
        self.of = of


NAMES = {
    bool: "a truth value", int: "a number", float: "a number", str: "text", Typed: "text", Row: "a list",
    Fixed: "a tuple", Fields: "a dictionary", range: "a range", Series: "a series", Namespace: "a namespace",
    Function: "a function", Method: "a method", type(None): "none",
}  # fmt: skip


def kind(value: Any) -> str:
    """What a value is, in words."""
    return f"{value.name!r}, which is undefined," if isinstance(value, Undefined) else NAMES.get(type(value), "a macro")


def weight(value: Any) -> int:
    """How many characters and values there are in it, at most."""
    if isinstance(value, _Held):
        return value.weight
    if isinstance(value, Series):
        return 1 + sum(map(weight, value.items))
    return 1 + len(value) if isinstance(value, str) else 1


def check_number(value: Any) -> Any:
    """A result of arithmetic, if it is a number of a sane size."""
    if isinstance(value, int) and abs(value) >= LARGEST:
        refuse("a number is beyond 2^63")
    if isinstance(value, complex):
        refuse("a root of a negative number")
    return value


def take(budget: Budget, value: Any, marked: bool = False, depth: int = 0) -> Any:
    """A value of the caller as one of a template's; `marked`: text in it comes out of a message.

    In messages the role stays unmarked where it is one plain word, for templates make tokens of it, as in <|user|>.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return Typed.all(str(value)) if marked else value
    if isinstance(value, int):
        return check_number(int(value))
    if isinstance(value, float):
        return float(value)
    if depth > DEEPEST_VALUE:
        refuse("a variable is nested too deeply")
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) for key in value):
            refuse("a variable has a key that is no text")
        return Fields.of(
            budget,
            [
                (key, take(budget, item, marked and not (key == "role" and _is_word(item)), depth + 1))
                for key, item in value.items()
            ],
        )
    if isinstance(value, list | tuple):
        return Row.of(budget, [take(budget, item, marked, depth + 1) for item in value])
    raise Problem(f"a variable has a value that no template can use: {type(value).__name__}")


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.replace("_", "").isalpha()


def truth(value: Any) -> bool:
    if isinstance(value, Undefined):
        return False
    if isinstance(value, Series):
        return value.once or bool(value.items)
    return bool(value)


def iterate(budget: Budget, value: Any) -> Iterator[Any]:
    """The items of a value, one step each."""
    if isinstance(value, Undefined):
        return
    items: Sequence[Any] | Mapping[Any, Any] = ()
    if isinstance(value, Series):
        items = value.items
        if value.once:
            value.items = []
    elif isinstance(value, str | Row | Fixed | Fields | range):
        items = value
    else:
        refuse(f"{kind(value)} cannot be looped over")
    if isinstance(items, str):
        budget.hold(len(items))
        items = [items[i] for i in range(len(items))]
    for item in items:
        budget.spend()
        yield item


def as_text(budget: Budget, value: Any) -> str:
    """A value as `{{ value }}` shows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Undefined):
        return ""
    if isinstance(value, _Held):
        budget.make(2 * value.weight)
        text = repr(value)
        budget.make(max(0, len(text) - 2 * value.weight))
        return Typed.all(text) if value.typed else text
    if value is None or isinstance(value, bool | int | float | range):
        return str(value)
    return refuse(f"{kind(value)} cannot be shown as text")
