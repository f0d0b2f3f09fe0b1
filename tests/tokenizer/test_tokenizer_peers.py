"""Published vocabularies in this tokenizer: the same ids, offsets and refusals as tiktoken gives."""

import base64
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_oracles import CL100K, R50K, naive_encode
from tokenizer_strategies import texts

from tokenizer import StreamDecoder, Tokenizer

pytestmark = pytest.mark.data
END = "<|endoftext|>"
FILES = {"gpt2": ("r50k_base.tiktoken", 50256), "gpt4": ("cl100k_base.tiktoken", 100257)}


def recover_merges(ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """tiktoken's files hold tokens alone: a token's merge is what is left of it under the merges before it."""
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 2:
            earlier = [(ranks.get(a + b, rank), i) for i, (a, b) in enumerate(pairwise(parts))]
            _, i = min(earlier)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
    return merges


@cache
def published(pattern: str, folder: Path) -> tuple[Tokenizer, Any]:
    """The same vocabulary as our Tokenizer and as tiktoken's Encoding."""
    tiktoken = pytest.importorskip("tiktoken")
    name, end = FILES[pattern]
    lines = (line.split() for line in (folder / name).read_bytes().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    ours = Tokenizer.from_merges({i: t for t, i in ranks.items()}, recover_merges(ranks), {END: end}, pattern)
    theirs = tiktoken.Encoding(
        pattern, pat_str={"gpt2": R50K, "gpt4": CL100K}[pattern], mergeable_ranks=ranks, special_tokens={END: end}
    )
    return ours, theirs


@pytest.fixture(params=sorted(FILES))
def both(request: pytest.FixtureRequest, shared_data: Path) -> tuple[Tokenizer, Any]:
    return published(request.param, shared_data)


def test_ids_equal_those_of_tiktoken_on_a_whole_play(both: tuple[Tokenizer, Any], shared_data: Path) -> None:
    ours, theirs = both
    with open(shared_data / "tinyshakespeare.txt", encoding="utf-8", newline="") as file:
        text = file.read()
    ids = ours.encode(text)
    assert ids == theirs.encode(text)
    assert ours.decode(ids) == text
    assert list(ours.encode_iterable(text.splitlines(keepends=True))) == ids


def test_ids_offsets_and_bytes_equal_those_of_tiktoken_on_drawn_texts(both: tuple[Tokenizer, Any]) -> None:
    ours, theirs = both

    @settings(max_examples=300)
    @given(st.lists(texts, max_size=4).map(END.join))
    def agree(text: str) -> None:
        ids = ours.encode(text, "all")
        assert ids == theirs.encode(text, allowed_special="all")
        assert ours.encode_ordinary(text) == theirs.encode_ordinary(text)
        assert ours.decode_with_offsets(ids) == theirs.decode_with_offsets(ids)

    agree()


def test_any_ids_decode_and_stream_as_tiktoken_decodes_them(both: tuple[Tokenizer, Any]) -> None:
    ours, theirs = both

    @given(st.lists(st.integers(0, ours.vocab_size - 1).filter(ours.vocab.__contains__), max_size=20))
    def agree(ids: list[int]) -> None:
        assert ours.decode_bytes(ids) == theirs.decode_bytes(ids)
        assert ours.decode(ids) == theirs.decode(ids)
        decoder = StreamDecoder(ours)
        assert "".join([*map(decoder.feed, ids), decoder.flush()]) == theirs.decode(ids)

    agree()


def test_a_refused_special_token_is_refused_by_both(both: tuple[Tokenizer, Any]) -> None:
    for tok in both:
        with pytest.raises(ValueError, match="special token"):
            tok.encode("a" + END)


def test_gpt2_has_the_merges_that_openai_published(shared_data: Path) -> None:
    ours, _ = published("gpt2", shared_data)
    lines = (shared_data / "gpt2_vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    byte_of = {chr(byte): byte for byte in visible} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    published_merges = [tuple(bytes(byte_of[c] for c in part) for part in line.split(" ")) for line in lines]
    assert ours.merges == published_merges
    word = " antidisestablishmentarianism"
    assert [ours.vocab[i] for i in ours.encode(word)] == naive_encode(word.encode(), ours.merges)
