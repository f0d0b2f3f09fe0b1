"""A directed graph as an SVG: boxes, ovals and arrows from top to bottom; knows only words."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from tinylm.show.layered import APART, Box, Layout, layered
from tinylm.show.picture import Picture
from tokenizer.show.characters import display_width
from tokenizer.show.style import DARK, LIGHT

__all__ = ["GraphEdge", "GraphNode", "graph"]

LETTER, SMALL = 7.3, 6.5  # columns of the two sizes of type, in units of the picture: a little more than they take
LINE, PADDING, MARGIN = 16.0, 8.0, 20.0
ROUND = 6.0
ORANGE = ("#a34700", "#f2ab7d")  # of gradients, on light and on dark grounds


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node.

    name    unique
    lines   what stands in it, the first in bold
    shape   "box", or "oval" for what nobody computed: parameters, data
    group   boxes of one group that follow one another have a frame around them, with this name
    tip     more words, shown when one points at it
    """

    name: str
    lines: tuple[str, ...]
    shape: Literal["box", "oval"] = "box"
    group: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """An arrow; `label` beside it, and below that `second` in the colour of gradients."""

    start: str
    end: str
    label: str = ""
    second: str = ""
    tip: str = ""


def graph(nodes: Sequence[GraphNode], edges: Sequence[GraphEdge], alt: str) -> Picture:
    """Draw a graph without circles; the nodes in an order in which each comes before those it leads to.

    Raises ValueError for an edge that leads back or to no node, and for two nodes of one name.
    """
    known = {node.name: node for node in nodes}
    if len(known) < len(nodes):
        raise ValueError("graph: two nodes have the same name")
    for edge in edges:
        for name in (edge.start, edge.end):
            if name not in known:
                raise ValueError(f"graph: an edge from {edge.start!r} to {edge.end!r}, but there is no node {name!r}")
    labels = [_label_size(edge) for edge in edges]
    short = [known[edge.start].shape == "oval" and label is None for edge, label in zip(edges, labels, strict=True)]
    layout = layered(
        {node.name: _size(node) for node in nodes}, [(edge.start, edge.end) for edge in edges], labels, short
    )
    return Picture(_svg(nodes, edges, layout, alt), alt)


def _size(node: GraphNode) -> tuple[float, float]:
    wide = max(
        (
            display_width(line) * (SMALL if place or node.shape == "oval" else LETTER)
            for place, line in enumerate(node.lines)
        ),
        default=0.0,
    )
    extra = 2 * PADDING if node.shape == "box" else 3 * PADDING
    return max(wide + extra, 44.0), LINE * len(node.lines) + (PADDING if node.shape == "box" else PADDING * 0.75)


def _label_size(edge: GraphEdge) -> tuple[float, float] | None:
    lines = [text for text in (edge.label, edge.second) if text]
    return (max(display_width(text) for text in lines) * SMALL + 12.0, LINE * len(lines)) if lines else None


def frames(nodes: Sequence[GraphNode], layout: Layout) -> list[tuple[str, Box]]:
    """The frames of groups that hold more than one node and nothing that is not theirs."""
    found: dict[str, list[Box]] = {}
    for node in nodes:
        if node.group:
            found.setdefault(node.group, []).append(layout.boxes[node.name])
    made = []
    for group, boxes in found.items():
        left, right = min(b.x - b.width / 2 for b in boxes), max(b.x + b.width / 2 for b in boxes)
        top, bottom = min(b.y - b.height / 2 for b in boxes), max(b.y + b.height / 2 for b in boxes)
        edge = APART / 2 - 1
        frame = Box((left + right) / 2, (top + bottom) / 2, right - left + 2 * edge, bottom - top + 2 * edge)
        foreign = (layout.boxes[node.name] for node in nodes if node.group != group)
        if len(boxes) > 1 and not any(frame.overlaps(box) for box in foreign):
            made.append((group, frame))
    return made


def _svg(nodes: Sequence[GraphNode], edges: Sequence[GraphEdge], layout: Layout, alt: str) -> str:
    framed = frames(nodes, layout)
    named = max((display_width(name) * SMALL for name, _ in framed), default=0.0)
    left = MARGIN + (named + 6 if framed else 0.0)
    width, height = layout.width + left + MARGIN, layout.height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="{_n(-left)} {_n(-MARGIN)} {_n(width)} {_n(height)}" role="img" aria-label="{escape(alt)}">',
        f"<title>{escape(alt)}</title>",
        f"<style>{_style()}</style>",
        '<defs><marker id="tinylm-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="tg-head" d="M0 0L8 4L0 8z"/></marker></defs>',
        f'<rect class="tg-paper" x="{_n(-left)}" y="{_n(-MARGIN)}" width="{_n(width)}" height="{_n(height)}"/>',
    ]
    for name, box in framed:
        x, y = box.x - box.width / 2, box.y - box.height / 2
        parts.append(
            f'<g><rect class="tg-frame" x="{_n(x)}" y="{_n(y)}" width="{_n(box.width)}" '
            f'height="{_n(box.height)}" rx="8"/><text class="tg-small tg-group" x="{_n(x - 6)}" '
            f'y="{_n(box.y + 4)}" text-anchor="end">{escape(name)}</text></g>'
        )
    for edge, route, label in zip(edges, layout.routes, layout.labels, strict=True):
        parts.append(_arrow(edge, route, label))
    parts += [_node(node, layout.boxes[node.name]) for node in nodes]
    return "".join([*parts, "</svg>"])


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _arrow(edge: GraphEdge, route: Sequence[tuple[float, float]], label: Box | None) -> str:
    """A smooth way through the points, each piece leaving and arriving straight down."""
    (x, y), rest = route[0], route[1:]
    path = [f"M{_n(x)} {_n(y)}"]
    for u, v in rest:
        bend = (v - y) / 2
        path.append(
            f"L{_n(u)} {_n(v)}"
            if abs(u - x) < 0.05
            else f"C{_n(x)} {_n(y + bend)} {_n(u)} {_n(v - bend)} {_n(u)} {_n(v)}"
        )
        x, y = u, v
    tip = f"<title>{escape(edge.tip)}</title>" if edge.tip else ""
    made = f'<g class="tg-edge">{tip}<path d="{"".join(path)}" marker-end="url(#tinylm-arrow)"/>'
    if label is not None:
        lines = [(text, css) for text, css in ((edge.label, ""), (edge.second, " tg-back")) if text]
        made += (
            f'<rect class="tg-paper" x="{_n(label.x - label.width / 2 + 2)}" y="{_n(label.y - label.height / 2)}" '
            f'width="{_n(label.width - 4)}" height="{_n(label.height)}"/>'
        )
        for place, (text, css) in enumerate(lines):
            y = label.y - label.height / 2 + LINE * (place + 0.72)
            made += (
                f'<text class="tg-small{css}" x="{_n(label.x)}" y="{_n(y)}" text-anchor="middle">{escape(text)}</text>'
            )
    return made + "</g>"


def _node(node: GraphNode, box: Box) -> str:
    x, y = box.x - box.width / 2, box.y - box.height / 2
    radius = ROUND if node.shape == "box" else box.height / 2
    tip = f"<title>{escape(node.tip)}</title>" if node.tip else ""
    made = (
        f'<g class="tg-{node.shape}">{tip}<rect x="{_n(x)}" y="{_n(y)}" width="{_n(box.width)}" '
        f'height="{_n(box.height)}" rx="{_n(min(radius, 13))}"/>'
    )
    top = y + (box.height - LINE * len(node.lines)) / 2
    for place, line in enumerate(node.lines):
        css = "tg-small" if place or node.shape == "oval" else "tg-name"
        gradient = " tg-back" if line.startswith(("‖d‖", "d = ")) else ""
        made += (
            f'<text class="{css}{gradient}" x="{_n(box.x)}" y="{_n(top + LINE * (place + 0.74))}" text-anchor="middle">'
            f"{escape(line)}</text>"
        )
    return made + "</g>"


def _style() -> str:
    def colours(of: dict[str, str], which: int) -> str:
        return (
            f".tg-paper{{fill:{of['paper']}}}.tg-name,.tg-small{{fill:{of['ink']}}}.tg-group{{fill:{of['faint']}}}"
            f".tg-box rect{{fill:{of['t3']};stroke:{of['line']}}}.tg-oval rect{{fill:{of['t1']};stroke:{of['line']}}}"
            f".tg-edge path{{stroke:{of['faint']}}}.tg-head{{fill:{of['faint']}}}.tg-frame{{stroke:{of['line']}}}"
            f".tg-back{{fill:{ORANGE[which]}}}"
        )

    font = "font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
    return (
        f".tg-name{{{font};font-size:12px;font-weight:600}}.tg-small{{{font};font-size:10.5px}}"
        ".tg-edge path{fill:none;stroke-width:1.3}.tg-frame{fill:none;stroke-dasharray:4 4}"
        ".tg-edge:hover path{stroke-width:3}"
        f"{colours(LIGHT, 0)}@media(prefers-color-scheme:dark){{{colours(DARK, 1)}}}"
    )
