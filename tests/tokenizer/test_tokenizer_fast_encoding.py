"""The fast form of encoding and decoding: the ids and bytes of the readable form, and its refusals."""

import copy
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizer_strategies import FRAGMENTS, SAMPLE, SPECIALS, mostly_utf8, texts, texts_with_specials, tokenizers

from tokenizer import CharTokenizer, Tokenizer, TokenizerError, train_bpe, use_form
from tokenizer.errors import SpecialTokenError
from tokenizer.fast.encode import Encoder

any_tokenizer = st.integers(0, 8).map(lambda i: tokenizers()[i])
LONG = 3000 // len(SAMPLE) + 1  # times the sample, and the fast form runs


@pytest.fixture(autouse=True, scope="module")
def for_short_texts_too() -> Iterator[None]:
    """The fast way for texts of any length, which otherwise begins at 3000 characters."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SHORT", "LONG", "FEW"):
            patch.setattr(f"tokenizer.coder.{name}", 1)
        yield


def readable(tok: Tokenizer, text: str) -> list[int]:
    with use_form("readable"):
        return tok.encode_ordinary(text)


@given(any_tokenizer, st.lists(texts, max_size=4))
@example(None, ["!\n \t", "a\n  x", "don't 's", "1234567", "x" * 40, "\0a\0", ""])
def test_ids_are_those_of_the_readable_form(tok: Tokenizer | None, several: list[str]) -> None:
    for each in tokenizers() if tok is None else (tok,):
        expected = [readable(each, text) for text in several]
        assert [each.encode_ordinary(text) for text in several] == expected
        assert each.encode_batch(several, disallowed_special=()) == expected
        arrays = [each.encode_to_array(text, disallowed_special=()) for text in several]
        assert [array.tolist() for array in arrays] == expected


@pytest.mark.parametrize("number", range(9))
def test_ids_of_all_fragments_beside_one_another_are_the_readable_ones(number: int) -> None:
    tok = tokenizers()[number]
    for begin in range(0, len(FRAGMENTS), 8):
        text = "".join(a + b for a in FRAGMENTS[begin : begin + 8] for b in FRAGMENTS)
        assert tok.encode_ordinary(text) == readable(tok, text)


@given(any_tokenizer, st.lists(texts_with_specials, max_size=4), st.sets(st.sampled_from(SPECIALS)))
@example(None, ["", "<|end|><|end|>", "aa<|aa", "x<|end|>"], set(SPECIALS))
def test_special_tokens_stand_where_the_readable_form_puts_them(
    tok: Tokenizer | None, several: list[str], allowed: set[str]
) -> None:
    for each in tokenizers() if tok is None else (tok,):
        with use_form("readable"):
            expected = [each.encode(text, allowed, ()) for text in several]
        assert [each.encode(text, allowed, ()) for text in several] == expected
        assert each.encode_batch(several, allowed, ()) == expected
        assert [each.encode_to_array(text, allowed, ()).tolist() for text in several] == expected
        assert list(each.encode_iterable(several, allowed, ())) == each.encode("".join(several), allowed, ())


def test_refused_special_tokens_are_refused_in_every_way_of_encoding() -> None:
    tok = train_bpe([SAMPLE], 300, special_tokens=["<|end|>"])
    text = SAMPLE.replace("<|", "") * LONG + "<|end|>"
    for encode in (
        tok.encode,
        tok.encode_to_array,
        lambda t: tok.encode_batch([t]),
        lambda t: list(tok.encode_iterable([t])),
    ):
        with pytest.raises(SpecialTokenError) as caught:
            encode(text)
        assert caught.value.position == len(text) - len("<|end|>")


@given(any_tokenizer, mostly_utf8)
def test_any_bytes_have_the_ids_of_the_readable_form(tok: Tokenizer, data: bytes) -> None:
    with use_form("readable"):
        expected = tok.encode_bytes(data)
    assert tok.encode_bytes(data) == expected
    assert tok.decode_bytes(expected) == data


@given(any_tokenizer, texts, st.sampled_from([np.uint16, np.int32, np.int64, np.uint64]))
def test_decoding_an_array_gives_the_bytes_of_the_readable_form(tok: Tokenizer, text: str, dtype: type) -> None:
    ids = readable(tok, text + SAMPLE)
    expected = (text + SAMPLE).encode()
    assert tok.decode_bytes(np.array(ids, dtype)) == tok.decode_bytes(ids) == tok.decode_bytes(iter(ids)) == expected


def test_tokens_of_all_lengths_are_decoded_in_all_orders() -> None:
    lengths = [2, 7, 8, 9, 15, 16, 17, 24, 25, 63, 64, 65, 100, 130]
    vocab = {byte: bytes([byte]) for byte in range(256)}
    vocab |= {256 + i: bytes([65 + i]) * length for i, length in enumerate(lengths)}
    tok = Tokenizer.from_merges(vocab, [], {"<|a name longer than eight bytes|>": 400})
    rng = np.random.default_rng(1)
    choices = np.array([*range(256, 256 + len(lengths)), 10, 400])
    for _ in range(50):
        ids = rng.choice(choices, 40)
        assert tok.decode_bytes(ids) == b"".join(tok.vocab[int(i)] for i in ids)


@pytest.mark.parametrize("wrong", [-1, 10**6, 2**40, 2**70, -(2**70), 1.5, "a", None])
def test_what_is_no_id_is_named_with_its_place(wrong: object) -> None:
    with pytest.raises(TokenizerError, match=r"at position 600 is no id of this vocabulary"):
        tokenizers()[0].decode_bytes([65] * 600 + [wrong, 66])  # type: ignore[list-item]
    if isinstance(wrong, int) and abs(wrong) < 2**60:
        with pytest.raises(TokenizerError, match=rf"{wrong} at position 600"):
            tokenizers()[0].decode_bytes(np.array([65] * 600 + [wrong, 66]))


def test_a_full_memory_is_forgotten_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenizer.fast.encode.MOST_UNITS", 30)
    tok = copy.copy(tokenizers()[1])
    for begin in range(0, len(SAMPLE) - 200, 40):
        text = SAMPLE[begin : begin + 200]
        assert tok.encode_ordinary(text) == readable(tok, text)


def test_ids_do_not_depend_on_how_many_bytes_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = Encoder.encode.__globals__["PretokenFinder"].walk
    text = SAMPLE + "x" * 300 + "é" * 50 + "!\n \n" * 20
    for tok in tokenizers()[1:4]:
        expected = readable(tok, text)
        for stretch in (5, 64, 1000):
            monkeypatch.setattr(
                "tokenizer.fast.pretokens.PretokenFinder.walk", lambda self, t, s=stretch: walk(self, t, s)
            )
            assert copy.copy(tok).encode_ordinary(text) == expected


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor, ProcessPoolExecutor])
def test_ids_do_not_depend_on_who_encodes(pool: type[Executor] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenizer.batch.SHARED", 2000)
    tok = tokenizers()[1]
    several = [SAMPLE[i : i + n] for i, n in zip(range(0, 400, 7), [0, 1, 50, 400] * 15, strict=False)] + ["<|end|>x"]
    expected = tok.encode_batch(several, allowed_special="all")
    if pool is None:
        assert tok.encode_batch(several, allowed_special="all", workers=2) == expected
        return
    settings = {"mp_context": get_context("spawn")} if pool is ProcessPoolExecutor else {}
    with pool(2, **settings) as executor:  # type: ignore[call-arg]
        assert tok.encode_batch(several, allowed_special="all", executor=executor) == expected


def test_workers_must_be_one_or_more() -> None:
    with pytest.raises(TokenizerError, match="workers: expected 1 or more, got 0"):
        tokenizers()[0].encode_batch(["a"], workers=0)


def test_threads_share_a_tokenizer() -> None:
    tok = copy.copy(tokenizers()[2])
    parts = [SAMPLE[i : i + 300] for i in range(0, 300, 5)]
    expected = [readable(tok, part) for part in parts]
    found: dict[int, list[list[int]]] = {}

    def work(number: int) -> None:
        found[number] = [tok.encode_ordinary(part) for part in parts]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(found.values()) == [expected] * 4


def test_a_tokenizer_is_pickled_without_what_it_remembers() -> None:
    tok = train_bpe([SAMPLE], 400)
    before = len(pickle.dumps(tok))
    tok.encode(SAMPLE * LONG)
    assert len(pickle.dumps(tok)) == before
    assert pickle.loads(pickle.dumps(tok)) == tok


@pytest.mark.parametrize("kind", ["bpe", "char"])
def test_an_array_is_written_as_it_comes_and_mapped(kind: str, tmp_path: Path) -> None:
    tok = tokenizers()[1] if kind == "bpe" else CharTokenizer(SAMPLE)
    chunks = [SAMPLE[:50], "", SAMPLE[50:]]
    mapped = tok.encode_to_array(iter(chunks), disallowed_special=(), out=tmp_path / "ids.npy")
    assert mapped.tolist() == tok.encode(SAMPLE, disallowed_special=())
    assert mapped.dtype == tok.encode_to_array("a").dtype
    assert not mapped.flags.writeable
    again = np.load(tmp_path / "ids.npy", mmap_mode="r")
    assert isinstance(again, np.memmap)
    assert (again == mapped).all()
    assert tok.encode_to_array([], out=tmp_path / "none.npy").tolist() == []
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["ids.npy", "none.npy"]


def test_an_array_that_cannot_be_finished_leaves_the_old_file(tmp_path: Path) -> None:
    tok = tokenizers()[1]
    tok.encode_to_array("old", out=tmp_path / "ids.npy")

    def broken() -> Iterator[str]:
        yield SAMPLE * 1000
        yield "\ud800"

    with pytest.raises(TokenizerError, match="lone surrogate"):
        tok.encode_to_array(broken(), disallowed_special=(), out=tmp_path / "ids.npy")
    assert tok.decode(np.load(tmp_path / "ids.npy")) == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_regex_of_ones_own_runs_readable_and_says_so() -> None:
    tok = train_bpe([SAMPLE], 300, pattern=r"\w+|\W+")
    assert "no fast form" in repr(tok)
    assert "no fast form" not in repr(tokenizers()[1])
    text = SAMPLE * LONG
    assert tok.encode(text) == readable(tok, text)


def test_one_word_of_a_million_letters_is_encoded_like_a_short_one() -> None:
    tok = tokenizers()[1]
    word = "the" * 333_334
    ids = tok.encode(word)
    assert tok.decode(ids) == word
    assert ids[:1000] == tok.encode(word[:6000])[:1000]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("place", ["Encoder._learn", "Encoder._append", "Encoder._encode_units"])
def test_an_interrupted_encode_spoils_nothing_that_comes_after(
    error: type[BaseException], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tok = copy.copy(tokenizers()[1])
    tok.encode_ordinary("some words before")
    name = place.split(".")[1]
    real = getattr(Encoder, name)

    def interrupted(self: Encoder, *args: object) -> object:
        real(self, *args) if name == "_encode_units" else None
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Encoder, name, interrupted)
        with pytest.raises(error):
            tok.encode_ordinary(SAMPLE)
    assert tok.encode_ordinary(SAMPLE) == readable(tok, SAMPLE)


def test_the_form_chosen_holds_for_those_who_help(monkeypatch: pytest.MonkeyPatch) -> None:
    tok = tokenizers()[1]
    expected = tok.encode_batch([SAMPLE] * 3, disallowed_special=())
    monkeypatch.setattr(Encoder, "encode", lambda *args: pytest.fail("the fast form ran"))
    with use_form("readable"), ThreadPoolExecutor(2) as pool:
        assert tok.encode_batch([SAMPLE] * 3, disallowed_special=(), executor=pool) == expected


@pytest.mark.parametrize("executor", [False, True])
def test_an_error_names_the_text_of_the_batch(executor: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GROUP", "SHARED"):
        monkeypatch.setattr(f"tokenizer.batch.{name}", 100)
    monkeypatch.setattr("tokenizer.batch.groups.__defaults__", (100,))
    tok = tokenizers()[1]
    with ThreadPoolExecutor(1) as pool:
        helper = pool if executor else None
        for wrong, message in (
            ("\ud800", "a lone surrogate"),
            (5, "expected a str, got int"),
            (b"x", "expected a str, got bytes"),
        ):
            with pytest.raises(TokenizerError, match=f"encode: text 7: {message}"):
                tok.encode_batch(["x" * 60] * 7 + [wrong], executor=helper)  # type: ignore[list-item]
    with pytest.raises(TokenizerError, match="expected several texts, got the str 'low'"):
        tok.encode_batch("low")


def test_long_and_short_lists_of_ids_take_whatever_counts_as_an_int() -> None:
    tok = tokenizers()[0]
    for many in (5, 600):
        assert tok.decode([np.array(97)] * many) == tok.decode([np.int8(97)] * many) == "a" * many


def test_what_is_no_text_and_what_is_no_folder_are_named(tmp_path: Path) -> None:
    tok = tokenizers()[1]
    for encode in (tok.encode_to_array, lambda wrong: list(tok.encode_iterable(wrong))):
        with pytest.raises(TokenizerError, match="expected a str or chunks of one, got int"):
            encode(5)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none; make it first.*ids\.npy"):
        tok.encode_to_array("a", out=tmp_path / "none" / "ids.npy")
