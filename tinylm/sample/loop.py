"""Ids from a prompt's ids, as a loop that shows every stage of every choice; knows nothing of text."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from tinylm.autograd import listeners, tell
from tinylm.backend import stream
from tinylm.choose import Choice, SamplingStep
from tinylm.gpt import GPT
from tinylm.processors import BadWords, Processor
from tinylm.sample.rows import Overflow, Rows, check_overflow, checked_prompt

__all__ = ["check_choice", "generate", "generate_batch", "rng_of", "sampling", "steps_of"]


def _never(row: int, step: SamplingStep) -> bool:
    return False


def steps_of(
    model: GPT,
    prompts: list[list[int]],
    max_new_tokens: int,
    choice: Choice,
    stop: Iterable[int],
    rngs: list[np.random.Generator],
    use_cache: bool,
    overflow: Overflow = "slide",
    ended: Callable[[int, SamplingStep], bool] = _never,
) -> Iterator[list[SamplingStep | None]]:
    """One choice for each prompt at a time, None for those that a stop id, the context or `ended` has ended.

    The ids are appended to the prompts.
    """
    ends = frozenset([stop] if isinstance(stop, (int, np.integer)) else stop)
    longest = model.config.block_size if overflow == "stop" else None
    rows, starts = Rows(model, prompts, use_cache), [len(prompt) for prompt in prompts]
    live = list(range(len(prompts)))
    for _ in range(max_new_tokens):
        if not live:
            return
        logits = rows.logits(live)
        steps: list[SamplingStep | None] = [None] * len(prompts)
        for row in live:
            step = steps[row] = choice.step(logits[row], prompts[row], rngs[row], starts[row])
            if listeners():
                tell(step)
            prompts[row].append(step.token)
            full = longest is not None and len(prompts[row]) > longest
            if ended(row, step) or step.token in ends or full:
                live = [other for other in live if other != row]
        yield steps


def rng_of(seed: int | None, row: int = 0) -> np.random.Generator:
    """The random numbers of text number `row`: those of seed + row, whatever other texts there are."""
    return np.random.default_rng() if seed is None else stream(seed + row, "sampling")


def check_choice(model: GPT, choice: Choice) -> None:
    """Raise ValueError for bad words outside the vocabulary."""
    BadWords(choice.bad_words).check(model.config.vocab_size)


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
    *,
    typical_p: float | None = None,
    presence_penalty: float = 0.0,
    frequency_penalty: float = 0.0,
    bad_words: Iterable[Sequence[int]] = (),
    processors: Iterable[Processor] = (),
    overflow: Overflow = "slide",
) -> Iterator[SamplingStep]:
    """Choose up to max_new_tokens tokens after the prompt `ids`, yielding how each was chosen.

    temperature   logits are divided by it; 0 is greedy: the largest logit, the smaller id among equals
    top_k, top_p, min_p, typical_p    filters, see keep_top_k, keep_top_p, keep_min_p, keep_typical
    repetition_penalty     see penalize_repetition; of the prompt's ids too
    presence_penalty, frequency_penalty    see penalize_presence; of the ids generated so far
    bad_words     sequences of ids that are never completed
    processors    the caller's own stages, see tinylm/processors.py; tinylm/choose.py has the order of all
    stop          ids that end the text; the one that did is the last to be yielded
    seed          the same seed gives the same choices, see tinylm.sample; None: other ones each time
    use_cache     keep keys and values of earlier positions (the same tokens, computed once)
    overflow      when prompt and text outgrow the context: "slide", the model sees the last block_size tokens, and
                  every token costs a pass over them, for no key of a window that has moved can be used again; "stop",
                  the text ends; "error", it is refused before the first token where that could happen

    Raises ValueError, at once, for a prompt that is empty, too long or outside the vocabulary and for settings out of
    range, and ContextError, which is one, as `overflow` says.
    """
    choice = Choice(
        temperature, top_k, top_p, min_p, repetition_penalty,
        typical_p, presence_penalty, frequency_penalty, bad_words, processors,
    )  # fmt: skip
    prompt = checked_prompt(model, ids)
    check_choice(model, choice)
    check_overflow(model, [prompt], max_new_tokens, overflow)
    steps = steps_of(model, [prompt], max_new_tokens, choice, stop, [rng_of(seed)], use_cache, overflow)
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
    *,
    typical_p: float | None = None,
    presence_penalty: float = 0.0,
    frequency_penalty: float = 0.0,
    bad_words: Iterable[Sequence[int]] = (),
    processors: Iterable[Processor] = (),
    overflow: Overflow = "slide",
) -> Iterator[int]:
    """The ids of `sampling`, without the record of how they were chosen; takes the same settings.

    >>> from tinylm import GPTConfig
    >>> model = GPT(GPTConfig(vocab_size=9, block_size=8, n_layer=1, n_head=1, n_embd=8))
    >>> len(list(generate(model, [1, 2], max_new_tokens=3, seed=1)))
    3
    """
    steps = sampling(
        model, ids, max_new_tokens, temperature, top_k, top_p, min_p, repetition_penalty, stop, seed, use_cache,
        typical_p=typical_p, presence_penalty=presence_penalty, frequency_penalty=frequency_penalty,
        bad_words=bad_words, processors=processors, overflow=overflow,
    )  # fmt: skip
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
    *,
    typical_p: float | None = None,
    presence_penalty: float = 0.0,
    frequency_penalty: float = 0.0,
    bad_words: Iterable[Sequence[int]] = (),
    processors: Iterable[Processor] = (),
    overflow: Overflow = "slide",
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
    choice = Choice(
        temperature, top_k, top_p, min_p, repetition_penalty,
        typical_p, presence_penalty, frequency_penalty, bad_words, processors,
    )  # fmt: skip
    texts = [checked_prompt(model, ids) for ids in prompts]
    check_choice(model, choice)
    check_overflow(model, texts, max_new_tokens, overflow)
    rngs = [rng_of(seed, row) for row in range(len(texts))]
    batches = steps_of(model, texts, max_new_tokens, choice, stop, rngs, use_cache, overflow)
    return ([step if step is None else step.token for step in steps] for steps in batches)
