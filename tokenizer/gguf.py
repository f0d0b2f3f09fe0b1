"""The tokenizer in a GGUF file's metadata, the tokenizer.ggml.* keys: read and written; knows nothing of tensors.

Keys and types: ggml-org/ggml, docs/gguf.md. What each tokenizer.ggml.pre means, and what counts where a key is absent:
ggml-org/llama.cpp, src/llama-vocab.cpp. Metadata values are str, int, float, bool, lists of str, or arrays of numbers.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tokenizer.alphabet import to_printable
from tokenizer.errors import TokenizerError, briefly
from tokenizer.formats import Parts, parse_merges, parse_vocab
from tokenizer.huggingface import lacks_bytes
from tokenizer.normal import NormalForm
from tokenizer.pieces import (
    BYTE,
    CONTROL,
    NAMES,
    NORMAL,
    UNUSED,
    PieceParts,
    ids_of_pieces,
    splits,
)
from tokenizer.sentencepiece import SentencePieceTokenizer
from tokenizer.tokenizer import Tokenizer

PREFIX = "tokenizer.ggml."
NORMAL_FORM = "tinylm.tokenizer.normal_form"  # ours: GGUF has no key for it, and llama.cpp passes over others' keys


class Pre(NamedTuple):
    """What a tokenizer.ggml.pre means."""

    pattern: str
    ignore_merges: bool = False
    normal_form: NormalForm | None = None


PRE = {
    "gpt-2": Pre("gpt2"),
    "phi-2": Pre("gpt2"),
    "smollm": Pre("smollm2"),
    "starcoder": Pre("smollm2"),
    "refact": Pre("smollm2"),
    "llama-bpe": Pre("llama3", ignore_merges=True),
    "llama3": Pre("llama3", ignore_merges=True),
    "llama-v3": Pre("llama3", ignore_merges=True),
    "smaug-bpe": Pre("llama3"),
    "dbrx": Pre("llama3"),
    "qwen2": Pre("qwen2", normal_form="NFC"),  # Qwen/Qwen2-7B, tokenizer.json; llama.cpp leaves the form out
}
"""Name -> how text is cut; the first of several that mean the same is written. Each is a name of patterns.py, whose
regex is llama.cpp's but for spelling: there case is written out, and digits are cut off in a step of their own."""

IDS = {"bos": "bos", "eos": "eos", "eot": "eot", "unk": "unknown", "pad": "padding"}


def tokenizer_of_gguf(metadata: Mapping[str, Any]) -> Tokenizer | SentencePieceTokenizer:
    """The tokenizer that a file holds: byte-level BPE ("gpt2") or SentencePiece-style BPE ("llama").

    Control, unknown and user-defined tokens of a byte-level BPE all become special tokens. Raises TokenizerError,
    naming the key, for what is missing, damaged or cannot be had here.
    """
    model = _get(metadata, "model", str)
    with briefly():
        if model == "gpt2":
            return Tokenizer(*_bytes(metadata))
        if model == "llama":
            return SentencePieceTokenizer(_pieces(metadata))
    raise TokenizerError(f'{PREFIX}model: {model!r} cannot be had here; "gpt2" (bytes) and "llama" (pieces) can')


def special_ids_of_gguf(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The ids of a file: bos, eos, eot, unk and pad, each an id or None, and whether to add_bos and to add_eos.

    What the file leaves out is what llama.cpp takes for it: for "llama" bos 1, eos 2, unk 0, and a bos is added; for
    the pre-tokenizers of Llama 3 a bos is added. An id beyond the vocabulary counts as left out, as there.
    """
    size = len(_get(metadata, "tokens", list))
    is_pieces = _get(metadata, "model", str) == "llama"
    found: dict[str, Any] = dict.fromkeys(IDS)
    if is_pieces:
        found |= {"bos": 1, "eos": 2, "unk": 0}
    for name, key in IDS.items():
        if f"{PREFIX}{key}_token_id" in metadata:
            i = _get(metadata, f"{key}_token_id", int)
            found[name] = i if 0 <= i < size else found[name]
        if found[name] is not None and found[name] >= size:
            found[name] = None
    pre = PRE.get(_get(metadata, "pre", str)) if PREFIX + "pre" in metadata else None
    adds_bos = is_pieces or bool(pre and pre.pattern == "llama3" and pre.ignore_merges)
    for name, usual in (("add_bos", adds_bos), ("add_eos", False)):
        key = f"{name}_token"
        found[name] = _get(metadata, key, bool) if PREFIX + key in metadata else usual
    return found


def gguf_of_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """The keys that give the same tokenizer back, here and in llama.cpp; ids of bos, eos and so on are not among them.

    Ids without a token are written as unused ones. Raises TokenizerError for what the format cannot say.
    """
    if isinstance(tokenizer, SentencePieceTokenizer):
        return _of_pieces(tokenizer.parts)
    if isinstance(tokenizer, Tokenizer):
        return _of_bytes(tokenizer.parts)
    raise TokenizerError(
        f"GGUF has no place for a {type(tokenizer).__name__}; a byte-level BPE (Tokenizer) or a SentencePieceTokenizer "
        "can be written"
    )


# Values


def _get(metadata: Mapping[str, Any], key: str, kind: type) -> Any:
    value = metadata.get(PREFIX + key)
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        got = "nothing" if PREFIX + key not in metadata else type(value).__name__
        raise TokenizerError(f"{PREFIX}{key}: expected {kind.__name__}, got {got}")
    if isinstance(value, list) and not all(isinstance(each, str) for each in value):
        raise TokenizerError(f"{PREFIX}{key}: expected a list of str")
    return value


def _numbers(metadata: Mapping[str, Any], key: str, size: int) -> list[Any]:
    """An array with a number for each token."""
    values = metadata.get(PREFIX + key)
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, list) or len(values) != size:
        got = "nothing" if values is None else len(values) if isinstance(values, list) else type(values).__name__
        raise TokenizerError(f"{PREFIX}{key}: expected {size} numbers, one for each token, got {got}")
    return values


def _types(metadata: Mapping[str, Any], size: int) -> list[int]:
    types = _numbers(metadata, "token_type", size)
    for i, kind in enumerate(types):
        if type(kind) is not int or kind not in NAMES:
            raise TokenizerError(f"{PREFIX}token_type: token {i} has {kind!r}; there are 1 to {len(NAMES)}")
    return types


# Byte-level BPE


def _bytes(metadata: Mapping[str, Any]) -> Parts:
    name = _get(metadata, "pre", str) if PREFIX + "pre" in metadata else ""
    if name not in PRE:
        got = repr(name) if name else "nothing, as in files made before May 2024"
        raise TokenizerError(
            f"{PREFIX}pre: expected one of {', '.join(PRE)}, got {got}: how text is cut is not known here; make the "
            "file anew, or read the tokenizer.json of the model"
        )
    pre = PRE[name]
    tokens = _get(metadata, "tokens", list)
    types = _types(metadata, len(tokens))
    vocab: dict[str, int] = {}
    special: dict[str, int] = {}
    for i, (token, kind) in enumerate(zip(tokens, types, strict=True)):
        if kind == BYTE:
            raise TokenizerError(f"{PREFIX}token_type: token {i} ({token!r}) is a byte, in a vocabulary made of bytes")
        if token in vocab or token in special:
            raise TokenizerError(f"{PREFIX}tokens: {token!r} has two ids, the second is {i}")
        if kind == NORMAL:
            vocab[token] = i
        elif kind != UNUSED:  # those fill the rows up to the size of the model
            special[token] = i
    ordinary = parse_vocab(vocab)
    merges = parse_merges(_get(metadata, "merges", list))
    form = metadata.get(NORMAL_FORM, pre.normal_form)
    if form is not None and not isinstance(form, str):
        raise TokenizerError(f"{NORMAL_FORM}: expected str, got {type(form).__name__}")
    form = None if form == "none" else form
    return Parts(ordinary, merges, special, pre.pattern, pre.ignore_merges, form, lacks_bytes(ordinary))


def _of_bytes(parts: Parts) -> dict[str, Any]:
    pre = next((name for name, each in PRE.items() if each[:2] == (parts.pattern, parts.ignore_merges)), None)
    if pre is None:
        how = f"the pattern {parts.pattern!r}" + (" with ignore_merges" if parts.ignore_merges else "")
        known = ", ".join(dict.fromkeys(each.pattern for each in PRE.values()))
        raise TokenizerError(f"GGUF has no name for {how}; {known} can be written (ignore_merges with llama3 alone)")
    vocab = {i: to_printable(token) for i, token in parts.ordinary.items()}
    spelled = set(vocab.values())
    for name in parts.special_tokens:
        if name in spelled:
            raise TokenizerError(f"GGUF: the special token {name!r} is spelled like another token")
    specials = {i: name for name, i in parts.special_tokens.items()}
    every = vocab | specials
    keys = _keys(
        "gpt2",
        [every.get(i, f"[PAD{i}]") for i in range(max(every) + 1)],
        [CONTROL if i in specials else NORMAL if i in vocab else UNUSED for i in range(max(every) + 1)],
    )
    keys[PREFIX + "pre"] = pre
    keys[PREFIX + "merges"] = [f"{to_printable(left)} {to_printable(right)}" for left, right in parts.merges]
    if parts.normal_form != PRE[pre].normal_form:
        keys[NORMAL_FORM] = parts.normal_form or "none"
    return keys


def _keys(model: str, tokens: list[str], types: list[int]) -> dict[str, Any]:
    return {
        PREFIX + "model": model,
        PREFIX + "tokens": tokens,
        PREFIX + "token_type": np.array(types, np.int32),
    }


# SentencePiece-style BPE


def _pieces(metadata: Mapping[str, Any]) -> PieceParts:
    if PREFIX + "remove_extra_whitespaces" in metadata and _get(metadata, "remove_extra_whitespaces", bool):
        raise TokenizerError(f"{PREFIX}remove_extra_whitespaces changes text; only false can be had here")
    if PREFIX + "precompiled_charsmap" in metadata:
        raise TokenizerError(f"{PREFIX}precompiled_charsmap changes text before encoding; that is not built here")
    tokens = _get(metadata, "tokens", list)
    spaced = _get(metadata, "add_space_prefix", bool) if PREFIX + "add_space_prefix" in metadata else True
    scores = _numbers(metadata, "scores", len(tokens))
    return PieceParts(tokens, scores, _types(metadata, len(tokens)), prefix="always" if spaced else "never")


def _of_pieces(parts: PieceParts) -> dict[str, Any]:
    for name, i in (parts.special_tokens or {}).items():
        if parts.pieces[i] != name:
            raise TokenizerError(f"GGUF: the piece {parts.pieces[i]!r} cannot be found as {name!r} there")
    if parts.prefix == "first" or (parts.prefix == "always" and not parts.prefix_before_space):
        raise TokenizerError(
            "GGUF puts a space before every stretch of text, or before none; this vocabulary wants one "
            + ("at the very beginning alone" if parts.prefix == "first" else "but before a space")
        )
    return _keys("llama", parts.pieces, parts.types) | {
        PREFIX + "scores": np.array(parts.scores if parts.merges is None else scores_of_merges(parts), np.float32),
        PREFIX + "add_space_prefix": parts.prefix == "always",
    }


def scores_of_merges(parts: PieceParts) -> list[float]:
    """Scores under which pairs merge in the order of the merges: what comes first scores 0, then -1, -2, ...

    Raises TokenizerError where there are none: all pairs that make a piece must stand together, and all must be there.
    """
    order: dict[str, int] = {}
    last, given = "", set(parts.merges or ())
    for left, right in parts.merges or ():
        piece = left + right
        if piece != last and piece in order:
            raise TokenizerError(f"GGUF: the merges that make {piece!r} do not stand together, so no score says when")
        order.setdefault(piece, len(order))
        last = piece
    normal = {p: i for p, i in ids_of_pieces(parts.pieces).items() if parts.types[i] == NORMAL}
    for piece in normal:
        for pair in splits(piece, normal):
            if pair not in given:
                raise TokenizerError(f"GGUF: {pair[0]!r} + {pair[1]!r} is no merge, but scores would make it one")
    return [-float(order.get(piece, len(order))) for piece in parts.pieces]
