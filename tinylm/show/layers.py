"""Numbers of each layer or parameter: statistics, distributions, the size of updates; knows only names and numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinylm.show.axes import checked, figure, log_ticks, note, number_ticks, odd_ones
from tinylm.show.labels import legible, many, number
from tinylm.show.picture import Picture
from tinylm.show.style import (
    BLUE,
    COLOURS,
    DIVERGING,
    FAINT,
    INK,
    LINE,
    MARKERS,
    NAN,
    NAN_HATCH,
    VERMILION,
    colour_map,
    styled,
)

__all__ = ["distributions", "measures", "statistics", "update_ratios"]

Array = np.ndarray
GUIDE = 1e-3  # Karpathy, makemore part 3: log10 of update to weight should be about −3
DRAWN = 8  # more parameters than this, over steps, are a map and not lines
WIDE = 50.0  # positive numbers whose largest is so many times the smallest stand on a logarithmic axis


def measures(array: Any) -> dict[str, float]:
    """What `statistics` draws of an array of any shape: mean, std, max |x|, the share of exact zeros, and of NaN.

    >>> measures([0.0, 3.0, -3.0, 0.0])["zeros (share)"]
    0.5
    """
    values = checked(array, range(65), "measures")
    found = {
        "mean": values.mean(),
        "std": values.std(),
        "max |x|": np.abs(values).max(),
        "zeros (share)": (values == 0).mean(),
    }
    return {name: float(value) for name, value in found.items()}


def statistics(per_layer: Mapping[str, Mapping[str, float]], *, title: str = "Activations by layer") -> Picture:
    """One panel for each statistic, one bar for each layer, the first layer on top.

    per_layer    layer → {statistic (with its unit): number}, e.g. {"h.0.mlp": measures(array)}

    A statistic whose numbers are all positive and far apart stands on a logarithmic axis, as dots; the axis says so.
    NaN and infinities are written out on yellow. Raises ValueError where there is nothing to draw.
    """
    names = list(per_layer)
    kinds = list(dict.fromkeys(kind for row in per_layer.values() for kind in row))
    if not kinds:
        raise ValueError("statistics: expected layer → {statistic: number}, got nothing")
    with styled():
        drawn = figure(1.6 + 2.2 * len(kinds), 1.3 + 0.25 * len(names), title)
        grid = drawn.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        for axes, kind in zip(grid, kinds, strict=True):
            values = np.array([float(per_layer[name].get(kind, math.nan)) for name in names])
            _bars(axes, values, kind)
        grid[0].set_yticks(range(len(names)), labels=[legible(name) for name in names], fontsize=8.5)
        grid[0].set_ylabel("layer")
        grid[0].set_ylim(len(names) - 0.4, -0.6)
    return Picture(drawn, f"{title}: {', '.join(kinds)} of {many(len(names), 'layer')}")


def _bars(axes: Any, values: Array, kind: str) -> None:
    """One statistic: a bar from 0 for each layer, or a dot where the axis is logarithmic and has no 0."""
    from matplotlib.ticker import MaxNLocator

    finite = np.isfinite(values)
    places = np.arange(len(values))
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    good = values[finite]
    far_apart = bool(good.size and good.min() > 0 and good.max() > WIDE * good.min())
    if far_apart:
        axes.set_xscale("log")
        log_ticks(axes.xaxis)
        axes.plot(good, places[finite], "o", color=BLUE, markersize=6)
        axes.margins(x=0.15)
    else:
        axes.barh(places[finite], good, color=BLUE, height=0.62)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.margins(x=0.1)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        if not good.any():
            axes.set_xlim(0, 1)
    axes.set_xlabel(f"{kind}{', log scale' if far_apart else ''}")
    for place in places[~finite]:
        axes.axhspan(place - 0.31, place + 0.31, facecolor=NAN, hatch=NAN_HATCH, edgecolor=FAINT, linewidth=0)
        box = {"boxstyle": "round,pad=.15", "facecolor": NAN, "edgecolor": "none"}
        how = {"transform": axes.get_yaxis_transform(), "ha": "center", "va": "center", "bbox": box}
        axes.text(0.5, place, number(values[place]), fontweight="bold", fontsize=8, color=INK, **how)


def distributions(
    arrays: Mapping[str, Any], *, title: str = "Activations by layer", unit: str = "value", bins: int = 80
) -> Picture:
    """One small histogram for each layer, under each other on one axis, so that widths can be compared.

    arrays    layer → array of any shape

    The axis holds 99.9 % of all values; what lies beyond is counted, as are NaN and infinities, on yellow. Each
    histogram is as high as its row: heights cannot be compared between layers. Raises ValueError for nothing to draw.
    """
    flat = {name: checked(array, range(65), f"distributions: {name}").ravel() for name, array in arrays.items()}
    finite = [values[np.isfinite(values)] for values in flat.values()]
    every = np.concatenate(finite) if finite else np.empty(0)
    if not flat:
        raise ValueError("distributions: expected layer → array, got nothing")
    low, high = np.quantile(every, [0.0005, 0.9995]) if every.size else (0.0, 1.0)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    with styled():
        drawn = figure(7.6, 1.3 + 0.62 * len(flat), title)
        grid = drawn.subplots(len(flat), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, values), good in zip(grid, flat.items(), finite, strict=True):
            counts, edges = np.histogram(good, bins=bins, range=(low, high))
            axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.85)
            axes.axvline(0, color=INK, linewidth=0.7)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.set_ylabel(legible(name), rotation=0, ha="right", va="center", fontsize=8.5)
            odd, beyond = odd_ones(values), int(((good < low) | (good > high)).sum())
            spread = f"σ {number(float(good.std()))}" if good.size else ""
            note(axes, f"{spread}{f', {beyond} beyond' if beyond else ''}", y=1.0)
            if odd:
                note(axes, odd, loud=True, x=0.25, y=1.0)
        grid[-1].set_xlim(low, high)
        grid[-1].set_xlabel(f"{unit} (each histogram has its own height)")
    return Picture(drawn, f"{title}: a histogram of {unit} for each of {many(len(flat), 'layer')}")


def update_ratios(
    ratios: Mapping[str, Any], *, steps: Sequence[int] | None = None, title: str = "How far each parameter moved"
) -> Picture:
    """log₁₀ of the size of an update over the size of the weights, for each parameter, with a line at −3.

        ratio = std(Δw) / std(w), or ‖Δw‖ / ‖w‖

    ratios    parameter → number, or → S numbers, one a step   steps: the S steps; None: 0, 1, 2 ...

    The line at 10⁻³ is a rule of thumb of Karpathy's makemore lectures (part 3), not a law: far above it training is
    restless, far below it slow. Over steps, up to eight parameters are lines, more are a map: blue below −3, orange
    above. Ratios of 0 or NaN have no logarithm: they are named on yellow. Raises ValueError for unequal numbers of
    steps.
    """
    if not ratios:
        raise ValueError("update ratios: expected one number a step for each parameter, got no parameter")
    table = {name: checked(value, (0, 1), f"update ratios: {name}").ravel() for name, value in ratios.items()}
    lengths = {len(values) for values in table.values()}
    if len(lengths) != 1 or (steps is not None and {len(steps)} != lengths):
        raise ValueError(f"update ratios: expected one number a step for each parameter, got {sorted(lengths)} numbers")
    over_steps = any(np.ndim(value) for value in ratios.values())
    values = np.stack(list(table.values()))  # (parameters, S)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(values > 0, np.log10(values), np.nan)
    along = np.arange(values.shape[1]) if steps is None else np.asarray(steps)
    with styled():
        if not over_steps:
            drawn, axes = _dots(list(table), logs[:, 0], title)
        elif len(table) <= DRAWN:
            drawn, axes = _lines(list(table), logs, along, title)
        else:
            drawn, axes = _map(list(table), logs, along, title)
        odd = [name for name, row in zip(table, logs, strict=True) if np.isnan(row).any()]
        if odd:
            shown = ", ".join(odd[:3]) + (f" and {len(odd) - 3} more" if len(odd) > 3 else "")
            note(axes, f"no logarithm (0 or NaN): {shown}", loud=True, y=1.02)
    return Picture(drawn, f"{title}: log10 of update over weight for {many(len(table), 'parameter')}, guide line at −3")


RATIO = "log₁₀ (size of update / size of weight)"


def _dots(names: list[str], logs: Array, title: str) -> tuple[Any, Any]:
    """One step: a dot for each parameter."""
    drawn = figure(7.2, 1.4 + 0.21 * len(names), title)
    axes = drawn.subplots()
    places = np.arange(len(names))
    axes.hlines(places, math.log10(GUIDE), logs, color=LINE, linewidth=1.2)
    axes.plot(logs, places, "o", color=BLUE, markersize=6)
    axes.axvline(
        math.log10(GUIDE), color=VERMILION, linestyle="--", linewidth=1.4, label="−3: rule of thumb (Karpathy)"
    )
    axes.set_yticks(places, labels=[legible(name) for name in names], fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(RATIO)
    axes.set_ylabel("parameter")
    axes.grid(axis="x")
    drawn.legend(loc="outside upper right", frameon=False)
    return drawn, axes


def _lines(names: list[str], logs: Array, along: Array, title: str) -> tuple[Any, Any]:
    """A few parameters over steps, told apart by colour, dash and marker."""
    drawn = figure(8.4, 4.2, title)
    axes = drawn.subplots()
    for n, (name, row) in enumerate(zip(names, logs, strict=True)):
        style = {"color": COLOURS[n % 4], "linestyle": ("-", "--")[n // 4 % 2], "marker": MARKERS[n % 4]}
        axes.plot(
            along, row, label=legible(name), linewidth=1.5, markersize=4.5, markevery=max(1, len(along) // 10), **style
        )
    axes.axhline(math.log10(GUIDE), color=INK, linestyle=":", linewidth=1.6, label="−3: rule of thumb (Karpathy)")
    axes.set_xlabel("training step")
    axes.set_ylabel(RATIO)
    axes.grid(axis="y")
    number_ticks(axes.xaxis)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8.5)
    return drawn, axes


def _map(names: list[str], logs: Array, along: Array, title: str) -> tuple[Any, Any]:
    """Many parameters over steps, coloured by how far they are from the guide."""
    drawn = figure(8.4, 1.5 + 0.21 * len(names), title)
    axes = drawn.subplots()
    edges = np.append(along, 2 * along[-1] - along[-2] if len(along) > 1 else along[-1] + 1)
    guide = math.log10(GUIDE)
    reach = max(1.0, float(np.nanmax(np.abs(logs - guide))) if np.isfinite(logs).any() else 1.0)
    axes.patch.set(facecolor=NAN, hatch=NAN_HATCH, edgecolor=FAINT)  # shows where there is no logarithm
    colours = colour_map(DIVERGING).with_extremes(bad="#00000000")
    how = {"cmap": colours, "vmin": guide - reach, "vmax": guide + reach, "rasterized": True}
    image = axes.pcolormesh(edges, np.arange(len(names) + 1) - 0.5, logs, **how)
    axes.set_yticks(range(len(names)), labels=[legible(name) for name in names], fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("training step")
    axes.set_ylabel("parameter")
    number_ticks(axes.xaxis)
    bar = drawn.colorbar(image, ax=axes, label=RATIO, aspect=30)
    bar.ax.axhline(guide, color=INK, linestyle="--", linewidth=1.4)
    bar.ax.set_title("−3: rule of\nthumb (Karpathy)", fontsize=7.5)
    return drawn, axes
