"""The logit lens: the likeliest token of each layer and position, and how likely, in its cell."""

import numpy as np
import pytest

from tests.show.drawn import cell_texts, everything, hatched, maps, ticks
from tinylm import show

pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'tinylm[show]'")

LABELS = [b" a", b"b", b"\n", b"d"]


def test_each_cell_has_the_likeliest_token_and_its_probability_the_last_layer_on_top():
    p = np.array([[[0.1, 0.7, 0.1, 0.1], [0.97, 0.01, 0.01, 0.01]], [[0.2, 0.2, 0.6, 0.0], [0.25, 0.25, 0.2, 0.3]]])
    picture = show.logit_lens(p, LABELS, ["x", " y"])
    (axes,) = maps(picture)
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.6, 0.3], [0.7, 0.97]])
    assert ticks(axes.yaxis) == ["block 0", "embeddings"]
    assert ticks(axes.xaxis) == ["x\n0", "␣y\n1"]
    found = [text.get_text() for text in axes.texts]
    assert found == ["b", "70%", "␣a", "97%", "\\n", "60%", "d", "30%"]
    rows = [round(text.get_position()[1]) for text in axes.texts]
    assert rows == [1, 1, 1, 1, 0, 0, 0, 0], "what the embeddings say stands at the bottom"


def test_logits_give_the_picture_of_their_probabilities():
    logits = np.random.default_rng(0).normal(size=(3, 5, 4)) * 3
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    one, other = (
        maps(show.logit_lens(*args, logits=flag))[0] for args, flag in (((logits, LABELS), True), ((p, LABELS), False))
    )
    assert [t.get_text() for t in one.texts] == [t.get_text() for t in other.texts]
    np.testing.assert_allclose(one.images[0].get_array(), other.images[0].get_array())


def test_a_layer_that_has_it_right_is_marked_by_more_than_colour():
    p = np.full((2, 2, 4), 0.1)
    p[0, 0, 1] = p[1, 0, 2] = p[0, 1, 3] = p[1, 1, 3] = 0.7
    picture = show.logit_lens(p, LABELS, targets=[2, 0])
    (axes,) = maps(picture)
    assert [text.get_text() for text in axes.texts if "✓" in text.get_text()] == ["✓\\n"]
    assert [text.get_fontweight() for text in axes.texts].count("bold") == 2
    assert len(axes.patches) == 1
    assert {"\\n", "␣a"} <= set(everything(picture))


def test_of_many_positions_the_last_are_drawn():
    p = np.full((1, 40, 4), 0.25)
    (axes,) = maps(show.logit_lens(p, LABELS, [str(n) for n in range(40)], most=3))
    assert ticks(axes.xaxis) == ["37\n37", "38\n38", "39\n39"]


def test_nan_is_loud_and_has_no_token():
    p = np.full((2, 2, 4), 0.25)
    p[1, 0, 2] = np.nan
    picture = show.logit_lens(p, LABELS)
    (axes,) = maps(picture)
    np.testing.assert_array_equal(hatched(axes, (2, 2)), [[True, False], [False, False]])
    assert (0, 0) in {place for place, text in cell_texts(axes).items() if text == "NaN"}
    assert "1 NaN" in everything(picture)


@pytest.mark.parametrize(
    ("p", "how", "message"),
    [
        (np.full((1, 2, 4), 0.3), {}, "add up to 1.2 .* not to 1; logits=True"),
        (np.full((2, 4), 0.25), {}, "3 dimensions"),
        (np.full((1, 2, 3), 1 / 3), {}, "labels: expected 3"),
        (np.full((1, 2, 4), 0.25), {"tokens": ["a"]}, "tokens: expected 2"),
        (np.full((1, 2, 4), 0.25), {"targets": [1]}, "targets: expected 2"),
    ],
)
def test_wrong_arguments_are_explained(p, how, message):
    with pytest.raises(ValueError, match=message):
        show.logit_lens(p, LABELS, **how)
