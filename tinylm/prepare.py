"""From documents to what a run starts with: a tokenizer, a model, one row of ids; knows nothing of folders."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from tinylm.checkpoint import AnyTokenizer
from tinylm.gpt import GPT, GPTConfig
from tokenizer import CharTokenizer, OutOfPairsError, train_bpe

__all__ = ["END", "beginning", "encode_documents", "new_model", "new_tokenizer", "prompt_ids"]

END = "<|endoftext|>"
VOCAB_SIZE = 1024
OFTEN = 8  # times that a token must have been seen to begin a text with it


def encode_documents(tokenizer: AnyTokenizer, documents: Sequence[str]) -> np.ndarray:
    """All documents as one row of ids, each followed by the end-of-text id where the tokenizer has one."""
    end = tokenizer.special_tokens.get(END)
    parts: list[np.ndarray] = []
    for document in documents:
        parts.append(tokenizer.encode_to_array(document, allowed_special="all"))
        if end is not None:
            parts.append(np.array([end], dtype=parts[-1].dtype))
    return np.concatenate(parts)


def beginning(tokenizer: AnyTokenizer, tokens: np.ndarray) -> list[int]:
    """What a text may begin with: end-of-text, else the text's first token, else the most frequent one.

    A token is taken only where the model sees it often enough to learn what follows: one file has one
    end-of-text, and that lies in the part for validation.
    """
    for candidate in (tokenizer.special_tokens.get(END), int(tokens[0])):
        if candidate is not None and np.count_nonzero(tokens == candidate) >= OFTEN:
            return [candidate]
    return [int(np.bincount(tokens).argmax())]


def prompt_ids(tokenizer: AnyTokenizer, prompt: str, start: Sequence[int] | None = None) -> list[int]:
    """The ids of a prompt; for an empty one `start`, or where that is not known end-of-text, or the first id."""
    if prompt:
        return tokenizer.encode(prompt, allowed_special="all")
    if start is not None:
        return list(start)
    return [tokenizer.special_tokens.get(END, 0)]


def new_tokenizer(
    documents: Sequence[str],
    *,
    kind: Literal["bpe", "char"] = "bpe",
    vocab_size: int | None = None,
    pattern: str = "gpt2",
    tie_break: str = "huggingface",
    progress: Callable[[Any], object] | None = None,
) -> AnyTokenizer:
    """A tokenizer trained on the documents: byte-level BPE, or nanoGPT's characters.

    vocab_size: None means 1024, or as many as a short text gives.
    """
    if kind == "char":
        return CharTokenizer(documents)
    train = partial(train_bpe, pattern=pattern, special_tokens=(END,), tie_break=tie_break, progress=progress)
    if vocab_size is not None:
        return train(iter(documents), vocab_size)
    try:
        return train(iter(documents), VOCAB_SIZE)
    except OutOfPairsError as less:  # nobody asked for so many
        return train(iter(documents), less.vocab_size)


def new_model(settings: Mapping[str, Any], tokenizer: AnyTokenizer, seed: int, dtype: str = "float32") -> GPT:
    """A model of this shape for this tokenizer, with initial weights from the seed."""
    return GPT(GPTConfig.from_dict({**settings, "vocab_size": tokenizer.vocab_size}), seed=seed, dtype=np.dtype(dtype))
