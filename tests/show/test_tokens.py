"""Coloured tokens: what a browser would show is the tokens and nothing else, with ids and values at their token."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.show.test_style import LEGIBLE, contrast
from tinylm import show
from tokenizer.show import label


class Page(HTMLParser):
    """Reads the boxes: (text, attributes) in order; the tags that were met; how many lines were ended."""

    def __init__(self, text):
        super().__init__()
        self.boxes, self.tags, self.inside = [], set(), False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        attributes = dict(attributes)
        if tag == "span":
            self.boxes.append(["", attributes])
            self.inside = True

    def handle_endtag(self, tag):
        self.inside &= tag != "span"

    def handle_data(self, data):
        if self.inside:
            self.boxes[-1][0] += data


ODD = [b"<b>x</b>", b'"&amp;', b" the", b"\n", b"\xe2\x80", b"\x00\x1b[0m", "\u202eabc".encode(), "日本".encode(), b"'"]
TAGS = {"div", "style", "span", "bdi", "br", "p", "b"}


@given(st.lists(st.sampled_from(ODD) | st.binary(max_size=8) | st.text(st.characters(codec="utf-8"), max_size=8)))
def test_every_token_is_shown_once_in_order_and_nothing_of_it_is_markup(row):
    page = Page(show.tokens(row).html())
    assert page.tags <= TAGS
    as_bytes = [token if isinstance(token, bytes) else token.encode() for token in row]
    assert [text for text, _ in page.boxes] == [label(token) for token in as_bytes]
    for n, (token, (_, attributes)) in enumerate(zip(as_bytes, page.boxes, strict=True)):
        assert attributes["title"] == f"token {n}: {label(token)}, bytes {token.hex(' ')}"


def test_ids_and_values_stand_below_their_token_and_in_its_title():
    page = Page(show.tokens([b"a", b" b"], [7, 8], [0.5, 1.25], unit="loss (nats)").html())
    (_, first), (text, second), *legend = page.boxes
    assert first["data-id"] == "7 · 0.5"
    assert (text, second["data-id"]) == ("␣b", "8 · 1.25")
    assert second["title"] == "token 1: ␣b, id 8, bytes 20 62, loss (nats) 1.25"
    assert [text for text, _ in legend] == ["0", "0.31", "0.62", "0.94", "1.2"], "the legend, from the lightest"


def colours(style):
    rules = dict(rule.split(":") for rule in style.split(";"))
    return rules["color"], rules["background"]


def test_a_larger_value_has_a_darker_ground_and_all_are_legible():
    page = Page(show.tokens(["x"] * 50, values=[n / 10 for n in range(50)]).html())
    pairs = [colours(attributes["style"]) for _, attributes in page.boxes[:50]]
    assert all(contrast(ink, ground) >= LEGIBLE for ink, ground in pairs)
    from_white = [contrast(ground, "#ffffff") for _, ground in pairs]
    assert from_white == sorted(from_white)
    assert from_white[0] == pytest.approx(1)
    assert from_white[-1] > 10


def test_low_and_high_fix_the_scale_for_two_rows_to_be_compared():
    one, other = (Page(show.tokens("ab", values=v, low=0, high=10).html()) for v in ([1, 2], [1, 10]))
    assert one.boxes[0][1]["style"] == other.boxes[0][1]["style"]
    assert one.boxes[-1][0] == other.boxes[-1][0] == "10"


def test_nan_is_striped_named_and_counted():
    page = Page(show.tokens("abc", values=[1.0, float("nan"), float("inf")]).html())
    assert [attributes["data-id"] for _, attributes in page.boxes[:3]] == ["1", "NaN", "∞"]
    assert "repeating-linear-gradient" in page.boxes[1][1]["style"]
    assert page.boxes[-1][0] == "2 not finite"


def test_values_that_are_all_the_same_or_all_nan_are_drawn():
    assert "style" in show.tokens("ab", values=[0.0, 0.0]).html()
    assert "2 not finite" in show.tokens("ab", values=[float("nan")] * 2).html()
    assert Page(show.tokens([]).html()).boxes == []


def test_a_line_ends_after_a_token_that_ends_one_but_not_after_the_last():
    assert show.tokens([b"a\n", b"\n\nb", b"c\n"]).html().count("<br>") == 1


def test_title_and_unit_are_escaped():
    page = Page(show.tokens("a", values=[1.0], unit="<i>", title="<script>").html())
    assert page.tags <= TAGS


@pytest.mark.parametrize("how", [{"ids": [1]}, {"values": [1.0, 2.0, 3.0]}])
def test_ids_and_values_are_one_for_each_token(how):
    with pytest.raises(ValueError, match="expected 2, one for each"):
        show.tokens("ab", **how)
