"""An array of ids to bytes at once: the twin of tokenizer.decode.decode_bytes; knows nothing of text."""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_ROWS = 1 << 22  # a table by id is not made for ids above this: most of its rows would be empty
TOGETHER = 1 << 16  # ids decoded together: their arrays stay in a processor's cache
WIDEST = 64  # bytes of a token in the table; the few longer ones are written one by one


class Decoder:
    """The tokens as rows of 8 bytes: the first 8 of each token in one column, the next 8 in another, ...

    Writing is from left to right, 8 bytes at a time whatever a token's length: the bytes too many are
    overwritten by the next token. Longer tokens write their later eights first.
    """

    def __init__(self, tokens: Mapping[int, bytes]) -> None:
        rows = max(tokens) + 1
        self._tokens = tokens
        self._lengths = np.zeros(rows, np.int64)  # 0 where there is no token
        self._lengths[list(tokens)] = [len(token) for token in tokens.values()]
        self._columns = []
        for begin in range(0, min(int(self._lengths.max()), WIDEST), 8):
            column = np.zeros(rows, "<u8")
            some = {i: token[begin : begin + 8] for i, token in tokens.items() if len(token) > begin}
            column[list(some)] = np.frombuffer(b"".join(part.ljust(8, b"\0") for part in some.values()), "<u8")
            self._columns.append(column)

    def decode(self, ids: "list[int] | npt.NDArray[Any]") -> bytes | None:
        """The bytes of the ids, or None if one of them is no id, for the readable form to say which."""
        parts = []
        for begin in range(0, len(ids), TOGETHER):
            array = as_array(ids[begin : begin + TOGETHER])
            if array is None or int(array.min()) < 0 or int(array.max()) >= len(self._lengths):
                return None
            lengths = self._lengths.take(array)
            if not lengths.all():
                return None
            parts.append(self._join(array, lengths))
        return b"".join(parts)

    def _join(self, ids: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> bytes:
        stops = np.cumsum(lengths)
        places = stops - lengths
        total = int(stops[-1])
        data = np.empty(total + 8 * len(self._columns), np.uint8)
        eights = np.ndarray((total + 8 * len(self._columns) - 7,), "<u8", buffer=data, strides=(1,))
        (long,) = np.nonzero(lengths > 8)
        if len(long):
            self._write_tails(eights, ids[long], places[long], lengths[long])
        eights[places] = self._columns[0].take(ids)
        for i, place in zip(ids[wide := lengths > WIDEST].tolist(), places[wide].tolist(), strict=True):
            data[place : place + len(self._tokens[i])] = np.frombuffer(self._tokens[i], np.uint8)
        return data[:total].tobytes()

    def _write_tails(
        self, eights: npt.NDArray[np.uint64], ids: npt.NDArray[Any], places: npt.NDArray[Any], lengths: npt.NDArray[Any]
    ) -> None:
        """Write what tokens have beyond 8 bytes, the last eights first."""
        for column in range(len(self._columns) - 1, 0, -1):
            here = np.flatnonzero(lengths > 8 * column)
            eights[places[here] + 8 * column] = self._columns[column][ids[here]]


def as_array(ids: "list[int] | npt.NDArray[Any]") -> npt.NDArray[np.int64] | None:
    """Ids as a 1-d array of integers; None for what cannot be one."""
    if isinstance(ids, np.ndarray):
        return ids.astype(np.int64) if ids.ndim == 1 and ids.dtype.kind in "iu" else None
    try:  # twice as fast as np.array
        return np.frombuffer(struct.pack(f"{len(ids)}q", *ids), np.int64)
    except struct.error:
        return None
