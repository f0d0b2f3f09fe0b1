"""Named, seeded streams of random numbers, drawn on the host; knows nothing of what they are used for.

One seed gives many streams that do not disturb each other: drawing more numbers for dropout leaves the
order of the data as it was. Numbers are drawn by NumPy on the host for every device, so a run means the
same on each.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

__all__ = ["STREAMS", "Streams", "stream"]

STREAMS = ("init", "data", "dropout", "sampling")


def stream(seed: int, name: str) -> np.random.Generator:
    """An independent PCG64 generator for `name` under `seed`: the same two always give the same numbers.

    The name is hashed to words that extend NumPy's SeedSequence (spawn_key), which makes the streams
    of one seed independent of each other. Raises ValueError for a negative seed.

    >>> bool(stream(1, "data").random() == stream(1, "data").random())
    True
    >>> bool(stream(1, "data").random() == stream(1, "dropout").random())
    False
    """
    if seed < 0:
        raise ValueError(f"a seed is a whole number from 0 up; got {seed}")
    key = np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype="<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key.tolist())))


class Streams:
    """The streams of one run by name, whose state can be saved and put back exactly.

    >>> streams = Streams(seed=1)
    >>> before = streams.state()
    >>> first = streams["data"].random()
    >>> streams.load(before)
    >>> bool(streams["data"].random() == first)
    True
    """

    def __init__(self, seed: int, names: Iterable[str] = STREAMS):
        self.seed = seed
        self._streams = {name: stream(seed, name) for name in names}

    def __getitem__(self, name: str) -> np.random.Generator:
        if name not in self._streams:
            raise KeyError(f"no stream {name!r}; this run has {', '.join(self._streams)}")
        return self._streams[name]

    def state(self) -> dict[str, Any]:
        """Everything that decides the numbers to come, as plain JSON values."""
        return {name: generator.bit_generator.state for name, generator in self._streams.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; raises ValueError where it names other streams than this run has."""
        if set(state) != set(self._streams):
            raise ValueError(f"expected the streams {sorted(self._streams)}, got {sorted(state)}")
        for name, generator in self._streams.items():
            generator.bit_generator.state = state[name]
