"""Exercises on laws: two that an op must obey, tried out, and a shrinker of counterexamples."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinylm.course.exercise import Exercise, case, register
from tinylm.course.spelling import Source

Array = Any


def _sees_no_future(f: Callable[[Array], Array], x: Array) -> bool:
    y = f(x)
    for t in range(len(x)):
        changed = x.copy()
        changed[t + 1 :] += 1.25
        if not np.array_equal(f(changed)[: t + 1], y[: t + 1]):
            return False
    return True


CUMSUM = Source("lambda x: x.cumsum(axis=0)", lambda x: x.cumsum(axis=0))
MEAN = Source("lambda x: x - x.mean(axis=0)", lambda x: x - x.mean(axis=0))
OWN = Source("lambda x: x * x", lambda x: x * x)
NEXT = Source(
    "lambda x: np.concatenate([x[1:], x[:1]])", lambda x: np.concatenate([x[1:], x[:1]])
)  # row t sees row t + 1
FIRST = Source(
    "lambda x: np.concatenate([x[:1] + x[1:2], x[1:]])", lambda x: np.concatenate([x[:1] + x[1:2], x[1:]])
)  # the first row alone sees the next one
LAST = Source(
    "lambda x: np.concatenate([x[:1] + x[-1:], x[1:]])", lambda x: np.concatenate([x[:1] + x[-1:], x[1:]])
)  # the first row alone sees the last one
SECOND = Source(
    "lambda x: np.concatenate([x[:1], x[1:2] + x[2:3], x[2:]])",
    lambda x: np.concatenate([x[:1], x[1:2] + x[2:3], x[2:]]),
)  # the second row alone sees the next one: row 0 says nothing about it

register(
    Exercise(
        "sees_no_future",
        "Return whether f obeys the law of causal attention at x: whatever is added to the rows after row t, the rows "
        "0 … t of f(x) stay the same, for every t. f maps arrays (T, C) to arrays (T, C); do not change x itself.",
        reference=_sees_no_future,
        cases=[
            case(OWN, np.array([[1.0], [2.0]])),
            case(NEXT, np.array([[1.0], [2.0]])),
            case(CUMSUM, np.array([[1.0], [2.0], [3.0]])),
            case(MEAN, np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 5.0]])),
            case(FIRST, np.array([[1.0], [2.0], [4.0], [8.0]])),
            case(LAST, np.array([[1.0], [2.0], [4.0], [8.0]])),
            case(SECOND, np.array([[1.0], [2.0], [4.0]])),
        ],
    )
)


def _obeys_softmax_laws(f: Callable[[Array], Array], x: Array) -> bool:
    p, shifted = f(x), f(x + 1.0)
    return bool((p >= 0).all() and abs(p.sum() - 1) < 1e-9 and np.allclose(shifted, p, rtol=0, atol=1e-9))


def _softmax(x: Array) -> Array:
    return np.exp(x) / np.exp(x).sum()


SOFTMAX = Source("lambda x: np.exp(x) / np.exp(x).sum()", _softmax)
SHARES = Source("lambda x: abs(x) / abs(x).sum()", lambda x: abs(x) / abs(x).sum())
CENTRED = Source("lambda x: x - x.mean() + 1 / len(x)", lambda x: x - x.mean() + 1 / len(x))
DOUBLED = Source("lambda x: 2 * np.exp(x) / np.exp(x).sum()", lambda x: 2 * _softmax(x))
EVEN = Source("lambda x: 0 * x + 1 / len(x)", lambda x: 0 * x + 1 / len(x))
HARD = Source("lambda x: np.eye(len(x))[x.argmax()]", lambda x: np.eye(len(x))[x.argmax()])  # 0 is not negative

register(
    Exercise(
        "obeys_softmax_laws",
        "Return whether f obeys three laws of softmax at x, each to within 1e-9: no number of f(x) is negative, they "
        "add up to 1, and f(x + 1) is f(x). x: (V,)",
        reference=_obeys_softmax_laws,
        cases=[
            case(SOFTMAX, np.array([0.0, 1.0])),
            case(SHARES, np.array([1.0, 3.0])),
            case(DOUBLED, np.array([0.0, 1.0])),
            case(CENTRED, np.array([0.0, 4.0])),
            case(EVEN, np.array([2.0, 1.0])),
            case(HARD, np.array([2.0, 1.0])),
            case(SOFTMAX, np.array([-1.0, 0.5, 2.0])),
        ],
    )
)


def _shrink(fails: Callable[[list[Any]], bool], items: list[Any]) -> list[Any]:
    place = 0
    while place < len(items):
        shorter = items[:place] + items[place + 1 :]
        if fails(shorter):
            items, place = shorter, 0
        else:
            place += 1
    return items


NEGATIVE = Source("lambda xs: any(x < 0 for x in xs)", lambda xs: any(x < 0 for x in xs))
LONG = Source("lambda xs: len(xs) > 2", lambda xs: len(xs) > 2)
TWICE = Source("lambda xs: len(xs) != len(set(xs))", lambda xs: len(xs) != len(set(xs)))
ODD_SUM = Source("lambda xs: sum(xs) % 2 == 1", lambda xs: sum(xs) % 2 == 1)
TWO_SMALL = Source("lambda xs: sum(x < 3 for x in xs) % 3 == 2", lambda xs: sum(x < 3 for x in xs) % 3 == 2)
# the 2 can go only once the 4 after it is gone: one sweep from the left is not enough
LATE = Source("lambda xs: 9 in xs and (2 in xs or 4 not in xs)", lambda xs: 9 in xs and (2 in xs or 4 not in xs))

register(
    Exercise(
        "shrink",
        "Return the smallest list that still fails: take away the first item without which fails(list) is still true, "
        "and start over with the shorter list, until no item can go. `items` itself fails; leave it as it is.",
        reference=_shrink,
        cases=[
            case(NEGATIVE, [-1]),
            case(NEGATIVE, [1, -1, 2]),
            case(NEGATIVE, [-1, 3, -2]),
            case(LONG, [5, 6, 7, 8]),
            case(TWICE, [3, 1, 3, 1]),
            case(ODD_SUM, [2, 1, 4, 3, 5]),
            case(LATE, [2, 4, 9]),
            case(TWO_SMALL, [1, 7, 2, 8, 0, 1, 1]),
        ],
    )
)
