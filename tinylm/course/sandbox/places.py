"""Where a problem's functions are found in another process, which is told by text alone."""

from typing import Any

from tinylm.autograd import Tensor
from tinylm.course.problem import Problem, plain, problems
from tinylm.course.sandbox.elements import ELEMENTS
from tinylm.course.sandbox.look import LIBRARY
from tinylm.course.spelling import value_of
from tinylm.course.work import elements

__all__ = ["counting", "has_tensor", "live", "place"]


def place(thing: Any) -> str:
    """Where to find it in another process: "module:attribute"; "" for nothing."""
    if thing is None:
        return ""
    place = f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', '')}"
    if place.startswith(":") or place.endswith(":") or "<" in place:
        raise TypeError(f"{thing!r} cannot be found in another process; put it at the top of a module of tinylm")
    return place


def live(problem: Problem) -> str:
    """Where the library's own answer is, to bar it; "" where it is not the library's."""
    module = getattr(plain(problem.live), "__module__", None) or ""
    return place(plain(problem.live)) if module.split(".")[0] in LIBRARY else ""


def counting(problem: Problem) -> str:
    """Where the function is that counts its work: ELEMENTS, the name of a known problem, or a place; "" for none."""
    if problem.work is None:
        return ""
    if problem.work.count is elements:
        return ELEMENTS
    known = problems().get(problem.name)
    return problem.name if known is not None and known.work is problem.work else place(problem.work.count)


def has_tensor(value: Any) -> bool:
    """Whether there is a tensor among arguments: these need the library."""
    if isinstance(value, dict):
        return any(map(has_tensor, value.values()))
    return isinstance(value_of(value), Tensor) or (isinstance(value, (list, tuple)) and any(map(has_tensor, value)))
