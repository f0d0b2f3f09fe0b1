"""Which form of the algorithms runs: the readable one, which defines them, or its fast twin; knows neither."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tokenizer.errors import TokenizerError
from tokenizer.fast.rules import RULES

FORMS = ("fast", "readable")

_form: ContextVar[str] = ContextVar("form", default="fast")


@contextmanager
def use_form(name: str) -> Iterator[None]:
    """Train, encode and decode in the "fast" form (the default) or the "readable" one; the results are the same.

    >>> with use_form("readable"):
    ...     is_fast("gpt2")
    False

    Raises TokenizerError for another word.
    """
    if name not in FORMS:
        raise TokenizerError(f"use_form: expected one of {', '.join(FORMS)}, got {name!r}")
    token = _form.set(name)
    try:
        yield
    finally:
        _form.reset(token)


def fast_wanted() -> bool:
    """Whether the fast form is to run where there is one."""
    return _form.get() == "fast"


def has_fast_form(pattern: str) -> bool:
    """Whether there is a fast form of cutting by this pattern: for all that have a name, not for a regex."""
    return pattern in RULES


def is_fast(pattern: str) -> bool:
    """Whether cutting by this pattern runs in the fast form now."""
    return fast_wanted() and has_fast_form(pattern)
