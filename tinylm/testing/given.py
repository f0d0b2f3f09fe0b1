"""What somebody gives a law to ask about, as the arrays, numbers and texts that it works with.

What is none of these is the asker's mistake, not that of the code: InputError names the input.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinylm.testing.mistakes import InputError

__all__ = ["choice", "floats", "integers", "number", "several", "text", "texts", "whole"]

Array = Any


def floats(name: str, value: Any, ndim: int | None = None, least: int = 0) -> Array:
    """Numbers as an array: their own floating-point type, float64 for whole ones. ndim, or at least `least`, axes."""
    array = _array(name, value, "numbers")
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} must hold numbers, got {array.dtype}")
    _axes(name, array, ndim, least)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def integers(name: str, value: Any, ndim: int) -> Array:
    """Whole numbers as an array of ndim axes."""
    array = _array(name, value, "whole numbers")
    if array.dtype.kind not in "iu" and array.size:
        raise InputError(f"{name} must hold whole numbers, got {array.dtype}")
    _axes(name, array, ndim, 0)
    return array if array.dtype.kind in "iu" else array.astype(np.int64)


def several(name: str, value: Any, count: int | None = None, of: str = "arrays") -> list[Array]:
    """A list or tuple of arrays of numbers, `count` of them if it is given."""
    wanted = of if count is None else f"{count} {of}"
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{name} must be a tuple or list of {wanted}, got {_kind(value)}")
    if count is not None and len(value) != count:
        raise InputError(f"{name} must be a tuple or list of {wanted}, got {len(value)}")
    return [floats(f"{name}[{place}]", each) for place, each in enumerate(value)]


def number(name: str, value: Any) -> float:
    """One number."""
    array = _array(name, value, "a number")
    if array.ndim or array.dtype.kind not in "fiub":
        raise InputError(f"{name} must be a number, got {_kind(value)}")
    return float(array)


def whole(name: str, value: Any, least: int | None = None) -> int:
    """One whole number; 5.0 is one."""
    given = number(name, value)
    if not given.is_integer() or (least is not None and given < least):
        raise InputError(f"{name} must be a whole number{'' if least is None else f' from {least} up'}, got {given:g}")
    return int(given)


def text(name: str, value: Any, kind: type = str) -> Any:
    """A str (or one of another kind) as it is."""
    if not isinstance(value, kind):
        raise InputError(f"{name} must be a {kind.__name__}, got {_kind(value)}")
    return value


def texts(name: str, value: Any) -> list[str]:
    """Several str, as a list."""
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{name} must be a list of str, got {_kind(value)}")
    return [text(f"{name}[{place}]", each) for place, each in enumerate(value)]


def choice(name: str, value: Any, among: Sequence[str]) -> str:
    """One of these names."""
    if not isinstance(value, str) or value not in among:
        raise InputError(f"{name} must be one of {', '.join(map(repr, among))}; got {value!r}")
    return value


def _array(name: str, value: Any, wanted: str) -> Array:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be {wanted} that NumPy can make an array of: {error}") from error
    if array.dtype == object:
        raise InputError(f"{name} must be {wanted}, got {_kind(value)}")
    return array


def _axes(name: str, array: Array, ndim: int | None, least: int) -> None:
    if ndim is not None and array.ndim != ndim:
        raise InputError(f"{name} must have {ndim} {'axis' if ndim == 1 else 'axes'}, its shape is {array.shape}")
    if array.ndim < least:
        raise InputError(f"{name} must have at least {least} axes, its shape is {array.shape}")


def _kind(value: Any) -> str:
    shown = repr(value)
    return f"{type(value).__name__} {shown}" if len(shown) < 40 else type(value).__name__
