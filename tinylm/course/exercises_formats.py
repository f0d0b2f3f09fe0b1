"""The exercises on files of models: the order of queries, and numbers in eight bits."""

from typing import Any

import numpy as np

from tinylm.course.compare import nearly
from tinylm.course.exercise import Exercise, case, register
from tinylm.formats.names import half_and_half

Array = Any


def _side_by_side(w: Array, heads: int) -> Array:
    """Undo what the reader of GGUF files does."""
    theirs = np.empty_like(w)
    theirs[half_and_half(heads, len(w) // heads)] = w
    return theirs


def _eight_bits(x: Array) -> Array:
    scale = np.abs(x).max(initial=0) / 127
    return np.round(x / scale) * scale if scale else np.zeros_like(x)


_rng = np.random.default_rng(14)

register(
    Exercise(
        "side_by_side",
        "Return the rows of a matrix of queries in the order of llama.cpp's files: in each head of D = out / heads "
        "rows, row i of the first half becomes row 2i, and row i of the second half row 2i + 1. "
        "w: (out, in) → (out, in)",
        reference=_side_by_side,
        cases=[
            case(np.array([[1.0], [2.0]]), 1),
            case(np.array([[1.0], [2.0], [3.0], [4.0]]), 1),
            case(np.array([[1.0], [2.0], [3.0], [4.0]]), 2),
            case(np.arange(12.0).reshape(6, 2), 1),
            case(np.arange(16.0)[:, None], 2),
        ],
    )
)

register(
    Exercise(
        "eight_bits",
        "Return what a block of numbers is after it was stored as whole numbers from -127 to 127 and one scale: "
        "scale = largest magnitude / 127, q = x / scale to the nearest whole number, and back q · scale. A block of "
        "zeros stays zeros. x: (N,) → (N,)",
        reference=_eight_bits,
        cases=[
            case(np.array([127.0])),
            case(np.array([2.0, -1.3])),
            case(np.array([-3.0, 1.0, 0.4])),
            case(np.array([0.0, 0.0])),
            case(_rng.standard_normal(32) * 0.02),
        ],
        compare=nearly(1e-12),
    )
)
