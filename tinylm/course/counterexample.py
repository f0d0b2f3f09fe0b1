"""A law tried on many inputs by Hypothesis: it held, or the smallest input for which it does not."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from random import Random
from typing import Any

from tinylm.course.cases import no_constants
from tinylm.course.spelling import show
from tinylm.course.style import panel

__all__ = ["Tried", "counterexample"]


@dataclass(frozen=True, slots=True, repr=False)
class Tried:
    """What came of trying a law.

    law       its name
    tries     how often it was asked, while searching and while shrinking
    smallest  the arguments of the smallest counterexample; None where the law held
    reason    what was raised for it, "" where the law said False
    """

    law: str
    tries: int
    smallest: dict[str, Any] | None
    reason: str = ""

    @property
    def held(self) -> bool:
        """Whether no counterexample was found; that is no proof."""
        return self.smallest is None

    def __repr__(self) -> str:
        if self.smallest is None:
            return f"{self.law}: no counterexample in {self.tries} tries"
        call = ", ".join(f"{name}={show(value)}" for name, value in self.smallest.items())
        reason = f"\n  {self.reason}" if self.reason else ""
        return f"{self.law}: does not hold; after {self.tries} tries the smallest counterexample is\n  {call}{reason}"

    def _repr_html_(self) -> str:
        headline, _, inside = repr(self).partition("\n")
        return panel("right" if self.held else "wrong", escape(headline), f"<pre>{escape(inside)}</pre>" * bool(inside))


def counterexample(law: Callable[..., Any], *, tries: int = 100, **strategies: Any) -> Tried:
    """Ask a law about inputs that Hypothesis draws, and shrink the first for which it does not hold.

    law         gets one value of each strategy, by name; it does not hold where it returns False or raises an
                AssertionError (as gradcheck and NumPy's assert_allclose do). Other errors are not caught
    tries       how many inputs are drawn; shrinking takes further ones
    strategies  name → Hypothesis strategy

    The same law and strategies give the same result each time, whatever else is imported: nothing is remembered, the
    seed is fixed, and no constants are taken from sources. Raises ImportError naming the extra where Hypothesis is not
    installed.
    """
    try:
        from hypothesis import HealthCheck, Phase, Verbosity, find, settings
        from hypothesis import strategies as st
        from hypothesis.errors import NoSuchExample
    except ImportError as problem:
        raise ImportError(
            "laws are tried with Hypothesis, which is not installed; type: pip install 'tinylm[notebooks]'"
        ) from problem
    asked = 0

    def broken(arguments: dict[str, Any]) -> bool:
        nonlocal asked
        asked += 1
        return _reason(law, arguments) is not None

    how = settings(  # all that counts, since what is left out comes from the profile of whoever calls
        max_examples=tries,
        derandomize=True,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],  # to explain takes four times as long as to shrink, and nobody sees it
    )
    name = getattr(law, "__name__", "the law")
    try:
        with no_constants():
            smallest = find(st.fixed_dictionaries(strategies), broken, settings=how, random=Random(0))
    except NoSuchExample:
        return Tried(name, asked, None)
    return Tried(name, asked, smallest, _reason(law, smallest) or "")


def _reason(law: Callable[..., Any], arguments: dict[str, Any]) -> str | None:
    """Why the law does not hold for these arguments, "" where it only said so; None where it holds."""
    try:
        answer = law(**arguments)
    except AssertionError as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return None if answer is None or bool(answer) else ""
