"""The filters of templates that work on one value, text or number, as Jinja 2 defines them."""

import json
from collections.abc import Callable
from typing import Any

from tinylm.templates import text as t
from tinylm.templates.limits import Budget, refuse
from tinylm.templates.values import Undefined, as_text, check_number, kind, truth, weight

__all__ = ["SCALAR_FILTERS", "into"]

WIDEST_INDENT = 16

SCALAR_FILTERS: dict[str, Callable[..., Any]] = {}


def into(table: dict[str, Callable[..., Any]], *names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that puts a function into a table under these names."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        table.update(dict.fromkeys(names, function))
        return function

    return add


# -- text ------------------------------------------------------------------------------------------------


@into(SCALAR_FILTERS, "trim")
def trim(budget: Budget, value: Any, chars: str | None = None) -> str:
    return t.stripped(as_text(budget, value), chars)


def _changed(name: str) -> Callable[..., Any]:
    def changed(budget: Budget, value: Any) -> str:
        text = as_text(budget, value)
        budget.make(len(text))
        return t.like(getattr(str, name)(text), text)

    return changed


SCALAR_FILTERS |= {name: _changed(name) for name in ("capitalize", "lower", "upper")}


@into(SCALAR_FILTERS, "string")
def string(budget: Budget, value: Any) -> str:
    return as_text(budget, value)


@into(SCALAR_FILTERS, "safe")
def safe(budget: Budget, value: Any) -> str:
    return refuse("the filter 'safe' is supported only at the end of {{ ... }}, for all of it")


@into(SCALAR_FILTERS, "replace")
def replace(budget: Budget, s: Any, old: Any, new: Any, count: int | None = None) -> str:
    parts = [as_text(budget, value) for value in (s, old, new)]
    return t.replaced(budget, parts[0], parts[1], parts[2], -1 if count is None else count)


@into(SCALAR_FILTERS, "indent")
def indent(budget: Budget, s: Any, width: Any = 4, first: bool = False, blank: bool = False) -> str:
    if not isinstance(s, str):
        refuse(f"indent: expected text, got {kind(s)}")
    by = width if isinstance(width, str) else " " * min(width, WIDEST_INDENT + 1)
    if len(by) > WIDEST_INDENT:
        refuse(f"indent: more than {WIDEST_INDENT} characters")
    budget.make(2 * len(s))
    lines = t.pieces(s, s.splitlines(True), 0) if s else []
    ended = bool(lines) and lines[-1].splitlines()[0] != lines[-1]
    budget.make((len(lines) + 1) * len(by))
    lines = [line[: len(line.splitlines()[0])] for line in lines] + ([""] if ended or not lines else [])
    shifted = [by + line if (line or blank) and (number or first) else line for number, line in enumerate(lines)]
    made = [t.join([by, line]) if new != line else line for line, new in zip(lines, shifted, strict=True)]
    if first and not lines[0] and not blank:
        made[0] = by
    return t.join(made, "\n")


@into(SCALAR_FILTERS, "tojson")
def tojson(
    budget: Budget,
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: Any = None,
    sort_keys: bool = False,
) -> str:
    """As transformers defines it: json.dumps without escapes for HTML."""
    wide = 0 if indent is None else len(indent) if isinstance(indent, str) else int(indent)
    between = [] if separators is None else list(separators)
    if max([wide, *map(len, between)]) > WIDEST_INDENT:
        refuse(f"tojson: indents and separators have at most {WIDEST_INDENT} characters")
    budget.make(2 * weight(value))
    depth = getattr(value, "depth", 1)
    budget.make(weight(value) * (max(wide, 0) * depth + sum(map(len, between))))
    made = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    budget.make(max(0, len(made) - 2 * weight(value)))
    return t.Typed.all(made) if t.typed(value) or getattr(value, "typed", False) else made


# -- numbers and choices -----------------------------------------------------------------------------------


@into(SCALAR_FILTERS, "default", "d")
def default(budget: Budget, value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    return default_value if isinstance(value, Undefined) or (boolean and not truth(value)) else value


@into(SCALAR_FILTERS, "abs")
def absolute(budget: Budget, value: Any) -> Any:
    return abs(value)


def _defined(name: str, value: Any) -> None:
    if isinstance(value, Undefined):
        refuse(f"{name} of {kind(value)} is no number")


@into(SCALAR_FILTERS, "int")
def integer(budget: Budget, value: Any, default: Any = 0, base: int = 10) -> Any:
    _defined("int", value)
    try:
        if isinstance(value, str):
            if len(value) > 40:
                refuse("int: a text of more than 40 characters")
            return check_number(int(value, base))
        return check_number(int(value))
    except (TypeError, ValueError):
        try:
            return check_number(int(float(value)))
        except (TypeError, ValueError, OverflowError):
            return default


@into(SCALAR_FILTERS, "float")
def floating(budget: Budget, value: Any, default: Any = 0.0) -> Any:
    _defined("float", value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


@into(SCALAR_FILTERS, "round")
def rounded(budget: Budget, value: Any, precision: int = 0) -> Any:
    if abs(precision) > 30:
        refuse("round: a precision beyond 30")
    return round(value, precision)
