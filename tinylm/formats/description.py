"""What every reader of a model gives: its shape, its weights still in the file, its tokenizer and how to talk to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tinylm.checkpoint import AnyTokenizer
from tinylm.formats.names import Layout
from tinylm.gpt import GPTConfig

__all__ = ["Description", "HeldArray", "Stored"]


class Stored(Protocol):
    """An array in a file, widened when it is asked for."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def numpy(self) -> np.ndarray: ...
    def into(self, out: np.ndarray, rows: slice | np.ndarray | None = None, *, transposed: bool = False) -> None: ...
    def release(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """A model in a file, before its weights are read.

    kind            "huggingface" | "gguf" | "llama2.c" | "nanogpt"
    config          the shape
    layout          what the file calls the parameters, and how they lie
    arrays          their names -> arrays
    tokenizer       of the model; it may have fewer ids than the model, whose tables are often padded, never more
    start           ids that go before every text, as the tokenizer's file has it; often none, or one
    beginning       what stands for an empty text; none: it is chosen from the others
    stops           ids that end a text or an answer
    chat_template   how a conversation is spelled, in Jinja; None: the file says nothing
    bos_token, eos_token    their spelling, for the template
    notes           what a person must be told
    """

    kind: str
    config: GPTConfig
    layout: Layout
    arrays: Mapping[str, Stored]
    tokenizer: AnyTokenizer
    start: tuple[int, ...] = ()
    beginning: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()
    chat_template: str | None = None
    bos_token: str | None = None
    eos_token: str | None = None
    notes: tuple[str, ...] = ()


class HeldArray:
    """An array that NumPy can hand out already, as the part of a mapped file that it is."""

    type = "F32"

    def __init__(self, name: str, shape: tuple[int, ...], get: Callable[[str], np.ndarray]):
        self.name, self.shape, self._get = name, shape, get

    def numpy(self) -> np.ndarray:
        return self._get(self.name)

    def into(self, out: np.ndarray, rows: slice | np.ndarray | None = None, *, transposed: bool = False) -> None:
        (out.T if transposed else out)[...] = self.numpy()[slice(None) if rows is None else rows]

    def release(self) -> None:
        """Nothing to do: the system takes the pages of a mapped file back when it needs them."""
