"""Hugging Face's tokenizer.json for SentencePiece-style BPE: read and written as parts; runs nothing of theirs.

Spaces become U+2581 by a normalizer (Prepend and Replace: every stretch of text between added tokens gets one more in
front) or by the pre-tokenizer Metaspace (which puts none before a space, and by prepend_scheme only at the beginning).
As in huggingface.py, the settings of a call and the post-processor are not taken over.
"""

import json
from typing import Any

from tokenizer.errors import TokenizerError
from tokenizer.formats import Document, field
from tokenizer.huggingface import added_tokens, check_model, flat, written_token
from tokenizer.pieces import (
    BYTE,
    BYTE_PIECES,
    CONTROL,
    NORMAL,
    PREFIXES,
    SPACE,
    UNKNOWN,
    USER_DEFINED,
    PieceParts,
    Prefix,
    ids_of_pieces,
    splits,
)  # fmt: skip
from tokenizer.vocabulary import MAX_ID

DECODERS = ("Replace", "ByteFallback", "Fuse", "Strip", "Metaspace")


def is_pieces(document: object) -> bool:
    """Whether a tokenizer.json writes spaces as U+2581, so that it is none of bytes."""
    if not isinstance(document, dict):
        return False
    steps = [*flat(document.get("normalizer"), "normalizers"), *flat(document.get("pre_tokenizer"), "pretokenizers")]
    kinds = [step.get("type") for step in steps]
    return "ByteLevel" not in kinds and any(kind in kinds for kind in ("Metaspace", "Prepend", "Replace"))


def parse_pieces(document: object) -> PieceParts:
    """The parts of the document in a tokenizer.json; raises TokenizerError for what cannot be had."""
    if not isinstance(document, dict) or "model" not in document:
        raise TokenizerError('not a tokenizer.json of Hugging Face: it lacks "model"')
    prefix, before_space, splits_words = read_spaces(document)
    for step in flat(document.get("decoder"), "decoders"):
        if step.get("type") not in DECODERS:
            raise TokenizerError(f"decoder: expected {', '.join(DECODERS)}, got {step.get('type')!r}")
    model = field(document, "model", dict)
    check_model(model)
    if model.get("ignore_merges") not in (None, False):
        raise TokenizerError('"model": "ignore_merges" changes ids; only false can be had where spaces are U+2581')
    vocab = field(model, "vocab", dict)
    added = added_tokens(document, vocab, [], ignore_normalizer=True)
    pieces = in_order(vocab | added)
    merges = [read_merge(rank, merge) for rank, merge in enumerate(field(model, "merges", list))]
    if splits_words:
        for left, right in merges:
            if SPACE in (left + right)[1:]:
                raise TokenizerError(
                    f"pre_tokenizer: Metaspace cuts text before each space (split: true), but {left!r} + {right!r} has "
                    "one inside; only split: false can be had with such merges"
                )
    specials = {entry["content"] for entry in document.get("added_tokens") or () if entry.get("special") is True}
    unknown, bytes_too = model.get("unk_token"), model.get("byte_fallback") is True
    types = [kind_of(piece, unknown, added, specials, bytes_too) for piece in pieces]
    return PieceParts(
        pieces, [0.0] * len(pieces), types, merges, None, prefix, before_space, model.get("fuse_unk") is True
    )


def in_order(ids: dict[str, Any]) -> list[str]:
    """The pieces by their ids, which must be 0, 1, 2, ... without gaps."""
    for piece, i in ids.items():
        if type(i) is not int or not 0 <= i <= MAX_ID:
            raise TokenizerError(f'"vocab": the id of {piece!r} is {i!r}; expected a whole number from 0 to {MAX_ID}')
    pieces = sorted(ids, key=ids.__getitem__)
    for n, piece in enumerate(pieces):
        if ids[piece] != n:
            raise TokenizerError(f'"vocab": expected ids without gaps, got {ids[piece]} for {piece!r} and none for {n}')
    return pieces


def kind_of(piece: str, unknown: object, added: dict[str, int], specials: set[str], bytes_too: bool) -> int:
    """The type of a piece, in SentencePiece's numbers."""
    if piece == unknown:
        return UNKNOWN
    if piece in added:
        if piece not in specials and SPACE in piece:
            raise TokenizerError(f'"added_tokens": {piece!r} is looked for with U+2581 in it, not with a space')
        return CONTROL if piece in specials else USER_DEFINED
    return BYTE if bytes_too and piece in BYTE_PIECES else NORMAL


def read_merge(rank: int, merge: object) -> tuple[str, str]:
    """A merge as two pieces: a list of them, or a line with a space between."""
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) and part for part in parts):
        raise TokenizerError(f'"merges": entry {rank} is {merge!r}, not two pieces')
    return parts[0], parts[1]


def read_spaces(document: Document) -> tuple[Prefix, bool, bool]:
    """Where a space is put before text, whether also before a space, and whether text is cut before each."""
    normalizers = flat(document.get("normalizer"), "normalizers")
    before = flat(document.get("pre_tokenizer"), "pretokenizers")
    prefix: Prefix = "never"
    replaced = False
    for step in normalizers:
        kind = step.get("type")
        if kind == "Prepend" and step.get("prepend") == SPACE:
            prefix = "always"
        elif kind == "Replace" and step.get("pattern") == {"String": " "} and step.get("content") == SPACE:
            replaced = True
        else:
            raise TokenizerError(f"its normalizer {kind} changes text before encoding; that is not built here")
    if replaced and not before:
        return prefix, True, False
    kinds = [str(step.get("type")) for step in before]
    if normalizers or kinds != ["Metaspace"]:
        raise TokenizerError(
            f"normalizer {' + '.join(str(step.get('type')) for step in normalizers) or None} with pre_tokenizer "
            f"{' + '.join(kinds) or None} is none that can be had here: (Prepend +) Replace alone, or Metaspace alone"
        )
    (step,) = before
    if step.get("replacement") != SPACE:
        raise TokenizerError(f"pre_tokenizer: Metaspace writes spaces as {step.get('replacement')!r}, not as U+2581")
    scheme = step.get("prepend_scheme", "always" if step.get("add_prefix_space", True) is True else "never")
    for known in PREFIXES:
        if scheme == known:
            return known, False, step.get("split", True) is not False
    raise TokenizerError(f"pre_tokenizer: prepend_scheme: expected one of {', '.join(PREFIXES)}, got {scheme!r}")


# Writing


def pieces_file(parts: PieceParts) -> bytes:
    """The contents of a tokenizer.json that gives the same ids there."""
    specials = parts.special_tokens or {}
    for name, i in specials.items():
        if parts.pieces[i] != name:
            raise TokenizerError(f"to_huggingface: the piece {parts.pieces[i]!r} cannot be found there as {name!r}")
    user = [i for i, kind in enumerate(parts.types) if kind == USER_DEFINED]
    for i in user:
        if SPACE in parts.pieces[i]:
            raise TokenizerError(f"to_huggingface: the user-defined piece {parts.pieces[i]!r} would not be found there")
    if parts.prefix == "first" and parts.prefix_before_space:
        raise TokenizerError("to_huggingface: a space at the very beginning, also before a space, cannot be said there")
    found = sorted([*specials.items(), *((parts.pieces[i], i) for i in user)], key=lambda item: item[1])
    unknown = next((piece for piece, kind in zip(parts.pieces, parts.types, strict=True) if kind == UNKNOWN), None)
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prepend = [{"type": "Prepend", "prepend": SPACE}] if parts.prefix == "always" else []
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": parts.prefix, "split": False}
    by_normalizer = parts.prefix_before_space or parts.prefix == "never"
    strip = [] if parts.prefix == "never" else [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    undone = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{**written_token(name, i), "special": i not in user} for name, i in found],
        "normalizer": {"type": "Sequence", "normalizers": [*prepend, replace]} if by_normalizer else None,
        "pre_tokenizer": None if by_normalizer else metaspace,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [undone, {"type": "ByteFallback"}, {"type": "Fuse"}, *strip]},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": unknown,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": parts.fuse_unknown,
            "byte_fallback": BYTE in parts.types,
            "ignore_merges": False,
            "vocab": ids_of_pieces(parts.pieces),
            "merges": [list(pair) for pair in written_merges(parts)],
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def written_merges(parts: PieceParts) -> list[tuple[str, str]]:
    """The merges in order: those of the file they were read from, or what the scores make of the pieces."""
    if parts.merges is not None:
        return parts.merges
    normal = {p: i for i, (p, kind) in enumerate(zip(parts.pieces, parts.types, strict=True)) if kind == NORMAL}
    made: dict[float, str] = {}
    merges = []
    for piece in sorted(normal, key=lambda piece: -parts.scores[normal[piece]]):
        pairs = list(splits(piece, normal))
        score = parts.scores[normal[piece]]
        if pairs and made.setdefault(score, piece) != piece:
            raise TokenizerError(
                f"to_huggingface: {made[score]!r} and {piece!r} have the same score, {score}, so that the leftmost "
                "merges first; there one must come before the other"
            )
        merges += sorted(pairs, key=lambda pair: (normal[pair[0]], normal[pair[1]]))
    return merges
