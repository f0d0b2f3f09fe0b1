"""Loss curves as SVG, with axes and a legend; knows only points."""

import html
import math
from collections.abc import Mapping, Sequence

__all__ = ["line_chart"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 64, 16, 40, 52
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe & Ito 2008: told apart by colour-blind readers
DASHES = ("", "7 4", "2 3", "9 3 2 3")
DENSE = 200  # a line of more points is drawn thin

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


def line_chart(series: Mapping[str, Points], *, title: str, x_label: str, y_label: str) -> str:
    """A line for every named series of (x, y), as a self-contained SVG that is legible on light and dark pages.

    Points that are not finite are left out; where nothing is left the chart says so.

    >>> line_chart({"loss": [(0, 4.2), (10, 2.0)]}, title="a", x_label="step", y_label="nats")[:4]
    '<svg'
    """
    clean = {name: [p for p in points if all(map(math.isfinite, p))] for name, points in series.items()}
    every = [p for points in clean.values() for p in points]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(title)}" font-family="system-ui, sans-serif" font-size="13">',
        "<style>.i{fill:#222}.g{stroke:#bbb}.b{fill:#fff}"
        "@media(prefers-color-scheme:dark){.i{fill:#ddd}.g{stroke:#555}.b{fill:#1b1b1b}}</style>",
        f'<rect class="b" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="i" x="{LEFT}" y="22" font-size="15">{html.escape(title)}</text>',
    ]
    if not every:
        return "\n".join([*parts, f'<text class="i" x="{LEFT}" y="{HEIGHT / 2}">no points yet</text>', "</svg>"])
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    y_low, y_high = min(y for _, y in every), max(y for _, y in every)
    x_high, y_high = (x_high if x_high > x_low else x_low + 1), (y_high if y_high > y_low else y_low + 1)
    margin = 0.05 * (y_high - y_low)
    y_low, y_high = y_low - margin, y_high + margin

    def across(x: float) -> float:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    for y in _ticks(y_low, y_high, 6):
        at = f"{down(y):.1f}"
        parts.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}" stroke-width=".6"/>')
        parts.append(f'<text class="i" x="{LEFT - 8}" y="{at}" text-anchor="end" dy=".35em">{y:g}</text>')
    for x in _ticks(x_low, x_high, 8):
        at = f"{across(x):.1f}"
        parts.append(f'<text class="i" x="{at}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:g}</text>')
    centre = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="i" x="{centre}" y="{HEIGHT - 10}" text-anchor="middle">{html.escape(x_label)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="i" text-anchor="middle" transform="translate(16 {middle}) rotate(-90)">'
        f"{html.escape(y_label)}</text>"
    )
    place = WIDTH - RIGHT
    for number, (name, points) in enumerate(clean.items()):
        colour, dash = COLOURS[number % 4], DASHES[number % 4]
        width = 1 if len(points) > DENSE else 2.5
        style = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"'
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in _thin(points))
        if len(points) == 1:
            parts.append(
                f'<circle cx="{across(points[0][0]):.1f}" cy="{down(points[0][1]):.1f}" r="4" fill="{colour}"/>'
            )
        parts.append(f'<polyline points="{path}" {style} stroke-linejoin="round"/>')
        label = f"{name} {points[-1][1]:.3f}" if points else name
        parts.append(f'<text class="i" x="{place}" y="22" text-anchor="end">{html.escape(label)}</text>')
        place -= int(7.2 * len(label)) + 6
        parts.append(f'<line x1="{place - 24}" x2="{place - 2}" y1="18" y2="18" {style}/>')
        place -= 40
    return "\n".join([*parts, "</svg>"])
