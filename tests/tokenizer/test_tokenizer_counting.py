"""Counting pre-tokens: the same from files, chunks, texts and any number of workers; bad input named."""

import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_oracles import split_gpt2
from tokenizer_strategies import SPECIALS, texts, texts_with_specials

from tokenizer import TokenizerError
from tokenizer.count import Counting, count_pretokens
from tokenizer.read import read_chunks, read_file


@given(st.lists(texts, max_size=5))
def test_counts_are_those_of_the_whole_in_the_order_first_seen(documents: list[str]) -> None:
    expected = Counter(piece.encode() for document in documents for piece in split_gpt2(document))
    assert list(count_pretokens(documents).items()) == list(expected.items())


@given(texts, st.integers(1, 7))
def test_a_file_gives_every_character_whatever_the_size_of_a_read(text: str, size: int) -> None:
    assert "".join(read_chunks(io.BytesIO(text.encode()), "a file", size)) == text


@given(st.lists(texts_with_specials, max_size=5), st.integers(1, 30))
def test_counts_do_not_depend_on_the_size_of_tasks_nor_on_who_counts(documents: list[str], size: int) -> None:
    alone = count_pretokens(documents, special_tokens=SPECIALS)
    with ThreadPoolExecutor(2) as pool:
        shared = count_pretokens(documents, special_tokens=SPECIALS, executor=pool, task_size=size)
    assert list(shared.items()) == list(alone.items())


def test_two_processes_count_as_one_does() -> None:
    documents = [f"document {i % 7} says hello {i}\n" for i in range(300)]
    assert list(count_pretokens(documents, workers=2, task_size=500).items()) == list(
        count_pretokens(documents).items()
    )


@given(st.lists(texts_with_specials, max_size=4))
def test_special_tokens_part_documents_and_are_not_counted(documents: list[str]) -> None:
    joined = count_pretokens(["<|end|>".join(documents)], special_tokens=["<|end|>"])
    apart = count_pretokens([part for text in documents for part in text.split("<|end|>")])
    assert joined == apart


def test_a_file_larger_than_a_chunk_counts_as_its_text(tmp_path: Path) -> None:
    text = "some words 你好\r\n\n" * 90_000  # 1.7 MB: the chunks end inside characters
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    lines = {"some": 90_000, " words": 90_000, " 你好": 90_000, "\r\n": 89_999, "\n": 89_999, "\r\n\n": 1}
    expected = {word.encode(): count for word, count in lines.items()}
    assert count_pretokens(path) == count_pretokens(str(path)) == expected
    assert count_pretokens([text]) == count_pretokens([path]) == expected


def test_line_ends_and_the_byte_order_mark_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "windows.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree")
    counts = count_pretokens(path)
    assert list(counts) == [b"\xef\xbb\xbf", b"one", b"\r", b"\n", b"two", b"three"]
    assert sum(len(word) * n for word, n in counts.items()) == path.stat().st_size
    assert counts[b"\r"] == 2


def test_files_and_items_are_documents_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("lo")
    assert count_pretokens([path, "w"]) == {b"lo": 1, b"w": 1}


def test_progress_says_how_many_bytes_were_counted() -> None:
    records: list[Counting] = []
    count_pretokens(["one two", "two naïve"], progress=records.append, task_size=1)
    assert records == [Counting(3, 1), Counting(7, 2), Counting(10, 3), Counting(17, 4)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "bad.txt: the file is empty"),
        (b"caf\xe9 au lait", r"bad.txt: not UTF-8 at byte 3 \(0xe9.*convert"),
        (b"x" * 9 + b"\xf0\x9f", r"bad.txt: not UTF-8 at byte 9 \(0xf0"),
        (b"\xff\xfea\x00", "bad.txt: not UTF-8 at byte 0"),
        (b"ab\xed\xa0\x80", "bad.txt: not UTF-8 at byte 2"),  # a surrogate, which UTF-8 does not have
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_file_that_is_no_text_is_named_with_the_place(tmp_path: Path, data: bytes, says: str, size: int) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    with pytest.raises(TokenizerError, match=says):
        list(read_file(path, size))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"none\.txt: cannot be read: No such file"):
        count_pretokens(tmp_path / "none.txt")
    with pytest.raises(TokenizerError, match="cannot be read"):
        count_pretokens(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (["fine", "a\ud800"], r"document 1: a lone surrogate U\+D800 at character 1"),
        ([b"bytes"], "document 0: expected a str, got bytes"),
        (b"bytes", "expected a path or an iterable of str, got bytes"),
        ([None], "expected a str, got NoneType"),
    ],
)
def test_a_document_that_is_no_text_is_named(source: list[str], says: str) -> None:
    with pytest.raises(TokenizerError, match=says):
        count_pretokens(source)


def test_a_number_of_workers_below_one_is_refused() -> None:
    with pytest.raises(TokenizerError, match="workers: expected 1 or more, got 0"):
        count_pretokens(["a"], workers=0)
