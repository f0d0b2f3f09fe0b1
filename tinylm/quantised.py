"""Linear and Embedding over weights that stay in their file, in blocks of few bits, until they are used.

A block of rows of the weight is widened to float32, used, and overwritten by the next: the model takes the memory of
the blocks, and each forward pass the time of widening all of them, about a nanosecond a number. For inference only.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from tinylm import functional as F
from tinylm.autograd import GraphError, Tensor, grad_enabled
from tinylm.backend import DeviceError, backend_of
from tinylm.nn import Module

__all__ = ["Part", "QuantisedEmbedding", "QuantisedLinear", "Stored"]

BLOCK = 1 << 19  # numbers that are widened at a time: two megabytes
ROWS = 1024  # that are widened at a time, at most


class Stored(Protocol):
    """A matrix (R, C) that can be widened to float32, some rows at a time: formats.gguf.GGUFTensor is one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def into(self, out: np.ndarray, rows: slice | np.ndarray | None = None, *, transposed: bool = False) -> None:
        """Write rows into out, (R, C), or (C, R) if transposed."""


Part = tuple[Stored, np.ndarray | None]


class QuantisedLinear(Module):
    """y = x Wᵀ + b with W (out, in), in parts that lie one below the other and stay as they are stored.

    parts: of each, the matrix, and the order in which its rows are taken (numbers (R,); None: as they are)
    bias: (out,)

    x: (..., in)   →   y: (..., out)        Raises GraphError where a gradient is wanted, ValueError for other shapes.
    """

    def __init__(self, parts: Sequence[Part], bias: Any = None):
        super().__init__()
        widths = {matrix.shape[1] if len(matrix.shape) == 2 else None for matrix, _ in parts}
        if len(widths) != 1 or None in widths:
            raise ValueError(f"expected matrices of one width, got {[matrix.shape for matrix, _ in parts]}")
        self.parts = tuple(parts)
        self.inputs: int = parts[0][0].shape[1]
        self.outputs = sum(matrix.shape[0] if order is None else len(order) for matrix, order in parts)
        self.bias = bias if bias is None or isinstance(bias, Tensor) else Tensor(bias)
        if self.bias is not None and self.bias.shape != (self.outputs,):
            raise ValueError(f"expected a bias of shape {(self.outputs,)}, got {self.bias.shape}")

    def forward(self, x: Tensor) -> Tensor:
        rows = _checked(x, self.inputs)
        y = np.empty((len(rows), self.outputs), np.result_type(x.dtype, np.float32))
        first = 0
        for matrix, order in self.parts:
            for columns in widened_columns(matrix, order):  # (in, R)
                last = first + columns.shape[1]
                np.matmul(rows, columns, out=y[:, first:last])
                first = last
        if self.bias is not None:
            y += self.bias.data
        return Tensor(y.reshape(*x.shape[:-1], self.outputs))


class QuantisedEmbedding(Module):
    """A table of V rows of C features that stays as it is stored: looked up by id, and the output matrix if tied."""

    def __init__(self, table: Stored):
        super().__init__()
        self.table = table
        self.count, self.features = table.shape

    def forward(self, ids: Any) -> Tensor:
        """Rows of the table.  ids: (...)   →   y: (..., C)        Raises ValueError for ids outside the table."""
        ids = F.checked_ids(ids, self.count, _NUMPY, "embedding: ids")
        y = np.empty((ids.size, self.features), np.float32)
        self.table.into(y, ids.reshape(-1))
        return Tensor(y.reshape(*ids.shape, self.features))

    def logits(self, x: Tensor) -> Tensor:
        """x tableᵀ, as the output matrix of a model with tied weights.  x: (..., C)   →   y: (..., V)"""
        return QuantisedLinear([(self.table, None)]).forward(x)


_NUMPY = Tensor(np.zeros(0, np.float32))  # ids are looked at on the host, where the file is


def widened_columns(matrix: Stored, order: np.ndarray | None) -> Iterator[np.ndarray]:
    """Wᵀ in pieces (in, R), rows of W in the order asked for; each piece is overwritten by the next."""
    count, inputs = matrix.shape[0] if order is None else len(order), matrix.shape[1]
    step = min(count, ROWS, max(16, BLOCK // max(inputs, 1)))
    room = np.empty((inputs, step), np.float32)
    for a in range(0, count, step):
        b = min(a + step, count)
        piece = room[:, : b - a]
        matrix.into(piece, slice(a, b) if order is None else order[a:b], transposed=True)
        yield piece


def _checked(x: Tensor, inputs: int) -> np.ndarray:
    """The rows of x, (N, in)."""
    if x.requires_grad and grad_enabled():
        raise GraphError("quantised weights give no gradients; use tinylm.no_grad(), or load without keep_quantised")
    if backend_of(x.data).name != "numpy":
        raise DeviceError(
            f'quantised weights are on numpy, x is on {backend_of(x.data).name}; move it with .to("numpy")'
        )
    if x.ndim < 1 or x.shape[-1] != inputs:
        raise ValueError(f"linear: expected x of shape (..., {inputs}), got {x.shape}")
    rows: np.ndarray = x.data.reshape(-1, inputs)
    return rows
