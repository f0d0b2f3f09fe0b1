"""From documents to what a run starts with: a tokenizer, a model, one row of ids; knows nothing of folders."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from tinylm.checkpoint import AnyTokenizer
from tinylm.corpus import TextError
from tinylm.data import Dialogues, Part, split
from tinylm.gpt import GPT, GPTConfig
from tinylm.nn import init
from tinylm.settings import Conventions, TrainingSettings
from tokenizer import CharTokenizer, OutOfPairsError, train_bpe

__all__ = [
    "END",
    "beginning",
    "encode_documents",
    "end_of_text",
    "new_model",
    "new_tokenizer",
    "prompt_ids",
    "training_parts",
    "with_dropout",
]

END = "<|endoftext|>"
VOCAB_SIZE = 1024
OFTEN = 8  # times that a token must have been seen to begin a text with it


def end_of_text(tokenizer: AnyTokenizer, conventions: Conventions | None = None) -> int | None:
    """The id that ends a text: <|endoftext|>, else the model's eos_token, else the first that stops it, else None."""
    specials, c = tokenizer.special_tokens, conventions or Conventions()
    found = specials.get(END, specials.get(c.eos_token or ""))
    return c.stops[0] if found is None and c.stops else found


def encode_documents(
    tokenizer: AnyTokenizer, documents: Sequence[str], conventions: Conventions | None = None
) -> np.ndarray:
    """All documents as one row of ids, each followed by the end-of-text id where there is one.

    conventions: of the model, which may want ids before every text.
    """
    end = end_of_text(tokenizer, conventions)
    parts: list[np.ndarray] = []
    for document in documents:
        ids = tokenizer.encode_to_array(document, allowed_special="all")
        if conventions is not None and conventions.start:
            parts.append(np.array(conventions.start, dtype=ids.dtype))
        parts.append(ids)
        if end is not None:
            parts.append(np.array([end], dtype=parts[-1].dtype))
    return np.concatenate(parts)


def training_parts(
    documents: Sequence[str] | Dialogues,
    tokenizer: AnyTokenizer,
    settings: TrainingSettings,
    block_size: int,
    conventions: Conventions | None = None,
) -> tuple[Part, Part]:
    """What is trained on, and what is kept for validation: the last tokens, or the last dialogues.

    block_size: of the model. Raises TextError where there is too little for one window, or a dialogue is too long.
    """
    if settings.context and settings.context > block_size:
        raise TextError(f"a context of {settings.context} tokens does not fit: the model's block_size is {block_size}")
    need = (settings.context or block_size) + 1
    if isinstance(documents, Dialogues):
        if documents.longest > need:
            raise TextError(f"a dialogue has {documents.longest} tokens, too many for a context of {need - 1}")
        first, rest = documents.split(settings.val_fraction)
        return first, np.empty(0, documents.tokens.dtype) if rest is None else rest
    train, val = split(encode_documents(tokenizer, documents, conventions), settings.val_fraction)
    if len(train) < need:
        raise TextError(
            f"the text has {len(train)} tokens to train on, too few for a block of {need - 1}: "
            f"need {need}; give more text or a smaller --block-size"
        )
    return train, val


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


def with_dropout(model: GPT, dropout: float) -> GPT:
    """The model with this dropout: itself where it has it, else a new one of the same weights."""
    if dropout == model.config.dropout:
        return model
    with init.undrawn():
        other = GPT(GPTConfig.from_dict({**model.config.to_dict(), "dropout": dropout}), dtype=model.dtype)
    other.load_state_dict(model.state_dict())
    return other
