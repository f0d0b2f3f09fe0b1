"""What explanations draw, for terminals and for pages: complete, safe, legible, and as wide as asked."""

import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tokenizer import CharTokenizer, Tokenizer, TokenizerError, merges, train_bpe
from tokenizer import show as shown
from tokenizer.encode import EncodeStep
from tokenizer.explain import explain
from tokenizer.replay import CLASSIC, explain_training, replay
from tokenizer.show.page import whole_page
from tokenizer.show.style import DARK, LIGHT, READ_ON
from tokenizer.show.terminal import FAINT, GROUNDS, INK, SPECIAL, tokens_text, window
from tokenizer.show.tree import cells

CORPUS = "The naïve 🙂 <b>cat</b> & the \"cat's\" mat — 日本語\n\n  if x:\n\treturn 'low' lower lowest\n" * 5
TOK = train_bpe([CORPUS], 305, special_tokens=["<|end|>", "<|x|>"])
VOID = {"meta"}
TEXTS = st.text(st.sampled_from(sorted({*CORPUS, *"\r\\\u0301\u200d\u202e\u00a0␣שé"}))) | st.text()
COUNTS = st.dictionaries(st.text("aeb ", min_size=1, max_size=8).map(str.encode), st.integers(1, 9), max_size=8)
RULES = ["huggingface", "smallest_ids", "greatest_bytes", "first_seen"]


class Page(HTMLParser):
    """Reads a page: checks that its elements nest, and keeps the text of the tokens and all the titles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.tokens, self.everything, self.names = "", "", set[str]()
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if ("div", "text") in self.open:
            self.tokens += data
        if self.open and self.open[-1][0] != "style":
            self.everything += data


def uncoloured(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def luminance(red: int, green: int, blue: int) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    low, high = sorted([luminance(*a), luminance(*b)])
    return (high + 0.05) / (low + 0.05)


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def xterm(number: int) -> tuple[int, ...]:
    """The colours 16 to 255 of xterm: a cube of 6 x 6 x 6, then greys."""
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    steps = (0, 95, 135, 175, 215, 255)
    return tuple(steps[(number - 16) // part % 6] for part in (36, 6, 1))


@given(TEXTS)
def test_an_explanation_has_the_ids_and_the_text_that_encode_has(text: str) -> None:
    seen = explain(TOK, text, disallowed_special=())
    assert seen.ids == TOK.encode(text, disallowed_special=())
    assert "".join(piece.text for piece in seen.pieces) == text
    for piece, count in seen.words().items():
        assert count == sum(each == piece for each in seen.pieces)
        steps = list(seen.steps(piece))
        assert len(piece.text.encode()) - len(piece.ids) == len(steps)
        assert not steps or steps[-1].ids == piece.ids


def test_special_tokens_are_explained_as_encode_treats_them() -> None:
    text = "a<|end|><|x|>"
    seen = explain(TOK, text, allowed_special={"<|x|>"}, disallowed_special=())
    assert seen.ids == TOK.encode(text, allowed_special={"<|x|>"}, disallowed_special=())
    assert [piece.text for piece in seen.pieces if piece.is_special] == ["<|x|>"]
    assert 'class="t special" title="special token, id 304' in seen.html()
    with pytest.raises(TokenizerError, match="character 1"):
        explain(TOK, text)


def test_a_pattern_that_looks_around_is_explained_as_it_cuts_the_whole_text() -> None:
    tok = train_bpe(["abb"], 257, pattern="(?<=a)bb|.", special_tokens=[])
    assert explain(tok, "abb").ids == tok.encode("abb")


@given(TEXTS, st.integers(20, 60), st.booleans())
def test_a_terminal_gets_no_control_character_and_no_line_too_long(text: str, width: int, colour: bool) -> None:
    seen = explain(TOK, text, disallowed_special=()).text(width=width, colour=colour, words=None)
    assert ("\x1b" in seen) == (colour and bool(text))
    for line in uncoloured(seen).split("\n"):
        assert line.isprintable()
        assert shown.display_width(line) <= width or "merge " in line  # a row has 10 columns for its word at least


@given(TEXTS)
def test_the_tokens_are_all_there_in_brackets_and_in_colour(text: str) -> None:
    pieces = explain(TOK, text, disallowed_special=()).pieces
    expected = "".join(shown.label(token) for piece in pieces for token in piece.tokens)
    coloured = uncoloured(tokens_text(pieces, width=30, colour=True))
    assert coloured.replace(" ", "").replace("\n", "") == expected
    bracketed = tokens_text(pieces, width=30, colour=False).replace(" ", "").replace("\n", "")
    assert bracketed == "".join(f"[{shown.label(token)}]" for piece in pieces for token in piece.tokens)


def test_labels_are_never_ambiguous() -> None:
    tokens = [b" ", "␣".encode(), b"\n", b"\\n", b"\xa0", "\u00a0".encode(), b"\x1b", "\u202e".encode(), b"\\xa0"]
    labels = [shown.label(token) for token in tokens]
    assert labels == ["␣", "\\u2423", "\\n", "\\\\n", "\\xa0", "\\u00a0", "\\x1b", "\\u202e", "\\\\xa0"]


def test_columns_line_up_by_what_a_terminal_shows() -> None:
    tok = train_bpe(["日本 日本 naïve naïve e\u0301 e\u0301"] * 3, 270)
    rows = [line for line in explain(tok, "日本").text(width=80).splitlines() if "merge " in line]
    assert len({shown.display_width(row[: row.index("merge")]) for row in rows}) == 1


def test_long_words_and_long_texts_are_cut_short_unless_all_is_asked_for() -> None:
    tok = train_bpe(["a" * 64 + " b"], 259)
    word = "a" * 20_000  # would take minutes if every merge were made to show a few
    seen = explain(tok, word)
    text, html = str(seen), seen.html()
    assert len(text) + len(html) < 600_000
    assert "more merges" in text
    assert "more merges" in html
    assert max(map(shown.display_width, text.splitlines())) <= 80
    many = explain(TOK, "x".join(f" {n}" for n in range(3000)))
    assert "more words; --words all, or words=None in Python" in many.text(width=80)
    assert "more" in many.html()
    assert "more word" not in many.text(words=None) + many.html(words=None)


def test_a_word_without_room_is_shown_around_the_merge() -> None:
    tokens = [*"abcdefgh", "ij", *"klmnop"]
    assert window(tokens, 16, 8, [8]) == "… g h [ij] k l …"
    assert window(tokens, 100, 8, [8]) == "a b c d e f g h [ij] k l m n o p"


@given(TEXTS)
def test_the_text_can_be_copied_from_the_page(text: str) -> None:
    """All but control characters, which HTML cannot hold, and code points that mean nothing."""
    text = "".join(c for c in text if c in "\n\r\t" or unicodedata.category(c) not in ("Cc", "Cn"))
    page = Page(explain(TOK, text, disallowed_special=()).html(words=None))
    assert page.tokens == text


@given(TEXTS)
def test_pages_nest_escape_everything_and_need_nothing_from_outside(text: str) -> None:
    html = whole_page(explain(TOK, text, disallowed_special=()).html(), text)
    page = Page(html)
    allowed = "html head meta title style body div p span bdi details summary table caption tr th td small".split()
    attributes = "lang charset name content class title aria-label role dir translate open data-id data-m scope"
    assert page.names <= {*allowed, *attributes.split(), "colspan", "rowspan"}
    style = re.search(r"<style>.*?</style>", html, re.DOTALL)
    assert style is not None
    assert not re.search("url|import|http", style.group())


def test_markup_in_a_text_stays_text() -> None:
    text = "<script>alert(\"1\")</script> & 'x' &amp; <img src=x onerror=y>"
    html = explain(TOK, text).html()
    assert "<script" not in html
    assert "<img" not in html
    assert Page(html).tokens == text
    assert "&amp;" in html
    training = explain_training({b"<b>": 3, b'"&': 2}).html()
    Page(training)
    assert "<b>&" not in training
    assert "&lt; + b" in training


def test_a_page_shows_ids_bytes_of_half_characters_words_and_specials() -> None:
    tok = train_bpe(["ab"], 258, special_tokens=["<|x|>"])
    html = explain(tok, "ab é<|x|>", allowed_special="all").html()
    assert '<span class="t t0" title="id 256, ab, bytes 61 62" data-id="256">ab</span>' in html
    assert 'data-id="195"><span class="m" data-m="c3"></span></span>' in html
    assert 'data-id="169"><span class="m" data-m="a9"></span><bdi>é</bdi></span>' in html
    assert 'class="t special" title="special token, id 257' in html
    assert html.split("<details>")[0].count('<span class="w">') == 3
    assert "<td>195</td><td>\\xc3</td><td>c3</td>" in html  # and the same as a table


def test_a_word_that_is_a_token_without_merges_is_shown_as_such() -> None:
    class IgnoresMerges(Tokenizer):
        def encode_steps(self, word: str | bytes) -> Iterator[EncodeStep]:
            return iter(())

    seen = explain(IgnoresMerges.from_merges(TOK.vocab, TOK.merges, pattern=TOK.pattern), " low")
    assert seen.text().endswith("␣low → 261\n  in the vocabulary as a whole: not merged")
    assert "<p>in the vocabulary as a whole: not merged, id 261</p>" in seen.html()


@given(TEXTS)
@example(CORPUS)
def test_the_tree_of_a_word_fills_its_table_each_place_once(text: str) -> None:
    for word in TOK.split(text):
        data, steps = word.encode(), list(TOK.encode_steps(word))
        boxes = cells(len(data), steps)
        places = [(row, column) for c in boxes for row in range(c.top, c.bottom) for column in range(c.begin, c.end)]
        rows = max(c.bottom for c in boxes)
        assert sorted(places) == [(row, column) for row in range(rows) for column in range(len(data))]
        finished = sorted((c.place, c.begin, c.end) for c in boxes if c.place is not None)
        assert [data[begin:end] for _, begin, end in finished] == [TOK.vocab[i] for i in TOK.encode_ordinary(word)]


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_every_text_on_a_page_has_enough_contrast(colours: dict[str, str]) -> None:
    assert LIGHT.keys() == DARK.keys()
    for ink, ground in READ_ON:
        assert contrast(rgb(colours[ink]), rgb(colours[ground])) >= 4.5, (ink, ground)  # WCAG 2.2, 1.4.3
    for part in ("line", "bar", "won"):
        assert contrast(rgb(colours[part]), rgb(colours["paper"])) >= 2.5, part  # lines and bars, not text


def test_every_text_on_a_terminal_has_enough_contrast() -> None:
    for ground in GROUNDS:
        assert contrast(xterm(INK), xterm(ground)) >= 4.5
        assert contrast(xterm(FAINT), xterm(ground)) >= 4.5
    assert contrast(xterm(SPECIAL[0]), xterm(SPECIAL[1])) >= 4.5


def test_a_notebook_gets_html_and_everyone_else_the_text() -> None:
    for seen in (explain(TOK, "the cat"), explain_training(n_merges=2), explain(CharTokenizer("abc"), "cab")):
        assert repr(seen) == str(seen) == seen.text()
        assert seen._repr_html_() == seen.html()


@pytest.mark.parametrize("rule", RULES)
@given(counts=COUNTS, rivals=st.integers(0, 4))
def test_a_replay_makes_the_merges_of_training_and_gives_true_reasons(
    rule: str, counts: dict[bytes, int], rivals: int
) -> None:
    rounds = list(replay(counts, 12, tie_break=rule, rivals=rivals, samples=20))
    assert [each.merge for each in rounds] == list(merges(counts, 12, tie_break=rule, rivals=rivals))
    for each in rounds:
        merge = each.merge
        tied = [rival for rival in merge.rivals if rival.count == merge.count]
        assert bool(each.tie) >= bool(tied)
        if each.tie:
            key, other = each.tie.key, each.tie.rival_key
            if rule == "first_seen":
                assert (key.number, key.offset) < (other.number, other.offset)
            else:
                assert key > other if rule == "greatest_bytes" else key < other
            assert list(each.tie.rivals[: len(tied)]) == tied
        frequencies = [sample.count for sample in each.samples]
        assert frequencies == sorted(frequencies, reverse=True)
        for sample in each.samples:
            assert b"".join(sample.before) == b"".join(sample.after) == sample.word
            assert counts[sample.word] == sample.count
            assert {sample.after[place] for place in sample.made} == {merge.token_bytes}
        held = sum(sample.count * len(sample.made) for sample in each.samples)
        assert held <= merge.count  # "aaa" holds (a, a) twice, and one of the two is merged
        assert merge.left == merge.right or held == merge.count


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("huggingface", "the smallest ids, with bytes numbered printable first: (68, 82) before (82, 83)"),
        (
            "smallest_ids",
            "e + s beat s + t (both 9 times): smallest_ids takes the smallest ids: (101, 115) before (115,",
        ),
        (
            "greatest_bytes",
            "s + t beat e + s (both 9 times): greatest_bytes takes the greatest byte strings: (s, t) be",
        ),
        ("first_seen", "the pair met first in the corpus: byte 3 of word 2 (newest) before byte 4 of word 2 (newest)"),
    ],
)
def test_a_tie_is_told_in_words_with_what_was_compared(rule: str, says: str) -> None:
    seen = explain_training(n_merges=1, tie_break=rule)
    assert says in seen.text(width=1000)
    assert says in Page(seen.html()).everything


def test_a_tie_of_many_says_how_many() -> None:
    counts = {b"ab": 2, b"cd": 2, b"ef": 2, b"gh": 2}
    assert "a + b beat c + d and 2 others (all 2 times)" in explain_training(counts, rivals=3).text(width=1000)
    assert "a + b beat c + d and at least 1 other (all 2" in explain_training(counts, rivals=1).text(width=1000)
    assert "a + b beat c + d and perhaps others (all 2" in explain_training(counts, rivals=0).text(width=1000)


def test_a_replay_of_text_says_when_there_is_nothing_left() -> None:
    seen = explain_training(["ab ab", "b"], 5)
    assert seen.text(width=80).startswith("3 different words, 3 in all; all 2 merges that there are, ties broken by")
    assert "no pair to merge" in explain_training({}, 5).text()
    assert explain_training(CLASSIC).rounds == explain_training().rounds


def test_training_stays_in_the_width_and_shows_no_control_character() -> None:
    seen = explain_training({b"\x1b[31m" * 30: 2, "日本語\u202e".encode() * 9: 3, b"x" * 500: 4}, 30)
    for line in uncoloured(seen.text(width=60, colour=True)).split("\n"):
        assert line.isprintable()
        assert shown.display_width(line) <= 60


def test_a_table_of_merges_shows_pair_token_count_and_rivals() -> None:
    table = shown.merge_table(merges({b" low": 5, b"new": 2}, 2, rivals=2))
    assert table.splitlines() == [
        "  rank  id   pair    token  count  next in line",
        "  0     256  l + o   lo     5      o + w: 5, ␣ + l: 5",
        "  1     257  ␣ + lo  ␣lo    5      lo + w: 5, e + w: 2",
    ]
    assert shown.merge_table([]) == "  rank  id  pair  token  count"
