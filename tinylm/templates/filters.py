"""All filters of templates, `value | name(arguments)`, and those of lists; others are refused by name."""

from collections.abc import Callable
from typing import Any

from tinylm.templates import text as t
from tinylm.templates.checks import CHECKS
from tinylm.templates.limits import Budget, refuse
from tinylm.templates.operators import item as item_of
from tinylm.templates.scalar_filters import SCALAR_FILTERS, into
from tinylm.templates.values import Fields, Fixed, Row, Series, Undefined, as_text, iterate, kind, truth, weight

__all__ = ["FILTERS", "call_filter"]

FILTERS: dict[str, Callable[..., Any]] = dict(SCALAR_FILTERS)


def call_filter(budget: Budget, name: str, value: Any, arguments: list[Any], named: dict[str, Any]) -> Any:
    budget.scan(len(value) if isinstance(value, str) else 0)
    return FILTERS[name](budget, value, *arguments, **named)


@into(FILTERS, "length", "count")
def length(budget: Budget, value: Any) -> int:
    if isinstance(value, Undefined):
        return 0
    if isinstance(value, Series) and not value.once:
        return len(value.items)
    return len(value)


@into(FILTERS, "list")
def as_list(budget: Budget, value: Any) -> Row:
    return Row.of(budget, iterate(budget, value))


@into(FILTERS, "items")
def items(budget: Budget, value: Any) -> Series:
    if isinstance(value, Undefined):
        return Series([], once=True)
    if not isinstance(value, Fields):
        refuse(f"items: expected a dictionary, got {kind(value)}")
    return Series([Fixed.of(budget, pair) for pair in value.items()], once=True)


@into(FILTERS, "first")
def first(budget: Budget, value: Any) -> Any:
    if isinstance(value, Series) and value.once:
        return value.items.pop(0) if value.items else Undefined("first")
    if isinstance(value, str) and value:
        return value[0]
    return next(iterate(budget, value), Undefined("first"))


@into(FILTERS, "last")
def last(budget: Budget, value: Any) -> Any:
    if isinstance(value, Series) and value.once:
        refuse("last of what can be read only once, from the front")
    if isinstance(value, str) and value:
        return value[-1]
    found = list(iterate(budget, value))
    return found[-1] if found else Undefined("last")


@into(FILTERS, "reverse")
def reverse(budget: Budget, value: Any) -> Any:
    if isinstance(value, str):
        budget.make(len(value))
        return value[::-1]
    return Series(list(iterate(budget, value))[::-1], once=True)


def _folded(value: Any, case_sensitive: bool) -> Any:
    return value if case_sensitive or not isinstance(value, str) else value.lower()


@into(FILTERS, "sort")
def sort(budget: Budget, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: Any = None) -> Row:
    if isinstance(attribute, str) and "," in attribute:
        refuse("sort: several attributes are not supported")
    rows = list(iterate(budget, value))
    keys = [_folded(_reached(item, attribute), case_sensitive) for item in rows]
    budget.scan(20 * (sum(map(weight, keys)) + len(keys)))
    if any(isinstance(key, Undefined) for key in keys) and len(keys) > 1:
        refuse("sort: an undefined value")
    order = sorted(range(len(rows)), key=keys.__getitem__, reverse=bool(reverse))
    return Row.of(budget, [rows[i] for i in order])


@into(FILTERS, "unique")
def unique(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Series:
    seen: set[Any] = set()
    found = []
    for item in iterate(budget, value):
        key = _folded(_reached(item, attribute), case_sensitive)
        if isinstance(key, Fixed):
            refuse("unique: tuples are not supported")
        budget.scan(weight(key))
        if key not in seen:
            seen.add(key)
            found.append(item)
    return Series(found, once=True)


@into(FILTERS, "join")
def join(budget: Budget, value: Any, d: Any = "", attribute: Any = None) -> str:
    between = as_text(budget, d)
    parts = [as_text(budget, _reached(item, attribute)) for item in iterate(budget, value)]
    budget.make(sum(map(len, parts)) + len(between) * len(parts))
    return t.join(parts, between)


# -- parts of lists: filters that take a filter or a test by its name ----------------------------------------


def _reached(item: Any, attribute: Any, default: Any = None) -> Any:
    """What "a.b" or a number means in an item; the item itself where there is no attribute."""
    if attribute is None:
        return item
    parts = attribute.split(".") if isinstance(attribute, str) else [attribute]
    for part in parts:
        item = item_of(item, int(part) if isinstance(part, str) and part.isdigit() else part)
        if isinstance(item, Undefined) and default is not None:
            item = default
    return item


@into(FILTERS, "map")
def mapped(budget: Budget, value: Any, *arguments: Any, **named: Any) -> Series:
    if not truth(value):
        return Series([], once=True)
    if not arguments and "attribute" in named:
        attribute, default = named.pop("attribute"), named.pop("default", None)
        if named:
            refuse(f"map: unexpected {', '.join(named)}")
        return Series([_reached(item, attribute, default) for item in iterate(budget, value)], once=True)
    if not arguments:
        refuse("map: expected the name of a filter, or attribute=")
    name, *rest = arguments
    if not isinstance(name, str) or name not in FILTERS:
        refuse(f"the filter {name!r} is not supported")
    found = [call_filter(budget, name, item, rest, named) for item in iterate(budget, value)]
    return Series(found, once=True)


def _selecting(wanted: bool, by_attribute: bool) -> Callable[..., Series]:
    def select(budget: Budget, value: Any, *arguments: Any) -> Series:
        rest = list(arguments)
        if not truth(value):
            return Series([], once=True)
        attribute = None
        if by_attribute:
            if not rest:
                refuse("expected the name of an attribute")
            attribute = rest.pop(0)
        name = rest.pop(0) if rest else None
        if name is not None and name not in CHECKS:
            refuse(f"the test {name!r} is not supported")
        found = []
        for item in iterate(budget, value):
            at = _reached(item, attribute)
            if (truth(at) if name is None else CHECKS[name](budget, at, *rest)) == wanted:
                found.append(item)
        return Series(found, once=True)

    return select


FILTERS |= {"select": _selecting(True, False), "reject": _selecting(False, False)}
FILTERS |= {"selectattr": _selecting(True, True), "rejectattr": _selecting(False, True)}
