"""Statistics, distributions and update ratios: each number at its layer, NaN loud, the guide where it belongs."""

import numpy as np
import pytest

from tests.show.drawn import everything, maps, texts, ticks
from tinylm import show

pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'tinylm[show]'")


def panels(picture):
    return {axes.get_xlabel(): axes for axes in picture.figure.axes}


def test_there_is_one_panel_for_each_statistic_and_one_bar_for_each_layer():
    picture = show.statistics({"h.0": {"mean": -1.0, "std": 2.0}, "h.1": {"mean": 3.0, "std": 4.0}})
    drawn = panels(picture)
    assert list(drawn) == ["mean", "std"]
    assert [bar.get_width() for bar in drawn["mean"].patches] == [-1.0, 3.0]
    assert [bar.get_width() for bar in drawn["std"].patches] == [2.0, 4.0]
    assert ticks(drawn["mean"].yaxis) == ["h.0", "h.1"]
    low, high = drawn["mean"].get_ylim()
    assert low > high, "the first layer is on top"


def test_a_statistic_that_is_missing_or_not_finite_is_loud_and_has_no_bar():
    picture = show.statistics(
        {"a": {"mean": np.nan, "std": 1.0}, "b": {"mean": 1.0}, "c": {"mean": -np.inf, "std": 2.0}}
    )
    drawn = panels(picture)
    assert texts(drawn["mean"]) == ["NaN", "−∞"]
    assert texts(drawn["std"]) == ["NaN"]
    assert [bar.get_width() for bar in drawn["mean"].patches if not bar.get_hatch()] == [1.0]


def test_numbers_far_apart_stand_on_a_logarithmic_axis_that_says_so():
    drawn = panels(show.statistics({"a": {"std": 1e-6, "mean": -1e-6}, "b": {"std": 1.0, "mean": 1.0}}))
    assert list(drawn) == ["std, log scale", "mean"]
    assert drawn["std, log scale"].get_xscale() == "log"
    (dots,) = drawn["std, log scale"].lines
    assert dots.get_xydata().tolist() == [[1e-6, 0], [1.0, 1]]
    assert not any("$" in text for text in everything(show.statistics({"a": {"s": 1e-6}, "b": {"s": 1.0}})))


def test_measures_are_what_their_names_say():
    found = show.measures(np.array([[0.0, 4.0], [-4.0, 0.0]]))
    assert found == {"mean": 0.0, "std": pytest.approx(8**0.5), "max |x|": 4.0, "zeros (share)": 0.5}
    assert all(np.isnan(show.measures([1.0, np.nan])[name]) for name in ("mean", "std", "max |x|"))


def test_distributions_share_one_axis_and_count_what_lies_beyond():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=5000)
    wide[0], wide[1] = 1000.0, np.nan
    picture = show.distributions({"narrow": rng.normal(size=5000) * 0.1, "wide": wide}, unit="activation", bins=40)
    first, second = picture.figure.axes
    assert [axes.get_ylabel() for axes in (first, second)] == ["narrow", "wide"]
    assert second.get_xlabel().startswith("activation")
    assert first.get_xlim() == second.get_xlim()
    assert first.patches[0].get_data()[0].sum() == 5000
    said = texts(second)
    assert "1 NaN" in said
    outside = int(said[0].split(", ")[1].split()[0])
    counts, _, _ = second.patches[0].get_data()
    assert counts.sum() + outside + 1 == 5000


def test_ratios_of_one_step_stand_at_their_logarithms_with_a_guide_at_minus_3():
    picture = show.update_ratios({"wte.weight": 1e-2, "wpe.weight": 1e-4})
    (axes,) = picture.figure.axes
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_xdata(), [-2.0, -4.0])
    guide = next(line for line in axes.lines if line.get_linestyle() == "--")
    np.testing.assert_allclose(guide.get_xdata(), -3.0)
    assert ticks(axes.yaxis) == ["wte.weight", "wpe.weight"]
    assert any("Karpathy" in text for text in everything(picture))


def test_ratios_of_a_few_parameters_are_lines_over_their_steps():
    picture = show.update_ratios({"a": [1e-3, 1e-2], "b": [1e-1, 1e-4]}, steps=[10, 20])
    (axes,) = picture.figure.axes
    first, second, guide = axes.lines
    assert first.get_xydata().tolist() == [[10, -3], [20, -2]]
    np.testing.assert_allclose(second.get_ydata(), [-1, -4])
    np.testing.assert_allclose(guide.get_ydata(), -3)
    assert (first.get_color(), first.get_marker()) != (second.get_color(), second.get_marker())


def test_eight_lines_are_all_told_apart():
    (axes,) = show.update_ratios({str(n): [1e-3, 2e-3] for n in range(8)}).figure.axes
    styles = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.lines[:8]}
    assert len(styles) == 8
    assert len({(line.get_marker(), line.get_linestyle()) for line in axes.lines[:8]}) == 8, "also without colours"


def test_ratios_of_many_parameters_are_a_map_around_the_guide():
    rng = np.random.default_rng(0)
    ratios = {f"h.{n}": 10 ** rng.normal(-3, 1, size=5) for n in range(12)}
    picture = show.update_ratios(ratios, steps=[1, 2, 4, 8, 16])
    axes = picture.figure.axes[0]
    (mesh,) = axes.collections
    np.testing.assert_allclose(mesh.get_array(), np.log10(np.stack(list(ratios.values()))))
    low, high = mesh.get_clim()
    assert low + high == pytest.approx(-6), "white is the guide, −3"
    assert ticks(axes.yaxis) == list(ratios)
    assert not maps(picture)


@pytest.mark.parametrize("count", [2, 9])
@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_a_parameter_that_did_not_move_is_named(count, bad):
    ratios = {f"p{n}": [1e-3, bad if n == 1 else 1e-3] for n in range(count)}
    assert any("no logarithm" in text and "p1" in text for text in everything(show.update_ratios(ratios)))
    assert any("p1" in text for text in everything(show.update_ratios({"p0": 1e-3, "p1": bad})) if "no log" in text)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: show.statistics({}), "got nothing"),
        (lambda: show.distributions({}), "got nothing"),
        (lambda: show.distributions({"a": []}), "distributions: a"),
        (lambda: show.update_ratios({}), "one number a step"),
        (lambda: show.update_ratios({"a": [1.0], "b": [1.0, 2.0]}), r"\[1, 2\]"),
        (lambda: show.update_ratios({"a": [1.0]}, steps=[1, 2]), "one number a step"),
    ],
)
def test_wrong_arguments_are_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
