"""Exercises on the training of a tokenizer: counting pairs, merging one, choosing the best, and the whole loop."""

from collections.abc import Mapping
from types import SimpleNamespace

from tinylm.course.exercise import Exercise, case, register
from tokenizer.replay import CLASSIC
from tokenizer.ties import tie_rule
from tokenizer.train import PairIndex, merge_pair, merges


def _pair_counts(words: Mapping[tuple[bytes, ...], int]) -> dict[tuple[bytes, bytes], int]:
    """The counts of an index of these words, for words of any tokens."""
    tokens = list(dict.fromkeys(token for word in words for token in word))
    index = PairIndex({bytes(map(tokens.index, word)): count for word, count in words.items()})
    return {(tokens[a], tokens[b]): count for (a, b), count in index.pair_counts.items()}


register(
    Exercise(
        "count_pairs",
        "Return how often each pair of neighbouring tokens occurs: (left, right) -> count. `words` maps a word, a "
        "tuple of tokens, to how often it occurs. No pair reaches over the end of a word.",
        reference=_pair_counts,
        cases=[
            case({(b"a",): 3}),
            case({(b"a", b"b"): 1}),
            case({(b"a", b"b"): 3}),
            case({(b"a", b"b"): 2, (b"b", b"a"): 1}),
            case({(b"a", b"a", b"a"): 2}),
            case({(b"a", b"b", b"a", b"b"): 2, (b"b",): 7, (b"a", b"b"): 1}),
            case({(b"lo", b"w"): 5, (b"lo", b"w", b"e", b"r"): 2, (b"n", b"e", b"w", b"es", b"t"): 6}),
        ],
    )
)

register(
    Exercise(
        "merge_pair",
        "Return the word, a list of ids, with `token` for every occurrence of the pair, from left to right, none "
        "overlapping.",
        reference=merge_pair,
        cases=[
            case([], (1, 2), 9),
            case([1], (1, 2), 9),
            case([1, 2], (1, 2), 9),
            case([2, 1], (1, 2), 9),
            case([1, 1, 1], (1, 1), 9),
            case([1, 1, 1, 1], (1, 1), 9),
            case([3, 1, 2, 3], (1, 2), 9),
            case([1, 2, 1, 2, 1], (1, 2), 9),
            case([1, 1, 2], (1, 2), 9),
        ],
    )
)


def _best_pair(counts: Mapping[tuple[bytes, bytes], int]) -> tuple[bytes, bytes]:
    tokens = list(dict.fromkeys(token for pair in counts for token in pair))
    corpus = SimpleNamespace(tokens=tokens)
    rule = tie_rule("greatest_bytes")
    return min(counts, key=lambda pair: (-counts[pair], rule((tokens.index(pair[0]), tokens.index(pair[1])), corpus)))


register(
    Exercise(
        "best_pair",
        "Return the most frequent pair of `counts`, which maps (left, right) to a count; among equals the greatest, "
        "as Python compares pairs of bytes.",
        reference=_best_pair,
        cases=[
            case({(b"a", b"b"): 1}),
            case({(b"a", b"b"): 2, (b"b", b"a"): 3}),
            case({(b"b", b"a"): 2, (b"a", b"b"): 2}),
            case({(b"a", b"b"): 2, (b"a", b"c"): 2, (b"z", b"z"): 1}),
            case({(b"a", b"b"): 2, (b"ab", b"a"): 2}),
            case({(b"b", b"a"): 2, (b"ab", b"a"): 2}),
            case({(b"a", b"\xff"): 4, (b"b", b"\x00"): 4, (b"c", b"c"): 3}),
        ],
    )
)

register(
    Exercise(
        "train",
        "Return the first n merges as a list of (left, right): count the pairs, merge the best everywhere, repeat. "
        "`words` maps the bytes of a word to how often it occurs; among equals the greatest pair wins. Stop early "
        "when there is no pair left.",
        reference=lambda words, n: [(m.left, m.right) for m in merges(words, n, tie_break="greatest_bytes")],
        cases=[
            case({b"ab": 1}, 0),
            case({b"ab": 1}, 1),
            case({b"ab": 1}, 5),
            case({b"a": 2}, 2),
            case({b"aaa": 1}, 3),
            case({b"aaaa": 1}, 3),
            case({b"ab": 2, b"bc": 3}, 2),
            case({b"abab": 2, b"ab": 1, b"b": 9}, 3),
            case(CLASSIC, 6),
            case(CLASSIC, 12),
        ],
    )
)
