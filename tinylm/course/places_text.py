"""Answers that return less than the library's own, in the form in which the library calls them (substitute.py).

A student's `merges` may yield triples, `adamw_update` may return new arrays: here each becomes what the library needs.
Every function takes the answer and what was there before, as a problem's `places` want it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinylm.choose import SamplingStep
from tokenizer.train import Merge

__all__ = ["adamw_in_place", "choices", "clipping", "pair_dicts", "records", "sgd_in_place"]

Array = Any


def adamw_in_place(answer: Any, live: Any) -> Callable[..., None]:
    """An `adamw_update` that may return the new arrays."""

    def adamw_update(xp: Any, p: Array, g: Array, m: Array, v: Array, t: int, **settings: Any) -> None:
        result = answer(xp, p, g, m, v, t, **settings)
        for old, new in zip((p, m, v), () if result is None else result, strict=False):
            old[...] = new

    return adamw_update


def sgd_in_place(answer: Any, live: Any) -> Callable[..., Any]:
    """An `sgd_update` that may return (p, b)."""

    def sgd_update(p: Array, g: Array, b: Array, **settings: Any) -> Any:
        result = answer(p, g, b, **settings)
        if not isinstance(result, tuple):
            return result
        p[...] = result[0]
        return result[1]

    return sgd_update


def clipping(answer: Any, live: Any) -> Callable[..., tuple[float, float]]:
    """A `clip_gradients` that may return the norm alone."""

    def clip_gradients(gradients: list[Array], max_norm: float) -> tuple[float, float]:
        result = answer(gradients, max_norm)
        if isinstance(result, tuple):
            return result
        return result, min(1.0, max_norm / (result + 1e-6))

    return clip_gradients


def choices(answer: Any, live: Any) -> Callable[..., SamplingStep]:
    """A `choose_token` that may return (token, p); then the stages between are not known, and stand as the logits."""

    def choose_token(logits: Array, seen: Sequence[int], rng: Any, **settings: Any) -> SamplingStep:
        result = answer(logits, seen, rng, **settings)
        if isinstance(result, SamplingStep):
            return result
        token, p = result
        return SamplingStep(len(seen), logits, logits, logits, None, None, None, np.asarray(p), None, int(token))

    return choose_token


def pair_dicts(answer: Any, live: Any) -> Callable[..., Any]:
    """A `count_pairs` that may return dicts of any kind."""

    def count_pairs(words: Sequence[Sequence[int]], counts: Sequence[int]) -> Any:
        pairs, where = answer(words, counts)
        return defaultdict(int, pairs), defaultdict(set, {pair: set(numbers) for pair, numbers in where.items()})

    return count_pairs


def records(answer: Any, live: Any) -> Callable[..., Iterator[Merge]]:
    """A `merges` that may yield triples (left, right, count)."""

    def merges(
        counts: Mapping[bytes, int], n_merges: int | None = None, *, tie_break: str = "huggingface", rivals: int = 0
    ) -> Iterator[Merge]:
        if rivals:  # no exercise asks for them
            return live(counts, n_merges, tie_break=tie_break, rivals=rivals)  # type: ignore[no-any-return]
        most = sum(len(word) * count for word, count in counts.items()) if n_merges is None else n_merges
        return _records(answer(counts, most, tie_break=tie_break))

    return merges


def _records(found: Any) -> Iterator[Merge]:
    ids = {bytes([byte]): byte for byte in range(256)}
    for rank, each in enumerate(found):
        if isinstance(each, Merge):
            yield each
            continue
        left, right, count = each
        yield Merge(rank, (ids[left], ids[right]), 256 + rank, left, right, count)
        ids.setdefault(left + right, 256 + rank)
