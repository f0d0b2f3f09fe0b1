"""Training on whole arrays against the readable form: the same merges, counts and order, for every tie rule."""

import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_tokenizer_training import huggingface_merges
from tokenizer_strategies import words as ordinary_words

from tokenizer import TokenizerError, train
from tokenizer.alphabet import to_printable
from tokenizer.count import count_pretokens
from tokenizer.fast import batch, chain
from tokenizer.fast.batch import Batch, Cutter
from tokenizer.fast.best_pairs import BestPairs, ByFirstPosition
from tokenizer.fast.corpus import Words
from tokenizer.fast.train import grouped, merges
from tokenizer.ties import TIE_RULES

rules = st.sampled_from(sorted(TIE_RULES))

pieces = st.text("ab", min_size=1, max_size=3) | st.text("abcd", min_size=1, max_size=5)
periodic = st.builds(
    lambda piece, times, end: piece * times + end, pieces, st.integers(2, 9), st.text("abc", max_size=2)
)
nested = st.lists(st.sampled_from(["ab", "cd", "abcd", "bc", "xab", "aba"]), min_size=1, max_size=6).map("".join)
words = (
    st.text("abcd", min_size=1, max_size=6).map(str.encode)
    | (periodic | nested).map(str.encode)
    | st.integers(1, 40).map(lambda n: b"a" * n)
    | st.text("\x00\xff ab", max_size=6).map(lambda text: text.encode("latin-1"))
    | ordinary_words
)
few_counts = st.sampled_from([1, 1, 1, 2, 2, 3, 4, 6])  # many ties
counts = few_counts | st.integers(1, 30) | st.sampled_from([2**31 - 1, 2**31, 2**40])
corpora = st.dictionaries(words, few_counts, max_size=30) | st.dictionaries(words, counts, max_size=12)


def both(corpus: Mapping[bytes, int], rule: str, n: int | None = None, **settings: int) -> tuple[list[Any], list[Any]]:
    return list(merges(corpus, n, tie_break=rule, **settings)), list(train.merges(corpus, n, tie_break=rule))


@given(corpora, rules, st.sampled_from([1, 2, 3, 8, 512]), st.sampled_from([1, 2, 10, 3000]))
@example({b"aab": 1}, "smallest_ids", 512, 3000)  # (a, a) and (a, b) share an a
@example({b"aaaaa": 1}, "huggingface", 512, 3000)  # (a, a) overlaps itself
@example({b"baab": 1}, "greatest_bytes", 512, 3000)  # after (b, a), (ba, a) beats (a, b), which beats (a, a)
@example({b"aabb": 1, b"aabab": 1, b"abab": 1}, "greatest_bytes", 512, 3000)  # here (x, ab) does so
@example({b"aa": 1, b"baa": 1, b"ba": 1}, "first_seen", 512, 3000)  # what was first is gone
@example({b"abcd": 2, b"cdab": 2}, "greatest_bytes", 512, 3000)  # two of a batch meet
@example({b"abab" * 4: 2, b"cdcd": 3}, "first_seen", 3, 1)
def test_merges_are_those_of_the_readable_form(
    corpus: dict[bytes, int], rule: str, max_batch: int, watched: int
) -> None:
    fast, readable = both(corpus, rule, max_batch=max_batch, watched=watched)
    assert fast == readable


@given(corpora, rules, st.integers(0, 20))
def test_the_number_of_merges_asked_for_cuts_the_same_list_short(corpus: dict[bytes, int], rule: str, n: int) -> None:
    assert list(merges(corpus, n, tie_break=rule)) == list(merges(corpus, tie_break=rule))[:n]


@given(corpora, rules)
def test_words_as_arrays_give_the_merges_of_the_mapping(corpus: dict[bytes, int], rule: str) -> None:
    assert list(merges(Words.of(corpus), tie_break=rule)) == list(merges(corpus, tie_break=rule))


@pytest.mark.parametrize("rule", sorted(TIE_RULES))
def test_a_larger_corpus_full_of_ties_gives_the_merges_of_the_readable_form(rule: str) -> None:
    chance = np.random.default_rng(7)
    letters = chance.choice(list(b"etaoin shrdlu"), (4000, 9), p=np.arange(13, 0, -1) / 91).astype(np.uint8)
    corpus = {word[: 1 + i % 9].tobytes(): 1 + int(9 / (1 + i % 50)) for i, word in enumerate(letters)}
    fast, readable = both(corpus, rule)
    assert len(fast) > 1500
    assert fast == readable


@pytest.mark.parametrize("rule", sorted(TIE_RULES))
@pytest.mark.parametrize("word", [b"a" * 1000, b"ab" * 500, b"abc" * 300 + b"ab", b"aab" * 300, b"\x00\xff\x00" * 200])
def test_long_periodic_words_merge_as_in_the_readable_form(word: bytes, rule: str) -> None:
    fast, readable = both({word: 1, b"x" + word[:17]: 2, word[1:]: 1}, rule)
    assert fast == readable


@pytest.mark.parametrize("rule", sorted(TIE_RULES))
@pytest.mark.parametrize("corpus", [{}, {b"a": 3}, {b"": 1}, {b"": 1, b"a": 2, b"ab": 1, b"\x00": 1}])
def test_words_without_pairs_add_nothing(corpus: dict[bytes, int], rule: str) -> None:
    fast, readable = both(corpus, rule)
    assert fast == readable
    assert len(fast) == (b"ab" in corpus)


def test_tokens_longer_than_16_bits_can_say_are_made() -> None:
    made = list(merges({b"a" * 2**17: 1}))
    assert [len(merge.token_bytes) for merge in made] == [2**i for i in range(1, 18)]
    assert [merge.count for merge in made] == [2**i - 1 for i in range(17, 0, -1)]


@pytest.mark.parametrize("rule", sorted(TIE_RULES))
def test_counts_up_to_two_to_the_62_are_exact(rule: str) -> None:
    corpus = {b"ab": 2**61 - 1, b"xab": 2**61, b"cd": 2**60, b"dcd": 2**58 - 1}
    fast, readable = both(corpus, rule)
    assert fast == readable
    assert fast[0].count == 2**62 - 1


@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 3)), min_size=1, max_size=600))
@example([(i * 65521 % 2**20, i % 3) for i in range(600)])
def test_occurrences_are_grouped_stably_by_member_and_neighbour(drawn: list[tuple[int, int]]) -> None:
    neighbour, member = np.array(drawn, np.int32).T
    order = grouped(neighbour, np.sort(member).astype(np.int16))
    assert order.tolist() == np.lexsort((np.arange(len(drawn)), neighbour, np.sort(member))).tolist()


def test_more_than_65536_tokens_are_told_apart() -> None:
    chance = np.random.default_rng(1)
    corpus = dict.fromkeys((word.tobytes() for word in chance.integers(0, 256, (12000, 8), np.uint8)), 1)
    fast, readable = both(corpus, "huggingface")
    assert len(fast) > 65536
    assert fast == readable


def test_temporary_arrays_are_cut_into_steps_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = {bytes([97 + i % 5, 97 + i % 7, 97 + i % 3, 97 + i % 11][: 1 + i % 4]): i + 1 for i in range(200)}
    expected = list(train.merges(corpus))
    for step in (16, 17, 50):
        monkeypatch.setattr(chain, "STEP", step)
        monkeypatch.setattr(batch, "AT_ONCE", step)
        assert list(merges(corpus)) == expected


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"words": {b"a": 0}}, "expected pre-token bytes -> count of 1 or more, got b'a': 0"),
        ({"words": {"a": 1}}, "expected pre-token bytes -> count of 1 or more, got 'a': 1"),
        ({"words": Words.of({b"a": 0})}, "expected counts of 1 or more, got 0"),
        ({"words": {}, "n_merges": -1}, "n_merges must not be negative, got -1"),
        ({"words": {}, "tie_break": "random"}, "expected one of huggingface, .* got 'random'"),
        ({"words": {}, "max_batch": 0}, "max_batch must be from 1 to 32767, got 0"),
        ({"words": {b"ab": 2**63}}, "do not fit into 64 bits; use tokenizer.train.merges"),
        ({"words": {b"ab": 2**62, b"abc": 2**62}}, "more than 64 bits hold; use tokenizer.train.merges"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(TokenizerError, match=says):
        merges(**arguments)


def test_memory_is_in_proportion_to_a_long_word() -> None:
    peaks = []
    for length in (2 * 10**5, 4 * 10**5):
        tracemalloc.start()
        try:
            list(merges({b"a" * length: 1}))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 2.2 * peaks[0]
    assert peaks[1] < 300 * 4 * 10**5


def test_merges_are_watched_one_by_one() -> None:
    watched = merges({b"low": 5, b"lower": 2})
    assert next(watched) == train.Merge(rank=0, pair=(108, 111), token=256, left=b"l", right=b"o", count=7)
    assert next(watched).token_bytes == b"low"


@pytest.mark.data
@pytest.mark.parametrize("pattern", ["gpt2", "gpt4"])
def test_merges_equal_huggingface_on_shakespeare(shared_data: Path, pattern: str) -> None:
    path = shared_data / "tinyshakespeare.txt"
    counts = count_pretokens(path, pattern)
    with open(path, encoding="utf-8", newline="") as file:
        expected = huggingface_merges(file.read(), 5000, pattern)
    made = [[to_printable(merge.left), to_printable(merge.right)] for merge in merges(counts, 5000 - 256)]
    assert made == expected


# Seeded faults: each takes away one of the reasons why batches are exact, and its corpus must show it.

Patch = pytest.MonkeyPatch


def members_of_right_pairs(batch: Batch) -> npt.NDArray[np.intp]:
    """Which of the batch begins at the right token of each occurrence, or -1."""
    ranks = {pair: i for i, pair in enumerate(batch.pairs.tolist())}
    return np.array([ranks.get(pair, -1) for pair in batch.right["pair"].tolist()], np.intp)


def members_may_overlap_each_other(patch: Patch) -> None:
    def only_themselves(self: Cutter, batch: Batch) -> int:
        overlap = batch.member[members_of_right_pairs(batch) == batch.member]
        return int(overlap.min(initial=len(batch.pairs)))

    patch.setattr(Cutter, "overlap_cut", only_themselves)


def members_may_overlap_themselves(patch: Patch) -> None:
    def only_others(self: Cutter, batch: Batch) -> int:
        other = members_of_right_pairs(batch)
        overlap = (other >= 0) & (other != batch.member)
        return int(np.maximum(batch.member, other)[overlap].min(initial=len(batch.pairs)))

    patch.setattr(Cutter, "overlap_cut", only_others)


def every_occurrence_of_a_run_merged(patch: Patch) -> None:
    patch.setattr(Batch, "without_overlap", lambda self: self)


def new_pairs_of_greater_bytes_not_looked_for(patch: Patch) -> None:
    patch.setattr(Cutter, "tie_cut", lambda self, batch: len(batch.pairs))


def new_pairs_on_the_left_not_looked_for(patch: Patch) -> None:
    real = Cutter._neighbours
    patch.setattr(Cutter, "_neighbours", lambda *args, before: set() if before else real(*args, before=before))


def new_pairs_on_the_right_not_looked_for(patch: Patch) -> None:
    real = Cutter._neighbours
    patch.setattr(Cutter, "_neighbours", lambda *args, before: real(*args, before=before) if before else set())


def first_positions_never_checked(patch: Patch) -> None:
    patch.setattr(ByFirstPosition, "settle", lambda self, numbers: True)


def positions_of_a_pair_out_of_order(patch: Patch) -> None:
    def from_the_end(neighbour: Any, member: Any) -> Any:
        return np.lexsort((-np.arange(len(member)), neighbour, member))

    patch.setattr("tokenizer.fast.train.grouped", from_the_end)


def new_pairs_not_shown(patch: Patch) -> None:
    patch.setattr(BestPairs, "show", lambda self, numbers: None)


def fields_too_narrow(patch: Patch) -> None:
    patch.setattr(chain, "_layout", lambda lengths, counts: chain.COMPACT)


FAULTS: list[tuple[Callable[[Patch], None], str, dict[bytes, int]]] = [
    (members_may_overlap_each_other, "huggingface", {b"aab": 1}),
    (members_may_overlap_each_other, "greatest_bytes", {b"aabaab": 1}),
    (members_may_overlap_each_other, "first_seen", {b"aaaaa": 1}),
    (members_may_overlap_themselves, "huggingface", {b"aaa": 1}),
    (members_may_overlap_themselves, "first_seen", {b"aaa": 1}),
    (every_occurrence_of_a_run_merged, "smallest_ids", {b"aaa": 1}),
    (new_pairs_of_greater_bytes_not_looked_for, "greatest_bytes", {b"baab": 1}),
    (new_pairs_on_the_left_not_looked_for, "greatest_bytes", {b"aabb": 1, b"aabab": 1, b"abab": 1}),
    (new_pairs_on_the_right_not_looked_for, "greatest_bytes", {b"baab": 1}),
    (first_positions_never_checked, "first_seen", {b"aa": 1, b"baa": 1, b"ba": 1}),
    (positions_of_a_pair_out_of_order, "first_seen", {b"aaaaaa": 1}),
    (new_pairs_not_shown, "huggingface", {b"aaa": 1}),
    (fields_too_narrow, "huggingface", {b"aa": 2**31}),
]


@pytest.mark.parametrize(("mistake", "rule", "corpus"), FAULTS)
def test_the_fault_is_caught(
    mistake: Callable[[Patch], None], rule: str, corpus: dict[bytes, int], monkeypatch: Patch
) -> None:
    fast, readable = both(corpus, rule)
    assert fast == readable
    mistake(monkeypatch)
    try:
        fast, readable = both(corpus, rule)
    except (IndexError, ValueError):
        return  # arrays that no longer fit together show it as well
    assert fast != readable
