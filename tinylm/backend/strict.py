"""A stand-in for CuPy on machines without a GPU: NumPy underneath, refusing whatever CuPy refuses.

`StrictArray` is a wrapper, not a subclass, so NumPy cannot take it for one of its own: implicit
conversion, mixing with NumPy arrays, names that CuPy lacks, and NumPy scalars (which would promote
float32 to float64) all raise here as they would, or should, there. Reductions return 0-d arrays, and
out-of-range index arrays wrap silently, as on the GPU: a check on the host has to catch them.
"""

import operator
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["StrictArray", "cupy_names", "scatter_add", "unwrap", "wrap", "xp"]

_PLAIN = (bool, int, float, complex, str, type(None), slice, type(Ellipsis), type, np.dtype)


@cache
def cupy_names() -> dict[str, frozenset[str]]:
    """The frozen list of CuPy's public names: {"cupy": ..., "cupy.ndarray": ...}."""
    sections: dict[str, set[str]] = {}
    for line in (files("tinylm.backend") / "cupy_names.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), set())
        elif line and not line.startswith("#"):
            section.add(line)
    return {name: frozenset(names) for name, names in sections.items()}


def _inner(value: Any, where: str) -> Any:
    """The NumPy value inside; raises for anything that CuPy would not take."""
    if isinstance(value, StrictArray):
        return value._array
    if isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(
            f"strict: {where} was given a {type(value).__name__} of NumPy; CuPy converts nothing implicitly: "
            'move it with .to("strict") or make it a Python number'
        )
    if isinstance(value, (tuple, list)):
        return type(value)(_inner(item, where) for item in value)
    if isinstance(value, _PLAIN):
        return value
    raise TypeError(f"strict: {where} was given a {type(value).__name__}, which CuPy does not take")


def _outer(value: Any) -> Any:
    """Results as CuPy gives them: arrays, also where NumPy returns a scalar."""
    if isinstance(value, (np.ndarray, np.generic)):
        return StrictArray(np.asarray(value))
    if isinstance(value, (tuple, list)):
        return type(value)(_outer(item) for item in value)
    return value


def _axes_taken(part: Any) -> int:
    """How many axes of the array one part of an index stands for; an ellipsis takes what the others leave."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype.kind == "b" else 1


def _wrapped_index(index: Any, shape: tuple[int, ...], where: str) -> Any:
    """An index in which out-of-range entries of integer arrays wrap round, as they do on a GPU."""
    parts = index if isinstance(index, tuple) else (index,)
    plain = [_inner(part, where) for part in parts]
    taken = [_axes_taken(part) for part in plain]
    axis = 0
    for place, part in enumerate(plain):
        if isinstance(part, np.ndarray) and part.dtype.kind in "iu" and axis < len(shape) and shape[axis]:
            plain[place] = part % shape[axis]
        axis += len(shape) - sum(taken) if part is Ellipsis else taken[place]
    return tuple(plain) if isinstance(index, tuple) else plain[0]


class StrictArray:
    """An array that only this namespace's functions, operators and methods may touch."""

    __array_ufunc__ = None
    __slots__ = ("__weakref__", "_array")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: np.ndarray):
        self._array = array

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # else __array_interface__ would leak and conversion would silently work
            raise AttributeError(f"strict: CuPy arrays offer no {name} to NumPy")
        if name not in cupy_names()["cupy.ndarray"]:
            raise AttributeError(f"strict: cupy.ndarray has no {name!r}")
        value = getattr(self._array, name)
        if name in ("shape", "strides", "dtype", "ndim", "size", "itemsize", "nbytes"):
            return value
        return _checked(value, f"ndarray.{name}") if callable(value) else _outer(value)

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("strict: implicit conversion to NumPy is refused, as CuPy refuses it; use .numpy()")

    def __getitem__(self, index: Any) -> "StrictArray":
        inner = _wrapped_index(index, self._array.shape, "indexing")
        return StrictArray(np.asarray(self._array[inner]))

    def __setitem__(self, index: Any, value: Any) -> None:
        inner = _wrapped_index(index, self._array.shape, "indexing")
        arrays = [part for part in (inner if isinstance(inner, tuple) else (inner,)) if isinstance(part, np.ndarray)]
        if any(part.dtype.kind in "iu" for part in arrays):
            places = np.arange(self._array.size).reshape(self._array.shape)[inner]
            if np.unique(places).size != places.size:
                raise IndexError("strict: a[i] = v with repeated i is undefined on a GPU; use scatter_add")
        self._array[inner] = _inner(value, "assignment")

    def __len__(self) -> int:
        return len(self._array)

    def __bool__(self) -> bool:
        return bool(self._array)

    def __int__(self) -> int:
        return int(self._array)

    def __float__(self) -> float:
        return float(self._array)

    def __index__(self) -> int:
        return operator.index(self._array)

    def __repr__(self) -> str:
        return f"strict({self._array!r})"

    def item(self) -> Any:
        return self._array.item()


def _operator(name: str) -> Callable[..., Any]:
    in_place = name.startswith("__i") and name not in ("__invert__", "__index__", "__int__")

    def method(self: StrictArray, *others: Any) -> Any:
        inner = [_inner(other, f"operator {name}") for other in others]
        if in_place:
            self._array = getattr(self._array, name)(*inner)
            return self
        result = getattr(self._array, name)(*inner)
        return result if result is NotImplemented else _outer(result)

    method.__name__ = name
    return method


_BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift"]
_OPERATORS = [f"__{prefix}{name}__" for name in _BINARY for prefix in ("", "r", "i")]
_OPERATORS += [f"__{name}__" for name in ["lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "abs", "invert"]]
for _name in _OPERATORS:
    setattr(StrictArray, _name, _operator(_name))


def _checked(function: Callable[..., Any], where: str) -> Callable[..., Any]:
    """`function` with arguments unwrapped (or refused) and results wrapped."""

    def call(*args: Any, **kwargs: Any) -> Any:
        keywords = {name: _inner(value, where) for name, value in kwargs.items()}
        return _outer(function(*(_inner(value, where) for value in args), **keywords))

    return call


class _Namespace:
    """What an op receives as `xp`: NumPy's functions under CuPy's names, and nothing else."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in cupy_names()["cupy"]:
            raise AttributeError(f"strict: CuPy has no {name!r}; ops may only use what both libraries have")
        value = getattr(np, name)
        if name in ("asarray", "array"):  # the one explicit way from the host
            return lambda data, *args, **kwargs: wrap(
                value(data._array if isinstance(data, StrictArray) else data, *args, **kwargs)
            )
        if isinstance(value, ModuleType):
            raise AttributeError(f"strict: xp.{name} is a module of NumPy's; ops use plain functions only")
        if isinstance(value, type) or not callable(value):
            return value
        return _checked(value, f"xp.{name}")


xp = _Namespace()


def wrap(array: np.ndarray) -> StrictArray:
    """A NumPy array moved to the strict device: a copy, as a transfer to a GPU is."""
    return StrictArray(np.array(array))


def unwrap(array: StrictArray) -> np.ndarray:
    """A strict array moved to the host: a copy, as a transfer from a GPU is."""
    return array._array.copy()


def scatter_add(target: StrictArray, index: Any, values: StrictArray) -> None:
    """target[index] += values, where repeats add up and out-of-range entries wrap."""
    inner = _wrapped_index(index, target._array.shape, "scatter_add")
    np.add.at(target._array, inner, _inner(values, "scatter_add"))
