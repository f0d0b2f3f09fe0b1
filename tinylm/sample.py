"""Generation one token at a time, as a loop that shows every stage of every choice; knows nothing of text.

The stages, in this order, each a small function of its own: repetition penalty, temperature, top-k,
top-p (nucleus), min-p, softmax, one uniform number. They work on one row of logits in float64 on the
host, so that a seed means the same choice wherever the logits are the same.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tinylm.autograd import no_grad
from tinylm.backend import stream
from tinylm.gpt import GPT, Cache

__all__ = [
    "SamplingStep",
    "generate",
    "keep_min_p",
    "keep_top_k",
    "keep_top_p",
    "penalize_repetition",
    "pick",
    "probabilities",
    "sampling",
]

Array = np.ndarray
COLDEST = 1e-6  # below it, logits divided by the temperature could overflow


def penalize_repetition(logits: Array, seen: Iterable[int], penalty: float) -> Array:
    """Make ids that occurred less likely: divide their logit by the penalty where positive, else multiply.

    logits: (V,)   →   (V,)        Keskar et al. 2019, sec. 4.1

    >>> penalize_repetition(np.array([2.0, -2.0, 1.0]), seen=[0, 1], penalty=2.0).tolist()
    [1.0, -4.0, 1.0]
    """
    ids = np.unique(np.fromiter(seen, dtype=np.int64))
    result = logits.copy()
    result[ids] = np.where(logits[ids] > 0, logits[ids] / penalty, logits[ids] * penalty)
    return result


def keep_top_k(logits: Array, k: int) -> Array:
    """True for the k largest logits; among equal ones the smaller id comes first.

    logits: (V,)   →   (V,) of bools, of which min(k, V) are True

    >>> keep_top_k(np.array([1.0, 3.0, 3.0, 2.0]), 2).tolist()
    [False, True, True, False]
    """
    kept = np.zeros(logits.shape, dtype=bool)
    kept[np.argsort(-logits, kind="stable")[:k]] = True
    return kept


def keep_top_p(p: Array, top_p: float) -> Array:
    """True for the nucleus: the fewest most likely ids whose probabilities add up to at least top_p.

    p: (V,)   →   (V,) of bools; the id that crosses top_p belongs to it        Holtzman et al. 2020

    >>> keep_top_p(np.array([0.5, 0.3, 0.2]), 0.6).tolist()
    [True, True, False]
    """
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]  # what had been gathered when this id's turn came
    kept = np.zeros(p.shape, dtype=bool)
    kept[order[before < top_p]] = True
    kept[order[:1]] = True
    return kept


def keep_min_p(p: Array, min_p: float) -> Array:
    """True where the probability is at least min_p times the largest.

    p: (V,)   →   (V,) of bools        Nguyen et al. 2024

    >>> keep_min_p(np.array([0.6, 0.3, 0.1]), 0.5).tolist()
    [True, True, False]
    """
    kept: Array = p >= min_p * p.max()
    return kept


def probabilities(logits: Array) -> Array:
    """Softmax of one row, where −∞ means never.  logits: (V,)   →   p: (V,)"""
    e = np.exp(logits - logits.max())
    p: Array = e / e.sum()
    return p


def pick(p: Array, uniform: float) -> int:
    """The id into whose interval the number falls, when the probabilities are laid end to end in order of id.

    >>> pick(np.array([0.5, 0.0, 0.5]), 0.5)
    2
    """
    ends = np.cumsum(p)
    token = int(np.searchsorted(ends, uniform * ends[-1], side="right"))
    return min(token, int(np.flatnonzero(p)[-1]))  # rounding may leave the last end a hair below


@dataclass(frozen=True, slots=True, eq=False)
class SamplingStep:
    """How one token was chosen.

    position       how many tokens stood before it
    logits         (V,) what the model said
    penalized      (V,) after the repetition penalty
    scaled         (V,) after the temperature (as penalized when greedy)
    top_k, top_p, min_p    (V,) bools, what each filter let through; None where it was not asked for
    p              (V,) the probabilities that were drawn from; one 1 when greedy
    uniform        the number drawn, from 0 up to 1; None when greedy
    token          the id chosen
    """

    position: int
    logits: Array
    penalized: Array
    scaled: Array
    top_k: Array | None
    top_p: Array | None
    min_p: Array | None
    p: Array
    uniform: float | None
    token: int


def _check(
    model: GPT,
    ids: Sequence[int],
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    repetition_penalty: float,
) -> list[int]:
    """The prompt as a list, after a look at every setting; raises ValueError saying what was expected."""
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
    if not (math.isfinite(temperature) and (temperature == 0 or temperature >= COLDEST)):
        raise ValueError(f"temperature must be 0 (greedy) or from {COLDEST} up, got {temperature}")
    if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
        raise ValueError(f"top_k must be a whole number from 1 up, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, got {top_p}")
    if min_p is not None and not 0 <= min_p <= 1:
        raise ValueError(f"min_p must be from 0 to 1, got {min_p}")
    if not (math.isfinite(repetition_penalty) and repetition_penalty > 0):
        raise ValueError(f"repetition_penalty must be above 0 (1 changes nothing), got {repetition_penalty}")
    return prompt


def _next_logits(model: GPT, ids: list[int], cache: Cache | None) -> Array:
    """The logits after `ids`, (V,) in float64 on the host; dropout off, nothing recorded."""
    mode = model.training
    model.eval()
    try:
        with no_grad():
            logits, _ = model(np.array([ids]), cache=cache)
            row: Array = logits[0, -1].numpy().astype(np.float64)
    finally:
        model.train(mode)
    if not np.isfinite(row).all():
        raise ValueError("the model's logits are not finite: its weights are damaged, or its training diverged")
    return row


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

    When prompt and text outgrow the context, the model sees the last block_size tokens (and the cache,
    whose positions would be wrong, is no longer used). Raises ValueError, at once, for a prompt that is
    empty, too long or outside the vocabulary and for settings out of range.
    """
    prompt = _check(model, ids, temperature, top_k, top_p, min_p, repetition_penalty)
    rng = np.random.default_rng() if seed is None else stream(seed, "sampling")
    ends = frozenset([stop] if isinstance(stop, int) else stop)

    def choose(position: int, seen: list[int], logits: Array) -> SamplingStep:
        penalized = logits if repetition_penalty == 1 else penalize_repetition(logits, seen, repetition_penalty)
        if temperature == 0:
            token = int(penalized.argmax())
            certain = np.zeros_like(penalized)
            certain[token] = 1.0
            return SamplingStep(position, logits, penalized, penalized, None, None, None, certain, None, token)
        scaled = left = penalized / temperature
        kept: dict[str, Array] = {}
        if top_k is not None:
            kept["k"] = keep_top_k(left, top_k)
            left = np.where(kept["k"], left, -np.inf)
        if top_p is not None:
            kept["p"] = keep_top_p(probabilities(left), top_p)
            left = np.where(kept["p"], left, -np.inf)
        if min_p is not None:
            kept["min"] = keep_min_p(probabilities(left), min_p)
            left = np.where(kept["min"], left, -np.inf)
        p = probabilities(left)
        uniform = float(rng.random())
        return SamplingStep(
            position, logits, penalized, scaled, kept.get("k"), kept.get("p"), kept.get("min"), p, uniform,
            pick(p, uniform),
        )  # fmt: skip

    def loop() -> Iterator[SamplingStep]:
        seen, longest = list(prompt), model.config.block_size
        cache = Cache(model.config) if use_cache else None
        for _ in range(max_new_tokens):
            if cache is not None and len(seen) <= longest:
                logits = _next_logits(model, seen[cache.length :], cache)
            else:
                cache = None
                logits = _next_logits(model, seen[-longest:], None)
            step = choose(len(seen), seen, logits)
            seen.append(step.token)
            yield step
            if step.token in ends:
                return

    return loop()


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
