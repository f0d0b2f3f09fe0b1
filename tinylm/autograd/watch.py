"""Watchers: whoever wants to see the steps of a computation, and the ready-made ones.

The engine emits a `Step` for every op, forward and backward, to the watchers of the current context.
Where nobody watches that costs one look-up. The mathematics knows nothing of it.
"""

import traceback
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinylm.autograd.guard import GraphError, arrays_in
from tinylm.backend import backend_of, to_host
from tinylm.ops import Op

__all__ = [
    "FindNaN",
    "NaNError",
    "Recorder",
    "Step",
    "Timer",
    "WriteGuard",
    "scope",
    "scoped",
    "watchers",
    "watching",
]

_PACKAGE = Path(__file__).resolve().parents[1]
_REMEMBERED = 100_000  # how many nodes a watcher remembers between forward and backward, the oldest forgotten first


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One op as it ran.

    phase     "forward" or "backward"
    op        the op; op.name, op.__doc__ (equation and shapes)
    inputs    forward: its array inputs; backward: (dy,)
    kept      what forward kept for backward, by name
    outputs   forward: (y,); backward: one gradient per input, None where none was wanted
    settings  the op's keyword settings
    number    the same for the forward and the backward of one node; grows with time. None: not recorded
    scope     the module that was running, as "h.0.attn"
    seconds   how long the kernel took, the device's queue included
    """

    phase: Literal["forward", "backward"]
    op: Op
    inputs: tuple[Any, ...]
    kept: dict[str, Any]
    outputs: tuple[Any, ...]
    settings: dict[str, Any]
    number: int | None
    scope: str
    seconds: float

    def __repr__(self) -> str:
        def shapes(arrays: tuple[Any, ...]) -> str:
            return ", ".join(str(getattr(a, "shape", a)) for a in arrays)

        where = f"{self.scope}: " if self.scope else ""
        return f"<{self.phase} {where}{self.op.name} {shapes(self.inputs)} → {shapes(self.outputs)}>"


Watcher = Callable[[Step], None]

_watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("tinylm_watchers", default=())
_scope: ContextVar[str] = ContextVar("tinylm_scope", default="")


def watchers() -> tuple[Watcher, ...]:
    """Who is watching in this context."""
    return _watchers.get()


def scope() -> str:
    """The dotted path of the module that is running, "" outside of any."""
    return _scope.get()


def enter_scope(name: str) -> Token[str]:
    """Begin what `scoped` does; for those who cannot spend the microsecond of a context manager on every call."""
    outer = _scope.get()
    return _scope.set(f"{outer}.{name}" if outer and name else outer or name)


def leave_scope(token: Token[str]) -> None:
    _scope.reset(token)


@contextmanager
def scoped(name: str) -> Iterator[None]:
    """Name what runs inside the block: steps carry it as the last part of their `scope`."""
    token = enter_scope(name)
    try:
        yield
    finally:
        leave_scope(token)


@contextmanager
def watching(*new: Watcher) -> Iterator[Any]:
    """Show every step inside the block to the given watchers; gives back the first of them.

    A watcher is any callable that takes a `Step`. It must not write into the step's arrays.

    >>> from tinylm import tensor
    >>> with watching(Recorder()) as seen:
    ...     y = (tensor([1.0, 2.0], requires_grad=True) * 3).sum()
    ...     y.backward()
    >>> [f"{step.phase} {step.op.name}" for step in seen.steps]
    ['forward multiply', 'forward sum', 'backward sum', 'backward multiply']
    """
    token = _watchers.set(_watchers.get() + new)
    try:
        yield new[0] if new else None
    finally:
        _watchers.reset(token)


def _remember(memory: dict[int, Any], number: int | None, value: Any) -> None:
    if number is not None:
        memory[number] = value
        if len(memory) > _REMEMBERED:
            del memory[next(iter(memory))]


def _copied(value: Any) -> Any:
    """Copies of the arrays in a value, also inside tuples, lists and dicts; other things as they are."""
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [_copied(part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value.copy() if hasattr(value, "dtype") and not isinstance(value, type) else value


class Recorder:
    """Keeps every step, in order, with the values as they were.

    copy    copy each step's arrays, so that a later step of an optimizer does not change what was recorded: about
            three times the memory of the values themselves. False keeps the arrays, which may change afterwards.
    """

    def __init__(self, *, copy: bool = True) -> None:
        self.copy = copy
        self.steps: list[Step] = []

    def __call__(self, step: Step) -> None:
        if self.copy:
            step = replace(step, inputs=_copied(step.inputs), kept=_copied(step.kept), outputs=_copied(step.outputs))
        self.steps.append(step)


class Timer:
    """Adds up seconds and calls by phase and op."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self.calls: dict[tuple[str, str], int] = defaultdict(int)

    def __call__(self, step: Step) -> None:
        self.seconds[step.phase, step.op.name] += step.seconds
        self.calls[step.phase, step.op.name] += 1

    def table(self) -> str:
        """Seconds, share and calls, most expensive first, as text."""
        total = sum(self.seconds.values()) or 1.0
        rows = [f"{'op':<34}{'seconds':>10}{'share':>8}{'calls':>8}"]
        for key in sorted(self.seconds, key=lambda k: -self.seconds[k]):
            spent = self.seconds[key]
            rows.append(f"{key[0] + ' ' + key[1]:<34}{spent:>10.4f}{spent / total:>8.1%}{self.calls[key]:>8}")
        return "\n".join(rows)


def call_site() -> str:
    """The innermost line of the caller's own code, outside this package: 'file.py:12: y = f(x)'."""
    for frame in reversed(traceback.extract_stack()):
        if not Path(frame.filename).resolve().is_relative_to(_PACKAGE):
            return f"{frame.filename}:{frame.lineno}: {frame.line}"
    return "unknown"


def _describe(array: Any) -> str:
    if not hasattr(array, "dtype"):
        return repr(array)
    host = to_host(array)
    text = f"{host.dtype}{list(host.shape)}"
    if host.dtype.kind == "f" and host.size:
        finite = host[np.isfinite(host)]
        extremes = f" from {finite.min():.4g} to {finite.max():.4g}" if finite.size else ""
        text += f"{extremes}, {np.isnan(host).sum()} NaN, {np.isinf(host).sum()} infinite"
    return text


class NaNError(ArithmeticError):
    """An op returned NaN or infinity; `step` is the first that did."""

    def __init__(self, message: str, step: Step):
        super().__init__(message)
        self.step = step


class FindNaN:
    """Stops at the first op that makes a NaN or an infinity out of finite numbers; says which, from what, called where.

    Raises NaNError. Remembers one line of source for each recorded op, so use it to look for a fault,
    not on every run. `infinite=False` lets infinities pass.
    """

    def __init__(self, *, infinite: bool = True):
        self.infinite = infinite
        self._called: dict[int, str] = {}

    def _bad(self, array: Any) -> bool:
        if getattr(getattr(array, "dtype", None), "kind", "") != "f":
            return False
        xp = backend_of(array).xp
        return not bool(xp.isfinite(array).all()) if self.infinite else bool(xp.isnan(array).any())

    def __call__(self, step: Step) -> None:
        if step.phase == "forward":
            where = call_site()
            _remember(self._called, step.number, where)
        else:
            where = self._called.get(step.number or 0, "unknown: forward ran before the watcher came")
        bad = [output for output in step.outputs if self._bad(output)]
        if not bad:
            return
        lines = [f"{step.phase} of {step.op.name} made {_describe(bad[0])}"]
        if step.scope:
            lines.append(f"  in module {step.scope}")
        names = step.op.arrays if step.phase == "forward" and not step.op.variadic else ("dy",)
        for name, value in zip(names, step.inputs, strict=False):
            lines.append(f"  {name}: {_describe(value)}")
        if step.phase == "backward":
            lines += [f"  kept {name}: {_describe(value)}" for name, value in step.kept.items()]
        lines.append(f"  called at {where}")
        raise NaNError("\n".join(lines), step)


class WriteGuard:
    """Finds any change of a kept array between forward and backward, however it was made, by checksums.

    Raises GraphError at the first op whose kept arrays changed. It reads every kept array twice.
    """

    def __init__(self) -> None:
        self._sums: dict[int, dict[str, list[int]]] = {}

    @staticmethod
    def _checksums(step: Step) -> dict[str, list[int]]:
        kind = type(step.outputs[0]) if step.phase == "forward" else type(step.inputs[0])
        return {
            name: [zlib.crc32(np.ascontiguousarray(to_host(array)).tobytes()) for array in arrays_in((value,), kind)]
            for name, value in step.kept.items()
        }

    def __call__(self, step: Step) -> None:
        if step.phase == "forward":
            _remember(self._sums, step.number, self._checksums(step))
            return
        before, now = self._sums.get(step.number or 0), self._checksums(step)
        if before is not None and before != now:
            names = ", ".join(name for name in now if before.get(name) != now[name])
            raise GraphError(f"{step.op.name}: {names} changed between forward and backward; do not write into it")
