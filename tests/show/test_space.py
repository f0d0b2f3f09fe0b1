"""Principal components against an eigen-decomposition; labels that do not lie on each other."""

import numpy as np
import pytest

from tinylm import show
from tinylm.show.space import principal_components


def vectors(V=40, C=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(V, C)) @ rng.normal(size=(C, C)) + rng.normal(size=C) * 10


@pytest.mark.parametrize("seed", range(5))
def test_the_components_are_the_eigenvectors_of_the_covariance(seed):
    """Written another way: eigenvalues of xᵀx in float64, one at a time by their definition."""
    x = vectors(seed=seed)
    points, share = principal_components(x)
    values, directions = np.linalg.eigh(np.cov(x.T))  # rising
    np.testing.assert_allclose(share, values[::-1][:2] / values.sum(), rtol=1e-10)
    for n in range(2):
        expected = np.array([(row - x.mean(axis=0)) @ directions[:, -1 - n] for row in x])
        expected *= np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(points[:, n], expected, atol=1e-10 * np.abs(x).max() * 40)


def test_the_sign_does_not_depend_on_the_decomposition():
    x = vectors()
    points, _ = principal_components(x)
    mirrored, _ = principal_components(-x)
    np.testing.assert_allclose(mirrored, points * np.sign(mirrored[0] * points[0]), atol=1e-10)
    for column in points.T:
        assert column[np.abs(column).argmax()] > 0


def test_points_on_a_line_have_all_their_variance_in_one_component():
    points, share = principal_components(np.arange(5.0)[:, None] * [3.0, 4.0])
    np.testing.assert_allclose(points[:, 0] * np.sign(points[-1, 0]), [-10, -5, 0, 5, 10])
    np.testing.assert_allclose(share, [1, 0], atol=1e-15)


def test_vectors_that_are_all_the_same_have_no_variance_to_share():
    assert principal_components(np.ones((3, 3)))[1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("x", "message"), [(np.ones((1, 5)), "as many rows"), (np.full((3, 3), np.nan), "9 NaN"), (np.ones(4), "2 dim")]
)
def test_components_say_what_they_expected(x, message):
    with pytest.raises(ValueError, match=message):
        principal_components(x)


class TestPicture:
    @pytest.fixture(autouse=True)
    def _needed(self):
        pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'tinylm[show]'")

    def labels(self, axes):
        return [text for text in axes.texts if text.get_text()]

    def test_every_row_is_a_dot_where_its_components_are(self):
        x = vectors()
        (axes,) = show.embeddings(x, [str(n) for n in range(40)]).figure.axes
        drawn = np.concatenate([line.get_xydata() for line in axes.lines if line.get_linestyle() == "None"])
        np.testing.assert_allclose(drawn, principal_components(x)[0])

    def test_the_axes_name_their_share_of_the_variance(self):
        x = vectors()
        (axes,) = show.embeddings(x, [""] * 40).figure.axes
        for label, share in zip((axes.get_xlabel(), axes.get_ylabel()), principal_components(x)[1], strict=True):
            assert f"{100 * share:.1f}% of the variance" in label

    @pytest.mark.parametrize("V", [10, 40, 300])
    def test_no_label_lies_on_another_or_outside(self, V):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        picture = show.embeddings(vectors(V), [f" token {n}" for n in range(V)])
        renderer = FigureCanvasAgg(picture.figure).get_renderer()
        picture.figure.draw_without_rendering()
        (axes,) = picture.figure.axes
        boxes = [text.get_window_extent(renderer) for text in self.labels(axes)]
        assert len(boxes) >= min(V, 10)
        assert not [(a, b) for n, a in enumerate(boxes) for b in boxes[:n] if a.overlaps(b)]
        frame = axes.get_window_extent(renderer)
        assert all(frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1 for box in boxes)
        assert f"{len(boxes)} of {V} labels had room" in axes.get_title(loc="left")

    def test_labels_are_those_asked_for_beside_their_dots(self):
        x = vectors()
        (axes,) = show.embeddings(x, [b" %d" % n for n in range(40)], ids=[5, 30]).figure.axes
        points = principal_components(x)[0]
        assert [text.get_text() for text in self.labels(axes)] == ["␣5", "␣30"]
        for text, row in zip(self.labels(axes), (5, 30), strict=True):
            np.testing.assert_allclose(text.xy, points[row])

    def test_groups_have_a_colour_a_marker_and_a_name(self):
        (axes,) = show.embeddings(vectors(), [""] * 40, groups={"low": range(10), "high": range(30, 40)}).figure.axes
        names = [text.get_text() for text in axes.get_legend().get_texts()]
        assert names == ["others", "low", "high"]
        dots = [line for line in axes.lines if line.get_linestyle() == "None"]
        assert [len(line.get_xdata()) for line in dots] == [20, 10, 10]
        assert len({line.get_marker() for line in dots[1:]}) == len({line.get_color() for line in dots}) - 1 == 2

    @pytest.mark.parametrize(
        ("how", "message"),
        [
            ({"labels": ["a"]}, "expected 40"),
            ({"method": "tsne"}, "must be 'pca', got 'tsne'"),
            ({"ids": [40]}, "row 40 is asked for; the vectors have rows 0 … 39"),
            ({"groups": {name: [0] for name in "abcde"}}, "4 groups"),
        ],
    )
    def test_wrong_arguments_are_explained(self, how, message):
        with pytest.raises(ValueError, match=message):
            show.embeddings(vectors(), **{"labels": [""] * 40, **how})
