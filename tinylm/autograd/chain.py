"""The chain rule over a graph, in the readable form that defines what the engine does; knows nothing of tensors."""

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["backward_pass"]


def backward_pass(
    last: int, grad: Any, pulled: Callable[[int, Any], Iterable[tuple[int | str, Any]]]
) -> dict[str, Any]:
    """The gradient of a result with respect to every leaf that it depends on.

        dx = Σ dy · ∂y/∂x        over every use of x that makes a y

    last     the number of the node that made the result, whose gradient is `grad`
    pulled   (a node's number, its gradient dy) → pairs of an input and dy · ∂y/∂input; an input is the number of
             another node, which is older and so has a smaller number, or the name of a leaf, a text. An input that is
             used twice by one node comes in two pairs
    →        a leaf's name → its gradient

    Each node is asked once, when the gradient that it is given is complete: when every node that uses it was asked.
    """
    arrived: dict[int, Any] = {last: grad}
    leaves: dict[str, Any] = {}
    while arrived:
        node = max(arrived)  # the newest: nothing that is left depends on it
        dy = arrived.pop(node)
        for source, gradient in pulled(node, dy):
            into: dict[Any, Any] = leaves if isinstance(source, str) else arrived
            into[source] = into[source] + gradient if source in into else gradient
    return leaves
