"""Recomputation: memory for time, by running a part of the forward pass again when backward comes to it."""

from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import Any

import numpy as np

from tinylm.autograd.engine import Node, _numbers
from tinylm.autograd.guard import GraphError
from tinylm.autograd.tensor import Tensor
from tinylm.autograd.watch import _watchers, scope, watchers
from tinylm.backend import backend_of
from tinylm.ops import Op

__all__ = ["recompute"]

ROUNDING = 1000  # in units of eps: how far two runs may be apart, as some BLAS round by where an array lies in memory


def recompute(function: Callable[..., Any], *inputs: Any, rngs: Iterable[np.random.Generator] = ()) -> Tensor:
    """function(*inputs), keeping for backward the inputs and the result only: the rest is computed again there.

        forward: y = f(x), its graph dropped      backward: y = f(x) once more, and backward through that graph

    function   gives one tensor; besides its inputs it may use other tensors, as a module its parameters
    rngs       the generators that it draws from: the second run draws the same numbers, and afterwards they stand
               where they stood

    Loss and gradients are bitwise those of function(*inputs). The second run has the context of the first (kernels,
    device, scope), but whoever watches backward sees its steps: phase "forward", with numbers of their own. Other side
    effects happen twice. With keep_graph=True the second run's graph is kept and used again.

    Raises TypeError for a function that does not return a tensor. Backward raises GraphError where an input or a leaf
    that wants a gradient was written since forward, or where the second run gave another result than the first.

    >>> from tinylm import tensor
    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> recompute(lambda x: x * x * 3, x).sum().backward()
    >>> x.grad
    tensor([ 6., 12.])
    """
    first, generators = next(_numbers), tuple(rngs)
    states = [generator.bit_generator.state for generator in generators]
    context = copy_context()
    y = function(*inputs)
    if not isinstance(y, Tensor):
        raise TypeError(f"recompute: function must return one tensor, it returned a {type(y).__name__}")
    if y.node is None or y.node.number < first:
        return y  # nothing was recorded inside, as under no_grad
    leaves, edges = _outside(y.node, first)
    region = _Region(function, inputs, leaves, generators, states, context)
    result = Tensor(y.data)
    result.requires_grad, result._made = True, True
    result.node = _RegionNode(region, y, edges)
    return result


def _outside(node: Node, first: int) -> tuple[list[Tensor], tuple[Node | Tensor, ...]]:
    """What a graph depends on: its leaves, and these with the nodes made before the number `first`, as edges."""
    seen: dict[int, Node | Tensor] = {}
    ahead: list[Node | Tensor | None] = [node]
    while ahead:
        edge = ahead.pop()
        if edge is None or id(edge) in seen:
            continue
        seen[id(edge)] = edge
        if isinstance(edge, Node) and edge.number > first:
            ahead += edge.edges
    edges = tuple([edge for edge in seen.values() if isinstance(edge, Tensor) or edge.number < first])
    return [edge for edge in edges if isinstance(edge, Tensor)], edges


class _Region:
    """A function, its inputs and the surroundings in which it ran, so that it can run again in the same way."""

    def __init__(
        self,
        function: Callable[..., Any],
        inputs: tuple[Any, ...],
        leaves: list[Tensor],
        generators: tuple[np.random.Generator, ...],
        states: list[Any],
        context: Context,
    ):
        self.function, self.context = function, context
        self.inputs = [_twin(value) for value in inputs]
        self.leaves = [(leaf, leaf.data) for leaf in leaves]
        self.generators, self.states = generators, states

    def arrays(self) -> tuple[Any, ...]:
        """What must not be written until backward: the inputs and the leaves that are used without being an input."""
        given = [value.data if isinstance(value, Tensor) else value for value in self.inputs]
        return (*given, *[array for _, array in self.leaves])

    def run(self) -> Any:
        """The function's result once more, with its graph."""
        for leaf, array in self.leaves:
            if leaf.data is not array:
                raise GraphError(
                    f"recompute: the array of a tensor of shape {leaf.shape} was replaced since forward; "
                    "run backward before that"
                )
        seen, now = watchers(), [generator.bit_generator.state for generator in self.generators]
        try:
            for generator, state in zip(self.generators, self.states, strict=True):
                generator.bit_generator.state = state
            return self.context.copy().run(self._recorded, seen)  # a copy: one context cannot be entered twice
        finally:
            for generator, state in zip(self.generators, now, strict=True):
                generator.bit_generator.state = state

    def _recorded(self, seen: Any) -> Any:
        _watchers.set(seen)
        return self.function(*self.inputs)


def _twin(value: Any) -> Any:
    """An input without its hold on what its owner does: the same array and the same place in the graph."""
    if not isinstance(value, Tensor) or (value.requires_grad and value.node is None):
        return value  # a leaf collects its gradient itself
    twin = Tensor(value.data, value.requires_grad)
    twin.node, twin._made = value.node, value._made
    return twin


class _RegionNode(Node):
    """The node of a region: when backward comes, the region's graph is made and takes this node's place.

    Nodes of the second run are newer than all that waits, so they are visited next and in their order: every
    gradient is added up in the same order as without recomputation.
    """

    __slots__ = ("region",)

    def __init__(self, region: _Region, y: Tensor, edges: tuple[Node | Tensor, ...]):
        kernel = y.node.kernel  # type: ignore[union-attr]
        kept = {"inputs": region.arrays(), "output": y.data}
        super().__init__(_RECOMPUTE, kernel, backend_of(y.data), edges, kept, {}, y.data, scope())
        self.region: _Region | None = region

    def gradients(self, dy: Any) -> tuple[Any, ...]:
        if self.region is not None:
            self.check()
            again = self.region.run()
            node = again.node if isinstance(again, Tensor) else None
            if node is None or not _agree(self.kept["output"], again.data):
                raise GraphError(
                    f"recompute{f' in {self.scope}' if self.scope else ''}: the second run gave another result than "
                    "the first. Either something that the function uses changed since forward (a frozen weight, "
                    "train() or eval()), or it draws from a generator that was not named: recompute(..., rngs=[...])"
                )
            self.edges, self.region = (node,), None
        return (dy,)

    def check(self) -> None:
        """Raise GraphError where an input or a leaf was written since forward."""
        changed = self.hold.changed()
        if changed is not None:
            raise GraphError(
                f"recompute{f' in {self.scope}' if self.scope else ''}: an array of shape {changed.shape} that "
                "backward needs was written since forward; run backward before the write, or write into a copy"
            )


def _agree(first: Any, second: Any) -> bool:
    """Whether two runs gave the same, but for rounding; NaN agrees with NaN."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    same = first == second
    if bool(same.all()) or bool((same | ((first != first) & (second != second))).all()):
        return True
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        return bool(abs(first - second).max() <= ROUNDING * np.finfo(first.dtype).eps * abs(first).max())


class _Recompute(Op):
    """The name that a region bears in errors; no function of arrays, so it is in no list of ops."""

    def __init__(self) -> None:
        self.name, self.module, self.arrays = "recompute", __name__, ("y",)
        self.optional, self.variadic, self.settings, self.kernels = (), False, {}, {}


_RECOMPUTE = _Recompute()
