"""A model from any file that is read here: our runs, Hugging Face folders, GGUF, llama2.c, nanoGPT."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinylm.backend import backend_of, current_backend, use_device
from tinylm.checkpoint import AnyTokenizer
from tinylm.formats.description import Description, Stored
from tinylm.formats.names import Place, half_and_half, places, theirs
from tinylm.gpt import GPT
from tinylm.nn import Module, Parameter, init
from tinylm.quantised import QuantisedEmbedding, QuantisedLinear
from tinylm.settings import Conventions
from tinylm.storage import CheckpointError

__all__ = ["Loaded", "build", "check_ids"]


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model ready to use, its tokenizer, and what its file says of how to use them.

    start           ids that go before every text (often none)
    beginning       what stands for an empty text: the model needs at least one id to go on from
    stops           ids that end a text or an answer
    chat_template   how a conversation is spelled, in Jinja; None: the file says nothing
    bos_token, eos_token    their spelling, for the template
    notes           what a person must be told
    training        a run's settings of training, as they are noted; else none
    kind            "run" | "huggingface" | "gguf" | "llama2.c" | "nanogpt"
    """

    model: GPT
    tokenizer: AnyTokenizer
    start: list[int]
    beginning: list[int]
    stops: tuple[int, ...]
    chat_template: str | None
    bos_token: str | None
    eos_token: str | None
    notes: tuple[str, ...]
    kind: str
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def conventions(self) -> Conventions:
        """How its texts begin and end, as a run keeps it that starts from this model."""
        return Conventions(tuple(self.start), self.stops, self.chat_template, self.bos_token, self.eos_token)

    def prompt(self, text: str) -> list[int]:
        """The ids of a text to go on from: what goes before every text, and its own; special tokens count as such."""
        return [*self.start, *self.tokenizer.encode(text, allowed_special="all")] if text else list(self.beginning)


def build(
    path: str | os.PathLike[str],
    found: Description,
    device: str | None = None,
    dtype: Any = None,
    keep_quantised: bool = False,
) -> Loaded:
    """The model of a description, with its weights widened, or with matrices left in the file as they are.

    dtype: None is float32. Raises CheckpointError where arrays are missing, left over or of other shapes than the
    config says, before memory is taken for them.
    """
    _check_ids(path, found)
    if found.config.n_layer > len(found.arrays):
        raise CheckpointError(f"{path}: {found.config.n_layer} layers, but {len(found.arrays)} arrays only")
    wanted = list(places(found.config, found.layout))
    _check(path, found, wanted)
    with use_device(device or current_backend().name), init.undrawn():
        model = GPT(found.config, dtype=np.dtype(dtype or np.float32))
    if keep_quantised:
        _leave_in_file(model, found, wanted)
    parameters = dict(model.named_parameters())
    for place in wanted:
        if place.name in parameters:
            arrays = [found.arrays[name] for name in place.arrays]
            _fill(parameters[place.name], place, found.config.head_size, arrays)
    return Loaded(
        model=model,
        tokenizer=found.tokenizer,
        start=list(found.start),
        beginning=_beginning(found),
        stops=found.stops,
        chat_template=found.chat_template,
        bos_token=found.bos_token,
        eos_token=found.eos_token,
        notes=found.notes,
        kind=found.kind,
    )


def _beginning(found: Description) -> list[int]:
    """What the file says, or what goes before every text, else the beginning-of-text token, else an end of text."""
    if found.beginning or found.start:
        return list(found.beginning or found.start)
    specials = found.tokenizer.special_tokens
    named = [specials[token] for token in (found.bos_token, found.eos_token) if token in specials]
    return (named or [i for i in found.stops if i < found.config.vocab_size] or [0])[:1]


def _check(path: object, found: Description, wanted: list[Place]) -> None:
    """Raise CheckpointError unless the arrays are just those that the config asks for."""
    used = set()
    for place in wanted:
        for name, shape in zip(place.arrays, place.shapes, strict=True):
            if name not in found.arrays:
                raise CheckpointError(f"{path}: there is no array {name}, which the config asks for")
            if found.arrays[name].shape != shape:
                raise CheckpointError(f"{path}: {name} has shape {found.arrays[name].shape}, the config says {shape}")
            used.add(name)
    tied = theirs("lm_head", "weight", found.layout) if found.config.tie_weights else ()
    for name in found.arrays:
        if name not in used and not name.endswith(found.layout.ignored) and name not in tied:
            raise CheckpointError(f"{path}: {name} is no part of a {found.layout.title} model with this config")


def _leave_in_file(model: GPT, found: Description, wanted: list[Place]) -> None:
    """Put layers that widen their weights as they use them where matrices are."""
    modules, size = dict(model.named_modules()), found.config.head_size
    for place in wanted:
        stem = place.name.rpartition(".")[0]
        if len(place.shape) == 1 or place.name == "wpe.weight":
            continue
        arrays = [found.arrays[name] for name in place.arrays]
        owner, _, attribute = stem.rpartition(".")
        if place.transposed:
            orders = [half_and_half(heads, size) if heads else None for heads in place.heads]
            bias = getattr(modules[stem], "bias")  # noqa: B009  (a Module's attributes are not typed)
            layer: Module = QuantisedLinear(list(zip(arrays, orders, strict=True)), bias)
        else:
            layer = QuantisedEmbedding(arrays[0])
        setattr(modules[owner], attribute, layer)


def _fill(parameter: Parameter, place: Place, head_size: int, arrays: list[Stored]) -> None:
    """Widen the arrays into the parameter, where that is float32 on the host without another copy."""
    ours = parameter.data
    wide = np.dtype(np.float64 if any(a.type == "F64" for a in arrays) else np.float32)
    direct = type(ours) is np.ndarray and ours.dtype == wide
    target = ours if direct else np.empty(place.shape, wide)
    first = 0
    for array, outputs, heads in zip(arrays, place.outputs, place.heads, strict=True):
        rows = half_and_half(heads, head_size) if heads else None
        if len(place.shape) == 1:
            vector = array.numpy().reshape(-1)
            target[first : first + outputs] = vector if rows is None else vector[rows]
        else:
            part = target[:, first : first + outputs] if place.transposed or len(arrays) > 1 else target
            array.into(part, rows, transposed=place.transposed)
        first += outputs
        array.release()
    if not direct:
        ours[...] = backend_of(ours).from_host(target.astype(ours.dtype))


def _check_ids(path: object, found: Description) -> None:
    """Raise CheckpointError where the tokenizer, or the file, has ids that the model lacks."""
    size = found.config.vocab_size
    if found.tokenizer.vocab_size > size:
        raise CheckpointError(f"{path}: the tokenizer has {found.tokenizer.vocab_size} ids, the model {size}")
    try:
        check_ids(size, found.start, found.beginning)
    except ValueError as problem:
        raise CheckpointError(f"{path}: {problem}") from None


def check_ids(size: int, *lists: Sequence[int]) -> None:
    """Raise ValueError for an id outside a vocabulary of this size."""
    for ids in lists:
        if any(not 0 <= i < size for i in ids):
            raise ValueError(f"ids {list(ids)[:8]} are to begin or end a text, but the model has {size} only")
