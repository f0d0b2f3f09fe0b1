"""What laws ask of the code they judge: a few callables and numbers by name. Anything with these attributes will do.

Arrays are NumPy's on both sides; an adapter (adapters/) turns them into what a library wants.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["BPETrainer", "Coder", "Differentiable", "LanguageModel", "Library", "Sampler", "Trainer"]

Array = Any


@dataclass(frozen=True)
class Differentiable:
    """A function of arrays, and its gradients.

    forward     (*arrays) → array
    gradients   (dy, *arrays) → for each argument the gradient of Σ dy · forward(*arrays); None counts as zeros
    arguments   how many arrays it takes
    """

    forward: Callable[..., Array]
    gradients: Callable[..., Sequence[Array | None]]
    arguments: int = 1
    name: str = ""


@dataclass(frozen=True)
class Library:
    """A library of automatic differentiation.

    differentiable   (fn, arguments) → Differentiable, where fn maps tensors of the library to one tensor
    scalar           whether its tensors are single numbers, as micrograd's
    twice            (fn, *arrays) → gradients of Σ fn(*arrays) after two backward passes over one graph, without
                     clearing them; None where it has no such thing
    """

    differentiable: Callable[[Callable[..., Any], int], Differentiable]
    scalar: bool = False
    twice: Callable[..., Sequence[Array]] | None = None
    name: str = ""


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model, in evaluation mode.

    logits       ids (B, T) → (B, T, V)
    vocab_size, block_size   V, and the longest T
    cached       (ids (B, T), cuts) → (B, T, V) as `logits`, but computed piece by piece with a cache, cut at `cuts`
    """

    logits: Callable[[Array], Array]
    vocab_size: int
    block_size: int
    cached: Callable[[Array, Sequence[int]], Array] | None = None
    name: str = ""


@dataclass(frozen=True)
class Trainer:
    """A model with its optimizer, deterministic: two that are made alike stay alike.

    new          () → a fresh state, of any type; all others take one, `step` alone changes it
    gradients    (state, batches) → one array a parameter: of the mean loss, gathered over these batches in turn
    step         (state, batch): one update; may change the state, returns the new one
    parameters   state → one array a parameter
    batch        seed → a batch, of any type, that two others may be joined to
    join         (batches of one size) → one batch of all their rows
    saved        state → something; restored: that → a state to go on from
    """

    new: Callable[[], Any]
    gradients: Callable[[Any, Sequence[Any]], Sequence[Array]]
    step: Callable[[Any, Any], Any]
    parameters: Callable[[Any], Sequence[Array]]
    batch: Callable[[int], Any]
    join: Callable[[Sequence[Any]], Any]
    saved: Callable[[Any], Any]
    restored: Callable[[Any], Any]
    name: str = ""


@dataclass(frozen=True)
class Coder:
    """A tokenizer: text to ids and back. All but the first two may be None where there is no such thing.

    encode, decode      text → ids, nothing in the text being special; ids → text
    encode_bytes, decode_bytes   the same of bytes
    stream              (chunks of one text) → ids
    vocab, merges       id → bytes; the pairs of byte strings in the order of their rank
    special_tokens      name → id;  encode_allowed: text → ids, with special tokens as one id each
    encode_strict       text → ids; raises for a special token in the text
    copy                () → a Coder of the same tokenizer, written to a file and read again
    """

    encode: Callable[[str], Sequence[int]]
    decode: Callable[[Sequence[int]], str]
    encode_bytes: Callable[[bytes], Sequence[int]] | None = None
    decode_bytes: Callable[[Sequence[int]], bytes] | None = None
    stream: Callable[[Iterable[str]], Iterable[int]] | None = None
    vocab: Mapping[int, bytes] | None = None
    merges: Sequence[tuple[bytes, bytes]] | None = None
    special_tokens: Mapping[str, int] | None = None
    encode_allowed: Callable[[str], Sequence[int]] | None = None
    encode_strict: Callable[[str], Sequence[int]] | None = None
    copy: Callable[[], "Coder"] | None = None
    name: str = ""


@dataclass(frozen=True)
class BPETrainer:
    """What trains a tokenizer.

    train      (documents, vocab_size, special_tokens) → a Coder with its merges; nothing is merged across documents
    workers    the same, on several processes
    smallest   the vocabulary without merges: 256, but for special tokens
    """

    train: Callable[[Sequence[str], int, Sequence[str]], Coder]
    workers: Callable[[Sequence[str], int, Sequence[str]], Coder] | None = None
    smallest: int = 256
    name: str = ""


@dataclass(frozen=True)
class Sampler:
    """What chooses the next token. Each may be None where there is no such thing.

    top_k, top_p, min_p   (logits (V,), setting) → (V,) of bools: what is let through
    draw                  (logits (V,), n, seed, temperature) → n ids, drawn independently
    """

    top_k: Callable[[Array, int], Array] | None = None
    top_p: Callable[[Array, float], Array] | None = None
    min_p: Callable[[Array, float], Array] | None = None
    draw: Callable[[Array, int, int, float], Sequence[int]] | None = None
    name: str = ""
