"""A pool of NumPy buffers for kernels: memory that was written before, so that no page of it faults again.

A fresh array of some hundred kilobytes comes from the operating system, which clears each page when it is first
touched; at the sizes of a training step that costs as much as the arithmetic. The pool hands out arrays over memory
that it keeps. Nobody gives anything back: NumPy's views keep the array alive that they view, and a weak reference
tells the pool when the last of them is gone.
"""

import contextlib
import itertools
import math
import mmap
import weakref
from typing import Any

import numpy as np

__all__ = ["POOL", "Pool", "empty", "owns_memory"]

SMALLEST = 1 << 16  # bytes; what is smaller NumPy's own allocator hands out faster
PAGE = 1 << 12
LINE = 64  # bytes of a cache line and of the widest vector register
STAGGER = 5  # lines from one buffer's start to the next one's
HUGE = 1 << 22  # bytes from which pages of 2 MB are asked for, as NumPy does
LOOSE = 1.25  # how much larger a buffer may be than what is asked for
PATIENCE = 2048  # loans, once or twice as many of which a buffer lies idle before the system gets its memory back


def _memory(size: int) -> mmap.mmap:
    """Fresh memory of this process alone: a child that is forked gets a copy, as of any other array."""
    if hasattr(mmap, "MAP_PRIVATE") and hasattr(mmap, "MAP_ANONYMOUS"):
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, size)


class _Slab:
    """A piece of memory: the map it lies in, where in it, how long it is, and when it was last lent."""

    __slots__ = ("last", "map", "size", "start")
    _numbers = itertools.count()

    def __init__(self, size: int):
        # not all at the start of a page: arrays that are worked on together would share the same few sets of a cache
        self.start = LINE * (next(self._numbers) * STAGGER % (PAGE // LINE))
        self.map = _memory(size + PAGE)  # an object that NumPy takes for the owner of memory; not an array
        self.size, self.last = size, 0
        if size >= HUGE and hasattr(self.map, "madvise") and hasattr(mmap, "MADV_HUGEPAGE"):
            self.map.madvise(mmap.MADV_HUGEPAGE)


class _Loan(weakref.ref):  # type: ignore[type-arg]
    """A weak reference to an array that was handed out, and the slab it lies in."""

    __slots__ = ("slab",)
    slab: _Slab


class Pool:
    """Buffers that are used again when the last array over them is gone.

    lent, idle   bytes in use and bytes waiting

    >>> pool = Pool()
    >>> first = pool.empty((300, 300), np.float32)
    >>> place = first.ctypes.data
    >>> rows = first[:2]
    >>> del first
    >>> pool.empty((300, 300), np.float32).ctypes.data == place  # `rows` still needs that memory
    False
    >>> del rows
    >>> pool.empty((300, 300), np.float32).ctypes.data == place
    True
    """

    def __init__(self) -> None:
        self._idle: dict[int, list[_Slab]] = {}  # by size
        self._loans: dict[int, _Loan] = {}  # by id: a weak reference that is gone itself tells nothing
        self._clock = 0

    @property
    def lent(self) -> int:
        return sum(loan.slab.size for loan in tuple(self._loans.values()))

    @property
    def idle(self) -> int:
        return sum(slab.size for slabs in tuple(self._idle.values()) for slab in tuple(slabs))

    def empty(self, shape: tuple[int, ...] | int, dtype: Any) -> np.ndarray:
        """An array of arbitrary content, as np.empty gives one; small ones are np.empty's."""
        if type(dtype) is type:
            dtype = np.dtype(dtype)
        size = (math.prod(shape) if type(shape) is tuple else shape) * dtype.itemsize
        if size < SMALLEST or dtype.hasobject:
            return np.empty(shape, dtype)
        slab = self._take(-(-size // PAGE) * PAGE)
        array: np.ndarray = np.ndarray(shape, dtype, buffer=slab.map, offset=slab.start)
        loan = _Loan(array, self._returned)
        loan.slab = slab
        self._loans[id(loan)] = loan
        return array

    def clear(self) -> None:
        """Give all idle memory back to the system."""
        self._idle = {}

    def _take(self, size: int) -> _Slab:
        self._clock += 1
        slabs = self._idle.get(size)
        slab = None
        if slabs:
            with contextlib.suppress(IndexError):  # another thread was faster
                slab = slabs.pop()
        if self._clock % PATIENCE == 0:
            self._forget()
        if slab is None:
            slab = self._nearest(size) or self._new(size)
        slab.last = self._clock
        return slab

    def _new(self, size: int) -> _Slab:
        """A new slab; what is idle goes back to the system where there is no room for it. Raises MemoryError."""
        try:
            return _Slab(size)
        except OSError:
            self.clear()
        try:
            return _Slab(size)
        except OSError:
            raise MemoryError(f"no memory for an array of {size} bytes") from None

    def _nearest(self, size: int) -> _Slab | None:
        """The smallest idle slab that is a little too large.

        Slabs change hands by list.pop and list.append alone, which no other thread can interrupt.
        """
        for other in sorted(self._idle):
            if size <= other <= LOOSE * size:
                with contextlib.suppress(IndexError, KeyError):
                    return self._idle[other].pop()
        return None

    def _forget(self) -> None:
        """Give back to the system what nobody wanted for PATIENCE loans."""
        for size in sorted(self._idle):
            slabs = self._idle.get(size, [])
            with contextlib.suppress(IndexError):
                while self._clock - slabs[0].last > PATIENCE:
                    slabs.pop(0)
            if not slabs:
                self._idle.pop(
                    size, None
                )  # a slab that another thread puts there now is given back, which harms nobody

    def _returned(self, loan: Any) -> None:
        """The last array over a slab is gone; runs in whichever thread dropped it."""
        self._idle.setdefault(loan.slab.size, []).append(loan.slab)  # first: an interrupt in between loses no memory
        self._loans.pop(id(loan), None)


POOL = Pool()
empty = POOL.empty


def owns_memory(array: np.ndarray) -> bool:
    """Whether the array has memory of its own, NumPy's or the pool's, and is no view of another array."""
    return not isinstance(array.base, np.ndarray)
