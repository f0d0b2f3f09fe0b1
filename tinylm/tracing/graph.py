"""One forward pass of a trace as a graph: steps, or modules, and the arrays between them; knows nothing of drawing."""

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from tinylm.autograd import unbroadcast
from tinylm.show.graph import GraphEdge, GraphNode
from tinylm.show.graph import graph as drawn
from tinylm.show.labels import number
from tinylm.show.picture import Picture
from tinylm.tracing.select import NotInTrace, Part
from tinylm.tracing.settings import setting_text
from tinylm.tracing.step import TraceStep
from tinylm.tracing.values import Summary, Value

__all__ = ["Collapse", "block_of", "graph", "module_of"]

Collapse = str | None
MANY = 60  # steps from which modules are drawn instead
WIDE = 30  # columns of a line in a box


def block_of(scope: str) -> str:
    """The numbered module that a module lies in, or the outermost: what a frame is drawn around.

    >>> block_of("h.0.attn.c_attn"), block_of("wte"), block_of("")
    ('h.0', 'wte', '')
    """
    parts = scope.split(".")
    last = max((i for i, part in enumerate(parts) if part.isdecimal()), default=0)
    return ".".join(parts[: last + 1])


def module_of(scope: str) -> str:
    """The module that a step is drawn in: the child of its numbered module, or the outermost.

    >>> module_of("h.0.attn.c_attn"), module_of("h.0"), module_of("wte")
    ('h.0.attn', 'h.0', 'wte')
    """
    block = block_of(scope)
    return ".".join(scope.split(".")[: block.count(".") + 2]) if any(p.isdecimal() for p in block.split(".")) else block


@dataclass(slots=True, eq=False)
class _Cluster:
    """Steps drawn as one box."""

    name: str
    steps: list[TraceStep]
    whole: bool  # a module, as against a single step


def graph(part: Part, *, backward: bool = False, collapse: Collapse = None) -> Picture:
    """Draw the forward steps of one pass; see Trace.graph."""
    if collapse not in (None, "module", "none"):
        raise ValueError(f'graph: collapse is "module", "none" or None, got {collapse!r}')
    steps = _one_pass(part)
    gradients = _gradients(part, steps) if backward else None
    if collapse is None:
        collapse = "module" if len(steps) > MANY else "none"
    clusters = _clusters(steps, collapse)
    home = {step.number: cluster for cluster in clusters for step in cluster.steps}
    led = {source for step in steps for source in step.sources.values()}
    nodes, edges = [], []
    for cluster in clusters:
        feeding, more = _leaves(cluster, home, gradients)
        nodes += [*feeding, _box(cluster, ends=cluster.steps[-1].number not in led)]
        edges += [*_arrows(cluster, home, gradients), *more]
    told = f"{len(steps)} steps" + (f" in {len(clusters)} boxes" if len(clusters) < len(steps) else "")
    return drawn(nodes, edges, f"graph of a forward pass: {told}, {len(edges)} arrows")


def _one_pass(part: Part) -> list[TraceStep]:
    """The forward steps of the first pass; of all, where no module ran, as with a formula typed in."""
    steps = part.forward.steps
    if not steps:
        raise NotInTrace(f"no forward step in {part.where}; there is nothing to draw")
    return part.passes[0].forward.steps if any(step.scope for step in steps) else steps


def _gradients(part: Part, steps: list[TraceStep]) -> dict[tuple[int, str], Value]:
    """(number of a forward step, its input or "") -> the gradient by that input, by its output."""
    by_node = {step.node: step for step in steps if step.node is not None}
    found: dict[tuple[int, str], Value] = {}
    for step in part.steps:
        forward = by_node.get(step.node or 0) if step.kind == "backward" else None
        if forward is not None:
            for name, value in step.outputs.items():
                if name[1:] in forward.inputs:
                    shape = forward.inputs[name[1:]].shape
                    found[forward.number, name[1:]] = value if isinstance(value, Summary) else unbroadcast(value, shape)
    if not found:
        raise NotInTrace(
            f"no backward of these steps in {part.where}; call loss.backward() inside the block, or backward=False"
        )
    return found


def _clusters(steps: list[TraceStep], collapse: str) -> list[_Cluster]:
    if collapse == "none":
        return [_Cluster(str(step.number), [step], whole=False) for step in steps]
    found = []
    for module, run in groupby(steps, key=lambda step: module_of(step.scope)):
        inside = list(run)
        if (
            module == block_of(inside[0].scope) and "." in module
        ) or not module:  # between modules, as the + of a block
            found += [_Cluster(str(step.number), [step], whole=False) for step in inside]
        else:
            found.append(_Cluster(str(inside[0].number), inside, whole=True))
    return found


def _box(cluster: _Cluster, *, ends: bool) -> GraphNode:
    """The box of a step or a module; of one whose output no other takes, that output stands in it."""
    first, group = cluster.steps[0], _group(cluster)
    result = [f"→ {_shape(cluster.steps[-1].output)}"] if ends else []
    numbers = f"{first.number} … {cluster.steps[-1].number}"
    if not cluster.whole:
        facts = [
            f"{name} = {text}"
            for name, value in first.settings.items()
            if value is not None and len(text := setting_text(value)) <= 16 and name != "shape"
        ][:2]
        where = first.scope.removeprefix(group).strip(".")
        lines = (first.op, *([where] if where else []), *facts, *result)
        return GraphNode(cluster.name, lines, "box", group, f"step {first.number}, {first.title}\n{first.equation}")
    ops = Counter(step.op for step in cluster.steps)
    words = [f"{op} × {count}" if count > 1 else op for op, count in ops.items()]
    name = module_of(first.scope)
    title = name.removeprefix(f"{group}.") if group else name
    tip = "\n".join([f"{name}, steps {numbers}", *(f"{step.number} {step.title}" for step in cluster.steps)])
    return GraphNode(cluster.name, (title, *_wrapped(words), *result), "box", group, tip)


def _wrapped(words: list[str]) -> list[str]:
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 2 > WIDE:
            lines[-1] += ","
            lines.append("")
        lines[-1] += f", {word}" if lines[-1] else word
    return lines


def _arrows(
    cluster: _Cluster, home: dict[int, _Cluster], gradients: dict[tuple[int, str], Value] | None
) -> list[GraphEdge]:
    """Arrows from other boxes, one for each array that comes in; an array that is used twice inside has one."""
    used: dict[int, list[tuple[TraceStep, str]]] = {}
    for step in cluster.steps:
        for name, source in step.sources.items():
            if source in home and home[source] is not cluster:
                used.setdefault(source, []).append((step, name))
    arrows = []
    for source, uses in used.items():
        step, name = uses[0]
        second = ""
        if gradients is not None:
            values = [gradients[use.number, key] for use, key in uses if (use.number, key) in gradients]
            second = _gradient(values)
        tip = f"{home[source].steps[-1].scope or 'model'} → " + ", ".join(
            f"{key} of step {use.number}" for use, key in uses
        )
        arrows.append(GraphEdge(home[source].name, cluster.name, _shape(step.inputs[name]), second, tip))
    return arrows


def _leaves(
    cluster: _Cluster, home: dict[int, _Cluster], gradients: dict[tuple[int, str], Value] | None
) -> tuple[list[GraphNode], list[GraphEdge]]:
    """Ovals for what no step of the graph made: parameters and data; one for all parameters of a module."""
    found: list[tuple[str, Value, TraceStep, str]] = []
    for step in cluster.steps:
        for name, value in step.inputs.items():
            if step.sources.get(name) not in home:
                found.append((step.leaves.get(name, name), value, step, name))
    nodes, edges = [], []
    weights = [item for item in found if item[3] in item[2].leaves]
    if cluster.whole and len(weights) > 1:
        prefix = f"{module_of(cluster.steps[0].scope)}."
        names = [item[0].removeprefix(prefix) for item in weights]
        count = sum(int(np.prod(item[1].shape)) for item in weights)
        lines = [f"{len(names)} parameters", f"{count:,} numbers"]
        if gradients is not None:
            second = _gradient(
                [gradients[s.number, n] for _, _, s, n in weights if (s.number, n) in gradients], one=False
            )
            lines += [second] if second else []
        tip = "\n".join(f"{item[0]} {_shape(item[1])}" for item in weights)
        nodes.append(GraphNode(f"{cluster.name} parameters", tuple(lines), "oval", _group(cluster), tip))
        found = [item for item in found if item[3] not in item[2].leaves]
    for label, value, step, name in found:
        lines = [label, _shape(value)]
        if gradients is not None and (step.number, name) in gradients:
            lines.append(_gradient([gradients[step.number, name]]))
        tip = f"{label}: {name} of step {step.number}"
        nodes.append(GraphNode(f"{step.number} {name}", tuple(lines), "oval", _group(cluster), tip))
    edges = [GraphEdge(node.name, cluster.name, tip=node.tip) for node in nodes]
    return nodes, edges


def _group(cluster: _Cluster) -> str:
    group = block_of(cluster.steps[0].scope)
    return group if "." in group else ""


def _shape(value: Value) -> str:
    """The sizes of an array; of a single number, its value."""
    if isinstance(value, np.ndarray) and value.size == 1 and value.ndim == 0:
        return number(float(value), 4)
    return f"({', '.join(map(str, value.shape))})"


def _gradient(values: list[Value], *, one: bool = True) -> str:
    """The gradient of a single number, or the norm of an array's: of `one` over its uses, else of all together."""
    whole = [np.asarray(value, np.float64) for value in values if not isinstance(value, Summary)]
    if not whole or len(whole) < len(values):
        return ""
    if one and whole[0].size == 1:
        return f"d = {number(float(sum(value.sum() for value in whole)), 4)}"
    if one:
        whole = [np.sum(whole, axis=0)]
    return f"‖d‖ {number(float(np.sqrt(sum((value**2).sum() for value in whole))))}"
