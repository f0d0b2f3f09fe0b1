"""Distinct words with their counts as arrays: what counting gives and training takes; knows nothing of either."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Words:
    """The bytes of all words, one after the other, how long each is and how often it occurs.

    data: (sum of lengths,) uint8   lengths, counts: (n,) int64   in the order first seen, no two alike
    """

    data: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, counts: Mapping[bytes, int]) -> Self:
        """The words of a mapping from bytes to count, in its order."""
        return cls(
            np.frombuffer(b"".join(counts), np.uint8),
            np.fromiter(map(len, counts), np.int64, len(counts)),
            np.fromiter(counts.values(), np.int64, len(counts)),
        )

    def to_dict(self) -> dict[bytes, int]:
        """The same as a dict.

        >>> Words.of({b"low": 5, b"er": 2}).to_dict()
        {b'low': 5, b'er': 2}
        """
        data = self.data.tobytes()
        ends = np.cumsum(self.lengths).tolist()
        words = (data[start:end] for start, end in zip([0, *ends], ends, strict=False))
        return dict(zip(words, self.counts.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.lengths)
