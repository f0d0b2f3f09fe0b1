"""Exercises on a model of one's own text: what is kept back, and windows for a fair evaluation."""

from typing import Any

import numpy as np

from tinylm.course.exercise import Exercise, case, register
from tinylm.data import split, windows_in_order

Array = Any


def _windows(tokens: Array, T: int) -> list[tuple[Array, Array]]:
    return [(x[0], y[0]) for x, y in windows_in_order(tokens, 1, T)]


register(
    Exercise(
        "split",
        "Return (train, val): the last part of the tokens, a `fraction` of them rounded down to a whole number, is "
        "kept back for validation; the rest is for training. Nothing is shuffled.",
        reference=split,
        cases=[
            case(np.arange(4), 0.25),
            case(np.arange(4), 0.0),
            case(np.arange(7), 0.5),
            case(np.array([5, 3, 5, 3, 8]), 0.3),
            case(np.arange(3), 0.1),
        ],
    )
)

register(
    Exercise(
        "windows",
        "Return a list of (x, y) in which every token but the first is a target exactly once, in order: x is up to T "
        "tokens, y the tokens that follow each of them; the last window may be shorter.",
        reference=_windows,
        cases=[
            case(np.array([7, 8]), 1),
            case(np.arange(3), 1),
            case(np.arange(5), 2),
            case(np.arange(5), 4),
            case(np.arange(6), 4),
            case(np.arange(8), 3),
            case(np.array([4, 4, 2]), 9),
        ],
    )
)
