"""From a source of text to a trained Tokenizer: counting, then merging, then the vocabulary."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

from tokenizer.count import Counting, count_pretokens
from tokenizer.errors import OutOfPairsError, TokenizerError
from tokenizer.patterns import splitter
from tokenizer.read import Source
from tokenizer.special import check_names
from tokenizer.ties import tie_rule
from tokenizer.tokenizer import Tokenizer
from tokenizer.train import Merge, merges


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
    n_merges = vocab_size - 256 - len(specials)
    if n_merges < 0:
        raise TokenizerError(
            f"train_bpe: vocab_size {vocab_size} is too small; it must be at least {256 + len(specials)}: "
            f"256 bytes and {len(specials)} special tokens"
        )
    counts = count_pretokens(source, pattern, specials, workers=workers, executor=executor, progress=progress)
    if not counts:
        raise TokenizerError("train_bpe: the source holds no text")
    pairs = []
    vocab = {byte: bytes([byte]) for byte in range(256)}
    for merge in merges(counts, n_merges, tie_break=tie_break):
        pairs.append((merge.left, merge.right))
        vocab[merge.token] = merge.token_bytes
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


def _hint(source: Source) -> str:
    """A word to those who gave the names of files and got a tokenizer of the names."""
    if isinstance(source, list | tuple):
        for item in source:
            if isinstance(item, str) and os.path.isfile(item):
                return f"; {item!r} was read as a text, and is also a file: for that give pathlib.Path({item!r})"
    return ""
