"""Text to counted pre-tokens, streamed and in parallel; knows nothing of ids, merges or vocabularies."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from tokenizer.blocks import blocks
from tokenizer.fast import count as fast
from tokenizer.fast.corpus import Words
from tokenizer.forms import is_fast
from tokenizer.patterns import splitter
from tokenizer.read import CHUNK, Source, documents
from tokenizer.special import check_names
from tokenizer.workers import check_workers, spread

SHARED = 8 * CHUNK  # characters in a task for another process: fewer words come back for each that it counts


@dataclass(frozen=True, slots=True)
class Counting:
    """How far counting has come: bytes counted (special tokens left out) and distinct pre-tokens so far.

    In the fast form `distinct` is an estimate, a few per cent off: where a pattern leaves doubt, words are told apart
    at the end.
    """

    bytes_read: int
    distinct: int


def count_texts(texts: list[str], pattern: str = "gpt2") -> Counter[str]:
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
    task_size: int | None = None,
) -> dict[bytes, int]:
    """How often each pre-token occurs in the source: UTF-8 bytes -> count, in the order first seen.

    Special tokens separate documents and are not counted, and so do files and the items of an iterable. The
    result does not depend on how files are read (memory grows with the distinct pre-tokens, not with the
    file), nor on `workers`: with more than one, or an executor of any kind (threads, processes, a cluster's),
    tasks of about `task_size` characters are counted elsewhere and added up in order.

    >>> count_pretokens(["the cat<|x|> the cat"], special_tokens=["<|x|>"])
    {b'the': 1, b' cat': 2, b' the': 1}

    Raises TokenizerError for text that cannot be read; see read.py.
    """
    return count_words(source, pattern, special_tokens, workers, executor, progress, task_size).to_dict()


def count_words(
    source: Source,
    pattern: str,
    special_tokens: Iterable[str],
    workers: int = 1,
    executor: Executor | None = None,
    progress: Callable[[Counting], object] | None = None,
    task_size: int | None = None,
) -> Words:
    """The same as arrays, which take a tenth of the memory of a dict."""
    check_workers(workers)
    specials = frozenset(check_names(special_tokens))
    name = splitter(pattern).pattern
    alone = executor is None and workers == 1
    tasks = _tasks(source, pattern, specials, task_size or (CHUNK if alone else SHARED))
    tally: Tally = fast.Counter(name) if is_fast(name) else ReadableCounter(name)
    done = 0
    for task in tasks if alone else _counted(tasks, tally, name, workers, executor):
        if alone:
            tally.add_texts(task.texts, task.at)
        if progress:
            done += sum(len(text.encode()) for text in task.texts)
            progress(Counting(done, len(tally)))
    return tally.words()


@dataclass(frozen=True, slots=True)
class Task:
    """Texts that can be split alone, and where they stand in the whole: a number that grows."""

    texts: list[str]
    at: int


class Tally(Protocol):
    """Pre-tokens counted so far, in the order first seen."""

    def add_texts(self, texts: list[str], at: int) -> None:
        """Count texts that can be split alone, and stand there in the whole."""

    def add_words(self, words: Any, at: int) -> None:
        """Add what was counted elsewhere."""

    def words(self) -> Words:
        """All of them."""

    def __len__(self) -> int: ...


class ReadableCounter:
    """The tally of the readable form: a Counter of strings, to be added to in order."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._counts: Counter[str] = Counter()

    def add_texts(self, texts: list[str], at: int) -> None:
        self.add_words(count_texts(texts, self._pattern), at)

    def add_words(self, words: Counter[str], at: int) -> None:
        self._counts.update(words)

    def words(self) -> Words:
        return Words.of({word.encode(): count for word, count in self._counts.items()})

    def __len__(self) -> int:
        return len(self._counts)


def _counted(
    tasks: Iterable[Task], tally: Tally, pattern: str, workers: int, executor: Executor | None
) -> Iterator[Task]:
    """The tasks, in order, when others have counted them and they are added up, or the tally has, meanwhile."""

    def here(task: Task) -> None:
        tally.add_texts(task.texts, task.at)

    call = partial(_count_task, fast.count_words if is_fast(pattern) else count_texts, pattern)
    for task, words in spread(call, tasks, workers, executor, here if is_fast(pattern) else None):
        if words is not None:
            tally.add_words(words, task.at)
        yield task


def _count_task(count: Callable[[list[str], str], Any], pattern: str, task: Task) -> Any:
    """In a worker."""
    return count(task.texts, pattern)


def _tasks(source: Source, pattern: str, specials: frozenset[str], size: int) -> Iterator[Task]:
    """The text of the source, as stretches that can be split alone, without the special tokens."""
    texts: list[str] = []
    held = at = 0
    for document in documents(source):
        for text, is_special in blocks(document, splitter(pattern), specials):
            if is_special:
                continue
            texts.append(text)
            held += len(text)
            if held >= size:
                yield Task(texts, at)
                at += 5 * (held + len(texts))  # more bytes than they have
                texts, held = [], 0
    if texts:
        yield Task(texts, at)
