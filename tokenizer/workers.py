"""Tasks handed to an executor, results in order; knows nothing of what they are."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import TypeVar

from tokenizer.errors import TokenizerError

Task = TypeVar("Task")
Result = TypeVar("Result")


def check_workers(workers: int) -> None:
    """Raise TokenizerError unless it is 1 or more."""
    if not isinstance(workers, int) or workers < 1:
        raise TokenizerError(f"workers: expected 1 or more, got {workers!r}")


def spread(
    call: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    executor: Executor | None = None,
    here: Callable[[Task], Result] | None = None,
) -> Iterator[tuple[Task, Result]]:
    """Each task with its result, in the order of the tasks; a few more than there are workers are under way at once.

    executor: any of concurrent.futures' kind (threads, processes, a cluster's); None: new processes
    here: does a task in this process, as one of the workers, while the new ones are busy; None: this one only waits
    """
    if executor is not None:
        most = 2 + max(workers, getattr(executor, "_max_workers", os.cpu_count() or 1))
        yield from _in_order(call, tasks, executor, most, None)
        return
    # spawned, not forked: a fork copies the locks of threads that it does not copy
    context = multiprocessing.get_context("spawn")
    processes = workers if here is None or workers == 1 else workers - 1
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from _in_order(call, tasks, pool, processes + (1 if here else 2), here)


def _in_order(
    call: Callable[[Task], Result],
    tasks: Iterable[Task],
    executor: Executor,
    most: int,
    here: Callable[[Task], Result] | None,
) -> Iterator[tuple[Task, Result]]:
    """Tasks go to the executor while fewer than `most` are under way; then one is done here, or awaited."""
    waiting: deque[tuple[Task, Future[Result]]] = deque()
    try:
        for task in tasks:
            if here and sum(not future.done() for _, future in waiting) >= most:
                future: Future[Result] = Future()
                future.set_result(here(task))
            else:
                future = executor.submit(call, task)
            waiting.append((task, future))
            while waiting and (waiting[0][1].done() or len(waiting) >= (4 if here else 1) * most):
                yield _done(waiting)
        while waiting:
            yield _done(waiting)
    finally:
        for _, future in waiting:
            future.cancel()


def _done(waiting: deque[tuple[Task, Future[Result]]]) -> tuple[Task, Result]:
    task, future = waiting.popleft()
    return task, future.result()
