"""Pre-tokens to ids: merges in the order of their rank, in a short word and in a long one."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tinylm.course import drive_text
from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, Work, add
from tinylm.course.problems.inputs import drawn, pick, whole
from tokenizer import encode as live

Ranks = Mapping[tuple[int, int], tuple[int, int]]
SHUFFLED = (7, 31, 12, 5, 28, 19, 9, 23, 14, 30)  # ids that merges get: not in the order of their rank


def _ranks(draw: Any, most: int) -> tuple[dict[tuple[int, int], tuple[int, int]], list[tuple[int, ...]]]:
    """Merges as training makes them, of tokens that are there by then, no two of which make the same; and all tokens.

    Each token as the ids that it is made of.
    """
    from hypothesis import strategies as st

    words: dict[int, tuple[int, ...]] = {i: (i,) for i in range(1, pick(draw, 2, 3, 3) + 1)}
    ranks: dict[tuple[int, int], tuple[int, int]] = {}
    ids = pick(draw, range(10, 20), SHUFFLED, SHUFFLED[::-1])
    for rank in range(whole(draw, 2, most)):
        left, right = (draw(st.sampled_from(list(words)[-5:])) for _ in range(2))
        if words[left] + words[right] not in words.values():
            words[ids[rank]] = words[left] + words[right]
            ranks[left, right] = (len(ranks), ids[rank])
    return ranks, list(words.values())


def _unequal(draw: Any) -> Case:
    """A word of unequal ids and merges of its neighbours, with ranks in any order.

    No pair comes twice there, so that it does not matter whether all occurrences of a pair are merged at once.
    """
    from hypothesis import strategies as st

    ids = draw(st.permutations(range(1, whole(draw, 2, 5) + 1)))
    word, pairs = list(ids), []
    for new in range(11, 11 + whole(draw, 1, len(ids) - 1)):
        i = whole(draw, 0, len(word) - 2)
        pairs.append((word[i], word[i + 1]))
        word[i : i + 2] = [new]
    others = [pair for pair in pairwise(ids) if pair not in pairs]
    if others and pick(draw, False, True):  # one that gets into the way of another
        pairs.append(draw(st.sampled_from(others)))
    ranks = draw(st.permutations(range(len(pairs))))
    return case(list(ids), {pair: (ranks[i], 11 + i) for i, pair in enumerate(pairs)})


def _case(draw: Any, most: int, longest: int) -> Case:
    from hypothesis import strategies as st

    ranks, tokens = _ranks(draw, most)
    parts = draw(st.lists(st.sampled_from(tokens[::-1]), min_size=pick(draw, 2, 0, 3), max_size=longest))
    return case([i for ids in parts for i in ids][: 2 * longest], ranks)


@drawn
def word_inputs(draw: Any) -> Case:
    return _unequal(draw) if pick(draw, True, False, False) else _case(draw, 6, 6)


@drawn
def long_word_inputs(draw: Any) -> Case:
    return _case(draw, 8, 7)


def tower(n: int) -> Case:
    """A word of n different ids of which each merge makes one pair: n − 1 merges, of n − 1 kinds."""
    ranks: dict[tuple[int, int], tuple[int, int]] = {}
    level, new = list(range(n)), n
    while len(level) > 1:
        above = []
        for left, right in zip(level[::2], level[1::2], strict=True):
            ranks[left, right] = (len(ranks), new)
            above.append(new)
            new += 1
        level = above
    return case(list(range(n)), ranks)


def spelled(ranks: Ranks) -> dict[tuple[int, ...], int]:
    """The ids of all tokens that merges make, by the ids they are made of."""
    parts: dict[int, tuple[int, ...]] = {}
    for (left, right), (_, token) in sorted(ranks.items(), key=lambda item: item[1]):
        parts[token] = parts.get(left, (left,)) + parts.get(right, (right,))
    return {ids: token for token, ids in parts.items()}


def longest_match(ids: Sequence[int], ranks: Ranks) -> list[int]:
    """From left to right the longest token that fits."""
    tokens, found, i = spelled(ranks), [], 0
    while i < len(ids):
        j = next(j for j in range(len(ids), i, -1) if j == i + 1 or tuple(ids[i:j]) in tokens)
        found.append(tokens.get(tuple(ids[i:j]), ids[i]))
        i = j
    return found


def one_sweep(ids: Sequence[int], ranks: Ranks) -> list[int]:
    """Once from left to right: whatever merges with what is there is merged."""
    found: list[int] = []
    for each in ids:
        if found and (found[-1], each) in ranks:
            found[-1] = ranks[found[-1], each][1]
        else:
            found.append(each)
    return found


def pass_per_rank(ids: Sequence[int], ranks: Ranks) -> list[int]:
    """Once through the word for each rank, and never back to a lower one."""
    word = list(ids)
    for pair in sorted(ranks, key=lambda pair: ranks[pair]):
        i = 0
        while i < len(word) - 1:
            if (word[i], word[i + 1]) == pair:
                word[i : i + 2] = [ranks[pair][1]]
            i += 1
    return word


SHORT = (
    case([], {(1, 2): (0, 3)}),
    case([1], {(1, 2): (0, 3)}),
    case([1, 2], {(1, 2): (0, 3)}),
    case([1, 2], {(2, 1): (0, 3)}),
    case([5, 6, 8], {(5, 6): (1, 7), (7, 8): (0, 9)}),  # of rank 0 there is a pair only after a merge of rank 1
)
LONG_WORD = case([0, 1] * 65, {(0, 1): (0, 2), (2, 2): (1, 3), (3, 3): (2, 4)})
RANK = "Write down all pairs of the word with their ranks: which one is merged first?"

add(
    Problem(
        "encode_word",
        live.encode_word,
        topic="tokenizer",
        level=2,
        minutes=30,
        inputs=word_inputs,
        corners=(*SHORT, LONG_WORD),
        helpers=(live.lowest,),
        needs=("merge_pair",),
        imports=("from itertools import pairwise",),
        notes="ranks: (left id, right id) → (rank, id of the token that they become). Where a pair occurs twice, the "
        "leftmost is merged first; it ends when no pair of neighbours is in ranks. Ids need not be in the order of "
        "ranks, and a merge may make a pair of a lower rank. The words of the tests are short, of 130 ids at most: one "
        "way will do.",
        faults=(
            Fault("longest_match", "from left to right the longest token were taken that fits", (), RANK,
                  longest_match),
            Fault("left_to_right", "the first pair that merges were merged, whatever its rank",
                  (("min(found)[1]", "found[0][1]"),), RANK),
            Fault("one_sweep", "it went once from left to right, and merged whatever merges with what is there", (),
                  RANK, one_sweep),
            Fault("one_merge", "only one merge were made", (("    while (i :=", "    if (i :="),),
                  "After a merge there are new pairs."),
            Fault("rightmost", "the rightmost of equal pairs were merged first",
                  (("min(found)[1]", "min(found, key=lambda each: (each[0], -each[1]))[1]"),),
                  "Try three equal ids."),
            Fault("highest_rank", "the highest rank were merged first",
                  (("min(found)[1]", "max(found, key=lambda each: (each[0], -each[1]))[1]"),),
                  "Rank 0 is the first merge of training."),
            Fault("highest_rank_right", "the highest rank were merged first, and of equal pairs the rightmost",
                  (("min(found)[1]", "max(found)[1]"),), "Rank 0 is the first merge of training."),
            Fault("pass_per_rank", "it went through the ranks once, from the lowest up, and never back to a lower one",
                  (), "After a merge there are new pairs, maybe of a lower rank: when does it end?", pass_per_rank),
            Fault("by_id", "the smallest id came first and not the lowest rank",
                  (("ranks[pair][0]", "ranks[pair][1]"),), "What are the two numbers that ranks gives?"),
            Fault("last_pair_missed", "the last pair of the word were never merged",
                  (("enumerate(pairwise(ids))", "enumerate(pairwise(ids[:-1]))"),), "Try a word of two ids."),
        ),
    ),
    Problem(
        "encode_long_word",
        live.encode_long_word,
        topic="tokenizer",
        level=4,
        minutes=90,
        inputs=long_word_inputs,
        corners=SHORT,
        needs=("encode_word",),
        imports=("import heapq", "from itertools import pairwise"),
        notes="ranks: (left id, right id) → (rank, id of the token that they become). Always the lowest rank is merged "
        "first, the leftmost where a pair occurs twice. The lines that run are counted: for a word twice as long there "
        "should be little more than twice as many.",
        work=Work(
            unit="lines of Python and look-ups of a pair",
            count=drive_text.lines,
            at=tower,
            sizes=(64, 128, 256),
            limit=1.5,
            says="every merge looks at the whole word again",
        ),
        faults=(
            Fault("left_to_right", "merges were made by place and not by rank",
                  (("[(ranks[pair][0], i, pair) for", "[(0, i, pair) for"),
                   ("heapq.heappush(queue, (ranks[near][0], a, near))", "heapq.heappush(queue, (0, a, near))")),
                  RANK),
            Fault("stale_merged", "a pair in the queue were merged although its ids have changed",
                  (("if token[i] != pair[0] or j == len(ids) or token[j] != pair[1]:",
                    "if j == len(ids) or token[i] == -1 or (token[i], token[j]) not in ranks:"),),
                  "What is in the queue may be out of date when it comes up."),
            Fault("no_left_neighbour", "the new token met only its right neighbour",
                  (("for a, b in ((left[i], i), (i, after)):", "for a, b in ((i, after),):"),),
                  "A token has two neighbours."),
            Fault("no_right_neighbour", "the new token met only its left neighbour",
                  (("for a, b in ((left[i], i), (i, after)):", "for a, b in ((left[i], i),):"),),
                  "A token has two neighbours."),
            Fault("no_new_pairs", "the pairs of a new token never came into the queue",
                  (("for a, b in ((left[i], i), (i, after)):", "for a, b in ():"),),
                  "After a merge there are new pairs."),
            Fault("left_not_linked", "the token behind a merge went on with its old left neighbour",
                  (("            left[after] = i\n", "            pass\n"),), "The list is linked both ways."),
            Fault("rightmost", "the rightmost of equal pairs were merged first",
                  (("[(ranks[pair][0], i, pair) for i,", "[(ranks[pair][0], -i, pair) for i,"),
                   ("        _, i, pair = heapq.heappop(queue)\n",
                    "        _, i, pair = heapq.heappop(queue)\n        i = -i\n"),
                   ("heapq.heappush(queue, (ranks[near][0], a, near))",
                    "heapq.heappush(queue, (ranks[near][0], -a, near))")), "Try three equal ids."),
            Fault("by_id", "the smallest id came first and not the lowest rank",
                  (("[(ranks[pair][0], i, pair)", "[(ranks[pair][1], i, pair)"),
                   ("(ranks[near][0], a, near)", "(ranks[near][1], a, near)")),
                  "What are the two numbers that ranks gives?"),
        ),
    ),
)  # fmt: skip
