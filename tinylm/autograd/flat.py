"""Leaves side by side: the arrays of many leaf tensors as views of one, and their gradients as views of another.

Whoever works on all of them, as an optimizer does, may then work on a few long arrays in place of many short ones. A
leaf whose gradient somebody looked at (`p.grad`) leaves its place, so that what was seen stays as it is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinylm.autograd.guard import GraphError, is_held

if TYPE_CHECKING:
    from tinylm.autograd.tensor import Tensor

__all__ = ["Flat", "Place", "flatten"]


class Flat:
    """One array of values and one of gradients, (size,) each; the second takes no memory before it is written."""

    def __init__(self, size: int, dtype: np.dtype):
        self.values = np.empty(size, dtype)
        self.gradients = np.zeros(size, dtype)


class Place:
    """Where in a Flat one leaf lies: from `start` to `stop`; `values` is the view that the leaf had when it was put."""

    __slots__ = ("flat", "start", "stop", "values")

    def __init__(self, flat: Flat, start: int, stop: int, shape: tuple[int, ...]):
        self.flat, self.start, self.stop = flat, start, stop
        self.values = flat.values[start:stop].reshape(shape)

    def gradient(self) -> np.ndarray:
        """The view of the gradients that belongs to the leaf."""
        return self.flat.gradients[self.start : self.stop].reshape(self.values.shape)


def _lies(p: "Tensor") -> bool:
    """Whether a leaf is in a shared array already; one that was moved, or given another array, no longer is."""
    return p.place is not None and p.data is p.place.values


def flatten(leaves: "Sequence[Tensor]", copy: bool = True) -> None:
    """Give the leaves views of one array in place of their own arrays: matrices first, then vectors, in order.

    copy=False: what matrices hold need not come along, for it is about to be written over.

    Leaves on a device, of another dtype than the first, or that are placed already, are left as they are. Raises
    GraphError for a leaf that a graph still needs.
    """
    chosen = [p for p in leaves if type(p.data) is np.ndarray and not _lies(p) and p.data.dtype == leaves[0].dtype]
    chosen.sort(key=lambda p: p.ndim < 2)
    if not chosen:
        return
    for p in chosen:
        if p.node is not None or is_held(p.data):
            raise GraphError("flatten: a graph still needs one of these tensors; call it before the model runs")
    flat, start = Flat(sum(p.size for p in chosen), chosen[0].dtype), 0
    for p in chosen:
        place = Place(flat, start, start + p.size, p.shape)
        if copy or p.ndim < 2:
            place.values[...] = p.data
        p.data, p.place, p._home = place.values, place, None
        start = place.stop
