"""Beside SentencePiece itself and the tokenizers of Hugging Face: the same ids, in both forms."""

import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from piece_vocabularies import FRAGMENTS, SPACE, drawn_parts, drawn_texts
from tokenizer_strategies import FRAGMENTS as HARD

from tokenizer import SentencePieceTokenizer, read_huggingface_tokenizer
from tokenizer.pieces import PieceParts
from tokenizer.tokenizer import Tokenizer

USER = ["the_end", "☃"]
METASPACE = {"type": "Metaspace", "replacement": SPACE, "split": False}
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
PREPEND = {"type": "Prepend", "prepend": SPACE}


@cache
def lines() -> list[str]:
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics)[:25])
    return [line for line in text.split("\n") if line.strip()]


def texts(n: int, seed: int) -> Iterator[str]:
    """Hard ones and English ones, without U+2581, and without NUL, which SentencePiece's trainer refuses."""
    hard = [each for each in HARD if each != "\x00"]
    yield from drawn_texts(n, seed, [*hard, "the", " of", "def ", "    "])
    yield from lines()[seed * 50 : seed * 50 + 100]


@cache
def peer(**settings: Any) -> Any:
    """A SentencePiece model trained now, as Llama 2's was: BPE, byte fallback, no normalisation, digits apart."""
    sentencepiece = pytest.importorskip("sentencepiece")
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*lines(), *drawn_texts(300, 9, [each for each in HARD if each != "\x00"])]),
        model_writer=written, vocab_size=1000, model_type="bpe", normalization_rule_name="identity",
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, split_digits=True, minloglevel=2,
        **({"byte_fallback": True} | settings),
    )  # fmt: skip
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())


def parts_of(model: Any) -> PieceParts:
    size = range(model.get_piece_size())
    pieces = [model.id_to_piece(i) for i in size]
    kinds = [(model.is_unknown, 2), (model.is_control, 3), (model.is_unused, 5), (model.is_byte, 6)]
    types = [next((kind for says, kind in kinds if says(i)), 4 if pieces[i] in USER else 1) for i in size]
    return PieceParts(pieces, [model.get_score(i) for i in size], types, prefix="first")


@pytest.mark.parametrize("settings", [{}, {"byte_fallback": False}, {"add_dummy_prefix": False},
                                      {"user_defined_symbols": ["the_end", "☃"]}], ids=str)  # fmt: skip
def test_ids_are_those_of_sentencepiece(settings: dict[str, Any]) -> None:
    model = peer(**settings) if "user_defined_symbols" not in settings else peer_with_user_pieces()
    parts = parts_of(model)
    if settings.get("add_dummy_prefix") is False:
        parts = parts._replace(prefix="never")
    tok = SentencePieceTokenizer(parts)
    for text in texts(1500, 1):
        ids = model.encode(text)
        assert tok.encode(text, disallowed_special=()) == ids, text
        if tok.is_lossless:
            assert tok.decode(ids) == text
    long = "\n".join(lines())
    assert tok.encode(long) == model.encode(long)


@cache
def peer_with_user_pieces() -> Any:
    return peer.__wrapped__(user_defined_symbols=USER)


def test_user_defined_pieces_are_found_as_sentencepiece_finds_them() -> None:
    model = peer_with_user_pieces()
    tok = SentencePieceTokenizer(parts_of(model))
    for text in texts(300, 2):
        for joint in ("☃", "the_end", "☃☃the_end"):
            between = "a" + text + joint + text  # at the very beginning SentencePiece puts a space before them too
            assert tok.encode(between, disallowed_special=()) == model.encode(between)


def theirs(path: Path) -> Any:
    return pytest.importorskip("tokenizers").Tokenizer.from_file(str(path))


def ids(other: Any, text: str) -> list[int]:
    return list(other.encode(text, add_special_tokens=False).ids)


SPACES: list[dict[str, Any]] = [
    {"normalizer": {"type": "Sequence", "normalizers": [PREPEND, REPLACE]}, "pre_tokenizer": None},
    {"normalizer": REPLACE, "pre_tokenizer": None},
    {"normalizer": None, "pre_tokenizer": {**METASPACE, "prepend_scheme": "always"}},
    {"normalizer": None, "pre_tokenizer": {**METASPACE, "prepend_scheme": "first"}},
    {"normalizer": None, "pre_tokenizer": {**METASPACE, "prepend_scheme": "never"}},
]


@pytest.mark.parametrize("spaces", SPACES, ids=lambda each: str(each)[:90])
def test_ids_of_a_tokenizer_json_are_those_of_huggingface(tmp_path: Path, spaces: dict[str, Any]) -> None:
    path = tmp_path / "tokenizer.json"
    SentencePieceTokenizer(parts_of(peer())._replace(prefix="always")).to_huggingface(path)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | spaces))
    tok, other = read_huggingface_tokenizer(path), theirs(path)
    for n, text in enumerate(texts(1500, 3)):
        text = f"{text}<s>{text[:9]}" if n % 3 == 0 else f"</s>{text}" if n % 3 == 1 else text
        assert tok.encode(text, "all") == ids(other, text), text


def test_ids_of_what_is_written_are_those_of_the_scores(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    for seed in range(6):
        parts = drawn_parts(seed, bytes_too=seed != 5)
        kept = [n for n, kind in enumerate(parts.types) if kind != 4]
        columns = ([column[n] for n in kept] for column in (parts.pieces, parts.scores, parts.types))
        tok = SentencePieceTokenizer(PieceParts(*columns))
        tok.to_huggingface(path)
        other = theirs(path)
        for text in drawn_texts(400, seed, [*FRAGMENTS, "<s>", "</s>"]):
            mine = tok.encode(text, "all")
            assert mine == ids(other, text), text
            if tok.is_lossless and "<s>" not in text and "</s>" not in text:
                assert other.decode(mine, skip_special_tokens=False) == tok.decode(mine) == text


def test_huggingface_converts_a_sentencepiece_model_to_the_same_ids(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    parts = parts_of(peer())
    order = {
        piece: n for n, piece in enumerate(sorted(parts.pieces, key=lambda p: -parts.scores[parts.pieces.index(p)]))
    }
    vocab = {piece: i for i, piece in enumerate(parts.pieces)}
    merges = sorted(
        ((p[:n], p[n:]) for p in parts.pieces for n in range(1, len(p)) if p[:n] in vocab and p[n:] in vocab),
        key=lambda pair: (order[pair[0] + pair[1]], vocab[pair[0]], vocab[pair[1]]),
    )
    other = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    other.normalizer = tokenizers.normalizers.Sequence(
        [tokenizers.normalizers.Prepend(SPACE), tokenizers.normalizers.Replace(" ", SPACE)]
    )
    other.add_special_tokens(["<unk>", "<s>", "</s>"])
    other.save(str(tmp_path / "t.json"))
    tok = read_huggingface_tokenizer(tmp_path / "t.json")
    by_scores = SentencePieceTokenizer(parts._replace(prefix="always"))
    assert not isinstance(tok, Tokenizer)
    for text in texts(1500, 4):
        assert tok.encode(text, "all") == ids(other, text) == by_scores.encode(text, "all"), text
