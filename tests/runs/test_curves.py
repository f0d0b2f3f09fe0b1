"""The loss chart: well-formed SVG whose points are where they belong."""

import math
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from tinylm.show.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, line_chart

NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf])
SVG = "{http://www.w3.org/2000/svg}"


@given(
    st.dictionaries(st.text(max_size=5), st.lists(st.tuples(st.integers(0, 10**6), NUMBERS), max_size=30), max_size=4)
)
def test_any_points_give_a_picture_in_which_they_stand_inside_the_axes(series):
    try:
        root = ET.fromstring(line_chart(series, title="<t>", x_label="x & y", y_label='"'))
    except ET.ParseError:
        assert any(not name.isprintable() for name in series)  # XML has no control characters
        return
    for line in root.iter(f"{SVG}polyline"):
        for point in line.get("points").split():
            x, y = map(float, point.split(","))
            assert LEFT - 0.1 <= x <= WIDTH - RIGHT + 0.1
            assert TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1


def test_a_falling_loss_falls_in_the_picture():
    chart = ET.fromstring(line_chart({"loss": [(0, 4.0), (50, 3.0), (100, 2.0)]}, title="", x_label="", y_label=""))
    (line,) = chart.iter(f"{SVG}polyline")
    points = [tuple(map(float, p.split(","))) for p in line.get("points").split()]
    assert points == sorted(points), "to the right is later, further down (a larger y) is less"
    assert points[0][0] == LEFT
    assert points[-1][0] == WIDTH - RIGHT


def test_many_points_are_thinned_and_the_last_one_stays():
    series = {"loss": [(i, float(i % 7)) for i in range(100_000)]}
    assert len(line_chart(series, title="", x_label="", y_label="")) < 60_000
