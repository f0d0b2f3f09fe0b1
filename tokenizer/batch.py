"""Texts with special tokens in them to ids, many at once, here or in other processes; knows no file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tokenizer import formats
from tokenizer.coder import Coder
from tokenizer.errors import TokenizerError, check_str
from tokenizer.forms import fast_wanted, use_form
from tokenizer.special import Names
from tokenizer.workers import spread

if TYPE_CHECKING:
    from tokenizer.tokenizer import Tokenizer

GROUP = 1 << 20  # characters encoded together: enough for whole arrays to pay
AHEAD = 1 << 18  # characters taken from a stream before their ids come
SHARED = 1 << 22  # characters in a task for another process

IdArray = npt.NDArray[np.unsignedinteger[Any]]
Ends = npt.NDArray[np.intp]

_last: dict[str, "Tokenizer"] = {}  # in a worker: the tokenizer of its last task, with its memory of words


def encode_parts(
    coder: Coder, specials: Mapping[str, int], texts: Iterable[Iterable[tuple[str, bool]]]
) -> tuple[IdArray, Ends]:
    """The ids of several texts, one after the other, and where in them each ends.

    texts: each as its stretches, with whether a stretch is a special token. All others are encoded in one call; then
    the special ids go in between.
    """
    ordinary: list[str] = []
    before: list[int] = []  # for each special token, how many ordinary stretches come before it
    ids: list[int] = []
    counts: list[tuple[int, int]] = []  # at the end of each text: ordinary stretches, special tokens
    for text in texts:
        for stretch, is_special in text:
            if is_special:
                before.append(len(ordinary))
                ids.append(specials[stretch])
            else:
                ordinary.append(stretch)
        counts.append((len(ordinary), len(ids)))
    flat, ends = coder.texts(ordinary)
    places = np.concatenate([[0], ends])
    stretches, inserted = np.array(counts, np.intp).reshape(-1, 2).T
    if ids:
        flat = np.insert(flat, places[before], ids)
    return flat, places[stretches] + inserted


def together(chunks: Iterable[str], size: int = AHEAD // 4) -> Iterator[str]:
    """The same text in larger chunks: what is done for each line of a file takes longer than encoding it."""
    held: list[str] = []
    length = 0
    for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length >= size:
            yield "".join(held)
            held, length = [], 0
    if held:
        yield "".join(held)


def groups_of_parts(parts: Iterable[tuple[str, bool]], size: int = AHEAD) -> Iterator[list[tuple[str, bool]]]:
    """The stretches of one text, in lists of about so many characters."""
    group: list[tuple[str, bool]] = []
    held = 0
    for part in parts:
        group.append(part)
        held += len(part[0])
        if held >= size:
            yield group
            group, held = [], 0
    if group:
        yield group


class Group(NamedTuple):
    """Texts to encode together, and the number of the first of them."""

    first: int
    texts: list[str]


def groups(texts: Iterable[str], size: int = GROUP) -> Iterator[Group]:
    """Texts in order, in lists of about so many characters; raises TokenizerError for what is no str."""
    if isinstance(texts, str):
        raise TokenizerError(f"encode_batch: expected several texts, got the str {texts[:20]!r}; write [text]")
    group: list[str] = []
    held = first = 0
    for number, text in enumerate(texts):
        group.append(check_str(text, name_of(number)))
        held += len(text) + 16  # empty ones count too
        if held >= size:
            yield Group(first, group)
            group, held, first = [], 0, number + 1
    if group:
        yield Group(first, group)


def name_of(number: int) -> str:
    """What an error calls one of several texts."""
    return f"encode: text {number}"


def parted(flat: IdArray, ends: Ends) -> list[list[int]]:
    """One row of ids cut at the ends of texts, as lists."""
    ids = flat.tolist()
    stops = ends.tolist()
    return [ids[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]


def encode_elsewhere(
    tok: "Tokenizer", texts: Iterable[str], allowed: Names, disallowed: Names, workers: int, executor: Executor | None
) -> Iterator[list[list[int]]]:
    """The ids of the texts, some at a time, in order. Every task brings the vocabulary: any worker can take it."""
    vocabulary = json.dumps(formats.bpe_fields(tok.parts)).encode()
    job = Job(tok.fingerprint, vocabulary, allowed, disallowed, "fast" if fast_wanted() else "readable")
    here = partial(_encode_group, tok, job)
    for _, (flat, ends) in spread(partial(_encode_task, job), groups(texts, SHARED), workers, executor, here):
        yield parted(flat, ends)


class Job(NamedTuple):
    """What a worker must know besides the texts."""

    fingerprint: str
    vocabulary: bytes  # own JSON
    allowed: Names
    disallowed: Names
    form: str


def _encode_task(job: Job, group: Group) -> tuple[IdArray, Ends]:
    """In a worker: arrays go back, because lists of numbers travel slowly."""
    tok = _last.get(job.fingerprint)
    if tok is None:
        from tokenizer.tokenizer import Tokenizer

        tok = Tokenizer(*formats.parse_bpe(formats.parse_json(job.vocabulary)))
        _last.clear()
        _last[job.fingerprint] = tok
    with use_form(job.form):
        return _encode_group(tok, job, group)


def _encode_group(tok: "Tokenizer", job: Job, group: Group) -> tuple[IdArray, Ends]:
    return tok.encode_group(group.texts, job.allowed, job.disallowed, group.first)
