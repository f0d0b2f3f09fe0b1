"""The tests of templates, `value is name`, as Jinja 2 defines them; those not here are refused by name."""

from collections.abc import Callable
from typing import Any

from tinylm.templates.functions import Macro
from tinylm.templates.limits import Budget, refuse
from tinylm.templates.operators import arithmetic, compare
from tinylm.templates.values import Fields, Fixed, Function, Row, Series, Undefined, as_text

__all__ = ["CHECKS"]


def _is(*kinds: type) -> Callable[..., bool]:
    def check(budget: Budget, value: Any) -> bool:
        return isinstance(value, kinds)

    return check


def _compares(operator: str) -> Callable[..., bool]:
    def check(budget: Budget, value: Any, other: Any) -> bool:
        return compare(budget, operator, value, other)

    return check


def _whole(budget: Budget, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _divisible(budget: Budget, value: Any, by: Any) -> bool:
    return bool(_rest(budget, value, by) == 0)


def _rest(budget: Budget, value: Any, by: Any) -> Any:
    return arithmetic(budget, "%", value, by)


def _same(budget: Budget, value: Any, other: Any) -> bool:
    if isinstance(other, bool) or other is None:
        return value is other
    return refuse("the test 'sameas' is supported for true, false and none")


CHECKS: dict[str, Callable[..., bool]] = {
    "defined": lambda budget, value: not isinstance(value, Undefined),
    "undefined": _is(Undefined),
    "none": _is(type(None)),
    "boolean": _is(bool),
    "true": lambda budget, value: value is True,
    "false": lambda budget, value: value is False,
    "integer": _whole,
    "float": _is(float),
    "number": _is(int, float),
    "string": _is(str),
    "mapping": _is(Fields),
    "sequence": _is(str, Row, Fixed, Fields, range, Undefined),
    "iterable": _is(str, Row, Fixed, Fields, range, Series, Undefined),
    "callable": _is(Function, Macro, Undefined),
    "lower": lambda budget, value: as_text(budget, value).islower(),
    "upper": lambda budget, value: as_text(budget, value).isupper(),
    "odd": lambda budget, value: _rest(budget, value, 2) == 1,
    "even": lambda budget, value: _rest(budget, value, 2) == 0,
    "divisibleby": _divisible,
    "sameas": _same,
    "in": _compares("in"),
    **dict.fromkeys(("eq", "equalto", "=="), _compares("==")),
    **dict.fromkeys(("ne", "!="), _compares("!=")),
    **dict.fromkeys(("lt", "lessthan", "<"), _compares("<")),
    **dict.fromkeys(("le", "<="), _compares("<=")),
    **dict.fromkeys(("gt", "greaterthan", ">"), _compares(">")),
    **dict.fromkeys(("ge", ">="), _compares(">=")),
}
