"""Errors in words: of a command line that cannot be carried out, and of a disk that takes no more."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["UsageError", "bad_input", "of_system"]

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class UsageError(ValueError):
    """Flags or settings that make no sense; the message says what was expected and what to type."""


@contextmanager
def bad_input() -> Iterator[None]:
    """Report a ValueError from inside the block as bad input: settings are checked where they are used."""
    try:
        yield
    except ValueError as problem:
        raise UsageError(str(problem)) from problem


def of_system(problem: OSError) -> str:
    """What the operating system could not do, with which file; where a disk is full, which one and how full."""
    if not problem.filename:
        return str(problem)
    text = f"{problem.filename}: {problem.strerror}"
    if problem.errno not in FULL:
        return text
    folder = Path(os.path.abspath(problem.filename)).parent
    while not folder.exists():
        folder = folder.parent
    mount = next(place for place in (folder, *folder.parents) if os.path.ismount(place) or place == place.parent)
    try:
        space = shutil.disk_usage(folder)
    except OSError:
        return f"{text}; the disk is {mount}"
    return f"{text}; the disk {mount} has {space.free / 1e6:,.1f} MB free of {space.total / 1e6:,.1f} MB"
