"""All that a page says of a model, as plain data; knows nothing of HTML.

What a page can compute itself from the weights is left out: it computes it, and compares itself with the numbers here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinylm.autograd import no_grad
from tinylm.backend import stream
from tinylm.checkpoint import AnyTokenizer
from tinylm.explore.equations import descriptions
from tinylm.explore.pack import pack
from tinylm.explore.step import EPS, training_step
from tinylm.gpt import GPT
from tinylm.ops.activation import GELU_CUBIC, NORMAL_TAIL
from tinylm.settings import TrainingSettings
from tokenizer import CharTokenizer, Tokenizer

__all__ = ["LARGEST", "Text", "gather", "last_logits", "text_to_train_on"]

LARGEST = 10_000_000  # parameters: their page has about 45 MB, which a browser still opens in some seconds
DRAWS = 256  # uniform numbers that go with the page: what `tinylm sample --seed` draws for so many tokens
TOKENS = 32  # positions of the training step, unless the text says otherwise


@dataclass(frozen=True, slots=True)
class Text:
    """The ids that the training step reads, one more than it has positions, and where they come from in words."""

    ids: list[int]
    origin: str


def text_to_train_on(prompt: Sequence[int], tokens: np.ndarray | None, length: int = TOKENS + 1) -> Text:
    """The prompt, and what follows its end in the training text: the longest end of it that occurs there.

    prompt: (T,)   tokens: (N,) or None   →   ids: at most (length,)

    >>> text_to_train_on([7, 1, 2], np.array([0, 1, 2, 3, 4, 5]), 5).ids
    [7, 1, 2, 3, 4]
    """
    ids = [int(i) for i in prompt[:length]]
    room = length - len(ids)
    if room == 0 or tokens is None or not len(tokens):
        return Text(ids, "the prompt")
    for first in range(len(ids)):
        place = _find(tokens[: len(tokens) - 1], ids[first:])  # something must follow
        if place is not None:
            more = tokens[place : place + room].tolist()
            found = "the prompt" if first == 0 else f"the last {len(ids) - first} of its tokens"
            return Text(ids + more, f"the prompt, and what follows {found} in the text the run was trained on")
    return Text(tokens[:length].tolist(), "the beginning of the text the run was trained on")


def _find(tokens: np.ndarray, part: Sequence[int]) -> int | None:
    """Where the first occurrence of part in tokens ends; None where there is none."""
    count = len(tokens) - len(part) + 1
    if count < 1:
        return None
    fits = np.ones(count, dtype=bool)
    for offset, token in enumerate(part):
        fits &= tokens[offset : offset + count] == token
    return int(fits.argmax()) + len(part) if fits.any() else None


def last_logits(model: GPT, ids: Sequence[int]) -> np.ndarray:
    """Logits of the token after these ids, of which the model sees the last block_size.  ids: (T,)   →   (V,)"""
    seen = np.array([ids[-model.config.block_size :]])
    mode = model.training
    model.eval()
    try:
        with no_grad():
            logits: np.ndarray = model.head(model.hidden(seen)[:, -1]).numpy()[0]
    finally:
        model.train(mode)
    if not np.isfinite(logits).all():
        raise ValueError("the model's logits are not finite: its weights are damaged, or its training diverged")
    return logits


def gather(
    model: GPT,
    tokenizer: AnyTokenizer,
    prompt: Sequence[int],
    text: Text,
    settings: TrainingSettings,
    *,
    name: str = "model",
    seed: int = 1,
) -> tuple[dict[str, Any], str]:
    """What the page knows, as JSON-able data, and its weights as one text.

    prompt     ids to walk with; all but the last block_size are shown, not seen
    text       for the training step
    settings   lr, betas, weight decay and clip of that step
    seed       of the uniform numbers, those of `tinylm sample --seed`

    Raises ValueError for a prompt that is empty, a text of fewer than two tokens or longer than the context, ids
    outside the vocabulary, weights that are not finite, and a model of more than LARGEST parameters.
    """
    count, config = model.parameter_count(), model.config
    if count > LARGEST:
        raise ValueError(
            f"the model has {count:,} parameters; a page can carry {LARGEST:,}: a browser would not open it"
        )
    if config.rope_scaling is not None or config.head_size * config.n_head != config.n_embd:
        raise ValueError(
            "the page computes heads of n_embd / n_head features and rotary positions as they are; this model has "
            f"heads of {config.head_size} features, and its positions are "
            f"{'stretched' if config.rope_scaling else 'not stretched'}"
        )
    if not len(prompt):
        raise ValueError("the prompt is empty: the model needs at least one token to go on from")
    if len(text.ids) - 1 > config.block_size:
        raise ValueError(
            f"the text for the training step has {len(text.ids)} tokens; the model's context takes "
            f"{config.block_size + 1}: shorten it"
        )
    record = training_step(model, text.ids, settings)
    logits = last_logits(model, prompt)
    listed, weights = pack({name: p.numpy() for name, p in model.named_parameters()})
    document = {
        "name": name,
        "config": config.to_dict() | {"n_kv_head": config.kv_heads, "mlp_hidden": config.hidden},
        "dtype": str(model.dtype),
        "parameters": count,
        "weights": listed,
        "tokenizer": _tokenizer(tokenizer),
        "prompt": {"ids": [int(i) for i in prompt], "logits": logits.astype(np.float64).tolist()},
        "draws": {"seed": seed, "numbers": stream(seed, "sampling").random(DRAWS).tolist()},
        "ops": descriptions(),
        "normal_tail": list(NORMAL_TAIL),
        "gelu_cubic": GELU_CUBIC,
        "training": {
            "ids": text.ids,
            "origin": text.origin,
            "lr": settings.lr,
            "betas": [settings.beta1, settings.beta2],
            "eps": EPS,
            "weight_decay": settings.weight_decay,
            "clip": settings.clip,
            "record": asdict(record),
        },
    }
    return document, weights


def _tokenizer(tokenizer: AnyTokenizer) -> dict[str, Any]:
    """The bytes of every id in hexadecimal, and what is needed to encode a text."""
    size = tokenizer.vocab_size
    vocab = tokenizer.vocab
    found: dict[str, Any] = {
        "vocab": [vocab[i].hex() if i in vocab else None for i in range(size)],
        "special": dict(tokenizer.special_tokens),
    }
    if isinstance(tokenizer, Tokenizer):
        special = set(tokenizer.special_tokens.values())
        ids = {token: i for i, token in vocab.items() if i not in special}
        merges = [[ids[a], ids[b], ids[a + b]] for a, b in tokenizer.merges]
        pattern = None if tokenizer.normal_form else tokenizer.pattern  # None: the page encodes no text of its own
        return found | {"kind": "bpe", "pattern": pattern, "merges": merges, "whole": tokenizer.ignore_merges}
    if isinstance(tokenizer, CharTokenizer):
        return found | {"kind": "char"}
    return found | {"kind": "sentencepiece"}  # the page shows its tokens; it cannot encode text of its own
