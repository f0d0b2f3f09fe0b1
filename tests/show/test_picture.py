"""The way out of every picture: notebook, file, page; and nothing of it stays behind in matplotlib."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tinylm import show
from tinylm.show.style import needs_matplotlib

SVG = "{http://www.w3.org/2000/svg}"
EXTRA = re.escape("pip install 'tinylm[show]'")


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'tinylm[show]'")


DRAWN = {
    "attention": lambda: show.attention(np.eye(3), ["$a$", b" b", "<c>"]),
    "distributions": lambda: show.distributions({"<h.0>": np.arange(9.0)}),
    "embeddings": lambda: show.embeddings(
        np.random.default_rng(0).normal(size=(6, 4)), ["$", "$$", "<", "&", " e", "\n"]
    ),
    "histogram": lambda: show.histogram(np.arange(50.0), log=True),
    "logit_lens": lambda: show.logit_lens(np.full((2, 3, 4), 0.25), ["$", "$", "<", "&"], targets=[0, 1, 2]),
    "matrix": lambda: show.matrix(np.arange(-3.0, 3.0).reshape(2, 3)),
    "position_similarity": lambda: show.position_similarity(np.eye(4)),
    "sampling_funnel": lambda: show.sampling_funnel(
        {"logits": np.zeros(4), "scaled": np.zeros(4), "p": np.full(4, 0.25), "uniform": 0.3, "token": 1}, "ab$$"
    ),
    "statistics": lambda: show.statistics({"h.0": {"std": 1.0, "mean": 0.0}, "h.1": {"std": 1e-9, "mean": 1.0}}),
    "update_ratios": lambda: show.update_ratios({"wte": 1e-3, "wpe": 0.0}),
    "update_ratios, lines": lambda: show.update_ratios({"wte": [1e-3, 2e-3], "wpe": [1e-3, np.nan]}),
    "update_ratios, map": lambda: show.update_ratios({f"h.{n}": [1e-3, 2e-3] for n in range(9)}),
}


def test_every_picture_of_the_package_is_among_these_or_needs_no_matplotlib():
    others = {"Picture", "line_chart", "loss_curve", "measures", "tokens"}
    assert {name.partition(",")[0] for name in DRAWN} == {n for n in show.__all__ if n.islower()} - others


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_one_well_formed_svg_that_says_what_it_shows(name, matplotlib):
    picture = DRAWN[name]()
    svg = ET.fromstring(picture._repr_svg_())
    assert svg.tag == f"{SVG}svg"
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == picture.alt
    assert len(picture.alt) > 20
    assert picture._repr_html_() is None, "a notebook that has HTML would not show the SVG"


@pytest.mark.parametrize("name", DRAWN)
def test_axes_say_what_they_hold(name, matplotlib):
    """Each axis with ticks has a name, but where the one next to it, or below it, bears the same."""
    figure = DRAWN[name]().figure
    assert any(axes.get_xlabel() for axes in figure.axes)
    assert any(axes.get_ylabel() for axes in figure.axes)
    for axes in figure.axes:
        shared = axes.get_shared_x_axes().get_siblings(axes)
        assert (
            any(other.get_xlabel() for other in shared)
            or not axes.get_xticks().size
            or axes.get_label() == "<colorbar>"
        )


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_picture_is_the_same_file_whatever_the_caller_s_style_which_stays_as_it_is(name, matplotlib):
    plain = DRAWN[name]().svg()
    dark = {"figure.facecolor": "black", "text.color": "white", "axes.labelcolor": "white", "xtick.labelcolor": "white"}
    large = {"font.size": 20, "axes.linewidth": 5, "lines.linewidth": 9, "xtick.major.size": 20, "legend.fontsize": 30}
    with matplotlib.rc_context({**dark, **large, "axes.facecolor": "black", "text.parse_math": True}):
        before = dict(matplotlib.rcParams)
        assert DRAWN[name]().svg() == plain
        assert dict(matplotlib.rcParams) == before


def test_a_drawing_that_fails_puts_the_settings_back(matplotlib):
    with matplotlib.rc_context({"font.size": 33}):
        before = dict(matplotlib.rcParams)
        with pytest.raises(ValueError, match="one for each"):
            show.matrix(np.eye(2), row_labels=["only one"])
        assert dict(matplotlib.rcParams) == before


def test_pyplot_is_not_imported_and_no_backend_chosen(matplotlib):
    code = (
        "import sys\n"
        "from tinylm import show\n"
        "assert not any(name.startswith('matplotlib') for name in sys.modules), 'imported before it is needed'\n"
        "show.attention([[1.0]]).svg()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_dollar_sign_is_a_dollar_sign(matplotlib):
    (axes, *_) = show.attention(np.eye(3), ["$a$", "$\\frac{$", "c"]).figure.axes
    labels = axes.get_xticklabels()
    assert [label.get_text() for label in labels] == ["$a$", "$\\\\frac{$", "c"]
    assert not any(label.get_parse_math() for label in labels)


def test_a_character_that_no_font_has_is_written_as_its_number(matplotlib):
    picture = show.attention(np.eye(2), ["\U00012000", "é"], title="\U00012000")  # cuneiform: in none of the fonts
    (axes, *_) = picture.figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["\\U00012000", "é"]
    picture.svg()  # a glyph that is missing would be a warning, and so an error


def test_saving_goes_by_the_name(tmp_path, matplotlib):
    picture = show.matrix(np.eye(2))
    picture.save(tmp_path / "a.svg")
    picture.save(tmp_path / "a.png", dpi=50)
    picture.save(tmp_path / "b.PNG", dpi=100)
    picture.save(tmp_path / "a.html")
    assert (tmp_path / "a.svg").read_text("utf-8").startswith("<svg")
    small, large = (int.from_bytes((tmp_path / name).read_bytes()[16:20]) for name in ("a.png", "b.PNG"))
    assert large == pytest.approx(2 * small, abs=1)
    assert "<svg" in (tmp_path / "a.html").read_text("utf-8")
    with pytest.raises(ValueError, match=r"\.svg or \.png or \.html"):
        picture.save(tmp_path / "a.pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.png", "a.svg", "b.PNG"]


def test_an_svg_and_html_say_what_they_can_be_saved_as(tmp_path):
    chart, row = show.loss_curve({"a": [(0, 1.0)]}), show.tokens(["a"])
    with pytest.raises(ValueError, match=r"saved as \.svg or \.html"):
        chart.save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"saved as \.html; name"):
        row.save(tmp_path / "a.svg")
    with pytest.raises(TypeError, match="without matplotlib"):
        _ = chart.figure
    with pytest.raises(TypeError, match="HTML"):
        row.svg()
    assert chart._repr_svg_().startswith("<svg")
    assert (row._repr_svg_(), row._repr_html_()) == (None, row.html())


def test_what_a_picture_shows_is_escaped_in_its_file(tmp_path, matplotlib):
    picture = show.matrix(np.eye(2), title='<b> & "x"')
    assert ET.fromstring(picture.svg()).get("aria-label").startswith('<b> & "x"')
    picture.save(tmp_path / "a.html")
    assert "<b> &" not in (tmp_path / "a.html").read_text("utf-8")


@pytest.mark.parametrize("name", DRAWN)
def test_without_matplotlib_the_error_names_the_extra(name, monkeypatch):
    for module in [m for m in sys.modules if m.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # how Python marks what cannot be imported
    with pytest.raises(ImportError, match=EXTRA):
        DRAWN[name]()
    with pytest.raises(ImportError, match=EXTRA):
        needs_matplotlib()


def test_tokens_and_loss_curves_need_no_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "a" in show.tokens(["a"], values=[1.0]).html()
    assert "<svg" in show.loss_curve([{"step": 1, "loss": 2.0}], bounds={"entropy": 1.0}).svg()


def test_what_is_no_array_of_numbers_is_told():
    for wrong in ("abc", [[1, 2], [3]], [object()]):
        with pytest.raises(ValueError, match="matrix: expected an array of numbers"):
            show.matrix(wrong)
    with pytest.raises(ValueError, match="histogram: expected an array with something in it"):
        show.histogram([])
    with pytest.raises(ValueError, match="at least 1 bin, got 0"):
        show.histogram([1.0], bins=0)
    with pytest.raises(TypeError, match="a token is bytes or text, got 7"):
        show.tokens([7])
    with pytest.raises(ValueError, match="a step with every loss"):
        show.loss_curve([{"loss": 2.0}])
    with pytest.raises(ValueError, match="targets are ids from 0 to 1, got 5"):
        show.logit_lens([[[0.5, 0.5]]], [b"a", b"b"], targets=[5])
    with pytest.raises(ValueError, match="row 9 is asked for"):
        show.embeddings([[1.0, 2.0], [3.0, 4.0]], [b"a", b"b"], groups={"none": [9]})
    with pytest.raises(ValueError, match="got no parameter"):
        show.update_ratios({})
    with pytest.raises(ValueError, match="at least 1, got 0"):
        show.sampling_funnel({"logits": [0, 1], "scaled": [0, 1], "p": [0.3, 0.7], "token": 1}, [b"a", b"b"], most=0)


def test_one_thing_is_not_called_many():
    assert show.tokens([b"a"]).alt == "1 token"
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'tinylm[show]'")
    assert show.attention([[1.0]]).alt.endswith(": 1 head, 1 query (rows) by 1 key (columns)")
    two = show.attention([[[1.0, 0.0], [0.5, 0.5]]] * 2)
    assert two.alt.endswith(": 2 heads, 2 queries (rows) by 2 keys (columns)")
    assert "1 row, 2 columns" in show.matrix([[1.0, 2.0]]).alt
    assert "of 1 layer" in show.statistics({"h.0": {"mean": 1.0}}).alt


def test_the_alternative_text_of_a_drawn_chart_stands_in_its_svg():
    picture = show.loss_curve({"loss": [(0, 4.0), (10, 2.0)]}, bounds={"floor": 1.5})
    assert 'aria-label="Loss: loss ends at 2.000; floor 1.500"' in picture.svg()
    assert picture.svg().count("aria-label") == 1
