"""Training of byte-pair encoding: pairs counted, a pair merged, and the whole loop."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from tinylm.course import drive_text
from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, Work, add
from tinylm.course.problems.inputs import drawn, pick, whole
from tokenizer import train as live
from tokenizer.ties import TIE_RULES

RULES = tuple(TIE_RULES)  # of a student's variant


def _word(draw: Any, low: int = 0) -> list[int]:
    from hypothesis import strategies as st

    return draw(st.lists(st.sampled_from([1, 2, 3]), min_size=low, max_size=6))  # type: ignore[no-any-return]


@drawn
def count_pairs_inputs(draw: Any) -> Case:
    words = [_word(draw) for _ in range(whole(draw, 1, 4))]
    return case(words, [whole(draw, 1, 5) for _ in words])


@drawn
def merge_pair_inputs(draw: Any) -> Case:
    word, letters = _word(draw), pick(draw, (1, 2), (1, 2, 3), (1,))
    word = [letters[i % len(letters)] for i in word]
    pairs = list(pairwise(word)) or [(1, 2)]
    pair = (whole(draw, 1, 3), whole(draw, 1, 3)) if pick(draw, False, False, True) else pick(draw, *pairs)
    return case(word, pair, pick(draw, 9, 256))


@drawn
def merges_inputs(draw: Any) -> Case:
    from hypothesis import strategies as st

    from tinylm.testing import corpora

    letters = st.text("ab", min_size=1, max_size=6) | st.text("ab c!\n\x80é", min_size=1, max_size=5)
    words = draw(st.lists(letters, min_size=1, max_size=5))
    if pick(draw, False, False, True):  # characters of every plane
        words += [text[:12] for text in draw(corpora(max_documents=2)) if text]
    return case({word.encode(): whole(draw, 1, 4) for word in words}, whole(draw, 1, 6))


def overlapping(word: list[int], pair: tuple[int, int], token: int) -> list[int]:
    """A token for every place where the pair begins, whatever was merged before it."""
    begins = [tuple(word[i : i + 2]) == tuple(pair) for i in range(len(word))]
    kept = [token if begins[i] else word[i] for i in range(len(word))]
    return [each for i, each in enumerate(kept) if begins[i] or not (i and begins[i - 1])]


def from_the_right(word: list[int], pair: tuple[int, int], token: int) -> list[int]:
    return live.merge_pair(word[::-1], pair[::-1], token)[::-1]


def across_words(counts: Mapping[bytes, int], n_merges: int, *, tie_break: str = "huggingface") -> Iterator[Any]:
    return live.merges({b"".join(word * n for word, n in counts.items()): 1}, n_merges, tie_break=tie_break)


def many_words(n: int) -> Case:
    """n merges, each of a pair that is in one word alone, among some n² other words; no ties."""
    hot = {bytes([128 + i, 192 + i]): 100_000 + i for i in range(n)}
    letters = b"abcdefghijkl"
    cold = (bytes([letters[i // 144 % 12], letters[i // 12 % 12], letters[i % 12]]) for i in range(n * n))
    return case({**hot, **dict.fromkeys(cold, 1)}, n)


ONCE = """\
before = None
        for pair in pairwise(word):
            before = None if pair == before else pair
            if before is None:
                continue
"""
AGAIN = "[pair for pair, n in count_pairs([{}], [1])[0].items() for _ in range(n)]"
AAA = "How many pairs of neighbours has “aaa”? Count them as they stand; that only one can be merged does not matter."
NEXT_TIE = "Among pairs of equal count it is the tie rule that decides: work it out for two pairs by hand."

add(
    Problem(
        "count_pairs",
        live.count_pairs,
        topic="tokenizer",
        level=1,
        minutes=15,
        inputs=count_pairs_inputs,
        drive=drive_text.counted_pairs,
        places=("tokenizer.train:count_pairs via tinylm.course.places_text:pair_dicts",),
        imports=("from collections import defaultdict", "from itertools import pairwise"),
        notes="Return two dicts, of whatever kind; the first word is number 0.",
        faults=(
            Fault("counts_ignored", "a word counted once, however often it occurs",
                  (("pair_counts[pair] += count", "pair_counts[pair] += 1"),),
                  "A word that occurs 3 times has each of its pairs 3 times."),
            Fault("once_a_word", "a pair counted once in each word that has it",
                  (("pairwise(word)", "set(pairwise(word))"),), "Try the word [1, 2, 1, 2]."),
            Fault("aaa_once", "“aaa” had its pair once, since only one can be merged",
                  (("for pair in pairwise(word):\n", ONCE),), AAA),
            Fault("across_words", "the last id of a word and the first of the next were a pair",
                  (("pairwise(word)",
                    "pairwise([*word, *[first for other in words[number + 1 :][:1] for first in other[:1]]])"),),
                  "No pair crosses from one word to the next."),
            Fault("last_missed", "the last pair of a word were missed", (("pairwise(word)", "pairwise(word[:-1])"),),
                  "How many pairs has a word of 2 ids?"),
            Fault("unordered", "(1, 2) and (2, 1) were the same pair",
                  (("pairwise(word)", "[(min(pair), max(pair)) for pair in pairwise(word)]"),), "Order matters."),
            Fault("from_1", "words were numbered from 1",
                  (("enumerate(zip(words, counts, strict=True))", "enumerate(zip(words, counts, strict=True), 1)"),),
                  "words[0] is number 0."),
        ),
    ),
    Problem(
        "merge_pair",
        live.merge_pair,
        topic="tokenizer",
        level=1,
        minutes=15,
        inputs=merge_pair_inputs,
        notes="Return a new list.",
        faults=(
            Fault("second_stays", "the second id of a merged pair stayed in the word",
                  (("            i += 2\n", "            i += 1\n"),), "After a merge, where does the search go on?"),
            Fault("overlapping", "an id could be part of two merges", (),
                  "Try three equal ids: after a merge, where does the search go on?", overlapping),
            Fault("first_only", "only the first occurrence were merged",
                  (("            i += 2\n", "            return [*merged, *word[i + 2 :]]\n"),), "Try [1, 2, 1, 2]."),
            Fault("from_the_right", "occurrences were merged from the right, so that “aaa” becomes a, aa", (),
                  "Try three equal ids: which two of them are merged?", from_the_right),
            Fault("last_missed", "a pair at the end of the word were missed",
                  (("i + 1 < len(word)", "i + 2 < len(word)"),), "Try a word of just the pair."),
            Fault("unordered", "the pair were merged in either order",
                  (("(word[i], word[i + 1]) == pair", "(word[i], word[i + 1]) in (pair, pair[::-1])"),),
                  "Order matters."),
            Fault("cut", "what follows the first merge were lost", (("            i += 2\n", "            break\n"),),
                  "What stands behind a merge stays."),
            Fault("runs", "a whole run of pairs became one token",
                  (("            merged.append(token)\n",
                    "            merged += [token] if merged[-1:] != [token] else []\n"),),
                  "Four equal ids are two tokens."),
        ),
    ),
    Problem(
        "merges",
        live.merges,
        topic="tokenizer",
        level=4,
        minutes=120,
        inputs=merges_inputs,
        needs=("count_pairs", "merge_pair"),
        helpers=(live._merging, live.PairIndex, live.PairQueue, live.count_pairs, live.merge_pair),
        drive=drive_text.merged,
        places=("tokenizer.train:merges via tinylm.course.places_text:records",),
        variants={"tie_break": RULES},
        notes="The tests look at (left, right, count) of each merge: yield such triples, with left and right as bytes, "
        "or Merge records. They never ask for rivals, and for no other tie rule than the default one, which "
        "tokenizer/ties.py states: huggingface takes the smallest pair of ids, where a byte has the number of its "
        "place in 33-126, 161-172, 174-255 and then the rest by value, and merge number i has 256 + i; smallest_ids "
        "the same with every byte its own number; greatest_bytes the greatest pair of byte strings; first_seen the "
        "pair met first in the words as merged so far. It counts the lines that run: do not go over all words again "
        "for every merge.",
        work=Work(
            unit="lines of Python",
            count=drive_text.lines,
            at=many_words,
            sizes=(8, 16, 32),
            limit=2.3,
            says="every merge goes over all words again, not only over those that hold the pair",
        ),
        faults=(
            Fault("tie_turned", "among pairs of equal count the last one by the tie rule were merged",
                  (("best = list(islice(queue.pop_all(), 1 + rivals))",
                    "best = sorted(list(queue.pop_all())[::-1], key=lambda pair: -index.pair_counts[pair])"),),
                  NEXT_TIE),
            Fault("tie_first_seen", "among pairs of equal count the one met first were merged",
                  (("PairQueue(index, rule)", "PairQueue(index, lambda pair, corpus: corpus.first(pair))"),),
                  NEXT_TIE),
            Fault("tie_by_value", "ties went to the smallest ids, with bytes numbered by their value",
                  (("PairQueue(index, rule)", "PairQueue(index, lambda pair, corpus: pair)"),), NEXT_TIE),
            Fault("tie_least_bytes", "ties went to the least pair of byte strings",
                  (("PairQueue(index, rule)",
                    "PairQueue(index, lambda pair, corpus: (corpus.tokens[pair[0]], corpus.tokens[pair[1]]))"),),
                  NEXT_TIE),
            Fault("tie_greatest_bytes", "ties went to the greatest pair of byte strings",
                  (("PairQueue(index, rule)", 'PairQueue(index, tie_rule("greatest_bytes"))'),), NEXT_TIE),
            Fault("counts_ignored", "a word counted once, however often it occurs",
                  (("pair_counts[pair] += count", "pair_counts[pair] += 1"),
                   ("self.pair_counts[old] -= count", "self.pair_counts[old] -= 1"),
                   ("self.pair_counts[new] += count", "self.pair_counts[new] += 1")),
                  "A pair in a word that occurs 3 times occurs 3 times."),
            Fault("stale_counts", "a merge left the counts of the pairs beside it as they were",
                  (("self.pair_counts[old] -= count", "pass"),
                   ("self.pair_counts[new] += count", "self.pair_counts[new] += count * (token in new)")),
                  "When (1, 2) is merged in 0 1 2 3, what becomes of (0, 1) and of (2, 3)?"),
            Fault("aaa_once", "“aaa” had its pair once, since only one can be merged",
                  (("for pair in pairwise(word):\n            pair_counts", ONCE + "            pair_counts"),
                   ("before, after = list(pairwise(word)), list(pairwise(merged))",
                    f"before, after = {AGAIN.format('word')}, {AGAIN.format('merged')}")), AAA),
            Fault("bytes_only", "a pair with a token made by merging were never merged",
                  (("        return list(made)\n", "        return []\n"),), "A new token has new neighbours."),
            Fault("one_early", "it stopped one merge early", (("rank < n_merges", "rank < n_merges - 1"),),
                  "How many merges come for n_merges = 1?"),
            Fault("stops_at_1", "it stopped when no pair occurs twice any more",
                  (("        if not best:\n", "        if not best or index.pair_counts[best[0]] < 2:\n"),),
                  "It ends when no two tokens stand side by side."),
            Fault("first_only", "a pair were merged once in each word",
                  (("            i += 2\n", "            return [*merged, *word[i + 2 :]]\n"),),
                  "Try the word “abab”."),
            Fault("across_words", "pairs were counted and merged from one word to the next", (),
                  "No pair crosses from one pre-token to the next.", across_words),
        ),
    ),
)  # fmt: skip
