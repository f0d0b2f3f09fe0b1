"""Any array as a picture: a matrix of coloured cells, a histogram; knows nothing of models."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinylm.show.axes import (
    cells,
    checked,
    figure,
    hatched_patch,
    log_ticks,
    note,
    number_ticks,
    odd_ones,
    same_length,
    token_ticks,
    write_cells,
)
from tinylm.show.labels import Token, many, number
from tinylm.show.picture import Picture
from tinylm.show.style import BLUE, DIVERGING, FAINT, NAN, NAN_HATCH, SEQUENTIAL, VERMILION, styled

__all__ = ["histogram", "matrix"]

Array = np.ndarray
WRITTEN = 144  # a matrix of at most so many cells has its numbers written in


def matrix(
    array: Any,
    row_labels: Sequence[Token] | None = None,
    column_labels: Sequence[Token] | None = None,
    *,
    title: str = "",
    row_name: str = "row",
    column_name: str = "column",
    unit: str = "value",
    low: float | None = None,
    high: float | None = None,
) -> Picture:
    """A matrix as coloured cells: blue below 0, white at 0, orange above; white to dark blue where none is below.

    array: (R, C)   row_labels: R of them   column_labels: C of them

    unit         what the numbers are, beside the colour bar
    low, high    ends of the colour scale; by default the largest |value| on both sides, or from 0 to the largest

    The numbers are written in where there is room; NaN and infinities are yellow, crossed out, named and counted.
    Raises ValueError for another shape, and for labels that are not one a row or column.
    """
    values = checked(array, (2,), "matrix")
    R, C = values.shape
    low, high, stops = _scale(values, low, high)
    with styled():
        size = min(0.5 if R * C <= WRITTEN else 0.26, 9 / C, 8 / R)  # inches of a cell
        drawn = figure(2.6 + max(C * size, 2.2), 1.4 + max(R * size, 1.4), title)
        axes = drawn.subplots()
        image = cells(axes, values, stops=stops, low=low, high=high)
        axes.set_aspect("auto" if max(R / C, C / R) > 4 else "equal")
        for axis, labels, name, count in (
            (axes.yaxis, row_labels, row_name, R),
            (axes.xaxis, column_labels, column_name, C),
        ):
            axis.set_label_text(name)
            if labels is None:
                number_ticks(axis)
            else:
                same_length(labels, count, f"matrix: {name} labels")
                token_ticks(axis, labels, most=36)
        if R * C <= WRITTEN and C <= 16:
            texts = [[number(value, 2) for value in row] for row in values]
            write_cells(axes, values, texts, stops=stops, low=low, high=high)
        drawn.colorbar(image, ax=axes, label=unit, extend=_beyond(values, low, high), aspect=30)
        odd = odd_ones(values)
        if odd:
            axes.legend(handles=[hatched_patch(NAN, NAN_HATCH, odd)], loc="lower left", bbox_to_anchor=(0, 1))
    return Picture(
        drawn, f"{title or 'matrix'}: {many(R, 'row')}, {many(C, 'column')} of {unit}{', ' + odd if odd else ''}"
    )


def _scale(values: Array, low: float | None, high: float | None) -> tuple[float, float, Sequence[str]]:
    """Ends of the colour scale and the stops between them."""
    finite = values[np.isfinite(values)]
    least, most = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    diverging = (least if low is None else low) < 0
    if diverging:
        limit = max(abs(least), abs(most))
        low, high = -limit if low is None else low, limit if high is None else high
    else:
        low, high = 0.0 if low is None else low, most if high is None else high
    return low, high if high > low else low + 1.0, DIVERGING if diverging else SEQUENTIAL


def _beyond(values: Array, low: float, high: float) -> str:
    """Which ends of the colour bar get a point, because values lie beyond."""
    finite = values[np.isfinite(values)]
    under, over = bool((finite < low).any()), bool((finite > high).any())
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[under, over]


def histogram(array: Any, *, bins: int = 60, title: str = "", unit: str = "value", log: bool = False) -> Picture:
    """How often which values occur, with their mean μ and standard deviation σ.

    array: any shape   →   `bins` bars of equal width from the least to the largest finite value

    log    counts on a logarithmic axis, for long tails

    NaN and infinities have no place on the axis: they are counted on a yellow ground. Raises ValueError for an array
    with nothing in it, and for no bins.
    """
    values = checked(array, range(65), "histogram").ravel()
    if bins < 1:
        raise ValueError(f"histogram: expected at least 1 bin, got {bins}")
    finite = values[np.isfinite(values)]
    with styled():
        drawn = figure(6.4, 3.4, title)
        axes = drawn.subplots()
        axes.set_xlabel(unit)
        axes.set_ylabel("count")
        if finite.size:
            mean, std = float(finite.mean()), float(finite.std())
            counts, edges = np.histogram(finite, bins=bins)
            axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.85)
            axes.axvline(mean, color=VERMILION, linewidth=1.6, linestyle="--")
            axes.axvspan(mean - std, mean + std, color=VERMILION, alpha=0.1, linewidth=0)
            axes.set_title(
                f"{values.size:,} values   μ = {number(mean)} (dashed)   σ = {number(std)} (band)   "
                f"from {number(float(finite.min()))} to {number(float(finite.max()))}",
                loc="left",
                fontsize=8.5,
                color=FAINT,
            )
            if log:
                axes.set_yscale("log")
                log_ticks(axes.yaxis)
        odd = odd_ones(values)
        if odd:
            note(axes, f"{odd}: not drawn", loud=True)
    return Picture(drawn, f"{title or 'histogram'} of {many(values.size, 'value')} ({unit}){', ' + odd if odd else ''}")
