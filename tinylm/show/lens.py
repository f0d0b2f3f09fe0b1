"""The logit lens: what each layer would say if it were the last; knows nothing of the model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinylm.show.axes import cells, checked, figure, hatched_patch, same_length
from tinylm.show.labels import Token, drawable, many, percent
from tinylm.show.picture import Picture
from tinylm.show.style import INK, NAN, NAN_HATCH, SEQUENTIAL, ink_on, shade, styled

__all__ = ["logit_lens"]

Array = np.ndarray
ROUNDING = 1e-3  # how far a row of float32 or float16 probabilities may be from 1


def logit_lens(
    probabilities: Any,
    labels: Sequence[Token],
    tokens: Sequence[Token] | None = None,
    *,
    targets: Sequence[int] | None = None,
    logits: bool = False,
    most: int = 14,
    title: str = "Logit lens: the most likely next token after each layer",
) -> Picture:
    """For each layer and position the token held most likely, and how likely: the last layer on top.

        p[l, t] = softmax(head(ln_f(x[l, t])))        x[0] the embeddings, x[l] the output of block l − 1

    probabilities: (L + 1, T, V), or logits with logits=True   labels: V of them   tokens: T of them, the input
    targets: T ids, what really came next, for a mark where a layer has it right

    More than `most` positions: the last ones are drawn. Raises ValueError for other shapes and for rows that do not
    add up to 1.        nostalgebraist 2020, "interpreting GPT: the logit lens"
    """
    p = checked(probabilities, (3,), "logit lens")
    if logits:
        with np.errstate(invalid="ignore"):  # ∞ − ∞: a row that holds ∞ is NaN, and drawn so
            e = np.exp(p - p.max(axis=-1, keepdims=True))
        p = e / e.sum(axis=-1, keepdims=True)
    sums = p.sum(axis=-1)
    if (np.abs(sums[np.isfinite(sums)] - 1) > ROUNDING).any():
        raise ValueError(f"logit lens: the rows add up to {sums.min():.3g} … {sums.max():.3g}, not to 1; logits=True?")
    layers, T, V = p.shape
    same_length(labels, V, "logit lens: labels")
    for given, name in ((tokens, "tokens"), (targets, "targets")):
        if given is not None:
            same_length(given, T, f"logit lens: {name}")
    outside = [int(i) for i in ([] if targets is None else targets) if not 0 <= i < V]
    if outside:
        raise ValueError(f"logit lens: targets are ids from 0 to {V - 1}, got {outside[0]}")
    first = max(0, T - most)
    best = np.where(np.isnan(p), -1, p).argmax(axis=-1)[:, first:]  # (L + 1, T)
    share = np.where(np.isfinite(sums), p.max(axis=-1), np.nan)[:, first:]  # (L + 1, T)
    goal = None if targets is None else np.asarray(targets)[first:]
    with styled():
        drawn = figure(max(1.9 + 0.86 * (T - first), 5.2), 2.0 + 0.52 * layers, title)
        axes = drawn.subplots()
        image = cells(axes, share[::-1], stops=SEQUENTIAL, low=0.0, high=1.0)
        axes.set_aspect("auto")
        for (layer, place), token in np.ndenumerate(best):
            if np.isfinite(share[layer, place]):
                right = goal is not None and bool(token == goal[place])
                _cell(axes, (place, layers - 1 - layer), drawable(labels[token], 9), float(share[layer, place]), right)
        names = ["embeddings", *(f"block {n}" for n in range(layers - 1))]
        axes.set_yticks(range(layers), labels=names[::-1])
        axes.set_ylabel("read after")
        below = [str(first + n) for n in range(T - first)]
        if tokens is not None:
            below = [f"{drawable(token, 9)}\n{place}" for token, place in zip(tokens[first:], below, strict=True)]
        axes.set_xticks(range(T - first), labels=below, fontsize=8)
        axes.set_xlabel("input token and its position" if tokens is not None else "position")
        axes.tick_params(length=0)
        _next(axes, goal, labels)
        drawn.colorbar(image, ax=axes, label="probability", aspect=20)
        if np.isnan(share).any():
            handle = hatched_patch(NAN, NAN_HATCH, f"{int(np.isnan(share).sum())} NaN")
            drawn.legend(handles=[handle], loc="outside lower left", frameon=False)
    return Picture(drawn, f"{title}: {many(layers, 'layer')} (rows) by {many(T - first, 'position')} (columns)")


def _cell(axes: Any, place: tuple[int, int], text: str, share: float, right: bool) -> None:
    """Token and probability; where it is what came next, in bold with a check mark and a frame."""
    ink = ink_on(shade(share))
    how = {"ha": "center", "color": ink, "fontweight": "bold" if right else "normal"}
    axes.text(place[0], place[1] - 0.03, f"✓{text}" if right else text, va="bottom", fontsize=8.5, **how)
    axes.text(place[0], place[1] + 0.03, percent(share), va="top", fontsize=7.5, **how)
    if right:
        from matplotlib.patches import Rectangle

        axes.add_patch(
            Rectangle((place[0] - 0.47, place[1] - 0.46), 0.94, 0.92, fill=False, edgecolor=ink, linewidth=1.4)
        )


def _next(axes: Any, goal: Array | None, labels: Sequence[Token]) -> None:
    """What really came next, along the top."""
    if goal is None:
        return
    top = axes.secondary_xaxis("top")
    top.set_xticks(range(len(goal)), labels=[drawable(labels[int(i)], 9) for i in goal], fontsize=8)
    top.set_xlabel("what came next (✓ where a layer has it)", color=INK)
    top.tick_params(length=0)
