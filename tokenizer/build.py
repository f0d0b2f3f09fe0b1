"""From a source of text to a trained Tokenizer: counting, then merging, then the vocabulary.

Here the form is chosen, readable or fast (forms.py).
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from numbers import Integral

from tokenizer import train
from tokenizer.count import Counting, count_words
from tokenizer.errors import OutOfPairsError, TokenizerError
from tokenizer.events import Counted, listeners, tell
from tokenizer.fast import train as fast
from tokenizer.fast.corpus import Words
from tokenizer.forms import fast_wanted
from tokenizer.patterns import splitter
from tokenizer.read import Source
from tokenizer.special import check_names
from tokenizer.ties import tie_rule
from tokenizer.tokenizer import Tokenizer
from tokenizer.train import Merge


def train_bpe(
    source: Source,
    vocab_size: int,
    pattern: str = "gpt2",
    special_tokens: Iterable[str] = ("<|endoftext|>",),
    tie_break: str = "huggingface",
    workers: int = 1,
    executor: Executor | None = None,
    progress: Callable[[Counting | Merge], object] | None = None,
) -> Tokenizer:
    """Train a byte-level BPE tokenizer of `vocab_size` tokens: 256 bytes, then merges, then special tokens.

    source: the path of a file, or an iterable of documents: a str is a text, a pathlib.Path is a file
    pattern: how text is split into words that no merge crosses; a name in PATTERNS, or a regex
    special_tokens: where they occur they separate documents; they are never counted, nor merged across
    tie_break: which of the pairs of equal count is merged; a name in ties.py, where each rule is stated
    workers, executor: who counts (see count_pretokens); the result does not depend on it
    progress: called with a Counting record for every stretch counted, then with every Merge

    Byte b is id b, the merge of rank r is id 256 + r, then come the special tokens in the order given.
    The order of documents changes nothing, save under `first_seen`, which goes by it.

    >>> tok = train_bpe(["low low low lower lower newest newest"], 260)
    >>> [left + right for left, right in tok.merges]
    [b'lo', b'low', b' low']

    Raises TokenizerError for settings that make no sense, for text that cannot be read, and for a corpus
    with fewer merges in it than asked for.
    """
    specials = check_names(special_tokens)
    splitter(pattern)  # bad settings are refused before the corpus is read
    tie_rule(tie_break)
    if not isinstance(vocab_size, Integral):
        raise TokenizerError(f"train_bpe: vocab_size must be a whole number, got {vocab_size!r}")
    n_merges = vocab_size - 256 - len(specials)
    if n_merges < 0:
        raise TokenizerError(
            f"train_bpe: vocab_size {vocab_size} is too small; it must be at least {256 + len(specials)}: "
            f"256 bytes and {len(specials)} special tokens"
        )
    words = count_words(source, pattern, specials, workers, executor, progress)
    if not len(words):
        raise TokenizerError("train_bpe: the source holds no text")
    heard = bool(listeners())
    if heard:
        tell(Counted(words.to_dict(), tie_break))
    pairs = []
    vocab = {byte: bytes([byte]) for byte in range(256)}
    for merge in _merging(words, n_merges, tie_break):
        pairs.append((merge.left, merge.right))
        vocab[merge.token] = merge.token_bytes
        if heard:
            tell(merge)
        if progress:
            progress(merge)
    if len(pairs) < n_merges:
        most = 256 + len(pairs) + len(specials)
        raise OutOfPairsError(
            f"train_bpe: the corpus runs out of pairs after {len(pairs)} of {n_merges} merges; "
            f"give more text, or vocab_size={most}{_hint(source)}",
            most,
        )
    return Tokenizer(vocab, pairs, {name: len(vocab) + i for i, name in enumerate(specials)}, pattern)


def merges(
    counts: Mapping[bytes, int],
    n_merges: int | None = None,
    *,
    tie_break: str = "huggingface",
    rivals: int = 0,
) -> Iterator[Merge]:
    """Train: yield one Merge after the other, `n_merges` of them, or as many as the corpus gives.

    counts: pre-token -> how often it occurs, as count_pretokens gives it (`first_seen` uses its order)
    tie_break: which pair wins among those of equal count, by name; each rule is stated in ties.py:
        huggingface (its ids, its merges), smallest_ids, greatest_bytes (CS336), first_seen (minbpe)
    rivals: how many of the pairs next in line each Merge carries; with any, the readable form runs

    It ends early, without an error, when no two tokens stand side by side any more.

    >>> for merge in merges({b"low": 5, b"lower": 2, b"new": 4}, 3):
    ...     print(merge.left, merge.right, merge.count)
    b'l' b'o' 7
    b'lo' b'w' 7
    b'e' b'w' 4

    Raises TokenizerError for an unknown tie rule, a negative number, or a count that is not positive.
    """
    if rivals or not fast_wanted():
        return train.merges(counts, n_merges, tie_break=tie_break, rivals=rivals)
    return fast.merges(counts, n_merges, tie_break=tie_break)


def _merging(words: Words, n_merges: int, tie_break: str) -> Iterator[Merge]:
    if fast_wanted():
        return fast.merges(words, n_merges, tie_break=tie_break)
    return train.merges(words.to_dict(), n_merges, tie_break=tie_break)


def _hint(source: Source) -> str:
    """A word to those who gave the names of files and got a tokenizer of the names."""
    if isinstance(source, list | tuple):
        for item in source:
            if isinstance(item, str) and os.path.isfile(item):
                return f"; {item!r} was read as a text, and is also a file: for that give pathlib.Path({item!r})"
    return ""
