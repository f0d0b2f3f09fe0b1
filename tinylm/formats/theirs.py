"""Our parameters under the names, and in the memory order, of others: the way out that `names` gives."""

from collections.abc import Iterator, Mapping

import numpy as np

from tinylm.formats.names import Layout, half_and_half, places
from tinylm.gpt import GPTConfig

__all__ = ["TheirArrays"]


class TheirArrays(Mapping[str, np.ndarray]):
    """The arrays of a model as another program wants them, each made when it is asked for.

    config    the shape as it is written: it may have biases that the model lacks; those are zeros
    state     our parameters by name
    """

    def __init__(self, config: GPTConfig, layout: Layout, state: Mapping[str, np.ndarray]):
        self._state, self._size, self._dtype = state, config.head_size, next(iter(state.values())).dtype
        self._where = {}
        for place in places(config, layout):
            first = 0
            for name, outputs, heads in zip(place.arrays, place.outputs, place.heads, strict=True):
                self._where[name] = (place, first, outputs, heads)
                first += outputs

    def __getitem__(self, name: str) -> np.ndarray:
        place, first, outputs, heads = self._where[name]
        ours = self._state.get(place.name)
        if ours is None:
            return np.zeros(outputs, self._dtype)
        part = ours if len(place.arrays) == 1 else ours[..., first : first + outputs]
        part = part.T if place.transposed else part
        if heads:
            theirs = np.empty_like(part)
            theirs[half_and_half(heads, self._size)] = part
            part = theirs
        return np.ascontiguousarray(part)

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)
