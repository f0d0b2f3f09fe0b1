"""A student's answer in a process of its own: an Answer, whose outcomes are made here from what comes back."""

import difflib
import os
import signal
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tinylm.autograd import Tensor
from tinylm.course.compare import same
from tinylm.course.exercise import Case
from tinylm.course.outcome import Outcome, Raised
from tinylm.course.problem import Problem
from tinylm.course.sandbox.granted import asks_for_library, granted
from tinylm.course.sandbox.limits import Limits
from tinylm.course.sandbox.line import Stopped
from tinylm.course.sandbox.look import KEEP, allows
from tinylm.course.sandbox.nursery import Kind, Nursery, Process
from tinylm.course.sandbox.places import counting, has_tensor, live, place
from tinylm.course.sandbox.unwire import steady
from tinylm.course.sandbox.wire import WireError, encode

__all__ = ["Guarded"]

LARGEST = 1 << 20  # bytes of a student's file
TRUSTED = 1 << 30  # bytes of a question: it is ours


class Guarded:
    """A student's file, asked for its answer to one problem: `with Guarded("my_work.py", problem) as answer: ...`

    What goes wrong while the file is loaded is the outcome of every call: a Raised whose first kind is "BrokenFile",
    "MissingAnswer" (no such name in it) or "AnswerRefused" (it imports what it may not), or a stop. The process is
    started by the first call. What has been stopped stays stopped: all later calls have the same outcome, at once, and
    nothing is started again, so that an endless loop costs the limit once.

    done   what was closed off in the process: see protections.py
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        problem: Problem,
        limits: Limits | None = None,
        *,
        nursery: Nursery | None = None,
    ) -> None:
        self.path, self.problem, self.limits = Path(path), problem, limits or Limits()
        self._own = nursery is None
        self._nursery = nursery or Nursery(self.limits)
        self._process: Process | None = None
        self._over: Outcome | None = None
        self._loaded = False
        self._printed = ""
        self.done: dict[str, bool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; what it printed stays."""
        self._end()
        self._over = self._over or Outcome(stopped="exit", detail="it was closed")
        if self._own:
            self._nursery.close()

    @property
    def printed(self) -> str:
        """The last 2,000 characters that the file printed, on both its outputs."""
        return self._process.line.printed if self._process is not None else self._printed

    @property
    def trouble(self) -> Outcome | None:
        """What went wrong while the file was loaded; None where the answer could be called."""
        self._open()
        return None if self._loaded else self._over

    def calls(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """One outcome for each case, in order; never raises for what the answer does.

        Raises TypeError for a case with an argument that cannot be sent.
        """
        return (self._ask("call", each) for each in cases)

    def counts(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """What the problem's `work.count` returns for each case, as the outcome's value."""
        return (self._ask("count", each) for each in cases)

    def _ask(self, how: str, each: Case) -> Outcome:
        if self._over is None and not self._loaded:
            self._open(has_tensor((each.args, dict(each.settings))))
        if self._over is not None:
            return self._over
        try:
            args = encode(each.args, limit=TRUSTED, strict=True)
            question = encode((how, args, dict(each.settings)), limit=TRUSTED, strict=True)
        except WireError as error:
            raise TypeError(f"{self.problem.name}: this case cannot be sent to another process: {error}") from error
        outcome = self._outcome(question, each)
        if outcome.stopped:
            self._over = outcome
            self._end()
        return outcome

    def _outcome(self, question: bytes, each: Case | None = None) -> Outcome:
        """One question and what came of it."""
        reply = self._reply(question)
        if isinstance(reply, Outcome):
            return reply
        match reply:
            case ("value", value, None):
                return Outcome(value)
            case ("value", value, tuple() as after) if each is not None:
                with suppress(Exception):  # else it is something that nothing can be compared with
                    before = (*each.args, *each.settings.values())
                    changed = any(not _untouched(*pair) for pair in zip(before, after, strict=True))
                    return Outcome(value, after if changed else None)
            case ("large", str(why)):
                return Outcome(stopped="output", detail=f"it returned too much: {steady(why[:200])}")
        return Outcome(stopped="exit", detail="what came is no answer")

    def _reply(self, question: bytes) -> Any:
        """What came back, where it is neither an error nor the end; else the outcome."""
        assert self._process is not None
        try:
            reply = self._process.line.ask(question)
        except Stopped as stop:
            return Outcome(stopped=stop.why, detail=stop.detail)
        except EOFError:
            return self._gone()
        match reply:
            case ("error", list(kinds), str(message), int(line), str(text)) if kinds and all(
                type(kind) is str for kind in kinds
            ):
                names = tuple(steady(kind[:100]) for kind in kinds[:20])
                where = line if 0 < line <= LARGEST else 0  # whatever an error says of itself
                error = Raised(names, steady(message[:2000]), where, steady(text[:200]) if where else "")
                if "MemoryError" in kinds:
                    more = f"it asked for more memory than there is for an exercise, {self.limits.memory >> 20} MiB"
                    return Outcome(error=error, stopped="memory", detail=f"{more}\n{error}")
                return Outcome(error=error)
        return reply

    def _gone(self) -> Outcome:
        """The process has closed the line: how it ended."""
        status, ended = self._end()
        ours = status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and not ended
        if status is None or ours:
            return Outcome(stopped="exit", detail="it closed the line between the exercise and the grader")
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            return Outcome(stopped="exit", detail=f"it left its process, with exit code {code}, in place of returning")
        number = os.WTERMSIG(status)
        if number == getattr(signal, "SIGXCPU", -1):
            return Outcome(stopped="time", detail=f"it took more than {self.limits.seconds:g} seconds")
        name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
        return Outcome(stopped="killed", detail=f"its process crashed or was ended ({name})")

    def _end(self) -> tuple[int | None, bool]:
        process, self._process = self._process, None
        if process is None:
            return None, False
        try:
            return process.end()
        finally:
            self._printed = process.line.printed

    def _open(self, tensors: bool = False) -> None:
        """Start a process, look at the file in it, and load it."""
        if self._loaded or self._over is not None:
            return
        source = _read(self.path)
        file = self.path.name
        kind: Kind = "whole" if tensors or asks_for_library(self.problem) else "bare"
        self._over = self._begin(kind, source, file)
        if self._over is None and kind == "bare" and self._uses_library:
            self._end()
            kind = "whole"
            self._over = self._begin(kind, source, file)
        if self._over is None:
            self._over = self._load(kind, source)
        self._loaded = self._over is None
        if self._over is not None:
            self._end()

    def _begin(self, kind: Kind, source: bytes, file: str) -> Outcome | None:
        """A process that has parsed the file; the outcome where the file cannot be loaded."""
        self._process = self._nursery.start(kind)
        try:
            first = self._process.line.ask(encode(("hello",)))
        except EOFError:
            said = self._process.line.printed.strip()
            raise RuntimeError(f"the process for an exercise did not begin; it said: {said or 'nothing'}") from None
        self.done = dict(first[1])
        self._process.line.begin()
        if len(source) > LARGEST:
            return _broken(Outcome(error=Raised(("ValueError",), f"it is larger than {LARGEST >> 20} MiB")), file)
        reply = self._reply(encode(("look", source, file)))
        if isinstance(reply, Outcome):
            return _broken(reply, file)
        used = [each for each in reply[1] if each[0] != KEEP]
        self._uses_library = bool(used)
        for name, line, text in used:
            if not allows(granted(self.problem, own=True), name) and not allows(granted(self.problem), name):
                where = f"line {line} of {file}"
                more = f"{where}: this exercise is to write {self.problem.symbol} without {name} of the library"
                return Outcome(error=Raised(("AnswerRefused",), f"{more}; take the import out", line, text))
        return None

    def _load(self, kind: Kind, source: bytes) -> Outcome | None:
        problem = self.problem
        places = [place(problem.drive), counting(problem), live(problem)]
        if kind == "bare":  # where there are neither drives nor the library's own answer
            places = ["", counting(problem), ""]
        reply = self._reply(encode(("load", source, problem.symbol, *places)))
        match reply:
            case Outcome():
                return _broken(reply, self.path.name)
            case ("loaded",):
                return None
            case ("missing", list(names)):
                near = difflib.get_close_matches(problem.symbol, [str(name)[:100] for name in names[:200]], n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; for a beginning, type: tinylm stub {problem.name}"
                message = f"{self.path.name} has no {problem.symbol}{hint}"
                return Outcome(error=Raised(("MissingAnswer",), message))
        return Outcome(stopped="exit", detail="what came is no answer")


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no file; give a student's Python file")
        return file.read(LARGEST + 1)


def _broken(outcome: Outcome, file: str) -> Outcome:
    """What came of a file that does not load, so that it is told from an answer that raises."""
    error = outcome.error
    if error is None or outcome.stopped or "AnswerRefused" in error.kinds:
        return outcome
    return Outcome(error=Raised(("BrokenFile", *error.kinds), f"{file} cannot be run: {error}"))


def _untouched(before: Any, after: Any) -> bool:
    """As outcome.run has it: whether plain data is what it was."""
    if isinstance(before, (list, tuple, dict, np.ndarray, Tensor)):
        return same(before, after) is None
    return True
