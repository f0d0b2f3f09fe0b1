"""One step of a trace as plain data: it needs no op, model or tokenizer to be read, saved and loaded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from tinylm.tracing.values import Summary, Value, Values

__all__ = ["KINDS", "Kind", "TraceStep"]

Kind = Literal["count", "merge", "encode", "forward", "backward", "zero", "clip", "update", "train", "choice"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def _nothing() -> Values:
    return Values({})


@dataclass(frozen=True, slots=True, eq=False)
class TraceStep:
    """Something that happened, with its values as they were.

    number     place in the trace, from 0
    kind       "forward" or "backward" of an op; "count", "merge", "encode" of a tokenizer; "zero" (zero_grad), "clip",
               "update", "train";
               "choice" of a token
    title      one line a person can read
    scope      the module that was running, as "h.0.attn"
    op         the op's name, the optimizer's, or the kind
    sentence, equation    from the docstring
    source     file and line of what ran
    caller     the line that asked for it, the model's or the user's
    seconds    how long it took; 0 where nobody measured
    node       the same number for the forward and the backward of one node of the graph
    inputs, kept, outputs    arrays by name; a Summary for one that was not kept whole
    letters    names of sizes for the arrays that have them: {"x": "(B, T, C)"}
    sources    for inputs: the step that made that very array
    leaves     for inputs that no step of the trace made: a name, a parameter's own where the model was given
    settings   numbers, words and lists, as in JSON
    """

    number: int
    kind: Kind
    title: str
    scope: str = ""
    op: str = ""
    sentence: str = ""
    equation: str = ""
    source: str = ""
    caller: str = ""
    seconds: float = 0.0
    node: int | None = None
    inputs: Values = field(default_factory=_nothing)
    kept: Values = field(default_factory=_nothing)
    outputs: Values = field(default_factory=_nothing)
    letters: dict[str, str] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    leaves: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> Value:
        """The one output; raises KeyError where there is not exactly one."""
        if len(self.outputs) != 1:
            raise KeyError(f"step {self.number} has the outputs {', '.join(self.outputs) or 'none'}; say which")
        return next(iter(self.outputs.values()))

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that this step made: its outputs, and what it kept."""
        made = {id(value): value for part in (self.outputs, self.kept) for value in part.raw.values()}
        return sum(value.nbytes for value in made.values() if not isinstance(value, Summary))

    def values(self) -> Iterator[tuple[str, str, Value]]:
        """(part, name, value) of all arrays: the inputs, what was kept, the outputs."""
        for part in ("inputs", "kept", "outputs"):
            for name, value in getattr(self, part).items():
                yield part, name, value

    def has(self, what: Literal["nan", "inf"]) -> bool:
        """Whether an output holds a NaN, or an infinity."""
        for value in self.outputs.values():
            if isinstance(value, Summary):
                if getattr(value, what):
                    return True
            elif value.dtype.kind == "f" and bool((np.isnan if what == "nan" else np.isinf)(value).any()):
                return True
        return False

    def __repr__(self) -> str:
        kind = "" if self.title.startswith(self.kind) else f"{self.kind} "
        return f"<{self.number} {kind}{self.title}>"
