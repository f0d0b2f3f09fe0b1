"""Loss curves with level lines: each at its height, its label beside it, and no label on another."""

import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm import show
from tinylm.show.curves import BOTTOM, HEIGHT, LINE, TOP, WIDTH
from tinylm.train import TrainingStep

SVG = "{http://www.w3.org/2000/svg}"
HALF_LETTER = 3.6


def labels(svg):
    """(text, x, y) of the texts that begin at the right of the picture."""
    return [
        (text.text, float(text.get("x")), float(text.get("y")))
        for text in svg.iter(f"{SVG}text")
        if text.get("dy") and not text.get("text-anchor")
    ]


def levels(svg):
    """(height of the line, height of its label's end) of each bound."""
    numbers = (re.findall(r"[\d.]+", path.get("d")) for path in svg.iter(f"{SVG}path"))
    return [(float(found[1]), float(found[-1])) for found in numbers]


def drawn(bounds, points=((0, 7.0), (10, 2.0)), **how):
    return ET.fromstring(show.loss_curve({"loss": list(points)}, bounds=bounds, **how).svg())


def test_each_bound_is_at_its_height_with_its_name_and_number():
    svg = drawn({"entropy": 1.0, "uniform": 9.0, "middle": 5.0})
    assert [text for text, _, _ in labels(svg)] == ["uniform 9.000", "middle 5.000", "entropy 1.000"]
    top, middle, bottom = (line for line, _ in levels(svg))
    assert middle == pytest.approx((top + bottom) / 2, abs=0.11)  # heights are written to a tenth
    line = svg.find(f"{SVG}polyline").get("points").split()
    first = float(line[0].split(",")[1])
    assert first == pytest.approx(top + (bottom - top) * (9 - 7) / (9 - 1), abs=0.11)


@given(st.lists(st.floats(0.5, 12) | st.sampled_from([1.0, 1.001, 7.0]), max_size=15), st.integers(1, 30))
def test_no_label_lies_on_another_or_outside(values, length):
    svg = drawn({f"{'n' * length}{n}": value for n, value in enumerate(values)})
    found = labels(svg)
    assert len(found) == len(values)
    heights = [y for _, _, y in found]
    assert all(later - earlier >= LINE - 0.11 for earlier, later in itertools.pairwise(heights))
    for text, x, y in found:
        assert TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1
        assert x + 2 * HALF_LETTER * len(text) <= WIDTH
    assert [end for _, end in levels(svg)] == pytest.approx(heights)


@given(
    st.lists(st.text("abc ", min_size=1, max_size=25), min_size=1, max_size=4, unique=True), st.text("xy ", max_size=60)
)
def test_the_legend_lies_neither_on_itself_nor_on_the_title(names, title):
    chart = show.loss_curve({name: [(0, 1.0), (5, 2.0)] for name in names}, title=title).svg()
    svg = ET.fromstring(chart)
    boxes = [(64.0, 64 + 8 * len(title), 22.0)]
    for text in svg.iter(f"{SVG}text"):
        if (text.text or "").endswith(" 2.000") and text.get("text-anchor") == "end":
            end = float(text.get("x"))
            boxes.append((end - 7 * len(text.text) - 30, end, float(text.get("y"))))
    assert len(boxes) == len(names) + 1
    for n, (left, right, y) in enumerate(boxes):
        assert right <= WIDTH or n == 0
        for other_left, other_right, other_y in boxes[:n]:
            assert abs(y - other_y) >= LINE or left >= other_right or right <= other_left
    highest = min(
        float(point.split(",")[1]) for line in svg.iter(f"{SVG}polyline") for point in line.get("points").split()
    )
    assert highest > max(y for _, _, y in boxes)


def test_bounds_that_are_not_finite_are_left_out_and_too_many_are_refused():
    assert labels(drawn({"a": math.nan, "b": math.inf})) == []
    with pytest.raises(ValueError, match="room for the labels of 18 bounds, got 40"):
        drawn({str(n): float(n) for n in range(40)})


def test_without_bounds_the_picture_has_no_margin_for_them():
    assert labels(drawn(None)) == labels(drawn({})) == []


def test_a_name_of_a_bound_is_escaped_and_cropped():
    ((text, _, _),) = labels(drawn({"<b>&" * 30: 1.0}))
    assert text.startswith("<b>&<b>&")
    assert len(text) < 40


def test_a_log_and_training_steps_give_the_same_curve():
    log = [{"step": 1, "loss": 4.0, "lr": 0.1}, {"step": 2, "loss": 3.0}]
    steps = [TrainingStep(entry["step"], entry["loss"], 0.1, 1.0, False, 10, 0.1) for entry in log]
    assert show.loss_curve(log).svg() == show.loss_curve(steps).svg()


def test_the_axes_have_names_and_units():
    texts = [text.text for text in drawn({"entropy": 1.0}).iter(f"{SVG}text")]
    assert {"training step", "loss (nats per token)"} <= set(texts)


def test_nothing_yet_is_said():
    picture = show.loss_curve([])
    assert "no points yet" in picture.svg()
    assert "no points yet" in picture.alt
