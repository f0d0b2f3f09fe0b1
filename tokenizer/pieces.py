"""A SentencePiece vocabulary: pieces with scores or merges, its laws, and the merges it means; knows nothing of text.

Types of pieces and their numbers are those of SentencePiece (google/sentencepiece, src/sentencepiece_model.proto).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from tokenizer.encode import Ranks
from tokenizer.errors import TokenizerError, check_text
from tokenizer.special import check_names

SPACE = "\u2581"  # what a space is written as in pieces
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
NAMES = {1: "normal", 2: "unknown", 3: "control", 4: "user defined", 5: "unused", 6: "byte"}

Prefix = Literal["always", "first", "never"]
PREFIXES: tuple[Prefix, ...] = get_args(Prefix)

BYTE_PIECES = {f"<0x{digits}>": byte for byte in range(256) for digits in (f"{byte:02X}", f"{byte:02x}")}
"""What stands for a byte -> the byte."""
MAX_LENGTH = 256  # characters of a piece that merges make; SentencePiece's own limit is 16 unless told otherwise
MAX_TOTAL = 1 << 21  # of all of them: each place in each is looked at once
MAX_PIECES = 1 << 19  # the largest vocabularies in use have some 300,000


class PieceParts(NamedTuple):
    """What a SentencePiece-style tokenizer is made of, in the order of its constructor.

    pieces: the spelling of each id, spaces as U+2581. scores: one each; pairs merge in the order of the scores of what
    they make, the greatest first. merges: pairs of pieces in order instead, as Hugging Face's files have them; scores
    are then all 0. special_tokens: the name in text of each control piece and of the unknown one.
    prefix: where a space goes before a text: before each stretch between special tokens ("always"), at the very
    beginning ("first"), or "never". prefix_before_space: also where a space stands there already.
    fuse_unknown: unknown characters in a row become one unknown token.
    """

    pieces: list[str]
    scores: list[float]
    types: list[int]
    merges: list[tuple[str, str]] | None = None
    special_tokens: dict[str, int] | None = None
    prefix: Prefix = "always"
    prefix_before_space: bool = True
    fuse_unknown: bool = True


def checked(parts: PieceParts) -> PieceParts:
    """The parts, as lists and dicts of their own, special tokens named; raises TokenizerError for the first law broken:

    as many scores and types as pieces; no two pieces alike, none empty; finite scores; each byte at most once, at most
    one unknown piece; merges of pieces that are there; special tokens that are control pieces or the unknown one.
    """
    pieces, scores, types = _row(parts.pieces, "pieces"), _row(parts.scores, "scores"), _row(parts.types, "types")
    if not pieces:
        raise TokenizerError("pieces: there are none")
    if not len(pieces) == len(scores) == len(types):
        raise TokenizerError(f"expected a score and a type each, got {len(scores)} and {len(types)} for {len(pieces)}")
    if len(pieces) > MAX_PIECES:
        raise TokenizerError(f"pieces: {len(pieces)} of them; {MAX_PIECES} can be had")
    for i, (piece, score, kind) in enumerate(zip(pieces, scores, types, strict=True)):
        if not check_text(piece, f"piece {i}"):
            raise TokenizerError(f"piece {i}: it is empty")
        if type(score) not in (int, float) or not math.isfinite(score):
            raise TokenizerError(f"piece {i} ({piece!r}): expected a finite score, got {score!r}")
        if type(kind) is not int or kind not in NAMES:
            known = ", ".join(f"{number} {name}" for number, name in NAMES.items())
            raise TokenizerError(f"piece {i} ({piece!r}): its type is {kind!r}; there are {known}")
    ids = ids_of_pieces(pieces)
    if types.count(UNKNOWN) > 1:
        raise TokenizerError(f"pieces: {types.count(UNKNOWN)} of the type unknown; one can be had")
    byte_ids(pieces, types)
    if parts.prefix not in PREFIXES:
        raise TokenizerError(f"prefix: expected one of {', '.join(PREFIXES)}, got {parts.prefix!r}")
    merges = None if parts.merges is None else [(left, right) for left, right in parts.merges]
    for rank, (left, right) in enumerate(merges or ()):
        for piece in (left, right, left + right):
            if piece not in ids:
                raise TokenizerError(f"merges: {left!r} + {right!r} at rank {rank}: {piece!r} is no piece")
    return PieceParts(
        pieces,
        [float(score) for score in scores],
        types,
        merges,
        named_specials(pieces, types, parts.special_tokens),
        parts.prefix,
        bool(parts.prefix_before_space),
        bool(parts.fuse_unknown),
    )


def _row(values: Sequence[Any], name: str) -> list[Any]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TokenizerError(f"{name}: expected a list, got {type(values).__name__}")
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def ids_of_pieces(pieces: Iterable[str]) -> dict[str, int]:
    """piece -> id; raises TokenizerError where two are alike."""
    ids: dict[str, int] = {}
    for i, piece in enumerate(pieces):
        if piece in ids:
            raise TokenizerError(f"pieces: {piece!r} has two ids, {ids[piece]} and {i}")
        ids[piece] = i
    return ids


def byte_ids(pieces: Sequence[str], types: Sequence[int]) -> dict[int, int]:
    """byte -> id of the piece that stands for it, as <0x0A>; raises TokenizerError for another spelling."""
    ids: dict[int, int] = {}
    for i, (piece, kind) in enumerate(zip(pieces, types, strict=True)):
        if kind == BYTE:
            byte = BYTE_PIECES.get(piece, -1)
            if byte < 0:
                raise TokenizerError(f"piece {i}: expected a byte spelled as <0x0A>, got {piece!r}")
            if byte in ids:
                raise TokenizerError(f"pieces: the byte {piece} has two ids, {ids[byte]} and {i}")
            ids[byte] = i
    return ids


def named_specials(pieces: Sequence[str], types: Sequence[int], names: Mapping[str, int] | None) -> dict[str, int]:
    """Special token -> id, in the order of the ids: control pieces and the unknown one, by their spelling or by a name
    that is given; raises TokenizerError for a name of anything else.
    """
    special = {
        i: piece for i, (piece, kind) in enumerate(zip(pieces, types, strict=True)) if kind in (CONTROL, UNKNOWN)
    }
    given: dict[int, str] = {}
    for name, i in (names or {}).items():
        check_names([name])
        if type(i) is not int or i not in special:
            raise TokenizerError(f"special tokens: the id {i!r} of {name!r} is no control piece, nor the unknown one")
        if i in given:
            raise TokenizerError(f"special tokens: {given[i]!r} and {name!r} share the id {i}")
        given[i] = name
    named: dict[str, int] = {}
    for i, name in (special | given).items():
        if name in named:
            raise TokenizerError(f"special tokens: {name!r} is given twice, to the ids {named[name]} and {i}")
        named[name] = i
    return named


def user_defined(pieces: Sequence[str], types: Sequence[int]) -> dict[str, int]:
    """What is looked for in a text for a user-defined piece -> its id."""
    found: dict[str, int] = {}
    for i, (piece, kind) in enumerate(zip(pieces, types, strict=True)):
        text = piece.replace(SPACE, " ")
        if kind == USER_DEFINED and found.setdefault(text, i) != i:
            raise TokenizerError(f"pieces: {piece!r} is looked for as {text!r}, as piece {found[text]} is")
    return found


def token_bytes(parts: PieceParts) -> dict[int, bytes]:
    """id -> what it stands for in a text; of special tokens, their name."""
    tokens = {i: piece.replace(SPACE, " ").encode() for i, piece in enumerate(parts.pieces)}
    tokens |= {i: bytes([byte]) for byte, i in byte_ids(parts.pieces, parts.types).items()}
    return tokens | {i: name.encode() for name, i in (parts.special_tokens or {}).items()}


def splits(piece: str, ids: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """The pairs of pieces that a piece can be merged of."""
    for cut in range(1, len(piece)):
        if piece[:cut] in ids and piece[cut:] in ids:
            yield piece[:cut], piece[cut:]


def score_ranks(parts: PieceParts) -> tuple[dict[str, int], Ranks]:
    """Normal piece -> id, and pair of ids -> (rank, id): every pair that makes a normal piece, by its score.

    Pairs of equal rank are those whose pieces have equal scores: of these the leftmost in a text merges first.
    """
    normal = {p: i for i, (p, kind) in enumerate(zip(parts.pieces, parts.types, strict=True)) if kind == NORMAL}
    longest = max(map(len, normal), default=0)
    if longest > MAX_LENGTH or sum(map(len, normal)) > MAX_TOTAL:
        raise TokenizerError(
            f"pieces: the longest has {longest} characters, all have {sum(map(len, normal))}; "
            f"{MAX_LENGTH} and {MAX_TOTAL} can be had"
        )
    rank = {score: n for n, score in enumerate(sorted({parts.scores[i] for i in normal.values()}, reverse=True))}
    ranks = {
        (normal[left], normal[right]): (rank[parts.scores[i]], i)
        for piece, i in normal.items()
        for left, right in splits(piece, normal)
    }
    return normal, ranks


def merge_ranks(parts: PieceParts) -> tuple[dict[str, int], Ranks]:
    """Piece -> id, and pair of ids -> (rank, id), by the order of the merges; raises TokenizerError for one twice."""
    ids = ids_of_pieces(parts.pieces)
    ranks: dict[tuple[int, int], tuple[int, int]] = {}
    for rank, (left, right) in enumerate(parts.merges or ()):
        pair = ids[left], ids[right]
        if pair in ranks:
            raise TokenizerError(f"merges: {left!r} + {right!r} stands at rank {ranks[pair][0]} and {rank}")
        ranks[pair] = rank, ids[left + right]
    return ids, ranks
