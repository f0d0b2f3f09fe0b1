"""Names of arrays that no step of a trace made: parameters by their own names, others by where they were first used."""

import weakref
from typing import Any

from tinylm.nn import Module

__all__ = ["Names"]


class Names:
    """A name for each array, one alone: a name that another array has already gets a number, "x #2".

    model: its parameters have their own names, wherever their arrays are moved to
    """

    def __init__(self, model: Module | None):
        self._model = model
        self._known: dict[int, tuple[Any, str]] = {}  # by id: (reference to the array, name)
        self._given: dict[str, int] = {} if model is None else {name: 1 for name, _ in model.named_parameters()}

    def of(self, array: Any, default: str) -> str:
        """The array's name: its parameter's, the one it was given before, or the default, made unique."""
        reference, name = self._known.get(id(array), (None, ""))
        if reference is not None and reference() is array:
            return name
        name = self._parameter(array) or self._unique(default)
        self._known[id(array)] = _reference(array), name
        return name

    def _parameter(self, array: Any) -> str | None:
        if self._model is None:
            return None
        return next((name for name, p in self._model.named_parameters() if p.data is array), None)

    def _unique(self, name: str) -> str:
        self._given[name] = number = self._given.get(name, 0) + 1
        return name if number == 1 else f"{name} #{number}"


def _reference(array: Any) -> Any:
    try:
        return weakref.ref(array)
    except TypeError:  # an array of a kind that cannot be referred to weakly
        return lambda: array
