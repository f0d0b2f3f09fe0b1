"""Protection of arrays that a graph still needs: while it lives, they are read-only and their writes counted.

Backward computes with the very arrays that forward saw. If one of them changed in between, the gradient
would be wrong and nothing would say so. Three things prevent it:

* a NumPy array that a graph keeps is made read-only, together with the array whose memory it views, until
  the graph is spent or gone; `x.data[0] = 1` then fails at that line;
* writes through this library (`x[...] = v`, an optimizer's step) are allowed and counted; a graph that
  kept the old values refuses to run backward;
* what neither sees, a view that was made by hand before the graph was, or any write on a GPU, is found by
  the watcher `tinylm.WriteGuard`, which compares checksums.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["GraphError", "Hold", "arrays_in", "is_held", "writing"]


class GraphError(RuntimeError):
    """A backward pass that would be wrong: a spent graph, or values changed since forward."""


def _owners(array: np.ndarray) -> list[np.ndarray]:
    """The arrays whose memory this one views, nearest first; none for an array with memory of its own."""
    found, owner = [], array.base
    while owner is not None:
        if isinstance(owner, np.ndarray):
            found.append(owner)
        owner = getattr(owner, "base", None)  # as_strided puts an object of its own in between
    return found


@contextmanager
def _lifted(arrays: Sequence[np.ndarray]) -> Iterator[None]:
    """Make read-only arrays writable for a moment, in the order given: owners of memory before their views."""
    done = []
    try:
        for array in arrays:
            array.setflags(write=True)
            done.append(array)
        yield
    finally:
        for array in done:
            array.setflags(write=False)


class _Entry:
    """How often an array is held, when it was last written, and whether to make it writable afterwards."""

    __slots__ = ("array", "count", "locked", "written")

    def __init__(self, array: Any):
        self.array, self.count, self.written = array, 0, 0
        self.locked = isinstance(array, np.ndarray) and array.flags.writeable
        if self.locked:
            array.setflags(write=False)  # three times as fast as array.flags.writeable = False

    def unlock(self) -> None:
        """Make the array writable again, also where the memory's owner is still held or was frozen by its user."""
        if not self.locked:
            return
        try:
            self.array.setflags(write=True)
            return
        except ValueError:  # the owner of its memory is read-only
            pass
        try:
            with _lifted([owner for owner in reversed(_owners(self.array)) if not owner.flags.writeable]):
                self.array.setflags(write=True)
        except ValueError:  # memory that NumPy cannot see to be writable, as of as_strided: stays read-only
            return


_books = threading.RLock()  # graphs of several threads may hold one array; re-entrant, for a collection may run inside
_held: dict[int, _Entry] = {}  # by id: an entry keeps its array alive, so an id cannot be taken again
_now = 0  # number of the last write through this library


def _acquire(array: Any) -> _Entry:
    entry = _held.get(id(array))
    if entry is None or entry.count == 0:  # 0: a garbage collection released it between these two lines
        entry = _held[id(array)] = _Entry(array)
    entry.count += 1
    return entry


def arrays_in(values: Iterable[Any], array_type: type) -> list[Any]:
    """The arrays among some values, also inside tuples and lists."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, array_type):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += arrays_in(value, array_type)
    return found


def is_held(array: Any) -> bool:
    """Whether a graph keeps this array or a view of it."""
    return id(array) in _held


class Hold:
    """The arrays that one node of a graph keeps, held from its making until `release`."""

    __slots__ = ("_entries", "_kept", "_since")

    def __init__(self, arrays: Sequence[Any]):
        self._entries: list[_Entry] = []
        self._kept = len(arrays)  # the first ones; then come owners, read-only too, but other parts of them may change
        if not arrays:
            return
        entries, owners = self._entries, []
        with _books:
            self._since = _now
            for array in arrays:
                entry = _held.get(id(array))
                if entry is None or entry.count == 0:  # 0: a garbage collection released it between these two lines
                    entry = _acquire(array)
                else:
                    entry.count += 1
                entries.append(entry)
                if isinstance(array, np.ndarray) and array.base is not None:
                    owners += _owners(array)
            for owner in owners:
                entries.append(_acquire(owner))

    def changed(self) -> Any | None:
        """An array that was written since it was kept, or None."""
        if not self._kept or self._since == _now:
            return None
        for entry in self._entries[: self._kept]:
            if entry.written > self._since:
                return entry.array
        return None

    def release(self) -> None:
        """Give the arrays back: the last one to do so makes them writable again."""
        entries, self._entries = self._entries, []
        if not entries:
            return
        with _books:
            for entry in reversed(entries):  # owners before their views
                entry.count -= 1
                if entry.count == 0:
                    del _held[id(entry.array)]
                    entry.unlock()

    def __del__(self) -> None:
        if getattr(self, "_entries", None):  # not there where an interrupt came while it was made
            self.release()


@contextmanager
def writing(array: Any) -> Iterator[Any]:
    """Write into an array that a graph may need: allowed, but such a graph will refuse to run backward.

    Every held array that may share memory with it counts as written.
    """
    global _now
    if not _held:
        yield array
        return
    chain = [array, *_owners(array)] if isinstance(array, np.ndarray) else []
    with _books:
        locked = [link for link in reversed(chain) if id(link) in _held and _held[id(link)].locked]
    try:
        with _lifted(locked):
            yield array
    finally:
        with _books:
            _now += 1
            for entry in tuple(_held.values()):
                if _may_overlap(entry.array, array):
                    entry.written = _now


def _may_overlap(held: Any, array: Any) -> bool:
    if isinstance(held, np.ndarray) and isinstance(array, np.ndarray):
        return np.may_share_memory(held, array)
    return _memory(held) is _memory(array)


def _memory(array: Any) -> Any:
    """The array that owns the memory of this one, as CuPy's views know it."""
    base = getattr(array, "base", None)
    return array if base is None else base
