"""The error for a command line that cannot be carried out."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["UsageError", "bad_input"]


class UsageError(ValueError):
    """Flags or settings that make no sense; the message says what was expected and what to type."""


@contextmanager
def bad_input() -> Iterator[None]:
    """Report a ValueError from inside the block as bad input: settings are checked where they are used."""
    try:
        yield
    except ValueError as problem:
        raise UsageError(str(problem)) from problem
