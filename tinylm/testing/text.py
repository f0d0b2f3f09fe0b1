"""Texts, corpora and byte strings that hit the places where tokenizers go wrong."""

from collections.abc import Sequence
from typing import Any

from tinylm.testing.drawing import st

__all__ = ["byte_strings", "corpora", "split_points", "texts"]

# What splits, joins or repeats in its own way; each smaller thing stands before the larger ones, to which it shrinks.
PIECES = (
    "a", " ", "b", "\n", "aa", "  ", "aaaa", "abab", " a", "a ", "\n\n", " \n", "\r\n", "\t", "the", " the", "The",
    "don't", "'s", "'S", "'", "1", "123", "1234567", "3.14", "!", "...", "-", "_", "\x00", "\x7f",
    "é", "e\u0301", "ß", "ſ", "İ", "ﬁ", "你", "あ", "한", "क्षि", "\u00a0", "\u2003", "\u2028", "\u3000", "\u0085",
    "\ufeff", "\ufffd", "\u200d", "🙂", "👍🏽", "👩‍👩‍👧", "🇩🇪", "\U00020000", "\U000e0001", "\U0010ffff",
    "<", "|", "<|", "|>", "\u2581", "Ġ", "##",
)  # fmt: skip
EDGES = ("", "", "", " ", "\n", "  ")
INVALID = (b"\xff", b"\x80", b"\xc3", b"\xe4\xbd", b"\xf0\x9f\x99", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80")


def texts(max_pieces: int = 8, alphabet: str | None = None) -> Any:
    """Texts of white space, contractions, digits, accents and characters of every plane of Unicode; no surrogates.

    alphabet   draw from these characters alone. Shrinks to "", and letter by letter to "a"s.
    """
    if alphabet is not None:
        return st.text(alphabet, max_size=max_pieces)
    # each plane on its own: drawn from all of Unicode at once, hardly any letter would be of the first
    planes = st.one_of(
        st.characters(max_codepoint=0x7F),
        st.characters(min_codepoint=0x80, max_codepoint=0xFFFF, exclude_categories=["Cs"]),
        st.integers(1, 16).flatmap(lambda p: st.characters(min_codepoint=p << 16, max_codepoint=(p << 16) + 0xFFFF)),
    )
    # one choice for pieces and planes together: one_of would give each kind the same weight
    piece = st.sampled_from((*PIECES, *[""] * 12)).flatmap(lambda drawn: st.just(drawn) if drawn else planes)
    edge = st.sampled_from(EDGES)
    return st.tuples(edge, st.lists(piece, max_size=max_pieces).map("".join), edge).map("".join)


@st.composite
def corpora(draw: Any, special_tokens: Sequence[str] = (), max_documents: int = 4) -> Any:
    """Lists of documents to train a tokenizer on; shrinks to [].

    Words that repeat, pairs of equal counts, "aaaa", empty documents, spaces and newlines at the edges, Unicode, and
    `special_tokens` in the middle of a text.
    """
    some_words = draw(st.lists(_words, min_size=1, max_size=4))
    repeated = st.lists(st.sampled_from(some_words), max_size=8).map(" ".join)
    runs = st.tuples(st.sampled_from(["a", "ab", "é", " "]), st.integers(1, 9)).map(lambda drawn: drawn[0] * drawn[1])
    edged = st.tuples(st.sampled_from(EDGES), repeated, st.sampled_from([*EDGES, "\r\n"]))
    kinds = [repeated, runs, edged.map("".join), texts(), st.just("")]
    if special_tokens:
        special = st.sampled_from(list(special_tokens))
        kinds.append(st.lists(special | repeated, max_size=4).map("".join))
    return draw(st.lists(st.one_of(kinds), max_size=max_documents))


_words = st.text("ab", min_size=1, max_size=5) | st.sampled_from(
    ["low", "lower", "lowest", "newest", "aaaa", "你你", "é"]
)


def byte_strings(max_pieces: int = 5) -> Any:
    """Bytes, valid UTF-8 and invalid: lone and cut sequences, overlong forms, surrogates. Shrinks to b""."""
    return st.lists(
        st.binary(max_size=3) | st.sampled_from(INVALID) | texts(3).map(str.encode), max_size=max_pieces
    ).map(b"".join)


def split_points(length: Any, max_cuts: int = 4) -> Any:
    """Where to cut something of this length (or the thing itself): places in rising order, from 0 to its end.

    Ends and repeated places are common, so that empty chunks come. Shrinks to no cut.
    """
    n = length if isinstance(length, int) else len(length)
    return st.lists(st.integers(0, n) | st.just(n), max_size=max_cuts).map(sorted)
