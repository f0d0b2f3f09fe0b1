"""Special tokens: refused by default, allowed by name, the leftmost and then the longest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_strategies import SPECIALS, texts_with_specials, tokenizers

from tokenizer import Tokenizer, TokenizerError
from tokenizer.errors import SpecialTokenError
from tokenizer.special import split_special

BYTES = {byte: bytes([byte]) for byte in range(256)}


def tok_with(*names: str) -> Tokenizer:
    return Tokenizer.from_merges(BYTES, [], names)


def test_a_special_token_in_text_is_refused_and_the_message_says_what_to_type() -> None:
    with pytest.raises(SpecialTokenError) as caught:
        tok_with("<|x|>").encode("ab<|x|>")
    assert "special token '<|x|>' at character 2" in str(caught.value)
    assert "allowed_special={'<|x|>'}" in str(caught.value)
    assert "disallowed_special=()" in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert (caught.value.token, caught.value.position) == ("<|x|>", 2)


def test_the_rules_are_those_of_tiktoken() -> None:
    tok = tok_with("<|x|>", "<|y|>")
    text = "<|x|><|y|>"
    assert tok.encode(text, allowed_special="all") == [256, 257]
    assert tok.encode(text, allowed_special={"<|x|>", "<|y|>"}) == [256, 257]
    assert tok.encode(text, disallowed_special=()) == tok.encode_ordinary(text) == list(text.encode())
    assert tok.encode(text, {"<|y|>"}, ()) == [*b"<|x|>", 257]
    assert tok.encode(text, {"<|y|>"}, {"<|z|>"}) == [*b"<|x|>", 257]
    with pytest.raises(SpecialTokenError, match=r"<\|x\|>"):
        tok.encode(text, allowed_special={"<|y|>"})
    with pytest.raises(SpecialTokenError, match="'b' at character 1"):  # any text may be disallowed
        tok.encode("abc", disallowed_special=["b"])
    with pytest.raises(SpecialTokenError, match=r"<\|x\|>"):  # disallowed by name wins over allowed
        tok.encode(text, "all", {"<|x|>"})


def test_the_leftmost_wins_and_then_the_longest() -> None:
    tok = tok_with("<a>", "<a><b>", "a><b", "<b>")
    assert tok.encode("<a><b>", "all") == [257]
    assert tok.encode("<a><a><b><b>", "all") == [256, 257, 259]
    assert tok.encode("a><b>", "all") == [258, *b">"]
    assert tok.encode("<a><b>", {"<a>"}, ()) == [256, *b"<b>"]


@given(texts_with_specials, st.sets(st.sampled_from(SPECIALS)))
def test_stretches_join_to_the_text_and_each_choice_is_the_longest(text: str, names: set[str]) -> None:
    stretches = list(split_special(text, frozenset(names)))
    assert "".join(stretch for stretch, _ in stretches) == text
    place = 0
    for stretch, is_special in stretches:
        fitting = [name for name in names if text.startswith(name, place)]
        assert (stretch == max(fitting, key=len)) if is_special else not any(name in stretch for name in names)
        place += len(stretch)


@given(texts_with_specials)
def test_encode_refuses_exactly_the_texts_that_hold_a_special_token(text: str) -> None:
    tok = tokenizers()[1]
    found = [name for name in SPECIALS if name in text]
    if not found:
        assert tok.encode(text) == tok.encode_ordinary(text)
        return
    with pytest.raises(SpecialTokenError) as caught:
        tok.encode(text)
    assert caught.value.position == min(map(text.index, found))
    assert text.startswith(caught.value.token, caught.value.position)


@pytest.mark.parametrize("setting", ["allowed_special", "disallowed_special"])
def test_a_name_where_a_set_is_meant_is_refused(setting: str) -> None:
    wrong: dict[str, Any] = {setting: "<|x|>"}
    with pytest.raises(TokenizerError, match=rf"{setting}: expected \"all\" or a set, got '<\|x\|>'"):
        tok_with("<|x|>").encode("a", **wrong)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["a", "a"], "'a' is given twice"),
        ([""], "an empty one"),
        (["\ud800"], "lone surrogate"),
        ([7], "expected a str, got int"),
        ("<|x|>", "expected a collection"),
        ({"<|x|>": 97}, r"the id 97 of '<\|x\|>' belongs to b'a'"),
        ({"<|x|>": 300, "<|y|>": 300}, "share the id 300"),
        ({"<|x|>": -1}, "an id that is an int from 0, got -1"),
        ({"<|x|>": True}, "got True"),
    ],
)
def test_special_tokens_that_make_no_sense_are_refused(names: Any, says: str) -> None:
    with pytest.raises(TokenizerError, match=says):
        Tokenizer.from_merges(BYTES, [], names)


def test_names_without_ids_take_their_place_in_the_vocabulary_or_the_next_free_one() -> None:
    tok = Tokenizer.from_merges({**BYTES, 300: b"<|x|>"}, [], ["<|new|>", "<|x|>", "<|newer|>"])
    assert tok.special_tokens == {"<|new|>": 301, "<|x|>": 300, "<|newer|>": 302}
    assert tok.encode("<|x|>", "all") == [300]
    assert tok.vocab_size == 303
