"""How answers about text, data and optimizers are called with plain data, and how their work is counted.

A problem names one of these where its answer takes or returns objects, or may do so in more than one way. They run
where the answer runs, so they are at the top of this module.
"""

import codecs
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinylm.course.exercise import Case
from tinylm.course.spelling import value_of
from tokenizer.decode import decode_bytes

__all__ = [
    "Looked",
    "Scripted",
    "WrongReturnError",
    "batch",
    "chosen",
    "clipped",
    "counted_pairs",
    "lines",
    "merged",
    "ordered",
    "stepped",
    "streamed",
    "updated",
]

Array = Any
REPEATS = 30  # batches: that 30 of them are alike by chance happens once in 2³⁰
DRAWS = 120  # of a batch: with 5 windows to choose from, that one is missed has a chance of 5 · 0.8¹²⁰ < 10⁻¹⁰


def merged(answer: Any, counts: Mapping[bytes, int], n_merges: int, **settings: Any) -> list[tuple[bytes, bytes, int]]:
    """(left, right, count) of what an answer like `merges` yields or returns: such triples, or Merge records."""
    found = answer(counts, n_merges, **settings)
    if _empty(found):
        return found  # type: ignore[no-any-return]
    return [
        (each.left, each.right, each.count) if hasattr(each, "left") else tuple(each) for each in _some(found, 1000)
    ]


def _empty(found: Any) -> bool:
    """Whether an answer is not written yet: it returns None or ... ."""
    return found is None or found is ...


def _some(found: Iterable[Any], most: int) -> list[Any]:
    """The first of what is yielded, so that an endless generator comes to an end."""
    return [each for _, each in zip(range(most), found, strict=False)]


def counted_pairs(answer: Any, words: Sequence[Sequence[int]], counts: Sequence[int]) -> Any:
    """Both results of an answer like `count_pairs`, as plain dicts; the numbers of words as a list in order."""
    found = answer(words, counts)
    if _empty(found):
        return found
    pair_counts, where = _several(found, 2, "both counts: of pairs, and in which words they are")
    return dict(pair_counts), {pair: sorted(numbers) for pair, numbers in where.items()}


class WrongReturnError(TypeError):
    """What an answer returned is not what it was asked for: no error of the answer, but of whoever called it."""


def _several(found: Any, count: int, names: str, otherwise: str = "") -> Any:
    """The results of an answer that returns several."""
    if not isinstance(found, (tuple, list)) or len(found) != count:
        if isinstance(found, (tuple, list)):
            came = f"{len(found)} results"
        else:
            came = "an array" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
        raise WrongReturnError(f"it should return {otherwise}{names}; it returns {came}")
    return found


class Looked:
    """What a tie rule may look at: `tokens`, id -> bytes; and where a pair is first met in the words."""

    def __init__(self, tokens: list[bytes], words: Sequence[Sequence[int]] = ()) -> None:
        self.tokens, self._words = tokens, words

    def first(self, pair: tuple[int, int]) -> tuple[int, int]:
        """(number of the word, offset in it in bytes)"""
        for number, word in enumerate(self._words):
            offset = 0
            for here in pairwise(word):
                if here == pair:
                    return number, offset
                offset += len(self.tokens[here[0]])
        raise ValueError(f"the pair {pair} is in none of the words")


def ordered(answer: Any, pairs: Sequence[tuple[int, int]], made: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs of one count in the order in which a tie rule merges them.

    made   the merges so far: number i made the id 256 + i
    """
    tokens = [bytes([byte]) for byte in range(256)]
    for left, right in made:
        tokens.append(tokens[left] + tokens[right])
    corpus = Looked(tokens)
    return sorted(map(tuple, pairs), key=lambda pair: answer(pair, corpus))  # type: ignore[arg-type]


class _Vocabulary:
    """Something with `decode_bytes`, as a StreamDecoder wants it."""

    def __init__(self, tokens: Mapping[int, bytes]) -> None:
        self.tokens = tokens

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return decode_bytes(ids, self.tokens)


def streamed(answer: Any, vocab: Mapping[int, bytes], feeds: Sequence[Any], **settings: Any) -> Any:
    """The text of every feed and of the flush, twice over with one decoder.

    Where the bytes are not UTF-8, decoders may part in when they say so: then all texts joined.
    """
    tokenizer = _Vocabulary(vocab)
    decoder = answer(tokenizer, **settings)
    ids = [i for each in feeds for i in ([each] if isinstance(each, int) else each)]
    rounds = []
    for _ in range(2):
        rounds.append([decoder.feed(each) for each in feeds] + [decoder.flush()])
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(tokenizer.decode_bytes(ids))
    except UnicodeDecodeError:
        return ["".join(texts) for texts in rounds]
    return rounds


def batch(answer: Any, tokens: Array, batch_size: int, block_size: int) -> Any:
    """What batches have in common, whatever random numbers made them.

    shapes      of x and of y
    integers    whether both are whole numbers
    windows     every different (row of x, row of y) of many batches, in order
    repeatable  whether generators of one seed give the same batch
    alike       whether the rows of every batch are one and the same window
    """
    first = answer(tokens.copy(), batch_size, block_size, np.random.default_rng(0))
    if _empty(first):
        return first
    if not isinstance(first, np.ndarray):  # an array of both is as good as a pair
        _several(first, 2, "x and y")
    windows: set[tuple[Any, Any]] = set()
    rng = np.random.default_rng(1)
    alike = True
    for _ in range(-(-DRAWS // batch_size)):
        x, y = answer(tokens.copy(), batch_size, block_size, rng)
        alike = alike and bool(np.all(np.asarray(x)[:1] == x))
        windows.update((tuple(a), tuple(b)) for a, b in zip(np.asarray(x).tolist(), np.asarray(y).tolist()))  # noqa: B905
    twice = []
    for _ in range(2):
        rng = np.random.default_rng(0)
        twice.append([answer(tokens.copy(), batch_size, block_size, rng) for _ in range(REPEATS)])
    x, y = first
    return {
        "shapes": (np.shape(x), np.shape(y)),
        "integers": np.asarray(x).dtype.kind in "iu" and np.asarray(y).dtype.kind in "iu",
        "windows": sorted(windows),
        "repeatable": all(
            np.array_equal(a, b) for both in zip(*twice, strict=True) for a, b in zip(*both, strict=True)
        ),
        "alike": alike,
    }


def stepped(answer: Any, xp: Any, p: Array, g: Array, m: Array, v: Array, t: int, **settings: Any) -> dict[str, Array]:
    """p, m and v after an answer like `adamw_update`, which changes them in place or returns them."""
    p, m, v = p.copy(), m.copy(), v.copy()
    result = answer(xp, p, g, m, v, t, **settings)
    if isinstance(result, np.ndarray) and result.shape == (3, *p.shape):
        result = tuple(result)
    if result is not None:
        in_place = "nothing, where it changes p, m and v in place, or "
        p, m, v = _several(result, 3, "all three of them: p, m, v", in_place)
    return {"p": p, "m": m, "v": v}


def updated(answer: Any, p: Array, gradients: Sequence[Array], **settings: Any) -> list[Array]:
    """p after each step of an answer like `sgd_update`, and the last b: it changes p in place, or returns (p, b)."""
    p, b, seen = p.copy(), None, []
    for g in gradients:
        result = answer(p, g.copy(), b, **settings)
        p, b = _several(result, 2, "b, or p and b") if isinstance(result, tuple) else (p, result)
        seen.append(p.copy())
    return [*seen, b]


def clipped(answer: Any, gradients: Sequence[Array], max_norm: float) -> Any:
    """The norm before and the scale, as exact as the arrays are, and the arrays after, of an answer like
    `clip_gradients`; where it gives no scale, the one that follows from its norm.
    """
    arrays = [gradient.copy() for gradient in gradients]
    result = answer(arrays, max_norm)
    if _empty(result):
        return result
    norm = result[0] if isinstance(result, tuple) else result
    if not isinstance(norm, (float, np.floating)):
        return norm, arrays
    scale = result[1] if isinstance(result, tuple) else min(1.0, max_norm / (norm + 1e-6))
    as_exact = arrays[0].dtype.type
    return as_exact(norm), arrays, as_exact(scale)


def chosen(answer: Any, logits: Array, seen: Sequence[int], uniform: float, **settings: Any) -> Any:
    """token and p of an answer like `choose_token`, a record or a pair; and how many numbers it drew.

    uniform   every number that the generator gives
    """
    rng = Scripted(uniform)
    result = answer(logits, seen, rng, **settings)
    if _empty(result):
        return result
    both = (result.token, result.p) if hasattr(result, "token") else result
    token, p = _several(both, 2, "the id of the token and its probability")
    return token, p, rng.drawn


class Scripted:
    """A generator of random numbers that always gives the same one."""

    def __init__(self, uniform: float) -> None:
        self.uniform, self.drawn = uniform, 0

    def random(self) -> float:
        self.drawn += 1
        return self.uniform


def lines(answer: Any, each: Case) -> int:
    """How many lines of Python a call runs, what it yields taken out: the rounds of a comprehension count one each.

    Whatever a call into C does counts as the line that makes it, and a look-up in a mapping of the case one besides.
    """
    args = [_Asked(value) if isinstance(value, dict) else value_of(value) for value in each.args]
    ran = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal ran
        if frame.f_code in _Asked.CODES:
            ran += event == "call"
            return None
        ran += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        found = answer(*args, **each.settings)
        if hasattr(found, "__next__"):
            for _ in found:
                pass
    finally:
        sys.settrace(before)
    return ran


class _Asked(dict[Any, Any]):
    """A dict whose look-ups are calls of Python, so that they can be counted."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key, default)

    CODES = frozenset(each.__code__ for each in (__getitem__, __contains__, get))
