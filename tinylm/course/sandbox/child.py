"""The process that runs a student's code: it loads the file and answers calls until it is ended.

It judges nothing: arguments come in, what the answer returned or raised goes out, as plain data (wire.py). Runs where
tinylm is not imported.
"""

import contextlib
import linecache
import os
import random
import struct
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinylm.course.sandbox.elements import ELEMENTS, touched
from tinylm.course.sandbox.look import library_imports
from tinylm.course.sandbox.unwire import decode
from tinylm.course.sandbox.wire import WireError, encode

__all__ = ["HEADER", "NONCE", "serve"]

HEADER = struct.Struct("<Q")
NONCE = 16  # bytes that come with a question and go back with its answer: what was written ahead has not got them
UNNAMED = ("Exception", "BaseException", "object")
MESSAGE = 2000  # characters of an error's message
WALLS = "an exercise runs without other files, processes, threads and the network"
MODULE = "my_work"  # the name of the student's module, whatever the file is called

Read = Callable[[int], bytes]
Write = Callable[[Any], int]


def serve(read: Read, write: Write, result: int, done: dict[str, bool]) -> None:
    """Answer questions until the other side closes; ends this process.

    result   bytes that one answer may take
    done     what was closed, told with the first answer
    """
    state = _State()
    outputs = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
    leave = os._exit
    answers: dict[str, Callable[..., tuple[Any, ...]]] = {
        "look": _look, "load": _load, "call": _call, "count": _count
    }  # fmt: skip
    while True:
        head = _exactly(read, HEADER.size + NONCE)
        if head is None:
            leave(0)
            return
        question = _exactly(read, HEADER.unpack(head[: HEADER.size])[0])
        if question is None:
            leave(0)
            return
        try:
            kind, *rest = decode(question, run=_function)
            reply: tuple[Any, ...] = (kind, done) if kind == "hello" else answers[kind](state, *rest)
        except BaseException as error:
            reply = _raised(error, state.file)
        for stream in outputs:
            with contextlib.suppress(BaseException):
                stream.flush()
        try:
            data = encode(reply, limit=result)
        except WireError as error:
            data = encode(("large", str(error)))
        except BaseException as error:  # no memory is left to write what came
            data = encode(_raised(error, state.file))
        message = memoryview(HEADER.pack(len(data)) + head[HEADER.size :] + data)
        while message:
            message = message[write(message) :]


class _State:
    """What is kept from question to question."""

    def __init__(self) -> None:
        self.file = ""
        self.answer: Any = None
        self.drive: Any = None
        self.count: Any = None
        self.live: Any = None


def _exactly(read: Read, size: int) -> bytes | None:
    parts = []
    while size:
        part = read(min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _function(text: str) -> Any:
    """An argument that is a function, from the text that a case spells it with: the grader's own, never a student's."""
    return eval(text, {"np": np})


def _look(state: _State, source: bytes, file: str) -> tuple[Any, ...]:
    """What the file imports of the library; its source is parsed here, where that can do no harm."""
    state.file = file
    warnings.formatwarning = lambda *about, **more: _warning(file, *about)
    lines = source.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[file] = (len(source), None, lines, file)
    found = [(name, line, lines[line - 1].strip()[:200] if line <= len(lines) else "") for name, line in
             library_imports(source, file)]  # fmt: skip
    return "imports", found


def _warning(file: str, message: Any, category: type[Warning], filename: str, line: int, *more: Any) -> str:
    """A warning as it is printed: without the folders of the machine that grades, so that it is the same on each."""
    return f"{category.__name__}: {message}{f' (line {line})' if filename == file else ''}\n"


def _load(state: _State, source: bytes, symbol: str, drive: str, count: str, live: str) -> tuple[Any, ...]:
    """Run the file as a module called my_work, and take the answer from it.

    drive, live   "module:attribute" in the library, "" for none
    count         the same; or the name of the problem whose work it counts; or ELEMENTS
    """
    state.count = _counter(count) if count else None
    if drive or live:
        from tinylm.course.sandbox.barrier import bar, found, refuse

        state.drive = found(drive) if drive else None
        if live:
            state.live = found(live)
            bar(state.live, symbol, state.file, run.__code__)
    random.seed(0)
    np.random.seed(0)
    module = types.ModuleType(MODULE)
    module.__file__ = state.file
    sys.modules[MODULE] = module
    exec(compile(source, state.file, "exec", dont_inherit=True), module.__dict__)
    if symbol not in vars(module):
        return "missing", [name for name in vars(module) if not name.startswith("_")][:200]
    state.answer = vars(module)[symbol]
    if state.live is not None:
        refuse(state.answer, state.live, symbol)
    return ("loaded",)


def _counter(count: str) -> Callable[..., int]:
    """What counts the work of (answer, arguments, settings)."""
    if count == ELEMENTS:
        return touched
    from tinylm.course.exercise import Case
    from tinylm.course.sandbox.barrier import found

    if ":" in count:
        counts: Any = found(count)
    else:
        from tinylm.course.problem import problem_named

        work = problem_named(count).work
        assert work is not None
        counts = work.count
    return lambda answer, args, settings: counts(answer, Case(args, settings))


def run(answer: Any, args: Any, settings: dict[str, Any]) -> Any:
    """What the answer returns: all that is called below is called by the student, wherever its code says it is from."""
    return answer(*args, **settings)


def _call(state: _State, before: bytes, settings: dict[str, Any]) -> tuple[Any, ...]:
    args = decode(before, run=_function)
    named = encode(tuple(settings.values()))
    answer: Any = state.answer
    value = run(answer, args, settings) if state.drive is None else state.drive(answer, *args, **settings)
    value = list(value) if isinstance(value, Iterator) else value
    after = *args, *settings.values()
    return "value", value, (after if encode(args) != before or encode(after[len(args) :]) != named else None)


def _count(state: _State, args: bytes, settings: dict[str, Any]) -> tuple[Any, ...]:
    return "value", state.count(state.answer, decode(args, run=_function), settings), None


def _raised(error: BaseException, file: str) -> tuple[Any, ...]:
    """An error as plain data: names of its classes, message, and the innermost line of the student's file."""
    bases = type.__dict__["__mro__"].__get__(type(error))
    names = [type.__dict__["__name__"].__get__(kind)[:100] for kind in bases[:20]]
    kinds = [name for name in names if name not in UNNAMED] or names[:1]
    try:
        message = str.__str__(str(error))[:MESSAGE]
    except BaseException:  # whatever the __str__ of a student's error does
        message = ""
    if (isinstance(error, PermissionError) and message.startswith("[Errno")) or message == "can't start new thread":
        message = f"{message}; {WALLS}"
    line, text = 0, ""
    trace = BaseException.__dict__["__traceback__"].__get__(error)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == file and type(error.lineno) is int:
        line, message = error.lineno, str(error.msg)[:MESSAGE]
    if line:
        text = linecache.getline(file, line).strip()[:200]
    return "error", kinds, message, line, text
