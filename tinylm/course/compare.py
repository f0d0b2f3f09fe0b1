"""Comparison of an answer with what was expected: None where they agree, else one sentence on where they part."""

from collections.abc import Callable, Mapping
from numbers import Number
from typing import Any

import numpy as np

from tinylm.autograd import Tensor
from tinylm.course.spelling import show

__all__ = ["Compare", "computed", "nearly", "same"]

Compare = Callable[[Any, Any], str | None]
Tolerance = tuple[float | None, float, float]  # relative, or None for that of the dtype; absolute; see `computed`

# relative to the greatest value: some hundred roundings of the type, whatever the order of summation
RELATIVE = {np.dtype(np.float16): 1e-2, np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-9}
SHORT = 20  # letters of a text that is shown whole


def same(expected: Any, got: Any) -> str | None:
    """Where `got` first differs from `expected`; floating-point numbers may differ by rounding.

    A list may stand for a tuple and a NumPy number for a plain one; a str is not bytes, and an array has its shape
    and dtype (whole numbers: any width).

    >>> same([1, 2, 3], (1, 2, 4))
    'at [2]: 4, expected 3'
    >>> same(np.zeros((2, 3)), np.zeros((3, 2)))
    'its shape is (3, 2), expected (2, 3)'
    """
    return _compare(expected, got, "", (None, 0.0, 0.0))


def nearly(rtol: float, atol: float = 0.0) -> Compare:
    """The same, with this tolerance relative to the greatest value of an array, and an absolute one besides.

    >>> nearly(1e-2)(1.0, 1.005) is None
    True
    """
    return lambda expected, got: _compare(expected, got, "", (rtol, atol, 0.0))


def computed(terms: float = 1.0) -> Compare:
    """The same, for sums whose terms are about as large as `terms` and may cancel: what rounding leaves of them is 0.

    >>> computed()(0.0, 1e-16) is None, same(0.0, 1e-16)
    (True, '1e-16, expected 0.0')
    """
    return lambda expected, got: _compare(expected, got, "", (None, 0.0, terms))


def _compare(expected: Any, got: Any, where: str, tolerance: Tolerance) -> str | None:
    at = f"at {where}: " if where else ""
    if isinstance(expected, Tensor) and isinstance(got, Tensor):
        expected, got = expected.numpy(), got.numpy()
    if isinstance(expected, (np.ndarray, Tensor)) or (_is_number(expected) and _is_array0(got)):
        return _compare_arrays(expected, got, at, tolerance)
    if _is_number(expected):
        if not _is_number(got) or _is_truth(expected) != _is_truth(got):
            return f"{at}{_kind(got)}, expected {_kind(expected)}"
        return _compare_arrays(expected, got, at, tolerance)
    if isinstance(expected, Mapping):
        return _compare_mappings(expected, got, where, tolerance)
    if isinstance(expected, (list, tuple)):
        return _compare_sequences(expected, got, where, tolerance)
    if type(expected) is not type(got):
        return f"{at}{_kind(got)}, expected {_kind(expected)}"
    if expected != got:
        return _compare_text(expected, got, at)
    return None


def _compare_arrays(expected: Any, got: Any, at: str, tolerance: Tolerance) -> str | None:
    if not isinstance(got, np.ndarray) and not _is_number(got):
        return f"{at}{_kind(got)}, expected {_kind(expected)}"
    want, have = np.asarray(expected), np.asarray(got)
    if want.shape != have.shape:
        return f"{at}its shape is {have.shape}, expected {want.shape}"
    if isinstance(expected, np.ndarray) and isinstance(got, np.ndarray) and not _dtypes_agree(want, have):
        return f"{at}its dtype is {have.dtype}, expected {want.dtype}"
    if want.dtype.kind == "f" and have.dtype.kind in "fiub":
        finite = np.abs(want[np.isfinite(want)])
        relative = RELATIVE.get(want.dtype, 1e-9) if tolerance[0] is None else tolerance[0]
        allowed = relative * max(float(finite.max(initial=0.0)), tolerance[2]) + tolerance[1]
        close = np.isclose(have, want, rtol=0, atol=allowed, equal_nan=True)
    else:
        close = have == want
    if close.all():
        return None
    index = tuple(int(i) for i in np.argwhere(~close)[0]) if want.ndim else ()
    place = f"at {at[3:-2] if at else ''}{list(index)}: " if index else at
    return f"{place}{show(have.item(index))}, expected {show(want.item(index))}"


def _dtypes_agree(want: np.ndarray, have: np.ndarray) -> bool:
    return want.dtype == have.dtype or (want.dtype.kind in "iu" and have.dtype.kind in "iu")


def _compare_sequences(expected: Any, got: Any, where: str, tolerance: Tolerance) -> str | None:
    at = f"at {where}: " if where else ""
    if isinstance(got, np.ndarray) and got.ndim:
        if len(got) != len(expected) and any(isinstance(one, np.ndarray) for one in expected):
            return f"{at}an array, expected a {type(expected).__name__} of {len(expected)} arrays"
        got = list(got)
    if not isinstance(got, (list, tuple)):
        return f"{at}{_kind(got)}, expected {_kind(expected)}"
    for i, (one, other) in enumerate(zip(expected, got, strict=False)):
        difference = _compare(one, other, f"{where}[{i}]", tolerance)
        if difference:
            return difference
    if len(expected) != len(got):
        return f"{at}its length is {len(got)}, expected {len(expected)}"
    return None


def _compare_mappings(expected: Mapping[Any, Any], got: Any, where: str, tolerance: Tolerance) -> str | None:
    at = f"at {where}: " if where else ""
    if not isinstance(got, Mapping):
        return f"{at}{_kind(got)}, expected {_kind(expected)}"
    for key in expected:
        if key not in got:
            return f"{at}the key {key!r} is missing"
        difference = _compare(expected[key], got[key], f"{where}[{key!r}]", tolerance)
        if difference:
            return difference
    for key in got:
        if key not in expected:
            return f"{at}the key {key!r} is too much"
    return None


def _compare_text(expected: Any, got: Any, at: str) -> str:
    if isinstance(expected, (str, bytes)):
        place = next((i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), None)
        if place == 0 and max(len(expected), len(got)) <= SHORT:  # two words, not one word with a slip
            return f"{at}{show(got)}, expected {show(expected)}"
        if place is not None:
            return f"{at}first at [{place}]: {got[place : place + 1]!r}, expected {expected[place : place + 1]!r}"
        return f"{at}its length is {len(got)}, expected {len(expected)}"
    return f"{at}{show(got)}, expected {show(expected)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (Number, np.generic)) and not isinstance(value, (np.str_, np.bytes_))


def _is_truth(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_array0(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0


def _kind(value: Any) -> str:
    name = "array" if isinstance(value, np.ndarray) else type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
