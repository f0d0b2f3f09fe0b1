"""Files of SentencePiece vocabularies (ours, tokenizer.json, tokenizer.bin): read, written, refused and damaged."""

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from piece_vocabularies import BYTES, SPACE, as_json, damaged_bytes, damaged_document, drawn, drawn_parts, drawn_texts

from tokenizer import (
    CharTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    TokenizerError,
    load_tokenizer,
    read_huggingface_tokenizer,
    train_bpe,
)
from tokenizer.pieces import PieceParts

Document = dict[str, Any]
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
PREPEND = {"type": "Prepend", "prepend": SPACE}
METASPACE = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": False}


def plain(seed: int = 0, **settings: Any) -> SentencePieceTokenizer:
    """One without user-defined pieces that hold spaces, which tokenizer.json cannot say."""
    parts = drawn_parts(seed, **settings)
    pieces = [piece.replace(f"e{SPACE}e", "<#>") for piece in parts.pieces]
    kept = [(p, s, t) for p, s, t in zip(pieces, parts.scores, parts.types, strict=True) if "<#>" not in p or t == 4]
    return SentencePieceTokenizer(parts._replace(pieces=[p for p, *_ in kept], scores=[s for _, s, _ in kept],
                                                 types=[t for *_, t in kept]))  # fmt: skip


def document(tmp_path: Path, **changes: Any) -> Document:
    """A small tokenizer.json, with parts of it changed."""
    plain(0, count=8).to_huggingface(tmp_path / "made.json")
    made: Document = json.loads((tmp_path / "made.json").read_text("utf-8"))
    for name, value in changes.items():
        (made["model"] if name in made["model"] else made)[name] = value
    return made


def read(path: Path, made: object) -> SentencePieceTokenizer:
    path.write_text(json.dumps(made), encoding="utf-8")
    tok = read_huggingface_tokenizer(path)
    assert isinstance(tok, SentencePieceTokenizer)
    return tok


def llama2c_file(parts: PieceParts) -> bytes:
    """As llama2.c's tokenizer.py writes it."""
    spelled = [piece.replace(SPACE, " ").encode() for piece in parts.pieces]
    spelled[1:3] = [b"\n<s>\n", b"\n</s>\n"]
    rows = (struct.pack("<fi", s, len(p)) + p for p, s in zip(spelled, parts.scores, strict=True))
    return struct.pack("<i", max(map(len, spelled))) + b"".join(rows)


def llama2c_parts(count: int = 30) -> PieceParts:
    """Parts in llama2.c's order: no user-defined pieces."""
    parts = drawn_parts(3, count=count)
    kept = [n for n, kind in enumerate(parts.types) if kind != 4]
    return parts._replace(pieces=[parts.pieces[n] for n in kept], scores=[parts.scores[n] for n in kept],
                          types=[parts.types[n] for n in kept])  # fmt: skip


# Our JSON


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    plain(1).to_huggingface(tmp_path / "hf.json")
    by_merges = SentencePieceTokenizer.from_huggingface(tmp_path / "hf.json")
    for tok in [
        drawn(1),
        drawn(2, prefix="first", ties=True),
        drawn(3, bytes_too=False, before_space=False),
        by_merges,
    ]:
        tok.save(path)
        assert SentencePieceTokenizer.load(path) == load_tokenizer(path) == tok
        assert SentencePieceTokenizer.load(path).fingerprint == tok.fingerprint


def test_kinds_are_not_taken_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    CharTokenizer("abc").save(path)
    with pytest.raises(TokenizerError, match=r't\.json: expected "kind" sentencepiece, got \'char\''):
        SentencePieceTokenizer.load(path)
    drawn().save(path)
    with pytest.raises(TokenizerError, match=r'expected "kind" bpe, got \'sentencepiece\''):
        Tokenizer.load(path)


def test_an_edited_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    drawn().save(path)
    made = json.loads(path.read_text("utf-8"))
    made["prefix"] = "never"
    path.write_text(json.dumps(made))
    with pytest.raises(TokenizerError, match="its contents do not match its fingerprint"):
        load_tokenizer(path)


# Hugging Face's tokenizer.json


@pytest.mark.parametrize("settings", [{}, {"prefix": "never"}, {"before_space": False}, {"bytes_too": False},
                                      {"prefix": "first", "before_space": False}])  # fmt: skip
def test_what_is_written_for_huggingface_comes_back_with_the_same_ids(tmp_path: Path, settings: Any) -> None:
    for seed in range(5):
        tok, path = plain(seed, **settings), tmp_path / "tokenizer.json"
        tok.to_huggingface(path)
        back = SentencePieceTokenizer.from_huggingface(path)
        assert back == load_tokenizer(path) == read_huggingface_tokenizer(path)
        assert back.parts.merges is not None
        assert back.special_tokens == tok.special_tokens
        for text in drawn_texts(300, seed):
            assert back.encode(text + "<s>" + text, "all") == tok.encode(text + "<s>" + text, "all")
        back.to_huggingface(tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_the_old_and_the_new_spelling_of_spaces_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    whole = {"type": "Sequence", "normalizers": [PREPEND, REPLACE]}
    old = read(path, document(tmp_path, normalizer=whole, pre_tokenizer=None)).parts
    assert (old.prefix, old.prefix_before_space) == ("always", True)
    bare = read(path, document(tmp_path, normalizer=REPLACE, pre_tokenizer=None)).parts
    assert (bare.prefix, bare.prefix_before_space) == ("never", True)
    new = read(path, document(tmp_path, normalizer=None, pre_tokenizer=METASPACE)).parts
    assert (new.prefix, new.prefix_before_space) == ("first", False)
    older = {"type": "Metaspace", "replacement": SPACE, "add_prefix_space": True, "split": False}
    assert read(path, document(tmp_path, normalizer=None, pre_tokenizer=older)).parts.prefix == "always"
    older["add_prefix_space"] = False
    assert read(path, document(tmp_path, normalizer=None, pre_tokenizer=older)).parts.prefix == "never"


def test_added_tokens_that_are_not_special_are_found_in_every_text(tmp_path: Path) -> None:
    made = document(tmp_path)
    size = len(made["model"]["vocab"])
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    made["added_tokens"] += [{"id": size, "content": "[tool]", "special": False, **flags},
                             {"id": size + 1, "content": "[end]", "special": True, **flags}]  # fmt: skip
    tok = read(tmp_path / "t.json", made)
    assert size in tok.encode("a[tool]b")
    assert tok.special_tokens["[end]"] == size + 1
    with pytest.raises(TokenizerError, match=r"special token '\[end\]'"):
        tok.encode("[end]")


def test_both_kinds_of_tokenizer_json_are_told_apart(tmp_path: Path) -> None:
    train_bpe(["the the that"], 261).to_huggingface(tmp_path / "bytes.json")
    assert isinstance(read_huggingface_tokenizer(tmp_path / "bytes.json"), Tokenizer)
    with pytest.raises(TokenizerError, match="its normalizer Prepend changes text before encoding"):
        Tokenizer.from_huggingface(_written(tmp_path, document(tmp_path)))
    with pytest.raises(TokenizerError, match=r"normalizer None with pre_tokenizer ByteLevel is none that can be had"):
        SentencePieceTokenizer.from_huggingface(tmp_path / "bytes.json")


def _written(tmp_path: Path, made: Document) -> Path:
    (tmp_path / "pieces.json").write_text(json.dumps(made))
    return tmp_path / "pieces.json"


def sequence(*steps: Document) -> Document:
    return {"type": "Sequence", "normalizers": list(steps), "pretokenizers": list(steps)}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"type": "Unigram"}, "expected the type BPE, got 'Unigram'"),
        ({"dropout": 0.5}, '"dropout" is 0.5'),
        ({"ignore_merges": True}, '"ignore_merges" changes ids'),
        ({"normalizer": sequence(PREPEND, REPLACE, {"type": "NFKC"})}, "its normalizer NFKC changes text"),
        ({"normalizer": sequence({"type": "Precompiled"}, REPLACE)}, "its normalizer Precompiled changes text"),
        ({"normalizer": {"type": "Prepend", "prepend": "_"}}, "its normalizer Prepend changes text"),
        ({"normalizer": {**REPLACE, "content": "_"}}, "its normalizer Replace changes text"),
        ({"normalizer": REPLACE, "pre_tokenizer": METASPACE}, "Replace with pre_tokenizer Metaspace is none that can"),
        ({"normalizer": PREPEND}, "normalizer Prepend with pre_tokenizer None is none that can be had"),
        ({"normalizer": None, "pre_tokenizer": {**METASPACE, "replacement": "_"}}, "writes spaces as '_'"),
        (
            {"normalizer": None, "pre_tokenizer": {**METASPACE, "prepend_scheme": "last"}},
            "prepend_scheme: expected one",
        ),
        ({"decoder": {"type": "WordPiece"}}, "decoder: expected Replace, ByteFallback.*, got 'WordPiece'"),
        ({"merges": ["a b c"]}, "entry 0 is 'a b c', not two pieces"),
        ({"merges": [["a", ""]]}, "entry 0 is .*, not two pieces"),
        ({"merges": [["a", "q"]]}, "'q' is no piece"),
        ({"vocab": {"a": 0, "b": 2}}, "without gaps|Hugging Face would give it"),
        ({"vocab": 3}, '"vocab": expected dict, got int'),
        ({"added_tokens": [{"id": 1, "content": "<s>", "rstrip": True}]}, '"rstrip", which changes ids'),
    ],
)
def test_what_cannot_be_had_here_is_named(tmp_path: Path, changes: Document, says: str) -> None:
    with pytest.raises(TokenizerError, match=says) as caught:
        read(tmp_path / "t.json", document(tmp_path, **changes))
    assert str(caught.value).startswith(str(tmp_path / "t.json"))
    assert "\n" not in str(caught.value)


def test_words_may_be_cut_at_spaces_where_no_merge_has_one_inside(tmp_path: Path) -> None:
    pieces, types = ["<unk>", *BYTES, SPACE, "a", f"{SPACE}a"], [2, *[6] * 256, 1, 1, 1]
    tok = SentencePieceTokenizer.from_pieces(pieces, [-float(n) for n in range(len(pieces))], types)
    tok.to_huggingface(tmp_path / "t.json")
    made = json.loads((tmp_path / "t.json").read_text("utf-8"))
    made |= {"normalizer": None, "pre_tokenizer": {**METASPACE, "split": True}}
    assert read(tmp_path / "t.json", made).encode("a a") == [259, 259]
    made["model"]["vocab"][f"a{SPACE}"] = len(pieces)
    made["model"]["merges"].append(["a", SPACE])
    with pytest.raises(TokenizerError, match=r"Metaspace cuts text before each space \(split: true\)"):
        read(tmp_path / "t.json", made)


def test_what_huggingface_cannot_say_is_refused_when_written(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    for tok, says in [
        (plain(ties=True), "have the same score"),
        (plain(prefix="first"), "a space at the very beginning, also before a space, cannot be said"),
        (drawn(), "the user-defined piece .* would not be found there"),
        (SentencePieceTokenizer(llama2c_parts()._replace(special_tokens={"[end]": 2})), "cannot be found there as"),
    ]:
        with pytest.raises(TokenizerError, match=says):
            tok.to_huggingface(path)
    assert not path.exists()


# llama2.c's tokenizer.bin


def test_the_tokenizer_of_llama2c_is_read(tmp_path: Path) -> None:
    parts, path = llama2c_parts(), tmp_path / "tokenizer.bin"
    path.write_bytes(llama2c_file(parts))
    tok = SentencePieceTokenizer.from_llama2c(path)
    assert tok.special_tokens == {"<unk>": 0, "<s>": 1, "</s>": 2}
    same = SentencePieceTokenizer(parts)
    for text in drawn_texts(300):
        assert tok.encode(text) == same.encode(text)
        assert tok.decode(tok.encode(text)) == text
    assert tok.decode([1]) == "<s>"
    tok.save(tmp_path / "t.json")
    assert load_tokenizer(tmp_path / "t.json") == tok


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: b"", "0 bytes"),
        (lambda data: data[:-1], r"piece \d+ says it has"),
        (lambda data: data + b"\0\0\0", "it ends within piece"),
        (lambda data: struct.pack("<i", 3) + data[4:], "the longest has 3"),
        (lambda data: data[:8] + struct.pack("<i", -1) + data[12:], "piece 0 says it has -1 bytes"),
        (lambda data: data[:8] + struct.pack("<i", 2**31 - 1) + data[12:], "says it has 2147483647 bytes"),
        (lambda data: data[:4] + struct.pack("<f", float("inf")) + data[8:], "expected a finite score, got inf"),
        (lambda data: data.replace(b"\n<s>\n", b"\n<S>\n"), "expected '<s>' as piece 1"),
        (lambda data: data.replace(b"<0x00>", b"<0x0g>"), "expected <0x00> as piece 3"),
        (lambda data: data.replace(b"<0x01>", b"<0x02>"), "expected <0x01> as piece 4"),
        (lambda data: data.replace("é".encode(), b"\xff\xff"), "is not UTF-8"),
    ],
)
def test_what_is_no_tokenizer_of_llama2c_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    path = tmp_path / "tokenizer.bin"
    path.write_bytes(change(llama2c_file(llama2c_parts())))
    with pytest.raises(TokenizerError, match=says) as caught:
        SentencePieceTokenizer.from_llama2c(path)
    assert str(caught.value).startswith(str(path))


# The command line


def test_the_command_line_takes_them(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tokenizer.__main__ import main

    tok, path, text = drawn(), tmp_path / "t.json", "ab <@> cd\n e" * 30
    tok.save(path)
    (tmp_path / "text.txt").write_bytes(text.encode())
    assert main(["encode", "-t", str(path), text]) == 0
    assert [int(i) for i in capsysbinary.readouterr().out.split()] == tok.encode(text)
    assert main(["encode", "-t", str(path), "--file", str(tmp_path / "text.txt"), "-o", str(tmp_path / "i.npy")]) == 0
    capsysbinary.readouterr()
    monkeypatch.setattr("tokenizer.__main__.DECODED_TOGETHER", 7)
    assert main(["decode", "-t", str(path), "--file", str(tmp_path / "i.npy")]) == 0
    assert capsysbinary.readouterr().out == text.encode()
    assert main(["show", "-t", str(path), "ab cd"]) == 0
    assert "␣" in capsysbinary.readouterr().out.decode()
    assert main(["encode", "-t", str(path), "a</s>"]) == 2


# Damage


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], Any], bytes], bool]:
    """Whether a file of these bytes gives a tokenizer that encodes; if not, it is refused in one line with its name."""
    held = [b""]
    monkeypatch.setattr("tokenizer.formats.read_bytes", lambda _: held[0])  # thousands of real files take a minute

    def attempt(reader: Callable[[str], Any], data: bytes) -> bool:
        held[0] = data
        try:
            tok = reader("its.name")
        except TokenizerError as error:
            assert str(error).startswith("its.name: ")
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
            return False
        works(tok)
        return True

    return attempt


def works(tok: Any) -> None:
    """A text comes back, or is refused."""
    try:
        ids = tok.encode("ab a☃", (), ())
    except TokenizerError:
        return
    assert isinstance(tok.decode(ids), str)
    assert max(ids, default=0) < tok.vocab_size
    assert hash(tok.fingerprint)


def small(tmp_path: Path, form: str) -> bytes:
    tok = plain(0, count=6, bytes_too=False)
    (tok.save if form == "ours" else tok.to_huggingface)(tmp_path / "t.json")
    return (tmp_path / "t.json").read_bytes()


@pytest.mark.parametrize("form", ["ours", "Hugging Face's"])
def test_twenty_thousand_damaged_files_load_or_are_refused(tmp_path: Path, form: str, loads: Any) -> None:
    dice, file = random.Random(0), small(tmp_path, form)
    whole = json.loads(file)
    whole.pop("fingerprint", None)
    assert loads(load_tokenizer, file)
    results = [loads(load_tokenizer, damaged_bytes(file, dice)) for _ in range(10_000)]
    results += [loads(load_tokenizer, as_json(damaged_document(whole, dice))) for _ in range(10_000)]
    assert 500 < sum(results) < 15_000  # some do no harm, most do


def test_twenty_thousand_damaged_tokenizers_of_llama2c_load_or_are_refused(loads: Any) -> None:
    dice, file = random.Random(0), llama2c_file(llama2c_parts(3))
    assert loads(SentencePieceTokenizer.from_llama2c, file)
    results = [loads(SentencePieceTokenizer.from_llama2c, damaged_bytes(file, dice)) for _ in range(20_000)]
    assert 100 < sum(results) < 15_000


def test_files_of_other_kinds_are_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"SentencePiece's own file is not read; give the tokenizer\.json"):
        load_tokenizer(tmp_path / "tokenizer.model")
    with pytest.raises(TokenizerError, match=r"type SentencePieceTokenizer\.from_huggingface\(path\)"):
        Tokenizer.from_huggingface(_written(tmp_path, document(tmp_path)))
