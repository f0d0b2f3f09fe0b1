"""Vectors as places: embeddings in two dimensions, and how alike the rows of a table are; knows no model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinylm.show.axes import cells, checked, figure, hatched_patch, number_ticks, odd_ones, same_length
from tinylm.show.labels import Token, drawable, legible, many
from tinylm.show.picture import Picture
from tinylm.show.style import COLOURS, DIVERGING, FAINT, INK, LINE, MARKERS, NAN, NAN_HATCH, PAPER, styled

__all__ = ["cosine_similarity", "embeddings", "position_similarity", "principal_components"]

Array = np.ndarray
AROUND = (6, 0), (-6, 0), (0, 7), (0, -7), (5, 6), (-5, 6), (5, -6), (-5, -6)  # where a label may stand, in points
COVERED = 2  # a label that would hide more dots than this has no room


def principal_components(vectors: Any, count: int = 2) -> tuple[Array, Array]:
    """The directions in which the vectors differ most, found by a singular value decomposition.

        x − mean(x) = U S Wᵀ        points = (U S)[:, :count]        share = S² / Σ S²

    vectors: (V, C)   →   points: (V, count)   share of the variance: (count,), largest first        Pearson 1901

    Each column's sign is chosen so that its entry of largest size is positive: a decomposition leaves it open. Raises
    ValueError for vectors that are not finite, and for fewer rows or columns than `count`.
    """
    values = checked(vectors, (2,), "principal components")
    if min(values.shape) < count:
        raise ValueError(f"principal components: {count} of them need as many rows and columns, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(
            f"principal components: the vectors hold {odd_ones(values)}; find the first with t.find('nan')"
        )
    U, S, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)  # (V, K), (K,)
    points = (U * S)[:, :count]
    points = points * np.where(points[np.abs(points).argmax(axis=0), np.arange(count)] < 0, -1.0, 1.0)
    total = (S**2).sum()
    return points, S[:count] ** 2 / (total if total > 0 else 1.0)


def embeddings(
    vectors: Any,
    labels: Sequence[Token],
    ids: Sequence[int] | None = None,
    method: str = "pca",
    *,
    groups: Mapping[str, Sequence[int]] | None = None,
    title: str = "Token embeddings in two dimensions",
) -> Picture:
    """Every vector as a dot where the first two principal components put it; see principal_components.

    vectors: (V, C)   labels: V of them   ids: rows whose label is wanted, the most wanted first; None: all

    groups    name → rows, drawn with a colour and a marker of their own (four at most)

    Both axes have one scale, so that a distance is a distance. Labels stand where they overlap no other; those for
    which there is no room are left out and counted. Raises ValueError for another method or shape.
    """
    if method != "pca":
        raise ValueError(f"embeddings: method must be 'pca', got {method!r}")
    points, share = principal_components(vectors)
    V = len(points)
    same_length(labels, V, "embeddings: labels")
    groups = groups or {}
    if len(groups) > len(MARKERS):
        raise ValueError(f"embeddings: {len(MARKERS)} groups can be told apart, got {len(groups)}")
    wanted = list(range(V)) if ids is None else [int(i) for i in ids]
    outside = [int(i) for i in [*wanted, *(i for rows in groups.values() for i in rows)] if not 0 <= i < V]
    if outside:
        raise ValueError(f"embeddings: row {outside[0]} is asked for; the vectors have rows 0 … {V - 1}")
    with styled():
        drawn = figure(8, 6.6, title)
        axes = drawn.subplots()
        small = 4.0 if V > 200 else 6.0
        loose = sorted(set(range(V)) - {i for rows in groups.values() for i in rows})
        if loose:
            axes.plot(*points[loose].T, "o", color=LINE, markersize=small * 0.8, alpha=0.6, label="others")
        for (name, rows), colour, marker in zip(groups.items(), COLOURS, MARKERS, strict=False):
            axes.plot(*points[list(rows)].T, marker, color=colour, markersize=small, alpha=0.75, label=legible(name))
        axes.set_xlabel(f"component 1: {share[0]:.1%} of the variance")
        axes.set_ylabel(f"component 2: {share[1]:.1%} of the variance")
        axes.set_aspect("equal", adjustable="datalim")
        axes.axhline(0, color=LINE, linewidth=0.5, zorder=0)
        axes.axvline(0, color=LINE, linewidth=0.5, zorder=0)
        if groups:
            axes.legend(loc="best", framealpha=0.9)
        placed = _label(drawn, axes, points, labels, wanted)
        axes.set_title(
            f"{V} vectors of {np.shape(vectors)[1]} numbers; {placed} of {len(wanted)} labels had room",
            loc="left",
            fontsize=8.5,
            color=FAINT,
        )
    return Picture(
        drawn, f"{title}: {V} points by their first two principal components ({share.sum():.0%} of variance)"
    )


def _label(drawn: Any, axes: Any, points: Array, labels: Sequence[Token], wanted: Sequence[int]) -> int:
    """Write the labels that have room, each beside its dot, and say how many they were."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.2, foreground=PAPER)]
    canvas: Any = FigureCanvasAgg(drawn)
    renderer = canvas.get_renderer()
    drawn.draw_without_rendering()  # the axes get their place, and the points theirs
    font, scale = FontProperties(size=8), drawn.dpi / 72
    spots = axes.transData.transform(points)
    frame, taken, placed = axes.get_window_extent(renderer), np.empty((0, 4)), 0
    for i in wanted:
        text = drawable(labels[i])
        width, height, _ = renderer.get_text_width_height_descent(text, font, False)
        choices = []  # (dots it would cover, its turn, where)
        for turn, (offset, box) in enumerate(_boxes(spots[i], width, height, scale)):
            inside = box[0] > frame.x0 and box[2] < frame.x1 and box[1] > frame.y0 and box[3] < frame.y1
            hits = (taken[:, 0] < box[2]) & (taken[:, 2] > box[0]) & (taken[:, 1] < box[3]) & (taken[:, 3] > box[1])
            if inside and not hits.any():
                covered = ((spots > box[:2]) & (spots < box[2:])).all(axis=1).sum()
                if covered <= COVERED:
                    choices.append((int(covered), turn, offset, box))
        if choices:
            _, _, offset, box = min(choices, key=lambda choice: choice[:2])
            across = "left" if offset[0] > 0 else "right" if offset[0] < 0 else "center"
            upright = "center" if offset[0] else "bottom" if offset[1] > 0 else "top"
            how = {"ha": across, "va": upright, "fontproperties": font, "color": INK, "path_effects": halo}
            axes.annotate(text, points[i], offset, textcoords="offset points", **how)
            taken = np.vstack([taken, box])
            placed += 1
    return placed


def _boxes(spot: Array, width: float, height: float, scale: float) -> Iterator[tuple[tuple[int, int], Array]]:
    """Places for a label around its dot, in pixels, nearest first: left, bottom, right, top."""
    for dx, dy in AROUND:
        x, y = spot[0] + dx * scale, spot[1] + dy * scale
        left = x if dx > 0 else x - width if dx < 0 else x - width / 2
        low = y - height / 2 if dx else (y if dy > 0 else y - height)
        yield (dx, dy), np.array([left - 1, low - 1, left + width + 1, low + height + 1])


def cosine_similarity(table: Any) -> Array:
    """How alike in direction any two rows are: 1 the same, 0 at right angles, −1 opposite; NaN for a row of zeros.

        s[i, j] = xᵢ · xⱼ / (|xᵢ| |xⱼ|)

    table: (T, C)   →   (T, T)
    """
    rows = checked(table, (2,), "cosine similarity")
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    directions = rows / np.where(sizes > 0, sizes, np.nan)
    similar: Array = np.clip(directions @ directions.T, -1, 1)
    return similar


def position_similarity(
    table: Any, *, title: str = "How alike the position embeddings are", name: str = "position"
) -> Picture:
    """The cosine of the angle between any two rows of a table, as a T × T map from −1 (blue) to 1 (orange).

    table: (T, C)   →   (T, T), see cosine_similarity        name: what a row is

    A row of zeros or with NaN in it has no direction: yellow, crossed out.
    """
    similar = cosine_similarity(table)
    with styled():
        drawn = figure(6.6, 5.6, title)
        axes = drawn.subplots()
        image = cells(axes, similar, stops=DIVERGING, low=-1.0, high=1.0)
        axes.set_xlabel(f"{name} (tokens from the beginning)" if name == "position" else name)
        axes.set_ylabel(name)
        number_ticks(axes.xaxis)
        number_ticks(axes.yaxis)
        drawn.colorbar(image, ax=axes, label="cosine similarity (no unit)", aspect=30)
        odd = odd_ones(similar)
        if odd:
            axes.legend(handles=[hatched_patch(NAN, NAN_HATCH, odd)], loc="lower left", bbox_to_anchor=(0, 1))
    return Picture(
        drawn, f"{title}: cosine similarity of {many(len(similar), 'row')} with each other{', ' + odd if odd else ''}"
    )
