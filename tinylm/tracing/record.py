"""From what watchers see and listeners hear to the steps of a trace; knows nothing of how they are shown."""

import linecache
import sys
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinylm.autograd import Step, reference_kernels
from tinylm.backend import backend_of
from tinylm.nn import Module
from tinylm.tracing.describe import derivative, describe, letters_for, place_in_source
from tinylm.tracing.hear import hear
from tinylm.tracing.names import Names
from tinylm.tracing.settings import encoded
from tinylm.tracing.step import Kind, TraceStep
from tinylm.tracing.values import Store, Stored, Values

__all__ = ["Recording"]

PACKAGE = Path(__file__).resolve().parents[1]
MACHINERY = tuple(str(PACKAGE / name) for name in ("autograd", "functional.py", "tracing", "ops"))  # no caller's own


class Recording:
    """Turns steps and events into TraceSteps, in the order in which they come.

    model      gives parameters their names
    tokenizer  says what a token is; None: the one that was last seen to encode
    add        takes each TraceStep
    """

    def __init__(self, store: Store, model: Module | None, tokenizer: Any, add: Callable[[TraceStep], None]):
        self.store, self.tokenizer, self._add = store, tokenizer, add
        self.follow = tokenizer is None
        self._outermost = "" if model is None else "model"
        self.count = 0
        self._made: dict[int, tuple[Any, int]] = {}  # id of an array -> (reference to it, number of its step)
        self.names = Names(model)
        self._vocab: tuple[Any, Mapping[int, bytes]] = (None, {})
        self._forward: dict[int, TraceStep] = {}

    # -- ops ---------------------------------------------------------------------------------------------

    def __call__(self, step: Step) -> None:
        """Watch one op."""
        if step.phase == "forward":
            self._op_forward(step)
        else:
            self._op_backward(step)

    def _op_forward(self, step: Step) -> None:
        said = describe(step.op.__doc__)
        settings = {name: encoded(value) for name, value in step.settings.items()}
        inputs: dict[str, Stored] = {}
        sources: dict[str, int] = {}
        leaves: dict[str, str] = {}
        for place, value in enumerate(step.inputs):
            name = f"{step.op.arrays[0]}[{place}]" if step.op.variadic else step.op.arrays[place]
            if not hasattr(value, "dtype"):
                if value is not None:
                    settings[name] = encoded(value)
                continue
            inputs[name] = self.store.put(value)
            made = self._maker(value)
            if made is not None:
                sources[name] = made
            elif value.dtype.kind == "f":
                leaves[name] = self.names.of(value, f"{step.scope}.{name}".strip("."))
        (y,) = step.outputs
        result = said.result or "y"
        outputs = {result: self.store.put(y)}
        letters = _letters(said.shapes, inputs, outputs)
        kernel = step.op.kernel_for(backend_of(y).name, reference=reference_kernels())
        recorded = self.step(
            "forward",
            _op_title(step.scope or self._outermost, step.op.name, outputs, letters),
            scope=step.scope,
            op=step.op.name,
            sentence=said.sentence,
            equation=said.equation,
            source=place_in_source(kernel.forward),
            caller=_caller(),
            seconds=step.seconds,
            node=step.number,
            inputs=inputs,
            kept=self._kept(step.kept, settings),
            outputs=outputs,
            letters=letters,
            sources=sources,
            leaves=leaves,
            settings=settings,
        )
        self._remember(y, recorded.number)
        if step.number is not None:
            self._forward[step.number] = recorded

    def _op_backward(self, step: Step) -> None:
        said = describe(step.op.__doc__)
        forward = self._forward.get(step.number or 0)
        names = [f"{step.op.arrays[0]}[{i}]" for i in range(len(step.outputs))] if step.op.variadic else step.op.arrays
        (dy,) = step.inputs
        settings = {name: encoded(value) for name, value in step.settings.items()}
        outputs = {
            f"d{name}": self.store.put(gradient)
            for name, gradient in zip(names, step.outputs, strict=False)
            if gradient is not None
        }
        incoming = f"d{said.result or 'y'}"
        into = {incoming: self.store.put(dy)}
        letters = _letters({f"d{name}": sizes for name, sizes in said.shapes.items()}, into, outputs)
        kernel = step.op.kernel_for(backend_of(dy).name, reference=reference_kernels())
        self.step(
            "backward",
            _op_title(step.scope or self._outermost, f"backward of {step.op.name}", outputs, letters),
            scope=step.scope,
            op=step.op.name,
            sentence=said.sentence,
            equation=derivative(kernel.backward),
            source=place_in_source(kernel.backward),
            caller=forward.caller if forward else "",
            seconds=step.seconds,
            node=step.number,
            inputs=into,
            kept=self._kept(step.kept, settings),
            outputs=outputs,
            letters=letters,
            leaves={f"d{name}": leaf for name, leaf in forward.leaves.items()} if forward else {},
            settings=settings,
        )

    def _kept(self, kept: Mapping[str, Any], settings: dict[str, Any]) -> dict[str, Stored]:
        found: dict[str, Stored] = {}
        for name, value in kept.items():
            several = list(value) if isinstance(value, (tuple, list)) else []
            if hasattr(value, "dtype"):
                found[name] = self.store.put(value)
            elif several and all(hasattr(part, "dtype") for part in several):
                found |= {f"{name}[{place}]": self.store.put(part) for place, part in enumerate(several)}
            elif value is not None:
                settings.setdefault(name, encoded(value))
        return found

    def vocab(self) -> Mapping[int, bytes]:
        """The tokens of the tokenizer that was given, or last seen to encode."""
        if self.tokenizer is not self._vocab[0]:
            self._vocab = self.tokenizer, self.tokenizer.vocab
        return self._vocab[1]

    def _maker(self, array: Any) -> int | None:
        reference, number = self._made.get(id(array), (None, 0))
        return number if reference is not None and reference() is array else None

    def _remember(self, array: Any, number: int) -> None:
        try:
            self._made[id(array)] = weakref.ref(array), number
        except TypeError:  # arrays of a kind that cannot be referred to weakly
            self._made[id(array)] = (lambda: array), number

    def step(self, kind: Kind, title: str, **fields: Any) -> TraceStep:
        for part in ("inputs", "kept", "outputs"):
            if part in fields:
                fields[part] = Values(fields[part])
        made = TraceStep(self.count, kind, title, **fields)
        self.count += 1
        self._add(made)
        return made

    def hear(self, event: Any) -> None:
        """Listen to one event."""
        hear(self, event)


def _letters(shapes: Mapping[str, str], *values: Mapping[str, Stored]) -> dict[str, str]:
    """The letters of the sizes of each array that has them."""
    found: dict[str, str] = {}
    bound: dict[str, int] = {}
    for name, value in [pair for part in values for pair in part.items()]:
        letters = letters_for(shapes.get(name, ""), len(value.shape))
        sizes = dict(zip(letters.strip("()").replace(" ", "").split(","), value.shape, strict=False))
        if letters and all(bound.get(letter, size) == size for letter, size in sizes.items()):
            found[name] = letters  # not so where a setting, as `transposed`, turns them
            bound |= sizes
    return found


def _op_title(scope: str, what: str, outputs: Mapping[str, Stored], letters: Mapping[str, str]) -> str:
    parts = []
    for name, value in outputs.items():
        shape = _sizes(value.shape)
        parts.append(f"{name} {letters[name]} = {shape}" if name in letters else f"{name} {shape}")
    return f"{scope}{': ' if scope else ''}{what} → {', '.join(parts) or 'nothing'}"


def _sizes(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def _caller() -> str:
    """The line of the model, or of the user, that asked for the op: "tinylm/gpt.py:148: q = F.split_heads(...)"."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(MACHINERY):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return ""
    file, line = frame.f_code.co_filename, frame.f_lineno
    path = Path(file)
    name = path.relative_to(PACKAGE.parent).as_posix() if path.is_relative_to(PACKAGE) else path.name
    if path.parent.name.startswith("ipykernel"):
        name = "cell"
    return f"{name}:{line}: {linecache.getline(file, line).strip()}"[:200]
