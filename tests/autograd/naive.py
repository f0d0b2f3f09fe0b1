"""A naive engine written another way: forward mode. Every value carries its derivative by every leaf element."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Function = Callable[..., np.ndarray]


@dataclass
class Dual:
    """value: (*shape)   slopes[leaf][i]: d value / d (element i of that leaf), (*shape)   history: ops behind it"""

    value: np.ndarray
    slopes: dict[int, list[np.ndarray]] = field(default_factory=dict)
    history: frozenset[int] = frozenset()

    def moved(self, leaf: int, i: int) -> np.ndarray:
        return self.slopes[leaf][i] if leaf in self.slopes else np.zeros(self.value.shape)


def leaf(number: int, value: np.ndarray) -> Dual:
    one_hot = np.eye(value.size).reshape(value.size, *value.shape)
    return Dual(value, {number: list(one_hot)})


def combine(value: np.ndarray, slope: Callable[[int, int], np.ndarray], *inputs: Dual) -> Dual:
    """The result of an op whose change is `slope(leaf, i)` when element i of a leaf moves."""
    counts = {number: len(x.slopes[number]) for x in inputs for number in x.slopes}
    slopes = {number: [slope(number, i) for i in range(count)] for number, count in counts.items()}
    return Dual(value, slopes, frozenset().union(*(x.history for x in inputs)))


def linear(f: Function, *xs: Dual) -> Dual:
    """f is linear in all inputs together, so a change goes through f itself."""
    return combine(f(*(x.value for x in xs)), lambda n, i: f(*(x.moved(n, i) for x in xs)), *xs)


def bilinear(f: Function, a: Dual, b: Dual) -> Dual:
    """f is linear in each of two inputs: the product rule."""
    return combine(f(a.value, b.value), lambda n, i: f(a.moved(n, i), b.value) + f(a.value, b.moved(n, i)), a, b)


def curve(f: Function, slope: Function, x: Dual) -> Dual:
    """f element by element: the chain rule."""
    return combine(f(x.value), lambda n, i: slope(x.value) * x.moved(n, i), x)


def gradients(y: Dual, dy: np.ndarray) -> dict[int, np.ndarray]:
    """Σ dy · d y / d (each element), for every leaf behind y: flat arrays."""
    return {number: np.array([np.sum(dy * slope) for slope in slopes]) for number, slopes in y.slopes.items()}
