"""Attention weights as maps, one for each head; knows nothing of the model that made them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinylm.show.axes import (
    cells,
    checked,
    figure,
    hatch_cells,
    hatched_patch,
    number_ticks,
    same_length,
    token_ticks,
    write_cells,
)
from tinylm.show.labels import Token, many
from tinylm.show.picture import Picture
from tinylm.show.style import MASKED, MASKED_HATCH, SEQUENTIAL, styled

__all__ = ["attention"]

READABLE = 32  # tokens on an axis before every second label is left out
ROUNDING = 1e-3  # how far a float16 weight may be outside 0 … 1
WRITTEN = 10  # maps of at most so many tokens have their numbers written in,
MAPS = 16  # where there are at most so many


def attention(
    p: Any, tokens: Sequence[Token] | None = None, *, title: str = "Attention weights", mask: Any = None
) -> Picture:
    """One map for each head: how much of its attention each token (row) gives to each token (column).

        p[h, t, s] = softmax over s of q[h, t] · k[h, s] / √D        Σ over s of p[h, t, s] = 1

    p: (H, T, S) or (T, S), from 0 to 1   tokens: S of them; the rows are the last T   mask: (T, S), True = may attend

    Without a mask, what is later than the row's own token and has weight 0 counts as masked: hatched, no number. A
    weight that is there although it should not is drawn like all others. The colour scale is the same for all heads,
    from 0 to 1. More than 32 tokens: every n-th is named. Raises ValueError for other shapes, and for
    numbers that are no weights.
    """
    weights = checked(p, (2, 3), "attention")
    weights = weights if weights.ndim == 3 else weights[None]
    H, T, S = weights.shape
    low, high = np.nanmin(weights, initial=0.0), np.nanmax(weights, initial=0.0)
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ValueError(
            f"attention: expected weights from 0 to 1, got {low:.3g} to {high:.3g}: scores before softmax?"
        )
    if T > S:
        raise ValueError(f"attention: {T} rows see only {S} columns; expected p[head, query, key] with T ≤ S")
    if tokens is not None:
        same_length(tokens, S, "attention: tokens")
    later = np.arange(S)[None, :] > np.arange(S - T, S)[:, None]  # (T, S)
    if mask is not None and np.shape(mask) != (T, S):
        raise ValueError(f"attention: expected a mask of shape {(T, S)}, True = may attend, got {np.shape(mask)}")
    hidden = later if mask is None else ~np.asarray(mask, dtype=bool)
    most = 8 if H > MAPS else 4
    across = H if H <= 3 and S <= 12 else min(H, most // 2 if S > 16 or H in (2, 4) else most)
    down = math.ceil(H / across)
    side = min(max(0.16 * S, 2.2), 5.2)
    with styled():
        height = down * (max(side * T / S, 0.4) + 1.2) + 0.5
        drawn = figure(across * (side + 0.9) + 0.9, height, title)
        grid = drawn.subplots(down, across, squeeze=False)
        for head, axes in enumerate(grid.flat):
            if head >= H:
                axes.set_axis_off()
                continue
            blank = hidden & (weights[head] == 0)
            image = _map(axes, weights[head], blank, tokens, S <= WRITTEN and H <= MAPS)
            if H > 1:
                axes.set_title(f"head {head}", loc="left")
        bar = {"shrink": min(1.0, 6 / height), "anchor": (0, 1)}  # not as long as many rows of maps
        drawn.colorbar(image, ax=grid, label="attention weight p (each row adds up to 1)", aspect=40, **bar)
        if (hidden & (weights == 0)).any():
            handle = hatched_patch(MASKED, MASKED_HATCH, "masked: a later token, out of reach")
            drawn.legend(handles=[handle], loc="outside lower left", frameon=False)
    queries = f"{T} {'query' if T == 1 else 'queries'}"
    return Picture(drawn, f"{title}: {many(H, 'head')}, {queries} (rows) by {many(S, 'key')} (columns)")


def _map(axes: Any, p: Any, blank: Any, tokens: Sequence[Token] | None, write: bool) -> Any:
    """One head."""
    T, S = p.shape
    image = cells(axes, p, stops=SEQUENTIAL, low=0.0, high=1.0)
    hatch_cells(axes, blank, MASKED, MASKED_HATCH)
    if write:
        texts = [[f"{value:.2f}".lstrip("0") if value < 0.995 else "1" for value in row] for row in p]
        seen = np.where(blank, np.nan, p)  # what is masked has no number
        write_cells(axes, seen, texts, stops=SEQUENTIAL, low=0.0, high=1.0)
    axes.set_xlabel("key: the token looked at")
    axes.set_ylabel("query: the token that looks" if 2 * T > S else "query")
    if tokens is None:
        number_ticks(axes.xaxis)
        number_ticks(axes.yaxis)
    else:
        small = 8 if S <= 24 else 7
        token_ticks(axes.xaxis, tokens, most=READABLE, size=small)
        token_ticks(axes.yaxis, tokens[S - T :], most=READABLE, size=small)
    return image
