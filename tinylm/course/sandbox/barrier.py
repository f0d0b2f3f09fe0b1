"""The library's own answer, out of a student's reach where the library is in memory; the library still runs on it."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import reduce
from types import CodeType, FunctionType
from typing import Any

from tinylm.course.sandbox.look import LIBRARY

__all__ = ["AnswerRefused", "bar", "found", "refuse"]


REFUSED = "this exercise is to write {}; the library's own may not be called"


class AnswerRefused(RuntimeError):
    """An exercise was answered with the library's own answer."""


def found(place: str) -> Any:
    """What stands at "module:attribute"."""
    module, _, attribute = place.partition(":")
    return reduce(getattr, attribute.split("."), importlib.import_module(module))


def bar(live: Any, symbol: str, file: str, run: CodeType) -> None:
    """Make the live object, and the kernels of an op, raise AnswerRefused while code of `file`, or `run`, is being run.

    It is the code of the functions that is replaced: whoever holds them, under whatever name, holds the barrier. Calls
    that do not come from the student's code, however deep below, go through.
    """
    for function in _functions(live):
        _replace(function, _barrier(_copy(function), symbol, file, run))


def refuse(answer: Any, live: Any, symbol: str) -> None:
    """Raise AnswerRefused where the answer is a function or class of the library, or a class made from the live one."""
    seen = answer
    for _ in range(20):  # a partial of a partial, a wrapper of a wrapper
        defined = inspect.isroutine(seen) or isinstance(seen, type)
        own = defined and str(getattr(seen, "__module__", "")).split(".")[0] in LIBRARY
        if seen is live or own or (isinstance(live, type) and isinstance(seen, type) and issubclass(seen, live)):
            raise AnswerRefused(REFUSED.format(symbol))
        seen = getattr(seen, "func", getattr(seen, "__wrapped__", None))


def _functions(live: Any) -> Iterator[FunctionType]:
    """The functions that give the answer away: itself, a class's constructor, and every kernel of an op."""
    from tinylm.ops import ops
    from tinylm.ops.op import Op

    if isinstance(live, type):
        live = live.__dict__.get("__init__")
    plain = live.__wrapped__ if isinstance(live, Op) else live
    if not isinstance(plain, FunctionType):
        return
    yield plain
    for op in ops():
        if op.reference.forward is plain:
            yield from (k.forward for k in op.kernels.values() if isinstance(k.forward, FunctionType))
        if op.reference.backward is plain:
            yield from (k.backward for k in op.kernels.values() if isinstance(k.backward, FunctionType))


def _copy(function: FunctionType) -> FunctionType:
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _barrier(original: Callable[..., Any], symbol: str, file: str, run: CodeType) -> Callable[..., Any]:
    look = sys._getframe

    def barrier(*args: Any, **settings: Any) -> Any:
        frame: Any = look(1)
        while frame is not None:
            if frame.f_code.co_filename == file or frame.f_code is run:
                raise AnswerRefused(REFUSED.format(symbol))
            frame = frame.f_back
        return original(*args, **settings)

    return barrier


def _replace(function: FunctionType, barrier: Callable[..., Any]) -> None:
    signature = inspect.signature(function)
    name = f"_barrier_{id(function)}"
    function.__globals__[name] = barrier
    inner = compile(f"def call(*args, **settings): return {name}(*args, **settings)", "<barrier>", "exec")
    code = next(each for each in inner.co_consts if isinstance(each, CodeType))
    replaced = function.__code__  # a code that closes over variables can only be replaced by one that says it does
    function.__code__ = code.replace(co_name=replaced.co_name, co_freevars=replaced.co_freevars)
    function.__defaults__ = function.__kwdefaults__ = None
    function.__signature__ = signature  # type: ignore[attr-defined]
