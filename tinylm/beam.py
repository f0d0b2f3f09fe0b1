"""Beam search: the texts that are most likely as a whole, some kept at a time, as a loop that shows every step."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tinylm.choose import keep_top_k
from tinylm.gpt import GPT
from tinylm.processors import Processor
from tinylm.sample.rows import Rows, check_overflow, checked_prompt

__all__ = ["Beam", "BeamStep", "Hypothesis", "beam_search", "searching"]

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Beam:
    """A text on its way: the ids after the prompt, ln p of them, and from which beam of the step before it comes."""

    ids: tuple[int, ...]
    log_probability: float
    parent: int


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text that is done: the ids after the prompt, a stop id included, ln p of them, and what it is ranked by."""

    ids: list[int]
    log_probability: float
    score: float


@dataclass(frozen=True, slots=True)
class BeamStep:
    """What one more token made of the beams.

    candidates    the likeliest of all (beam, id), in order: those that were looked at
    beams         those of them that go on; empty at the end
    hypotheses    the best that are done so far, in order
    """

    candidates: tuple[Beam, ...]
    beams: tuple[Beam, ...]
    hypotheses: tuple[Hypothesis, ...]


def beam_search(
    model: GPT,
    ids: Sequence[int],
    max_new_tokens: int,
    *,
    beams: int = 4,
    length_penalty: float = 1.0,
    n_best: int = 1,
    stop: Iterable[int] = (),
    processors: Iterable[Processor] = (),
    use_cache: bool = True,
) -> list[Hypothesis]:
    """The n_best texts after the prompt `ids` that a search with this many beams finds, the best first.

        score = ln p(text) / length ** length_penalty        length: of the new ids, a stop id included

    It is transformers' score; Wu et al. 2016, eq. 14 divide by ((5 + length) / 6) ** α. A length_penalty above 0
    favours long texts, for ln p is below 0.

    Each step goes on from every beam by every id and ranks these candidates by ln p; among equals the earlier beam
    comes first, then the smaller id. Those that end by a stop id and are among the first `beams` are done; the first
    `beams` of the others go on, looked for among the first (1 + number of stop ids) · beams. After max_new_tokens the
    first `beams` candidates are done as they are. The search is over before that where going on cannot change what it
    returns: n_best texts are done, and no beam could reach a greater score than the last of them, not even by ids that
    are certain, to the best length (max_new_tokens, or the next one where length_penalty is below 0). That is
    transformers' early_stopping="never", and exact as long as no processor raises a log-probability above 0.

    Processors are given ln p of each beam, as in transformers, and what they give back is not made to add up to 1: so
    under a constraint the search is for the texts that the model finds most likely of all that it allows. Where they
    leave fewer texts than n_best, fewer come back.

    Raises ValueError, at once, for a prompt or settings out of range, and where prompt and max_new_tokens do not fit
    the context; and while searching for logits that are not finite.

    >>> from tinylm import GPTConfig
    >>> model = GPT(GPTConfig(vocab_size=9, block_size=8, n_layer=1, n_head=1, n_embd=8))
    >>> best, second = beam_search(model, [1, 2], 4, beams=3, n_best=2, stop=[0])
    >>> best.score >= second.score, best.score == best.log_probability / len(best.ids)
    (True, True)
    """
    steps = searching(
        model, ids, max_new_tokens, beams=beams, length_penalty=length_penalty, n_best=n_best, stop=stop,
        processors=processors, use_cache=use_cache,
    )  # fmt: skip
    done: tuple[Hypothesis, ...] = ()
    for step in steps:
        done = step.hypotheses
    return list(done[:n_best])


def searching(
    model: GPT,
    ids: Sequence[int],
    max_new_tokens: int,
    *,
    beams: int = 4,
    length_penalty: float = 1.0,
    n_best: int = 1,
    stop: Iterable[int] = (),
    processors: Iterable[Processor] = (),
    use_cache: bool = True,
) -> Iterator[BeamStep]:
    """The steps of beam_search, which has the settings: each token's candidates, beams and what is done so far."""
    for name, value in (("beams", beams), ("n_best", n_best)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 up, got {value!r}")
    if n_best > beams:
        raise ValueError(f"n_best is {n_best}, but {beams} beams find no more than {beams} texts; give beams={n_best}")
    if not -10 <= length_penalty <= 10:
        raise ValueError(f"length_penalty must be from -10 to 10, got {length_penalty}")
    prompt = checked_prompt(model, ids)
    check_overflow(model, [prompt], max_new_tokens, "error")
    ends = frozenset([int(stop)] if isinstance(stop, (int, np.integer)) else map(int, stop))
    rows = Rows(model, [prompt], use_cache)
    return _search(rows, max_new_tokens, int(beams), float(length_penalty), int(n_best), ends, tuple(processors))


def _search(
    rows: Rows,
    max_new_tokens: int,
    beams: int,
    length_penalty: float,
    n_best: int,
    ends: frozenset[int],
    processors: tuple[Processor, ...],
) -> Iterator[BeamStep]:
    prompt, start = rows.texts[0], len(rows.texts[0])
    living = [Beam((), 0.0, 0)]
    done: list[Hypothesis] = []
    for length in range(1, max_new_tokens + 1):
        logits = rows.logits(list(range(len(living))))  # one pass for all beams
        log_p = [_log_probabilities(logits[i], rows.texts[i], start, processors) for i in range(len(living))]
        candidates = _likeliest(living, np.stack(log_p), (1 + len(ends)) * beams)
        living = []
        for rank, candidate in enumerate(candidates):
            ended = candidate.ids[-1] in ends
            if (ended or length == max_new_tokens) and rank < beams:
                score = candidate.log_probability / length**length_penalty
                done.append(Hypothesis(list(candidate.ids), candidate.log_probability, score))
            elif not ended and length < max_new_tokens and len(living) < beams:
                living.append(candidate)
        done = sorted(done, key=lambda one: -one.score)[:beams]  # among equals, that which was done first
        best_length = max_new_tokens if length_penalty > 0 else length + 1
        if living and len(done) >= n_best:
            reachable = living[0].log_probability / best_length**length_penalty
            living = living if reachable > done[n_best - 1].score else []
        yield BeamStep(tuple(candidates), tuple(living), tuple(done))
        if not living:
            return
        rows.texts = [prompt + list(beam.ids) for beam in living]
        if rows.cached:
            rows.cache.select([beam.parent for beam in living])
            rows.cached = list(range(len(living)))


def _log_probabilities(logits: Array, ids: list[int], start: int, processors: tuple[Processor, ...]) -> Array:
    """ln p of each id, as the processors leave it.  logits: (V,)   →   (V,)"""
    largest = logits.max()
    log_p: Array = logits - (largest + np.log(np.exp(logits - largest).sum()))
    for processor in processors:
        log_p = np.asarray(processor(log_p, ids, start), np.float64)
        if log_p.shape != logits.shape or np.isnan(log_p).any() or log_p.max() == np.inf:
            raise ValueError(f"the processor {processor.name!r} must give {logits.shape} numbers below infinity back")
    return log_p


def _likeliest(living: list[Beam], log_p: Array, count: int) -> list[Beam]:
    """The `count` likeliest texts that are one id longer than the living, without those that are forbidden.

    log_p: (B, V)
    """
    totals = (np.array([beam.log_probability for beam in living])[:, None] + log_p).ravel()  # (B · V,)
    kept = np.flatnonzero(keep_top_k(totals, count) & (totals > -np.inf))
    order = kept[np.argsort(-totals[kept], kind="stable")]  # equal ones in order of beam and id
    found = []
    for place in order.tolist():
        parent, token = divmod(place, log_p.shape[1])
        found.append(Beam((*living[parent].ids, token), float(totals[place]), parent))
    return found
