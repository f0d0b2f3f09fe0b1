"""Work on arrays, counted: the elements that NumPy takes and gives. Runs where tinylm is not imported."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["ELEMENTS", "touched"]

ELEMENTS = "elements"  # what the counter is called from process to process


def touched(answer: Callable[..., Any], args: Sequence[Any], settings: Mapping[str, Any]) -> int:
    """How many elements of arrays a call touches: those of all that NumPy's functions take and give meanwhile.

    Slices and reshapes touch nothing. What is made of plain arrays alone, such as np.eye(n), counts once it meets an
    array that came as an argument, or was made of one; nothing counts twice because a function calls others inside.
    """
    tally = [0]

    class Counted(np.ndarray):
        """An array that tells what is done with it."""

        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
            return call(getattr(ufunc, method), inputs, settings)

        def __array_function__(self, function: Any, types: Any, args: Any, settings: Any) -> Any:
            return call(function, args, settings)

        def __getitem__(self, key: Any) -> Any:
            found = plain(self)[plain(key)]
            if not (isinstance(found, np.ndarray) and found.base is not None):  # no view: elements are copied
                tally[0] += np.size(found)
            return watched(found)

        def __setitem__(self, key: Any, value: Any) -> None:
            tally[0] += np.size(value)
            plain(self)[plain(key)] = plain(value)

    def call(function: Any, args: Any, settings: Any) -> Any:
        given, named = plain(args), plain(settings)
        found = function(*given, **named)
        tally[0] += size(given) + size(named) + size(found)
        out = settings.get("out")
        return (out[0] if isinstance(out, tuple) and len(out) == 1 else out) if out is not None else watched(found)

    def plain(value: Any) -> Any:
        return each(value, lambda array: array.view(np.ndarray))

    def watched(value: Any) -> Any:
        return each(value, lambda array: array.view(Counted))

    answer(*watched(tuple(args)), **watched(dict(settings)))
    return tally[0]


def each(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same with every array in it changed, through tuples, lists and dicts."""
    if isinstance(value, np.ndarray):
        return change(value)
    if type(value) in (tuple, list):
        return type(value)(each(part, change) for part in value)
    return {key: each(part, change) for key, part in value.items()} if type(value) is dict else value


def size(value: Any) -> int:
    """The elements of all arrays in it."""
    found = 0

    def add(array: Any) -> Any:
        nonlocal found
        found += array.size
        return array

    each(value, add)
    return found
