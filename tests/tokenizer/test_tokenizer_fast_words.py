"""Words merged by arrays become the ids that the readable encode_word makes of them, under any vocabulary at all."""

import base64
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tokenizer.encode import Ranks, encode_word
from tokenizer.fast import long_words, rivals, words
from tokenizer.fast.pairs import BITS, NONE, StaticTable
from tokenizer.fast.words import WordMerger
from tokenizer.published import recover_merges

Patch = pytest.MonkeyPatch
Vocabulary = tuple[list[int], Ranks]
SIDES = {"columns": {"short": 1000}, "rounds": {"short": 0, "in_turn": 0}, "in turn": {"short": 0, "in_turn": 1 << 40}}


def vocabulary(merges: list[tuple[bytes, bytes]], gap: int = 1) -> Vocabulary:
    """Ids in no order, with gaps; rank by place in the list."""
    tokens = dict.fromkeys([*(bytes([byte]) for byte in range(256)), *(part for m in merges for part in m)])
    tokens |= dict.fromkeys(left + right for left, right in merges)
    order = random.Random(len(tokens)).sample(range(len(tokens)), len(tokens))
    ids = {token: 3 + gap * place for token, place in zip(tokens, order, strict=True)}
    ranks = {(ids[left], ids[right]): (rank, ids[left + right]) for rank, (left, right) in enumerate(merges)}
    return [ids[bytes([byte])] for byte in range(256)], ranks


@st.composite
def merge_lists(draw: st.DrawFn) -> list[tuple[bytes, bytes]]:
    """Merges of drawn tokens, in the order made or in any other; some tokens by several merges, some by none."""
    tokens = [bytes([byte]) for byte in draw(st.sampled_from([b"a", b"ab", b"abc"]))]
    if draw(st.booleans()):
        tokens.append(b"abba"[: draw(st.integers(2, 4))])  # made by no merge, unless one happens to
    merges: list[tuple[bytes, bytes]] = []
    for _ in range(draw(st.integers(0, 14))):
        left, right = draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens))
        if len(left + right) <= 12:
            merges.append((left, right))
            tokens.append(left + right)
    for token in draw(st.lists(st.sampled_from(tokens), max_size=3)):  # all the ways to cut it, as in converted files
        merges += [(token[:i], token[i:]) for i in range(1, len(token)) if {token[:i], token[i:]} <= {*tokens}]
    merges = list(dict.fromkeys(merges))
    return draw(st.permutations(merges)) if draw(st.booleans()) else merges


periodic = st.builds(lambda part, n: part * n, st.text("abc", min_size=1, max_size=5), st.integers(1, 25))
drawn_words = st.lists(
    st.lists(periodic | st.text("abc", min_size=1, max_size=40), min_size=1, max_size=3).map("".join).map(str.encode),
    min_size=1,
    max_size=6,
)


def merged(merger: WordMerger, some: list[bytes]) -> list[list[int]]:
    ids, counts = merger.merge(np.frombuffer(b"".join(some), np.uint8), np.array([len(word) for word in some]))
    assert counts.sum() == len(ids)
    return [each.tolist() for each in np.split(ids, np.cumsum(counts)[:-1])]


def check(merges: list[tuple[bytes, bytes]], some: list[bytes], gap: int = 1, **limits: int) -> None:
    byte_ids, ranks = vocabulary(merges, gap)
    expected = [encode_word([byte_ids[byte] for byte in word], ranks) for word in some]
    assert merged(WordMerger(byte_ids, ranks, **limits), some) == expected


A, B, C = b"a", b"b", b"c"


@pytest.mark.parametrize("side", SIDES)
@given(merge_lists(), drawn_words, st.sampled_from([1, 7, 10**7]))
@example([(A, A), (A + A, A)], [b"a" * n for n in range(1, 9)], 1)  # runs, odd and even
@example([(A + A, A), (A, A)], [b"a" * n for n in range(1, 9)], 1)  # a run whose result is wanted at once
@example([(B, A), (A, B)], [b"bab", b"abab"], 1)  # taken from the left
@example([(B, C), (A, B)], [b"abc"], 1)  # taken from the right
@example([(B, A), (B + A, C), (A, C)], [b"bac", b"bacac"], 1)
@example([(A, C), (C + B, A), (C, B), (A, A)], [b"cbaa", b"cbaaaa"], 1)  # taken by what is yet to come
@example([(A + B, C), (B, C), (A, B)], [b"abc", b"abcabc"], 1)  # a low merge of a high part
@example([(A, B + C), (A, B), (B, C)], [b"abc", b"aabc"], 1)
def test_words_become_the_ids_that_the_readable_form_makes(
    side: str, merges: list[tuple[bytes, bytes]], some: list[bytes], gap: int
) -> None:
    check(merges, some, gap, **SIDES[side])


@given(merge_lists(), drawn_words, st.integers(1, 12))
def test_words_around_the_limit_keep_their_order(merges: list[tuple[bytes, bytes]], some: list[bytes], n: int) -> None:
    check(merges, some, short=n, in_turn=3 * n)


@given(merge_lists(), drawn_words)
def test_rounds_are_exact_wherever_they_stop(merges: list[tuple[bytes, bytes]], some: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_words, "FEW", 1)  # as long as anything at all is safe
        check(merges, some * 4, **SIDES["rounds"])


@given(st.sets(st.tuples(st.integers(0, NONE - 1), st.integers(0, NONE - 1)), max_size=300), st.randoms())
def test_a_static_table_finds_what_it_holds_and_nothing_else(pairs: set[tuple[int, int]], rng: random.Random) -> None:
    held = sorted(pairs)
    rng.shuffle(held)
    left, right = np.array(held, np.int64).reshape(-1, 2).T
    table = StaticTable(left << BITS | right, np.arange(len(held)))
    assert table.find(left, right).tolist() == list(range(len(held)))
    absent = [(b, a) for a, b in held if (b, a) not in pairs]
    if absent:
        assert (table.find(*np.array(absent, np.int64).T) == NONE).all()


def test_no_words_have_no_ids() -> None:
    ids, counts = WordMerger(*vocabulary([(A, B)])).merge(np.zeros(0, np.uint8), np.zeros(0, np.int64))
    assert len(ids) == len(counts) == 0


@pytest.mark.parametrize("backwards", [False, True])
def test_a_chain_that_merges_one_pair_at_a_time_is_left_to_the_queue(backwards: bool) -> None:
    symbols = random.Random(0).choices(range(256), k=20000)
    pairs = list(dict.fromkeys((bytes([a]), bytes([b])) for a, b in pairwise(symbols) if a != b))
    check(pairs[::-1] if backwards else pairs, [bytes(symbols)], **SIDES["rounds"])


def test_a_vocabulary_too_deep_for_tables_is_merged_in_turn(monkeypatch: Patch) -> None:
    monkeypatch.setattr(rivals, "MOST", 3)
    check([(A, B), (A + B, C), (A + B + C, A)], [b"abcaabcabab"], **SIDES["rounds"])


KINDS = {
    "one letter": "a" * 20000, "spaces": " " * 20000, "lines": "\n" * 20000, "periodic": "abc" * 7000,
    "zeros": "0" * 20000, "letters": "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=20000)),
    "digits": "".join(random.Random(1).choices("0123456789", k=20000)),
}  # fmt: skip


@pytest.mark.data
def test_long_words_become_the_ids_that_tiktoken_makes_of_them(shared_data: Path) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    lines = (line.split() for line in (shared_data / "r50k_base.tiktoken").read_bytes().splitlines())
    ids = {base64.b64decode(token): int(rank) for token, rank in lines}
    peer = tiktoken.Encoding("whole", pat_str=r"[\s\S]+", mergeable_ranks=ids, special_tokens={})
    ranks = {(ids[a], ids[b]): (n, ids[a + b]) for n, (a, b) in enumerate(recover_merges(ids)[0])}
    play = (shared_data / "tinyshakespeare.txt").read_text(encoding="utf-8")
    kinds = KINDS | {"English": "".join(filter(str.isalpha, play))[:20000]}
    merger = WordMerger([ids[bytes([byte])] for byte in range(256)], ranks)
    ours = merged(merger, [text.encode() for text in kinds.values()])
    assert dict(zip(kinds, ours, strict=True)) == {kind: peer.encode_ordinary(text) for kind, text in kinds.items()}


# Seeded faults: each condition left out, and a word that notices


def nothing_comes_from_the_left(patch: Patch) -> None:
    patch.setattr(long_words.Rounds, "left_stays", lambda self, before, rank: self.rank[before] > rank)


def nothing_comes_from_the_right(patch: Patch) -> None:
    patch.setattr(long_words.Rounds, "right_stays", lambda self, after, rank: self.rank[after] >= rank)


def making_a_token_early_tempts_nobody(patch: Patch) -> None:
    patch.setattr(rivals.Rivals, "_quiet", lambda self: np.ones(len(self._merges.made), bool))


def runs_overlap(patch: Patch) -> None:
    patch.setattr(long_words, "alternate", lambda follows, good: good)


def calm_as_far_as_the_neighbours_only(patch: Patch) -> None:
    patch.setattr(long_words.Rounds, "calm", lambda self: self.rank < NONE)


def the_rightmost_of_a_rank_first(patch: Patch) -> None:
    real = words.next_merges

    def turned(keys: Any, columns: Any) -> Any:
        line = np.arange(len(keys))[:, None]
        far = np.where(keys < words.NO_PAIR, (keys | words.PLACE) - line, keys)
        columns, least = real(far, columns)
        return columns, np.where(least < words.NO_PAIR, least - 2 * (least & words.PLACE) + words.PLACE, least)

    patch.setattr(words, "next_merges", turned)


FAULTS = [
    (nothing_comes_from_the_left, "rounds", [(B + A, B), (B, A)], b"baba"),
    (nothing_comes_from_the_right, "rounds", [(C, B + A), (B, A), (A, C)], b"acba"),
    (making_a_token_early_tempts_nobody, "rounds", [(A + B, A + B), (B, A + B), (A, B)], b"babab"),
    (runs_overlap, "rounds", [(A, A)], b"aaa"),
    (calm_as_far_as_the_neighbours_only, "rounds", [(A + A, A), (A, A)], b"a" * 40),
    (the_rightmost_of_a_rank_first, "columns", [(A, A)], b"aaa"),
]


@pytest.mark.parametrize("fault", [None, *FAULTS], ids=lambda fault: fault[0].__name__ if fault else "none")
def test_the_fault_is_caught(fault: Any, monkeypatch: Patch) -> None:
    monkeypatch.setattr(long_words, "FEW", 1)
    if fault is None:
        for _, side, merges, word in FAULTS:
            check(merges, [word], **SIDES[side])
        return
    mistake, side, merges, word = fault
    mistake(monkeypatch)
    with pytest.raises((AssertionError, IndexError)):
        check(merges, [word], **SIDES[side])
