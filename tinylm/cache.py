"""Keys and values of the positions that a model has seen, kept so that they are computed once; knows no layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinylm.autograd import GraphError, Tensor
from tinylm.backend import backend_of

__all__ = ["Cache"]

FIRST = 256  # positions that a cache makes room for at once


class Cache:
    """The keys and values of the positions seen so far, for each layer, so that they are computed once.

    lengths   how many positions are filled in each row; a row's next token has this position
    length    the most that are filled in any row
    mask      (B, 1, T, S) of bools while rows of unequal length run: True = may attend; None: all begin at one place

    A call of the model takes the steps `begin`, `extend` in every layer, `commit`: where it fails on the way, nothing
    has changed that counts. It takes memory as it fills, up to 2 · n_layer · B · G · D · block_size numbers.
    """

    def __init__(self, config: Any, batch: int = 1):
        self.lengths = [0] * batch
        self.mask: Any = None
        self._shape = (batch, config.kv_heads, config.block_size, config.head_size)  # (B, G, block_size, D)
        self._layers: dict[int, tuple[Any, Any]] = {}  # (rows, G, room, D) each, room for as much as was needed yet
        self._new = [0] * batch  # how many positions each row gets in this call
        self._positions = np.zeros(0, np.int64)

    @property
    def length(self) -> int:
        return max(self.lengths, default=0)

    def begin(self, rows: int, T: int, lengths: Sequence[int] | None = None) -> np.ndarray:
        """Make ready for T more positions in each row, or lengths[i] ≤ T in row i; returns the numbers they have.

        →   (T,), or (B, T) where the rows are filled unequally

        Raises ValueError for another batch than the cache's, for lengths that do not fit T, and past block_size.
        """
        if rows != len(self.lengths):
            raise ValueError(f"the cache is for a batch of {len(self.lengths)}, got {rows} rows")
        new = [T] * rows if lengths is None else [int(n) for n in lengths]
        if len(new) != rows or min(new, default=T) < 1 or max(new, default=T) != T:
            raise ValueError(f"lengths must be {rows} numbers from 1 to T, the longest {T}; got {new}")
        end = max([a + n for a, n in zip(self.lengths, new, strict=True)], default=T)
        if end > self._shape[2]:
            raise ValueError(f"a context of {end} tokens does not fit: block_size is {self._shape[2]}")
        self._new, self.mask = new, None
        start = self.length
        if min(self.lengths, default=0) == start:
            self._positions = np.arange(start, start + T)
        else:
            self._positions = np.array(self.lengths)[:, None] + np.arange(T)
        # past a row's own new positions there is padding, and a padding may have any number
        numbers: np.ndarray = np.minimum(self._positions, self._shape[2] - 1)
        return numbers

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new keys and values (B, G, T, D) after the old ones, and return all of them, (B, G, S, D).

        Raises GraphError for keys that want a gradient.
        """
        if k.requires_grad or v.requires_grad:
            raise GraphError("a cache passes no gradients on: run the model inside `with no_grad():`")
        backend = backend_of(k.data)
        keys, values = self._room(layer, k, backend.xp)
        if self._positions.ndim == 1:
            rows, end = len(self.lengths), int(self._positions[-1]) + 1
            part = slice(end - k.shape[2], end)  # also of paddings, which the row's next tokens will replace
            keys[:rows, :, part], values[:rows, :, part] = k.data, v.data
        else:
            rows, end = len(self.lengths), max([a + n for a, n in zip(self.lengths, self._new, strict=True)])
            for row, (a, n) in enumerate(zip(self.lengths, self._new, strict=True)):
                keys[row, :, a : a + n], values[row, :, a : a + n] = k.data[row, :, :n], v.data[row, :, :n]
            if self.mask is None:
                self.mask = backend.from_host(np.arange(end) <= self._positions[:, None, :, None])
        return Tensor(keys[:rows, :, :end]), Tensor(values[:rows, :, :end])

    def _room(self, layer: int, k: Tensor, xp: Any) -> tuple[Any, Any]:
        """The layer's arrays, long enough for the new positions; where they are too short they get twice as long."""
        need = max([a + n for a, n in zip(self.lengths, self._new, strict=True)], default=k.shape[2])
        old = self._layers.get(layer)
        if old is None or old[0].shape[2] < need:
            room = min(max(need, FIRST, 2 * old[0].shape[2] if old else 0), self._shape[2])
            shape = (max(len(self.lengths), len(k.data)), self._shape[1], room, self._shape[3])
            # zeros: what no row has filled is masked, and 0 times NaN would still be NaN
            new = (xp.zeros(shape, k.dtype), xp.zeros(shape, k.dtype))
            for longer, shorter in zip(new, old or (), strict=False):
                longer[:, :, : shorter.shape[2]] = shorter[: len(longer)]
            self._layers[layer] = new
        return self._layers[layer]

    def commit(self) -> None:
        """Count the new positions as filled, in all layers."""
        self.lengths = [a + n for a, n in zip(self.lengths, self._new, strict=True)]

    def select(self, rows: Sequence[int]) -> None:
        """Row i becomes a copy of the old row rows[i]: any rows, in any order, as often as wanted (beam search).

        Raises ValueError for a row that there is not.
        """
        if any(not 0 <= row < len(self.lengths) for row in rows):
            raise ValueError(f"rows must be from 0 to {len(self.lengths) - 1}, got {list(rows)}")
        for layer, (keys, values) in self._layers.items():
            chosen = backend_of(keys).from_host(np.asarray(rows, np.intp))
            self._layers[layer] = (keys[chosen], values[chosen])
        self.lengths = [self.lengths[row] for row in rows]

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these, which come in rising order: rows[i] becomes row i."""
        end = self.length
        for arrays in self._layers.values():
            for array in arrays:
                for new, old in enumerate(rows):
                    if new != old:
                        array[new, :, :end] = array[old, :, :end]
        self.lengths = [self.lengths[row] for row in rows]
