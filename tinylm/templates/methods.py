"""The methods of text, lists and dictionaries that a template may call: none of them changes anything."""

from collections.abc import Callable
from typing import Any

from tinylm.templates import text as t
from tinylm.templates.limits import ITEM, Budget, refuse
from tinylm.templates.values import Fields, Fixed, Row, Series, Undefined, iterate, kind, weight

__all__ = ["NAMES", "call_method"]

TEXT: dict[str, Callable[..., Any]] = {}
SAME = "isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace istitle isupper".split()
CHANGED = "capitalize casefold lower swapcase title upper".split()


def _text(function: Callable[..., Any]) -> Callable[..., Any]:
    TEXT[function.__name__.rstrip("_")] = function
    return function


def _asked(name: str) -> Callable[..., Any]:
    def asked(budget: Budget, text: str) -> bool:
        return bool(getattr(str, name)(text))

    return asked


def _changed(name: str) -> Callable[..., Any]:
    def changed(budget: Budget, text: str) -> str:
        budget.make(len(text))
        return t.like(getattr(str, name)(text), text)

    return changed


def _found(name: str) -> Callable[..., Any]:
    def found(budget: Budget, text: str, wanted: Any, *bounds: Any) -> Any:
        if name in ("rfind", "rindex"):  # searched backwards by trying every place
            budget.scan(len(text) * len(wanted))
        return getattr(str, name)(text, wanted, *bounds)

    return found


TEXT |= {name: _asked(name) for name in SAME} | {name: _changed(name) for name in CHANGED}
TEXT |= {name: _found(name) for name in "count endswith find index rfind rindex startswith".split()}


@_text
def strip(budget: Budget, text: str, characters: str | None = None) -> str:
    return t.stripped(text, characters)


@_text
def lstrip(budget: Budget, text: str, characters: str | None = None) -> str:
    return t.stripped(text, characters, right=False)


@_text
def rstrip(budget: Budget, text: str, characters: str | None = None) -> str:
    return t.stripped(text, characters, left=False)


@_text
def removeprefix(budget: Budget, text: str, prefix: str) -> str:
    return text[len(prefix) :] if text.startswith(prefix) else text


@_text
def removesuffix(budget: Budget, text: str, suffix: str) -> str:
    return text[: len(text) - len(suffix)] if text.endswith(suffix) else text


@_text
def replace(budget: Budget, text: str, old: str, new: str, count: int = -1) -> str:
    return t.replaced(budget, text, old, new, count)


def _bounded(budget: Budget, maxsplit: int) -> int:
    """So many cuts that a list of one more is refused."""
    most = budget.room // ITEM + 1
    return most if maxsplit < 0 else min(maxsplit, most)


@_text
def split(budget: Budget, text: str, sep: str | None = None, maxsplit: int = -1) -> Row:
    budget.make(len(text))
    cut = text.split(sep, _bounded(budget, maxsplit))
    return Row.of(budget, t.pieces(text, cut, None if sep is None else len(sep)))


@_text
def rsplit(budget: Budget, text: str, sep: str | None = None, maxsplit: int = -1) -> Row:
    budget.make(len(text) * max(1, len(sep or "")))
    cut = text.rsplit(sep, _bounded(budget, maxsplit))
    return Row.of(budget, t.pieces(text, cut, None if sep is None else len(sep)))


@_text
def splitlines(budget: Budget, text: str, keepends: bool = False) -> Row:
    budget.make(2 * len(text))
    whole = t.pieces(text, text.splitlines(True), 0)
    return Row.of(budget, whole if keepends else [line[: len(line.splitlines()[0])] for line in whole])


@_text
def partition(budget: Budget, text: str, sep: str) -> Fixed:
    budget.make(len(text))
    return Fixed.of(budget, t.pieces(text, text.partition(sep), 0))


@_text
def rpartition(budget: Budget, text: str, sep: str) -> Fixed:
    budget.make(len(text) * max(1, len(sep)))
    return Fixed.of(budget, t.pieces(text, text.rpartition(sep), 0))


@_text
def join(budget: Budget, text: str, items: Any) -> str:
    parts = list(iterate(budget, items))
    if not all(isinstance(item, str) for item in parts):
        refuse("join: every item must be text")
    budget.make(sum(map(len, parts)) + len(text) * len(parts))
    return t.join(parts, text)


def _padded(name: str) -> Callable[..., Any]:
    def padded(budget: Budget, text: str, width: int, *fill: str) -> str:
        budget.make(max(len(text), width))
        return t.like(getattr(str, name)(text, width, *fill), text, *fill)

    return padded


TEXT |= {name: _padded(name) for name in ("center", "ljust", "rjust", "zfill")}


def _count(budget: Budget, row: Row | Fixed, value: Any) -> int:
    budget.scan(weight(row) + weight(value))
    return row.count(value)


def _index(budget: Budget, row: Row | Fixed, value: Any, *bounds: int) -> int:
    budget.scan(weight(row) + weight(value))
    return row.index(value, *bounds)


def _pairs(budget: Budget, fields: Fields) -> list[Fixed]:
    budget.hold(len(fields))
    return [Fixed.of(budget, pair) for pair in fields.items()]


def _get(budget: Budget, fields: Fields, key: Any, default: Any = None) -> Any:
    if isinstance(key, Row | Fields | Undefined):
        refuse(f"{kind(key)} cannot be a key of a dictionary")
    return default if isinstance(key, Fixed) else fields.get(key, default)


ROW: dict[str, Callable[..., Any]] = {"count": _count, "index": _index}
MUTABLE: dict[str, Callable[..., Any]] = {**ROW, "copy": lambda budget, row: Row.of(budget, row)}
FIELDS: dict[str, Callable[..., Any]] = {
    "get": _get,
    "items": lambda budget, fields: Series(_pairs(budget, fields), once=False),
    "keys": lambda budget, fields: Series(iterate(budget, fields), once=False),
    "values": lambda budget, fields: Series([fields[key] for key in iterate(budget, fields)], once=False),
    "copy": lambda budget, fields: Fields.of(budget, fields.items()),
}
NAMES: dict[type, dict[str, Callable[..., Any]]] = {str: TEXT, Row: MUTABLE, Fixed: ROW, Fields: FIELDS}


def call_method(budget: Budget, value: Any, name: str, arguments: list[Any], named: dict[str, Any]) -> Any:
    """What value.name(arguments) gives; name is one of NAMES."""
    budget.scan(len(value) if isinstance(value, str) else 0)
    base = next(base for base in NAMES if isinstance(value, base))
    return NAMES[base][name](budget, value, *arguments, **named)
