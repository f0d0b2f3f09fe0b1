"""What operators, attributes and keys do to values, as Python does it and no more; knows no syntax."""

import operator
from collections.abc import Callable
from typing import Any

from tinylm.templates.limits import Budget, refuse
from tinylm.templates.methods import NAMES as METHODS
from tinylm.templates.text import join
from tinylm.templates.values import (
    Fields,
    Fixed,
    Method,
    Namespace,
    Row,
    Series,
    Undefined,
    check_number,
    kind,
    weight,
)

__all__ = ["arithmetic", "attribute", "compare", "item", "part", "sign"]

NUMERIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod,
}  # fmt: skip
ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
BASES: dict[type, type] = {str: str, Row: list, Fixed: tuple, Fields: dict}


def arithmetic(budget: Budget, sign_: str, a: Any, b: Any) -> Any:
    """a + b and its like: numbers; texts and lists joined by +; text and lists repeated by *."""
    if isinstance(a, int | float) and isinstance(b, int | float):
        if sign_ != "**":
            return check_number(NUMERIC[sign_](a, b))
        if isinstance(a, int) and isinstance(b, int) and abs(a) > 1 and b * abs(a).bit_length() > 128:
            refuse("a number is beyond 2^63")
        return check_number(a**b)
    if sign_ == "+" and isinstance(a, str) and isinstance(b, str):
        budget.make(len(a) + len(b))
        return join([a, b])
    if sign_ == "+" and type(a) is type(b) and isinstance(a, Row | Fixed):
        budget.hold(len(a) + len(b))
        return type(a).of(budget, [*a, *b])
    if sign_ == "*":
        many, count = (b, a) if isinstance(a, int) else (a, b)
        if isinstance(count, int) and isinstance(many, str | Row | Fixed):
            return _repeated(budget, many, max(0, count))
    if sign_ == "%" and isinstance(a, str):
        refuse("the operator % for text is not supported; write a ~ b")
    return refuse(f"{kind(a)} {sign_} {kind(b)} cannot be computed")


def _repeated(budget: Budget, many: Any, count: int) -> Any:
    if isinstance(many, str):
        budget.make(len(many) * count)
        return join([many] * count) if many else ""
    budget.hold(len(many) * count)
    return type(many).of(budget, list(many) * count)


def sign(sign_: str, a: Any) -> Any:
    if not isinstance(a, int | float):
        refuse(f"{sign_} before {kind(a)}")
    return check_number(-a if sign_ == "-" else +a)


def compare(budget: Budget, sign_: str, a: Any, b: Any) -> bool:
    """a == b, a < b, a in b, and their like."""
    if sign_ in ("in", "not in"):
        return _inside(budget, a, b) == (sign_ == "in")
    budget.scan(min(weight(a), weight(b)))
    if sign_ not in ("==", "!=") and (isinstance(a, Undefined) or isinstance(b, Undefined)):
        refuse(f"{kind(a)} {sign_} {kind(b)}")
    return bool(ORDER[sign_](a, b))


def _inside(budget: Budget, a: Any, b: Any) -> bool:
    budget.scan(weight(b) + weight(a))
    if isinstance(b, str) and isinstance(a, str):
        return a in b
    if isinstance(b, Undefined):
        return False
    if isinstance(b, Series) and not b.once:
        b = b.items
    if isinstance(b, Fields):
        if isinstance(a, Row | Fields | Undefined):
            refuse(f"{kind(a)} cannot be a key of a dictionary")
        return not isinstance(a, Fixed) and a in b
    if isinstance(b, range):
        budget.spend(0 if isinstance(a, int) else len(b))
        return a in b
    if isinstance(b, list | tuple):
        return a in b
    return refuse(f"{kind(a)} in {kind(b)}")


def attribute(value: Any, name: str) -> Any:
    """value.name: a method that is allowed, or the value of a key."""
    if isinstance(value, Undefined):
        refuse(f"{value.name!r} is undefined" if name[:1] != "_" else f"the attribute {name!r} is not supported")
    if isinstance(value, Namespace):
        return value.fields.get(name, Undefined(name))
    if hasattr(value, "attribute"):  # a loop's
        return value.attribute(name)
    base: type = next((base for base in BASES if isinstance(value, base)), type(value))
    if name in METHODS.get(base, ()):
        return Method(value, name)
    if hasattr(BASES.get(base, base), name):
        refuse(f"the attribute {name!r} of {kind(value)} is not supported")
    return value[name] if isinstance(value, Fields) and name in value else Undefined(name)


def item(value: Any, key: Any) -> Any:
    """value[key]; undefined where there is none."""
    if isinstance(value, Undefined):
        refuse(f"{value.name!r} is undefined")
    if isinstance(value, Fields) and isinstance(key, str | int | float | None) and key in value:
        return value[key]
    if isinstance(value, str | Row | Fixed | range) and isinstance(key, int):
        return value[key] if -len(value) <= key < len(value) else Undefined(str(key))
    return attribute(value, key) if isinstance(key, str) else Undefined(str(key) if isinstance(key, int) else "item")


def part(budget: Budget, value: Any, start: Any, stop: Any, step: Any) -> Any:
    """value[start:stop:step]"""
    where = slice(start, stop, step)
    if isinstance(value, str):
        budget.make(len(value))
        return value[where]
    if isinstance(value, Row | Fixed):
        return type(value).of(budget, value[where])
    return value[where] if isinstance(value, range) else refuse(f"{kind(value)} has no slices")
