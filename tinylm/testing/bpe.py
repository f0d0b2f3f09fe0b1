"""Vocabularies whose merges fit together, and tokenizers made of them."""

from collections.abc import Sequence
from typing import Any

from tinylm.testing.drawing import st
from tokenizer import PATTERNS, Tokenizer

__all__ = ["bpe_merges", "tokenizers"]

SPECIALS = ("<|end|>", "<|end|><|end|>", "<|", "aa")  # overlapping, one the beginning of another, one an ordinary text


@st.composite
def bpe_merges(draw: Any, max_merges: int = 12, letters: bytes = b"ab \n'1\xc3\xa9") -> Any:
    """A vocabulary id → bytes, of the 256 bytes in order and then what each merge makes; and the merges by rank.

    Every merge joins two tokens that exist by then and makes one that does not. Merges inside characters, of white
    space and across what a pattern would split come too. Shrinks to no merges, then to merges of `letters`.
    """
    tokens = [bytes([letter]) for letter in letters]
    merges: list[tuple[bytes, bytes]] = []
    for _ in range(draw(st.integers(0, max_merges))):
        left, right = draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens))
        if left + right not in tokens:
            tokens.append(left + right)
            merges.append((left, right))
    made = [left + right for left, right in merges]
    vocab = {i: bytes([i]) for i in range(256)} | dict(enumerate(made, 256))
    return vocab, merges


@st.composite
def tokenizers(draw: Any, special_tokens: Sequence[str] | None = None, pattern: str | None = None) -> Any:
    """Tokenizers of drawn merges, patterns and special tokens; ids in order, or reversed and with gaps.

    special_tokens, pattern   these instead of drawn ones. Shrinks to the 256 bytes alone, pattern gpt2
    """
    vocab, merges = draw(bpe_merges())
    names = draw(st.lists(st.sampled_from(SPECIALS), unique=True)) if special_tokens is None else special_tokens
    names = [name for name in names if name.encode() not in vocab.values()]  # its id would mean two things
    pattern = draw(st.sampled_from([*PATTERNS])) if pattern is None else pattern
    if draw(st.booleans()):
        vocab = {3 * (len(vocab) - i) + 1: token for i, token in vocab.items()}
    return Tokenizer.from_merges(vocab, merges, names, pattern)
