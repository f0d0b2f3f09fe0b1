"""What came of calling an answer, wherever it runs: here, or guarded in a process of its own (sandbox/)."""

import copy
import linecache
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tinylm.autograd import Tensor
from tinylm.course.compare import same
from tinylm.course.exercise import Case
from tinylm.course.spelling import show, value_of

__all__ = ["Answer", "Here", "Outcome", "Raised", "raised", "run"]

UNNAMED = ("Exception", "BaseException", "object")


@dataclass(frozen=True, slots=True)
class Raised:
    """An error as plain data: the names of its classes, the narrowest first; its message; and where it was raised.

    line, text   the innermost line of the student's own code, 0 and "" where there is none
    """

    kinds: tuple[str, ...]
    message: str = ""
    line: int = 0
    text: str = ""

    def __str__(self) -> str:
        where = f"\nin line {self.line}{f': {self.text}' if self.text else ''}" if self.line else ""
        return f"{self.kinds[0]}{f': {self.message}' if self.message else ''}{where}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call did: it returned, it raised, or it was stopped.

    value     what it returned; an iterator as the list of what it yields
    after     the arguments after the call, those by name behind the others, where one changed; else None
    error     what it raised
    stopped   why it was ended: "time", "memory", "output", "exit", "killed"; "" where it was not
    detail    one sentence on that
    """

    value: Any = None
    after: tuple[Any, ...] | None = None
    error: Raised | None = None
    stopped: str = ""
    detail: str = ""

    def show(self) -> str:
        """What came, for a reader."""
        if self.stopped:
            return self.detail or f"it was stopped: {self.stopped}"
        return show(self.value) if self.error is None else str(self.error)


class Answer(Protocol):
    """A student's answer to one problem: something to call with cases."""

    def calls(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """One outcome for each case, in order; never raises for what the answer does."""

    def counts(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """What the problem's `work.count` returns for each case, as the outcome's value."""


class Here:
    """An answer that runs in this process, without limits: the reference, a fault, or a function in a notebook.

    drive   see Problem.drive
    """

    def __init__(
        self, function: Any, drive: Callable[..., Any] | None = None, count: Callable[..., int] | None = None
    ) -> None:
        self.function, self._drive, self._count = function, drive, count

    def calls(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        return (run(self.function, each, self._drive) for each in cases)

    def counts(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        assert self._count is not None
        for each in cases:
            try:
                yield Outcome(self._count(self.function, each))
            except (Exception, SystemExit) as error:
                yield Outcome(error=raised(error, getattr(self.function, "__code__", None)))


def run(function: Any, each: Case, drive: Callable[..., Any] | None = None) -> Outcome:
    """Call an answer with copies of the arguments; what it does, but for leaving the process, is in the outcome.

    Arrays come as copies, too: an answer may return what it was given, or write into what it returned before.
    """
    args = tuple(_copy(value) for value in each.args)
    settings = {key: _copy(value) for key, value in each.settings.items()}
    try:
        value = function(*args, **settings) if drive is None else drive(function, *args, **settings)
        value = list(value) if isinstance(value, Iterator) else value
    except (Exception, SystemExit) as error:
        return Outcome(error=raised(error, getattr(function, "__code__", None)))
    before, after = (*each.args, *each.settings.values()), (*args, *settings.values())
    changed = any(not _untouched(*pair) for pair in zip(before, after, strict=True))
    return Outcome(_kept(value), after if changed else None)


def raised(error: BaseException, code: Any = None) -> Raised:
    """An error as plain data; `code` is of the answer, whose file tells which lines are the student's."""
    kinds = tuple(kind.__name__ for kind in type(error).__mro__ if kind.__name__ not in UNNAMED)
    try:
        message = str(error)
    except Exception:
        message = ""
    line, text, trace = 0, "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if code is not None and file == code.co_filename:
            line, text = trace.tb_lineno, linecache.getline(file, trace.tb_lineno).strip()
        trace = trace.tb_next
    return Raised(kinds or (type(error).__name__,), message, line, text)


def _copy(value: Any) -> Any:
    return value_of(value) if value_of(value) is not value else copy.deepcopy(value)


def _kept(value: Any) -> Any:
    """The same, of which no array is changed by what the answer does next."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (tuple, list):
        return type(value)(map(_kept, value))
    return {key: _kept(part) for key, part in value.items()} if type(value) is dict else value


def _untouched(before: Any, after: Any) -> bool:
    """Whether plain data is what it was; of other objects nothing is asked."""
    if isinstance(before, (list, tuple, dict, np.ndarray, Tensor)):
        return same(before, after) is None
    return True
