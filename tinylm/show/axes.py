"""What the matplotlib pictures share: figures, cells, tokens as ticks, NaN made loud; knows no meanings."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinylm.show.labels import Token, drawable, legible, number, thinned
from tinylm.show.style import FAINT, HATCHED, INK, NAN, NAN_HATCH, PAPER, colour_map, ink_on, shade

Array = np.ndarray


def figure(width: float, height: float, title: str = "") -> Any:
    """A matplotlib figure of so many inches that belongs to nobody: pyplot never hears of it."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    if title:
        made.suptitle(legible(title), fontsize=11.5, color=INK, x=0.01, ha="left")
    return made


def checked(array: Any, dimensions: Sequence[int], what: str) -> Array:
    """The array in float64; raises ValueError where it has another number of dimensions or nothing in it."""
    try:
        values = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"{what}: expected an array of numbers, got something else: {problem}") from None
    if values.ndim not in dimensions or not values.size:
        raise ValueError(f"{what}: expected an array with {what_dimensions(dimensions)}, got shape {values.shape}")
    return values


def what_dimensions(dimensions: Sequence[int]) -> str:
    if len(dimensions) > 3:
        return "something in it"
    return " or ".join(str(n) for n in dimensions) + " dimensions and something in it"


def same_length(labels: Sequence[Any], count: int, what: str) -> None:
    """Raises ValueError where there is not one label for each of `count` things."""
    if len(labels) != count:
        raise ValueError(f"{what}: expected {count}, one for each, got {len(labels)}")


def cells(axes: Any, values: Array, *, stops: Sequence[str], low: float, high: float) -> Any:
    """A matrix as coloured cells, row 0 on top; what is not finite is crossed out and named."""
    image = axes.imshow(
        np.where(np.isfinite(values), values, np.nan),
        cmap=colour_map(stops),
        vmin=low,
        vmax=high,
        aspect="equal",
        interpolation="nearest",
    )
    odd = ~np.isfinite(values)
    hatch_cells(axes, odd, NAN, NAN_HATCH)
    if 0 < odd.sum() <= 60 and max(values.shape) <= 24:
        for row, column in np.argwhere(odd):
            box = {"boxstyle": "round,pad=.15", "facecolor": NAN, "edgecolor": "none"}
            text = number(values[row, column])
            axes.text(column, row, text, ha="center", va="center", fontsize=7, fontweight="bold", color=INK, bbox=box)
    return image


def write_cells(axes: Any, values: Array, texts: Sequence[Sequence[str]], *, stops: Sequence[str], **how: Any) -> None:
    """A text in every finite cell, black or white by what it stands on; `how`: low, high, size."""
    low, high = how["low"], how["high"]
    for row, column in np.argwhere(np.isfinite(values)):
        ground = shade((values[row, column] - low) / (high - low), stops)
        axes.text(
            column, row, texts[row][column], ha="center", va="center", fontsize=how.get("size", 7), color=ink_on(ground)
        )


def hatch_cells(axes: Any, where: Array, ground: str, hatch: str) -> None:
    """Cells that are True, hatched: one rectangle for each run of them in a row."""
    from matplotlib.collections import PolyCollection

    corners = []
    for row, line in enumerate(where):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
        for first, end in zip(edges[::2] - 0.5, edges[1::2] - 0.5, strict=True):
            corners.append([(first, row - 0.5), (end, row - 0.5), (end, row + 0.5), (first, row + 0.5)])
    if corners:
        axes.add_collection(
            PolyCollection(corners, facecolors=ground, edgecolors=HATCHED[ground], linewidths=0, hatch=hatch),
            autolim=False,
        )


def hatched_patch(ground: str, hatch: str, label: str) -> Any:
    """The same hatch as an entry of a legend."""
    from matplotlib.patches import Patch

    return Patch(facecolor=ground, hatch=hatch, edgecolor=HATCHED.get(ground, FAINT), linewidth=0.5, label=label)


def token_ticks(axis: Any, tokens: Sequence[Token], *, most: int = 32, columns: int = 14, size: float = 8) -> None:
    """One tick for each token, in order; every n-th where there are more than `most`."""
    shown = thinned([drawable(token, columns) for token in tokens], most)
    places, labels = [place for place, _ in shown], [text for _, text in shown]
    turned = {"rotation": 90} if axis.axis_name == "x" else {}
    axis.set_ticks(places, labels=labels, fontsize=size, **turned)
    axis.set_tick_params(length=2, pad=2)


def number_ticks(axis: Any) -> None:
    """Whole numbers as ticks, at most nine."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(9, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


def log_ticks(axis: Any) -> None:
    """Ticks of a logarithmic axis in plain text: 1e−3, not mathematics."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


def note(axes: Any, text: str, *, loud: bool = False, x: float = 0.99, y: float = 0.97) -> None:
    """A remark in a corner of the axes, above them from y = 1 on; loud ones on the ground of NaN."""
    box = {"boxstyle": "round,pad=.3", "facecolor": NAN if loud else PAPER, "edgecolor": INK if loud else "none"}
    weight = "bold" if loud else "normal"
    upright = "bottom" if y > 1 else "top"
    how = {"transform": axes.transAxes, "ha": "right", "va": upright, "fontsize": 8.5, "fontweight": weight}
    axes.text(x, y, text, color=INK, bbox=box, zorder=5, **how)


def odd_ones(values: Array) -> str:
    """What is not finite in an array, counted in words: "3 NaN, 1 infinite"; "" where all is finite."""
    nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    return ", ".join([f"{nan} NaN"] * (nan > 0) + [f"{infinite} infinite"] * (infinite > 0))


__all__ = [
    "cells",
    "checked",
    "figure",
    "hatch_cells",
    "hatched_patch",
    "log_ticks",
    "note",
    "number_ticks",
    "odd_ones",
    "same_length",
    "token_ticks",
    "what_dimensions",
    "write_cells",
]
