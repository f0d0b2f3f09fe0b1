"""Places in the library: how they are found by name, which kernels stand before them, and what is put there."""

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tinylm.course.problem import Problem, plain
from tinylm.ops import Op, ops
from tinylm.ops.op import Kernel

__all__ = [
    "always", "as_method", "attribute", "callers", "kernel", "library_modules", "never", "nothing", "op_of", "opened",
    "parts", "readable", "uncached",
]  # fmt: skip

JUDGES = ("tinylm.course", "tinylm.testing")  # they go on using the library's own


# -- what stands aside ---------------------------------------------------------------------------------


def never(answer: Any, was: Any) -> Callable[..., bool]:
    """For places: a function that says False to everything."""
    return lambda *args, **settings: False


def always(answer: Any, was: Any) -> Callable[..., bool]:
    """For places: a function that says True to everything."""
    return lambda *args, **settings: True


def nothing(answer: Any, was: Any) -> dict[Any, Any]:
    """For places: an empty dict, for instance of kernels."""
    return {}


def readable(answer: Any, was: ContextVar[str]) -> ContextVar[str]:
    """For places: the tokenizer's form, readable in every thread unless `use_form` says otherwise."""
    return ContextVar("form", default="readable")


def uncached(answer: Any, was: Any) -> Callable[[Any, str], list[int]]:
    """For places: the ids of a text word by word, without the words that were encoded before."""

    def by_words(self: Any, text: str) -> list[int]:
        return [i for piece in self._splitter.split(text) for i in self.word(piece.encode())]

    return by_words


# -- ops -----------------------------------------------------------------------------------------------


@cache
def parts() -> dict[Op, tuple[Any, Any]]:
    """The library's own forward and backward of every op, as they are before anything is replaced."""
    return {op: (plain(op), op.reference.backward) for op in ops()}


def op_of(live: Any) -> Op | None:
    """The op that this is, or whose backward it is."""
    if isinstance(live, Op):
        return live
    return next((op for op, (_, backward) in parts().items() if backward is not None and backward is live), None)


def callers(live: Any) -> Iterator[Op]:
    """The ops whose reference form calls this, directly or through functions of ops."""
    for op, functions in parts().items():
        if live is not op and _reaches(functions, live, set()):
            yield op


def _reaches(functions: Iterable[Any], live: Any, seen: set[int]) -> bool:
    for function in functions:
        if id(function) in seen or not isinstance(function, FunctionType) or "tinylm.ops" not in function.__module__:
            continue
        seen.add(id(function))
        called = [function.__globals__.get(name) for name in _names(function.__code__)]
        inside = [part for each in called if isinstance(each, Op) for part in parts().get(each, ())]
        if any(each is live for each in (*called, *inside)) or _reaches((*called, *inside), live, seen):
            return True
    return False


def _names(code: CodeType) -> Iterator[str]:
    """The names that code and the functions inside it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def kernel(problem: Problem, op: Op, answer: Any) -> Kernel:
    """The op's reference form as it stands, with the answer for its forward or its backward."""
    now = op.reference
    if problem.live is op:
        return Kernel(_completed(op, answer), now.backward, now.wanted)
    try:
        return Kernel(now.forward, answer, op._keywords(answer))
    except TypeError as wrong:
        raise TypeError(f"substitute: {problem.name}: {wrong}") from None


def _completed(op: Op, answer: Any) -> Callable[..., Any]:
    """The answer as a forward that keeps all that backward wants: what it does not keep, the library's own does."""
    library = plain(op)

    def forward(xp: Any, *arrays: Any, **settings: Any) -> Any:
        returned = answer(xp, *arrays, **settings)
        has_kept = isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict)
        y, kept = returned if has_kept else (returned, {})
        if any(name not in kept and name not in op.settings and name != "needs" for name in op.reference.wanted):
            kept = {**library(xp, *arrays, **settings)[1], **kept}
        return y, kept

    return forward


# -- where things are ----------------------------------------------------------------------------------


def library_modules() -> list[ModuleType]:
    """The library as far as it is imported, without those who judge."""
    return [
        module
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in ("tinylm", "tokenizer") and not name.startswith(JUDGES) and module is not None
    ]


def opened(place: str) -> tuple[Any, str, Callable[[Any, Any], Any] | None]:
    """What owns a place, its name there, and what makes of an answer and of what was there what is put there."""
    where, _, how = place.partition(" via ")
    owner, name = _owner(where)
    if not how:
        return owner, name, None
    maker, key = _owner(how)
    make: Callable[[Any, Any], Any] = getattr(maker, key)
    return owner, name, make


def _owner(place: str) -> tuple[Any, str]:
    """The module or class, and the name in it; ValueError where there is no such place."""
    module, _, dotted = place.partition(":")
    inside, _, name = dotted.rpartition(".")
    try:
        owner = attribute(importlib.import_module(module), inside)
        getattr(owner, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f'substitute: there is no place {place!r}; a place is "module:attribute" ({error})') from None
    return owner, name


def attribute(owner: Any, dotted: str) -> Any:
    for name in filter(None, dotted.split(".")):
        owner = getattr(owner, name)
    return owner


def as_method(answer: Any) -> Any:
    """The answer as a function that a class binds."""
    if isinstance(answer, FunctionType):
        return answer
    return lambda self, *args, **settings: answer(self, *args, **settings)
