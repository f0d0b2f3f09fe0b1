"""What an op is: a forward function, its backward, and faster kernels of both; knows nothing of tensors.

    @op
    def square(xp, x):
        return x * x, keep(x=x)

    @square.backward
    def square_backward(xp, dy, *, x):
        return 2 * x * dy

Arrays are positional, settings keyword-only, and the array library comes first. `keep` names what
backward needs; backward takes by keyword those names and any settings it wants. It returns one gradient
per array input (a tuple where there are several), None where there is nothing to say. A gradient has
the shape and dtype of its input, or of the broadcast input: the engine undoes broadcasting.

Besides those names a backward may ask for `needs`, which inputs want a gradient, and a fast kernel for two things
more. `into` in backward: for each input an array that its gradient may be written into, or None; what is written
there is returned. `recording` in forward: whether backward may follow, so that nothing is prepared for it in vain. A
kernel may return a `Part` where most of a gradient is 0.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinylm.ops.registry import register

__all__ = ["Kernel", "Op", "Part", "keep", "op"]

Array = Any
Kept = dict[str, Any]
Forward = Callable[..., tuple[Array, Kept]]
Backward = Callable[..., Any]


def keep(**values: Any) -> Kept:
    """What backward will need, by name: its keywords, and the labels in a trace."""
    return values


@dataclass(frozen=True, slots=True)
class Kernel:
    """One implementation of an op: forward, backward, and the keywords that backward takes."""

    forward: Forward
    backward: Backward | None
    wanted: tuple[str, ...]  # backward's keywords: kept names, settings, and `needs` or `into` if it asks for them
    asks: bool = False  # whether forward takes `recording`


class Part:
    """A gradient of this shape that is 0 but for `values` at `index`, which names no element twice."""

    __slots__ = ("index", "shape", "values")

    def __init__(self, shape: tuple[int, ...], index: Any, values: Array):
        self.shape, self.index, self.values = shape, index, values

    def whole(self, xp: Any) -> Array:
        """The same gradient with its zeros."""
        gradient = xp.zeros(self.shape, dtype=self.values.dtype)
        gradient[self.index] = self.values
        return gradient


class Op:
    """An operation on arrays with a hand-written derivative.

    name        what it is called in `functional`, in traces and in errors
    arrays      names of the array inputs in order; `variadic` where any number may come
    settings    names of the keyword settings and their defaults
    reference   the readable implementation: it defines what the kernels must compute
    kernels     faster implementations by backend name
    """

    def __init__(self, function: Forward):
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())
        self.name = function.__name__.rstrip("_")  # `sum_` is the op "sum": built-in names stay usable
        self.module = function.__module__
        if not parameters or parameters[0].name != "xp":
            raise TypeError(f"op {self.name}: the first parameter must be xp, the array library")
        positional = [p for p in parameters[1:] if p.kind is not inspect.Parameter.KEYWORD_ONLY]
        self.arrays = tuple(p.name for p in positional)
        self.optional = tuple(p.name for p in positional if p.default is None)
        self.variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in positional)
        self.settings = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
        self.reference = Kernel(function, None, ())
        self.kernels: dict[str, Kernel] = {}
        self.__doc__ = function.__doc__
        self.__name__ = self.name
        self.__wrapped__ = function  # so that inspect, help() and doctest see the function itself
        register(self)

    def __call__(self, xp: Any, *arrays: Array, **settings: Any) -> tuple[Array, Kept]:
        """The reference form on bare arrays: (output, kept)."""
        return self.reference.forward(xp, *arrays, **settings)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    @property
    def differentiable(self) -> bool:
        return self.reference.backward is not None

    def backward(self, function: Backward) -> Backward:
        """Register the backward of the reference form; used as a decorator, next in the file."""
        self.reference = Kernel(self.reference.forward, function, self._keywords(function))
        return function

    def kernel(self, backend: str, *, forward: Forward, backward: Backward) -> None:
        """Register a faster implementation for arrays of `backend`; its signature must be the reference's."""
        ours = [(p.name, p.kind) for p in inspect.signature(self.__wrapped__).parameters.values()]
        theirs = [(p.name, p.kind) for p in inspect.signature(forward).parameters.values() if p.name != "recording"]
        if ours != theirs:
            raise TypeError(f"op {self.name}: the {backend} kernel takes {theirs}, the reference {ours}")
        self.kernels[backend] = Kernel(
            forward, backward, self._keywords(backward), "recording" in inspect.signature(forward).parameters
        )

    def kernel_for(self, backend: str, *, reference: bool = False) -> Kernel:
        """What to run for arrays of `backend`: its kernel where there is one, else the reference."""
        if reference:
            return self.reference
        return self.kernels.get(backend, self.reference)

    def _keywords(self, function: Backward) -> tuple[str, ...]:
        parameters = list(inspect.signature(function).parameters.values())
        named = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
        if [p.name for p in parameters[:2]] != ["xp", "dy"] or len(named) != len(parameters) - 2:
            raise TypeError(f"op {self.name}: backward is (xp, dy, *, kept and settings by name)")
        return tuple(p.name for p in named)


def op(function: Forward) -> Op:
    """Make an op of its forward function; see the module's docstring for the form."""
    return Op(function)
