"""A walk through backward, node by node, and the numerical derivative of each; knows nothing of how it is shown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.autograd import unbroadcast
from tinylm.ops.registry import op_named
from tinylm.tracing.numerical import NodeCheck, Problem, compare
from tinylm.tracing.select import NotInTrace, Part
from tinylm.tracing.settings import decoded
from tinylm.tracing.step import TraceStep
from tinylm.tracing.table import range_text, step_text
from tinylm.tracing.values import Summary, Value

__all__ = ["Node", "walk"]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One node of the graph as backward passed it.

    forward, backward   its two steps
    arrived             where its dy came from: (number of the backward step, name of its gradient); dy is their sum.
                        Empty for the node that backward began with
    """

    forward: TraceStep
    backward: TraceStep
    arrived: tuple[tuple[int, str], ...]

    @property
    def title(self) -> str:
        return f"{self.backward.scope or 'model'}: {self.backward.op}"

    @property
    def dy(self) -> Value:
        """The gradient of the loss by this node's output, as it came in."""
        return next(iter(self.backward.inputs.values()))

    @property
    def kept(self) -> Mapping[str, Value]:
        """What the op had kept for its backward."""
        return self.backward.kept

    @property
    def equation(self) -> str:
        """The derivative, as its docstring states it."""
        return self.backward.equation

    @property
    def gradients(self) -> dict[str, Value]:
        """What went out: input → the gradient by it, of the input's shape (broadcasting undone where it was whole)."""
        return {name: self._gradient(name) for name in self.forward.inputs if f"d{name}" in self.backward.outputs}

    def _gradient(self, name: str) -> Value:
        value, shape = self.backward.outputs[f"d{name}"], self.forward.inputs[name].shape
        if isinstance(value, Summary) or value.shape == shape:
            return value
        made: np.ndarray = unbroadcast(value, shape)
        return made

    def check(self, seed: int = 0) -> NodeCheck:
        """Compare the gradients of this node with numerical derivatives of the op's readable form, in float64.

            (f(x − 2hd) − 8 f(x − hd) + 8 f(x + hd) − f(x + 2hd)) / 12h = ∇f · d        f = Σ dy · op(inputs)

        Inputs of up to 64 numbers are tried one number at a time; larger ones along random directions d, and where
        those disagree, halves of the array are tried until one number is found. They may differ by half of the
        gradient's digits. Inputs that are no floating-point numbers, and those without a gradient, are left out.

        Raises ValueError where an array was only summarised or holds numbers that are not finite, where the op is not
        registered (its module was not imported), or where a setting is of a kind that a trace cannot hold.
        """
        try:
            op = op_named(self.forward.op)
        except KeyError as missing:
            raise ValueError(
                f"step {self.forward.number}: no op {self.forward.op!r} is registered here; import the module that "
                "defines it, then check again"
            ) from missing
        whole = {name: self._whole(name, value) for name, value in self.forward.inputs.items()}
        settings = {name: decoded(value) for name, value in self.forward.settings.items()}
        names = [name for name in whole if name.partition("[")[0] in op.arrays] if op.variadic else list(op.arrays)
        arguments: list[Any] = [whole.get(name, settings.get(name)) for name in names]
        while arguments and arguments[-1] is None:
            arguments.pop()
        chosen = {name: value for name, value in settings.items() if name in op.settings}
        self._finite({"dy": self._whole("dy", self.dy), **{name: whole[name] for name in self.gradients}})
        problem = Problem(op, arguments, chosen, np.asarray(self._whole("dy", self.dy), np.float64), seed)
        wanted = {
            name: self._whole(f"d{name}", gradient)
            for name, gradient in self.gradients.items()
            if whole[name].dtype.kind == "f"
        }
        return compare(self.title, self.backward.number, problem, {names.index(n): (n, g) for n, g in wanted.items()})

    def _finite(self, values: Mapping[str, np.ndarray]) -> None:
        for name, value in values.items():
            bad = value.size - int(np.isfinite(value).sum())
            if bad:
                raise ValueError(
                    f"step {self.backward.number}: {bad} of the numbers of {name} are not finite, so no derivative can "
                    "be compared; where they began say trace.find('nan') and trace.find('inf')"
                )

    def _whole(self, name: str, value: Value) -> np.ndarray:
        if isinstance(value, Summary):
            raise ValueError(
                f"step {self.backward.number}: {name} was only summarised in this trace, so its derivative cannot be "
                "checked; give trace(memory=...) more bytes"
            )
        return value

    def text(self) -> str:
        """What came in, what was kept, what went out, and the equation, for a terminal."""
        return "\n".join([step_text(self.backward), *(f"  {line}" for line in self.ways())])

    def ways(self) -> list[str]:
        """Where dy came from, and where each gradient went, a line each."""
        came = " + ".join(f"{name} of step {number}" for number, name in self.arrived) or "what backward began with"
        return [f"dy is {came}", *(f"{name} goes to {where}" for name, where in self._goes())]

    def _goes(self) -> Iterator[tuple[str, str]]:
        for name in self.gradients:
            if name in self.forward.sources:
                yield f"d{name}", f"the node of step {self.forward.sources[name]}"
            elif name in self.forward.leaves:
                yield f"d{name}", f"{self.forward.leaves[name]}.grad"

    def __repr__(self) -> str:
        out = ", ".join(f"d{name} {range_text(value)}" for name, value in self.gradients.items()) or "nothing"
        return f"<{self.backward.number} backward of {self.title}: dy {range_text(self.dy)} → {out}>"


def walk(trace: Part) -> list[Node]:
    """The nodes that backward passed, in its order: the newest first.

    Raises NotInTrace where no backward was traced, ValueError where its forward ran outside the block.
    """
    made = {step.node: step for step in trace.steps if step.kind == "forward" and step.node is not None}
    passed = [step for step in trace.steps if step.kind == "backward"]
    if not passed:
        raise NotInTrace(f"no backward in {trace.where}; call loss.backward() inside the block")
    sent: dict[int, list[tuple[int, str]]] = {}  # number of a forward step -> gradients by its output
    nodes = []
    for step in passed:
        forward = made.get(step.node or 0)
        if forward is None:
            raise ValueError(
                f"step {step.number}, backward of {step.op}: its forward is not in {trace.where}; both have to run "
                "inside the block"
            )
        nodes.append(Node(forward, step, tuple(sent.pop(forward.number, ()))))
        for name in forward.inputs:
            if name in forward.sources and f"d{name}" in step.outputs:
                sent.setdefault(forward.sources[name], []).append((step.number, f"d{name}"))
    return nodes
