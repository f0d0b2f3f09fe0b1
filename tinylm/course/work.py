"""How the work of an answer on arrays is judged: by the elements that it touches, never by a clock."""

from collections.abc import Callable
from typing import Any

from tinylm.course.exercise import Case
from tinylm.course.problem import Work
from tinylm.course.spelling import value_of

__all__ = ["COUNTED", "elements", "linear"]

COUNTED = "The array elements that NumPy is given and gives are counted: for {}, little more than twice as many."


def elements(answer: Any, each: Case) -> int:
    """How many elements of arrays a call touches."""
    from tinylm.course.sandbox.elements import touched  # its package needs this module

    return touched(answer, [value_of(value) for value in each.args], each.settings)


def linear(at: Callable[[int], Case], says: str) -> Work:
    """Work that should grow with the size, and not with its square.

    at   n → the case of that size   says   what it means to go over it
    """
    return Work("elements of arrays", elements, at, (64, 128, 256), 1.5, says)
