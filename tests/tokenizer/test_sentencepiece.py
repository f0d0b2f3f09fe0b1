"""SentencePiece-style BPE: what becomes of a text, and that it comes back; readable and fast."""

import pickle
import random
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piece_vocabularies import BYTES, FRAGMENTS, SPACE, USER, drawn, drawn_parts, drawn_texts, plainly

from tokenizer import SentencePieceTokenizer, StreamDecoder, TokenizerError, explain
from tokenizer.errors import SpecialTokenError
from tokenizer.events import Encoded, listening
from tokenizer.forms import use_form
from tokenizer.piece_coder import cuts
from tokenizer.pieces import PieceParts, Prefix

texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)).map(
    "".join
)
ALL_PREFIXES: list[Prefix] = ["always", "first", "never"]


# What a text becomes


@pytest.mark.parametrize("seed", range(12))
def test_ids_are_those_of_merging_strings_the_plain_way(seed: int) -> None:
    parts = drawn_parts(seed, ties=seed % 3 == 0, prefix="never" if seed % 4 == 1 else "always")
    tok = SentencePieceTokenizer(parts)
    for text in drawn_texts(150, seed):
        assert [parts.pieces[i] for i in tok.encode(text)] == plainly(parts, text), text


def test_the_greatest_score_merges_first_and_of_equal_ones_the_leftmost() -> None:
    pieces = [*BYTES, *"abc", "ab", "bc", "aa"]
    scores = [0.0] * 256 + [0, 0, 0, -2, -1, -3]
    tok = SentencePieceTokenizer.from_pieces(pieces, scores, [6] * 256 + [1] * 6, add_prefix_space=False)
    assert [pieces[i] for i in tok.encode("abc")] == ["a", "bc"]
    assert [pieces[i] for i in tok.encode("aaa")] == ["aa", "a"]
    equal = SentencePieceTokenizer.from_pieces(pieces, [0.0] * len(pieces), [6] * 256 + [1] * 6, add_prefix_space=False)
    assert [pieces[i] for i in equal.encode("abc")] == ["ab", "c"]


def test_what_has_no_piece_becomes_bytes_or_one_unknown_token() -> None:
    tok = drawn()
    assert [tok.vocab[i] for i in tok.encode("☃")] == [b" ", b"\xe2", b"\x98", b"\x83"]
    assert tok.is_lossless
    lossy = drawn(bytes_too=False)
    assert not lossy.is_lossless
    assert [lossy.vocab[i] for i in lossy.encode("☃☃ ☃")] == [b" ", b"<unk>", b" ", b"<unk>"]
    parts = drawn_parts(bytes_too=False)._replace(fuse_unknown=False)
    assert [lossy.vocab[i] for i in SentencePieceTokenizer(parts).encode("☃☃")] == [b" ", b"<unk>", b"<unk>"]
    types = [3 if kind == 2 else kind for kind in parts.types]
    with pytest.raises(TokenizerError, match=r"encode: '☃' \(U\+2603\) has no piece in this vocabulary, nor have its"):
        SentencePieceTokenizer(parts._replace(types=types)).encode("a☃")


def test_unused_control_and_byte_pieces_never_come_of_a_text() -> None:
    pieces, types = [*BYTES, "<s>", "a", "b", "ab", "s", "<", ">", "<s", "s>"], [6] * 256 + [3, 1, 1, 5, 1, 1, 1, 1, 1]
    tok = SentencePieceTokenizer.from_pieces(pieces, list(range(len(pieces))), types, add_prefix_space=False)
    assert [pieces[i] for i in tok.encode("ab")] == ["a", "b"]
    assert [pieces[i] for i in tok.encode("<s>", disallowed_special=())] == ["<", "s>"]
    assert [pieces[i] for i in tok.encode("<0x41>A", ())][-1] == "<0x41>"
    assert tok.encode("<0x41>", ())[:1] == [pieces.index("<")]


@pytest.mark.parametrize("ties", [False, True])
def test_both_forms_give_the_same_ids(ties: bool) -> None:
    for seed in range(10):
        tok = drawn(seed, ties=ties)
        for text in drawn_texts(100, seed):
            with use_form("readable"):
                plain = tok.encode(text)
            with use_form("fast"):
                assert tok.encode(text) == plain, (seed, text)


def test_unknown_spaces_in_a_row_are_one_unknown_token() -> None:
    tok = SentencePieceTokenizer.from_pieces(["<unk>", "a"], [0.0, 0.0], [2, 1], add_prefix_space=False)
    assert tok.encode("a  ☃ a") == [1, 0, 1]
    assert list(tok.encode_iterable(["a ", " ☃", " a"])) == [1, 0, 1]
    assert tok.explain("a  ☃ a").ids == [1, 0, 1]


def test_text_is_cut_only_where_no_piece_reaches_across() -> None:
    for products in (
        ["ab"],
        [f"{SPACE}a", SPACE * 2],
        [f"a{SPACE}b"],
        [f".{SPACE}", f"^{SPACE}", f"]{SPACE}", f"-{SPACE}"],
    ):
        splitter, last = cuts(products)
        for text in map("".join, product(f"a.^] {SPACE}", repeat=4)):
            words = [word for word in splitter.split(text) if word]
            assert "".join(words) == text
            ends = {sum(map(len, words[:n])) for n in range(1, len(words))}
            safe = {
                n
                for n in range(1, len(text))
                if text[n] in " ▁" and not any(text[n - 1 : n + 1].replace(" ", SPACE) in each for each in products)
            }
            assert ends == safe
            found = last.search(text, 0, len(text))
            assert (found.end() if found else 0) == max(safe, default=0)


def test_a_hundred_thousand_letters_without_a_space_take_no_more_than_their_share() -> None:
    pieces = [*BYTES, *"ab", "aa", "aab", "aabaab"]
    tok = SentencePieceTokenizer.from_pieces(pieces, [0.0] * 258 + [-1, -2, -3], [6] * 256 + [1] * 5)
    began = time.perf_counter()
    ids = tok.encode("aab" * 40_000)
    assert time.perf_counter() - began < 20  # half a second; looking at every pair for every merge takes an hour
    assert ids[-20_000:] == [260] * 20_000


# The space before a text


def test_a_space_goes_where_the_vocabulary_says() -> None:
    def spelled(text: str, prefix: Prefix, before_space: bool = True) -> list[bytes]:
        tok = drawn(0, prefix=prefix, before_space=before_space, count=0)
        return [tok.vocab[i] for i in tok.encode(text, "all")]

    assert spelled("a<s>b", "always") == [b" ", b"a", b"<s>", b" ", b"b"]
    assert spelled("a<s>b", "first") == [b" ", b"a", b"<s>", b"b"]
    assert spelled("a<s>b", "never") == [b"a", b"<s>", b"b"]
    assert spelled("<s>b", "first") == [b"<s>", b"b"]
    assert spelled("", "always") == []
    assert spelled(" a<s> b", "always") == [b" ", b" ", b"a", b"<s>", b" ", b" ", b"b"]
    assert spelled(" a<s> b", "always", before_space=False) == [b" ", b"a", b"<s>", b" ", b"b"]
    assert spelled("<@>b", "always") == [b"<@>", b" ", b"b"]


# Back


@given(texts)
def test_every_text_comes_back(text: str) -> None:
    for prefix in ALL_PREFIXES:
        tok = drawn(1, prefix=prefix)
        assert tok.decode(tok.encode(text, disallowed_special=())) == text.replace(SPACE, " ")


@given(st.lists(st.sampled_from([*FRAGMENTS, "<s>", "</s>", "<unk>"])).map("".join))
def test_texts_with_special_tokens_come_back(text: str) -> None:
    for prefix in ALL_PREFIXES:
        tok = drawn(2, prefix=prefix)
        assert tok.decode(tok.encode(text, allowed_special="all")) == text


@given(st.lists(st.binary(max_size=4) | texts.map(str.encode), max_size=5).map(b"".join))
def test_every_byte_string_comes_back(data: bytes) -> None:
    tok = drawn(1)
    assert tok.decode_bytes(tok.encode_bytes(data)) == data.replace(SPACE.encode(), b" ")


def test_bytes_that_are_no_text_are_refused_where_bytes_have_no_pieces() -> None:
    with pytest.raises(TokenizerError, match=r"encode: '\\udcff' \(U\+DCFF\) has no piece in this vocabulary"):
        drawn(bytes_too=False).encode_bytes(b"a\xff")


def test_what_does_not_come_back_is_what_the_docstring_says() -> None:
    assert drawn().decode(drawn().encode(f"a{SPACE}b")) == "a b"
    metaspace = drawn(before_space=False)
    assert metaspace.encode(" a") == metaspace.encode("a")
    assert metaspace.decode(metaspace.encode(" a")) == "a"
    assert drawn(bytes_too=False).decode(drawn(bytes_too=False).encode("☃")) == "<unk>"


@given(texts, st.randoms(use_true_random=False), st.sampled_from(ALL_PREFIXES))
def test_ids_stream_to_the_same_text_however_they_are_split(text: str, dice: random.Random, prefix: Prefix) -> None:
    tok = drawn(4, prefix=prefix)
    ids = tok.encode(text + "<s>" + text, "all", ())
    decoder = StreamDecoder(tok)
    for _ in range(2):  # and once more after the flush
        shown, rest = "", ids
        while rest:
            n = dice.randrange(1, 4)
            shown += decoder.feed(rest[0] if n == 1 else rest[:n])
            rest = rest[n:]
        assert shown + decoder.flush() == tok.decode(ids)


def test_ids_that_continue_a_text_keep_their_space() -> None:
    tok = drawn(5)
    first, then = tok.encode("ab"), tok.encode("cd")
    decoder = StreamDecoder(tok)
    assert decoder.feed(first) + decoder.feed(then) == "ab cd"
    assert tok.decode(then) == "cd"


@given(texts)
def test_offsets_say_which_character_each_token_begins_in(text: str) -> None:
    tok = drawn(6)
    text = text.replace(SPACE, "")
    ids = tok.encode(text, disallowed_special=())
    decoded, offsets = tok.decode_with_offsets(ids)
    assert decoded == text
    data = text.encode()
    places = [0]
    for n in range(1, len(ids) + 1):
        places.append(len(tok.decode_bytes(ids[:n])))
    for offset, place in zip(offsets, places, strict=False):
        whole = data[:place].decode("utf-8", "ignore")  # the characters that end before the token begins
        assert offset == len(whole)


def test_ids_may_be_an_array_and_wrong_ones_are_named() -> None:
    tok = drawn()
    ids = tok.encode_to_array("ab cd")
    assert ids.dtype == np.uint16
    assert tok.decode(ids) == tok.decode(iter(ids)) == "ab cd"
    with pytest.raises(TokenizerError, match="decode: 9999 at position 1 is no id of this vocabulary"):
        tok.decode([1, 9999])


# Special tokens and the rest of the interface


def test_special_tokens_are_refused_unless_allowed() -> None:
    tok = drawn()
    with pytest.raises(SpecialTokenError, match=r"the text holds the special token '</s>' at character 1"):
        tok.encode("a</s>")
    with pytest.raises(SpecialTokenError):
        list(tok.encode_iterable(["a</", "s>"]))
    assert tok.encode("a</s>", {"</s>"})[-1] == 2
    assert 2 not in tok.encode("a</s>", disallowed_special=())
    assert 2 not in tok.encode_ordinary("a</s>")
    with pytest.raises(SpecialTokenError):
        tok.encode("</s><s>", {"</s>"})
    with pytest.raises(TokenizerError, match='expected "all" or a set'):
        tok.encode("a", "<s>")


def test_user_defined_pieces_are_found_in_every_text_the_longest_first() -> None:
    tok = drawn()
    ids = {piece: i for i, piece in enumerate(tok.parts.pieces)}
    assert ids["<@>a"] in tok.encode_ordinary("b<@>a")
    assert ids["<@>"] in tok.encode("b<@>b")
    assert ids[f"e{SPACE}e"] in tok.encode("e e")


def test_names_of_special_tokens_may_be_given() -> None:
    parts = drawn_parts()
    tok = SentencePieceTokenizer.from_pieces(parts.pieces, parts.scores, parts.types, special_tokens={"[end]": 2})
    assert tok.special_tokens == {"<unk>": 0, "<s>": 1, "[end]": 2}
    assert tok.encode("[end]", "all") == [2]
    assert tok.decode([2]) == "[end]"
    for names, says in [
        ({"x": 9}, "the id 9 of 'x' is no control piece"),
        ({"x": 1, "y": 1}, "'x' and 'y' share the id 1"),
        ({"": 1}, "an empty one would be found everywhere"),
        ({"<s>": 2}, "'<s>' is given twice"),
    ]:
        with pytest.raises(TokenizerError, match=says):
            SentencePieceTokenizer.from_pieces(parts.pieces, parts.scores, parts.types, special_tokens=names)


@given(texts, st.integers(1, 4))
def test_chunks_give_the_ids_of_the_whole_text(text: str, size: int) -> None:
    for prefix, before in product(ALL_PREFIXES, [True, False]):
        tok = drawn(7, prefix=prefix, before_space=before)
        text_too = text + "<s>" + text
        chunks = [text_too[n : n + size] for n in range(0, len(text_too), size)]
        assert list(tok.encode_iterable(chunks, "all")) == tok.encode(text_too, "all")


def test_all_ways_to_encode_agree(tmp_path: Path) -> None:
    tok = drawn()
    text = "ab <@> cd ☃\n" * 50
    ids = tok.encode(text)
    assert tok.encode_to_array(text).tolist() == tok.encode_to_array([text[:20], text[20:]]).tolist() == ids
    assert tok.encode_to_array(text, out=tmp_path / "ids.npy").tolist() == ids
    assert np.load(tmp_path / "ids.npy").tolist() == ids
    assert tok.encode_to_array("").tolist() == tok.encode_to_array([]).tolist() == []
    assert tok.encode_batch([text, "", "a"]) == [ids, [], tok.encode("a")]
    assert "".join(tok.split(text)) == text
    heard: list[Encoded] = []
    with listening(heard.append):
        tok.encode("a")
    assert heard[0].ids == tok.encode("a")


def test_what_is_no_text_is_refused() -> None:
    tok = drawn()
    with pytest.raises(TokenizerError, match=r"encode: a lone surrogate U\+D800 at character 1"):
        tok.encode("a\ud800")
    with pytest.raises(TokenizerError, match="expected a str, got bytes"):
        tok.encode(b"a")  # type: ignore[arg-type]
    with pytest.raises(TokenizerError, match="expected bytes, got str"):
        tok.encode_bytes("a")  # type: ignore[arg-type]
    with pytest.raises(TokenizerError, match="expected several texts"):
        tok.encode_batch("ab")
    with pytest.raises(TokenizerError, match="expected a str or chunks of one, got int"):
        list(tok.encode_iterable(3))  # type: ignore[arg-type]


def test_tokenizers_are_equal_by_what_they_are_made_of_and_go_through_pickle() -> None:
    tok = drawn(1)
    assert tok == drawn(1) != drawn(2)
    assert tok != "x"
    assert hash(tok) == hash(drawn(1))
    assert tok.fingerprint == drawn(1).fingerprint
    others = [drawn(2), drawn(1, prefix="first"), drawn(1, before_space=False), drawn(1, ties=True)]
    parts = drawn_parts(1)
    others.append(SentencePieceTokenizer(parts._replace(fuse_unknown=False)))
    others.append(SentencePieceTokenizer(parts._replace(special_tokens={"[end]": 2})))
    assert len({each.fingerprint for each in [tok, *others]}) == 1 + len(others)
    assert pickle.loads(pickle.dumps(tok)) == tok
    assert repr(tok).startswith(f"<SentencePieceTokenizer: {len(parts.pieces)} pieces, 3 special, prefix always, ")
    tok.vocab[0] = b"changed"


# Seen


@pytest.mark.parametrize("bytes_too", [True, False])
def test_an_explanation_has_the_ids_and_the_text_and_its_merges_lead_to_the_tokens(bytes_too: bool) -> None:
    for seed in range(4):
        tok = drawn(seed, bytes_too=bytes_too)
        for text in drawn_texts(40, seed):
            seen = explain(tok, text + "<s>", "all")
            assert seen.ids == tok.encode(text + "<s>", "all")
            for piece in seen.pieces:
                assert b"".join(piece.tokens).decode() == piece.text
                assert b"".join(piece.start).decode() == piece.text
                word = list(piece.start)
                for step in seen.steps(piece) if not piece.is_special else ():
                    word[step.position : step.position + 2] = [word[step.position] + word[step.position + 1]]
                    assert len(word) == len(step.ids)
                    assert seen.vocab[step.token] == word[step.position]
                if bytes_too:
                    assert word == list(piece.tokens) or piece.is_special
            assert seen.text(width=60)
            assert seen.html()


def test_an_explanation_begins_with_characters() -> None:
    pieces = [*BYTES, SPACE, "é", "你", "é你"]
    tok = SentencePieceTokenizer.from_pieces(pieces, [0.0] * 256 + [-2, -3, -4, -1], [6] * 256 + [1] * 4)
    assert tok.explain("é你").text(width=60) == (
        "[␣][é你]\n2 tokens in 1 word: 256 259\n\n␣é你 → 256 259\n  ␣ é 你\n  ␣ [é你]  é + 你  merge 0"
    )
    assert "From characters to tokens" in tok.explain("é你").html()
    assert USER  # drawn vocabularies have some


# Laws of a vocabulary


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pieces": []}, "there are none"),
        ({"pieces": "abc"}, "pieces: expected a list, got str"),
        ({"scores": [0.0]}, "expected a score and a type each, got 1 and 3 for 3"),
        ({"pieces": ["a", "a", "b"]}, "'a' has two ids, 0 and 1"),
        ({"pieces": ["a", "", "b"]}, "piece 1: it is empty"),
        ({"pieces": ["a", 3, "b"]}, "piece 1: expected a str, got int"),
        ({"pieces": ["a", "\ud800", "b"]}, "piece 1: a lone surrogate"),
        ({"scores": [0.0, float("nan"), 0.0]}, "expected a finite score, got nan"),
        ({"scores": [0.0, "x", 0.0]}, "expected a finite score, got 'x'"),
        ({"types": [1, 7, 1]}, "its type is 7; there are 1 normal, 2 unknown"),
        ({"types": [1, True, 1]}, "its type is True"),
        ({"types": [2, 2, 1]}, "2 of the type unknown"),
        ({"types": [1, 6, 1]}, "expected a byte spelled as <0x0A>, got 'b'"),
        ({"pieces": ["<0x0A>", "<0x0a>", "b"], "types": [6, 6, 1]}, "the byte <0x0a> has two ids"),
        ({"pieces": ["a", "x" * 300, "b"]}, "the longest has 300 characters"),
        ({"pieces": ["a b", f"a{SPACE}b", "c"], "types": [4, 4, 1]}, "is looked for as 'a b', as piece 0 is"),
        ({"pieces": ["a"] * 600_000, "scores": [0] * 600_000, "types": [1] * 600_000}, "600000 of them; 524288 can"),
        ({"prefix": "sometimes"}, "prefix: expected one of always, first, never"),
        ({"merges": [("a", "q")]}, "'q' is no piece"),
        ({"merges": [("a", "b")]}, "'ab' is no piece"),
        ({"pieces": ["a", "b", "ab"], "merges": [("a", "b")] * 2}, "stands at rank 0 and 1"),
        (
            {"pieces": ["a", "b", "<x>"], "types": [4, 1, 3], "special_tokens": {"a": 2}},
            "special token and user defined",
        ),
    ],
)
def test_a_vocabulary_that_breaks_a_law_is_refused(changes: dict[str, object], says: str) -> None:
    parts = {"pieces": ["a", "b", "c"], "scores": [0.0] * 3, "types": [1] * 3} | changes
    with pytest.raises(TokenizerError, match=says) as caught:
        SentencePieceTokenizer(PieceParts(**parts))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
