"""Leaves side by side: the arrays of many leaf tensors as views of one, and their gradients as views of another.

Nothing else changes for the leaves. Whoever works on all of them, as an optimizer does, may then work on a few long
arrays in place of many short ones.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinylm.autograd.guard import GraphError, is_held

if TYPE_CHECKING:
    from tinylm.autograd.tensor import Tensor

__all__ = ["Flat", "Place", "flatten"]


class Flat:
    """One array of values and, from the first time that it is asked for, one of gradients; both (size,)."""

    def __init__(self, size: int, dtype: np.dtype):
        self.values = np.empty(size, dtype)
        self._gradients: np.ndarray | None = None

    @property
    def gradients(self) -> np.ndarray:
        if self._gradients is None:
            self._gradients = np.zeros_like(self.values)
        return self._gradients


class Place:
    """Where in a Flat one leaf lies: from `start` to `stop`; `values` is the view that the leaf had when it was put."""

    __slots__ = ("flat", "start", "stop", "values")

    def __init__(self, flat: Flat, start: int, stop: int, shape: tuple[int, ...]):
        self.flat, self.start, self.stop = flat, start, stop
        self.values = flat.values[start:stop].reshape(shape)

    def gradient(self) -> np.ndarray:
        """The view of the gradients that belongs to the leaf."""
        return self.flat.gradients[self.start : self.stop].reshape(self.values.shape)


def flatten(leaves: "Sequence[Tensor]") -> None:
    """Give the leaves views of one array in place of their own arrays: matrices first, then vectors, in order.

    Leaves on a device, of another dtype than the first, or that are placed already, are left as they are. Raises
    GraphError for a leaf that a graph still needs.
    """
    chosen = [p for p in leaves if type(p.data) is np.ndarray and p.place is None and p.data.dtype == leaves[0].dtype]
    chosen.sort(key=lambda p: p.ndim < 2)
    if not chosen:
        return
    for p in chosen:
        if p.node is not None or is_held(p.data):
            raise GraphError("flatten: a graph still needs one of these tensors; call it before the model runs")
    flat, start = Flat(sum(p.size for p in chosen), chosen[0].dtype), 0
    for p in chosen:
        place = Place(flat, start, start + p.size, p.shape)
        place.values[...] = p.data
        p.data, p.place, p._home = place.values, place, None
        start = place.stop
