"""Hugging Face's tokenizer.json: read, refused by name, written, and read alike by `tokenizers` itself."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tokenizer_strategies import CUSTOM, SPECIALS, drawn_texts, tokenizers

from tokenizer import PATTERNS, Tokenizer, TokenizerError, load_tokenizer, train_bpe
from tokenizer.huggingface import GPT4_THERE
from tokenizer.onig import portable
from tokenizer.patterns import LLAMA3_PATTERN, QWEN2_PATTERN, SPELLINGS, Splitter

SPEAKABLE = [i for i, tok in enumerate(tokenizers()) if tok.pattern != CUSTOM]  # \w differs between the engines
GAPS = [r"[a-z]+", r"\p{L}+|(?=')", r"x*", r" ?[A-Z][^\s.]*|\d++", r"(?:.)", r"(?:ab)?", r"'(?i:s|re)|\s"]

Document = dict[str, Any]
BYTES_ONLY = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
BYTES_AND_GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}  # as older files say it


def split(expression: str, behavior: str = "Isolated", invert: bool = False) -> Document:
    step = {"type": "Split", "pattern": {"Regex": expression}, "behavior": behavior, "invert": invert}
    return {"type": "Sequence", "pretokenizers": [step, BYTES_ONLY]}


# As they stand in the files of openai-community/gpt2, Xenova/gpt-4, meta-llama/Meta-Llama-3-8B, Qwen/Qwen2-7B and
# HuggingFaceTB/SmolLM2-135M
PRE_TOKENIZERS = {
    "gpt2": BYTES_AND_GPT2,
    "gpt-4": split(LLAMA3_PATTERN, "Removed", True),
    "llama3": split(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
        r"\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "qwen2": split(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
        r"\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "smollm2": {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, {**BYTES_ONLY, "use_regex": True}],
    },
}
NAMES = {"gpt-4": "llama3"} | {name: name for name in PATTERNS}


def document(**changes: Any) -> Document:
    """A small tokenizer.json, with parts of it changed."""
    from tokenizer.formats import Parts
    from tokenizer.huggingface import huggingface_file

    tok = train_bpe(["the the that"], 261, special_tokens=["<|x|>"])
    made: Document = json.loads(huggingface_file(Parts(tok.vocab, tok.merges, tok.special_tokens, tok.pattern)))
    for name, value in changes.items():
        (made["model"] if name in made["model"] else made)[name] = value
    return made


def read(path: Path, made: object, **settings: Any) -> Tokenizer:
    path.write_text(json.dumps(made), encoding="utf-8")
    return Tokenizer.from_huggingface(path, **settings)


def written(tok: Tokenizer, path: Path) -> Any:
    tok.to_huggingface(path)
    return json.loads(path.read_text("utf-8"))


# Without anybody else's program


@pytest.mark.parametrize("number", SPEAKABLE)
def test_what_is_written_for_huggingface_comes_back(tmp_path: Path, number: int) -> None:
    tok, path = tokenizers()[number], tmp_path / "tokenizer.json"
    tok.to_huggingface(path)
    assert Tokenizer.from_huggingface(path) == load_tokenizer(path) == tok
    assert [each.name for each in tmp_path.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize("name", sorted(PRE_TOKENIZERS))
def test_published_pre_tokenizers_are_read_as_named_patterns(tmp_path: Path, name: str) -> None:
    tok = read(tmp_path / "t.json", document(pre_tokenizer=PRE_TOKENIZERS[name]))
    assert tok.pattern == NAMES[name]


def test_every_spelling_cuts_as_the_pattern_it_is_read_as() -> None:
    spelled = {**SPELLINGS, GPT4_THERE: "gpt4"}
    for expression, name in spelled.items():
        free = Splitter(f"(?:{expression})")  # not recognised, so run as it stands
        assert not free.named
        for text in drawn_texts(2000):
            assert free.split(text) == Splitter(name).split(text)


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_safe_cut_is_safe_in_every_short_text(name: str) -> None:
    splitter = Splitter(name)
    for text in map("".join, product("sL' \n7!", repeat=5)):
        whole = splitter.split(text)
        assert "".join(whole) == text
        stop = len(text)
        while (cut := splitter.last_cut(text, 0, stop)) > 0:
            assert splitter.split(text[:cut]) + splitter.split(text[cut:]) == whole, (text, cut)
            stop = cut


def test_the_command_line_takes_the_files_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tokenizer.__main__ import main

    tok, path = tokenizers()[1], tmp_path / "tokenizer.json"
    tok.to_huggingface(path)
    assert main(["encode", "-t", str(path), "hello the"]) == 0
    assert capsys.readouterr().out.split() == [str(i) for i in tok.encode("hello the")]
    tok.to_tiktoken(tmp_path / "my.tiktoken")
    assert main(["encode", "-t", str(tmp_path / "my.tiktoken"), "hello the"]) == 2
    assert "Tokenizer.from_tiktoken(path, pattern=" in capsys.readouterr().err


def test_merges_may_be_lists_or_lines(tmp_path: Path) -> None:
    lines = document()
    lists = document(merges=[line.split(" ") for line in lines["model"]["merges"]])
    assert read(tmp_path / "a.json", lines) == read(tmp_path / "b.json", lists)


def test_an_unknown_regex_becomes_a_pattern_of_its_own(tmp_path: Path) -> None:
    tok = read(tmp_path / "t.json", document(pre_tokenizer=split(r" ?\p{Lu}\p{Ll}*|\d")))
    assert tok.pattern == r" ?\p{Lu}\p{Ll}*|\d"
    assert tok.split("12 AbcD") == ["1", "2", " Abc", "D"]
    assert read(tmp_path / "t.json", document(pre_tokenizer=split("gpt2"))).split("gpt2 b") == ["gpt2", " b"]


def test_settings_that_change_no_ids_are_passed_over(tmp_path: Path) -> None:
    plain = read(tmp_path / "t.json", document())
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|x|>", "type_id": 0}}]}
    harmless = document(
        unk_token="<|x|>", fuse_unk=True, byte_fallback=True, dropout=0.0, continuing_subword_prefix="",
        end_of_word_suffix="", post_processor=template, truncation={"max_length": 3}, decoder=None,
    )  # fmt: skip
    harmless["added_tokens"][0].update(special=False, normalized=True)
    assert read(tmp_path / "t.json", harmless) == plain
    assert plain.special_tokens == {"<|x|>": 260}


def test_a_normal_form_is_applied_unless_it_is_to_be_ignored(tmp_path: Path) -> None:
    path, made = tmp_path / "t.json", document(normalizer={"type": "NFC"}, pre_tokenizer=split(QWEN2_PATTERN))
    applied = read(path, made)
    assert load_tokenizer(path) == applied
    assert applied.normal_form == "NFC"
    assert applied.encode("e\u0301 é") == applied.encode("é é")
    assert applied.decode(applied.encode("e\u0301 é")) == "é é"
    tok = read(path, made, ignore_normalizer=True)
    assert tok != applied
    assert tok.decode(tok.encode("e\u0301 é")) == "e\u0301 é"  # lossless, as ever
    made["added_tokens"][0].update(content="<e\u0301>", normalized=True)
    with pytest.raises(TokenizerError, match='is "normalized" by NFC to another text'):
        read(path, made, ignore_normalizer=True)
    with pytest.raises(TokenizerError, match=r'is "normalized": looked for in text in NFC.* ignore_normalizer=True'):
        read(path, made)
    made["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "NFC"}]}
    with pytest.raises(TokenizerError, match=r"NFD \+ NFC put text in several forms"):
        read(path, made)


def added(**changes: Any) -> Document:
    made = document()
    made["added_tokens"][0].update(changes)
    return made


def two_added(first: Document, second: Document) -> Document:
    made = document()
    token = made["added_tokens"][0]
    made["added_tokens"] = [{**token, **first}, {**token, "id": 261, **second}]
    return made


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ([], 'not a tokenizer.json of Hugging Face: it lacks "model"'),
        ({"format": "tinylm-tokenizer"}, 'it lacks "model"'),
        (document(type="WordPiece"), "expected the type BPE, got 'WordPiece'"),
        (document(dropout=0.1), '"dropout" is 0.1, which changes ids'),
        (document(continuing_subword_prefix="##"), "\"continuing_subword_prefix\" is '##'"),
        (document(end_of_word_suffix="</w>"), "\"end_of_word_suffix\" is '</w>'"),
        (document(ignore_merges="yes"), '"ignore_merges": expected bool, got str'),
        (document(normalizer={"type": "Lowercase"}), "its normalizer Lowercase changes text"),
        (document(normalizer=3), "normalizers: expected an object or null, got int"),
        (document(decoder={"type": "Metaspace"}), "expected the decoder ByteLevel, got 'Metaspace'"),
        (document(pre_tokenizer=None), "expected one that ends in ByteLevel, got None"),
        (document(pre_tokenizer={"type": "Whitespace"}), "ends in ByteLevel, got Whitespace"),
        (document(pre_tokenizer={**BYTES_ONLY, "add_prefix_space": True}), "add_prefix_space puts a space before"),
        (document(pre_tokenizer=BYTES_ONLY), r"ByteLevel \(use_regex: false\) is none that can be had here"),
        (document(pre_tokenizer=split("[a-z]+", "Removed")), "must be Isolated and not inverted, got 'Removed', False"),
        (document(pre_tokenizer=split("[a-z]+", invert=True)), "got 'Isolated', True"),
        (document(pre_tokenizer=split(r"\w+")), r"from '\\\\w\+' on; write \[\\p\{L\}"),
        (document(pre_tokenizer=split("(a")), "nor a valid regex"),
        (document(pre_tokenizer=split(PATTERNS["gpt4"])), r"may mean something else .* from '\{1,3\}\+"),
        (
            document(pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Punctuation"}, BYTES_ONLY]}),
            r"Punctuation \+ ByteLevel \(use_regex: false\) is none",
        ),
        (document(merges=[["t", "h", "e"]]), "entry 0 is .*, not two tokens"),
        (document(merges=["q x"]), "b'qx' is not in the vocabulary"),
        (document(merges=[["t h", "e"]]), "not two tokens"),
        (added(lstrip=True), "'<|x|>' has \"lstrip\", which changes ids".replace("|", r"\|")),
        (added(single_word=True), '"single_word", which changes ids'),
        (added(id=300), r"says id 300, but Hugging Face would give it 260"),
        (added(id=True), "says id True|an int from 0"),
        (added(id=10**30), "Hugging Face would give it 260"),
        (added(content=""), "an empty one would be found everywhere"),
        (added(content="\ud800"), "lone surrogate"),
        (added(content="the"), "says id 260, but Hugging Face would give it 25"),
        (two_added({}, {}), "stands twice"),
        (two_added({"normalized": True}, {"content": "|>."}), "can overlap in text, and only one is"),
    ],
)
def test_what_cannot_be_had_here_is_named(tmp_path: Path, made: Document, says: str) -> None:
    with pytest.raises(TokenizerError, match=says) as caught:
        read(tmp_path / "t.json", made)
    assert str(caught.value).startswith(str(tmp_path / "t.json"))
    assert "\n" not in str(caught.value)


def test_what_huggingface_cannot_say_is_refused_when_written(tmp_path: Path) -> None:
    vocab = {byte: bytes([byte]) for byte in range(256)} | {256: b"aa"}
    with pytest.raises(TokenizerError, match="special token 'aa' is spelled like the token 256"):
        Tokenizer.from_merges(vocab, [(b"a", b"a")], {"aa": 257}).to_huggingface(tmp_path / "t.json")
    with pytest.raises(TokenizerError, match=r"to_huggingface: the regex .* may mean something else .* from '\\\\w"):
        Tokenizer.from_merges(vocab, [(b"a", b"a")], pattern=CUSTOM).to_huggingface(tmp_path / "t.json")
    with pytest.raises(TokenizerError, match="'Ġx' would be found where ' x' stands"):
        Tokenizer.from_merges(vocab, [], {"Ġx": 400}, ignore_merges=True).to_huggingface(tmp_path / "t.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "expression",
    ["^a", "a$", r"\bx", r"[a-z&&[aeiou]]", r"[[:alpha:]]", "(?m)a", "(?s).", r"\h", r"a{2}+", r"(?<n>a)", r"\1(a)",
     r"(?i:ss)", r"(?i:straße)", r"(?i)a", r"\Aa", r"\X", r"[\w]", r"\x41", r"\p{Script=Greek}", r"(?#c)", r"(?r)a"],
)  # fmt: skip
def test_a_regex_that_engines_may_read_differently_is_refused(expression: str) -> None:
    with pytest.raises(TokenizerError, match="may mean something else"):
        portable(expression, "here")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value with each of its keys, but of long ones only some."""
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        for key in keys[:3] + keys[3:-3][::60] + keys[-3:] if len(keys) > 60 else keys:
            yield value, key
            yield from places(value[key])


JUNK = [None, True, False, 0, -1, 1.5, 10**30, "", "x", "\ud800", "漢", [], {}, [[]], {"type": None}, {"type": "NFC"}]


@pytest.fixture(params=["Hugging Face's", "ours"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    """The contents of a small tokenizer file, in either format."""
    tok = train_bpe(["the the that"], 261, pattern="llama3", special_tokens=["<|x|>"])
    (tok.save if request.param == "ours" else tok.to_huggingface)(tmp_path / "t.json")
    return (tmp_path / "t.json").read_bytes()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], bool]:
    """Whether a file of these bytes loads; if not, it is refused in one line with its name. Nothing else happens."""

    def attempt(data: bytes) -> bool:
        monkeypatch.setattr("tokenizer.formats.read_bytes", lambda _: data)  # thousands of real files take a minute
        try:
            load_tokenizer("its.name")
        except TokenizerError as error:
            assert str(error).startswith("its.name: ")
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
            return False
        return True

    return attempt


def test_a_file_with_anything_in_any_place_loads_or_is_refused(file: bytes, loads: Callable[[bytes], bool]) -> None:
    whole = json.loads(file)
    results = []
    for number in range(sum(1 for _ in places(whole))):
        for junk in [*JUNK, ...]:
            changed = deepcopy(whole)
            holder, key = next(place for n, place in enumerate(places(changed)) if n == number)
            if junk is ...:
                del holder[key]
            else:
                holder[key] = junk
            results.append(loads(json.dumps(changed).encode()))
    assert len(results) > 300
    assert results.count(False) > len(results) / 2


def test_a_file_cut_off_or_with_a_byte_changed_loads_or_is_refused(file: bytes, loads: Callable[[bytes], bool]) -> None:
    assert loads(file)
    assert not any(loads(file[:cut]) for cut in range(len(file) - 2))  # the last two bytes are } and a line feed
    for place in range(len(file)):
        loads(file[:place] + bytes([file[place] ^ (1 << place % 8)]) + file[place + 1 :])


# Beside the tokenizers of Hugging Face


def theirs(path: Path) -> Any:
    return pytest.importorskip("tokenizers").Tokenizer.from_file(str(path))


def ids(tok: Any, text: str) -> list[int]:
    """Their ids, where every added token is found."""
    return list(tok.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("number", SPEAKABLE)
def test_huggingface_gives_the_ids_of_what_is_written(tmp_path: Path, number: int) -> None:
    tok, path = tokenizers()[number], tmp_path / "tokenizer.json"
    tok.to_huggingface(path)
    other = theirs(path)
    for n, text in enumerate(drawn_texts(3000, number)):
        text = text if n % 2 else SPECIALS[n // 2 % len(SPECIALS)].join([text[: n % 9], text[n % 9 :], "x"])
        mine = tok.encode(text, "all")
        assert ids(other, text) == mine, text
        assert other.decode(mine, skip_special_tokens=False) == text


@pytest.mark.parametrize("name", sorted(PRE_TOKENIZERS))
def test_published_pre_tokenizers_give_the_same_ids_in_both(tmp_path: Path, name: str) -> None:
    trained = train_bpe([" ".join(drawn_texts(300))], 500, pattern=NAMES[name], special_tokens=["<|x|>"])
    made = written(trained, tmp_path / "t.json")
    made["pre_tokenizer"] = PRE_TOKENIZERS[name]
    tok, other = read(tmp_path / "t.json", made), theirs(tmp_path / "t.json")
    for text in drawn_texts(4000, seed=1):
        assert tok.encode(text, "all") == ids(other, text), text
    tok.to_huggingface(tmp_path / "again.json")
    again = theirs(tmp_path / "again.json")
    for text in drawn_texts(1000, seed=2):
        assert ids(again, text) == ids(other, text)


@pytest.mark.parametrize("pattern", GAPS)
def test_a_custom_pattern_with_gaps_cuts_alike_in_both(tmp_path: Path, pattern: str) -> None:
    trained = train_bpe([" ".join(drawn_texts(300))], 270, pattern=pattern, special_tokens=["<|x|>"])
    trained.to_huggingface(tmp_path / "t.json")
    other = theirs(tmp_path / "t.json")
    assert Tokenizer.from_huggingface(tmp_path / "t.json") == trained
    for text in drawn_texts(3000, seed=3):
        assert trained.encode(text) == ids(other, text), text


def test_every_piece_of_a_portable_regex_means_the_same_to_both_engines() -> None:
    tokenizers_ = pytest.importorskip("tokenizers")
    import unicodedata

    from tokenizer.patterns import splitter

    everything = "".join(c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cs", "Cn"))
    everything = everything.replace("\u0295", "")  # a Lo that became a Ll in Unicode 17
    categories = ["L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "S", "Z", "Zs"]
    pieces = [
        r"\s",
        r"\d",
        "(?:.)",
        "(?i:s)",
        "(?i:[k])",
        r"[^\s\p{L}]",
        r"[a-zé-ÿ]",
        *[rf"\p{{{c}}}" for c in categories],
    ]
    for piece in pieces:
        assert portable(piece, "here") == piece
        there = tokenizers_.pre_tokenizers.Split(tokenizers_.Regex(piece), "isolated").pre_tokenize_str(everything)
        assert [each for each, _ in there] == splitter(piece).split(everything), piece


def test_ids_in_gaps_and_added_tokens_are_given_as_huggingface_gives_them(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    for first, second in product([256, 257, 260, 261, 262], repeat=2):
        made = two_added({"id": first}, {"id": second, "content": "<|y|>"})
        path.write_text(json.dumps(made))
        other = theirs(path)
        honest = [other.token_to_id("<|x|>"), other.token_to_id("<|y|>")] == [first, second]
        try:
            tok = Tokenizer.from_huggingface(path)
        except TokenizerError:
            assert not honest
        else:
            assert honest
            assert tok.encode("<|x|><|y|>", "all") == ids(other, "<|x|><|y|>")


def test_transformers_reads_what_is_written(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tok = tokenizers()[1]
    tok.to_huggingface(tmp_path / "tokenizer.json")
    other = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    for text in drawn_texts(300):
        assert other(text)["input_ids"] == tok.encode(text, "all")
