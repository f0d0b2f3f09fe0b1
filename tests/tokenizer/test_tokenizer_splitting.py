"""Text to pre-tokens: nothing is lost, and blocks of a stream split as the whole does."""

from itertools import pairwise, product

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizer_oracles import CL100K, R50K, is_space, split_gpt2, split_gpt4
from tokenizer_strategies import CUSTOM, SPECIALS, texts, texts_with_specials

from tokenizer import PATTERNS, TokenizerError
from tokenizer.blocks import blocks
from tokenizer.patterns import GPT2_PATTERN, Splitter
from tokenizer.special import split_special

patterns = st.sampled_from([*PATTERNS, CUSTOM, r"\s+", r"(a)|(?=b)", r"x*"])


@given(texts, patterns)
def test_pieces_join_to_the_text_and_none_is_empty(text: str, pattern: str) -> None:
    pieces = Splitter(pattern).split(text)
    assert "".join(pieces) == text
    assert all(pieces)


def test_what_a_custom_regex_leaves_out_is_kept_as_pieces_of_its_own() -> None:
    assert Splitter("[a-z]+").split("12ab 3cd!") == ["12", "ab", " 3", "cd", "!"]
    assert Splitter(r"(?<=a)b").split("abcb") == ["a", "b", "cb"]
    assert Splitter("x?").split("axb") == ["a", "x", "b"]
    assert Splitter(r"q+").split("no match") == ["no match"]


@given(texts)
@example("she'll  pay \n\n 2000!")
def test_gpt2_pieces_equal_those_of_a_loop_over_characters(text: str) -> None:
    assert Splitter("gpt2").split(text) == split_gpt2(text)


@given(texts)
@example("end\n ")
@example("a \n\n  \r\n  b  ")
def test_pieces_equal_those_of_the_patterns_that_tiktoken_uses(text: str) -> None:
    assert Splitter("gpt2").split(text) == regex.findall(R50K, text)
    assert Splitter("gpt4").split(text) == regex.findall(CL100K, text) == split_gpt4(text)


def test_white_space_is_what_unicode_says_it_is() -> None:
    everything = "".join(map(chr, range(0x110000)))
    assert regex.findall(r"\s", everything) == list(filter(is_space, everything))


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("gpt3", r"no known name \(gpt2, gpt4, .*\); .* write \(\?:gpt3\)"),
        ("cl100k_base", "no known name"),
        ("(unclosed", "nor a valid regex: missing"),
        ("(?r)a", "searches backwards"),
        (7, "expected a name or a regex"),
    ],
)
def test_a_pattern_that_is_no_pattern_is_refused_by_name(pattern: str, says: str) -> None:
    with pytest.raises(TokenizerError, match=says):
        Splitter(pattern)


def test_a_known_regex_is_the_same_as_its_name() -> None:
    assert Splitter(GPT2_PATTERN).pattern == "gpt2"


def chunked(text: str, ends: list[int]) -> list[str]:
    """The text cut at these places, also into empty chunks."""
    places = [0, *sorted(end % (len(text) + 1) for end in ends), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


@given(texts_with_specials, st.lists(st.integers(0, 200)), st.sampled_from([*PATTERNS, CUSTOM]))
@example("a\n\n\n b", [1, 2, 3, 4], "gpt4")
@example("<|end|><|end|>", list(range(14)), "gpt2")
def test_blocks_split_as_the_whole_text_however_it_is_chunked(text: str, ends: list[int], pattern: str) -> None:
    specials, splitter = frozenset(SPECIALS), Splitter(pattern)
    whole = [
        piece
        for stretch, is_special in split_special(text, specials)
        for piece in ([stretch] if is_special else splitter.split(stretch))
    ]
    in_blocks = [
        piece
        for stretch, is_special in blocks(chunked(text, ends), splitter, specials)
        for piece in ([stretch] if is_special else splitter.split(stretch))
    ]
    assert in_blocks == whole


@given(texts, texts, st.sampled_from(sorted(PATTERNS)))
@example("a ", " b", "gpt2")
@example("!\n", "\nb", "gpt4")
def test_a_safe_cut_is_safe_whatever_stands_around_it(left: str, right: str, pattern: str) -> None:
    splitter, text = Splitter(pattern), left + right
    whole = splitter.split(text)
    stop = len(text)
    while (cut := splitter.last_cut(text, 0, stop)) > 0:
        assert splitter.split(text[:cut]) + splitter.split(text[cut:]) == whole
        stop = cut


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
@pytest.mark.parametrize("unit", ["word and ", "line\n", "没有空格的文字，", "a1", "! "])
def test_blocks_stay_small_however_long_the_text(pattern: str, unit: str) -> None:
    chunk = unit * (1000 // len(unit))
    sizes = [len(text) for text, _ in blocks((chunk for _ in range(200)), Splitter(pattern), frozenset(SPECIALS[:1]))]
    assert sum(sizes) == 200 * len(chunk)
    assert max(sizes) < 4 * len(chunk)


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_ascii_text_is_cut_as_the_whole_pattern_cuts_it(pattern: str) -> None:
    whole, quick = regex.compile(PATTERNS[pattern]), Splitter(pattern)
    every = [chr(code) for code in range(128)]
    texts = ["".join(letters) for letters in product("sSl1' !\t\n\r\x1c", repeat=4)]
    texts += ["".join(pair) for pair in product(every, repeat=2)] + [f"a{c} {c}1{c}\n {c}" for c in every]
    assert [quick.split(text) for text in texts] == [whole.findall(text) for text in texts]
