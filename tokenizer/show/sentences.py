"""What terminal and page both say in words: numbers with their nouns, and why a tie went as it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizer.show.characters import label

if TYPE_CHECKING:  # replay.py imports this package to draw itself
    from tokenizer.replay import Key, Round, TrainingExplanation
    from tokenizer.train import Merge, Rival

TAKES = {
    "huggingface": "the smallest ids, with bytes numbered printable first",
    "smallest_ids": "the smallest ids",
    "greatest_bytes": "the greatest byte strings",
    "first_seen": "the pair met first in the corpus",
}

WHOLE = "in the vocabulary as a whole: not merged"  # a vocabulary with ignore_merges has such words
SHOW_ALL = "--words all, or words=None in Python, shows everything"


def many(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun.

    >>> many(1, "word"), many(1200, "word")
    ('1 word', '1,200 words')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def pair(of: Merge | Rival) -> str:
    """The two tokens of a pair."""
    return f"{label(of.left)} + {label(of.right)}"


def tie_sentence(seen: Round) -> str:
    """Who won over whom, by which rule, and what the rule compared; empty where nothing was tied."""
    tie = seen.tie
    if tie is None:
        return ""
    others = len(tie.rivals) - 1
    beaten = pair(tie.rivals[0])
    if others or tie.and_more:
        beaten += (
            f" and {'at least ' if tie.and_more else ''}{many(others, 'other')}" if others else " and perhaps others"
        )
    each = "all" if others or tie.and_more else "both"
    return (
        f"{pair(seen.merge)} beat {beaten} ({each} {many(seen.merge.count, 'time')}): "
        f"{tie.rule} takes {TAKES[tie.rule]}: {_key(tie.key)} before {_key(tie.rival_key)}"
    )


def _key(key: Key) -> str:
    if not isinstance(key, tuple):
        return f"byte {key.offset} of word {key.number} ({label(key.word)})"
    left, right = (label(part) if isinstance(part, bytes) else str(part) for part in key)
    return f"({left}, {right})"


def training_sentence(seen: TrainingExplanation) -> str:
    """What was replayed."""
    n = len(seen.rounds)
    what = "first merge" if n == 1 else f"first {n:,} merges"
    if n < seen.asked:
        what = f"all {many(n, 'merge')} that there are" if n else "no pair to merge"
    words = many(seen.different, "different word")
    return f"{words}, {seen.words:,} in all; {what}, ties broken by {seen.tie_break}"
