"""Places for the nodes of a directed graph, in layers from top to bottom; knows sizes, not what is drawn.

Sugiyama, Tagawa & Toda 1981: layers by longest path, an order in each layer by medians of neighbours, then places;
an edge that passes layers gets a place of its own in each of them, so that it runs beside the nodes.
"""

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Box", "Layout", "layered"]

SWEEPS = 12
APART = 16.0  # between neighbours of a layer
BETWEEN = 18.0  # between layers
STRAIGHT, LOOSE = 8.0, 0.05  # how hard edges pull that go on straight; and the ends of long ones, and leaves

Name = Hashable


@dataclass(frozen=True, slots=True)
class Box:
    """A place: its middle, and its sizes."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: "Box") -> bool:
        return (
            abs(self.x - other.x) < (self.width + other.width) / 2
            and abs(self.y - other.y) < (self.height + other.height) / 2
        )


@dataclass(slots=True)
class Layout:
    """boxes: of the nodes, by name; routes: of every edge the points it runs through, labels: the box of its label."""

    boxes: dict[Name, Box] = field(default_factory=dict)
    routes: list[list[tuple[float, float]]] = field(default_factory=list)
    labels: list[Box | None] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def layered(
    sizes: Mapping[Name, tuple[float, float]],
    edges: Sequence[tuple[Name, Name]],
    labels: Sequence[tuple[float, float] | None],
    short: Sequence[bool],
) -> Layout:
    """Lay out a graph without circles.

    sizes    width and height of each node, in an order in which every node comes before those it leads to
    edges    (from, to)
    labels   size of each edge's label, or None
    short    whether an edge may end in the very next layer: it has no label then

    Edges lead down. Raises ValueError for an edge that leads to an earlier node.
    """
    order = {name: place for place, name in enumerate(sizes)}
    for a, b in edges:
        if order[a] >= order[b]:
            raise ValueError(f"layout: the edge from {a!r} to {b!r} leads back; give the nodes in order")
    layer = _layers(sizes, edges, short)
    rows: list[list[Name]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    extent = dict(sizes)
    chains: list[list[Name]] = []
    for place, ((a, b), label) in enumerate(zip(edges, labels, strict=True)):
        chain: list[Name] = [a]
        between = range(layer[a] + 1, layer[b])
        for row in between:
            step = ("edge", place, row)
            extent[step] = label if label is not None and row == between[0] else (2.0, 0.0)
            layer[step] = row
            chain.append(step)
        chains.append([*chain, b])
    for name in [*sizes, *(step for chain in chains for step in chain[1:-1])]:
        rows[layer[name]].append(name)
    up: dict[Name, list[Name]] = {name: [] for name in extent}
    down: dict[Name, list[Name]] = {name: [] for name in extent}
    for chain in chains:
        for a, b in itertools.pairwise(chain):
            down[a].append(b)
            up[b].append(a)
    rows = _ordered(rows, up, down)
    pulls: dict[tuple[Name, Name], float] = {}
    for chain, near in zip(chains, short, strict=True):
        for a, b in itertools.pairwise(chain):
            inside = a not in sizes and b not in sizes
            pulls[a, b] = pulls[b, a] = LOOSE if near else STRAIGHT if len(chain) <= 3 else 1.0 if inside else LOOSE
    x = _places(rows, up, down, extent, pulls)
    for chain in sorted(chains, key=len):
        _straighten(chain[1:-1], rows, x, extent)
    return _measured(rows, x, extent, chains, labels, sizes)


def _layers(
    sizes: Mapping[Name, tuple[float, float]], edges: Sequence[tuple[Name, Name]], short: Sequence[bool]
) -> dict[Name, int]:
    """Nodes at even layers, as long as the longest way to them; those that only feed the next one just above it."""
    layer = dict.fromkeys(sizes, 0)
    into: dict[Name, list[tuple[Name, bool]]] = {name: [] for name in sizes}
    out: dict[Name, list[tuple[Name, bool]]] = {name: [] for name in sizes}
    for (a, b), near in zip(edges, short, strict=True):
        into[b].append((a, near))
        out[a].append((b, near))
    for name in sizes:
        layer[name] = max((layer[a] + (1 if near else 2) for a, near in into[name]), default=0)
    for name in reversed(list(sizes)):
        if not into[name] and out[name]:  # a source waits until it is needed
            layer[name] = min(layer[b] - (1 if near else 2) for b, near in out[name])
    low = min(layer.values(), default=0)
    return {name: at - low for name, at in layer.items()}


def _ordered(
    rows: list[list[Name]], up: Mapping[Name, list[Name]], down: Mapping[Name, list[Name]]
) -> list[list[Name]]:
    """The order in each layer with the fewest crossings that some sweeps of medians find."""
    best, fewest = [list(row) for row in rows], _crossings(rows, down)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        for at in range(1, len(rows)) if forth else range(len(rows) - 2, -1, -1):
            near = up if forth else down
            fixed = {name: place for place, name in enumerate(rows[at - 1] if forth else rows[at + 1])}
            place = {name: i for i, name in enumerate(rows[at])}
            key = {name: _median([fixed[other] for other in near[name]], place[name]) for name in rows[at]}
            rows[at] = sorted(rows[at], key=lambda name, key=key, place=place: (key[name], place[name]))  # type: ignore[misc]
        count = _crossings(rows, down)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def _median(places: list[int], default: float) -> float:
    if not places:
        return default
    places = sorted(places)
    middle = len(places) // 2
    return places[middle] if len(places) % 2 else (places[middle - 1] + places[middle]) / 2


def _crossings(rows: list[list[Name]], down: Mapping[Name, list[Name]]) -> int:
    total = 0
    for row, below in itertools.pairwise(rows):
        place = {name: i for i, name in enumerate(below)}
        ends = [sorted(place[other] for other in down[name]) for name in row]
        seen: list[int] = []
        for some in ends:
            total += sum(1 for end in some for other in seen if other > end)
            seen += some
    return total


def _places(
    rows: list[list[Name]],
    up: Mapping[Name, list[Name]],
    down: Mapping[Name, list[Name]],
    extent: Mapping[Name, tuple[float, float]],
    pulls: Mapping[tuple[Name, Name], float],
) -> dict[Name, float]:
    """Middles of all boxes: near those of their neighbours, never nearer to one another than APART."""
    x: dict[Name, float] = {}
    for row in rows:
        x.update(_spread(row, dict.fromkeys(row, 0.0), dict.fromkeys(row, 1.0), extent))
    for sweep in range(2 * SWEEPS):
        forth = sweep % 2 == 0
        for row in rows if forth else reversed(rows):
            wanted, heavy = {}, {}
            for name in row:
                near = (up if forth else down)[name] or (down if forth else up)[name]
                weights = [pulls[name, other] for other in near]
                pulled = sum(w * x[other] for w, other in zip(weights, near, strict=True))
                wanted[name] = pulled / sum(weights) if weights else x[name]
                heavy[name] = max(weights, default=LOOSE)
            x.update(_spread(row, wanted, heavy, extent))
    return x


def _straighten(
    chain: list[Name], rows: list[list[Name]], x: dict[Name, float], extent: Mapping[Name, tuple[float, float]]
) -> None:
    """Put the points of a long edge one below the other, where their neighbours leave room."""
    found = sorted(x[step] for step in chain)
    for place in (found[-1], found[len(found) // 2], found[0]) if len(chain) > 1 else ():
        for step in chain:
            row = next(row for row in rows if step in row)
            at = row.index(step)
            beside = [*row[max(at - 1, 0) : at], *row[at + 1 : at + 2]]
            if any(
                (place - x[other]) * (1 if row.index(other) < at else -1)
                < (extent[step][0] + extent[other][0]) / 2 + APART - 1e-6
                for other in beside
            ):
                break
        else:
            x.update(dict.fromkeys(chain, place))
            return


def _spread(
    row: list[Name], wanted: Mapping[Name, float], weights: Mapping[Name, float],
    extent: Mapping[Name, tuple[float, float]],
) -> dict[Name, float]:  # fmt: skip
    """The places nearest to the wanted ones, by weighted squares, that keep their order and their distance.

    With each place less the room that those before it need, this is a regression that must not fall: neighbours that
    would are pooled (Ayer et al. 1955).
    """
    offsets, at = [], 0.0
    for left, name in zip([None, *row], row, strict=False):
        if left is not None:
            at += (extent[left][0] + extent[name][0]) / 2 + APART
        offsets.append(at)
    pools: list[tuple[float, float, int]] = []  # value, weight, how many
    for name, offset in zip(row, offsets, strict=True):
        pools.append((wanted[name] - offset, weights[name], 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (v, w, n), (u, r, m) = pools.pop(-2), pools.pop()
            pools.append(((v * w + u * r) / (w + r), w + r, n + m))
    values = [value for value, _, count in pools for _ in range(count)]
    return {name: value + offset for name, value, offset in zip(row, values, offsets, strict=True)}


def _measured(
    rows: list[list[Name]],
    x: dict[Name, float],
    extent: Mapping[Name, tuple[float, float]],
    chains: list[list[Name]],
    labels: Sequence[tuple[float, float] | None],
    nodes: Mapping[Name, tuple[float, float]],
) -> Layout:
    """Heights for the layers, and everything moved so that it begins at 0."""
    left = min((x[name] - extent[name][0] / 2 for name in x), default=0.0)
    made, y, boxes = Layout(), 0.0, {}
    for row in rows:
        tall = max((extent[name][1] for name in row), default=0.0)
        for name in row:
            boxes[name] = Box(x[name] - left, y + tall / 2, *extent[name])
        y += tall + BETWEEN
    made.width = max((box.x + box.width / 2 for box in boxes.values()), default=0.0)
    made.height = max(y - BETWEEN, 0.0)
    made.boxes = {name: boxes[name] for name in nodes}
    for chain, label in zip(chains, labels, strict=True):
        first, last = boxes[chain[0]], boxes[chain[-1]]
        middle = [(boxes[step].x, boxes[step].y) for step in chain[1:-1]]
        made.routes.append([(first.x, first.y + first.height / 2), *middle, (last.x, last.y - last.height / 2)])
        made.labels.append(boxes[chain[1]] if label is not None and len(chain) > 2 else None)
    return made
