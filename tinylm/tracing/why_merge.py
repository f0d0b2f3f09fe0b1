"""Why a pair was merged: the words it stands in add up to its count, and the pairs it was chosen from."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise

from tinylm.tracing.receipt import Line, Receipt, Sum
from tinylm.tracing.select import Part
from tinylm.tracing.step import TraceStep
from tokenizer.alphabet import from_printable
from tokenizer.replay import Corpus, Round, Tie
from tokenizer.show.characters import label
from tokenizer.show.sentences import tie_sentence
from tokenizer.ties import Pair, tie_rule
from tokenizer.train import Merge, Rival

__all__ = ["merge_receipt"]

WORDS = 8  # lines, the others together
RIVALS = 4


def merge_receipt(trace: Part, step: TraceStep) -> Receipt:
    """The receipt of a merge step: its count by words, and what it won against, by which rule."""
    start, ranks = _state(trace, step)
    counts = {from_printable(word): count for word, count in start.settings["counts"]}
    corpus = Corpus(counts)
    for rank, merged in enumerate(ranks):
        left, right = (corpus.tokens[i] for i in merged)
        corpus.apply(Merge(rank, merged, 256 + rank, left, right, 0))
    pair: Pair = (step.settings["pair"][0], step.settings["pair"][1])
    pairs: Counter[Pair] = Counter()
    lines = []
    for word, count in counts.items():
        ids = corpus.split(word)
        inside = 0
        for here in pairwise(ids):
            pairs[here] += count
            inside += here == pair
        if inside:
            times = f"{count:,} times" + (f", {inside} in each" if inside > 1 else "")
            lines.append(Line(label(word), Fraction(count * inside), times))
    lines.sort(key=lambda line: -line.value)
    if len(lines) > WORDS:
        rest = lines[WORDS:]
        lines = [*lines[:WORDS], Line(f"{len(rest)} more words", sum((x.value for x in rest), Fraction(0)))]
    rule = start.settings["tie_break"]
    total = Sum("its count", tuple(lines), "count", Fraction(step.settings["count"]))
    return Receipt(step.title, (total,), _why_this(step, pairs, pair, corpus, rule))


def _state(trace: Part, step: TraceStep) -> tuple[TraceStep, list[Pair]]:
    """The count step of this training, and the pairs merged between it and the step."""
    start: TraceStep | None = None
    ranks: list[Pair] = []
    for other in trace.steps:
        if other.number >= step.number:
            break
        if other.kind == "count":
            start, ranks = other, []
        elif other.kind == "merge":
            ranks.append((other.settings["pair"][0], other.settings["pair"][1]))
    if start is None or "counts" not in start.settings:
        raise ValueError(
            "this merge has no receipt: the words of its corpus are not in the trace (it has too many different ones, "
            "or training began outside the block)"
        )
    return start, ranks


def _why_this(
    step: TraceStep, pairs: Counter[Pair], pair: Pair, corpus: Corpus, rule: str
) -> tuple[tuple[str, str], ...]:
    """The next pairs in line, and the rule that decided where there was a tie."""
    key = tie_rule(rule)
    others = sorted((other for other in pairs if other != pair), key=lambda other: -pairs[other])
    tied = sorted((other for other in others if pairs[other] == pairs[pair]), key=lambda other: key(other, corpus))
    line = [*tied, *(other for other in others if pairs[other] < pairs[pair])][:RIVALS]
    facts = [("pairs to choose from", f"{len(pairs):,}")]
    for other in line:
        name = " + ".join(label(corpus.tokens[i]) for i in other)
        facts.append((name, f"{pairs[other]:,} times{' (tied)' * (other in tied)}"))
    if not tied:
        return (*facts, ("tie", "none: no other pair is as frequent"))
    tokens = corpus.tokens
    rivals = tuple(Rival(p, tokens[p[0]], tokens[p[1]], pairs[p]) for p in tied[:RIVALS])
    keys = corpus.key(rule, pair), corpus.key(rule, tied[0])
    tie = Tie(rule, rivals, *keys, and_more=len(tied) > RIVALS)
    rank, token = step.settings["rank"], step.settings["token"]
    merge = Merge(rank, pair, token, tokens[pair[0]], tokens[pair[1]], pairs[pair])
    return (*facts, ("tie", tie_sentence(Round(merge, tie, ()))))
