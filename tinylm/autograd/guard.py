"""Protection of arrays that a graph still needs: while it lives, they are read-only and their writes counted.

Backward computes with the very arrays that forward saw. If one of them changed in between, the gradient
would be wrong and nothing would say so. Three things prevent it:

* a NumPy array that a graph keeps is made read-only, together with the array whose memory it views, until
  the graph is spent or gone; `x.data[0] = 1` then fails at that line;
* writes through this library (`x[...] = v`, an optimizer's step) are allowed and counted; a graph that
  kept the old values refuses to run backward;
* what neither sees, a view that was made by hand before the graph was, or any write on a GPU, is found by
  the watcher `tinylm.watch.WriteGuard`, which compares checksums.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["GraphError", "Hold", "writing"]


class GraphError(RuntimeError):
    """A backward pass that would be wrong: a spent graph, or values changed since forward."""


class _Entry:
    """How often an array is held, how often it was written meanwhile, and what to restore afterwards."""

    __slots__ = ("array", "count", "locked", "version")

    def __init__(self, array: Any):
        self.array, self.count, self.version = array, 0, 0
        self.locked = isinstance(array, np.ndarray) and array.flags.writeable
        if self.locked:
            array.flags.writeable = False

    def unlock(self) -> None:
        if self.locked:
            owner = self.array.base
            while isinstance(owner, np.ndarray):  # a view can only be unlocked after the memory's owner
                if not owner.flags.writeable:
                    _waiting.setdefault(id(owner), []).append(self)
                    return
                owner = owner.base
            self.array.flags.writeable = True


_held: dict[int, _Entry] = {}  # by id: an entry keeps its array alive, so an id cannot be taken again
_waiting: dict[int, list[_Entry]] = {}  # views, by the id of the locked owner that they wait for


def _acquire(array: Any) -> _Entry:
    entry = _held.get(id(array))
    if entry is None:
        entry = _held[id(array)] = _Entry(array)
    entry.count += 1
    return entry


def _release(entry: _Entry) -> None:
    entry.count -= 1
    if entry.count == 0:
        del _held[id(entry.array)]
        entry.unlock()
        for view in _waiting.pop(id(entry.array), ()):
            if id(view.array) not in _held:
                view.unlock()
            else:
                _held[id(view.array)].locked = True


class Hold:
    """The arrays that one node of a graph keeps, held from its making until `release`."""

    __slots__ = ("_entries", "_versions")

    def __init__(self, arrays: Iterator[Any]):
        entries: list[_Entry] = []
        for array in arrays:
            entries.append(_acquire(array))
            owner = getattr(array, "base", None)
            while isinstance(owner, np.ndarray):
                entries.append(_acquire(owner))
                owner = owner.base
        self._entries: list[_Entry] | None = entries
        self._versions = [entry.version for entry in entries]

    def changed(self) -> Any | None:
        """An array that was written since it was kept, or None."""
        for entry, version in zip(self._entries or (), self._versions, strict=True):
            if entry.version != version:
                return entry.array
        return None

    def release(self) -> None:
        """Give the arrays back: the last one to do so makes them writable again."""
        entries, self._entries = self._entries, None
        self._versions = []
        for entry in reversed(entries or ()):  # owners before their views
            _release(entry)

    def __del__(self) -> None:
        self.release()


@contextmanager
def writing(array: Any) -> Iterator[Any]:
    """Write into an array that a graph may need: allowed, but such a graph will refuse to run backward.

    Every held array that may share memory with it counts as written.
    """
    if not _held:
        yield array
        return
    chain = [array]
    while isinstance(chain[-1], np.ndarray) and isinstance(chain[-1].base, np.ndarray):
        chain.append(chain[-1].base)
    lifted = [link for link in reversed(chain) if isinstance(link, np.ndarray) and id(link) in _held]
    lifted = [link for link in lifted if _held[id(link)].locked]
    try:
        for link in lifted:
            link.flags.writeable = True
        yield array
    finally:
        for link in lifted:
            link.flags.writeable = False
        for entry in tuple(_held.values()):
            if entry.array is array or (
                isinstance(array, np.ndarray)
                and isinstance(entry.array, np.ndarray)
                and np.may_share_memory(entry.array, array)
            ):
                entry.version += 1
