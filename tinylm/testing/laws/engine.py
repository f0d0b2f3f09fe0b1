"""Laws of a library of automatic differentiation: expressions of any shape, used twice, deep, and backward again."""

import operator
from typing import Any

import numpy as np

import tinylm.testing as drawn
from tinylm.testing import given
from tinylm.testing.law import close, equal, law
from tinylm.testing.mistakes import InputError

__all__ = ["backward_twice_adds", "deep_graphs_work", "expressions_have_exact_gradients", "plain_numbers_mix_in"]

OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
MIXED: dict[str, tuple[Any, float]] = {
    "2 + x": (lambda x: 2 + x, 1.0), "x + 2": (lambda x: x + 2, 1.0), "2 - x": (lambda x: 2 - x, -1.0),
    "x - 2": (lambda x: x - 2, 1.0), "2 * x": (lambda x: 2 * x, 2.0), "x * 2": (lambda x: x * 2, 2.0),
    "x / 2": (lambda x: x / 2, 0.5), "-x": (lambda x: -x, -1.0), "x ** 1": (lambda x: x**1, 1.0),
    "x ** 0": (lambda x: x**0, 0.0), "x ** 2 - x * x": (lambda x: x**2 - x * x, 0.0),
}  # fmt: skip


def _expressions() -> Any:
    from tinylm.testing.drawing import st

    names = st.sampled_from(["x", "y"])
    return st.recursive(names, lambda inner: st.tuples(st.sampled_from([*OPERATORS]), inner, inner), max_leaves=6)


def _pairs(library: Any) -> Any:
    shape = () if library.scalar else (2,)
    from tinylm.testing.drawing import st

    return st.tuples(drawn.arrays(shape, drawn.numbers(2.0, 0.5)), drawn.arrays(shape, drawn.numbers(2.0, 0.5)))


@law("engine", needs=("differentiable",), expression=lambda _: _expressions(), arrays=_pairs)
def expressions_have_exact_gradients(library: Any, expression: Any, arrays: Any) -> None:
    """Any expression of +, − and × has the gradient that dual numbers give, whatever is used twice.

    expression   "x", "y", or (operator, expression, expression)
    """
    x, y = _two(expression, arrays)
    f = library.differentiable(lambda x, y: _value(expression, {"x": x, "y": y}), 2)
    zero, one = np.zeros_like(x), np.ones_like(x)
    by_x = _dual(expression, {"x": (x, one), "y": (y, zero)})
    by_y = _dual(expression, {"x": (x, zero), "y": (y, one)})
    close(by_x[0], np.array(f.forward(x.copy(), y.copy())), "the value")
    found = f.gradients(np.ones_like(x), x.copy(), y.copy())
    for name, expected, got in zip("xy", (by_x[1], by_y[1]), found, strict=True):
        close(expected, zero if got is None else got, f"the gradient of {name}")


@law("engine", needs=("differentiable",), form=lambda _: _forms(), number=lambda _: drawn.numbers())
def plain_numbers_mix_in(library: Any, form: str, number: float) -> None:
    """A plain number may stand on either side of an operator: 2 − x, x * 2, x ** 0 and the like.

    form   one of MIXED's
    """
    fn, slope = MIXED[given.choice("form", form, [*MIXED])]
    f = library.differentiable(fn, 1)
    x = np.array(given.number("number", number))
    close(np.asarray(fn(x), np.float64), f.forward(x.copy()), f"the value of {form}")
    (got,) = f.gradients(np.ones(()), x.copy())
    close(np.array(slope), np.zeros(()) if got is None else got, f"the gradient of {form}")


@law("engine", needs=("differentiable",), depth=lambda _: _depths())
def deep_graphs_work(library: Any, depth: int) -> None:
    """A graph may be as deep as memory allows: x + x + ... + x has a gradient, whatever its length."""
    depth = given.whole("depth", depth, 0)

    def long_sum(x: Any) -> Any:
        total = x
        for _ in range(depth):
            total = total + x
        return total

    f = library.differentiable(long_sum, 1)
    (got,) = f.gradients(np.ones(()), np.array(1.0))
    equal(np.array(depth + 1.0), np.zeros(()) if got is None else np.asarray(got), f"the gradient of {depth + 1} x")


@law("engine", needs=("twice",), expression=lambda _: _expressions(), arrays=_pairs)
def backward_twice_adds(library: Any, expression: Any, arrays: Any) -> None:
    """Two backward passes over one graph give twice the gradient at its leaves, since gradients add up."""
    x, y = _two(expression, arrays)
    zero, one = np.zeros_like(x), np.ones_like(x)
    got = library.twice(lambda x, y: _value(expression, {"x": x, "y": y}), x.copy(), y.copy())
    by_x = _dual(expression, {"x": (x, one), "y": (y, zero)})[1]
    by_y = _dual(expression, {"x": (x, zero), "y": (y, one)})[1]
    for name, expected, found in zip("xy", (by_x, by_y), got, strict=True):
        close(2 * expected, found, f"the gradient of {name} after two passes")


def _two(expression: Any, arrays: Any) -> list[Any]:
    """x and y in float64, for an expression that is one."""
    if not _is_expression(expression):
        raise InputError(f'expression must be "x", "y" or (one of + - *, expression, expression), got {expression!r}')
    found = [each.astype(np.float64) for each in given.several("arrays", arrays, 2)]
    if found[0].shape != found[1].shape:
        raise InputError(f"arrays must have one shape, they have {[each.shape for each in found]}")
    return found


def _is_expression(given: Any) -> bool:
    if isinstance(given, tuple) and len(given) == 3:
        return given[0] in OPERATORS and all(map(_is_expression, given[1:]))
    return isinstance(given, str) and given in ("x", "y")


def _value(expression: Any, known: dict[str, Any]) -> Any:
    if isinstance(expression, str):
        return known[expression]
    sign, left, right = expression
    return OPERATORS[sign](_value(left, known), _value(right, known))


def _dual(expression: Any, known: dict[str, Any]) -> Any:
    """(value, derivative): the derivative is carried forward beside the value."""
    if isinstance(expression, str):
        return known[expression]
    sign, left, right = expression
    (a, da), (b, db) = _dual(left, known), _dual(right, known)
    if sign == "*":
        return a * b, da * b + a * db
    return (a + b, da + db) if sign == "+" else (a - b, da - db)


def _forms() -> Any:
    from tinylm.testing.drawing import st

    return st.sampled_from([*MIXED])


def _depths() -> Any:
    from tinylm.testing.drawing import st

    return st.sampled_from([1, 100, 1000, 3000])
