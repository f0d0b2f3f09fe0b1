"""Vocabularies of published models: text in a normal form (Qwen), bytes that are missing (SmolLM2), added tokens."""

import json
import pickle
import random
import sys
import unicodedata
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_strategies import CUSTOM, FRAGMENTS, drawn_texts, texts

from tokenizer import StreamDecoder, Tokenizer, TokenizerError, load_tokenizer, read_huggingface_tokenizer, train_bpe
from tokenizer.normal import FORMS, NormalForm, in_form
from tokenizer.patterns import LLAMA3_PATTERN, QWEN2_PATTERN

Document = dict[str, Any]
SAMPLE = " ".join(drawn_texts(300, 2))
MARKS = [
    "\u0301",
    "\u0323",
    "e\u0301",
    "\u1e9b\u0323",
    "\u212b",
    "\u037e",
    "ﬁ",
    "\u1100\u1161\u11a8",
    "한",
    "<",
    "\u0338",
    "\u00a8",
]
"""Marks that swap, precomposed and not, the Greek question mark (a semicolon in every form), Hangul, ≮, blank + mark"""


def made(form: str | None = "NFC", pattern: str = "qwen2", **settings: Any) -> Tokenizer:
    parts = train_bpe([SAMPLE], 420, pattern=pattern, special_tokens=["<|end|>", "<|tool|>"]).parts
    return Tokenizer(*parts._replace(normal_form=form, **settings))


QWEN = {form: made(form) for form in FORMS}
hard = st.lists(st.sampled_from(MARKS) | texts, max_size=8).map("".join)


# Normal forms


@given(hard, st.sampled_from(FORMS))
def test_ids_are_those_of_the_text_in_its_normal_form(text: str, wanted: NormalForm) -> None:
    tok, plain = QWEN[wanted], Tokenizer(*QWEN[wanted].parts._replace(normal_form=None))
    normal = unicodedata.normalize(wanted, text)
    assert tok.encode(text) == plain.encode(normal) == tok.encode_batch([text])[0] == tok.encode_to_array(text).tolist()
    assert tok.decode(tok.encode(text)) == normal
    assert "".join(tok.split(text)) == normal
    assert tok.explain(text).ids == tok.encode(text)
    decoder = StreamDecoder(tok)
    assert "".join(map(decoder.feed, tok.encode(text))) + decoder.flush() == normal


@given(hard, st.sampled_from(FORMS), st.integers(1, 3))
def test_chunks_give_the_ids_of_the_whole_text(text: str, wanted: NormalForm, size: int) -> None:
    for tok in (QWEN[wanted], made_custom(wanted)):
        whole = f"{text} {text}<|end|>{text}\n{text}"
        chunks = [whole[n : n + size] for n in range(0, len(whole), size)]
        assert list(tok.encode_iterable(chunks, "all")) == tok.encode(whole, "all")


CUSTOMS: dict[str, Tokenizer] = {}


def made_custom(form: str) -> Tokenizer:
    return CUSTOMS.setdefault(form, made(form, CUSTOM))


def test_special_tokens_are_found_in_the_text_as_it_is() -> None:
    tok = made()
    assert tok.encode("e<|end|>\u0301", "all") == [
        *tok.encode("e"),
        tok.special_tokens["<|end|>"],
        *tok.encode("\u0301"),
    ]
    assert tok.encode("<|end|>\u0338", "all")[0] == tok.special_tokens["<|end|>"]  # as one text: <|end|≯
    with pytest.raises(TokenizerError, match="special token"):
        tok.encode("e\u0301<|end|>")


def test_text_may_be_cut_before_an_ascii_blank_whatever_the_form() -> None:
    blanks = " \t\v\f"
    for form in FORMS:
        for character in map(chr, range(sys.maxunicode + 1)):
            normal = unicodedata.normalize(form, character)
            if not character.isspace():
                assert not normal[-1].isspace(), hex(ord(character))
        for character, blank in product([chr(n) for n in range(0x20, 0x3100) if not chr(n).isspace()], blanks):
            both = unicodedata.normalize(form, character + blank + "\u0301")
            assert both.startswith(unicodedata.normalize(form, character) + blank)


def test_a_normal_form_is_kept_in_files_and_in_the_fingerprint(tmp_path: Path) -> None:
    prints = {made(form).fingerprint for form in [None, *FORMS]}
    assert len(prints) == 5
    tok = made()
    tok.save(tmp_path / "t.json")
    assert Tokenizer.load(tmp_path / "t.json") == load_tokenizer(tmp_path / "t.json") == tok
    assert "normal_form" not in json.loads(_saved(made(None), tmp_path))
    tok.to_huggingface(tmp_path / "hf.json")
    assert read_huggingface_tokenizer(tmp_path / "hf.json") == tok
    assert pickle.loads(pickle.dumps(tok)).encode("e\u0301") == tok.encode("é")
    assert "text in NFC" in repr(tok)
    for write in (tok.to_tiktoken, tok.to_gpt2):
        with pytest.raises(TokenizerError, match=r"cannot say that text is put in NFC|GPT-2's files imply"):
            write(tmp_path / "never")
    with pytest.raises(TokenizerError, match="normal_form: expected one of NFC, NFD, NFKC, NFKD or None, got 'nfc'"):
        made("nfc")
    assert in_form("e\u0301", None) == "e\u0301"


def _saved(tok: Tokenizer, tmp_path: Path) -> str:
    tok.save(tmp_path / "saved.json")
    return (tmp_path / "saved.json").read_text("utf-8")


def test_other_processes_put_text_in_the_same_form() -> None:
    tok = made()
    many = ["e\u0301 é\u0323" * 10] * 3
    assert tok.encode_batch(many, workers=2) == [tok.encode(text) for text in many]


# Missing bytes


def lacking() -> Tokenizer:
    full = made(None, "smollm2").parts
    gone = {bytes([byte]) for byte in (0x04, 0xC0, 0xF1, 0xFF)}
    return Tokenizer(*full._replace(vocab={i: t for i, t in full.vocab.items() if t not in gone}, partial=True))


def test_texts_that_need_no_missing_byte_are_as_ever() -> None:
    tok, full = lacking(), made(None, "smollm2")
    assert tok.partial
    assert not full.partial
    for text in [*drawn_texts(400, 3), SAMPLE]:
        assert tok.encode(text, "all") == full.encode(text, "all")
        assert tok.decode(tok.encode(text, "all")) == text
    assert tok.encode_bytes(b"the \xe9") == full.encode_bytes(b"the \xe9")


def test_a_missing_byte_is_named_wherever_it_stands() -> None:
    tok = lacking()
    for text in ("\x04", "the \x04 cat", "long " * 2000 + "\x04"):
        with pytest.raises(TokenizerError, match=r"encode: the byte 0x04 \(byte \d+ of the text, in .*\) has no token"):
            tok.encode(text)
    with pytest.raises(TokenizerError, match="the byte 0x04"):
        list(tok.encode_iterable(["the ", "\x04"]))
    with pytest.raises(TokenizerError, match="the byte 0xff"):
        tok.encode_bytes(b"a\xff")
    with pytest.raises(TokenizerError, match="the byte 0xf1"):
        list(tok.encode_steps(b"\xf1"))


def test_missing_bytes_are_refused_unless_they_are_meant_to_be(tmp_path: Path) -> None:
    parts = lacking().parts
    with pytest.raises(TokenizerError, match="4 of the 256 bytes have no token"):
        Tokenizer(*parts._replace(partial=False))
    lacking().save(tmp_path / "t.json")
    assert load_tokenizer(tmp_path / "t.json") == lacking()
    lacking().to_huggingface(tmp_path / "hf.json")
    assert load_tokenizer(tmp_path / "hf.json") == lacking()
    saved = json.loads(_saved(made(None), tmp_path))
    del saved["vocab"]["a"], saved["fingerprint"]
    (tmp_path / "t.json").write_text(json.dumps(saved))
    with pytest.raises(TokenizerError, match="of the 256 bytes have no token"):
        load_tokenizer(tmp_path / "t.json")


# The shapes of published files, beside the tokenizers of Hugging Face

BYTES_ONLY = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}


def split(expression: str) -> Document:
    step = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [step, BYTES_ONLY]}


TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [418], "tokens": ["<|end|>"]}},
}
SHAPES: dict[str, tuple[str, Document, Document]] = {
    # meta-llama/Meta-Llama-3-8B, Qwen/Qwen2-7B and HuggingFaceTB/SmolLM2-135M, tokenizer.json
    "Llama 3": ("llama3", {"normalizer": None, "pre_tokenizer": split(LLAMA3_PATTERN),
        "post_processor": {"type": "Sequence", "processors": [BYTES_ONLY, TEMPLATE]},
    }, {"ignore_merges": True, "continuing_subword_prefix": None}),
    "Qwen2": ("qwen2", {"normalizer": {"type": "NFC"}, "post_processor": BYTES_ONLY, "decoder": BYTES_ONLY,
        "pre_tokenizer": split(QWEN2_PATTERN),
    }, {"continuing_subword_prefix": "", "end_of_word_suffix": "", "unk_token": None}),
    "SmolLM2": ("smollm2", {"normalizer": None, "post_processor": None, "pre_tokenizer": {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, {**BYTES_ONLY, "use_regex": True}],
    }}, {"unk_token": "<|end|>"}),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_published_shapes_give_the_ids_of_huggingface(tmp_path: Path, name: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    pattern, changes, model = SHAPES[name]
    path = tmp_path / "tokenizer.json"
    made(None, pattern).to_huggingface(path)
    document = json.loads(path.read_text("utf-8")) | changes
    document["model"] |= model
    document["added_tokens"][1]["special"] = False  # as Qwen's <tool_call>
    path.write_text(json.dumps(document))
    tok, other = read_huggingface_tokenizer(path), tokenizers.Tokenizer.from_file(str(path))
    assert isinstance(tok, Tokenizer)
    assert (tok.pattern, tok.normal_form) == (pattern, "NFC" if name == "Qwen2" else None)
    for text in drawn_texts(2000, 4):
        text = text + "<|tool|>" + text[:5] + "<|end|>"
        assert tok.encode(text, "all") == other.encode(text, add_special_tokens=False).ids, text


@pytest.mark.parametrize("wanted", FORMS)
def test_a_normal_form_gives_the_ids_of_huggingface(tmp_path: Path, wanted: NormalForm) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tok = QWEN[wanted]
    tok.to_huggingface(tmp_path / "t.json")
    other = tokenizers.Tokenizer.from_file(str(tmp_path / "t.json"))
    dice = random.Random(1)
    for _ in range(2000):
        text = "".join(dice.choices([*MARKS, *FRAGMENTS, "<|end|>"], k=dice.randrange(10)))
        text = "".join(c for c in text if unicodedata.category(c) != "Cn")  # newer there than this Python's Unicode
        assert tok.encode(text, "all") == other.encode(text, add_special_tokens=False).ids, text
