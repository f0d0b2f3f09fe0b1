"""Published vocabularies in this tokenizer: the same ids, offsets and refusals as tiktoken and Hugging Face give."""

import base64
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_oracles import CL100K, R50K, naive_encode
from tokenizer_strategies import drawn_texts

from tokenizer import StreamDecoder, Tokenizer, load_tokenizer

pytestmark = pytest.mark.data
END = "<|endoftext|>"
FILES = {"gpt2": "r50k_base.tiktoken", "gpt4": "cl100k_base.tiktoken"}
TEXTS = ["tinyshakespeare.txt", "gpt2_vocab.bpe", "README.md"]


@cache
def published(pattern: str, folder: Path) -> tuple[Tokenizer, Any]:
    """The same vocabulary as our Tokenizer and as tiktoken's Encoding, which is given only what the file holds."""
    tiktoken = pytest.importorskip("tiktoken")
    ours = Tokenizer.from_tiktoken(folder / FILES[pattern])
    lines = (line.split() for line in (folder / FILES[pattern]).read_bytes().splitlines())
    theirs = tiktoken.Encoding(
        pattern,
        pat_str={"gpt2": R50K, "gpt4": CL100K}[pattern],
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in lines},
        special_tokens=ours.special_tokens,
    )
    return ours, theirs


@pytest.fixture(params=sorted(FILES))
def both(request: pytest.FixtureRequest, shared_data: Path) -> tuple[Tokenizer, Any]:
    return published(request.param, shared_data)


def text_of(path: Path) -> str:
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


@pytest.mark.parametrize("name", TEXTS)
def test_ids_equal_those_of_tiktoken_on_whole_texts(both: tuple[Tokenizer, Any], shared_data: Path, name: str) -> None:
    ours, theirs = both
    text = text_of(shared_data / name)
    ids = ours.encode(text)
    assert ids == theirs.encode(text)
    assert ours.decode(ids) == text
    assert list(ours.encode_iterable(text.splitlines(keepends=True))) == ids


def test_ids_offsets_and_bytes_equal_those_of_tiktoken_on_20_000_drawn_texts(both: tuple[Tokenizer, Any]) -> None:
    ours, theirs = both
    for n, text in enumerate(drawn_texts(20_000)):
        text = END.join([text, text[: n % 7]]) if n % 5 == 0 else text
        ids = ours.encode(text, "all")
        assert ids == theirs.encode(text, allowed_special="all"), text
        if n % 10 == 0:
            assert ours.encode_ordinary(text) == theirs.encode_ordinary(text), text
            assert ours.decode_with_offsets(ids) == theirs.decode_with_offsets(ids), text


@pytest.mark.parametrize("pattern", sorted(FILES))
def test_huggingface_gives_the_ids_of_a_published_vocabulary(tmp_path: Path, shared_data: Path, pattern: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    ours = Tokenizer.from_tiktoken(shared_data / FILES[pattern])
    ours.to_huggingface(tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path / "tokenizer.json") == ours
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = [text_of(shared_data / name)[:200_000] for name in TEXTS]
    for text in [*texts, *(f"{text}{END}" for text in drawn_texts(5000, seed=1))]:
        ids = ours.encode(text, "all")
        assert theirs.encode(text, add_special_tokens=False).ids == ids, text
        assert theirs.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("pattern", sorted(FILES))
def test_a_published_vocabulary_is_written_as_it_was_read(tmp_path: Path, shared_data: Path, pattern: str) -> None:
    before = process_time()
    ours = load_tokenizer(shared_data / FILES[pattern])
    assert process_time() - before < 10  # it takes one or less
    assert isinstance(ours, Tokenizer)
    assert (ours.pattern, ours.ignore_merges) == (pattern, False)
    ours.to_tiktoken(tmp_path / "again.tiktoken")
    assert (tmp_path / "again.tiktoken").read_bytes() == (shared_data / FILES[pattern]).read_bytes()
    ours.save(tmp_path / "tok.json")
    assert load_tokenizer(tmp_path / "tok.json") == ours
    assert ours.special_tokens[END] == {"gpt2": 50256, "gpt4": 100257}[pattern]


def test_gpt2_is_the_same_from_its_own_files_and_from_tiktokens(tmp_path: Path, shared_data: Path) -> None:
    ours = Tokenizer.from_gpt2(shared_data / "gpt2_encoder.json", shared_data / "gpt2_vocab.bpe")
    assert ours == Tokenizer.from_tiktoken(shared_data / FILES["gpt2"])
    assert ours.encode(END, "all") == [50256]
    ours.to_gpt2(tmp_path)
    assert (tmp_path / "merges.txt").read_bytes() == (shared_data / "gpt2_vocab.bpe").read_bytes()
    assert Tokenizer.from_gpt2(tmp_path / "vocab.json", tmp_path / "merges.txt") == ours


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
    ours = Tokenizer.from_tiktoken(shared_data / FILES["gpt2"])
    lines = (shared_data / "gpt2_vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    byte_of = {chr(byte): byte for byte in visible} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    published_merges = [tuple(bytes(byte_of[c] for c in part) for part in line.split(" ")) for line in lines]
    assert ours.merges == published_merges
    word = " antidisestablishmentarianism"
    assert [ours.vocab[i] for i in ours.encode(word)] == naive_encode(word.encode(), ours.merges)
