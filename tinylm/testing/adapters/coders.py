"""Adapters for tokenizers: ours, Hugging Face's, tiktoken's, sentencepiece's, minbpe's kind and CS336's kind."""

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from tinylm.testing.adapters.missing import wanted
from tinylm.testing.kinds import BPETrainer, Coder
from tokenizer import OutOfPairsError, Tokenizer, train_bpe
from tokenizer.alphabet import from_printable

__all__ = [
    "cs336_coder",
    "cs336_trainer",
    "huggingface_coder",
    "huggingface_trainer",
    "minbpe_coder",
    "minbpe_trainer",
    "ranks_to_merges",
    "rustbpe_trainer",
    "sentencepiece_coder",
    "tiktoken_coder",
    "tinylm_coder",
    "tinylm_trainer",
]

Pair = tuple[bytes, bytes]


def tinylm_coder(tok: Tokenizer) -> Coder:
    """A tokenizer of this project."""

    def copy() -> Coder:
        with tempfile.TemporaryDirectory() as folder:
            tok.save(Path(folder) / "tokenizer.json")
            return tinylm_coder(Tokenizer.load(Path(folder) / "tokenizer.json"))

    return Coder(
        tok.encode_ordinary,
        tok.decode,
        tok.encode_bytes,
        tok.decode_bytes,
        stream=lambda chunks: tok.encode_iterable(chunks, disallowed_special=()),
        vocab=tok.vocab,
        merges=None if tok.ignore_merges else tok.merges,
        special_tokens=tok.special_tokens,
        encode_allowed=lambda text: tok.encode(text, allowed_special="all"),
        encode_strict=tok.encode,
        copy=copy,
        name="tinylm",
    )


def tinylm_trainer(**settings: Any) -> BPETrainer:
    """train_bpe with these settings; where a corpus has fewer merges than asked for, it is asked for those."""

    def train(documents: Sequence[str], vocab_size: int, special_tokens: Sequence[str], **more: Any) -> Coder:
        known = {"special_tokens": tuple(special_tokens), **settings, **more}
        if not any(part for text in documents for part in _apart(text, special_tokens)):
            return tinylm_coder(Tokenizer.from_merges({i: bytes([i]) for i in range(256)}, [], special_tokens))
        try:
            return tinylm_coder(train_bpe(list(documents), vocab_size, **known))
        except OutOfPairsError as error:
            return tinylm_coder(train_bpe(list(documents), error.vocab_size, **known))

    return BPETrainer(train, lambda *given: train(*given, workers=2), name="tinylm")


def _apart(text: str, names: Sequence[str]) -> list[str]:
    return re.split("|".join(map(re.escape, names)), text) if names else [text]


def huggingface_coder(tok: Any) -> Coder:
    """A `tokenizers.Tokenizer` of Hugging Face. Its special tokens are found in any text, so `encode` finds them too.

    vocab and merges are given for byte-level BPE alone; `copy` goes through its JSON.
    """
    import json

    model = json.loads(tok.to_str())
    kind = (model.get("pre_tokenizer") or {}).get("type"), model["model"]["type"]
    specials = {each["content"]: each["id"] for each in model["added_tokens"]}
    vocab: dict[int, bytes] | None = None
    merges: list[Pair] | None = None
    if kind == ("ByteLevel", "BPE"):
        vocab = {i: from_printable(token) for token, i in model["model"]["vocab"].items() if token not in specials}
        vocab |= {i: name.encode() for name, i in specials.items()}
        pairs = [each.split(" ") if isinstance(each, str) else each for each in model["model"]["merges"]]
        merges = [(from_printable(left), from_printable(right)) for left, right in pairs]

    def encode(text: str) -> Sequence[int]:
        ids: Sequence[int] = tok.encode(text, add_special_tokens=False).ids
        return ids

    return Coder(
        encode,
        lambda ids: str(tok.decode(list(ids), skip_special_tokens=False)),
        vocab=vocab,
        merges=merges,
        special_tokens=specials,
        encode_allowed=encode,
        copy=lambda: huggingface_coder(type(tok).from_str(tok.to_str())),
        name="tokenizers",
    )


def huggingface_trainer(add_prefix_space: bool = False) -> BPETrainer:
    """Hugging Face's BpeTrainer on bytes, with GPT-2's pattern."""
    tokenizers = wanted("tokenizers")

    def train(documents: Sequence[str], vocab_size: int, special_tokens: Sequence[str]) -> Coder:
        tok = tokenizers.Tokenizer(tokenizers.models.BPE())
        tok.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
        tok.decoder = tokenizers.decoders.ByteLevel()
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(special_tokens),
            initial_alphabet=sorted(alphabet),
            show_progress=False,
        )
        tok.train_from_iterator(list(documents), trainer)
        return huggingface_coder(tok)

    return BPETrainer(train, name="tokenizers")


def ranks_to_merges(ranks: Mapping[bytes, int]) -> list[Pair]:
    """The merges behind tiktoken's ranks: what a token is joined from, by all merges of lower rank."""
    merges: list[Pair] = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 2:
            joined = [ranks.get(a + b, rank) for a, b in pairwise(parts)]
            best = min(range(len(joined)), key=joined.__getitem__)
            if joined[best] >= rank:
                break
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
    return merges


def tiktoken_coder(encoding: Any, ranks: Mapping[bytes, int] | None = None) -> Coder:
    """A `tiktoken.Encoding`; `ranks` are its mergeable ranks, where merges are to be judged too."""
    vocab = {i: encoding.decode_single_token_bytes(i) for i in encoding._mergeable_ranks.values()}
    specials = {name: encoding.encode_single_token(name) for name in encoding.special_tokens_set}
    return Coder(
        encoding.encode_ordinary,
        lambda ids: str(encoding.decode(list(ids))),
        encode_bytes=encoding._encode_bytes,
        decode_bytes=lambda ids: bytes(encoding.decode_bytes(list(ids))),
        vocab=vocab | {i: name.encode() for name, i in specials.items()},
        merges=None if ranks is None else ranks_to_merges(ranks),
        special_tokens=specials,
        encode_allowed=lambda text: encoding.encode(text, allowed_special="all"),
        encode_strict=encoding.encode,
        name="tiktoken",
    )


def sentencepiece_coder(processor: Any) -> Coder:
    """A `sentencepiece.SentencePieceProcessor`."""
    return Coder(processor.encode, lambda ids: str(processor.decode(list(ids))), name="sentencepiece")


def minbpe_coder(tok: Any) -> Coder:
    """A tokenizer in minbpe's way: .encode, .decode, .vocab, .merges as (id, id) → id. (karpathy/minbpe)"""
    vocab: Mapping[int, bytes] | None = getattr(tok, "vocab", None)
    merges = getattr(tok, "merges", None)
    pairs: list[Pair] | None = None
    if vocab is not None and isinstance(merges, Mapping):
        pairs = [(vocab[a], vocab[b]) for (a, b), _ in sorted(merges.items(), key=lambda item: item[1])]
    specials = getattr(tok, "special_tokens", None) or None
    many = specials is not None
    return Coder(
        (lambda text: tok.encode(text, allowed_special="none")) if many else tok.encode,
        tok.decode,
        vocab=vocab,
        merges=pairs,
        special_tokens=specials,
        encode_allowed=(lambda text: tok.encode(text, allowed_special="all")) if many else None,
        encode_strict=tok.encode if many else None,
        name=type(tok).__name__,
    )


def minbpe_trainer(make: Callable[[], Any], separator: str = "\n") -> BPETrainer:
    """Training in minbpe's way: `make()` has .train(text, vocab_size), and takes all documents joined to one text."""

    def train(documents: Sequence[str], vocab_size: int, special_tokens: Sequence[str]) -> Coder:
        tok = make()
        tok.train(separator.join(documents), vocab_size - len(special_tokens))
        if special_tokens:
            tok.register_special_tokens({name: vocab_size + i for i, name in enumerate(special_tokens)})
        return minbpe_coder(tok)

    return BPETrainer(train, name="minbpe's kind")


def rustbpe_trainer() -> BPETrainer:
    """rustbpe's trainer, which knows no special tokens."""
    rustbpe = wanted("rustbpe")

    def train(documents: Sequence[str], vocab_size: int, special_tokens: Sequence[str]) -> Coder:
        tok = rustbpe.Tokenizer()
        tok.train_from_iterator(iter(documents), vocab_size)
        ranks = {bytes(token): rank for token, rank in tok.get_mergeable_ranks()}
        vocab = {rank: token for token, rank in ranks.items()}
        return Coder(tok.encode, tok.decode, vocab=vocab, merges=ranks_to_merges(ranks), name="rustbpe")

    return BPETrainer(train, name="rustbpe")


def cs336_coder(tok: Any, vocab: Mapping[int, bytes] | None = None, merges: Sequence[Pair] | None = None) -> Coder:
    """A tokenizer of Stanford's CS336: .encode, .decode, .encode_iterable; special tokens are always found."""
    stream: Callable[[Iterable[str]], Iterable[int]] | None = getattr(tok, "encode_iterable", None)
    return Coder(tok.encode, tok.decode, stream=stream, vocab=vocab, merges=merges, name="CS336's kind")


def cs336_trainer(run_train_bpe: Callable[..., Any], get_tokenizer: Callable[..., Any]) -> BPETrainer:
    """Stanford CS336's two: (path, vocab_size, special_tokens) → (vocab, merges); these three → a tokenizer.

    Documents are written to a file, with <|endoftext|> between them.
    """
    end = "<|endoftext|>"

    def train(documents: Sequence[str], vocab_size: int, special_tokens: Sequence[str]) -> Coder:
        names = [end, *(name for name in special_tokens if name != end)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "corpus.txt"
            path.write_text(end.join(documents), "utf-8", newline="")
            vocab, merges = run_train_bpe(path, vocab_size + len(names) - len(special_tokens), names)
        coder = cs336_coder(get_tokenizer(vocab, merges, names), vocab, merges)
        ids = {token: i for i, token in vocab.items()}
        specials = {name: ids[name.encode()] for name in names}
        return replace(coder, special_tokens=specials, encode_allowed=coder.encode)

    return BPETrainer(train, name="CS336's kind")
