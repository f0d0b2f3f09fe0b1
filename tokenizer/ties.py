"""The four named tie rules: which of the pairs of equal count is merged first; knows nothing of counting.

A rule maps a pair of ids to a key; among pairs of equal count the smallest key is merged. Keys of two pairs
never compare equal, so every rule gives one answer.
"""

from collections.abc import Callable
from typing import Any, Protocol

from tokenizer.alphabet import BYTE_RANK
from tokenizer.errors import TokenizerError

Pair = tuple[int, int]


class Corpus(Protocol):
    """What a rule may look at besides the pair."""

    tokens: list[bytes]  # id -> bytes

    def first(self, pair: Pair) -> tuple[int, int]:
        """Where the pair is first met: (number of the word, offset in it in bytes)."""


TieRule = Callable[[Pair, Corpus], Any]


def huggingface(pair: Pair, corpus: Corpus) -> Pair:
    """The smallest pair of ids, where bytes are numbered as in GPT-2's alphabet and merges follow in order.

    The order of the 256 bytes is 33-126, 161-172, 174-255, then the rest by value (alphabet.py). Pairs are
    compared by their left number, then by their right. These are the ids that Hugging Face's trainer gives
    the ByteLevel alphabet, so its merges come out, in its order (tokenizers, models/bpe/trainer.rs).
    """
    left, right = pair
    return BYTE_RANK.get(left, left), BYTE_RANK.get(right, right)


def smallest_ids(pair: Pair, corpus: Corpus) -> Pair:
    """The smallest pair of ids: byte b is b, then merges in order; compared by left id, then by right."""
    return pair


def greatest_bytes(pair: Pair, corpus: Corpus) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The greatest pair of byte strings: left strings compared as Python compares bytes, then right ones.

    A string is greater than its own beginning: "ab" > "a". The rule of Stanford's CS336, assignment 1.
    """
    left, right = pair
    return _descending(corpus.tokens[left]), _descending(corpus.tokens[right])


def _descending(data: bytes) -> tuple[int, ...]:
    """A key that sorts byte strings from the greatest: bytes negated, and an end greater than every byte."""
    return (*(-byte for byte in data), 1)


def first_seen(pair: Pair, corpus: Corpus) -> tuple[int, int]:
    """The pair met first when the corpus, as merged so far, is walked from its beginning.

    This is what minbpe's max(stats, key=stats.get) picks (karpathy/minbpe), because a dict keeps the order
    in which pairs were first met. It is the one rule that depends on the order of the corpus.
    """
    return corpus.first(pair)


TIE_RULES: dict[str, TieRule] = {
    "huggingface": huggingface,
    "smallest_ids": smallest_ids,
    "greatest_bytes": greatest_bytes,
    "first_seen": first_seen,
}


def tie_rule(name: str) -> TieRule:
    """The rule of that name; raises TokenizerError for any other."""
    try:
        return TIE_RULES[name]
    except (KeyError, TypeError):
        raise TokenizerError(f"tie_break: expected one of {', '.join(TIE_RULES)}, got {name!r}") from None
