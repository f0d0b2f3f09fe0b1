"""What an array can be indexed with, and which positions may attend to which."""

from typing import Any

import numpy as np

from tinylm.testing.drawing import st
from tinylm.testing.operands import Shape, arrays

__all__ = ["indices", "masks"]


@st.composite
def indices(draw: Any, shape: Shape) -> Any:
    """What may stand between the brackets of x[...] for an array of this shape; every axis has an element.

    Whole numbers (negative too), slices (also with negative steps), arrays of whole numbers (repeated and negative
    ones), arrays of bools, ..., None, (), and tuples of these with one array at most: entries before and behind an
    ellipsis, new axes anywhere. Shrinks to 0, or to () where there are no axes.
    """
    bare: list[Any] = [(), Ellipsis, None]
    if not shape:
        return draw(st.sampled_from(bare))
    kind = draw(st.sampled_from(["one"] * 8 + ["several"] * 6 + ["bare", "bare", "whole mask"]))
    if kind == "one":
        return draw(_along(shape[0], array=True))
    if kind == "bare":
        return draw(st.sampled_from(bare))
    if kind == "whole mask":
        return draw(arrays(shape, st.booleans(), bool))
    ellipsis = draw(st.booleans())
    front = draw(st.integers(0 if ellipsis else 1, len(shape)))
    behind = draw(st.integers(0, len(shape) - front)) if ellipsis else 0
    sides = shape[:front] + shape[len(shape) - behind :]
    place = draw(st.integers(0, len(sides)))  # of the one array, counted from 1; 0: none
    entries: list[Any] = [draw(_along(side, array=at == place)) for at, side in enumerate(sides, 1)]
    if ellipsis:
        entries.insert(front, Ellipsis)
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        entries.insert(draw(st.integers(0, len(entries))), None)
    return tuple(entries)


def _along(side: int, *, array: bool) -> Any:
    number = st.integers(-side, side - 1)
    kinds = [number, st.slices(side)]
    if array:
        several = st.lists(number, min_size=1, max_size=side + 2)
        repeated = st.tuples(number, st.integers(2, 4)).map(lambda drawn: [drawn[0]] * drawn[1])
        kinds += [
            (several | repeated).map(lambda drawn: np.array(drawn, np.int64)),
            arrays((side,), st.booleans(), bool),
        ]
    return st.one_of(kinds)


@st.composite
def masks(draw: Any, T: int, S: int | None = None, empty_rows: bool = False) -> Any:
    """Attention masks (T, S) of bools, True = may attend; S is T where it is not given.

    Among them: all True, causal, a window, one position alone, any. A row without any True comes only with
    empty_rows: softmax has nothing to share out there. Shrinks to all True.
    """
    S = T if S is None else S
    kind = draw(st.sampled_from(["all", "causal", "any", "window", "one"]))
    query, key = np.arange(T)[:, None] + (S - T), np.arange(S)[None, :]
    if kind == "all":
        return np.ones((T, S), bool)
    if kind == "causal":
        mask = key <= query
    elif kind == "window":
        mask = abs(query - key) <= draw(st.integers(0, 2))
    elif kind == "one":
        mask = np.broadcast_to(key == draw(st.integers(0, S - 1)), (T, S)).copy()
    else:
        mask = ~draw(arrays((T, S), st.booleans(), bool))
    if not empty_rows:
        mask[~mask.any(axis=-1)] = True
    return mask
