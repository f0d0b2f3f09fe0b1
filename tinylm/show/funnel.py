"""How one token was chosen, stage by stage, as bars and as a number falling into an interval; knows no model.

The stages are those of a sampling record: what the model said, processors and penalties, temperature, typical, top-k,
top-p, min-p, and the draw. Each is shown as the probabilities that a softmax over what is left gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.show.axes import figure, hatched_patch, same_length
from tinylm.show.labels import Token, drawable, field, number, percent
from tinylm.show.picture import Picture
from tinylm.show.style import BLUE, FAINT, INK, LINE, PAPER, SKY, VERMILION, YELLOW, styled

__all__ = ["Stage", "intervals", "sampling_funnel", "stages"]

Array = np.ndarray
GONE_HATCH = "////"
FILTERS = {"typical": "typical", "top_k": "top-k", "top_p": "top-p (nucleus)", "min_p": "min-p"}


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """The probabilities after one stage.

    name    what the stage is called
    p       (V,) after it, 0 for what is gone; adds up to 1
    before  (V,) before it
    gone    (V,) bools: what this stage removed
    """

    name: str
    p: Array
    before: Array
    gone: Array


def _softmax(logits: Array) -> Array:
    e = np.exp(logits - logits.max())
    p: Array = e / e.sum()
    return p


def stages(record: Any) -> list[Stage]:
    """The stages that a choice went through, those left out that changed nothing because nobody asked for them.

    record    logits, penalized, scaled (V,) numbers; typical, top_k, top_p, min_p (V,) bools or None; p (V,); uniform;
              token; processed, the name and (V,) numbers of each stage before the temperature, where there were more
              than the repetition penalty

    Raises ValueError where logits, scaled, p or token are missing.
    """
    missing = [name for name in ("logits", "scaled", "p", "token") if field(record, name) is None]
    if missing:
        raise ValueError(
            f"sampling funnel: the record has no {', '.join(missing)}; expected a SamplingStep or its fields"
        )
    logits, scaled, last = (np.asarray(field(record, name), dtype=np.float64) for name in ("logits", "scaled", "p"))
    none = np.zeros(logits.shape, dtype=bool)
    found = [Stage("the model's softmax", _softmax(logits), _softmax(logits), none)]
    penalized = field(record, "penalized")
    penalized = logits if penalized is None else np.asarray(penalized, dtype=np.float64)
    if field(record, "processed"):
        before = logits
        for name, row in field(record, "processed"):
            gone = np.isneginf(row) & ~np.isneginf(before)
            found.append(Stage(name, _softmax(row), found[-1].p, gone))
            before = row
    elif not np.array_equal(penalized, logits):
        found.append(Stage("repetition penalty", _softmax(penalized), found[-1].p, none))
    if not np.array_equal(scaled, penalized):
        largest = int(np.where(np.isfinite(penalized), np.abs(penalized), -1).argmax())
        name = f"temperature {number(float(penalized[largest] / scaled[largest]))}"
        found.append(Stage(name, _softmax(scaled), found[-1].p, none))
    left = ~np.isneginf(penalized)
    for key, name in FILTERS.items():
        kept = field(record, key)
        if kept is not None:
            gone = left & ~np.asarray(kept, dtype=bool)
            left = left & ~gone
            found.append(Stage(name, _softmax(np.where(left, scaled, -np.inf)), found[-1].p, gone))
    if field(record, "uniform") is None:
        found.append(Stage("greedy: the largest", last, found[-1].p, (last == 0) & left))
    return found


def intervals(p: Any) -> Array:
    """Where each id's piece of the line from 0 to 1 begins and ends, when they are laid end to end in order of id.

    p: (V,)   →   (V, 2)
    """
    ends = np.cumsum(np.asarray(p, dtype=np.float64))
    ends = ends / ends[-1]
    return np.stack([np.concatenate([[0.0], ends[:-1]]), ends], axis=1)


def sampling_funnel(
    record: Any, labels: Sequence[Token], *, most: int = 12, title: str = "How the next token was chosen"
) -> Picture:
    """Side by side the probabilities after each stage, and below them the number drawn and the interval it fell into.

    record: see stages   labels: V of them   most: how many tokens have a row, the likeliest before the filters

    Probabilities are shares of 1, written in per cent. What a filter removed stays as a hatched, crossed-out bar of its
    last size; the last row sums up the rest of the vocabulary. The line below lays the last probabilities end to
    end in order of id, as the draw does. Raises ValueError for a record without its fields.
    """
    found = stages(record)
    token, uniform = int(field(record, "token")), field(record, "uniform")
    p = np.asarray(field(record, "p"), dtype=np.float64)
    same_length(labels, len(p), "sampling funnel: labels")
    unfiltered = next((s.before for s in found if s.gone.any()), found[-1].p)
    if most < 1:
        raise ValueError(f"sampling funnel: most is how many tokens have a row, at least 1, got {most}")
    rows = np.argsort(-unfiltered, kind="stable")[:most].tolist()
    if token not in rows:
        rows[-1] = token
    rest = np.setdiff1d(np.arange(len(p)), rows)
    with styled():
        from matplotlib.ticker import MaxNLocator

        drawn = figure(max(7.5, 2.0 + 2.25 * len(found)), 2.7 + 0.27 * (len(rows) + 1), title)
        grid = drawn.add_gridspec(2, len(found), height_ratios=[0.27 * (len(rows) + 1) + 0.5, 1.0])
        panels = [drawn.add_subplot(grid[0, n]) for n in range(len(found))]
        widest = max(float(stage.p[rows].max()) for stage in found)
        ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(0, widest)
        for axes, stage in zip(panels, found, strict=True):
            _panel(axes, stage, rows, rest, token)
            axes.set_xticks([tick for tick in ticks if tick <= 1.0])
            axes.set_xlim(0, widest * 1.42)  # room for the numbers beside the bars
        names = [f"{drawable(labels[i])}  {i}" for i in rows] + ([f"{len(rest):,} others"] if len(rest) else [])
        panels[0].set_yticks(range(len(names)), labels=names, fontsize=8.5)
        panels[0].set_ylabel("token, id")
        panels[0].get_yticklabels()[rows.index(token)].set_fontweight("bold")
        _line(drawn.add_subplot(grid[1, :]), p, rows, labels, token, uniform)
        if any(stage.gone.any() for stage in found):
            handle = hatched_patch(PAPER, GONE_HATCH, "✕ removed by this stage (bar: its share before)")
            drawn.legend(handles=[handle], loc="outside upper right", frameon=False)
    how = "greedy" if uniform is None else f"drawn with {uniform:.4f}"
    return Picture(drawn, f"{title}: {drawable(labels[token])} ({percent(float(p[token]))}), {how}")


def _panel(axes: Any, stage: Stage, rows: list[int], rest: Array, token: int) -> None:
    """The bars of one stage."""
    shares = [float(stage.p[i]) for i in rows]
    for place, (i, share) in enumerate(zip(rows, shares, strict=True)):
        if stage.gone[i]:
            before = float(stage.before[i])
            axes.barh(place, before, height=0.72, facecolor=PAPER, edgecolor=FAINT, linewidth=0.8, hatch=GONE_HATCH)
            axes.text(before, place, f" ✕ {percent(before)}", va="center", fontsize=8, color=FAINT)
        elif share == 0:
            axes.text(0, place, " –", va="center", fontsize=8, color=FAINT)
        else:
            colour = VERMILION if i == token else BLUE
            axes.barh(place, share, height=0.72, color=colour)
            weight = "bold" if i == token else "normal"
            axes.text(share, place, f" {percent(share)}", va="center", fontsize=8, color=INK, fontweight=weight)
    if len(rest):
        share, kept = float(stage.p[rest].sum()), int((stage.p[rest] > 0).sum())
        some = f"{percent(share)} together" + (f", {kept:,} left" if kept < len(rest) else "")
        none = "✕ all" if stage.gone[rest].any() else "–"
        axes.text(0, len(rows), f" {some if kept else none}", va="center", fontsize=8, color=INK if kept else FAINT)
    left, cut = int((stage.p > 0).sum()), float(stage.before[stage.gone].sum())
    below = f"{left:,} tokens"
    if stage.gone.any():
        below = f"{left:,} of {len(stage.p):,} left, {percent(cut)} cut"
    elif stage.name in FILTERS.values():
        below = f"{left:,} left, none cut"
    axes.set_title(f"{stage.name}\n{below}", loc="left", fontsize=9)
    axes.set_ylim(len(rows) + (0.6 if len(rest) else -0.4), -0.6)
    axes.set_yticks([])
    axes.set_xlabel("probability")
    axes.axhline(len(rows) - 0.5, color=LINE, linewidth=0.6)


def _line(axes: Any, p: Array, rows: list[int], labels: Sequence[Token], token: int, uniform: float | None) -> None:
    """The last probabilities end to end, with the number that was drawn."""
    ends = intervals(p)
    shown = set(rows)
    runs: list[tuple[float, float, int | None]] = []  # begin, end, id; None for others, joined
    for place in np.flatnonzero(p > 0).tolist():
        begin, end = ends[place]
        if place not in shown and runs and runs[-1][2] is None:
            runs[-1] = (runs[-1][0], end, None)
        else:
            runs.append((begin, end, place if place in shown else None))
    wide = axes.figure.get_size_inches()[0] - 1.0
    for begin, end, i in runs:
        colour = VERMILION if i == token else SKY if i is None else BLUE
        face = {"facecolor": colour, "edgecolor": PAPER, "linewidth": 0.8, "alpha": 1.0 if i == token else 0.45}
        axes.barh(0, end - begin, left=begin, height=0.8, **face)
        text = "others" if i is None else drawable(labels[i])
        if len(text) * 0.085 < (end - begin) * wide and i != token:
            axes.text((begin + end) / 2, 0, text, ha="center", va="center", fontsize=8, color=INK)
    begin, end = ends[token]
    name = f"“{drawable(labels[token])}”"
    if uniform is None:
        said = f"greedy: no number is drawn, {name} has the largest logit"
    else:
        axes.axvline(uniform, color=INK, linewidth=1.6)
        axes.plot([uniform], [0.62], "v", color=INK, markersize=7, clip_on=False)
        inside = "fell into" if begin <= uniform < end else "chose"
        said = f"drawn: {uniform:.4f} {inside} {name}, from {begin:.4f} to {end:.4f}"
    at = (begin + end) / 2 if uniform is None else uniform
    across = "left" if at < 0.3 else "right" if at > 0.7 else "center"
    box = {"boxstyle": "round,pad=.25", "facecolor": YELLOW, "edgecolor": INK, "linewidth": 0.8}
    axes.text(at, 0.95, said, ha=across, va="bottom", fontsize=9, fontweight="bold", color=INK, bbox=box)
    axes.set(xlim=(0, 1), ylim=(-0.5, 1.6), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("cumulative probability: the tokens that are left, end to end in order of id")
