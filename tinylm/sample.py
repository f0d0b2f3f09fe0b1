"""Generation one token at a time, as a loop that shows every stage of every choice; knows nothing of text.

With a cache, in a batch and alone a row has the same tokens. The logits are the same sums, rounded in another order:
they differ by some units of the last place of the largest. So a choice can differ only where two ids are closer than
that, which no rule of ties could mend.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from tinylm import functional as F
from tinylm.autograd import listeners, no_grad, tell
from tinylm.backend import stream
from tinylm.choose import (
    Choice,
    SamplingStep,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
    pick,
    probabilities,
)
from tinylm.gpt import GPT, Cache
from tinylm.nn import Module

__all__ = [
    "SamplingStep",
    "generate",
    "generate_batch",
    "keep_min_p",
    "keep_top_k",
    "keep_top_p",
    "penalize_repetition",
    "pick",
    "probabilities",
    "sampling",
]

Array = np.ndarray


def _prompt(model: GPT, ids: Sequence[int]) -> list[int]:
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
        raise ValueError(f"the prompt has {len(prompt)} tokens, the model's context is {longest}; shorten the prompt")
    return prompt


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


class _Rows:
    """The texts of a batch, and the logits of what comes after each.

    Rows that fit the context share a cache. Their ids are aligned at the left and padded at the right, where the
    causal mask hides the padding by itself, so prompts of unequal length are read in one pass; afterwards each row
    goes on at its own position. A row that has outgrown the context is computed anew from its last block_size ids:
    all their positions have changed, and with them, from the second layer on, what every key had been made of.
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
        if self.cached:
            new = [self.texts[row][n:] for row, n in zip(self.cached, self.cache.lengths, strict=True)]
            found = dict(zip(self.cached, self._next(new, self.cache), strict=True))
        outside = [row for row in live if row not in found]
        if outside:
            found |= zip(outside, self._next([self.texts[row][-longest:] for row in outside], None), strict=True)
        return found

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


def _steps(
    model: GPT,
    prompts: list[list[int]],
    max_new_tokens: int,
    choice: Choice,
    stop: Iterable[int],
    rngs: list[np.random.Generator],
    use_cache: bool,
) -> Iterator[list[SamplingStep | None]]:
    """One choice for each prompt at a time, None for those that a stop id has ended."""
    ends = frozenset([stop] if isinstance(stop, (int, np.integer)) else stop)
    rows = _Rows(model, prompts, use_cache)
    live = list(range(len(prompts)))
    for _ in range(max_new_tokens):
        if not live:
            return
        logits = rows.logits(live)
        steps: list[SamplingStep | None] = [None] * len(prompts)
        for row in live:
            step = steps[row] = choice.step(logits[row], prompts[row], rngs[row])
            if listeners():
                tell(step)
            prompts[row].append(step.token)
            if step.token in ends:
                live = [other for other in live if other != row]
        yield steps


def _rng(seed: int | None) -> np.random.Generator:
    return np.random.default_rng() if seed is None else stream(seed, "sampling")


def sampling(
    model: GPT,
    ids: Sequence[int],
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    stop: Iterable[int] = (),
    seed: int | None = None,
    use_cache: bool = True,
) -> Iterator[SamplingStep]:
    """Choose up to max_new_tokens tokens after the prompt `ids`, yielding how each was chosen.

    temperature   logits are divided by it; 0 is greedy: the largest logit, the smaller id among equals
    top_k, top_p, min_p    filters, see keep_top_k, keep_top_p, keep_min_p
    repetition_penalty     see penalize_repetition
    stop          ids that end the text; the one that did is the last to be yielded
    seed          the same seed gives the same choices; None: other ones each time
    use_cache     keep keys and values of earlier positions (the same tokens, computed once)

    When prompt and text outgrow the context, the model sees the last block_size tokens, and every token costs a pass
    over all of them: no key of a window that has moved can be used again. Raises ValueError, at once, for a prompt
    that is empty, too long or outside the vocabulary and for settings out of range.
    """
    choice = Choice(temperature, top_k, top_p, min_p, repetition_penalty)
    steps = _steps(model, [_prompt(model, ids)], max_new_tokens, choice, stop, [_rng(seed)], use_cache)
    return (step for (step,) in steps if step is not None)


def generate(
    model: GPT,
    ids: Sequence[int],
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    stop: Iterable[int] = (),
    seed: int | None = None,
    use_cache: bool = True,
) -> Iterator[int]:
    """The ids of `sampling`, without the record of how they were chosen; takes the same settings.

    >>> from tinylm import GPTConfig
    >>> model = GPT(GPTConfig(vocab_size=9, block_size=8, n_layer=1, n_head=1, n_embd=8))
    >>> len(list(generate(model, [1, 2], max_new_tokens=3, seed=1)))
    3
    """
    steps = sampling(
        model, ids, max_new_tokens, temperature, top_k, top_p, min_p, repetition_penalty, stop, seed, use_cache
    )
    return (step.token for step in steps)


def generate_batch(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    stop: Iterable[int] = (),
    seed: int | None = None,
    use_cache: bool = True,
) -> Iterator[list[int | None]]:
    """One id for each prompt at a time, None where a stop id has ended the row; prompts may be of unequal length.

    Row i is what generate(model, prompts[i], ..., seed=seed + i) gives, whatever other rows there are. Ended rows
    leave the batch, which is over when all have ended. The other settings are those of `sampling`. The prompts are
    read in one pass, which takes as long as if all were as long as the longest.

    >>> from tinylm import GPTConfig
    >>> model = GPT(GPTConfig(vocab_size=9, block_size=8, n_layer=1, n_head=1, n_embd=8))
    >>> columns = zip(*generate_batch(model, [[1, 2], [3]], max_new_tokens=3, seed=1))
    >>> texts = [[i for i in column if i is not None] for column in columns]
    >>> texts == [list(generate(model, [1, 2], 3, seed=1)), list(generate(model, [3], 3, seed=2))]
    True
    """
    if any(isinstance(ids, (int, np.integer)) for ids in prompts):
        raise ValueError("generate_batch takes a list of prompts, [[1, 2], [3]]; for one prompt type generate(...)")
    choice = Choice(temperature, top_k, top_p, min_p, repetition_penalty)
    texts = [_prompt(model, ids) for ids in prompts]
    rngs = [_rng(None if seed is None else seed + row) for row in range(len(texts))]
    batches = _steps(model, texts, max_new_tokens, choice, stop, rngs, use_cache)
    return ([step if step is None else step.token for step in steps] for steps in batches)
