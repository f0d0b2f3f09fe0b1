"""The drawn graph: nothing is missing, nothing overlaps, arrows lead down, and what is drawn is what was traced."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinylm
from tests.tracing.conftest import small
from tinylm import tensor
from tinylm.show.graph import GraphEdge, GraphNode, graph
from tinylm.show.layered import layered
from tinylm.tracing import NotInTrace

SVG = "{http://www.w3.org/2000/svg}"


def formula():
    a, b, c = (tensor(np.array(value), requires_grad=True) for value in (2.0, -3.0, 10.0))
    with tinylm.trace() as trace:
        e = a * b
        d = e + c
        ((d * 0.25).tanh() * d + e).backward()
    return trace


@pytest.fixture(scope="module")
def stepped():
    model, ids = small(n_layer=4), np.array([[1, 5, 2, 5, 7, 3], [9, 8, 7, 6, 5, 4]])
    with tinylm.trace(model) as trace:
        _, loss = model(ids[:, :-1], ids[:, 1:])
        loss.backward()
    return trace


class Drawn:
    """What stands in a picture, read from its XML."""

    def __init__(self, picture):
        self.root = ElementTree.fromstring(picture.svg())
        groups = list(self.root.iter(f"{SVG}g"))
        self.nodes = [g for g in groups if g.get("class") in ("tg-box", "tg-oval")]
        self.edges = [g for g in groups if g.get("class") == "tg-edge"]
        self.frames = [g for g in groups if g.get("class") is None]

    def boxes(self):
        return [self.box(g.find(f"{SVG}rect")) for g in self.nodes]

    @staticmethod
    def box(rect):
        x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        return x, y, x + w, y + h

    @staticmethod
    def ends(edge):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", edge.find(f"{SVG}path").get("d"))]
        return numbers[:2], numbers[-2:]

    @staticmethod
    def words(group):
        return [text.text for text in group.iter(f"{SVG}text")]


def overlaps(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def check(drawn):
    """Nothing overlaps, every arrow leads down from one node to another, all lies inside the picture."""
    boxes = drawn.boxes()
    labels = [drawn.box(r) for e in drawn.edges for r in e.findall(f"{SVG}rect")]
    solid = [*boxes, *labels]
    for i, a in enumerate(solid):
        for b in solid[:i]:
            assert not overlaps(a, b)
    x, y, w, h = map(float, drawn.root.get("viewBox").split())
    for box in solid:
        assert x <= box[0]
        assert y <= box[1]
        assert box[2] <= x + w + 0.2
        assert box[3] <= y + h + 0.2
    met = []
    for edge in drawn.edges:
        (x0, y0), (x1, y1) = drawn.ends(edge)
        assert y0 < y1
        (start,) = (i for i, b in enumerate(boxes) if b[0] <= x0 <= b[2] and abs(y0 - b[3]) < 0.2)
        (end,) = (i for i, b in enumerate(boxes) if b[0] <= x1 <= b[2] and abs(y1 - b[1]) < 0.2)
        met.append((start, end))
    return met


def test_a_formula_is_drawn_as_it_was_computed():
    trace = formula()
    drawn = Drawn(trace.graph(backward=True))
    met = check(drawn)
    words = [drawn.words(node) for node in drawn.nodes]
    ops = [w[0] for w, node in zip(words, drawn.nodes, strict=True) if node.get("class") == "tg-box"]
    assert ops == [step.op for step in trace.forward]
    ovals = sorted(w[1] for w, node in zip(words, drawn.nodes, strict=True) if node.get("class") == "tg-oval")
    assert ovals == ["10", "2", "−3"]
    assert ["multiply", "b = 0.25"] in words
    used = [len(step.inputs) for step in trace.forward]
    assert len(met) == sum(used)
    # the labels of arrows are the values: e = −6 and d = 4 go two ways each
    labels = [drawn.words(edge)[0] for edge in drawn.edges if drawn.words(edge)]
    assert sorted(labels) == sorted(["−6", "−6", "4", "4", "1", "0.7616", "3.046"])
    backs = [w for edge in drawn.edges for w in drawn.words(edge)[1:]]
    assert len(backs) == 7
    assert "d = 1" in backs
    assert "d = 0.7616" in backs


def test_an_array_that_an_op_takes_twice_has_one_arrow_with_the_sum_of_its_gradients():
    x = tensor(np.array(1.5), requires_grad=True)
    with tinylm.trace() as trace:
        w = x * 2
        (w * w).backward()
    drawn = Drawn(trace.graph(backward=True))
    check(drawn)
    assert [drawn.words(edge) for edge in drawn.edges if drawn.words(edge)] == [["3", "d = 6"]]


def edges_of(trace, steps):
    """Between which boxes arrays go, counted without any drawing: (steps, leaves)."""
    inside = {step.number for step in steps}
    between = sum(1 for s in steps for n in s.inputs if s.sources.get(n) in inside)
    return between, sum(1 for s in steps for n in s.inputs if s.sources.get(n) not in inside)


@pytest.mark.parametrize("backward", [False, True])
def test_every_step_and_every_array_of_a_model_is_there(stepped, backward):
    steps = stepped.passes[0].forward.steps
    drawn = Drawn(stepped.graph(collapse="none", backward=backward))
    met = check(drawn)
    boxes = [g for g in drawn.nodes if g.get("class") == "tg-box"]
    assert [drawn.words(g)[0] for g in boxes] == [step.op for step in steps]
    between, leaves = edges_of(stepped, steps)
    assert len(met) == between + leaves
    assert len(drawn.nodes) == len(steps) + leaves
    names = {drawn.words(g)[0] for g in drawn.nodes if g.get("class") == "tg-oval"}
    assert {name for s in steps for name in s.leaves.values()} <= names
    assert len(drawn.frames) == 4
    assert [drawn.words(g) for g in drawn.frames] == [["h.0"], ["h.1"], ["h.2"], ["h.3"]]


def test_a_model_of_many_steps_is_drawn_by_its_modules(stepped):
    drawn = Drawn(stepped.graph())
    check(drawn)
    titles = [drawn.words(g)[0] for g in drawn.nodes if g.get("class") == "tg-box"]
    block = ["ln_1", "attn", "add", "ln_2", "mlp", "add"]
    assert titles == ["wte", "getitem", "add", *block * 4, "ln_f", "linear", "softmax_cross_entropy"]
    tips = " ".join(title.text for title in drawn.root.iter(f"{SVG}title"))
    assert all(step.title in tips for step in stepped.passes[0].forward)
    width, height = (float(drawn.root.get(name)) for name in ("width", "height"))
    assert width < 800
    assert height < 4500
    assert len(stepped.graph().svg()) < 100_000


def test_the_norms_beside_arrows_are_those_of_the_gradients(stepped):
    by_node = {step.node: step for step in stepped.backward}
    expected = []
    for step in stepped.passes[0].forward:
        for name in step.sources:
            if f"d{name}" in by_node[step.node].outputs:
                g = by_node[step.node].outputs[f"d{name}"]
                extra = tuple(range(g.ndim - step.inputs[name].ndim))  # positions are added to every row of a batch
                expected.append(float(np.linalg.norm(g.sum(axis=extra))))
    drawn = Drawn(stepped.graph(collapse="none", backward=True))
    backs = [w for e in drawn.edges for w in drawn.words(e)[1:]]
    found = [float(text.removeprefix("‖d‖ ").replace("−", "-")) for text in backs]
    np.testing.assert_allclose(sorted(found), sorted(expected), rtol=6e-3)


def test_the_same_graph_is_the_same_bytes_and_saves(stepped, tmp_path):
    assert stepped.graph().svg() == stepped.graph().svg()
    stepped.save(tmp_path / "a.trace")
    again = tinylm.trace.load(tmp_path / "a.trace")
    assert again.graph(backward=True).svg() == stepped.graph(backward=True).svg()
    stepped.graph().save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text("utf-8").startswith("<svg ")
    assert stepped.graph()._repr_svg_().startswith("<svg ")


def test_a_part_is_drawn_alone(stepped):
    drawn = Drawn(stepped.graph(stepped["h.1.attn"], collapse="none"))
    check(drawn)
    assert len([g for g in drawn.nodes if g.get("class") == "tg-box"]) == len(stepped["h.1.attn"].forward)


def test_wrong_wishes_are_refused(stepped):
    with pytest.raises(ValueError, match='"module", "none" or None'):
        stepped.graph(collapse="all")
    with tinylm.trace() as nothing:
        pass
    with pytest.raises(NotInTrace, match="no forward step"):
        nothing.graph()
    with tinylm.trace() as forward:
        tensor([1.0]) * 2
    with pytest.raises(NotInTrace, match="no backward"):
        forward.graph(backward=True)


# -- any graph -------------------------------------------------------------------------------------------


@st.composite
def drawings(draw):
    count = draw(st.integers(1, 14))
    nodes = [
        GraphNode(
            str(i),
            tuple(draw(st.lists(st.text(max_size=12), min_size=1, max_size=3))),
            draw(st.sampled_from(["box", "oval"])),
        )
        for i in range(count)
    ]
    pairs = [(a, b) for b in range(count) for a in range(b)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=24)) if pairs else []
    return nodes, [GraphEdge(str(a), str(b), draw(st.sampled_from(["", "(1, 4)", "x < y & z"]))) for a, b in chosen]


def clean(text):
    return "".join(c for c in text if c.isprintable())


@given(drawings())
def test_no_graph_overlaps_or_leads_up(drawing):
    nodes, edges = drawing
    nodes = [GraphNode(n.name, tuple(map(clean, n.lines)), n.shape) for n in nodes]
    drawn = Drawn(graph(nodes, edges, "a graph"))
    met = check(drawn)
    assert met == [(int(edge.start), int(edge.end)) for edge in edges]
    assert [[w or "" for w in drawn.words(g)] for g in drawn.nodes] == [list(n.lines) for n in nodes]


def test_text_cannot_become_markup():
    bad = '</title><script>alert("x")</script>&'
    drawn = Drawn(
        graph([GraphNode("a", (bad,), tip=bad), GraphNode(bad, ("b",))], [GraphEdge("a", bad, bad, bad, bad)], bad)
    )
    assert not list(drawn.root.iter(f"{SVG}script"))
    assert drawn.words(drawn.edges[0]) == [bad, bad]


def test_edges_to_nowhere_back_and_twice_the_same_name_are_refused():
    a, b = GraphNode("a", ("a",)), GraphNode("b", ("b",))
    with pytest.raises(ValueError, match="no node 'c'"):
        graph([a, b], [GraphEdge("a", "c")], "")
    with pytest.raises(ValueError, match="leads back"):
        graph([a, b], [GraphEdge("b", "a")], "")
    with pytest.raises(ValueError, match="same name"):
        graph([a, a], [], "")


def test_an_edge_past_a_box_runs_beside_it():
    sizes = dict.fromkeys("abc", (60.0, 20.0))
    layout = layered(sizes, [("a", "b"), ("b", "c"), ("a", "c")], [(20.0, 12.0)] * 3, [False] * 3)
    box = layout.boxes["b"]
    beside = [x for x, y in layout.routes[2] if abs(y - box.y) < box.height / 2]
    assert beside
    assert all(abs(x - box.x) > box.width / 2 for x in beside)
    assert len({x for x, y in layout.routes[0]} | {x for x, y in layout.routes[1]}) <= 5
