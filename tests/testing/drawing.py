"""What a strategy draws when it is asked two hundred times, the same each time, and what it shrinks to."""

from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

HOW = settings(
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)


def drawn(strategy: Any) -> list[Any]:
    """Two hundred draws, fewer only where there are no more to be had."""
    seen: list[Any] = []
    try:
        find(strategy, lambda value: seen.append(value), settings=HOW, random=Random(0))
    except NoSuchExample:
        return seen
    raise AssertionError("find takes no value for which None is returned")


def smallest(strategy: Any, condition: Any = lambda value: True) -> Any:
    """The smallest value for which the condition holds."""
    return find(strategy, condition, settings=HOW, random=Random(0))


def often(strategy, least=3, **cases):
    """Each case is met at least so many times in two hundred draws."""
    values = drawn(strategy)
    counts = {name: sum(bool(case(value)) for value in values) for name, case in cases.items()}
    assert min(counts.values()) >= least, counts
    return values
