"""The tokenizer in a GGUF file's metadata: read, refused by name, written, damaged, and as others read it."""

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from piece_vocabularies import FRAGMENTS, JUNK, SPACE, damaged_document, drawn, drawn_parts, drawn_texts
from tokenizer_strategies import drawn_texts as hard_texts
from tokenizer_strategies import tokenizers

from tokenizer import CharTokenizer, SentencePieceTokenizer, Tokenizer, TokenizerError, train_bpe
from tokenizer.gguf import PRE, gguf_of_tokenizer, special_ids_of_gguf, tokenizer_of_gguf
from tokenizer.patterns import splitter

Metadata = dict[str, Any]
G = "tokenizer.ggml."


def bytes_metadata(pre: str = "smollm") -> Metadata:
    tok = train_bpe(["the the that"], 262, pattern=PRE[pre].pattern, special_tokens=["<|end|>", "<|tool|>"])
    made = gguf_of_tokenizer(tok)
    made.pop("tinylm.tokenizer.normal_form", None)
    return {**made, G + "pre": pre}


def pieces_metadata() -> Metadata:
    return gguf_of_tokenizer(drawn(0))


# Byte-level BPE


# llama.cpp, src/llama-vocab.cpp: which of the regexes below, and whether whole pre-tokens are looked up first
MEANT = {
    "gpt-2": "gpt2", "phi-2": "gpt2", "smollm": "smollm2", "starcoder": "smollm2", "refact": "smollm2",
    "llama-bpe": "llama3", "llama3": "llama3", "llama-v3": "llama3", "smaug-bpe": "llama3", "dbrx": "llama3",
    "qwen2": "qwen2",
}  # fmt: skip
LOOKED_UP = ["llama-bpe", "llama3", "llama-v3"]


@pytest.mark.parametrize("pre", sorted(MEANT))
def test_every_name_of_a_pre_tokenizer_is_read(pre: str) -> None:
    tok = tokenizer_of_gguf(bytes_metadata(pre))
    assert isinstance(tok, Tokenizer)
    assert tok.pattern == MEANT[pre]
    assert tok.ignore_merges == (pre in LOOKED_UP)
    assert tok.normal_form == ("NFC" if pre == "qwen2" else None)
    assert set(PRE) == set(MEANT)
    assert tok.special_tokens == {"<|end|>": 260, "<|tool|>": 261}


# llama.cpp, src/llama-vocab.cpp, llm_tokenizer_bpe: the regexes there, in the order in which they cut
CASES = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
THERE = {"gpt2": [GPT2], "smollm2": [r"\p{N}", GPT2], "llama3": [CASES + r"\p{N}{1,3}" + REST],
         "qwen2": [CASES + r"\p{N}" + REST]}  # fmt: skip


@pytest.mark.parametrize("pattern", sorted(THERE))
def test_patterns_cut_as_the_regexes_of_llama_cpp(pattern: str) -> None:
    for text in hard_texts(4000, 3):
        text = text.replace("ſ", "s")  # which (?i:s) matches, and [sS] there does not
        words = [text]
        for expression in THERE[pattern]:
            words = [word for each in words for word in splitter(f"(?:{expression})").split(each)]
        assert words == splitter(pattern).split(text), text


def test_ids_without_a_token_are_unused_ones() -> None:
    first = tokenizers()[1]
    gaps = Tokenizer.from_merges(
        {2 * i: token for i, token in first.vocab.items()}, first.merges,
        {name: 2 * i for name, i in first.special_tokens.items()}, first.pattern,
    )  # fmt: skip
    keys = gguf_of_tokenizer(gaps)
    assert keys[G + "tokens"][1] == "[PAD1]"
    assert keys[G + "token_type"][:2].tolist() == [1, 5]
    assert keys[G + "token_type"].dtype == np.int32
    assert tokenizer_of_gguf(keys) == gaps


def test_what_is_written_comes_back() -> None:
    written = 0
    for tok in tokenizers():
        for form in (None, "NFC"):
            tok = Tokenizer(*tok.parts._replace(normal_form=form))
            try:
                keys = gguf_of_tokenizer(tok)
            except TokenizerError as error:
                assert "GGUF has no name for the pattern" in str(error)
                continue
            assert tokenizer_of_gguf(keys) == tok
            written += 1
    assert written >= 8


def test_the_normal_form_of_qwen_is_applied_and_written() -> None:
    tok = tokenizer_of_gguf(bytes_metadata("qwen2"))
    assert tok.encode("e\u0301") == tok.encode("é")
    assert set(gguf_of_tokenizer(tok)) == {G + key for key in ("model", "pre", "tokens", "token_type", "merges")}
    plain = train_bpe(["the the that"], 260, pattern="qwen2")
    keys = gguf_of_tokenizer(plain)
    assert keys["tinylm.tokenizer.normal_form"] == "none"
    assert tokenizer_of_gguf(keys) == plain


def test_a_vocabulary_that_lacks_bytes_is_read_and_texts_that_need_them_are_refused() -> None:
    made = bytes_metadata()
    lacking = [made[G + "tokens"].index(token) for token in ("ñ", "Ģ")]  # the bytes F1, and 00 as Ā + 0x22
    made[G + "token_type"][lacking] = 5
    tok = tokenizer_of_gguf(made)
    assert isinstance(tok, Tokenizer)
    assert tok.partial
    assert tok.decode(tok.encode("the that é")) == "the that é"
    with pytest.raises(TokenizerError, match=r"encode: the byte 0xf1 \(byte 3 of the text, in .*\) has no token"):
        tok.encode("the\U00040000")
    for spoilt in ("x" * 5000 + "\U00040000", "\U00040000"):
        for encode in (tok.encode, tok.encode_to_array, tok.split, tok.explain, lambda t: tok.encode_batch([t])):
            with pytest.raises(TokenizerError, match="the byte 0xf1"):
                encode(spoilt)
    with pytest.raises(TokenizerError, match="the byte 0xf1"):
        tok.encode_bytes(b"a\xf1")
    assert tokenizer_of_gguf(gguf_of_tokenizer(tok)) == tok
    with pytest.raises(TokenizerError, match="some of the 256 bytes have no token"):
        tok.to_tiktoken("never.tiktoken")


# SentencePiece-style BPE


def test_pieces_are_read_and_written() -> None:
    for seed in range(4):
        for prefix in ("always", "never"):
            tok = drawn(seed, prefix=prefix)
            keys = gguf_of_tokenizer(tok)
            assert keys[G + "scores"].dtype == np.float32
            assert tokenizer_of_gguf(keys) == tok
    keys.pop(G + "add_space_prefix")
    assert tokenizer_of_gguf(keys).parts.prefix == "always"  # type: ignore[union-attr]


def test_merges_become_scores_that_give_the_same_ids(tmp_path: Path) -> None:
    for seed in range(6):
        parts = drawn_parts(seed)
        kept = [n for n, kind in enumerate(parts.types) if kind != 4]
        tok = SentencePieceTokenizer(parts._replace(**{
            name: [getattr(parts, name)[n] for n in kept] for name in ("pieces", "scores", "types")
        }))  # fmt: skip
        tok.to_huggingface(tmp_path / "t.json")
        by_merges = SentencePieceTokenizer.from_huggingface(tmp_path / "t.json")
        back = tokenizer_of_gguf(gguf_of_tokenizer(by_merges))
        for text in drawn_texts(300, seed):
            assert back.encode(text) == by_merges.encode(text) == tok.encode(text)
    apart = by_merges.parts._replace(merges=[*by_merges.parts.merges[1:], by_merges.parts.merges[0]])  # type: ignore[index]
    fewer = by_merges.parts._replace(merges=by_merges.parts.merges[1:])  # type: ignore[index]
    pairs = [("ab", "c"), ("x", "y"), ("a", "bc")]
    mixed = by_merges.parts._replace(pieces=["a", "ab", "bc", "c", "abc", "x", "y", "xy"], scores=[0.0] * 8,
                                     types=[1] * 8, merges=pairs, special_tokens={})  # fmt: skip
    assert apart
    for wrong, says in [(fewer, "is no merge, but scores would make it one"), (mixed, "'abc' do not stand together")]:
        with pytest.raises(TokenizerError, match=says):
            gguf_of_tokenizer(SentencePieceTokenizer(wrong))


# What cannot be had


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "t5"}, "tokenizer.ggml.model: 't5' cannot be had here"),
        ({"model": ...}, "tokenizer.ggml.model: expected str, got nothing"),
        ({"pre": "deepseek-llm"}, "tokenizer.ggml.pre: expected one of gpt-2, .*qwen2, got 'deepseek-llm'"),
        ({"pre": ...}, "tokenizer.ggml.pre: .* got nothing, as in files made before"),
        ({"tokens": ...}, "tokenizer.ggml.tokens: expected list, got nothing"),
        ({"tokens": [1, 2]}, "tokenizer.ggml.tokens: expected a list of str"),
        ({"token_type": ...}, "tokenizer.ggml.token_type: expected 262 numbers, .* got nothing"),
        ({"token_type": np.ones(3, np.int32)}, "tokenizer.ggml.token_type: expected 262 numbers, .* got 3"),
        ({"token_type": np.full(262, 9, np.int32)}, "token 0 has 9; there are 1 to 6"),
        ({"token_type": np.ones(262, np.float32)}, "token 0 has 1.0; there are 1 to 6"),
        ({"token_type": np.full(262, 6, np.int32)}, "is a byte, in a vocabulary made of bytes"),
        ({"tokens": ["a"] * 262}, "'a' has two ids, the second is 1"),
        ({"merges": ...}, "tokenizer.ggml.merges: expected list, got nothing"),
        ({"merges": ["a b c"]}, "entry 0 is 'a b c', not two tokens"),
        ({"merges": ["q x"]}, "b'qx' is not in the vocabulary"),
    ],
)
def test_what_cannot_be_had_of_bytes_is_named(changes: Mapping[str, Any], says: str) -> None:
    refused(bytes_metadata(), changes, says)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scores": ...}, "tokenizer.ggml.scores: expected .* got nothing"),
        ({"token_type": ...}, "tokenizer.ggml.token_type: expected .* got nothing"),
        ({"add_space_prefix": 1}, "tokenizer.ggml.add_space_prefix: expected bool, got int"),
        ({"remove_extra_whitespaces": True}, "remove_extra_whitespaces changes text"),
        ({"precompiled_charsmap": np.ones(3, np.uint8)}, "precompiled_charsmap changes text"),
        ({"tokens": ["a"]}, "expected 1 numbers, one for each token"),
    ],
)
def test_what_cannot_be_had_of_pieces_is_named(changes: Mapping[str, Any], says: str) -> None:
    refused(pieces_metadata(), changes, says)


def refused(made: Metadata, changes: Mapping[str, Any], says: str) -> None:
    for name, value in changes.items():
        made[G + name] = value
        if value is ...:
            del made[G + name]
    with pytest.raises(TokenizerError, match=says) as caught:
        tokenizer_of_gguf(made)
    assert "\n" not in str(caught.value)


def test_what_gguf_cannot_say_is_refused() -> None:
    vocab = {byte: bytes([byte]) for byte in range(256)}
    parts = drawn_parts(bytes_too=False)
    for tok, says in [
        (CharTokenizer("abc"), "GGUF has no place for a CharTokenizer"),
        (Tokenizer.from_merges(vocab, [], pattern="gpt4"), "GGUF has no name for the pattern 'gpt4'; gpt2, smollm2"),
        (Tokenizer.from_merges(vocab, [], ignore_merges=True), "no name for the pattern 'gpt2' with ignore_merges"),
        (
            Tokenizer.from_merges(vocab | {256: b"aa"}, [(b"a", b"a")], {"aa": 257}),
            "'aa' is spelled like another token",
        ),
        (drawn(prefix="first"), "wants one at the very beginning alone"),
        (drawn(before_space=False), "wants one but before a space"),
        (SentencePieceTokenizer(parts._replace(special_tokens={"[end]": 2})), "cannot be found as '\\[end\\]' there"),
    ]:
        with pytest.raises(TokenizerError, match=says):
            gguf_of_tokenizer(tok)


# Ids with a role


def test_ids_with_a_role_are_those_of_the_file_or_what_llama_cpp_takes_for_them() -> None:
    made = bytes_metadata()
    nothing = {"bos": None, "eos": None, "eot": None, "unk": None, "pad": None, "add_bos": False, "add_eos": False}
    assert special_ids_of_gguf(made) == nothing
    assert special_ids_of_gguf({**made, G + "pre": "llama-bpe"}) == {**nothing, "add_bos": True}
    assert special_ids_of_gguf(pieces_metadata()) == {**nothing, "bos": 1, "eos": 2, "unk": 0, "add_bos": True}
    given = {
        "bos_token_id": 260, "eos_token_id": np.uint32(261), "eot_token_id": 5, "unknown_token_id": 0,
        "padding_token_id": 2**32 - 1, "add_bos_token": True, "add_eos_token": np.bool_(True),
    }  # fmt: skip
    said = special_ids_of_gguf({**made, **{G + key: value for key, value in given.items()}})
    assert said == {"bos": 260, "eos": 261, "eot": 5, "unk": 0, "pad": None, "add_bos": True, "add_eos": True}
    beyond = {**pieces_metadata(), G + "bos_token_id": 2**32 - 1, G + "eos_token_id": 10**6}
    assert special_ids_of_gguf(beyond) == special_ids_of_gguf(pieces_metadata())
    for key, value in [("bos_token_id", "x"), ("bos_token_id", True), ("add_bos_token", 1)]:
        with pytest.raises(TokenizerError, match=f"tokenizer.ggml.{key}: expected"):
            special_ids_of_gguf({**made, G + key: value})


# Damage

ARRAYS = [
    np.zeros(0),
    np.ones(3),
    np.full((2, 2), np.nan),
    np.array(7),
    np.array(["a", "b"]),
    np.float32(1),
    np.int64(-3),
]


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
def test_twenty_thousand_damaged_files_give_a_tokenizer_or_are_refused(kind: str) -> None:
    if kind == "bytes":
        vocab = {i: bytes([97 + i]) for i in range(5)} | {5: b"ab", 6: b"abc"}
        tok: Any = Tokenizer.from_merges(vocab, [(b"a", b"b"), (b"ab", b"c")], {"<x>": 8}, "llama3", partial=True)
    else:
        tok = drawn(0, bytes_too=False, count=4)
    whole = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in
             (gguf_of_tokenizer(tok) | {G + "bos_token_id": 1, G + "add_bos_token": True}).items()}  # fmt: skip
    dice = random.Random(0)
    good = 0
    for n in range(20_000):
        made = damaged_document(whole, dice)
        key = dice.choice(list(made) or [G + "model"])
        if n % 2:
            made[key] = dice.choice([*JUNK, *ARRAYS]) if n % 4 == 1 else np.array(made.get(key, 0), dtype=object)
        try:
            read = tokenizer_of_gguf(made)
            special_ids_of_gguf(made)
        except TokenizerError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 2000
            continue
        good += 1
        try:
            assert isinstance(read.decode(read.encode("ab a☃", (), ())), str)
        except TokenizerError:
            continue
    assert 200 < good < 15_000


# The real thing: SmolLM2-135M-Instruct


PROMPTS = [
    "What is the capital of France?", "Write a poem about the sea.", "def add(a, b):\n    return a + b\n",
    "In 1969, 2 men walked on the moon; 600000000 watched.",
    "naïve café, déjà vu", "你好，世界", "🙂 👩‍👩‍👧", "  two  spaces ",
    "She'll say it's   hers\n\n\nand they've gone.", "<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n",
    "\tfor i in range(10):\n\t\tprint(i)", "e = mc^2; F=ma", "Привет, мир!", "العربية", "हिन्दी", "3.14159265358979",
    "https://example.org/?q=1&r=%20", "{\"key\": [1, 2, 3]}", "ALL CAPS and MiXeD", "...---...",
]  # fmt: skip


@pytest.fixture(scope="module")
def real() -> Metadata:
    """The metadata of the model, as the package gguf reads it."""
    path = os.environ.get("TINYLM_SMOLLM2")
    if not path:
        pytest.skip("TINYLM_SMOLLM2 does not name SmolLM2-135M-Instruct as GGUF")
    gguf = pytest.importorskip("gguf")
    fields = gguf.GGUFReader(path).fields
    read = {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.")}
    read[G + "token_type"] = np.array(read[G + "token_type"], np.int32)
    return read


def test_the_tokenizer_of_a_real_file_is_read_and_written_again(real: Metadata) -> None:
    tok = tokenizer_of_gguf(real)
    assert isinstance(tok, Tokenizer)
    assert (tok.pattern, tok.vocab_size, len(tok.merges), tok.partial) == ("smollm2", 49152, 48900, True)
    assert special_ids_of_gguf(real) == {
        "bos": 1, "eos": 2, "eot": None, "unk": 0, "pad": 2, "add_bos": False, "add_eos": False
    }  # fmt: skip
    again = gguf_of_tokenizer(tok)
    for key, value in again.items():
        assert np.array_equal(value, real[key]) if isinstance(value, np.ndarray) else value == real[key], key
    for prompt in PROMPTS:
        assert tok.decode(tok.encode(prompt, "all")) == prompt


@pytest.mark.torch
@pytest.mark.slow
def test_ids_of_a_real_file_are_those_of_transformers(real: Metadata, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    peer = pytest.importorskip("tokenizers")
    folder, name = os.path.split(os.environ["TINYLM_SMOLLM2"])
    other = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name)
    tok = tokenizer_of_gguf(real)
    for prompt in PROMPTS:
        assert tok.encode(prompt, "all") == other(prompt, add_special_tokens=False)["input_ids"], prompt
    # transformers cuts what it reads of a GGUF file as GPT-2 does; the model's tokenizer.json cuts off digits first,
    # as we do and llama.cpp, which tells where white space stands before a digit
    backend = other.backend_tokenizer
    backend.pre_tokenizer = peer.pre_tokenizers.Sequence(
        [peer.pre_tokenizers.Digits(True), peer.pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    for text in [*hard_texts(3000, 5), *PROMPTS, *(f"{SPACE} {each} 12" for each in FRAGMENTS if each != "\x00")]:
        assert tok.encode(text, "all") == backend.encode(text, add_special_tokens=False).ids, text
