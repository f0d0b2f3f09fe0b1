"""GPT-2's and tiktoken's files: what is written comes back, merges are found from ranks, damage is named."""

import base64
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tokenizer_oracles import naive_encode, tiktoken_encode
from tokenizer_strategies import SPECIALS, drawn_texts, tokenizers

from tokenizer import Tokenizer, TokenizerError, load_tokenizer, train_bpe
from tokenizer.alphabet import to_printable
from tokenizer.published import recover_merges

BYTES = {byte: bytes([byte]) for byte in range(256)}
VOCAB = {to_printable(token): i for i, token in BYTES.items()} | {"th": 256, "the": 257}
MERGES = "#version: 0.2\nt h\nth e\n"


def gpt2_files(folder: Path, vocab: Any = VOCAB, merges: str | bytes = MERGES) -> tuple[Path, Path]:
    """A vocab.json and a merges.txt with these contents."""
    files = folder / "vocab.json", folder / "merges.txt"
    files[0].write_bytes(vocab if isinstance(vocab, bytes) else json.dumps(vocab).encode())
    files[1].write_bytes(merges if isinstance(merges, bytes) else merges.encode())
    return files


def rank_lines(tokens: Iterable[bytes]) -> bytes:
    """A .tiktoken file in which the tokens have the ranks 0, 1, 2, ..."""
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))


# GPT-2


def test_gpt2_files_come_back(tmp_path: Path) -> None:
    for tok in tokenizers():
        if tok.pattern == "gpt2":
            tok.to_gpt2(tmp_path / "made")
            files = tmp_path / "made" / "vocab.json", tmp_path / "made" / "merges.txt"
            assert Tokenizer.from_gpt2(*files, special_tokens=SPECIALS) == tok
            assert sorted((tmp_path / "made").iterdir()) == sorted(files)


@pytest.mark.parametrize("merges", [MERGES, MERGES.replace("\n", "\r\n"), "t h\nth e", "#version: 0.1\nt h\nth e\n"])
def test_merges_are_read_with_or_without_their_header(tmp_path: Path, merges: str) -> None:
    assert Tokenizer.from_gpt2(*gpt2_files(tmp_path, merges=merges)).merges == [(b"t", b"h"), (b"th", b"e")]


def test_merges_of_the_number_sign_are_no_header(tmp_path: Path) -> None:
    tok = Tokenizer.from_gpt2(*gpt2_files(tmp_path, {**VOCAB, "##": 258}, "# #\nt h\nth e\n"))
    assert tok.merges[0] == (b"#", b"#")


def test_special_tokens_are_those_that_training_cannot_have_made(tmp_path: Path) -> None:
    names = {"<|endoftext|>": 258, "[PAD]": 259, "<｜end▁of▁text｜>": 260, "漢": 261, "<a b>": 262}
    tok = Tokenizer.from_gpt2(*gpt2_files(tmp_path, VOCAB | names))
    assert tok.special_tokens == names
    assert tok.decode([257, 260, 258]) == "the<｜end▁of▁text｜><|endoftext|>"


@pytest.mark.parametrize("word", ["that", "Ġthat", "Ã©Ã©", "1234", "Ġ<x>"])
def test_a_word_that_no_merge_makes_is_special_only_if_it_is_named(tmp_path: Path, word: str) -> None:
    files = gpt2_files(tmp_path, {**VOCAB, word: 300})
    with pytest.raises(TokenizerError, match=rf"{word!r} is made by no merge \(1 such tokens\), .*special_tokens=\["):
        Tokenizer.from_gpt2(*files)
    assert Tokenizer.from_gpt2(*files, special_tokens=[word]).special_tokens == {word: 300}
    assert Tokenizer.from_gpt2(*files, special_tokens=[]).special_tokens == {}
    assert Tokenizer.from_gpt2(*files, special_tokens=["<a>", word, "<b>"]).special_tokens["<b>"] == 302


def test_special_tokens_may_be_given_ids(tmp_path: Path) -> None:
    tok = Tokenizer.from_gpt2(*gpt2_files(tmp_path), special_tokens={"<|x|>": 999})
    assert tok.special_tokens == {"<|x|>": 999}


@pytest.mark.parametrize(
    ("vocab", "merges", "says"),
    [
        (VOCAB, "t h e\n", "merges.txt: .*entry 0 is 't h e', not two tokens with a space between"),
        (VOCAB, "t h\n\nth e\n", "merges.txt: .*entry 1 is '', not two tokens"),
        (VOCAB, "t h\nth 漢\n", "merges.txt: .*'漢' is none of the 256 characters"),
        (VOCAB, b"t h\nth e\xff\n", "merges.txt: not a file of merges: not UTF-8 at byte 8"),
        (VOCAB, "t h\nth e\nq x\n", "vocab.json: .*b'qx' is not in the vocabulary"),
        (VOCAB, "t h\nth e\nt h\n", "vocab.json: .*stands at rank 0 and 2"),
        (VOCAB, "t h\n", "vocab.json: 'the' is made by no merge"),
        (VOCAB, "", r"vocab.json: 'th' is made by no merge \(2 such tokens\)"),
        ([], MERGES, r'vocab.json: not a GPT-2 vocabulary: expected a JSON object \{"token": id\}, got list'),
        (b"{", MERGES, "vocab.json: not a tokenizer file: not JSON"),
        (b'{"a": 1, "a": 2}', MERGES, "'a' stands twice in one object"),
        ({**VOCAB, "the": "1"}, MERGES, "the id of 'the' is '1', not a whole number"),
        ({**VOCAB, "the": True}, MERGES, "the id of 'the' is True, not a whole number"),
        ({**VOCAB, "the": 256}, MERGES, "id 256 is given twice, to 'th' and 'the'"),
        ({**VOCAB, "the": -1}, MERGES, "ids that are ints from 0, got -1"),
        ({**VOCAB, "the": 10**30}, MERGES, "an id of 100 bits is beyond 16777215"),
        ({**VOCAB, "<|x|>": 10**9}, MERGES, "the id 1000000000 is beyond 16777215"),
        ({**VOCAB, "<|x|>": None}, MERGES, "an int from 0, got None"),
        ({**VOCAB, "<|x|>": 7}, MERGES, "the id 7 of '<|x|>' belongs to b'.x07'".replace("|", r"\|")),
        ({}, MERGES, "256 of the 256 bytes have no token"),
    ],
)
def test_gpt2_files_that_are_damaged_get_one_line_with_the_name(
    tmp_path: Path, vocab: Any, merges: Any, says: str
) -> None:
    with pytest.raises(TokenizerError, match=says) as caught:
        Tokenizer.from_gpt2(*gpt2_files(tmp_path, vocab, merges))
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    vocab, merges = gpt2_files(tmp_path)
    none = tmp_path / "none"
    for read in (
        lambda: Tokenizer.from_gpt2(none, merges),
        lambda: Tokenizer.from_gpt2(vocab, none),
        lambda: Tokenizer.from_tiktoken(none, "gpt4"),
        lambda: Tokenizer.from_huggingface(none),
    ):
        with pytest.raises(TokenizerError, match="none: cannot be read: No such file"):
            read()


@pytest.mark.parametrize(
    ("tok", "says"),
    [
        (Tokenizer.from_merges(BYTES, [], pattern="gpt4"), "files imply its pattern, this one is 'gpt4'; use to_hugg"),
        (Tokenizer.from_merges(BYTES, [], ignore_merges=True), "cannot say ignore_merges"),
        (Tokenizer.from_merges(BYTES, [], {"a": 300}, "gpt2"), "the special token 'a' is spelled like the token 97"),
    ],
)
def test_what_gpt2_files_cannot_say_is_refused(tmp_path: Path, tok: Tokenizer, says: str) -> None:
    with pytest.raises(TokenizerError, match=f"to_gpt2: .*{says}"):
        tok.to_gpt2(tmp_path / "made")
    assert not list(tmp_path.iterdir())


# tiktoken


def test_tiktoken_files_come_back_with_what_they_leave_out(tmp_path: Path) -> None:
    path = tmp_path / "ranks.tiktoken"
    # not the disordered one, nor the one whose ids and merges tell different tales
    merged = [tok for tok in tokenizers() if tok.vocab[7] == b"\x07" and not tok.ignore_merges]
    assert len(merged) == len(tokenizers()) - 2
    for tok in merged:
        tok.to_tiktoken(path)
        again = Tokenizer.from_tiktoken(path, tok.pattern, tok.special_tokens)
        assert again == tok
        assert Tokenizer.from_tiktoken(path, pattern=tok.pattern).special_tokens == {}


def drawn_ids(dice: random.Random) -> dict[bytes, int]:
    """Tokens over three letters in any order of rank, whether or not merging can reach them; and all bytes."""
    if dice.random() < 0.5:
        tokens = {bytes(dice.choices(b"abc", k=dice.randint(2, 5))) for _ in range(dice.randint(1, 40))}
        order = dice.sample(sorted(tokens | set(BYTES.values())), len(tokens) + 256)
    else:  # as training goes: from tokens that are there
        order = [b"a", b"b", b"c"]
        for _ in range(dice.randint(1, 40)):
            token = dice.choice(order[:10]) + dice.choice(order)
            order += [token] if token not in order and len(token) < 9 else []
        order += [byte for byte in BYTES.values() if byte not in order]
    return {token: rank for rank, token in enumerate(order)}


def test_ids_follow_tiktokens_rule_whatever_the_ranks(tmp_path: Path) -> None:
    dice = random.Random(0)
    path = tmp_path / "ranks.tiktoken"
    kept = 0
    for _ in range(150):
        ids = drawn_ids(dice)
        path.write_bytes(rank_lines(ids))
        tok = Tokenizer.from_tiktoken(path, pattern=r"[abc]+")
        assert tok.vocab == {i: token for token, i in ids.items()}
        kept += tok.ignore_merges
        for _ in range(60):
            word = bytes(dice.choices(b"abc", k=dice.randint(1, 12)))
            assert tok.encode_bytes(word) == tiktoken_encode(word, ids), (word, ids)
        tok.to_tiktoken(tmp_path / "again.tiktoken")
        assert sorted((tmp_path / "again.tiktoken").read_bytes().split()) == sorted(path.read_bytes().split())
    assert 10 < kept < 140  # both kinds came up


def test_recovered_merges_are_those_that_were_trained() -> None:
    for pattern in ("gpt2", "gpt4"):
        tok = train_bpe([" ".join(drawn_texts(500))], 600, pattern=pattern, special_tokens=[])
        assert recover_merges({token: i for i, token in tok.vocab.items()}) == (tok.merges, [])


def test_without_a_pattern_only_published_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "my.tiktoken"
    path.write_bytes(rank_lines(BYTES.values()))
    for read in (Tokenizer.from_tiktoken, load_tokenizer):
        with pytest.raises(TokenizerError, match=r'do not say how text is split.*from_tiktoken\(path, pattern="gpt4"'):
            read(path)


LINES = rank_lines(BYTES.values())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "256 of the 256 bytes have no token"),
        (b"YQ==\n", "line 1 is b'YQ==', not a token in base64, a space and its rank"),
        (b"YQ== 1 2\n", "line 1 is b'YQ== 1 2', not a token"),
        (b"YQ= 1\n", "line 1 is b'YQ= 1', not a token"),
        (b"Y!== 1\n", "line 1 is"),
        (b"YQ== -1\n", "line 1 is"),
        (b"YQ== 1.0\n", "line 1 is"),
        ("YQ== ١\n".encode(), "line 1 is"),
        (b"YQ== " + b"9" * 5000 + b"\n", "line 1 is"),
        (b"YQ== 16777216\n", "line 1: ranks go to 16777215"),
        (base64.b64encode(b"a" * 1025) + b" 1\n", "tokens to 1024 bytes here"),
        (b"\xff\xfe\x00", r"line 1 is b'\\xff\\xfe\\x00', not a token"),
        (b"{}", "line 1 is b'{}', not a token"),
        (LINES + b"YQ== 256\n", "the token b'a' stands in line 98 and in line 257"),
        (LINES + b"YWI= 97\n", "the rank 97 stands in line 98 and in line 257"),
        (LINES[:-20], "the rank 25 stands in line 26 and in line 254"),
    ],
)
def test_a_tiktoken_file_that_is_damaged_gets_one_line_with_the_name(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "x.tiktoken"
    path.write_bytes(data)
    with pytest.raises(TokenizerError, match=says) as caught:
        Tokenizer.from_tiktoken(path, "gpt4")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("vocab", "merges", "says"),
    [
        (
            {256: b"ab", 257: b"bc"},
            [(b"b", b"c"), (b"a", b"b")],
            "where b'a' \\+ b'b' would come, .* b'b' \\+ b'c' comes",
        ),
        ({256: b"ab", 257: b"bc"}, [(b"a", b"b")], "b'b' \\+ b'c' would come, and here no more merge comes"),
        (
            {256: b"ab", 257: b"bc", 258: b"abc"},
            [(b"a", b"b"), (b"b", b"c"), (b"a", b"bc")],
            "b'ab' \\+ b'c' would come",
        ),
        ({256: b"xyz"}, [], "no merges lead to the token b'xyz', so encode never gives it, but tiktoken would"),
    ],
)
def test_merges_that_tiktoken_would_not_make_are_refused(
    tmp_path: Path, vocab: dict[int, bytes], merges: list[tuple[bytes, bytes]], says: str
) -> None:
    with pytest.raises(TokenizerError, match=f"to_tiktoken: .*{says}.*; use to_huggingface, or save"):
        Tokenizer.from_merges(BYTES | vocab, merges).to_tiktoken(tmp_path / "x.tiktoken")
    assert not list(tmp_path.iterdir())


# Any damage at all


def tries(read: Callable[[], Tokenizer]) -> bool:
    """Whether it loads; nothing but a TokenizerError may say that it does not."""
    try:
        tok = read()
    except TokenizerError as error:
        assert "\n" not in str(error)
        return False
    assert tok.decode(tok.encode_ordinary("the théâtre")) == "the théâtre"
    return True


@pytest.mark.parametrize("which", ["vocab.json", "merges.txt", "ranks.tiktoken"])
def test_a_file_cut_off_or_with_a_byte_changed_loads_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    vocab, merges = gpt2_files(tmp_path, {**VOCAB, "<|x|>": 258})
    files = {
        "vocab.json": vocab.read_bytes(),
        "merges.txt": merges.read_bytes(),
        "ranks.tiktoken": rank_lines([*BYTES.values(), b"th", b"the"]),
    }
    whole = files[which]
    monkeypatch.setattr("tokenizer.published.read_bytes", lambda path: files[str(path)])

    def read() -> Tokenizer:
        if which == "ranks.tiktoken":
            return Tokenizer.from_tiktoken(which, "gpt4")
        return Tokenizer.from_gpt2("vocab.json", "merges.txt")

    assert tries(read)
    for cut in range(len(whole)):
        files[which] = whole[:cut]
        loaded = tries(read)
        assert not (loaded and which == "vocab.json")
        assert not (loaded and which == "merges.txt" and cut < len(whole) - 1)  # the last line feed may go
    for place in range(len(whole)):
        files[which] = whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :]
        tries(read)


def test_tiktokens_own_encoder_follows_the_same_rule(tmp_path: Path) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    dice = random.Random(1)
    path = tmp_path / "ranks.tiktoken"
    for _ in range(60):
        ids = drawn_ids(dice)
        path.write_bytes(rank_lines(ids))
        tok = Tokenizer.from_tiktoken(path, pattern=r"[abc]+")
        other = tiktoken.Encoding("drawn", pat_str=r"[abc]+|[^abc]+", mergeable_ranks=ids, special_tokens={})
        for length in (*range(1, 13), 50, 100, 700):  # tiktoken has another way for words of 500 bytes
            word = "".join(dice.choices("abc", k=length))
            assert tok.encode(word) == other.encode(word)


def test_naive_merging_gives_the_same_for_what_merging_reaches() -> None:
    tok = train_bpe([" ".join(drawn_texts(500))], 600, special_tokens=[])
    ids = {token: i for i, token in tok.vocab.items()}
    for word in (b" the", b"hello", b"aaaaaaa", "naïve".encode(), b"1234567"):
        assert (
            tiktoken_encode(word, ids)
            == [ids[part] for part in naive_encode(word, tok.merges)]
            == tok.encode_bytes(word)
        )
