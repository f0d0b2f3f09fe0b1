"""Cases of arithmetic, activation and comparison: what is drawn keeps 2h away from kinks and poles."""

import math
import operator

import numpy as np
from hypothesis import strategies as st

import tinylm.functional as F
from tinylm import spelled

from . import oracles
from .ladder import Case
from .strategies import (
    Example,
    apart,
    axes_of,
    broadcastable,
    elementwise,
    generators,
    layouts,
    lead,
    positive,
    positive_values,
    shapes,
    values,
)

each = oracles.each


@st.composite
def powers(draw):
    """Positive bases with any exponent."""
    rng, layout = draw(generators), draw(layouts)
    a, b = draw(broadcastable(2))
    return Example((positive_values(rng, a, layout), values(rng, b, layout)))


@st.composite
def choices(draw):
    rng = draw(generators)
    condition, a, b = draw(broadcastable(3))
    return Example((rng.random(condition) < 0.5, values(rng, a), values(rng, b)))


@st.composite
def gelus(draw):
    return Example(draw(elementwise()).arrays, {"approximate": draw(st.sampled_from(["none", "tanh"]))})


def spelled_gelu(x, *, approximate):
    return spelled.gelu_tanh(x) if approximate == "tanh" else F.gelu(x)  # the exact form has no primitive ops


@st.composite
def rows(draw):
    """Arrays with numbers along some axis."""
    shape = (*draw(lead()), draw(positive), *draw(lead(1)))
    axis = len(shape) - 1 if shape[-1] else 0
    axis = draw(st.sampled_from([a for a, n in enumerate(shape) if n] or [axis]))
    arrays = (values(draw(generators), shape, draw(layouts)),)
    return Example(arrays, {"axis": axis - draw(st.sampled_from([0, len(shape)]))})


@st.composite
def whole(draw):
    """Small whole numbers, so that equal ones meet."""
    rng = draw(generators)
    return Example(tuple(rng.integers(-1, 2, shape).astype(np.float64) for shape in draw(broadcastable(2))))


@st.composite
def ties(draw):
    shape = draw(shapes)
    if not all(shape):
        shape = tuple(n or 1 for n in shape)
    axis = draw(axes_of(shape))
    x = draw(generators).integers(-1, 2, shape).astype(np.float64)
    return Example((x,), {"axis": axis if isinstance(axis, int) else None})


def tanh(x):
    e = math.expm1(2 * x)
    return e / (e + 2)


def first_largest(numbers):
    return next(i for i, a in enumerate(numbers) if all(a >= b for b in numbers))


def comparison(function, oracle):
    return Case(function, each(oracle, bool), whole())


@st.composite
def conversions(draw):
    return Example(draw(elementwise()).arrays, {"dtype": "float64"})


ARITHMETIC = {
    "add": Case(F.add, each(lambda a, b: math.fsum((a, b))), elementwise(2)),
    "subtract": Case(F.subtract, each(lambda a, b: math.fsum((a, -b))), elementwise(2)),
    "multiply": Case(F.multiply, each(lambda a, b: math.copysign(abs(a) / (1 / abs(b)), a / b)), elementwise(2)),
    "divide": Case(F.divide, each(lambda a, b: a * b**-1), elementwise(2)),
    "negative": Case(F.negative, each(lambda a: 0 - a), elementwise()),
    "power": Case(F.power, each(lambda a, b: math.exp(b * math.log(a))), powers()),
    "exp": Case(F.exp, each(lambda a: 1 + math.expm1(a)), elementwise()),
    "log": Case(F.log, each(lambda a: math.log2(a) * math.log(2)), elementwise(make=positive_values)),
    "sqrt": Case(F.sqrt, each(lambda a: math.exp(math.log(a) / 2)), elementwise(make=positive_values)),
    "sin": Case(F.sin, each(lambda a: 2 * math.sin(a / 2) * math.cos(a / 2)), elementwise()),
    "cos": Case(F.cos, each(lambda a: 1 - 2 * math.sin(a / 2) ** 2), elementwise()),
    "absolute": Case(F.absolute, each(lambda a: math.hypot(a)), elementwise()),
    "maximum": Case(F.maximum, each(lambda a, b: a if a > b else b), apart(2)),
    "minimum": Case(F.minimum, each(lambda a, b: b if a > b else a), apart(2)),
    "where": Case(F.where, each(lambda c, a, b: a if c else b), choices()),
    "astype": Case(F.astype, lambda x, *, dtype: each(lambda a: a)(x), conversions()),
}  # fmt: skip

ACTIVATION = {
    "relu": Case(F.relu, each(lambda a: (a + abs(a)) / 2), elementwise(), spelled.relu),
    "gelu": Case(F.gelu, oracles.gelu, gelus(), spelled_gelu),
    "sigmoid": Case(F.sigmoid, each(lambda a: 1 / (1 + math.exp(-a))), elementwise(), spelled.sigmoid),
    "silu": Case(F.silu, each(lambda a: a / (1 + math.exp(-a))), elementwise(), spelled.silu),
    "tanh": Case(F.tanh, each(tanh), elementwise()),
    "softmax": Case(F.softmax, oracles.along(oracles.softmax_row), rows(), spelled.softmax),
    "log_softmax": Case(F.log_softmax, oracles.along(oracles.log_softmax_row), rows(), spelled.log_softmax),
}

COMPARISON = {
    "greater": comparison(F.greater, operator.gt),
    "greater_equal": comparison(F.greater_equal, operator.ge),
    "less": comparison(F.less, operator.lt),
    "less_equal": comparison(F.less_equal, operator.le),
    "equal": comparison(F.equal, operator.eq),
    "not_equal": comparison(F.not_equal, operator.ne),
    "argmax": Case(F.argmax, oracles.over(first_largest, np.int64), ties()),
}
