"""Comparison of gradients with numerical ones; knows of a function only that it maps tensors to a tensor."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinylm.autograd.guard import GraphError
from tinylm.autograd.modes import enable_grad, no_grad
from tinylm.autograd.tensor import Tensor
from tinylm.backend import current_backend

__all__ = ["GradientMismatch", "gradcheck", "numerical_gradient", "numerical_slope"]

Function = Callable[..., Tensor]


class GradientMismatch(AssertionError):
    """A gradient that differs from the numerical one.

    argument, index   which element of which argument
    analytic, numeric the two values
    """

    def __init__(self, argument: int, index: tuple[int, ...], analytic: float, numeric: float):
        self.argument, self.index, self.analytic, self.numeric = argument, index, analytic, numeric
        super().__init__(
            f"gradient of argument {argument} at index {list(index)}: backward gives {analytic:.10g}, "
            f"the numerical derivative is {numeric:.10g}"
        )


class _Problem:
    """fn, reduced to one number by fixed random weights, so that its gradient is one vector product."""

    def __init__(self, fn: Function, arrays: tuple[np.ndarray, ...], rng: np.random.Generator):
        self.fn, self.arrays = fn, arrays
        self.backend = current_backend()
        leaves = [self._tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        with enable_grad():
            y = fn(*leaves)
        if not isinstance(y, Tensor):
            raise TypeError(f"gradcheck: fn must return a tensor, it returned a {type(y).__name__}")
        if y.dtype.kind != "f":
            raise TypeError(f"gradcheck: fn must return floating-point numbers to have a gradient, not {y.dtype}")
        signs = rng.choice([-1.0, 1.0], y.shape)
        self.weights = rng.uniform(0.5, 1.5, y.shape) * signs if y.ndim else np.ones(())
        if y.requires_grad:
            y.backward(self._tensor(self.weights.astype(y.dtype)))
        for place, (leaf, before) in enumerate(zip(leaves, arrays, strict=True)):
            if leaf.numpy().tobytes() != before.tobytes():
                raise GraphError(f"gradcheck: fn wrote into its argument {place}; compute into a new array")
        self.gradients = [
            None if not leaf.requires_grad else np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
            for leaf in leaves
        ]

    def _tensor(self, array: np.ndarray, requires_grad: bool = False) -> Tensor:
        return Tensor(self.backend.from_host(array.copy()), requires_grad)

    def value(self, arrays: list[np.ndarray]) -> float:
        with no_grad():
            y = self.fn(*(self._tensor(a) for a in arrays)).numpy()
        return float(np.sum(np.asarray(y, dtype=np.float64) * self.weights))

    def slope(self, argument: int, direction: np.ndarray, step: float) -> float:
        """The derivative along `direction` in one argument."""
        return numerical_slope(self.function_of(argument), self.arrays[argument], direction, step=step)

    def function_of(self, argument: int) -> Callable[[np.ndarray], float]:
        """The value, while only this argument moves."""

        def function(x: np.ndarray) -> float:
            moved = list(self.arrays)
            moved[argument] = x
            return self.value(moved)

        return function


def numerical_slope(
    f: Callable[[np.ndarray], float], x: np.ndarray, direction: np.ndarray, *, step: float = 1e-3
) -> float:
    """The derivative of f at x along a direction d, by four values of f around x.

        (f(x − 2hd) − 8 f(x − hd) + 8 f(x + hd) − f(x + 2hd)) / 12h        h = step, with an error of order h⁴

    x, d: (...)   f(x) is one number; x itself is not changed        Abramowitz & Stegun 1964, sec. 25.3

    >>> round(float(numerical_slope(lambda x: (x * x).sum(), np.array([3.0, 1.0]), np.array([1.0, 0.0]))), 9)
    6.0
    """
    a, b, c, d = [f(x + k * step * direction) for k in (-2, -1, 1, 2)]
    return (a - 8 * b + 8 * c - d) / (12 * step)


def numerical_gradient(f: Callable[[np.ndarray], float], x: np.ndarray, *, step: float = 1e-3) -> np.ndarray:
    """The gradient of f at x by trying: each element in turn is moved, and the others stay.

        dxᵢ = the derivative of f at x along the direction in which only element i grows

    x: (...)   →   dx: (...)   f(x) is one number; x itself is not changed

    >>> numerical_gradient(lambda x: (x * x).sum(), np.array([3.0, 1.0])).round(9).tolist()
    [6.0, 2.0]
    """
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        direction = np.zeros(x.shape)
        direction[index] = 1.0
        gradient[index] = numerical_slope(f, x, direction, step=step)
    return gradient


def gradcheck(
    fn: Function, *arrays: Any, rtol: float = 1e-6, step: float = 1e-3, directions: int = 3, seed: int = 0
) -> None:
    """Compare the gradients of fn with numerical derivatives; silent where they agree.

        (f(x − 2hd) − 8 f(x − hd) + 8 f(x + hd) − f(x + 2hd)) / 12h  =  ∇f · d,  with an error of order h⁴

    fn         takes one tensor per array and returns a tensor, the same for the same input
    arrays     float64 arrays are checked; arrays of whole numbers or bools are passed on as they are
    rtol       allowed difference, relative to the size of the two values and of the terms they add up
    step       h; the function must be smooth over twice this distance
    directions how many random directions d are tried for each argument

    Raises GradientMismatch for the element that differs most: argument, index and both values. Raises
    TypeError where there is nothing to check: no floating-point argument, one that is not float64 (too coarse for
    numerical derivatives), another output than floating-point numbers. Raises GraphError where fn writes into an
    argument. Other tensors that fn uses get their gradients as from any backward.

    >>> gradcheck(lambda x: (x * x).sum(), np.array([1.0, 2.0]))
    """
    hosts = tuple(np.array(a.numpy() if isinstance(a, Tensor) else a) for a in arrays)
    for place, array in enumerate(hosts):
        if array.dtype.kind == "f" and array.dtype != np.float64:
            raise TypeError(f"gradcheck: argument {place} is {array.dtype}; numerical derivatives need float64")
    if not any(array.dtype.kind == "f" for array in hosts):
        kinds = ", ".join(str(array.dtype) for array in hosts) or "none"
        raise TypeError(f"gradcheck: there is no floating-point argument to check; the arguments are {kinds}")
    rng = np.random.default_rng(seed)
    problem = _Problem(fn, hosts, rng)
    for argument, gradient in enumerate(problem.gradients):
        if gradient is None:
            continue
        for _ in range(directions):
            direction = rng.uniform(0.5, 1.0, gradient.shape) * rng.choice([-1.0, 1.0], gradient.shape)
            terms = gradient * direction
            analytic, numeric = float(terms.sum()), problem.slope(argument, direction, step)
            scale = max(abs(analytic), abs(numeric), float(np.abs(terms).sum()) * 1e-2, _noise(problem, step) / rtol)
            if not abs(analytic - numeric) <= rtol * scale < math.inf:
                raise _worst(problem, argument, gradient, step) or GradientMismatch(argument, (), analytic, numeric)


def _noise(problem: _Problem, step: float) -> float:
    """What rounding alone does to a numerical slope: the size of the terms of f, times epsilon, over the step."""
    with no_grad():
        y = problem.fn(*(problem._tensor(a) for a in problem.arrays)).numpy()
    size = float(np.abs(np.asarray(y, dtype=np.float64) * problem.weights).sum()) + 1.0
    return 16 * float(np.finfo(np.float64).eps) * size / step


def _worst(problem: _Problem, argument: int, gradient: np.ndarray, step: float) -> GradientMismatch | None:
    """The element whose two derivatives differ most, found one by one."""
    worst: tuple[float, GradientMismatch] | None = None
    slopes = numerical_gradient(problem.function_of(argument), problem.arrays[argument], step=step)
    for index in np.ndindex(gradient.shape):
        numeric, analytic = float(slopes[index]), float(gradient[index])
        difference = abs(analytic - numeric)
        mismatch = GradientMismatch(argument, index, analytic, numeric)
        if not difference < math.inf:
            return mismatch
        if worst is None or difference > worst[0]:
            worst = (difference, mismatch)
    return worst[1] if worst else None
