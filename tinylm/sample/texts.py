"""Texts from prompts: streamed, ended by strings, the best of several."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinylm.choose import Choice, SamplingStep
from tinylm.gpt import GPT
from tinylm.processors import OnlyIds
from tinylm.sample.loop import check_choice, rng_of, steps_of
from tinylm.sample.pieces import Completion, Piece, Writer
from tinylm.sample.rows import Overflow, check_overflow, checked_prompt
from tinylm.stops import StopStrings

__all__ = ["completions", "writing"]

Prompt = str | Sequence[int]


def _as_set(ids: Iterable[int]) -> frozenset[int]:
    return frozenset([int(ids)] if isinstance(ids, (int, np.integer)) else ids)


def _as_list(strings: Iterable[str]) -> Iterable[str]:
    """To be gone through several times; one string is left for StopStrings to refuse."""
    return strings if isinstance(strings, str) else list(strings)


def writing(
    model: GPT,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    choice: Choice | None = None,
    stop: Iterable[int] = (),
    stop_strings: Iterable[str] = (),
    logprobs: int = 0,
    seed: int | None = None,
    use_cache: bool = True,
    overflow: Overflow = "slide",
) -> Iterator[list[Piece | None]]:
    """One piece for each prompt at a time, None where the row has ended: what `completions` is made of, to be streamed.

    The settings are those of `completions`. A row that a stop string has ended leaves the batch.
    """
    texts = [checked_prompt(model, ids) for ids in prompts]
    ends, strings, vocab = _as_set(stop), _as_list(stop_strings), tokenizer.vocab
    choice = choice or Choice()
    if len(vocab) < model.config.vocab_size:
        choice = replace(choice, processors=(OnlyIds([*vocab, *sorted(ends)]), *choice.processors))
    check_choice(model, choice)
    check_overflow(model, texts, max_new_tokens, overflow)
    if logprobs < 0:
        raise ValueError(f"logprobs is how many alternatives of each token to give, from 0 up; got {logprobs}")
    room = model.config.block_size + 1 if overflow == "stop" else math.inf
    writers = [
        Writer(StopStrings(strings, tokenizer, text), ends, max_new_tokens, room - len(text), vocab) for text in texts
    ]
    made: list[Piece | None] = [None] * len(texts)

    def ended(row: int, step: SamplingStep) -> bool:
        piece = made[row] = writers[row].piece(step, logprobs)
        return piece.finish_reason is not None

    rngs = [rng_of(seed, row) for row in range(len(texts))]
    batches = steps_of(model, texts, max_new_tokens, choice, (), rngs, use_cache, "slide", ended)
    return ([None if step is None else made[row] for row, step in enumerate(steps)] for steps in batches)


def completions(
    model: GPT,
    tokenizer: Any,
    prompts: Prompt | Sequence[Prompt],
    max_new_tokens: int,
    *,
    choice: Choice | None = None,
    n: int = 1,
    best_of: int | None = None,
    stop: Iterable[int] = (),
    stop_strings: Iterable[str] = (),
    logprobs: int = 0,
    start: Sequence[int] = (),
    seed: int | None = None,
    batch_size: int = 8,
    use_cache: bool = True,
    overflow: Overflow = "slide",
) -> Iterator[Completion]:
    """n texts after each prompt, prompt by prompt.

    prompts        a text, a row of ids, or several of these
    choice         how tokens are chosen; None: Choice(), temperature 1 and no filter
    n, best_of     draw best_of texts of each prompt, and give the n whose mean log-probability is the largest, the
                   largest first; None: draw n, and give them as they were drawn
    stop, stop_strings    ids and strings that end a text; of the strings, see StopStrings
    logprobs       how many of the most likely ids to give for each token
    start          ids that go before a prompt given as text, as `load_model(...).start` has them
    seed           text number i, counting all that are drawn, takes the numbers of seed + i: for every batch_size the
                   same texts, as far as tinylm.sample says; None: other ones each time
    batch_size     how many texts are made at once
    overflow       see `sampling`

    Ids that the tokenizer lacks are never drawn. Raises ValueError, at once, as `sampling` does, and TokenizerError
    for a prompt that cannot be encoded.

    >>> from tinylm import GPTConfig
    >>> from tokenizer import CharTokenizer
    >>> model = GPT(GPTConfig(vocab_size=3, block_size=8, n_layer=1, n_head=1, n_embd=8))
    >>> made = completions(model, CharTokenizer("abc"), "ab", 5, n=3, seed=1, stop_strings=["ca"])
    >>> [(each.text, each.finish_reason) for each in made]
    [('cbbac', 'length'), ('ccc', 'stop'), ('a', 'stop')]
    """
    rows = [
        checked_prompt(model, [*start, *tokenizer.encode(each)] if isinstance(each, str) else each)
        for each in _several(prompts)
    ]
    drawn = n if best_of is None else best_of
    if n < 1 or drawn < n:
        raise ValueError(f"n must be 1 or more, and best_of at least n; got n={n}, best_of={best_of}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
    settings: dict[str, Any] = {
        "choice": choice, "stop": _as_set(stop), "stop_strings": _as_list(stop_strings), "logprobs": logprobs,
        "use_cache": use_cache, "overflow": overflow,
    }  # fmt: skip
    writing(model, tokenizer, rows, max_new_tokens, seed=seed, **settings)  # checks all before the first token
    return _completions(model, tokenizer, rows, max_new_tokens, n, drawn, seed, batch_size, settings)


def _several(prompts: Any) -> Sequence[Prompt]:
    """The prompts as a list, one of them too."""
    one = isinstance(prompts, str) or (len(prompts) > 0 and isinstance(prompts[0], (int, np.integer)))
    return [prompts] if one else prompts


def _completions(
    model: GPT,
    tokenizer: Any,
    rows: list[list[int]],
    max_new_tokens: int,
    n: int,
    drawn: int,
    seed: int | None,
    batch_size: int,
    settings: dict[str, Any],
) -> Iterator[Completion]:
    places = [place for place in range(len(rows)) for _ in range(drawn)]
    waiting: list[Completion] = []
    for first in range(0, len(places), batch_size):
        part = places[first : first + batch_size]
        texts: list[list[Piece]] = [[] for _ in part]
        begin = None if seed is None else seed + first
        for pieces in writing(model, tokenizer, [rows[i] for i in part], max_new_tokens, seed=begin, **settings):
            for text, piece in zip(texts, pieces, strict=True):
                if piece is not None:
                    text.append(piece)
        waiting += [Completion(place, tuple(text)) for place, text in zip(part, texts, strict=True)]
        while len(waiting) >= drawn:
            group, waiting = waiting[:drawn], waiting[drawn:]
            yield from group if drawn == n else sorted(group, key=lambda each: -each.mean_logprob)[:n]
