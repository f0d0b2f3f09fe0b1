"""Laws of a tokenizer: nothing is lost, wherever the text is cut, and special tokens are whole or refused."""

import itertools
from collections.abc import Sequence
from typing import Any

import tinylm.testing as drawn
from tinylm.testing import given
from tinylm.testing.law import LawBroken, LawDoesNotApply, equal, law, require

__all__ = [
    "bytes_survive_a_round_trip",
    "copies_encode_alike",
    "decoding_adds_up",
    "encoding_repeats_itself",
    "merges_apply_in_rank_order",
    "no_merge_is_left_undone",
    "special_tokens_are_refused",
    "special_tokens_are_whole",
    "streaming_equals_encoding",
    "text_survives_a_round_trip",
    "tokens_spell_the_text",
]

BOTH = ("encode", "decode")
SPECIAL = ("encode", "special_tokens", "encode_allowed")


def _text(_: Any) -> Any:
    return drawn.texts()


@law("tokenizer", needs=BOTH, text=_text)
def text_survives_a_round_trip(tok: Any, text: str) -> None:
    """What is encoded and decoded is the text again: decode(encode(text)) = text."""
    ids = list(tok.encode(given.text("text", text)))
    equal(text, tok.decode(ids), f"the ids are {ids}")


@law("tokenizer", needs=("encode_bytes", "decode_bytes"), data=lambda _: drawn.byte_strings())
def bytes_survive_a_round_trip(tok: Any, data: bytes) -> None:
    """Bytes that are no text are encoded without a loss too: decode_bytes(encode_bytes(data)) = data."""
    ids = list(tok.encode_bytes(given.text("data", data, bytes)))
    equal(data, bytes(tok.decode_bytes(ids)), f"the ids are {ids}")


@law("tokenizer", needs=("encode", "vocab"), text=_text)
def tokens_spell_the_text(tok: Any, text: str) -> None:
    """The bytes of the tokens, one after the other, are the bytes of the text."""
    spelled = [tok.vocab[i] for i in tok.encode(given.text("text", text))]
    equal(text.encode(), b"".join(spelled), f"the tokens are {spelled}")


@law("tokenizer", needs=("encode",), text=_text, other=_text)
def encoding_repeats_itself(tok: Any, text: str, other: str) -> None:
    """A text has the same ids each time, whatever was encoded in between."""
    first = list(tok.encode(given.text("text", text)))
    tok.encode(given.text("other", other))
    equal(first, list(tok.encode(text)), "the ids the second time")


def _mergeable(tok: Any) -> Any:
    """Texts, and such of few letters or of the tokenizer's own tokens, where a cut often parts what would be merged."""
    from tinylm.testing.drawing import st

    kinds: Any = drawn.texts() | drawn.texts(alphabet="ab \n") | st.text("ab", min_size=10, max_size=30)
    own = _long_tokens(tok)
    if own:
        kinds |= st.lists(st.sampled_from(own), min_size=2, max_size=12).map("".join)
    return st.shared(kinds, key="a text that is cut")  # the same for the text and for where it is cut


def _long_tokens(tok: Any) -> list[str]:
    """The tokens of two letters and more that are text and not special, the shortest first."""
    specials = getattr(tok, "special_tokens", None) or {}
    found = {token.decode("utf-8", "ignore") for token in (getattr(tok, "vocab", None) or {}).values()}
    return sorted((text for text in found if len(text) > 1 and text not in specials), key=lambda t: (len(t), t))


def _cut_characters(_: Any) -> Any:
    """Texts, and long ones of letters of one byte to four, of which a cut between ids parts many."""
    from tinylm.testing.drawing import st

    return st.shared(drawn.texts() | st.text("aé你🙂", min_size=8, max_size=24), key="a text whose ids are cut")


def _cuts(texts: Any, most: int) -> Any:
    """Up to so many places, anywhere in the bytes of the text that is drawn beside them."""
    return texts.flatmap(lambda text: drawn.split_points(text.encode(), most))


@law("tokenizer", needs=("encode", "stream"), text=_mergeable, cuts=lambda tok: _cuts(_mergeable(tok), 4))
def streaming_equals_encoding(tok: Any, text: str, cuts: Any) -> None:
    """Wherever a text is cut into chunks, the stream of them has the ids of the whole text.

    cuts   places in the text; those beyond its end are its end
    """
    chunks = _cut(given.text("text", text), cuts)
    equal(list(tok.encode(text)), list(tok.stream(chunks)), f"the chunks are {chunks}")


@law(
    "tokenizer", needs=("encode", "decode_bytes"), text=_cut_characters, cuts=lambda tok: _cuts(_cut_characters(tok), 1)
)
def decoding_adds_up(tok: Any, text: str, cuts: Any) -> None:
    """Ids may be decoded in parts: the bytes of the parts, one after the other, are those of the whole.

    cuts   places among the ids; those beyond their end are their end
    """
    ids = list(tok.encode(given.text("text", text)))
    parts = _cut(ids, cuts)
    together = bytes(tok.decode_bytes(ids))
    equal(together, b"".join(bytes(tok.decode_bytes(part)) for part in parts), f"the ids are {parts}")


@law("tokenizer", needs=("encode", "vocab", "merges"), word=lambda tok: _words(tok))
def merges_apply_in_rank_order(tok: Any, word: str) -> None:
    """A word's tokens come from merging, again and again, the pair of lowest rank, from left to right.

    word   letters a and b, which every pattern leaves in one piece
    """
    given.text("word", word)
    ranks = {pair: rank for rank, pair in reversed([*enumerate(tok.merges)])}
    parts = [bytes([byte]) for byte in word.encode()]
    while True:
        best = min((ranks.get(pair, len(ranks)) for pair in itertools.pairwise(parts)), default=len(ranks))
        if best == len(ranks):
            break
        left, right = tok.merges[best]
        merged: list[bytes] = []
        while parts:
            both = parts[:2] == [left, right]
            merged.append(left + right if both else parts[0])
            parts = parts[2:] if both else parts[1:]
        parts = merged
    equal(parts, [tok.vocab[i] for i in tok.encode(word)], "the tokens of the word")


@law("tokenizer", needs=("encode", "vocab", "merges"), word=lambda tok: _words(tok))
def no_merge_is_left_undone(tok: Any, word: str) -> None:
    """No two neighbours among the tokens of a word are a pair that would be merged."""
    tokens = [tok.vocab[i] for i in tok.encode(given.text("word", word))]
    pairs = set(tok.merges)
    left = [pair for pair in itertools.pairwise(tokens) if pair in pairs]
    require(not left, f"{left[:1]} is left unmerged in {tokens}")


@law("tokenizer", needs=SPECIAL, before=_text, after=_text, which=lambda t: _special(t))
def special_tokens_are_whole(tok: Any, before: str, after: str, which: str) -> None:
    """A special token that is allowed is one id, and cuts the text: what stands beside it is encoded alone."""
    _check_parts(tok, before, after, which)
    inside = any(name in part for name in tok.special_tokens for part in (before, after))
    if inside or _straddles(tok, before, after, which):
        return
    expected = [*tok.encode(before), tok.special_tokens[which], *tok.encode(after)]
    equal(expected, list(tok.encode_allowed(before + which + after)), "the ids")


@law("tokenizer", needs=("special_tokens", "encode_strict"), before=_text, after=_text, which=lambda t: _special(t))
def special_tokens_are_refused(tok: Any, before: str, after: str, which: str) -> None:
    """A special token that is not allowed is refused, and nothing else is: text from outside cannot say it."""
    _check_parts(tok, before, after, which)
    for part in (before, after):
        if not any(name in part for name in tok.special_tokens):
            equal(list(tok.encode(part)), list(tok.encode_strict(part)), f"the ids of {part!r}, which has none")
    try:
        ids = list(tok.encode_strict(before + which + after))
    except Exception:
        return
    raise LawBroken("it is encoded all the same", "an error", ids)


@law("tokenizer", needs=("encode", "copy"), text=_text)
def copies_encode_alike(tok: Any, text: str) -> None:
    """A tokenizer that is written to a file and read again gives the same ids, and the same text, also of specials."""
    copy = tok.copy()
    ids = list(tok.encode(given.text("text", text)))
    equal(ids, list(copy.encode(text)), "the ids of the copy")
    equal(tok.decode(ids), copy.decode(ids), "the text of the copy")
    specials = getattr(tok, "special_tokens", None)
    if specials:
        equal(dict(specials), dict(getattr(copy, "special_tokens", None) or {}), "the special tokens of the copy")
        if getattr(tok, "encode_allowed", None) is not None:
            for name in sorted(specials):
                whole = text + name + text
                ids = list(tok.encode_allowed(whole))
                equal(ids, list(copy.encode_allowed(whole)), f"the ids of the copy, of a text with {name!r}")
                equal(tok.decode(ids), copy.decode(ids), f"the text of the copy, of one with {name!r}")


def _cut(whole: Any, cuts: Sequence[int]) -> list[Any]:
    inside = (min(max(int(cut), 0), len(whole)) for cut in given.integers("cuts", cuts, 1))
    places = [0, *sorted(inside), len(whole)]
    return [whole[a:b] for a, b in itertools.pairwise(places)]


def _words(_: Any) -> Any:
    return drawn.texts(8, alphabet="ab")


def _special(tok: Any) -> Any:
    from tinylm.testing.drawing import st

    if not tok.special_tokens:
        raise LawDoesNotApply("the tokenizer has no special tokens")
    return st.sampled_from(sorted(tok.special_tokens))


def _check_parts(tok: Any, before: Any, after: Any, which: Any) -> None:
    given.text("before", before), given.text("after", after)
    given.choice("which", which, sorted(tok.special_tokens))


def _straddles(tok: Any, before: str, after: str, which: str) -> bool:
    """Whether another special token, or the same a letter earlier, is found across the seams."""
    text, start = before + which + after, len(before)
    found = [(text.find(name), -len(name), name) for name in tok.special_tokens if name in text]
    return min(found)[::2] != (start, which)
