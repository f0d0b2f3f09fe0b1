"""The fast form of cutting, numbering and counting: every cut is a boundary, and the counts are the readable ones."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizer_strategies import FRAGMENTS, texts

from tokenizer.count import count_texts
from tokenizer.fast import count as fast_count
from tokenizer.fast.classes import CLASSES, class_of_byte, classes_of
from tokenizer.fast.corpus import Words
from tokenizer.fast.count import Counter, count_words
from tokenizer.fast.pretokens import PretokenFinder, joined
from tokenizer.fast.rules import RULES
from tokenizer.fast.units import HashTable, UnitIndex
from tokenizer.patterns import PATTERNS, splitter

patterns = pytest.mark.parametrize("pattern", sorted(RULES))

# One character of each class and those that contractions look at, and the same classes outside ASCII.
NARROW = "asl1'! \t\n"
WIDE = "éſ٣。\u3000\x85'!l\n"


def readable(documents: list[str], pattern: str) -> dict[bytes, int]:
    return {word.encode(): count for word, count in count_texts(documents, pattern).items()}


def fast(documents: list[str], pattern: str, stretch: int) -> dict[bytes, int]:
    counter = Counter(pattern)
    for document in documents:
        counter.add_texts([document], stretch=stretch)
    return counter.words().to_dict()


def test_every_named_pattern_has_a_fast_form() -> None:
    assert set(RULES) == set(PATTERNS)


def classes(characters: str) -> str:
    return "".join(CLASSES[kind] for kind in classes_of(np.array(list(map(ord, characters)), np.int32)))


def test_the_classes_are_those_that_the_regex_module_sees() -> None:
    assert classes("aéſ你\u02b0𝒳") == "LLLLLL"
    assert classes("7٣½Ⅷ𝟘") == "NNNNN"
    assert classes("' \r\n") == "ASRR"
    assert classes("\t\v\f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u3000") == "T" * 11
    assert classes("!\0\x1c\u0301\ufeff’🙂\U0010ffff\u0378") == "O" * 9
    assert CLASSES[class_of_byte()[255]] == "E"


@patterns
@pytest.mark.parametrize("alphabet", [NARROW, WIDE], ids=["ascii", "wide"])
def test_every_cut_is_a_boundary_and_units_split_alone_give_the_whole(pattern: str, alphabet: str) -> None:
    """All strings of up to five characters; a rule looks at three, and what goes before and after is any."""
    split = splitter(pattern).split
    strings = ["".join(letters) for length in range(1, 6) for letters in product(alphabet, repeat=length)]
    finder = PretokenFinder(pattern)
    for begin in range(0, len(strings), 20_000):
        batch = strings[begin : begin + 20_000]
        units = finder.units(joined(batch))
        lengths = iter(zip(units.starts.tolist(), finder.split(units, np.arange(len(units.starts))), strict=True))
        start = 0
        for string in batch:
            expected = [len(word.encode()) for word in split(string)]
            found: list[int] = []
            while sum(found) < sum(expected):
                at, pieces = next(lengths)
                assert at == start + sum(found)
                found += pieces
            assert found == expected, (string, found, expected)
            at, pieces = next(lengths)
            assert pieces == []  # the END
            start = at + 1


@patterns
def test_units_without_doubt_are_one_pretoken_each(pattern: str) -> None:
    finder = PretokenFinder(pattern)
    strings = ["".join(letters) for alphabet in (NARROW, WIDE) for letters in product(alphabet, repeat=4)]
    units = finder.units(joined(strings))
    every = np.arange(len(units.starts))
    doubtful = finder.doubtful(units, every)
    assert 0 < np.count_nonzero(doubtful) < len(every)
    assert {len(pieces) for pieces in finder.split(units, every[~doubtful])} == {1}


@patterns
@given(st.lists(texts, max_size=6), st.sampled_from([4, 9, 40, 1 << 20]))
@example(["!\n \t", "a\n  x", "\n \n", "b\n\xa0"], 1 << 20)  # line ends and blanks at the end of a text
@example(["  \0a", "a", "a\0", "a\0\0"], 9)  # NUL looks like the padding of keys
@example(["x" * 33, "x" * 32, "x" * 17, "x" * 9, "x" * 8, "x" * 33], 4)  # around the lengths of keys
@example(["123456 1234567", "٣٣٣٣ 12٣4"], 9)
@example(["don't she'll 's", "'s'sand ''s 's", "\n's"], 4)
def test_counts_are_those_of_the_readable_form_in_the_same_order(
    pattern: str, documents: list[str], stretch: int
) -> None:
    assert list(fast(documents, pattern, stretch).items()) == list(readable(documents, pattern).items())


@patterns
def test_counts_of_every_fragment_next_to_every_other_are_the_readable_ones(pattern: str) -> None:
    documents = [first + second + third for first, second in product(FRAGMENTS, repeat=2) for third in ("", " a")]
    assert list(fast(documents, pattern, 1 << 20).items()) == list(readable(documents, pattern).items())


@patterns
@given(st.lists(texts, max_size=8), st.integers(0, 8))
def test_words_counted_elsewhere_add_up_as_if_counted_here(pattern: str, documents: list[str], cut: int) -> None:
    counter = Counter(pattern)
    for part in (documents[:cut], documents[cut:]):
        counter.add_words(count_words(part, pattern))
    assert list(counter.words().to_dict().items()) == list(readable(documents, pattern).items())


words64 = st.integers(2, 3) | st.integers(2, 2**64 - 1)


@given(st.integers(1, 4).flatmap(lambda k: st.lists(st.lists(st.tuples(*[words64] * k), max_size=30), max_size=5)))
def test_a_hash_table_numbers_keys_as_a_dict_does(batches: list[list[tuple[int, ...]]]) -> None:
    table: HashTable | None = None
    numbers: dict[tuple[int, ...], int] = {}
    for batch in filter(None, batches):
        table = table or HashTable(len(batch[0]), 3)  # small, so that it is full at once and grows
        found, new = table.number([np.array(column, np.uint64) for column in zip(*batch, strict=True)])
        firsts = [i for i, key in enumerate(batch) if key not in numbers and key not in batch[:i]]
        assert sorted(new.tolist()) == firsts
        numbers |= {batch[i]: int(found[i]) for i in new.tolist()}
        assert sorted(numbers.values()) == list(range(len(numbers)))
        assert [numbers[key] for key in batch] == found.tolist()
        asked = [*batch, *(tuple(part ^ 1 for part in key) for key in batch)]
        known = table.find([np.array(column, np.uint64) for column in zip(*asked, strict=True)])
        assert known.tolist() == [numbers.get(key, -1) for key in asked]


def test_a_hash_table_holds_many_keys_that_differ_in_one_bit() -> None:
    table = HashTable(2, 4)
    keys = [
        np.arange(1, 50_001, dtype=np.uint64) << np.uint64(20),
        np.arange(1, 50_001, dtype=np.uint64) % np.uint64(7),
    ]
    first, new = table.number(keys)
    again, none = table.number([key[::-1] for key in keys])
    assert len(new) == 50_000
    assert len(none) == 0
    assert (again[::-1] == first).all()


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=30), st.data())
def test_units_are_numbered_as_a_dict_numbers_them(units: list[bytes], data: st.DataObject) -> None:
    text = b"".join(units)
    lengths = np.array(list(map(len, units)))
    starts = np.cumsum(lengths) - lengths
    apart = data.draw(st.lists(st.integers(0, len(units) - 1), unique=True).map(sorted))
    numbers, new = UnitIndex().number(text, starts, lengths, np.array(apart, np.intp))
    keys = [(unit, i in apart) for i, unit in enumerate(units)]
    assert sorted(new.tolist()) == [i for i, key in enumerate(keys) if key not in keys[:i]]
    assert numbers[new].tolist() == list(range(len(new)))
    index = UnitIndex()
    assert (index.find(text, starts, lengths) == -1).all()
    numbers_of_some, _ = index.number(text, starts[::2], lengths[::2])
    expected = dict(zip(units[::2], numbers_of_some.tolist(), strict=True))
    assert index.find(text, starts, lengths).tolist() == [expected.get(unit, -1) for unit in units]
    for i, j in product(range(len(keys)), repeat=2):
        assert (numbers[i] == numbers[j]) == (keys[i] == keys[j])


@patterns
@given(st.lists(st.lists(texts, max_size=3), min_size=2, max_size=4))
@example([["!\n ", "\n \t"], ["!\n \t a \n \t"], ["a'sb", "s"], ["'s"]])
def test_a_worker_that_remembers_units_counts_each_task_alone(pattern: str, tasks: list[list[str]]) -> None:
    for task in tasks:
        assert list(count_words(task, pattern).to_dict().items()) == list(readable(task, pattern).items())


def test_a_worker_that_failed_counts_its_next_task_right(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "x 1234567 a 98765432 don't"
    with monkeypatch.context() as patch:
        patch.setattr(Counter, "_meet", lambda *args: [][0])
        with pytest.raises(IndexError):
            count_words([text], "gpt4")
    assert count_words([text], "gpt4").to_dict() == readable([text], "gpt4")


def test_a_worker_does_not_keep_what_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenizer.fast.count.KEPT_BYTES", 1000)
    count_words(["small"], "gpt2")
    assert fast_count._kept.counter.bytes_held < 100
    count_words(["x" * 2000], "gpt2")
    assert not hasattr(fast_count._kept, "counter")


def lines(n: int) -> Iterator[str]:
    for i in range(n):
        yield f"line {i % 100} of a text that says the same again and again, don't it?\n"


def test_what_a_counter_holds_does_not_grow_with_the_text() -> None:
    sizes = []
    for n in (2_000, 20_000):
        counter = Counter("gpt2")
        for line in lines(n):
            counter.add_texts([line])
        sizes.append((len(counter), len(counter._units._data), len(counter._parts)))
    assert sizes[0] == sizes[1]


def test_words_survive_the_way_through_a_dict() -> None:
    counts = {b"low": 5, b"\0": 1, b"er": 2**40}
    assert Words.of(counts).to_dict() == counts
    assert Words.of({}).to_dict() == {}
