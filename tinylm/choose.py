"""The choice of one token from one row of logits, stage by stage; knows no model and no text.

The stages, in this order, each a small function of its own:

    1  processors             the caller's own, in the order given: constraints
    2  bad words              sequences of ids that are never completed
    3  repetition penalty     of every id before, the prompt's too
    4  presence and frequency penalty        of the ids generated so far, without the prompt, as at OpenAI and in vLLM
    5  temperature
    6  typical
    7  top-k
    8  top-p (nucleus)
    9  min-p
    10 softmax, one uniform number

`choose_token` has 3, 5 and 7 to 10, `Choice.step` all of them; what is not asked for does nothing. They work on one row
of logits in float64 on the host, so that a seed means the same choice wherever the logits are the same.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from tinylm.processors import BadWords, Processor, keep_typical, penalize_presence, process

__all__ = [
    "Choice",
    "SamplingStep",
    "choose_token",
    "keep_min_p",
    "keep_top_k",
    "keep_top_p",
    "penalize_repetition",
    "pick",
    "probabilities",
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
    if k >= len(logits):
        return np.ones(logits.shape, dtype=bool)
    least = np.partition(logits, -k)[-k]  # a tenth of what sorting all of a large vocabulary takes
    kept: Array = logits > least
    kept[np.flatnonzero(logits == least)[: k - np.count_nonzero(kept)]] = True
    return kept


def keep_top_p(p: Array, top_p: float) -> Array:
    """True for the nucleus: the fewest most likely ids whose probabilities add up to at least top_p.

    p: (V,)   →   (V,) of bools; the id that crosses top_p belongs to it        Holtzman et al. 2020

    Among equally likely ids the smaller one comes first.

    >>> keep_top_p(np.array([0.5, 0.3, 0.2]), 0.6).tolist()
    [True, True, False]
    """
    likely = np.flatnonzero(p >= (1 - top_p) / (2 * len(p)))  # all others have less than 1 − top_p together
    order = likely[np.argsort(-p[likely], kind="stable")]
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

    p: (V,)   uniform: from 0 up to, but without, 1   →   the id

    >>> pick(np.array([0.5, 0.0, 0.5]), 0.5)
    2
    """
    ends = np.cumsum(p)
    token = int(np.searchsorted(ends, uniform * ends[-1], side="right"))
    return token if token < len(p) else int(np.flatnonzero(p)[-1])  # rounding may leave no end above the number


@dataclass(frozen=True, slots=True, eq=False)
class SamplingStep:
    """How one token was chosen.

    position       how many tokens stood before it
    logits         (V,) what the model said
    penalized      (V,) after the penalties, and after whatever stages came before them
    scaled         (V,) after the temperature (as penalized when greedy)
    top_k, top_p, min_p    (V,) bools, what each filter let through; None where it was not asked for
    p              (V,) the probabilities that were drawn from; one 1 when greedy
    uniform        the number drawn, from 0 up to 1; None when greedy
    token          the id chosen
    processed      the name of each stage that was asked for before the temperature, and (V,) after it, in order:
                   processors, bad words, repetition penalty, presence and frequency penalty; () where none was but the
                   repetition penalty, whose row is `penalized`
    typical        as top_k, top_p and min_p
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
    processed: tuple[tuple[str, Array], ...] = ()
    typical: Array | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """How tokens are to be chosen; raises ValueError for settings out of range.

    temperature   logits are divided by it; 0 is greedy: the largest logit, the smaller id among equals
    top_k, top_p, min_p, typical_p    filters, see keep_top_k, keep_top_p, keep_min_p, keep_typical
    repetition_penalty     see penalize_repetition
    presence_penalty, frequency_penalty    see penalize_presence
    bad_words     sequences of ids, see BadWords
    processors    see tinylm/processors.py
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    typical_p: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    bad_words: Iterable[Sequence[int]] = ()
    processors: Iterable[Processor] = ()
    _first: tuple[Processor, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and (self.temperature == 0 or self.temperature >= COLDEST)):
            raise ValueError(f"temperature must be 0 (greedy) or from {COLDEST} up, got {self.temperature}")
        if self.top_k is not None and (not isinstance(self.top_k, int) or self.top_k < 1):
            raise ValueError(f"top_k must be a whole number from 1 up, got {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, got {self.top_p}")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p must be from 0 to 1, got {self.min_p}")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise ValueError(f"repetition_penalty must be above 0 (1 changes nothing), got {self.repetition_penalty}")
        if self.typical_p is not None and not 0 < self.typical_p <= 1:
            raise ValueError(f"typical_p must be above 0 and at most 1, got {self.typical_p}")
        for name in ("presence_penalty", "frequency_penalty"):
            if not -2 <= getattr(self, name) <= 2:
                raise ValueError(f"{name} must be from -2 to 2 (0 changes nothing), got {getattr(self, name)}")
        words, own = BadWords(self.bad_words), tuple(self.processors)
        object.__setattr__(self, "bad_words", tuple(map(tuple, words.words)))
        object.__setattr__(self, "processors", own)
        object.__setattr__(self, "_first", (*own, words) if words.words else own)

    def step(self, logits: Array, seen: Sequence[int], rng: np.random.Generator, start: int = 0) -> SamplingStep:
        """Choose what comes after the ids `seen`, drawing one number unless greedy.

        logits: (V,) in float64   seen: (T,)   start: how many of them are the prompt

        Raises ValueError where the stages before the filters forbid every id.
        """
        choose = partial(
            choose_token, temperature=self.temperature, top_k=self.top_k, top_p=self.top_p, min_p=self.min_p
        )
        present = self.presence_penalty != 0 or self.frequency_penalty != 0
        if not (self._first or present or self.typical_p is not None):
            return choose(logits, seen, rng, repetition_penalty=self.repetition_penalty)
        rows = process(self._first, logits, seen, start)
        penalized = rows[-1][1] if rows else logits
        if self.repetition_penalty != 1:
            penalized = penalize_repetition(penalized, seen, self.repetition_penalty)
            rows.append(("repetition penalty", penalized))
        if present:
            penalized = penalize_presence(penalized, seen[start:], self.presence_penalty, self.frequency_penalty)
            rows.append(("presence and frequency penalty", penalized))
        typical, left, scaled = None, penalized, penalized
        if self.temperature != 0:
            scaled = penalized / self.temperature
            if self.typical_p is not None:
                typical = keep_typical(probabilities(scaled), self.typical_p)
                left = np.where(typical, penalized, -np.inf)  # −∞ is −∞ at every temperature
        step = choose(left, seen, rng)
        return replace(step, logits=logits, penalized=penalized, scaled=scaled, processed=tuple(rows), typical=typical)


def choose_token(
    logits: Array,
    seen: Sequence[int],
    rng: np.random.Generator,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
) -> SamplingStep:
    """Choose what comes after the ids `seen`: penalty, temperature, top-k, top-p, min-p, softmax, one number.

    Each filter sees what the one before it let through, and settings that are None filter nothing. The number is
    rng.random(). Temperature 0 is greedy: the largest logit after the penalty, the smaller id among equals; then
    nothing is drawn.

    logits: (V,) in float64   seen: (T,)   →   the record of the choice: its `token`, and `p` (V,), drawn from
    """
    penalized = logits if repetition_penalty == 1 else penalize_repetition(logits, seen, repetition_penalty)
    if temperature == 0:
        token = int(penalized.argmax())
        certain = np.zeros_like(penalized)
        certain[token] = 1.0
        return SamplingStep(len(seen), logits, penalized, penalized, None, None, None, certain, None, token)
    scaled = left = penalized / temperature
    k = p = low = None
    if top_k is not None:
        k = keep_top_k(left, top_k)
        left = np.where(k, left, -np.inf)
    if top_p is not None:
        p = keep_top_p(probabilities(left), top_p)
        left = np.where(p, left, -np.inf)
    if min_p is not None:
        low = keep_min_p(probabilities(left), min_p)
        left = np.where(low, left, -np.inf)
    drawn_from = probabilities(left)
    uniform = float(rng.random())
    token = pick(drawn_from, uniform)
    return SamplingStep(len(seen), logits, penalized, scaled, k, p, low, drawn_from, uniform, token)
