"""Which library owns an array, and the few verbs that differ between owners; the only importer of CuPy.

The array decides where work is done. `use_device` and the environment variable TINYLM_DEVICE say only
where *new* arrays are put, and every crossing is spelled out by the caller.
"""

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "NUMPY",
    "Backend",
    "DeviceError",
    "available",
    "backend_named",
    "backend_of",
    "current_backend",
    "device_name",
    "scatter_add",
    "to_host",
    "use_device",
]

Array = Any  # an array of any backend: numpy.ndarray, cupy.ndarray or the strict stand-in

DEVICES = ("numpy", "cupy", "strict")


class DeviceError(RuntimeError):
    """A device that cannot be used here, or arrays of two owners in one operation."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One owner of arrays: its namespace and the verbs in which owners differ."""

    name: str
    xp: Any  # the namespace that an op receives: numpy, cupy or the strict one
    array_type: type
    from_host: Callable[[np.ndarray], Array]  # a NumPy array moved to this owner
    to_host: Callable[[Array], np.ndarray]  # an array of this owner as a NumPy array
    scatter_add: Callable[[Array, Any, Array], None]  # target[index] += values; repeats add up
    synchronize: Callable[[], None]  # wait until queued work is done, so that a clock can be read

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"


def _same(array: Any) -> Any:
    return array


def _numpy_scatter_add(target: np.ndarray, index: Any, values: np.ndarray) -> None:
    np.add.at(target, index, values)


NUMPY = Backend("numpy", np, np.ndarray, _same, _same, _numpy_scatter_add, lambda: None)


def _load_cupy() -> Backend:
    try:
        import cupy
    except ImportError:
        raise DeviceError(
            'cupy is not installed; for a GPU with CUDA 13 type: pip install "tinylm[cuda13]" '
            '(CUDA 12: "tinylm[cuda12]")'
        ) from None
    try:
        usable = bool(cupy.cuda.is_available())
    except Exception as problem:  # older CuPy raises its own errors where there is no driver
        raise DeviceError(f"cupy is installed but its driver failed: {problem}") from None
    if not usable:
        raise DeviceError("cupy is installed but finds no GPU that it can use; see nvidia-smi")

    def scatter(target: Array, index: Any, values: Array) -> None:
        cupy.add.at(target, index, values)

    def wait() -> None:
        cupy.cuda.get_current_stream().synchronize()

    return Backend("cupy", cupy, cupy.ndarray, cupy.asarray, cupy.asnumpy, scatter, wait)


def _load_strict() -> Backend:
    from tinylm.backend import strict

    return Backend(
        "strict", strict.xp, strict.StrictArray, strict.wrap, strict.unwrap, strict.scatter_add, lambda: None
    )


_LOADERS: dict[str, Callable[[], Backend]] = {"cupy": _load_cupy, "strict": _load_strict}
_loaded: dict[str, Backend] = {"numpy": NUMPY}
_owner_of_type: dict[type, Backend | None] = {np.ndarray: NUMPY}  # None: the type is not an array


def backend_named(name: str) -> Backend:
    """The backend called `name`: "numpy", "cupy" or "strict" (the stand-in that refuses what CuPy refuses).

    Raises DeviceError with the extra to install where it cannot be used.

    >>> backend_named("numpy").xp.__name__
    'numpy'
    """
    backend = _loaded.get(name)
    if backend is not None:
        return backend
    if name not in _LOADERS:
        raise DeviceError(f"device {name!r} is not known; expected one of {', '.join(DEVICES)}")
    backend = _LOADERS[name]()
    _loaded[name] = backend
    _owner_of_type[backend.array_type] = backend
    return backend


def available(name: str) -> str | None:
    """None where the device can be used, else the reason why not."""
    try:
        backend_named(name)
    except DeviceError as reason:
        return str(reason)
    return None


def _owner(array: Any) -> Backend | None:
    """The owner of one value: None for Python scalars, None and other things that are no arrays."""
    kind = type(array)
    if kind in _owner_of_type:
        return _owner_of_type[kind]
    if kind.__module__.partition(".")[0] == "cupy":
        backend_named("cupy")  # an array made by hand before this library asked for the device
    for backend in _loaded.values():
        if isinstance(array, backend.array_type):
            return _owner_of_type.setdefault(kind, backend)
    return _owner_of_type.setdefault(kind, None)


def backend_of(*arrays: Any) -> Backend:
    """The one owner of all `arrays`; Python scalars and None belong to anybody.

    Where there is no array at all, new ones would go to the current device, so that is the answer.
    Raises DeviceError where two owners meet.

    >>> backend_of(np.zeros(3), 2.0, None)
    Backend('numpy')
    """
    found: Backend | None = None
    for array in arrays:
        owner = _owner(array)
        if owner is None or owner is found:
            continue
        if found is not None:
            raise DeviceError(
                f'arrays on {found.name} and on {owner.name} in one operation; move one with .to("{found.name}")'
            )
        found = owner
    return found or current_backend()


_current: ContextVar[str | None] = ContextVar("tinylm_device", default=None)


def current_backend() -> Backend:
    """Where new arrays go: the innermost `use_device`, else TINYLM_DEVICE, else NumPy."""
    return backend_named(_current.get() or os.environ.get("TINYLM_DEVICE") or "numpy")


@contextmanager
def use_device(name: str) -> Iterator[Backend]:
    """Put arrays made inside the block on the device `name`; what exists already stays where it is.

    Raises DeviceError at once where the device cannot be used.

    >>> with use_device("strict"):
    ...     current_backend()
    Backend('strict')
    """
    backend = backend_named(name)
    token = _current.set(name)
    try:
        yield backend
    finally:
        _current.reset(token)


def device_name(name: str) -> str:
    """What the device is, in words: "NVIDIA H200" for CuPy's, the machine's processor type for the others."""
    backend = backend_named(name)
    if name != "cupy":
        return platform.machine()
    described: bytes = backend.xp.cuda.runtime.getDeviceProperties(0)["name"]
    return described.decode()


def scatter_add(target: Array, index: Any, values: Array) -> None:
    """target[index] += values, where repeated indices add up (plain `+=` would keep only one of them)."""
    backend_of(target).scatter_add(target, index, values)


def to_host(array: Array) -> np.ndarray:
    """The array as a NumPy array; no copy where it is one already."""
    return backend_of(array).to_host(array)
