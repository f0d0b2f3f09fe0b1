"""Loss curves as SVG, with axes, a legend and bounds; knows only points, needs no matplotlib."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinylm.show.labels import field
from tinylm.show.picture import Picture
from tinylm.show.style import COLOURS, DASHES
from tokenizer.show.characters import crop, display_width

__all__ = ["line_chart", "loss_curve", "loss_series"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 64, 16, 40, 52
DENSE = 200  # a line of more points is drawn thin
LETTER, TITLE_LETTER = 7.2, 8.2  # widths to reckon with, in units of the picture
LINE = 17  # from one line of text to the next
LONGEST = 30  # columns of a bound's label

Points = Sequence[tuple[float, float]]


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from low to high, about so many: steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 10) for i in range(int((high - first * step) / step + 1e-9) + 1)]


def _thin(points: Points, most: int = 1500) -> Points:
    """At most `most` points, evenly chosen, the last one always among them."""
    stride = max(1, -(-len(points) // most))
    chosen = list(points[::stride])
    if points and chosen[-1] != points[-1]:
        chosen.append(points[-1])
    return chosen


def _apart(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Heights for labels that are wanted at these heights (rising), at least a line apart and inside low … high.

    >>> _apart([10.0, 12.0, 90.0], 0.0, 100.0)
    [10.0, 27.0, 90.0]
    """
    places: list[float] = []
    for height in wanted:
        places.append(max(height, low, places[-1] + LINE if places else low))
    ceiling = high
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - LINE
    return places


def _legend(labels: Sequence[str], title: str) -> list[tuple[int, int]]:
    """Row and right end of each label, from the right; row 0 is the title's own line, used where all have room."""
    widths = [int(LETTER * display_width(label)) + 46 + 24 for label in labels]
    row = 0 if sum(widths) + TITLE_LETTER * display_width(title) + LEFT < WIDTH - RIGHT else 1
    places, end = [], WIDTH - RIGHT
    for width in widths:
        if end - width < 0 and end < WIDTH - RIGHT:
            row, end = row + 1, WIDTH - RIGHT
        places.append((row, end))
        end -= width
    return places


def line_chart(
    series: Mapping[str, Points],
    *,
    title: str,
    x_label: str,
    y_label: str,
    bounds: Mapping[str, float] | None = None,
) -> str:
    """A line for every named series of (x, y), as a self-contained SVG that is legible on light and dark pages.

    bounds    name → y: level lines across the picture, each with its name and number at the right

    Points and bounds that are not finite are left out; where nothing is left the chart says so. Raises ValueError for
    more bounds than labels find room.

    >>> line_chart({"loss": [(0, 4.2), (10, 2.0)]}, title="a", x_label="step", y_label="nats")[:4]
    '<svg'
    """
    clean = {name: [p for p in points if all(map(math.isfinite, p))] for name, points in series.items()}
    every = [p for points in clean.values() for p in points]
    levels = sorted((-y, crop(name, LONGEST)) for name, y in (bounds or {}).items() if math.isfinite(y))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(title)}" font-family="system-ui, sans-serif" font-size="13">',
        "<style>.i{fill:#222}.g{stroke:#bbb}.b{fill:#fff}.l{stroke:#222}"
        "@media(prefers-color-scheme:dark){.i{fill:#ddd}.g{stroke:#555}.b{fill:#1b1b1b}.l{stroke:#ddd}}</style>",
        f'<rect class="b" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="i" x="{LEFT}" y="22" font-size="15">{html.escape(title)}</text>',
    ]
    if not every:
        return "\n".join([*parts, f'<text class="i" x="{LEFT}" y="{HEIGHT / 2}">no points yet</text>', "</svg>"])
    names = [f"{name} {points[-1][1]:.3f}" if points else name for name, points in clean.items()]
    legend = _legend(names, title)
    top = TOP + LINE * max(row for row, _ in legend)
    labels = [f"{name} {-y:.3f}" for y, name in levels]
    right = RIGHT + max((int(LETTER * display_width(label)) + 22 for label in labels), default=0)
    if len(levels) > (most := int((HEIGHT - BOTTOM - top) / LINE)):
        raise ValueError(f"line_chart: there is room for the labels of {most} bounds, got {len(levels)}")
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    heights = [y for _, y in every] + [-y for y, _ in levels]
    y_low, y_high = min(heights), max(heights)
    x_high, y_high = (x_high if x_high > x_low else x_low + 1), (y_high if y_high > y_low else y_low + 1)
    margin = 0.05 * (y_high - y_low)
    y_low, y_high = y_low - margin, y_high + margin

    def across(x: float) -> float:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - right)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - top - BOTTOM)

    edge = WIDTH - right
    for y in _ticks(y_low, y_high, 6):
        at = f"{down(y):.1f}"
        parts.append(f'<line class="g" x1="{LEFT}" x2="{edge}" y1="{at}" y2="{at}" stroke-width=".6"/>')
        parts.append(f'<text class="i" x="{LEFT - 8}" y="{at}" text-anchor="end" dy=".35em">{y:g}</text>')
    for x in _ticks(x_low, x_high, 8):
        at = f"{across(x):.1f}"
        parts.append(f'<text class="i" x="{at}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:g}</text>')
    centre = (LEFT + edge) / 2
    parts.append(f'<text class="i" x="{centre}" y="{HEIGHT - 10}" text-anchor="middle">{html.escape(x_label)}</text>')
    middle = (top + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="i" text-anchor="middle" transform="translate(16 {middle}) rotate(-90)">'
        f"{html.escape(y_label)}</text>"
    )
    at_labels = _apart([down(-y) for y, _ in levels], top, HEIGHT - BOTTOM)
    for (y, _), label, at_label in zip(levels, labels, at_labels, strict=True):
        at = f"{down(-y):.1f}"
        leader = f"M{LEFT} {at}H{edge}L{edge + 14} {at_label:.1f}"
        parts.append(f'<path class="l" d="{leader}" fill="none" stroke-width="1.3" stroke-dasharray="1 4"/>')
        parts.append(f'<text class="i" x="{edge + 18}" y="{at_label:.1f}" dy=".35em">{html.escape(label)}</text>')
    for number, (points, label, (row, end)) in enumerate(zip(clean.values(), names, legend, strict=True)):
        colour, dash = COLOURS[number % 4], DASHES[number % 4]
        width = 1 if len(points) > DENSE else 2.5
        style = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"'
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in _thin(points))
        if len(points) == 1:
            parts.append(
                f'<circle cx="{across(points[0][0]):.1f}" cy="{down(points[0][1]):.1f}" r="4" fill="{colour}"/>'
            )
        parts.append(f'<polyline points="{path}" {style} stroke-linejoin="round"/>')
        low = 22 + LINE * row
        parts.append(f'<text class="i" x="{end}" y="{low}" text-anchor="end">{html.escape(label)}</text>')
        begin = end - int(LETTER * display_width(label)) - 6
        parts.append(f'<line x1="{begin - 24}" x2="{begin - 2}" y1="{low - 4}" y2="{low - 4}" {style}/>')
    return "\n".join([*parts, "</svg>"])


SERIES = {"loss": "batch", "train_loss": "train", "val_loss": "validation"}  # fields of a record, and their names


def loss_series(records: Iterable[Any]) -> dict[str, list[tuple[float, float]]]:
    """Named points (step, loss) from records with a step and a loss: the entries of a log, or training steps.

    Raises ValueError for a loss without a step.

    >>> loss_series([{"step": 0, "val_loss": 4.2}, {"step": 1, "loss": 4.0}, {"step": 1, "lr": 0.1}])
    {'batch': [(1, 4.0)], 'validation': [(0, 4.2)]}
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SERIES.values()}
    for record in records:
        for key, name in SERIES.items():
            value = field(record, key)
            if isinstance(value, (int, float)):
                step = field(record, "step")
                if not isinstance(step, (int, float)):
                    raise ValueError(f"loss curve: expected a step with every loss, got {record!r}")
                found[name].append((step, value))
    return {name: points for name, points in found.items() if points}


def loss_curve(
    records: Iterable[Any] | Mapping[str, Points],
    *,
    bounds: Mapping[str, float] | None = None,
    title: str = "Loss",
    x_label: str = "training step",
    y_label: str = "loss (nats per token)",
) -> Picture:
    """The loss over the steps of a training, with level lines that say what a loss means.

    records    entries of a log or training steps, see loss_series; or name → points (step, loss in nats per token)
    bounds     name → nats per token: ln V is what a model that knows nothing has ("uniform"), the entropy of the token
               counts what one has that knows only how frequent each is ("unigram"), the entropy of the source is the
               floor that none can pass ("entropy")        Shannon 1948

    >>> loss_curve([{"step": 1, "loss": 4.0}, {"step": 2, "loss": 3.5}], bounds={"uniform ln V": 4.16})
    <Picture: Loss: batch ends at 3.500; uniform ln V 4.160>
    """
    series = records if isinstance(records, Mapping) else loss_series(records)
    ends = [f"{name} ends at {points[-1][1]:.3f}" for name, points in series.items() if len(points)]
    said = ", ".join(ends) + "".join(f"; {name} {value:.3f}" for name, value in (bounds or {}).items())
    chart = line_chart(series, title=title, x_label=x_label, y_label=y_label, bounds=bounds)
    return Picture(chart, f"{title}: {said or 'no points yet'}")
