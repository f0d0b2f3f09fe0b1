"""Values as Python that can be pasted, and as short text to be read; knows nothing of exercises."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.autograd import Tensor

__all__ = ["Source", "imports_of", "show", "size", "source", "value_of"]

LONG = 400  # characters of a value in a report; what is pasted is never cut


@dataclass(frozen=True, slots=True)
class Source:
    """A value that has no spelling of its own, such as a function, with the Python that makes it.

    >>> source(Source("lambda x: x * x", lambda x: x * x))
    'lambda x: x * x'
    """

    text: str
    value: Any


def value_of(argument: Any) -> Any:
    """The argument itself, where it came with its source."""
    return argument.value if isinstance(argument, Source) else argument


def source(value: Any) -> str:
    """Python that makes this value again, to the bit.

    >>> source([np.float32(0.1), {"a": np.array([[1, 2]])}])
    "[np.float32(0.1), {'a': np.array([[1, 2]])}]"
    >>> source(np.array([0.1, np.nan], dtype=np.float32))
    'np.array([0.1, np.nan], dtype=np.float32)'
    """
    if isinstance(value, Source):
        return value.text
    if isinstance(value, Tensor):
        wants = ", requires_grad=True" if value.requires_grad else ""
        return f"tensor({source(value.numpy())}{wants})"
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return f"np.{value.dtype.name}({_number(value)})"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, frozenset):
        return f"frozenset([{', '.join(sorted(map(source, value)))}])"  # in an order that is always the same
    if type(value) in (list, tuple, set) and value:
        inner = ", ".join(sorted(map(source, value)) if isinstance(value, set) else map(source, value))
        if isinstance(value, tuple):
            return f"({inner}{',' * (len(value) == 1)})"
        return f"[{inner}]" if isinstance(value, list) else f"{{{inner}}}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{source(key)}: {source(item)}" for key, item in value.items()) + "}"
    return repr(value)


def _number(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and not math.isfinite(value):
        return "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "-np.inf"
    return repr(value.item()) if isinstance(value, (np.str_, np.bytes_)) else str(value)


def _array(array: np.ndarray) -> str:
    if array.size == 0:
        return f"np.zeros({array.shape}, dtype=np.{array.dtype.name})"
    implied = array.dtype in (np.dtype(np.float64), np.dtype(np.int64), np.dtype(bool))
    dtype = "" if implied or array.dtype.kind in "US" else f", dtype=np.{array.dtype.name}"
    return f"np.array({_nested(array)}{dtype})"


def _nested(array: np.ndarray) -> str:
    if array.ndim:
        return f"[{', '.join(map(_nested, array))}]"
    return _number(array[()] if isinstance(array, np.ndarray) else array)


def imports_of(line: str) -> str:
    """The imports that a spelled line needs, to stand in front of it; "" where there are none."""
    needed = ["import numpy as np"] if re.search(r"\bnp\.", line) else []
    if re.search(r"\btensor\(", line):
        needed.append("from tinylm import tensor")
    return "".join(f"{each}; " for each in needed)


def show(value: Any) -> str:
    """A value for a reader: an array with its dtype and shape, long ones cut short.

    >>> show(np.array([[0.5, 1.0]], dtype=np.float32))
    '[[0.5, 1.0]]  float32 (1, 2)'
    """
    if isinstance(value, Tensor):
        return f"tensor {show(value.numpy())}"
    try:
        if isinstance(value, np.ndarray):
            return f"{_short(_nested(value))}  {value.dtype} {value.shape}"
        return _short(source(value))
    except Exception as error:  # whatever the repr of an object of a student's own class does
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__} in its repr)"


def _short(text: str) -> str:
    return text if len(text) <= LONG else f"{text[: LONG // 2]} … {text[-LONG // 4 :]}"


def size(value: Any) -> int:
    """How much there is to read in a value: numbers and characters, containers counted too."""
    if isinstance(value, Source):
        return len(value.text)
    if isinstance(value, Tensor):
        return 1 + int(value.size)
    if isinstance(value, np.ndarray):
        return 1 + value.size
    if isinstance(value, (str, bytes)):
        return 1 + len(value)
    if isinstance(value, Mapping):
        return 1 + sum(size(key) + size(item) for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return 1 + sum(map(size, value))
    return 1
