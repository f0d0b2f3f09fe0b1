"""The backward pass: nodes of a graph, visited newest first; knows of tensors only that leaves have gradients."""

import heapq
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from tinylm.autograd.chain import backward_pass
from tinylm.autograd.guard import GraphError, Hold, arrays_in
from tinylm.autograd.modes import reference_kernels
from tinylm.autograd.watch import Step, watchers
from tinylm.backend import Backend, backend_of
from tinylm.backend.memory import empty
from tinylm.ops import Op
from tinylm.ops.op import Kernel, Part

if TYPE_CHECKING:
    from tinylm.autograd.tensor import Tensor

__all__ = ["GradientError", "Leaves", "Node", "gradients_into", "run_backward", "unbroadcast"]

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
        arguments, kept = {}, self.kept
        for name in self.kernel.wanted:
            arguments[name] = kept[name] if name in kept else self._argument(name)
        seen = watchers()
        started = time.perf_counter() if seen else 0.0
        result = backward(self.backend.xp, dy, **arguments)
        if isinstance(result, list):
            raise GradientError(f"{self.op.name}: backward returned a list; return a tuple, one gradient per array")
        gradients = result if isinstance(result, tuple) else (result,)
        if seen:
            self.backend.synchronize()
            elapsed = time.perf_counter() - started
            gradients = tuple([g.whole(self.backend.xp) if isinstance(g, Part) else g for g in gradients])
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
        if len(gradients) != inputs and (
            len(gradients) > inputs or any(edge is not None for edge in self.edges[len(gradients) :])
        ):
            raise GradientError(f"{self.op.name}: backward gave {len(gradients)} gradients for {inputs} inputs")
        return gradients

    def _argument(self, name: str) -> Any:
        """What backward's keyword `name` stands for: something kept, a setting, or which inputs want a gradient."""
        if name in self.settings:
            return self.settings[name]
        if name == "needs":
            return tuple([edge is not None for edge in self.edges])
        if name == "into":
            return self._places()
        if name in self.op.settings:
            return self.op.settings[name]
        raise GradientError(
            f"{self.op.name}: backward asks for {name}, which forward neither kept nor was given; "
            f"kept are {', '.join(self.kept) or 'none'}"
        )

    def _places(self) -> tuple[Array | None, ...]:
        """For each input an array that its gradient may be written into, where nothing is there to be added to."""
        if watchers():  # what they see must not change with the next backward
            return (None,) * len(self.edges)
        leaves = _leaves.get()
        return tuple(
            [
                None if edge is None or isinstance(edge, Node) or self._twice(edge) else leaves.place(edge)
                for edge in self.edges
            ]
        )

    def _twice(self, leaf: "Tensor") -> bool:
        return sum([edge is leaf for edge in self.edges]) > 1

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
    if type(gradient) is Part:
        if gradient.shape == shape and gradient.values.dtype == dtype:
            return gradient
        gradient = gradient.whole(node.backend.xp)
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


class Leaves:
    """Where gradients of leaves go: into the leaves themselves."""

    def place(self, leaf: "Tensor") -> Array | None:
        """An array that the leaf's gradient may be written into; None where it has one already, to be added to."""
        return leaf.gradient_place()

    def add(self, leaf: "Tensor", gradient: "Array | Part") -> None:
        leaf.accumulate(gradient)


_own = Leaves()
_leaves: ContextVar[Leaves] = ContextVar("tinylm_leaves", default=_own)


@contextmanager
def gradients_into(leaves: Leaves) -> Iterator[None]:
    """Send the gradients of leaves somewhere else inside the block: parts of a batch that run side by side do so."""
    token = _leaves.set(leaves)
    try:
        yield
    finally:
        _leaves.reset(token)


class _Arrived:
    """What has come for one node so far: a sum, whether the engine made that array, and parts."""

    __slots__ = ("owned", "parts", "total")

    def __init__(self) -> None:
        self.total: Array | None = None
        self.owned = False
        self.parts: list[Part] = []

    def add(self, node: Node, gradient: "Array | Part") -> None:
        if type(gradient) is Part:
            self.parts.append(gradient)
        elif self.total is None:
            self.total = gradient
        elif self.owned:
            self.total += gradient  # an array that the engine made itself, so nobody else sees it change
        else:
            self.total = _sum(node, self.total, gradient)
            self.owned = True

    def whole(self, node: Node) -> Array:
        """The sum of all that came."""
        if not self.parts:
            return self.total
        if self.total is None:
            total = _empty(node)
            if _tiles(self.parts, node.shape):
                for part in self.parts:
                    total[part.index] = part.values
                return total
            total[...] = 0
        else:
            total = self.total if self.owned else self.total.copy()
        for part in self.parts:
            total[part.index] += part.values
        return total


def _empty(node: Node) -> Array:
    if node.backend.name == "numpy":
        return empty(node.shape, node.dtype)
    return node.backend.xp.empty(node.shape, dtype=node.dtype)


def _sum(node: Node, a: Array, b: Array) -> Array:
    if node.backend.name == "numpy":
        return np.add(a, b, out=empty(a.shape, a.dtype))
    return node.backend.xp.asarray(a + b)


def _tiles(parts: list[Part], shape: tuple[int, ...]) -> bool:
    """Whether the parts are slices of the last axis that cover it without overlap."""
    end = 0
    for part in sorted(parts, key=_first):
        index = part.index
        if not (type(index) is tuple and len(index) == 2 and index[0] is Ellipsis and type(index[1]) is slice):
            return False
        if index[1].start != end or index[1].step is not None:
            return False
        end = index[1].stop
    return end == shape[-1]


def _first(part: Part) -> int:
    try:
        return int(part.index[1].start)
    except (TypeError, AttributeError, IndexError):
        return -1


class _Pending:
    """Gradients in flight: what has arrived for each node, newest node first."""

    def __init__(self) -> None:
        self._arrived: dict[Node, _Arrived] = {}
        self._queue: list[tuple[int, Node]] = []

    def add(self, node: Node, gradient: "Array | Part") -> None:
        arrived = self._arrived.get(node)
        if arrived is None:
            arrived = self._arrived[node] = _Arrived()
            heapq.heappush(self._queue, (-node.number, node))
        arrived.add(node, gradient)

    def __bool__(self) -> bool:
        return bool(self._queue)

    def pop(self) -> tuple[Node, Array]:
        """The newest node, whose gradient is complete: all that depend on it are newer and done."""
        node = heapq.heappop(self._queue)[1]
        return node, self._arrived.pop(node).whole(node)


def run_backward(node: Node, grad: Array, keep_graph: bool) -> None:
    """Propagate `grad` from the output of `node` to every leaf below it.

    Nodes are visited newest first, without recursion; what that computes is defined by `backward_pass` (chain.py),
    which also does it under use_kernels("reference"). Raises GraphError for a graph that was spent by an
    earlier backward, GradientError for a backward whose gradients do not fit.
    """
    if reference_kernels():
        _run_readable(node, grad, keep_graph)
        return
    leaves = _leaves.get()
    pending = _Pending()
    pending.add(node, grad)
    while pending:
        node, dy = pending.pop()
        if node.spent:
            raise _spent(node)
        gradients = node.gradients(dy)
        arrived = False
        for place, (edge, gradient) in enumerate(zip(node.edges, gradients, strict=False)):
            if edge is None or gradient is None:
                continue
            arrived = True
            if isinstance(edge, Node):
                pending.add(edge, _fit(node, place, gradient, edge.shape, edge.dtype))
            else:
                leaves.add(edge, _fit(node, place, gradient, edge.data.shape, edge.data.dtype))
        if not arrived:
            raise _silent(node)
        del dy, gradients, gradient  # an array lives no longer than somebody needs it
        if not keep_graph:
            node.free()


def _spent(node: Node) -> GraphError:
    return GraphError(
        f"{node.op.name}: backward has already been through here and freed the graph; "
        "call the first one as backward(keep_graph=True)"
    )


def _silent(node: Node) -> GradientError:
    names = [_input_name(node.op, place) for place, edge in enumerate(node.edges) if edge is not None]
    return GradientError(
        f"{node.op.name}: backward returned no gradient for {', '.join(names)}; forgot return? "
        "Where the gradient is 0 return zeros, where none is meant detach() the input"
    )


class _Apart(Leaves):
    """The same leaves, whose gradients come all at the end: so none is written into its place on the way."""

    def __init__(self, leaves: Leaves):
        self._leaves = leaves

    def place(self, leaf: "Tensor") -> None:
        return None

    def add(self, leaf: "Tensor", gradient: "Array | Part") -> None:
        self._leaves.add(leaf, gradient)


def _run_readable(node: Node, grad: Array, keep_graph: bool) -> None:
    """The same by `backward_pass`: nodes by their numbers, leaves by names."""
    leaves = _leaves.get()
    nodes: dict[int, Node] = {node.number: node}
    found: dict[str, Tensor] = {}

    def pulled(number: int, dy: Array) -> list[tuple[int | str, Array]]:
        node = nodes.pop(number)
        if node.spent:
            raise _spent(node)
        pairs: list[tuple[int | str, Array]] = []
        gradients = node.gradients(node.backend.xp.asarray(dy))  # sums of 0-d arrays are scalars
        for place, (edge, gradient) in enumerate(zip(node.edges, gradients, strict=False)):
            if edge is None or gradient is None:
                continue
            whole = gradient.whole(node.backend.xp) if isinstance(gradient, Part) else gradient
            if isinstance(edge, Node):
                nodes[edge.number] = edge
                pairs.append((edge.number, _fit(node, place, whole, edge.shape, edge.dtype)))
            else:
                found[str(id(edge))] = edge
                pairs.append((str(id(edge)), _fit(node, place, whole, edge.data.shape, edge.data.dtype)))
        if not pairs:
            raise _silent(node)
        if not keep_graph:
            node.free()
        return pairs

    with gradients_into(_Apart(leaves)):
        gradients = backward_pass(node.number, grad, pulled)
    for name, leaf in found.items():
        if name not in gradients:
            raise GradientError(f"backward_pass gave no gradient for a leaf of shape {leaf.shape}")
        leaves.add(leaf, backend_of(leaf.data).xp.asarray(gradients[name]))
