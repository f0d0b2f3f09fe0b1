"""Text to ids and back: lossless on every string and byte string, in one piece and as a stream."""

import pickle
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizer_oracles import naive_encode
from tokenizer_strategies import FRAGMENTS, SPECIALS, mostly_utf8, texts, texts_with_specials, tokenizers

from tokenizer import CharTokenizer, StreamDecoder, Tokenizer, TokenizerError, train_bpe
from tokenizer.encode import encode_long_word, encode_steps, encode_word

any_tokenizer = st.integers(0, 8).map(lambda i: tokenizers()[i])
strings = st.text(max_size=12) | texts


def test_ten_thousand_strings_and_byte_strings_come_back() -> None:
    drawn = [0, 0]

    @settings(max_examples=1000)
    @given(any_tokenizer, st.lists(strings, min_size=10, max_size=10))
    def strings_come_back(tok: Tokenizer, ten: list[str]) -> None:
        for text in ten:
            drawn[0] += 1
            ids = tok.encode_ordinary(text)
            assert tok.decode(ids) == text
            assert tok.encode_bytes(text.encode()) == ids

    @settings(max_examples=1000)
    @given(any_tokenizer, st.lists(st.binary(max_size=12) | mostly_utf8, min_size=10, max_size=10))
    def byte_strings_come_back(tok: Tokenizer, ten: list[bytes]) -> None:
        for data in ten:
            drawn[1] += 1
            assert tok.decode_bytes(tok.encode_bytes(data)) == data

    strings_come_back()
    byte_strings_come_back()
    assert min(drawn) >= 10_000


@given(any_tokenizer, texts_with_specials)
def test_text_with_special_tokens_comes_back_whichever_are_allowed(tok: Tokenizer, text: str) -> None:
    assert tok.decode(tok.encode(text, allowed_special="all")) == text
    assert tok.decode(tok.encode(text, allowed_special={SPECIALS[0]}, disallowed_special=())) == text
    assert tok.decode(tok.encode(text, disallowed_special=())) == text


@given(any_tokenizer, texts | st.text("aehst ", min_size=20, max_size=60))
def test_ids_are_those_of_applying_the_merges_in_turn_to_every_word(tok: Tokenizer, text: str) -> None:
    tokens = [token for piece in tok.split(text) for token in naive_encode(piece.encode(), tok.merges)]
    ids = tok.encode_ordinary(text)
    assert [tok.vocab[i] for i in ids] == tokens
    assert not set(ids) & set(tok.special_tokens.values())


@st.composite
def rank_tables(draw: st.DrawFn) -> dict[tuple[int, int], tuple[int, int]]:
    """Merges of tokens of "a" and "b" in any order: of one token from several pairs, of parts made later."""
    tokens = [b"a", b"b"]
    made: dict[tuple[int, int], int] = {}
    for _ in range(draw(st.integers(0, 12))):
        left, right = draw(st.integers(0, len(tokens) - 1)), draw(st.integers(0, len(tokens) - 1))
        token = tokens[left] + tokens[right]
        if token not in tokens:
            tokens.append(token)
        made[left, right] = tokens.index(token)
    return {pair: (rank, made[pair]) for rank, pair in enumerate(draw(st.permutations(list(made))))}


@settings(max_examples=300)
@given(st.lists(st.integers(0, 1), max_size=40), rank_tables())
@example([0] * 9, {(0, 0): (0, 2), (2, 2): (1, 3), (2, 0): (2, 4)})
def test_the_queue_for_long_words_merges_as_the_loop_does(
    ids: list[int], ranks: dict[tuple[int, int], tuple[int, int]]
) -> None:
    expected = encode_word(ids, ranks)
    assert encode_long_word(ids, ranks) == expected
    steps = list(encode_steps(ids, ranks))
    assert list(steps[-1].ids if steps else ids) == expected


@given(any_tokenizer, st.text("ab the", min_size=100, max_size=400))
def test_long_words_merge_as_short_ones_do(tok: Tokenizer, text: str) -> None:
    word = text.replace(" ", "")
    merged = tok.encode_bytes(b"\xff" + word.encode())  # no pattern cuts bytes that are not UTF-8 from text
    assert merged == [*tok.encode_bytes(b"\xff"), *tok.encode_ordinary(word)]
    assert [tok.vocab[i] for i in tok.encode_ordinary(word)] == naive_encode(word.encode(), tok.merges)


def test_a_word_of_a_hundred_thousand_letters_takes_no_more_than_its_share() -> None:
    tok = tokenizers()[1]
    word = "".join(FRAGMENTS).replace(" ", "").encode() * 300
    ids = [tok.encode_ordinary(chr(97 + i % 3) * 100_000) for i in range(3)]
    assert [tok.decode(i) for i in ids] == [chr(97 + i % 3) * 100_000 for i in range(3)]
    assert tok.decode_bytes(tok.encode_bytes(b"\xff" * 100_000 + word)) == b"\xff" * 100_000 + word


@given(any_tokenizer, texts)
def test_every_step_of_a_word_is_one_merge_and_the_last_is_its_ids(tok: Tokenizer, text: str) -> None:
    for word in tok.split(text):
        before = [tok.encode_bytes(bytes([byte]))[0] for byte in word.encode()]
        for step in tok.encode_steps(word):
            assert tuple(before[step.position : step.position + 2]) == step.pair
            before[step.position : step.position + 2] = [step.token]
            assert list(step.ids) == before
            assert tok.merges[step.rank] == (tok.vocab[step.pair[0]], tok.vocab[step.pair[1]])
        assert before == tok.encode_ordinary(word)


def split_at(ids: list[int], places: Iterable[int]) -> list[list[int]]:
    ends = [0, *sorted(place % (len(ids) + 1) for place in places), len(ids)]
    return [ids[a:b] for a, b in pairwise(ends)]


@given(any_tokenizer, mostly_utf8 | texts.map(str.encode), st.lists(st.integers(0, 100), max_size=8))
def test_any_split_of_the_ids_streams_to_the_same_text(tok: Tokenizer, data: bytes, places: list[int]) -> None:
    ids = tok.encode_bytes(data)
    for parts in (split_at(ids, places), [[i] for i in ids]):
        decoder = StreamDecoder(tok)
        assert "".join([*map(decoder.feed, parts), decoder.flush()]) == tok.decode(ids)


@given(st.lists(st.integers(0, 255)), st.sampled_from(["replace", "ignore", "backslashreplace"]))
def test_any_bytes_stream_to_the_text_they_decode_to(ids: list[int], errors: str) -> None:
    tok = tokenizers()[0]
    decoder = StreamDecoder(tok, errors)
    for _ in range(2):  # after a flush it begins anew
        assert "".join([*map(decoder.feed, ids), decoder.flush()]) == tok.decode(ids, errors)


def test_a_character_is_streamed_when_it_is_whole_and_not_before() -> None:
    decoder = StreamDecoder(tokenizers()[0])
    assert [decoder.feed(byte) for byte in "é🙂".encode()] == ["", "é", "", "", "", "🙂"]
    assert decoder.feed([0xF0, 0x9F]) == ""
    assert decoder.flush() == "\ufffd"
    assert decoder.feed(np.array([104, 105])) == "hi"
    assert decoder.feed(np.uint16(33)) == "!"


@given(texts_with_specials, st.lists(st.integers(0, 100)), st.sampled_from(["all", "one", "none"]), any_tokenizer)
def test_encode_iterable_gives_the_ids_of_the_whole_text(
    text: str, places: list[int], allow: str, tok: Tokenizer
) -> None:
    allowed = {"all": "all", "one": {"<|end|>"}, "none": ()}[allow]
    ends = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    for chunks in ([text[a:b] for a, b in pairwise(ends)], list(text)):
        assert list(tok.encode_iterable(chunks, allowed, ())) == tok.encode(text, allowed, ())
        expected = outcome(lambda: tok.encode(text, allowed))
        assert outcome(lambda: list(tok.encode_iterable(chunks, allowed))) == expected  # noqa: B023


def outcome(call: Callable[[], list[int]]) -> list[int] | str:
    try:
        return call()
    except TokenizerError as error:
        return type(error).__name__


def test_encode_iterable_is_lazy() -> None:
    tok = tokenizers()[1]
    endless = ("so it goes on\n" for _ in iter(int, 1))
    ids = tok.encode_iterable(endless)
    assert tok.decode([next(ids) for _ in range(50)]).startswith("so it goes on\nso")


def test_encode_batch_encodes_each() -> None:
    tok = tokenizers()[1]
    assert tok.encode_batch(["one", "two<|end|>"], "all") == [tok.encode("one"), tok.encode("two<|end|>", "all")]


@pytest.mark.parametrize(("size", "dtype"), [(256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)])
def test_arrays_have_the_smallest_dtype_that_holds_the_vocabulary(size: int, dtype: type) -> None:
    specials = {"<|x|>": size - 1} if size > 256 else {}
    tok = Tokenizer.from_merges({byte: bytes([byte]) for byte in range(256)}, [], specials)
    array = tok.encode_to_array("hi<|x|>" if specials else "hi", allowed_special="all")
    assert array.dtype == dtype
    assert array.tolist() == [104, 105, *specials.values()]
    assert tok.decode(array) == "hi" + "<|x|>" * bool(specials)
    assert tok.encode_to_array("").dtype == dtype


@given(any_tokenizer, texts)
def test_offsets_say_which_character_each_token_begins_in(tok: Tokenizer, text: str) -> None:
    ids = tok.encode_ordinary(text)
    decoded, offsets = tok.decode_with_offsets(ids)
    assert decoded == text
    starts = np.cumsum([0, *(len(tok.vocab[i]) for i in ids)])[:-1]
    owner = [n for n, character in enumerate(text) for _ in character.encode()]  # byte -> its character
    assert offsets == [owner[start] for start in starts]


def test_offsets_of_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(TokenizerError, match="not UTF-8 at byte 1"):
        tokenizers()[0].decode_with_offsets([97, 0xFF])


def test_decoding_says_which_id_is_unknown_and_where() -> None:
    tok = tokenizers()[0]
    with pytest.raises(TokenizerError, match=r"decode: 9999 at position 2 is no id of this vocabulary \(0 to 260\)"):
        tok.decode([1, 2, 9999])
    with pytest.raises(TokenizerError, match="decode: -1 at position 0"):
        tok.decode([-1])
    with pytest.raises(TokenizerError, match="at position 0"):
        tok.decode(np.zeros((2, 2), int))
    with pytest.raises(TokenizerError, match="not UTF-8 at byte 0"):
        tok.decode([0xC3], errors="strict")
    assert tok.decode([]) == ""


def test_what_is_no_text_is_refused_with_the_place() -> None:
    tok = tokenizers()[0]
    for encode in (tok.encode, tok.encode_ordinary, lambda text: list(tok.encode_iterable([text]))):
        with pytest.raises(TokenizerError, match=r"a lone surrogate U\+DC80 at character 2"):
            encode("ab\udc80")
    with pytest.raises(TokenizerError, match="expected a str, got bytes; decode it, or use encode_bytes"):
        tok.encode(b"ab")  # type: ignore[arg-type]
    with pytest.raises(TokenizerError, match="encode_bytes: expected bytes, got str"):
        tok.encode_bytes("ab")  # type: ignore[arg-type]


def test_a_tokenizer_travels_by_pickle_and_compares_by_what_it_is() -> None:
    tok = tokenizers()[1]
    copy = pickle.loads(pickle.dumps(tok))
    assert copy == tok
    assert hash(copy) == hash(tok)
    assert copy.encode("the cat") == tok.encode("the cat")
    assert tok != tokenizers()[2]
    assert tok != "tok"
    assert "Tokenizer: 420 ids, 159 merges, 5 special, pattern 'gpt2'" in repr(tok)


def test_changing_the_dicts_it_hands_out_changes_nothing_that_it_does() -> None:
    tok = train_bpe(["low low low"], 260)
    ids, mark = tok.encode("low"), tok.fingerprint
    tok.vocab.clear()
    tok.merges.clear()
    tok.special_tokens["low"] = 0
    assert tok.encode("low") == ids
    assert tok.decode(ids) == "low"
    assert Tokenizer(*tok.__reduce__()[1]).fingerprint == mark


@given(texts.filter(bool), st.data())
def test_characters_come_back_and_stream(text: str, data: st.DataObject) -> None:
    tok = CharTokenizer(text)
    assert list(tok.vocab.values()) == [c.encode() for c in sorted(set(text))]
    ids = tok.encode(text)
    assert [sorted(set(text))[i] for i in ids] == list(text)
    assert tok.decode(ids) == tok.decode(tok.encode_to_array(text)) == text
    assert list(tok.encode_iterable(list(text))) == tok.encode_batch([text])[0] == ids
    assert tok.decode_with_offsets(ids) == (text, list(range(len(text))))
    decoder = StreamDecoder(tok)
    assert [*map(decoder.feed, ids), decoder.flush()] == [*text, ""]


def test_an_unknown_character_is_named_with_its_place(tmp_path: Path) -> None:
    tok = CharTokenizer(["abc", "bcd"])
    assert (tok.vocab_size, tok.special_tokens) == (4, {})
    assert tok.encode_to_array("abcd").dtype == np.uint8
    with pytest.raises(TokenizerError, match=r"the character 'é' \(U\+00E9\) at position 1 is none of the 4"):
        tok.encode("aé")
    with pytest.raises(TokenizerError, match="4 at position 0 is no id"):
        tok.decode([4])
    with pytest.raises(TokenizerError, match="the text is empty"):
        CharTokenizer("")
    assert tok == CharTokenizer("dcba") != CharTokenizer("dcb")
    assert "4 characters" in repr(tok)
