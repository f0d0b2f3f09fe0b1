"""Grids of cells: each number stands in its cell, masks and NaN are seen, labels are in order."""

import numpy as np
import pytest

from tests.show.drawn import cell_texts, everything, hatched, maps, texts, ticks
from tinylm import show
from tinylm.show.space import cosine_similarity

pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'tinylm[show]'")

TOKENS = [b"The", b" cat", b"\n", b"\xe2\x80", "日".encode()]
WRITTEN = ["The", "␣cat", "\\n", "\\xe2\\x80", "日"]


def causal(H, T, seed=0):
    """Rows that add up to 1 over the keys up to the query's own."""
    e = np.exp(np.random.default_rng(seed).normal(size=(H, T, T))) * np.tril(np.ones((T, T)))
    return e / e.sum(axis=-1, keepdims=True)


def test_there_is_one_map_for_each_head_and_each_says_which():
    for H in (1, 2, 3, 4, 6, 12):
        drawn = maps(show.attention(causal(H, 5), TOKENS))
        assert len(drawn) == H
        if H > 1:
            assert [axes.get_title(loc="left") for axes in drawn] == [f"head {n}" for n in range(H)]


def test_the_cells_of_a_map_are_the_weights_rows_the_queries():
    p = causal(3, 5)
    for axes, weights in zip(maps(show.attention(p, TOKENS)), p, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), weights)
        assert axes.images[0].origin == "upper"
        assert "query" in axes.get_ylabel()
        assert "key" in axes.get_xlabel()


def test_all_heads_have_the_same_colours_from_0_to_1():
    picture = show.attention(causal(4, 6) * [[[1.0]], [[0.5]], [[0.1]], [[0.0]]])
    assert {axes.images[0].get_clim() for axes in maps(picture)} == {(0.0, 1.0)}
    bars = [axes for axes in picture.figure.axes if axes.get_label() == "<colorbar>"]
    assert len(bars) == 1
    assert "attention weight" in bars[0].get_ylabel()


def test_tokens_stand_on_both_axes_in_order_and_can_be_seen():
    (axes,) = maps(show.attention(causal(1, 5)[0], TOKENS))
    assert ticks(axes.xaxis) == WRITTEN or ticks(axes.xaxis) == [
        *WRITTEN[:4],
        "\\u65e5",
    ]  # as the machine's fonts have it
    assert ticks(axes.yaxis) == ticks(axes.xaxis)
    assert list(axes.get_xticks()) == list(range(5))


def test_one_query_of_a_cache_is_the_last_token():
    (axes,) = maps(show.attention(causal(1, 5)[:, -1:], [*TOKENS[:4], b"end"]))
    assert ticks(axes.yaxis) == ["end"]
    assert not hatched(axes, (1, 5)).any()


def test_what_is_masked_is_blank_and_only_that():
    T = 6
    (axes,) = maps(show.attention(causal(1, T)))
    late = ~np.tri(T, dtype=bool)
    np.testing.assert_array_equal(hatched(axes, (T, T)), late)
    assert set(cell_texts(axes)) == {(i, j) for i in range(T) for j in range(i + 1)}, "masked cells have no number"


def test_a_weight_of_zero_within_reach_is_a_number_and_not_masked():
    (axes,) = maps(show.attention(np.array([[1.0, 0.0], [1.0, 0.0]])))
    np.testing.assert_array_equal(hatched(axes, (2, 2)), [[False, True], [False, False]])
    assert cell_texts(axes)[1, 1] == ".00"
    (axes,) = maps(show.attention(np.array([[0.5, 0.0, 0.5]])))  # the one query of a cache sees all keys
    assert not hatched(axes, (1, 3)).any()


def test_a_weight_on_a_later_token_is_not_hidden_by_the_mask():
    p = causal(1, 4)
    p[0, 1, 3] = 0.25
    (axes,) = maps(show.attention(p))
    assert not hatched(axes, (4, 4))[1, 3]
    assert cell_texts(axes)[1, 3] == ".25"


def test_a_mask_of_one_s_own_is_drawn_and_an_allowed_zero_is_a_number():
    allowed = np.ones((3, 3), dtype=bool)
    allowed[2, 0] = False
    (axes,) = maps(show.attention(np.eye(3), mask=allowed))
    np.testing.assert_array_equal(hatched(axes, (3, 3)), ~allowed)
    assert cell_texts(axes)[0, 2] == ".00"


@pytest.mark.parametrize(("T", "named"), [(32, 32), (33, 17), (100, 25)])
def test_up_to_32_tokens_are_all_named_and_more_are_thinned(T, named):
    (axes,) = maps(show.attention(causal(1, T), [f"t{n}" for n in range(T)]))
    assert len(ticks(axes.xaxis)) == named
    assert ticks(axes.xaxis) == [f"t{int(place)}" for place in axes.get_xticks()]


@pytest.mark.parametrize(
    ("p", "tokens", "mask", "message"),
    [
        (np.eye(3), ["a"], None, "expected 3, one for each, got 1"),
        (np.ones(3), None, None, r"2 or 3 dimensions .* got shape \(3,\)"),
        (np.ones((3, 2)), None, None, "3 rows see only 2 columns"),
        (np.eye(3), None, np.ones((2, 2)), r"mask of shape \(3, 3\)"),
        (np.ones((1, 0, 0)), None, None, "something in it"),
    ],
)
def test_attention_says_what_it_expected(p, tokens, mask, message):
    with pytest.raises(ValueError, match=message):
        show.attention(p, tokens, mask=mask)


def test_nan_and_infinity_are_loud_in_a_matrix():
    values = np.arange(12.0).reshape(3, 4)
    values[1, 2], values[2, 3] = np.nan, -np.inf
    picture = show.matrix(values)
    (axes,) = maps(picture)
    np.testing.assert_array_equal(hatched(axes, (3, 4)), ~np.isfinite(values))
    assert cell_texts(axes)[1, 2] == "NaN"
    assert cell_texts(axes)[2, 3] == "−∞"
    assert "1 NaN, 1 infinite" in everything(picture)
    assert "1 NaN, 1 infinite" in picture.alt


def test_a_matrix_of_nan_alone_is_drawn():
    picture = show.matrix(np.full((2, 2), np.nan))
    assert "4 NaN" in picture.alt
    picture.svg()


def test_numbers_below_zero_get_a_scale_that_is_the_same_on_both_sides():
    assert maps(show.matrix([[-1.0, 3.0]]))[0].images[0].get_clim() == (-3.0, 3.0)
    assert maps(show.matrix([[1.0, 3.0]]))[0].images[0].get_clim() == (0.0, 3.0)
    assert maps(show.matrix([[1.0, 3.0]], low=-1, high=2))[0].images[0].get_clim() == (-1, 2)


def test_a_matrix_has_its_labels_in_order_and_its_numbers_in_the_cells():
    (axes,) = maps(show.matrix([[1.0, -2.0], [0.5, 0.0]], ["a ", "b"], [b"\t", "d"], unit="nats"))
    assert ticks(axes.yaxis) == ["a␣", "b"]
    assert ticks(axes.xaxis) == ["\\t", "d"]
    assert cell_texts(axes) == {(0, 0): "1", (0, 1): "−2", (1, 0): "0.5", (1, 1): "0"}


def test_a_large_matrix_has_no_numbers_and_stays_small():
    picture = show.matrix(np.random.default_rng(0).normal(size=(500, 700)))
    assert not texts(maps(picture)[0])
    assert max(picture.figure.get_size_inches()) < 14
    assert len(picture.svg()) < 2_000_000


def test_cosines_are_those_of_the_angles():
    turned = np.array([[np.cos(a), np.sin(a)] for a in (0.0, 0.3, np.pi / 2, np.pi)]) * [[1.0], [5.0], [0.1], [2.0]]
    angles = np.array([0.0, 0.3, np.pi / 2, np.pi])
    np.testing.assert_allclose(cosine_similarity(turned), np.cos(angles[:, None] - angles), atol=1e-15)


def test_position_similarity_runs_from_minus_1_to_1_and_a_row_of_zeros_has_none():
    table = np.random.default_rng(0).normal(size=(6, 3))
    table[4] = 0
    (axes,) = maps(show.position_similarity(table))
    assert axes.images[0].get_clim() == (-1.0, 1.0)
    np.testing.assert_allclose(axes.images[0].get_array()[0, 1], cosine_similarity(table)[0, 1])
    expected = np.zeros((6, 6), dtype=bool)
    expected[4] = expected[:, 4] = True
    np.testing.assert_array_equal(hatched(axes, (6, 6)), expected)


def test_a_histogram_counts_every_finite_value_and_says_what_it_left_out():
    values = np.array([0.0, 1.0, 1.0, 4.0, np.nan, np.nan, np.inf])
    picture = show.histogram(values, bins=4, unit="weight")
    (axes,) = picture.figure.axes
    counts, edges, _ = axes.patches[0].get_data()
    assert counts.tolist() == [1, 2, 0, 1]
    assert (edges[0], edges[-1]) == (0.0, 4.0)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("weight", "count")
    assert texts(axes) == ["2 NaN, 1 infinite: not drawn"]
    assert "μ = 1.5 " in axes.get_title(loc="left")


def test_a_histogram_of_nothing_finite_or_one_value_is_drawn():
    assert "3 NaN" in show.histogram([np.nan] * 3).alt
    show.histogram([2.0, 2.0]).svg()
    with pytest.raises(ValueError, match="something in it"):
        show.histogram([])


def test_scores_before_the_softmax_are_no_weights():
    with pytest.raises(ValueError, match="from 0 to 1, got -3 to 5: scores before softmax"):
        show.attention([[-3.0, 0.0], [5.0, 1.0]])
    assert len(maps(show.attention([[1.0, np.nan], [0.5, 0.5004]]))) == 1  # NaN is drawn, rounding is forgiven


def test_the_scale_beside_many_heads_stays_a_scale():
    picture = show.attention(causal(24, 3))
    (bar,) = [axes for axes in picture.figure.axes if axes.get_label() == "<colorbar>"]
    picture.figure.draw_without_rendering()
    width, height = picture.figure.get_size_inches()
    assert bar.get_position().height * height < 6.5
    assert bar.get_position().width * width < 0.5
    assert height < 20


def test_one_row_has_one_tick():
    (axes,) = maps(show.matrix(np.arange(200.0)[None]))
    shown = [tick for tick in axes.get_yticks() if -0.5 <= tick <= 0.5]
    assert shown == [0]
