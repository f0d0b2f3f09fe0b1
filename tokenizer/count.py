"""Text to counted pre-tokens, streamed and in parallel; knows nothing of ids, merges or vocabularies."""

import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass

from tokenizer.blocks import blocks
from tokenizer.errors import TokenizerError
from tokenizer.patterns import splitter
from tokenizer.read import CHUNK, Source, documents
from tokenizer.special import check_names


@dataclass(frozen=True, slots=True)
class Counting:
    """How far counting has come: bytes counted (special tokens left out) and distinct pre-tokens so far."""

    bytes_read: int
    distinct: int


def count_texts(texts: list[str], pattern: str) -> Counter[str]:
    """How often each pre-token occurs in texts that can be split alone, in the order first seen."""
    split = splitter(pattern).split
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split(text))
    return counts


def count_pretokens(
    source: Source,
    pattern: str = "gpt2",
    special_tokens: Iterable[str] = (),
    *,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Callable[[Counting], object] | None = None,
    task_size: int = CHUNK,
) -> dict[bytes, int]:
    """How often each pre-token occurs in the source: UTF-8 bytes -> count, in the order first seen.

    Special tokens separate documents and are not counted, and so do files and the items of an iterable. The
    result does not depend on how files are read (memory grows with the distinct pre-tokens, not with the
    file), nor on `workers`: with more than one, or an executor, tasks of about `task_size` characters are
    counted elsewhere and added up in order.

    >>> count_pretokens(["the cat<|x|> the cat"], special_tokens=["<|x|>"])
    {b'the': 1, b' cat': 2, b' the': 1}

    Raises TokenizerError for text that cannot be read; see read.py.
    """
    if workers < 1:
        raise TokenizerError(f"workers: expected 1 or more, got {workers}")
    specials = frozenset(check_names(special_tokens))
    tasks = _tasks(source, pattern, specials, task_size)
    totals: Counter[str] = Counter()
    done = 0
    for counts in _counted(tasks, pattern, workers, executor):
        totals.update(counts)
        if progress:
            done += sum(len(word.encode()) * n for word, n in counts.items())
            progress(Counting(done, len(totals)))
    return {word.encode(): count for word, count in totals.items()}


def _tasks(source: Source, pattern: str, specials: frozenset[str], size: int) -> Iterator[list[str]]:
    """The text of the source, as lists of stretches that can be split alone, without the special tokens."""
    task: list[str] = []
    held = 0
    for document in documents(source):
        for text, is_special in blocks(document, splitter(pattern), specials):
            if is_special:
                continue
            task.append(text)
            held += len(text)
            if held >= size:
                yield task
                task, held = [], 0
    if task:
        yield task


def _counted(
    tasks: Iterator[list[str]], pattern: str, workers: int, executor: Executor | None
) -> Iterator[Counter[str]]:
    """The tasks counted, in their order; at most two for each worker are on their way at once."""
    if executor is None and workers == 1:
        for task in tasks:
            yield count_texts(task, pattern)
        return
    if executor is None:
        # spawned, not forked: a fork copies the locks of threads that it does not copy
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            yield from _counted(tasks, pattern, workers, pool)
        return
    window = 2 * max(workers, os.cpu_count() or 1)
    waiting: deque[Future[Counter[str]]] = deque()
    try:
        for task in tasks:
            waiting.append(executor.submit(count_texts, task, pattern))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
