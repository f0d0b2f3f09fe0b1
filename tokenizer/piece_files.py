"""Files of SentencePiece vocabularies: this project's own JSON, and the tokenizer.bin of llama2.c."""

import struct
from typing import get_args

from tokenizer.errors import TokenizerError
from tokenizer.formats import Document, field
from tokenizer.pieces import BYTE, BYTE_PIECES, CONTROL, MAX_PIECES, NORMAL, SPACE, UNKNOWN, PieceParts, Prefix

# karpathy/llama2.c, tokenizer.py: what is written for the pieces <s> and </s>
LLAMA2C_SPECIALS = {1: ("\n<s>\n", "<s>"), 2: ("\n</s>\n", "</s>")}


def piece_fields(parts: PieceParts) -> Document:
    """The JSON fields of a SentencePiece-style BPE."""
    return {
        "prefix": parts.prefix,
        "prefix_before_space": parts.prefix_before_space,
        "fuse_unknown": parts.fuse_unknown,
        "special_tokens": dict(parts.special_tokens or {}),
        "types": parts.types,
        **({"scores": parts.scores} if parts.merges is None else {"merges": [list(pair) for pair in parts.merges]}),
        "pieces": parts.pieces,
    }


def parse_pieces(document: Document) -> PieceParts:
    """Read those fields back; whether they fit together is for pieces.checked to say."""
    pieces = field(document, "pieces", list)
    merges = field(document, "merges", list) if "merges" in document else None
    for rank, pair in enumerate(merges or ()):
        if not is_pair(pair):
            raise TokenizerError(f'"merges": entry {rank} is {pair!r}, not two pieces')
    prefix = field(document, "prefix", str)
    if prefix not in get_args(Prefix):
        raise TokenizerError(f'"prefix": expected one of {", ".join(get_args(Prefix))}, got {prefix!r}')
    return PieceParts(
        pieces,
        field(document, "scores", list) if merges is None else [0.0] * len(pieces),
        field(document, "types", list),
        None if merges is None else [(left, right) for left, right in merges],
        field(document, "special_tokens", dict),
        prefix,
        field(document, "prefix_before_space", bool),
        field(document, "fuse_unknown", bool),
    )


def is_pair(merge: object) -> bool:
    """Whether this is a list of two strings."""
    return isinstance(merge, list) and len(merge) == 2 and all(isinstance(piece, str) for piece in merge)


def parse_llama2c(data: bytes) -> PieceParts:
    """The parts in a tokenizer.bin: the length of the longest piece, then for each piece score, length and bytes.

    int32 longest | float32 score, int32 length, UTF-8 ... | ...        karpathy/llama2.c, tokenizer.py, export
    """
    if len(data) < 4:
        raise TokenizerError(f"not a tokenizer.bin of llama2.c: {len(data)} bytes")
    (longest,) = struct.unpack_from("<i", data)
    pieces: list[str] = []
    scores: list[float] = []
    place = 4
    while place < len(data):
        if len(pieces) == MAX_PIECES:
            raise TokenizerError(f"not a tokenizer.bin of llama2.c: more than {MAX_PIECES} pieces")
        if len(data) - place < 8:
            raise TokenizerError(f"not a tokenizer.bin of llama2.c: it ends within piece {len(pieces)}")
        score, length = struct.unpack_from("<fi", data, place)
        place += 8
        if not (0 < length <= longest and place + length <= len(data)):
            raise TokenizerError(
                f"not a tokenizer.bin of llama2.c: piece {len(pieces)} says it has {length} bytes, where "
                f"{len(data) - place} are left and the longest has {longest}"
            )
        try:
            pieces.append(data[place : place + length].decode().replace(" ", SPACE))
        except UnicodeDecodeError:
            raise TokenizerError(f"not a tokenizer.bin of llama2.c: piece {len(pieces)} is not UTF-8") from None
        scores.append(score)
        place += length
    types = [NORMAL] * len(pieces)
    names: dict[str, int] = {}
    for i, (spelled, name) in {0: ("<unk>", "<unk>"), **LLAMA2C_SPECIALS}.items():
        if pieces[i : i + 1] not in ([spelled], [name]):
            raise TokenizerError(f"not a tokenizer.bin of llama2.c: expected {name!r} as piece {i}, as its run.c does")
        pieces[i] = name  # without the line ends that it has there, as other formats spell it
        names[name], types[i] = i, CONTROL if i else UNKNOWN
    for byte in range(256):
        i = 3 + byte
        if i >= len(pieces) or BYTE_PIECES.get(pieces[i]) != byte:
            raise TokenizerError(
                f"not a tokenizer.bin of llama2.c: expected <0x{byte:02X}> as piece {i}, as its run.c does"
            )
        types[i] = BYTE
    return PieceParts(pieces, scores, types, None, names)
