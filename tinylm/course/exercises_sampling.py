"""Exercises on the choice of a token: temperature, nucleus, repetition penalty, and the draw."""

from typing import Any

import numpy as np

from tinylm.choose import Choice, keep_top_p, penalize_repetition, pick
from tinylm.course.exercise import Exercise, case, register

Array = Any


def _temperature(logits: Array, temperature: float) -> Array:
    """The probabilities that the library draws from; what number is drawn does not matter."""
    return Choice(temperature).step(logits, [0], np.random.default_rng(0)).p


register(
    Exercise(
        "at_temperature",
        "Return the probabilities of the tokens: the softmax of logits / temperature. Temperature 0 is greedy: all for "
        "the largest logit, among equals for the smallest id. logits: (V,) → p: (V,)",
        reference=_temperature,
        cases=[
            case(np.array([0.0, 1.0]), 1.0),
            case(np.array([0.0, 1.0]), 0.5),
            case(np.array([0.0, 1.0]), 0),
            case(np.array([1.0, 0.0, 1.0]), 0),
            case(np.array([2.0, 1.0, -1.0]), 2.0),
            case(np.array([1000.0, 999.0, 0.0]), 1.0),
            case(np.array([-3.0, -2.0, -2.5]), 0),
            case(np.array([1.0, 2.0, 3.0]), 0.001),
        ],
    )
)

register(
    Exercise(
        "keep_top_p",
        "Return True for the tokens of the nucleus: the fewest most likely ones whose probabilities add up to at least "
        "top_p. The token that crosses top_p belongs to it; among equals the smaller id comes first. "
        "p: (V,) → (V,) of bools",
        reference=keep_top_p,
        cases=[
            case(np.array([1.0]), 0.5),
            case(np.array([0.25, 0.75]), 0.5),
            case(np.array([0.25, 0.75]), 0.75),
            case(np.array([0.5, 0.25, 0.25]), 0.6),
            case(np.array([0.125, 0.5, 0.375]), 0.875),
            case(np.array([0.25, 0.25, 0.25, 0.25]), 0.5),
            case(np.array([0.25, 0.5, 0.25]), 1.0),
            case(np.array([0.0625, 0.5, 0.125, 0.25, 0.0625]), 0.8),
        ],
    )
)

register(
    Exercise(
        "penalize_repetition",
        "Return a copy of the logits in which every id that occurs in `seen` is less likely: its logit is divided by "
        "the penalty where it is positive, else multiplied by it. An id that occurs twice is penalised once.",
        reference=penalize_repetition,
        cases=[
            case(np.array([2.0, 1.0]), [0], 2.0),
            case(np.array([-2.0, 1.0]), [0], 2.0),
            case(np.array([2.0, 1.0]), [0, 0], 2.0),
            case(np.array([2.0, -2.0, 1.0, 0.0]), [0, 1, 3], 1.25),
            case(np.array([2.0, 1.0, 3.0]), [2, 1, 2, 2], 4.0),
        ],
    )
)

register(
    Exercise(
        "pick",
        "Return the id into whose interval the number u falls, when the probabilities are laid end to end in order of "
        "id: id i has the interval from p[0] + … + p[i − 1] up to, but without, p[0] + … + p[i].",
        reference=pick,
        cases=[
            case(np.array([1.0]), 0.5),
            case(np.array([0.25, 0.75]), 0.0),
            case(np.array([0.25, 0.75]), 0.2),
            case(np.array([0.25, 0.75]), 0.25),
            case(np.array([0.25, 0.75]), 0.9),
            case(np.array([0.5, 0.0, 0.5]), 0.5),
            case(np.array([0.0, 1.0, 0.0]), 0.0),
            case(np.array([0.125, 0.25, 0.125, 0.5]), 0.45),
        ],
    )
)
