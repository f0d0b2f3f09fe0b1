"""The texts of a batch, and the logits of what comes after each; knows nothing of how an id is chosen."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np

from tinylm import functional as F
from tinylm.autograd import no_grad
from tinylm.gpt import GPT, Cache
from tinylm.nn import Module

__all__ = ["ContextError", "Overflow", "Rows", "check_overflow", "checked_prompt"]

Array = np.ndarray
Overflow = Literal["slide", "stop", "error"]


class ContextError(ValueError):
    """A prompt and the tokens asked for do not fit into the model's context; the message names all three lengths."""


def checked_prompt(model: GPT, ids: Sequence[int]) -> list[int]:
    """The prompt as a list; raises ValueError for one that is empty, too long, or outside the vocabulary."""
    given = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    if not all(isinstance(i, (int, np.integer)) for i in given):
        raise ValueError("the prompt must be one row of whole numbers, as tokenizer.encode gives it")
    prompt = [int(i) for i in given]
    V, longest = model.config.vocab_size, model.config.block_size
    wrong = [i for i in prompt if not 0 <= i < V]
    if wrong:
        raise ValueError(f"the prompt has id {wrong[0]}; this model's vocabulary is 0 … {V - 1}")
    if not prompt:
        raise ValueError("the prompt is empty: the model needs at least one token to go on from")
    if len(prompt) > longest:
        raise ContextError(f"the prompt has {len(prompt)} tokens, the model's context is {longest}; shorten the prompt")
    return prompt


def check_overflow(model: GPT, prompts: Sequence[Sequence[int]], max_new_tokens: int, overflow: str) -> None:
    """Raise ContextError where overflow is "error" and a text might outgrow the context, ValueError for other words.

    The model reads all ids but the last: a prompt of n may be followed by block_size + 1 − n.
    """
    if overflow not in ("slide", "stop", "error"):
        raise ValueError(f'overflow must be "slide", "stop" or "error", got {overflow!r}')
    longest = max(map(len, prompts), default=0)
    room = model.config.block_size + 1 - longest
    if overflow == "error" and max_new_tokens > room:
        raise ContextError(
            f"a prompt of {longest} tokens and {max_new_tokens} new ones do not fit the model's context of "
            f'{model.config.block_size}: ask for at most {room}, shorten the prompt, or let overflow be "stop" or '
            '"slide"'
        )


@contextmanager
def _evaluating(modules: list[Module]) -> Iterator[None]:
    """Dropout off and nothing recorded; each module's mode is put back."""
    on = [module for module in modules if module.training]
    try:
        for module in on:
            module.training = False
        with no_grad():
            yield
    finally:
        for module in on:
            module.training = True


class Rows:
    """The texts of a batch, and the logits of what comes after each.

    Rows that fit the context share a cache. Their ids are aligned at the left and padded at the right, where the
    causal mask hides the padding by itself, so prompts of unequal length are read in one pass, and equal ones once;
    afterwards each row goes on at its own position. A row that has outgrown the context is computed anew from its last
    block_size ids: all their positions have changed, and with them, from the second layer on, what every key had been
    made of.
    """

    def __init__(self, model: GPT, prompts: list[list[int]], use_cache: bool):
        self.model, self.modules, self.texts = model, list(model.modules()), prompts
        self.cached = list(range(len(prompts))) if use_cache else []  # the cache's rows, as places in texts
        self.cache = Cache(model.config, len(self.cached))

    def logits(self, live: list[int]) -> dict[int, Array]:
        """(V,) in float64 on the host for each of these rows, whose number may only fall."""
        longest = self.model.config.block_size
        kept = [i for i, row in enumerate(self.cached) if row in live and len(self.texts[row]) <= longest]
        if len(kept) < len(self.cached):
            self.cache.keep(kept)
            self.cached = [self.cached[i] for i in kept]
        found = {}
        if self.cached and not self.cache.length:
            found = self._read()
        elif self.cached:
            new = [self.texts[row][n:] for row, n in zip(self.cached, self.cache.lengths, strict=True)]
            found = dict(zip(self.cached, self._next(new, self.cache), strict=True))
        outside = [row for row in live if row not in found]
        if outside:
            found |= zip(outside, self._next([self.texts[row][-longest:] for row in outside], None), strict=True)
        return found

    def _read(self) -> dict[int, Array]:
        """Read the prompts of the cached rows, equal ones once, and return what comes after each."""
        texts = [tuple(self.texts[row]) for row in self.cached]
        different = list(dict.fromkeys(texts))
        self.cache = Cache(self.model.config, len(different))
        logits = self._next([list(text) for text in different], self.cache)
        places = [different.index(text) for text in texts]
        self.cache.select(places)
        return {row: logits[place] for row, place in zip(self.cached, places, strict=True)}

    def _next(self, texts: list[list[int]], cache: Cache | None) -> Array:
        """The logits after each of these texts, or continuations of what the cache holds.  →   (B, V)"""
        lengths = [len(text) for text in texts]
        B, T = len(texts), max(lengths)
        ids = np.zeros((B, T), dtype=np.int64)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = text
        with _evaluating(self.modules):
            x = self.model.hidden(ids, cache, lengths)  # (B, T, C)
            last = x[:, -1] if min(lengths) == T else F.stack([x[i, n - 1] for i, n in enumerate(lengths)])  # (B, C)
            logits: Array = self.model.head(last).numpy().astype(np.float64)
        if not np.isfinite(logits).all():
            raise ValueError("the model's logits are not finite: its weights are damaged, or its training diverged")
        return logits
