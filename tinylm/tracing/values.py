"""The values of a trace: arrays kept whole while they fit into a bound of memory, and summaries of the others."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tinylm.backend import to_host

__all__ = ["Keep", "Packed", "Store", "Stored", "Summary", "Value", "Values", "whole"]

Keep = Literal["whole", "summary"]
SAMPLE = 64  # numbers of an array that its summary shows
LARGE = 4096  # bytes from which sparing them is worth a look
REMEMBERED = 4096  # arrays whose values are known, so that the same ones are not kept twice


@dataclass(frozen=True, slots=True)
class Summary:
    """What is left of an array that was not kept.

    low, high, mean, std    over its finite numbers; NaN where there are none
    nan, inf                how many numbers are NaN, and how many infinite
    sample                  up to 64 of its numbers, evenly chosen, as text and in order
    """

    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    mean: float
    std: float
    nan: int
    inf: int
    sample: tuple[float, ...]

    @classmethod
    def of(cls, array: np.ndarray) -> "Summary":
        """The summary of an array of numbers or bools."""
        flat = array.reshape(-1)
        stride = max(1, -(-flat.size // SAMPLE))
        sample = tuple(float(x) for x in flat[::stride])
        if array.dtype.kind == "f":
            finite = flat[np.isfinite(flat)]
            nan, inf = int(np.isnan(flat).sum()), int(np.isinf(flat).sum())
        else:
            finite, nan, inf = flat, 0, 0
        if not finite.size:
            return cls(array.shape, str(array.dtype), math.nan, math.nan, math.nan, math.nan, nan, inf, sample)
        with np.errstate(all="ignore"):  # numbers near the largest
            mean, std = float(finite.mean(dtype=np.float64)), float(finite.std(dtype=np.float64))
        return cls(array.shape, str(array.dtype), float(finite.min()), float(finite.max()), mean, std, nan, inf, sample)

    def __str__(self) -> str:
        bad = f", {self.nan} NaN" * bool(self.nan) + f", {self.inf} infinite" * bool(self.inf)
        return f"{self.dtype}{list(self.shape)} from {self.low:.4g} to {self.high:.4g}, mean {self.mean:.4g}{bad}"


Value = np.ndarray | Summary


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """An array with many zeros: one bit a number says whether it is one, and the others follow in order."""

    shape: tuple[int, ...]
    bits: np.ndarray
    others: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> "Packed | None":
        """The array packed; None where that would not spare a quarter of its bytes. A −0 is no zero."""
        flat = array.reshape(-1)
        filled = flat != 0
        if array.dtype.kind == "f":
            filled |= np.signbit(flat)
        if 4 * np.count_nonzero(filled) > 3 * flat.size:
            return None
        return cls(array.shape, np.packbits(filled), flat[filled])

    def whole(self) -> np.ndarray:
        """The array as it was."""
        size = math.prod(self.shape)
        array = np.zeros(size, self.others.dtype)
        array[np.unpackbits(self.bits, count=size).astype(bool)] = self.others
        array = array.reshape(self.shape)
        array.flags.writeable = False
        return array

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.others.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the array that is packed."""
        return math.prod(self.shape) * self.others.itemsize


Stored = np.ndarray | Packed | Summary


class Values(Mapping[str, Value]):
    """Arrays by name, in order; what is stored packed is unpacked when it is asked for."""

    __slots__ = ("raw",)

    def __init__(self, raw: Mapping[str, Stored]):
        self.raw = dict(raw)

    def __getitem__(self, name: str) -> Value:
        value = self.raw[name]
        return value.whole() if isinstance(value, Packed) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def __repr__(self) -> str:
        return f"<{', '.join(f'{name} {list(value.shape)}' for name, value in self.raw.items()) or 'no arrays'}>"


class Store:
    """Copies of arrays, each as it was when it was given; the same values are kept once.

    memory      bytes for whole arrays; None: no bound
    keep        "whole", or "summary" to keep none whole
    nbytes      bytes kept so far
    summarised  arrays of which only a summary was kept
    """

    def __init__(self, memory: int | None, keep: Keep):
        self.memory, self.keep = memory, keep
        self.nbytes = self.summarised = 0
        self._known: dict[Any, np.ndarray | Packed] = {}  # by a sample of the values: see _key

    def put(self, array: Any) -> Stored:
        """The array as it is now: a read-only copy on the host, or its summary."""
        host = np.asarray(to_host(array))
        key = _key(host)
        stored = self._find(key, host)
        if stored is not None:
            return stored
        if self.keep == "summary":
            self.summarised += 1
            return Summary.of(host)
        view = self._view(host)
        if view is not None:
            return view
        packed = Packed.of(host) if host.nbytes >= LARGE else None
        size = host.nbytes if packed is None else packed.bits.nbytes + packed.others.nbytes
        if self.memory is not None and self.nbytes + size > self.memory:
            self.summarised += 1
            return Summary.of(host)
        self.nbytes += size
        if packed is None:
            copy = np.array(host, order="C")
            copy.flags.writeable = False
            self._remember(key, copy)
            return copy
        self._remember(key, packed)
        return packed

    def _find(self, key: Any, host: np.ndarray) -> Stored | None:
        known = self._known.get(key)
        if known is None:
            return None
        stored = known.whole() if isinstance(known, Packed) else known
        return known if _same(stored, host) else None

    def _remember(self, key: Any, stored: "np.ndarray | Packed") -> None:
        self._known[key] = stored
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def _view(self, host: np.ndarray) -> np.ndarray | None:
        """A large array whose memory is another's, of which there is a copy: the same part of that copy."""
        owner = host
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        if owner is host or host.nbytes < LARGE or owner.dtype != host.dtype or not owner.flags.c_contiguous:
            return None
        copy = self._find(_key(owner), owner)
        if not isinstance(copy, np.ndarray):
            return None
        offset = host.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        view = np.ndarray(host.shape, host.dtype, copy, offset, host.strides)
        view.flags.writeable = False
        return view


def whole(value: Value, what: str) -> np.ndarray:
    """The array; raises ValueError where only a summary was kept."""
    if isinstance(value, Summary):
        raise ValueError(f"{what} was only summarised in this trace; give trace(memory=...) more bytes")
    return value


def _key(array: np.ndarray) -> Any:
    """Shape, type and some of the values: what arrays of the same values share."""
    if not array.ndim or not array.size:
        return array.shape, array.dtype.str, array.tobytes()
    places = np.unravel_index(np.linspace(0, array.size - 1, 8).astype(np.intp), array.shape)
    return array.shape, array.dtype.str, array[places].tobytes()


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays of one type hold the same bits; NaN is the same as itself, −0 is not 0."""
    if a.dtype.kind == "f" and a.ndim and a.flags.c_contiguous and b.flags.c_contiguous:
        bits = np.dtype(f"u{a.itemsize}")
        return bool(np.array_equal(a.view(bits), b.view(bits)))
    return bool(np.array_equal(a, b)) and (a.dtype.kind != "f" or bool(np.array_equal(np.signbit(a), np.signbit(b))))
