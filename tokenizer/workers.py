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
    if workers < 1:
        raise TokenizerError(f"workers: expected 1 or more, got {workers}")


def spread(
    call: Callable[[Task], Result], tasks: Iterable[Task], workers: int, executor: Executor | None = None
) -> Iterator[tuple[Task, Result]]:
    """Each task with its result, in the order of the tasks; at most two for each worker are on their way at once.

    executor: any of concurrent.futures' kind (threads, processes, a cluster's); None: that many new processes
    """
    if executor is None:
        # spawned, not forked: a fork copies the locks of threads that it does not copy
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            yield from spread(call, tasks, workers, pool)
        return
    window = 2 * max(workers, os.cpu_count() or 1)
    waiting: deque[tuple[Task, Future[Result]]] = deque()
    try:
        for task in tasks:
            waiting.append((task, executor.submit(call, task)))
            if len(waiting) >= window:
                yield _done(waiting)
        while waiting:
            yield _done(waiting)
    finally:
        for _, future in waiting:
            future.cancel()


def _done(waiting: deque[tuple[Task, Future[Result]]]) -> tuple[Task, Result]:
    task, future = waiting.popleft()
    return task, future.result()
