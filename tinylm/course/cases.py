"""The inputs on which an answer is tried: drawn once by Hypothesis, the same in every run, the smallest first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import numpy as np

from tinylm.course.exercise import Case
from tinylm.course.problem import Problem

__all__ = ["Enough", "cases_of", "no_constants", "order", "search", "text"]

DIGITS = 12  # of what a forward pass left for backward; far below every tolerance, above what machines differ by


class Enough(BaseException):
    """Ask no more; no Exception, so that Hypothesis lets it through."""


_DRAWN: dict[Any, tuple[Any, tuple[Case, ...]]] = {}


def cases_of(problem: Problem, *, seed: int = 0, tries: int = 100) -> tuple[Case, ...]:
    """The corners, and what is drawn from `problem.inputs` with this seed, each once, the smallest first.

    tries   how many are drawn at most

    The same on every machine that has the same version of Hypothesis, whatever else is loaded. Drawn once a process.
    """
    key = (id(problem.inputs), seed, tries)
    if key not in _DRAWN:
        found = {text(each): each for each in problem.corners}

        def collect(each: Case) -> bool:
            found.setdefault(text(each), each)
            return False

        search(problem, collect, seed=seed, tries=tries)
        _DRAWN[key] = problem.inputs, tuple(sorted(found.values(), key=order))  # keeps `inputs` alive, and its id
    return _DRAWN[key][1]


def search(problem: Problem, wanted: Callable[[Case], bool], *, seed: int = 0, tries: int = 100) -> None:
    """Ask about drawn cases until one is wanted, then about ever simpler ones that are; equal seeds draw alike.

    What comes of it is for `wanted` to keep; it may raise Enough to end the search.
    Raises ImportError naming the extra where Hypothesis is not installed.
    """
    try:
        from hypothesis import HealthCheck, Phase, Verbosity, find, settings
        from hypothesis.errors import NoSuchExample
    except ImportError as missing:
        raise ImportError(
            "inputs are drawn with Hypothesis, which is not installed; type: pip install 'tinylm[course]'"
        ) from missing
    how = settings(  # all of them, since the ones left out come from the profile of whoever calls
        max_examples=tries,
        phases=(Phase.generate, Phase.shrink),
        derandomize=True,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    with no_constants(), suppress(NoSuchExample, Enough):
        find(problem.inputs().map(_steady), wanted, settings=how, random=Random(seed))


def text(each: Case) -> str:
    """A case as a word: two that read the same are the same."""
    return each.call("f")


def order(each: Case) -> tuple[int, int, str]:
    """The key by which the smaller of two cases comes first."""
    spelled = text(each)
    return each.size, len(spelled), spelled


def _steady(each: Case) -> Case:
    """The case with what was computed for it (the arrays among its settings) rounded, to be alike on every machine."""
    return Case(each.args, {key: _rounded(value) for key, value in each.settings.items()})


def _rounded(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype != np.float64 or not value.size:
        return value
    largest = float(np.abs(value[np.isfinite(value)]).max(initial=0.0))
    flat = [0.0 if abs(x) < 1e-14 * largest else float(f"{x:.{DIGITS}g}") for x in value.ravel().tolist()]
    return np.array(flat).reshape(value.shape)


@contextmanager
def no_constants() -> Iterator[None]:
    """Without the numbers and texts that Hypothesis, from 6.131 on, takes from the sources of all loaded modules.

    With them, what is drawn would depend on where the library is installed and on what else was imported.
    """
    try:
        from hypothesis.internal.conjecture.providers import HypothesisProvider

        before = HypothesisProvider._maybe_draw_constant
    except (ImportError, AttributeError):  # a version that takes none
        yield
        return
    HypothesisProvider._maybe_draw_constant = lambda *args, **settings: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        HypothesisProvider._maybe_draw_constant = before  # type: ignore[method-assign]
