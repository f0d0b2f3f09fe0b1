"""Laws of sampling: filters keep what they promise, and draws come as often as their probabilities say."""

from typing import Any

import numpy as np

import tinylm.testing as drawn
from tinylm.testing import given
from tinylm.testing.frequency import FrequencyTest
from tinylm.testing.law import LawBroken, equal, law, require
from tinylm.testing.mistakes import InputError

__all__ = [
    "draws_repeat_with_their_seed",
    "frequencies_match_probabilities",
    "low_temperature_takes_the_largest",
    "min_p_keeps_what_is_near_the_largest",
    "top_k_keeps_k",
    "top_p_keeps_enough_and_no_more",
]

Array = Any
NEAR = 1e-5  # probabilities computed in float32; nothing is asked of sums that end nearer to the threshold
FALSE_ALARM = 1e-6
DRAWS = 4000


def _logits(_: Any) -> Any:
    return drawn.logits(huge=False)


def _fractions() -> Any:
    from tinylm.testing.drawing import st

    return st.sampled_from([0.5, 0.1, 0.25, 0.75, 0.9, 0.99, 1.0])


def _count(high: int) -> Any:
    from tinylm.testing.drawing import st

    return st.integers(1, high)


@law("sampling", needs=("top_k",), logits=_logits, k=lambda _: _count(8))
def top_k_keeps_k(sampler: Any, logits: Array, k: int) -> None:
    """Top-k lets exactly min(k, V) ids through, and none that it drops has a larger logit than one that it keeps."""
    logits, k = _row(logits), given.whole("k", k, 1)
    kept = np.asarray(sampler.top_k(logits.copy(), k), bool)
    _keeps_the_largest(logits, kept)
    finite = int(np.isfinite(logits).sum())  # whether −∞ is let through changes nothing
    count, expected = int((kept & np.isfinite(logits)).sum()), min(k, finite)
    require(count == expected, f"{count} ids are kept, expected {expected}", expected, kept)


@law("sampling", needs=("top_p",), logits=_logits, top_p=lambda _: _fractions())
def top_p_keeps_enough_and_no_more(sampler: Any, logits: Array, top_p: float) -> None:
    """Top-p keeps the fewest most likely ids that have at least p together: one less would not be enough."""
    logits, top_p = _row(logits), given.number("top_p", top_p)
    p = _softmax(logits)
    kept = np.asarray(sampler.top_p(logits.copy(), top_p), bool) & (p > 0)
    _keeps_the_largest(logits, kept)
    require(kept.any(), "nothing is kept")
    together = float(p[kept].sum())
    require(together >= top_p - NEAR, f"the ids kept have {together:.6g} together, less than {top_p}", got=kept)
    without = together - float(p[kept].min())
    says = f"without the least likely, the ids kept have {without:.6g}, which is enough for {top_p}"
    require(without < top_p + NEAR, says, got=kept)


@law("sampling", needs=("min_p",), logits=_logits, min_p=lambda _: _fractions())
def min_p_keeps_what_is_near_the_largest(sampler: Any, logits: Array, min_p: float) -> None:
    """Min-p keeps exactly the ids that are at least min_p times as likely as the likeliest."""
    logits, min_p = _row(logits), given.number("min_p", min_p)
    p = _softmax(logits)
    kept = np.asarray(sampler.min_p(logits.copy(), min_p), bool)
    least = min_p * p.max()
    clear = (p == p.max()) | (abs(p - least) > NEAR)
    equal((p >= least)[clear], kept[clear], "the ids kept")


@law("sampling", needs=("draw",), logits=_logits, seed=lambda _: _count(99))
def draws_repeat_with_their_seed(sampler: Any, logits: Array, seed: int) -> None:
    """The same seed draws the same ids."""
    logits, seed = _row(logits), given.whole("seed", seed, 0)
    first, second = (_drawn(sampler, logits, 20, seed, 1.0) for _ in range(2))
    equal(first, second, "the ids drawn the second time")


@law("sampling", needs=("draw",), logits=_logits, seed=lambda _: _count(99))
def low_temperature_takes_the_largest(sampler: Any, logits: Array, seed: int) -> None:
    """At a temperature near 0 only ids of the largest logit are drawn."""
    logits = _row(logits)
    ids = _drawn(sampler, logits, 20, given.whole("seed", seed, 0), 1e-3)
    wrong = [i for i in ids if logits[i] < logits.max()]  # a difference of 1/4 is then one of e^250
    require(not wrong, f"{wrong[:1]} is drawn, whose logit is not the largest", int(logits.argmax()), ids)


@law("sampling", needs=("draw",), logits=_logits, temperature=lambda _: _temperatures(), seed=lambda _: _count(99))
def frequencies_match_probabilities(sampler: Any, logits: Array, temperature: float, seed: int) -> None:
    """Ids are drawn as often as softmax(logits / temperature) says.

    At most 4,000 draws are looked at, one after the other (frequency.py); for each input, right code is accused with a
    probability of at most 1e-6.
    """
    logits, seed, temperature = _row(logits), given.whole("seed", seed, 0), given.number("temperature", temperature)
    if temperature <= 0:
        raise InputError(f"temperature must be positive, got {temperature:g}")
    p = _softmax(logits / temperature)
    p = np.where(p < 1e-30, 0.0, p)
    test = FrequencyTest(p, FALSE_ALARM)
    for start in range(0, DRAWS, 500):
        test.see(_drawn(sampler, logits, 500, 1000 * seed + start, temperature))
        if test.refuted:
            break
    seen = test.counts / max(test.draws, 1)
    require(not test.refuted, f"after {test.draws} draws: {test!r}", p.round(4), seen.round(4))


def _row(logits: Any) -> Array:
    found = given.floats("logits", logits, 1)
    if not np.isfinite(found).any():
        raise InputError("logits must have a finite number among them")
    return found


def _drawn(sampler: Any, logits: Array, n: int, seed: int, temperature: float) -> list[int]:
    """n ids from the code, which are n and ids."""
    drawn_ = list(sampler.draw(logits.copy(), n, seed, temperature))
    require(len(drawn_) == n, f"asked for {n} ids, it drew {len(drawn_)}", got=drawn_[:20])
    for each in drawn_:
        if not 0 <= int(each) < len(logits) or int(each) != each:
            raise LawBroken(f"it drew {each}, which is no id of 0 … {len(logits) - 1}", got=drawn_[:20])
    return [int(each) for each in drawn_]


def _temperatures() -> Any:
    from tinylm.testing.drawing import st

    return st.sampled_from([1.0, 0.5, 2.0])


def _softmax(logits: Array) -> Array:
    e = np.exp(logits - logits.max())
    return e / e.sum()


def _keeps_the_largest(logits: Array, kept: Array) -> None:
    require(kept.shape == logits.shape, f"the shape of what is kept is {kept.shape}, that of the logits {logits.shape}")
    if kept.any() and not kept.all():
        dropped, least = logits[~kept].max(), logits[kept].min()
        require(dropped <= least, f"a logit of {dropped} is dropped, one of {least} is kept", got=kept)
