"""How many threads work at once, and long loops shared between them; arithmetic alone releases Python's lock.

Matrix products share themselves: NumPy's BLAS has threads of its own. What is shared here is elementwise work, which
NumPy does on one thread, and whole parts of a batch. While parts run side by side, BLAS is held to one thread: its own
threads would wait for each other.
"""

import contextvars
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, TypeVar

__all__ = ["blas_architectures", "set_threads", "share", "side_by_side", "threads", "use_threads"]

T = TypeVar("T")

_here: ContextVar[int | None] = ContextVar("tinylm_threads", default=None)
_chosen: int | None = None  # by set_threads
_inside: ContextVar[bool] = ContextVar("tinylm_inside", default=False)  # of a part that runs side by side
_lock = threading.Lock()
_alone = 0  # how many regions now hold BLAS to one thread
_normal: list[int] | None = None  # BLAS's threads outside of them


@cache
def _blas() -> list[Any]:
    """Handles on the BLAS libraries that are loaded; none where they cannot be steered."""
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, _cores() - 1), thread_name_prefix="tinylm")


def _begin_in_child() -> None:
    """A child has none of its parent's threads, and no region of it goes on."""
    global _lock, _alone
    _workers.cache_clear()
    _lock, _alone = threading.Lock(), 0
    if _normal is not None:
        _restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


@cache
def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _default() -> int:
    """TINYLM_THREADS, else as many as BLAS was told to use (OPENBLAS_NUM_THREADS and its like), at most one a core."""
    told = os.environ.get("TINYLM_THREADS", "")
    if told:
        if not told.isdecimal() or int(told) < 1:
            raise ValueError(f"TINYLM_THREADS must be a whole number from 1 up, got {told!r}")
        return int(told)
    counts: list[int] = [library.get_num_threads() for library in _blas()]
    return max(1, min([_cores(), *counts]))


def threads() -> int:
    """How many threads work at once: `use_threads`, else `set_threads`, else TINYLM_THREADS, else what BLAS uses."""
    return _here.get() or _chosen or _default()


def blas_architectures() -> list[str]:
    """The processors that the loaded BLAS libraries have chosen their kernels for, where they tell."""
    return [library.architecture for library in _blas() if getattr(library, "architecture", None)]


def set_threads(count: int) -> None:
    """Use so many threads from now on, in BLAS too; raises ValueError for less than one.

    The same number gives the same bits from run to run; another number adds in another order.
    """
    global _chosen
    _chosen = _checked(count)
    for library in _blas():
        library.set_num_threads(count)


def _checked(count: Any) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"threads: expected a whole number from 1 up, got {count!r}")
    return count


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Let kernels of this library share their work between `count` threads inside the block; BLAS keeps its number."""
    token = _here.set(_checked(count))
    try:
        yield
    finally:
        _here.reset(token)


@contextmanager
def _blas_alone() -> Iterator[None]:
    """One thread in BLAS while any such block runs."""
    global _alone, _normal
    counted = False
    try:
        with _lock:
            if _alone == 0:
                if _normal is None:  # else the last region was interrupted before it had put it back
                    _normal = [library.get_num_threads() for library in _blas()]
                for library in _blas():
                    library.set_num_threads(1)
            _alone, counted = _alone + 1, True
        yield
    finally:
        with _lock:
            _alone -= counted
            if _alone == 0:
                _restore()


def _restore() -> None:
    global _normal
    for library, count in zip(_blas(), _normal or (), strict=False):
        library.set_num_threads(count)
    _normal = None


def side_by_side(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """Run the tasks at the same time, each on one thread and in a copy of this context; their results in order.

    The first exception in order is raised, after all have ended.
    """
    if len(tasks) == 1 or _inside.get():  # inside, the workers may be those that wait
        return [task() for task in tasks]

    def alone(task: Callable[[], T]) -> T:
        _here.set(1)
        _inside.set(True)
        return task()

    with _blas_alone():
        futures: list[Future[T]] = []
        try:
            for task in tasks[1:]:
                futures.append(_workers().submit(contextvars.copy_context().run, alone, task))
            first = contextvars.copy_context().run(alone, tasks[0])
        finally:
            _wait(futures)
        return [first, *(future.result() for future in futures)]


def _wait(futures: Sequence[Future[Any]]) -> None:
    """Until all have ended, whatever comes: none may write into arrays of a call that has returned.

    An interrupt (Ctrl-C) is raised when they have.
    """
    interrupt = None
    while True:
        try:
            wait(futures)
            break
        except BaseException as problem:
            interrupt = problem
    if interrupt is not None:
        raise interrupt


def share(work: Callable[[int, int], None], count: int, least: int) -> None:
    """Call work(start, stop) on parts of range(count) at the same time, none smaller than `least`.

    Handing over costs some 50 microseconds, so `least` should be several times that much work.
    """
    parts = min(threads(), count // max(least, 1))
    if parts <= 1:
        work(0, count)
        return
    ends = [count * part // parts for part in range(parts + 1)]
    side_by_side([lambda a=a, b=b: work(a, b) for a, b in itertools.pairwise(ends)])  # type: ignore[misc]
