"""The laws of a byte-level BPE vocabulary, checked once; knows nothing of text, patterns or files."""

from collections.abc import Iterable, Mapping, Sequence

from tokenizer.encode import Ranks
from tokenizer.errors import TokenizerError
from tokenizer.special import check_names

BytePair = tuple[bytes, bytes]

MAX_ID = (1 << 24) - 1
"""The greatest id. Tables are indexed by id (an embedding has a row for each), so one stray id of a billion would
cost gigabytes; the largest vocabularies in use have some 300,000."""


def place_specials(
    vocab: Mapping[int, bytes], special_tokens: Mapping[str, int] | Iterable[str] | None
) -> dict[str, int]:
    """Special token -> id. Names without ids get the id of their bytes in the vocabulary, else the next free.

    >>> place_specials({0: b"a", 1: b"<s>"}, ["<s>", "</s>"])
    {'<s>': 1, '</s>': 2}
    """
    if isinstance(special_tokens, Mapping):
        for name in special_tokens:
            check_names([name])
        return dict(special_tokens)
    placed: dict[str, int] = {}
    known = {token: i for i, token in vocab.items()}
    free = max(vocab, default=-1) + 1
    for name in check_names(special_tokens or ()):
        placed[name] = known.get(name.encode(), free)
        free += placed[name] == free
    return placed


def too_great(i: int) -> str:
    """What is wrong with an id beyond MAX_ID."""
    named = f"the id {i}" if i < 1 << 64 else f"an id of {i.bit_length()} bits"
    return f"{named} is beyond {MAX_ID}, the greatest allowed: tables with a row for each id would not fit memory"


def check_tokens(vocab: Mapping[int, bytes]) -> None:
    """Every id is a whole number from 0, and every token is bytes, and not empty."""
    for i, token in vocab.items():
        if type(i) is not int or i < 0:
            raise TokenizerError(f"vocabulary: expected ids that are ints from 0, got {i!r} for {token!r}")
        if i > MAX_ID:
            raise TokenizerError(f"vocabulary: {too_great(i)} (for {token!r})")
        if type(token) is not bytes or not token:
            raise TokenizerError(f"vocabulary: expected id -> bytes, not empty, got {token!r} for id {i}")


def check_specials(vocab: Mapping[int, bytes], special_tokens: Mapping[str, int]) -> None:
    """Every special token has an id, a whole number from 0, that means nothing else."""
    owner: dict[int, str] = {}
    for name, i in special_tokens.items():
        if type(i) is not int or i < 0:
            raise TokenizerError(f"special tokens: expected an id that is an int from 0, got {i!r} for {name!r}")
        if i > MAX_ID:
            raise TokenizerError(f"special tokens: {too_great(i)} (for {name!r})")
        if i in owner:
            raise TokenizerError(f"special tokens: {owner[i]!r} and {name!r} share the id {i}")
        if vocab.get(i, name.encode()) != name.encode():
            raise TokenizerError(f"special tokens: the id {i} of {name!r} belongs to {vocab[i]!r}")
        owner[i] = name


def ids_of_tokens(
    vocab: Mapping[int, bytes], special_tokens: Mapping[str, int], partial: bool = False
) -> dict[bytes, int]:
    """bytes -> id of the ordinary tokens: no two alike, all 256 bytes among them, so that nothing is lost.

    partial: bytes may be missing; texts that need one are then refused when they are encoded
    """
    special_ids = set(special_tokens.values())
    ids: dict[bytes, int] = {}
    for i, token in vocab.items():
        if i in special_ids:
            continue
        if token in ids:
            raise TokenizerError(f"vocabulary: {token!r} has two ids, {ids[token]} and {i}")
        ids[token] = i
    missing = [byte for byte in range(256) if bytes([byte]) not in ids]
    if missing and not partial:
        raise TokenizerError(
            f"vocabulary: {len(missing)} of the 256 bytes have no token, first {bytes(missing[:1])!r}; "
            "without them some texts could not be encoded"
        )
    return ids


def rank_merges(merges: Sequence[BytePair], ids: Mapping[bytes, int]) -> Ranks:
    """The merges by id: both parts and what they make are in the vocabulary, and no merge stands twice."""
    ranks: dict[tuple[int, int], tuple[int, int]] = {}
    for rank, merge in enumerate(merges):
        if len(merge) != 2 or not all(type(part) is bytes for part in merge):
            raise TokenizerError(f"merges: expected a pair of bytes, got {merge!r} at rank {rank}")
        left, right = merge
        for token in (left, right, left + right):
            if token not in ids:
                raise TokenizerError(f"merges: {left!r} + {right!r} at rank {rank}: {token!r} is not in the vocabulary")
        pair = ids[left], ids[right]
        if pair in ranks:
            raise TokenizerError(f"merges: {left!r} + {right!r} stands at rank {ranks[pair][0]} and {rank}")
        ranks[pair] = rank, ids[left + right]
    return ranks
