"""Laws of derivatives: what is said of a function is compared with the function itself, by differences."""

from typing import Any

import numpy as np

import tinylm.testing as drawn
from tinylm.testing.law import LawDoesNotApply, close, law, require

__all__ = ["gradients_add_up", "gradients_are_numerical", "gradients_have_the_shapes_of_operands"]

Array = Any
OUTPUTS = 16  # outputs of a function whose rows of the Jacobian are looked at, one backward pass each

# by the type of the results: step h; allowed error of a slope; how far apart one-sided slopes are at a kink
FINE = (1e-3, 1e-6, 1e-3)
COARSE = (1 / 16, 2e-2, 0.1)  # float32: rounding over the step is 1e-6


def _operands(f: Any) -> Any:
    return drawn.broadcastable(getattr(f, "arguments", 1), max_dims=2, max_side=2)


@law("gradient", needs=("forward", "gradients"), arrays=_operands)
def gradients_are_numerical(f: Any, arrays: Any) -> None:
    """Every gradient is the slope of the function; at a kink it lies between the slopes on its two sides.

        ∂y[j]/∂x[i]  =  (f(x − 2hᵢ) − 8 f(x − hᵢ) + 8 f(x + hᵢ) − f(x + 2hᵢ)) / 12h

    arrays   a tuple of arguments. Nothing is asked where a result is not finite, here or a step h away
    """
    y = np.asarray(f.forward(*_copies(arrays)))
    if not np.isfinite(y).all():
        return
    step, allowed, kink = _how(y)
    for j in list(np.ndindex(y.shape))[:OUTPUTS]:
        dy = np.zeros_like(y)
        dy[j] = 1
        gradients = _gradients(f, dy, arrays)
        for place, x in enumerate(arrays):
            for i in np.ndindex(x.shape):
                middle, left, right, size = _slopes(f, arrays, place, i, j, step)
                if not np.isfinite([middle, left, right, size]).all():
                    continue
                given = float(gradients[place][i])
                slack = max(1.0, size, abs(left), abs(right))
                says = f"the gradient of output {list(j)} by argument {place} at {list(i)}"
                if abs(left - right) <= kink * slack:
                    # beside the middle its two sides count: a bend of the slope costs the middle h, and them nothing
                    right_one = min(abs(given - slope) for slope in (middle, left, right)) <= allowed * slack
                    require(right_one, f"{says} is {given:.8g}, the slope is {middle:.8g}", middle, given)
                else:
                    low, high = sorted((left, right))
                    between = low - kink * slack <= given <= high + kink * slack
                    words = f"{says} is {given:.8g}; the slopes to its left and right are {left:.6g} and {right:.6g}"
                    require(between, words, (left, right), given)


@law("gradient", needs=("forward", "gradients"), arrays=_operands)
def gradients_have_the_shapes_of_operands(f: Any, arrays: Any) -> None:
    """A gradient has the shape of what it is the gradient of, also where that was broadcast."""
    y = np.asarray(f.forward(*_copies(arrays)))
    for place, (x, gradient) in enumerate(zip(arrays, f.gradients(np.ones_like(y), *_copies(arrays)), strict=True)):
        if gradient is not None:
            shape = np.shape(gradient)
            require(shape == x.shape, f"the gradient of argument {place} has shape {shape}, it has {x.shape}")


@law("gradient", needs=("forward", "gradients"), arrays=_operands)
def gradients_add_up(f: Any, arrays: Any) -> None:
    """Gradients are linear in dy: those of dy₁ + 2 dy₂ are those of dy₁ plus twice those of dy₂."""
    y = np.asarray(f.forward(*_copies(arrays)))
    first = (np.arange(y.size).reshape(y.shape) % 3 - 1.0).astype(y.dtype)
    second = np.ones_like(y)
    one, two, both = (_gradients(f, dy, arrays) for dy in (first, second, first + 2 * second))
    for place, (a, b, c) in enumerate(zip(one, two, both, strict=True)):
        if np.isfinite(a).all() and np.isfinite(b).all():
            size = float(np.abs(a).max(initial=0.0) + 2 * np.abs(b).max(initial=0.0))
            close(a + 2 * b, c, f"the gradient of argument {place}", room=1e-6 * size if y.dtype == np.float32 else 0.0)


def _copies(arrays: Any) -> tuple[Array, ...]:
    return tuple(np.array(x) for x in arrays)


def _gradients(f: Any, dy: Array, arrays: Any) -> list[Array]:
    found = f.gradients(dy.copy(), *_copies(arrays))
    require(len(found) == len(arrays), f"there are {len(found)} gradients for {len(arrays)} arguments")
    filled = [np.zeros_like(x) if g is None else np.asarray(g) for x, g in zip(arrays, found, strict=True)]
    for place, (x, g) in enumerate(zip(arrays, filled, strict=True)):
        require(g.shape == x.shape, f"the gradient of argument {place} has shape {g.shape}, it has {x.shape}")
    return filled


def _slopes(f: Any, arrays: Any, place: int, i: Any, j: Any, step: float) -> tuple[float, float, float, float]:
    """The slope of output j along element i of an argument: in the middle, to the left and right; and |f|'s size."""
    values = []
    for k in (-2, -1, 0, 1, 2):
        moved = _copies(arrays)
        moved[place][i] += k * step
        with np.errstate(all="ignore"):
            values.append(float(np.asarray(f.forward(*moved))[j]))
    a, b, c, d, e = values
    left, right = (3 * c - 4 * b + a) / (2 * step), (-3 * c + 4 * d - e) / (2 * step)
    return (a - 8 * b + 8 * d - e) / (12 * step), left, right, max(map(abs, values))


def _how(y: Array) -> tuple[float, float, float]:
    if y.dtype == np.float64:
        return FINE
    if y.dtype == np.float32:
        return COARSE
    raise LawDoesNotApply(f"slopes of a function are compared in float64 or float32; this one gives {y.dtype}")
