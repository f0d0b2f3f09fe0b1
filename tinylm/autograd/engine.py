"""The backward pass: nodes of a graph, visited newest first; knows of tensors only that leaves have gradients."""

import heapq
import itertools
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tinylm.autograd.guard import GraphError, Hold, arrays_in
from tinylm.autograd.watch import Step, watchers
from tinylm.backend import Backend
from tinylm.ops import Op
from tinylm.ops.op import Kernel

if TYPE_CHECKING:
    from tinylm.autograd.tensor import Tensor

__all__ = ["GradientError", "Node", "run_backward", "unbroadcast"]

Array = Any

_numbers = itertools.count(1)


class GradientError(TypeError):
    """A backward that returned something other than one gradient of the right shape and dtype per input."""


class Node:
    """One op as it was applied: what backward needs, and where the gradients go.

    number    order of creation: a node is newer than all that it depends on, so this is a topological order
    edges     for each input where its gradient goes: the node that made it, the leaf tensor, or None
    """

    __slots__ = (
        "backend", "dtype", "edges", "hold", "kept", "kernel", "number", "op", "scope", "settings", "shape", "spent",
    )  # fmt: skip

    def __init__(
        self,
        op: Op,
        kernel: Kernel,
        backend: Backend,
        edges: "tuple[Node | Tensor | None, ...]",
        kept: dict[str, Any],
        settings: dict[str, Any],
        output: Array,
        scope: str,
    ):
        self.number = next(_numbers)
        self.op, self.kernel, self.backend, self.edges = op, kernel, backend, edges
        self.kept, self.settings, self.scope = kept, settings, scope
        self.shape, self.dtype = output.shape, output.dtype
        self.hold = Hold(arrays_in(kept.values(), backend.array_type))
        self.spent = False

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise GraphError(f"{self.op.name}: a graph can be neither copied nor pickled; detach() the tensor first")

    def gradients(self, dy: Array) -> tuple[Array | None, ...]:
        """Run the op's backward and check what it returns, but for broadcasting."""
        changed = self.hold.changed()
        if changed is not None:
            raise GraphError(
                f"{self.op.name}{f' in {self.scope}' if self.scope else ''}: an array of shape {changed.shape} that "
                "backward needs was written since forward; run backward before the write, or write into a copy"
            )
        backward = self.kernel.backward
        if backward is None:
            raise GradientError(
                f"{self.op.name} has no backward: write one with @{self.op.name}.backward, or detach() its result"
            )
        if self.backend.array_type is np.ndarray:
            dy = dy.view()
            dy.setflags(write=False)  # other branches of the graph may get the same gradient
        arguments = {name: self._argument(name) for name in self.kernel.wanted}
        seen = watchers()
        started = time.perf_counter() if seen else 0.0
        result = backward(self.backend.xp, dy, **arguments)
        if isinstance(result, list):
            raise GradientError(f"{self.op.name}: backward returned a list; return a tuple, one gradient per array")
        gradients = result if isinstance(result, tuple) else (result,)
        if seen:
            self.backend.synchronize()
            elapsed = time.perf_counter() - started
            step = Step(
                "backward",
                self.op,
                (dy,),
                self.kept,
                gradients,
                self.settings,
                self.number,
                self.scope,
                elapsed,
            )
            for watcher in seen:
                watcher(step)
        inputs = len(self.edges)
        if len(gradients) > inputs or any(edge is not None for edge in self.edges[len(gradients) :]):
            raise GradientError(f"{self.op.name}: backward gave {len(gradients)} gradients for {inputs} inputs")
        return gradients

    def _argument(self, name: str) -> Any:
        """What backward's keyword `name` stands for: something kept, a setting, or which inputs want a gradient."""
        if name in self.kept:
            return self.kept[name]
        if name in self.settings:
            return self.settings[name]
        if name == "needs":
            return tuple([edge is not None for edge in self.edges])
        if name in self.op.settings:
            return self.op.settings[name]
        raise GradientError(
            f"{self.op.name}: backward asks for {name}, which forward neither kept nor was given; "
            f"kept are {', '.join(self.kept) or 'none'}"
        )

    def free(self) -> None:
        """Forget what backward needed; the graph behind this node can no longer be used through it."""
        self.spent = True
        self.kept, self.settings, self.edges = {}, {}, ()
        self.hold.release()


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: add the gradient up over the axes along which the input was repeated.

    >>> import numpy as np
    >>> unbroadcast(np.ones((2, 3)), (3,)).tolist()
    [2.0, 2.0, 2.0]
    >>> unbroadcast(np.ones((2, 3)), (2, 1)).tolist()
    [[3.0], [3.0]]

    Raises ValueError where `shape` does not broadcast to the gradient's.
    """
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    padded = (1,) * extra + shape
    if extra < 0 or any(n not in (1, m) for n, m in zip(padded, gradient.shape, strict=True)):
        raise ValueError(f"{gradient.shape} is not a broadcast form of {shape}")
    axes = tuple(i for i, n in enumerate(padded) if n == 1 and gradient.shape[i] != 1)
    return (gradient.sum(axis=axes, keepdims=True) if axes else gradient).reshape(shape)


def _input_name(op: Op, place: int) -> str:
    return f"{op.arrays[0]}[{place}]" if op.variadic else op.arrays[place]


def _fit(node: Node, place: int, gradient: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """The gradient for one input, with that input's shape and dtype; raises GradientError where it cannot be."""
    kind: Any = node.backend.array_type
    if type(gradient) is kind and gradient.shape == shape and gradient.dtype == dtype:
        return gradient
    name = _input_name(node.op, place)
    if dtype.kind != "f":
        raise GradientError(f"{node.op.name}: {name} is {dtype}; only floating-point tensors can require a gradient")
    if not isinstance(gradient, kind):
        if not hasattr(gradient, "dtype"):
            raise GradientError(f"{node.op.name}: d{name} is a {type(gradient).__name__}, not an array")
        gradient = node.backend.xp.asarray(gradient)  # NumPy's reductions to 0-d give scalars
    try:
        gradient = unbroadcast(gradient, shape)
    except ValueError:
        raise GradientError(f"{node.op.name}: d{name} has shape {gradient.shape}, {name} {shape}") from None
    if gradient.dtype != dtype:
        if gradient.dtype != node.dtype:  # else mixed precisions met in forward, and the cast undoes promotion
            raise GradientError(f"{node.op.name}: d{name} is {gradient.dtype}, {name} {dtype}")
        gradient = gradient.astype(dtype)
    return gradient


class _Pending:
    """Gradients in flight: what has arrived for each node so far, and whether the engine made that array."""

    def __init__(self) -> None:
        self._sums: dict[Node, tuple[Array, bool]] = {}
        self._queue: list[tuple[int, Node]] = []

    def add(self, node: Node, gradient: Array) -> None:
        present = self._sums.get(node)
        if present is None:
            self._sums[node] = (gradient, False)
            heapq.heappush(self._queue, (-node.number, node))
        elif present[1]:
            total = present[0]
            total += gradient  # an array that the engine made itself, so nobody else sees it change
        else:
            self._sums[node] = (node.backend.xp.asarray(present[0] + gradient), True)

    def __bool__(self) -> bool:
        return bool(self._queue)

    def pop(self) -> tuple[Node, Array]:
        """The newest node, whose gradient is complete: all that depend on it are newer and done."""
        node = heapq.heappop(self._queue)[1]
        return node, self._sums.pop(node)[0]


def run_backward(node: Node, grad: Array, keep_graph: bool) -> None:
    """Propagate `grad` from the output of `node` to every leaf below it.

    Nodes are visited newest first, without recursion. Raises GraphError for a graph that was spent by an
    earlier backward, GradientError for a backward whose gradients do not fit.
    """
    pending = _Pending()
    pending.add(node, grad)
    while pending:
        node, dy = pending.pop()
        if node.spent:
            raise GraphError(
                f"{node.op.name}: backward has already been through here and freed the graph; "
                "call the first one as backward(keep_graph=True)"
            )
        gradients = node.gradients(dy)
        arrived = False
        for place, (edge, gradient) in enumerate(zip(node.edges, gradients, strict=False)):
            if edge is None or gradient is None:
                continue
            arrived = True
            if isinstance(edge, Node):
                pending.add(edge, _fit(node, place, gradient, edge.shape, edge.dtype))
            else:
                edge.accumulate(_fit(node, place, gradient, edge.data.shape, edge.data.dtype))
        if not arrived:
            names = [_input_name(node.op, place) for place, edge in enumerate(node.edges) if edge is not None]
            raise GradientError(
                f"{node.op.name}: backward returned no gradient for {', '.join(names)}; forgot return? "
                "Where the gradient is 0 return zeros, where none is meant detach() the input"
            )
        if not keep_graph:
            node.free()
