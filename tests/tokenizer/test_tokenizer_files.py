"""Files and vocabularies: what is saved comes back, what is broken is named, what changes encode changes the mark."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_strategies import CUSTOM, texts, tokenizers

from tokenizer import CharTokenizer, Tokenizer, TokenizerError, load_tokenizer, train_bpe
from tokenizer.alphabet import BYTE_TO_CHAR, from_printable, to_printable

BYTES = {byte: bytes([byte]) for byte in range(256)}


@pytest.mark.parametrize("number", range(9))
def test_a_tokenizer_comes_back_from_its_file(tmp_path: Path, number: int) -> None:
    tok, path = tokenizers()[number], tmp_path / "tok.json"
    tok.save(path)
    for loaded in (Tokenizer.load(path), load_tokenizer(str(path))):
        assert isinstance(loaded, Tokenizer)
        assert loaded.fingerprint == tok.fingerprint
        assert (loaded.vocab, loaded.merges) == (tok.vocab, tok.merges)
        assert (loaded.special_tokens, loaded.pattern) == (tok.special_tokens, tok.pattern)
        assert loaded.ignore_merges == tok.ignore_merges
    assert number < 8 or tok is tokenizers()[-1]
    assert os.listdir(tmp_path) == ["tok.json"]


def test_the_file_of_a_tokenizer_can_be_read_by_people(tmp_path: Path) -> None:
    train_bpe(["the the the"], 260).save(tmp_path / "tok.json")
    document = json.loads((tmp_path / "tok.json").read_text(encoding="utf-8"))
    assert list(document)[:5] == ["format", "version", "kind", "pattern", "special_tokens"]
    assert document["merges"] == ["h e", "t he", "Ġ the"]
    assert document["vocab"]["Ġthe"] == 258
    assert document["special_tokens"] == {"<|endoftext|>": 259}


@given(texts.filter(bool))
def test_characters_come_back_from_their_file(text: str) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "char.json"
        CharTokenizer(text).save(path)
        assert load_tokenizer(path) == CharTokenizer.load(path) == CharTokenizer(text)


def test_each_kind_refuses_the_file_of_the_other(tmp_path: Path) -> None:
    CharTokenizer("abc").save(tmp_path / "char.json")
    tokenizers()[0].save(tmp_path / "bpe.json")
    with pytest.raises(TokenizerError, match=r"char\.json: expected \"kind\" bpe, got 'char'"):
        Tokenizer.load(tmp_path / "char.json")
    with pytest.raises(TokenizerError, match=r"bpe\.json: expected \"kind\" char, got 'bpe'"):
        CharTokenizer.load(tmp_path / "bpe.json")


@given(st.binary())
def test_every_byte_string_can_be_spelled_in_the_printable_alphabet(data: bytes) -> None:
    spelled = to_printable(data)
    assert len(spelled) == len(data)
    assert spelled.isprintable()
    assert " " not in spelled
    assert from_printable(spelled) == data


def test_the_alphabet_is_the_one_of_gpt2() -> None:
    assert len(set(BYTE_TO_CHAR.values())) == 256
    assert (to_printable(b"\x00 \n\x7f\xa0\xad"), to_printable("é!~".encode())) == ("ĀĠĊġłŃ", "Ã©!~")


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tok.json"
    tokenizers()[0].save(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="disk full"):
                tokenizers()[1].save(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["tok.json"]


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(format="other"), 'not a tokenizer file of ours: it lacks "format"'),
        (lambda d: d.update(version=2), "version 2 of the format; this program reads version 1"),
        (lambda d: d.update(kind="word"), "expected \"kind\" bpe, got 'word'"),
        (lambda d: d.pop("vocab"), '"vocab": expected dict, got nothing'),
        (lambda d: d.update(vocab=[]), '"vocab": expected dict, got list'),
        (lambda d: d.update(merges={}), '"merges": expected list, got dict'),
        (lambda d: d.update(pattern=None), '"pattern": expected str, got NoneType'),
        (lambda d: d.update(pattern="(x"), "nor a valid regex"),
        (lambda d: d.update(special_tokens=["<|x|>"]), '"special_tokens": expected dict, got list'),
        (lambda d: d["special_tokens"].update({"<|x|>": "1"}), "an id that is an int from 0, got '1'"),
        (lambda d: d["vocab"].update(x=1.5), "the id of 'x' is 1.5, not a whole number"),
        (lambda d: d["vocab"].update(x=True), "the id of 'x' is True, not a whole number"),
        (lambda d: d["vocab"].update(xyz=10**30), "an id of 100 bits is beyond 16777215"),
        (lambda d: d["special_tokens"].update({"<|x|>": 1 << 24}), "the id 16777216 is beyond 16777215, the greatest"),
        (lambda d: d.update(ignore_merges=1), '"ignore_merges": expected bool, got int'),
        (lambda d: d["vocab"].update(xyz=97), "id 97 is given twice, to 'a' and 'xyz'"),
        (lambda d: d["vocab"].update(xyz=-5), "ids that are ints from 0, got -5"),
        (lambda d: d["vocab"].update({"": 999}), "not empty, got b'' for id 999"),
        (lambda d: d["vocab"].update({"漢": 999}), "'漢' is none of the 256 characters"),
        (lambda d: d["vocab"].pop("a"), r"1 of the 256 bytes have no token, first b'a'"),
        (lambda d: d["merges"].append("h"), "entry 3 is 'h', not two tokens"),
        (lambda d: d["merges"].append(["h", "e"]), "entry 3 is .*, not two tokens"),
        (lambda d: d["merges"].append("q x"), "b'q' \\+ b'x' at rank 3: b'qx' is not in the vocabulary"),
        (lambda d: d["merges"].append("t he"), "b't' \\+ b'he' stands at rank 1 and 3"),
        (lambda d: d["merges"].reverse(), "do not match its fingerprint"),
        (lambda d: d.update(pattern="gpt4"), "do not match its fingerprint"),
    ],
)
def test_a_damaged_file_gets_one_line_that_names_it(tmp_path: Path, change: Change, says: str) -> None:
    path = tmp_path / "tok.json"
    train_bpe(["the the the"], 260).save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(TokenizerError, match=says) as caught:
        Tokenizer.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b'{"format": "tinylm-tokenizer",', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a tokenizer file of ours"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
        (b'{"a": NaN}', "it holds NaN"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a": 1, "a": 2}', "'a' stands twice in one object"),
        (b'{"a": 1, "b": 2}', r'Tokenizer\.from_gpt2\("vocab\.json", "merges\.txt"\)'),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "tok.json"
    path.write_bytes(data)
    with pytest.raises(TokenizerError, match=says) as caught:
        load_tokenizer(path)
    assert len(str(caught.value)) < 1000


def test_a_file_built_to_fill_memory_is_refused_before_it_does(tmp_path: Path) -> None:
    path = tmp_path / "tok.json"
    with open(path, "wb") as file:
        file.truncate(1 << 30)  # a gigabyte with nothing in it, of which 64 MB are read
    with pytest.raises(TokenizerError, match="it is longer than 64 MB"):
        load_tokenizer(path)
    path.write_bytes(b"[" + b"[]," * 2_200_000)  # 3 bytes in the file, 64 in memory
    with pytest.raises(TokenizerError, match="more than 2,097,152 opening brackets"):
        load_tokenizer(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"none\.json: cannot be read: No such file"):
        load_tokenizer(tmp_path / "none.json")


@pytest.mark.parametrize("characters", [["a", "a"], ["b", "a"], ["ab"], [""], [1], [], "abc"])
def test_a_damaged_file_of_characters_is_refused(tmp_path: Path, characters: object) -> None:
    path = tmp_path / "char.json"
    path.write_text(json.dumps({"format": "tinylm-tokenizer", "version": 1, "kind": "char", "characters": characters}))
    with pytest.raises(TokenizerError, match=r"char\.json"):
        load_tokenizer(path)


def test_the_fingerprint_changes_with_everything_that_changes_encode() -> None:
    vocab = {**BYTES, 256: b"ab", 257: b"bc", 258: b"abc"}
    merges = [(b"a", b"b"), (b"b", b"c"), (b"ab", b"c")]
    made = {
        "base": Tokenizer.from_merges(vocab, merges, ["<|x|>"]),
        "order of merges": Tokenizer.from_merges(vocab, [merges[1], merges[0], merges[2]], ["<|x|>"]),
        "one merge less": Tokenizer.from_merges(vocab, merges[:2], ["<|x|>"]),
        "another split of a token": Tokenizer.from_merges(vocab, [*merges[:2], (b"a", b"bc")], ["<|x|>"]),
        "ids": Tokenizer.from_merges({**vocab, 256: b"bc", 257: b"ab"}, merges, ["<|x|>"]),
        "name of a special token": Tokenizer.from_merges(vocab, merges, ["<|y|>"]),
        "id of a special token": Tokenizer.from_merges(vocab, merges, {"<|x|>": 300}),
        "no special token": Tokenizer.from_merges(vocab, merges),
        "a token special or not": Tokenizer.from_merges({**vocab, 259: b"<|x|>"}, merges),
        "pattern": Tokenizer.from_merges(vocab, merges, ["<|x|>"], "gpt4"),
        "custom pattern": Tokenizer.from_merges(vocab, merges, ["<|x|>"], CUSTOM),
        "ignore_merges": Tokenizer.from_merges(vocab, merges, ["<|x|>"], ignore_merges=True),
    }
    marks = {name: tok.fingerprint for name, tok in made.items()}
    assert len(set(marks.values())) == len(made), marks
    assert all(len(mark) == 64 for mark in marks.values())
    assert CharTokenizer("ab").fingerprint != CharTokenizer("abc").fingerprint


def test_the_fingerprint_does_not_change_with_what_changes_nothing() -> None:
    one = Tokenizer.from_merges(BYTES, [], {"<|x|>": 300, "<|y|>": 301})
    other = Tokenizer.from_merges(dict(reversed(BYTES.items())), [], {"<|y|>": 301, "<|x|>": 300})
    assert one.fingerprint == other.fingerprint
    # it stands in files and checkpoints, so it must stay what it is
    assert one.fingerprint == "63f33126680e6ffee557e138588c1bcb71ee6d9b167519ace9e12a6cc4e461da"


@pytest.mark.parametrize(
    ("vocab", "merges", "says"),
    [
        ({**BYTES, 256: b"a"}, [], "b'a' has two ids, 97 and 256"),
        ({**BYTES, -1: b"ab"}, [], "got -1"),
        (dict(enumerate(BYTES.values()), **{"256": b"ab"}), [], "got '256'"),
        ({**BYTES, 256: "ab"}, [], "expected id -> bytes, not empty, got 'ab'"),
        ({0: b"a"}, [], "255 of the 256 bytes have no token"),
        (BYTES, [(b"a", b"b")], "b'ab' is not in the vocabulary"),
        (BYTES, [(b"a", b"b", b"c")], "expected a pair of bytes"),
        (BYTES, [("a", "b")], "expected a pair of bytes"),
        ({**BYTES, 256: b"ab"}, [(b"a", b"b"), (b"a", b"b")], "stands at rank 0 and 1"),
    ],
)
def test_a_vocabulary_that_does_not_fit_together_is_refused(vocab: Any, merges: Any, says: str) -> None:
    with pytest.raises(TokenizerError, match=says):
        Tokenizer.from_merges(vocab, merges)


def test_a_whole_pretoken_in_the_vocabulary_is_its_own_token_where_merges_are_ignored() -> None:
    vocab = {**BYTES, 256: b"ab", 257: b"bc", 258: b"abc", 259: b"xyz"}
    merges = [(b"b", b"c"), (b"a", b"b")]  # none makes abc or xyz
    merged = Tokenizer.from_merges(vocab, merges)
    whole = Tokenizer.from_merges(vocab, merges, ignore_merges=True)
    assert (merged.encode("abc"), merged.encode("xyz"), merged.encode("ab")) == ([97, 257], [*b"xyz"], [256])
    assert (whole.encode("abc"), whole.encode("xyz"), whole.encode("ab")) == ([258], [259], [256])
    assert whole.encode("abcx") == merged.encode("abcx") == [97, 257, 120]
    assert whole.encode_bytes(b"abc\xff") == [258, 255]
    assert whole.decode(whole.encode("abc xyz")) == "abc xyz"
    assert [step.token for step in whole.encode_steps("ab")] == [256]
    assert list(whole.encode_steps("xyz")) == []  # no merges lead to its token
    assert list(whole.encode_steps(b"abcx")) == list(merged.encode_steps(b"abcx"))


def test_a_name_with_a_nul_and_a_folder_are_refused_as_files(tmp_path: Path) -> None:
    for name in ("a\0b", str(tmp_path)):
        with pytest.raises(TokenizerError, match="cannot be read"):
            load_tokenizer(name)


@pytest.mark.parametrize("i", [1 << 24, 10**30, 1 << 20_000], ids=["2^24", "10^30", "2^20000"])
def test_ids_that_no_table_could_hold_are_refused(i: int) -> None:
    for made in ({**BYTES, i: b"ab"}, BYTES):
        with pytest.raises(TokenizerError, match="is beyond 16777215, the greatest allowed"):
            Tokenizer.from_merges(made, [], {} if i in made else {"<|x|>": i})
