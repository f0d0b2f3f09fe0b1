"""The trace: everything that happens inside a block, as one ordered list of steps."""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Literal, Self, SupportsIndex

from tinylm.autograd import listening, use_kernels, watching
from tinylm.nn import Module
from tinylm.show.picture import Picture
from tinylm.tracing import file
from tinylm.tracing.backward import Node, walk
from tinylm.tracing.diff import diff
from tinylm.tracing.graph import Collapse, graph
from tinylm.tracing.page import player
from tinylm.tracing.receipt import Receipt
from tinylm.tracing.record import Recording
from tinylm.tracing.select import Part
from tinylm.tracing.step import KINDS, TraceStep
from tinylm.tracing.table import bytes_text
from tinylm.tracing.values import Keep, Store
from tinylm.tracing.why import why
from tokenizer.events import listening as listening_to_tokenizers

__all__ = ["MEMORY", "Trace", "trace"]

MEMORY = 224 * 2**20  # bytes: a whole training step of the default model needs 203 MiB


class Trace(Part):
    """The steps of everything that happened, in order, with their values; made by `tinylm.trace`.

    steps        all TraceSteps
    nbytes       bytes of arrays kept whole
    summarised   how many arrays were not, for want of room or by wish
    """

    def __init__(self, steps: list[TraceStep], nbytes: int = 0, summarised: int = 0):
        super().__init__(steps, "the trace")
        self.nbytes, self.summarised = nbytes, summarised

    def why(
        self,
        what: SupportsIndex | TraceStep | str,
        index: SupportsIndex | Iterable[SupportsIndex] = (),
        *,
        update: int = -1,
    ) -> Receipt:
        """The receipt of a step, or of one number of a parameter, whose lines add up exactly to what is stored.

        what     a step of kind "merge", "choice" or "update", or its number; or the name of a parameter
        index    which number of the parameter
        update   which of the parameter's updates, the last by default

        Raises NotInTrace for what the trace does not have, ValueError for a step that has no receipt.
        """
        return why(self, what, index, update)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all steps and values to one file, whole or not at all; `tinylm.trace.load` reads it."""
        file.save(path, self.steps, self.summarised)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; raises CheckpointError naming the file where it is damaged or foreign."""
        steps, nbytes, summarised = file.load(path)
        return cls(steps, nbytes, summarised)

    def __repr__(self) -> str:
        counts = {kind: len(self.kind(kind)) for kind in KINDS}
        told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "nothing yet"
        text = f"<trace of {len(self)} steps: {told}; {bytes_text(self.nbytes) or '0 B'} of values"
        if self.summarised:
            text += f"; {self.summarised} arrays only summarised: give trace(memory=...) more bytes to keep them"
        return text + ">"

    def _repr_html_(self) -> str:
        return self.player()

    def player(self, start: int = 0, most: int = 1000) -> str:
        """The first `most` steps as one self-contained HTML element with buttons and keys to step, jump and search.

        start   the number of the step that it opens with
        """
        return player(self, start, most)

    def walk(self) -> list[Node]:
        """The nodes that backward passed, newest first: dy, what was kept, the gradients, and `check()` for each.

        Raises NotInTrace where no backward was traced, ValueError where its forward ran outside the block.
        """
        return walk(self)

    def graph(self, part: Part | None = None, *, backward: bool = False, collapse: Collapse = None) -> Picture:
        """One forward pass as a graph in SVG, which a notebook shows and .save(path) writes.

        part       whose first pass; None: the trace's own
        backward   beside each array the gradient that came back: its norm, of a single number itself
        collapse   "module" draws a module as one box, "none" every step; None: modules where there are over 60 steps

        Raises NotInTrace where there is no forward pass or, with backward=True, no backward of it.
        """
        return graph(self if part is None else part, backward=backward, collapse=collapse)


class _Tracing:
    """The block of a `with tinylm.trace()`."""

    def __init__(self, recording: Recording, trace: Trace, store: Store, kernels: str):
        self._recording, self._trace, self._store, self._kernels = recording, trace, store, kernels
        self._stack = ExitStack()

    def __enter__(self) -> Trace:
        with self._stack as stack:
            if self._kernels == "reference":
                stack.enter_context(use_kernels("reference"))
            stack.enter_context(watching(self._recording))
            stack.enter_context(listening(self._recording.hear))
            stack.enter_context(listening_to_tokenizers(self._recording.hear))
            self._stack = stack.pop_all()
        return self._trace

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()


class _Tracer:
    """`tinylm.trace(...)`, with `load` and `diff` beside it."""

    load = staticmethod(Trace.load)
    diff = staticmethod(diff)

    def __call__(
        self,
        model: Module | None = None,
        *,
        tokenizer: Any = None,
        kernels: Literal["reference", "fast"] = "reference",
        memory: int | None = MEMORY,
        values: Keep = "whole",
    ) -> _Tracing:
        """Record everything that happens inside the block: `with tinylm.trace() as t: ...`.

        model      gives parameters their names; without it they are called by module and argument, "wte.table"
        tokenizer  spells the tokens that are chosen; else the one that was seen to encode
        kernels    "reference" runs the readable forms, whose kept arrays bear the names in their source; "fast" what
                   runs anyway, fused. Their results differ by rounding
        memory     bytes of values that are kept whole, what comes after is summarised; None: no bound
        values     "summary" keeps none whole

        Seen are ops forward and backward, merges of train_bpe, texts encoded one by one, clipping, every parameter's
        update, training steps and choices of tokens. Raises ValueError for a word that is none of these.

        >>> import tinylm
        >>> with tinylm.trace() as t:
        ...     y = tinylm.functional.softmax(tinylm.tensor([1.0, 1.0]))
        >>> t
        <trace of 1 steps: 1 forward; 16 B of values>
        >>> t[0].title, t[0].output.tolist()
        ('softmax → y (N,) = (2,)', [0.5, 0.5])
        """
        if kernels not in ("reference", "fast"):
            raise ValueError(f'trace: kernels is "reference" or "fast", got {kernels!r}')
        if values not in ("whole", "summary"):
            raise ValueError(f'trace: values is "whole" or "summary", got {values!r}')
        if model is not None and not isinstance(model, Module):
            raise TypeError(f"trace: model is a Module, as tinylm.load(run)[0], got a {type(model).__name__}")
        if memory is not None and not memory >= 0:
            raise ValueError(f"trace: memory is a number of bytes from 0 up, or None; got {memory}")
        store, made = Store(memory, values), Trace([])

        def add(step: TraceStep) -> None:
            made.steps.append(step)
            made.nbytes, made.summarised = store.nbytes, store.summarised

        return _Tracing(Recording(store, model, tokenizer, add), made, store, kernels)


trace = _Tracer()
