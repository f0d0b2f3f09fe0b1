"""Laws of derivatives: what is said of a function is compared with the function itself, by differences."""

from typing import Any

import numpy as np

import tinylm.testing as drawn
from tinylm.testing import given
from tinylm.testing.law import LawDoesNotApply, close, law, require
from tinylm.testing.mistakes import InputError

__all__ = ["gradients_add_up", "gradients_are_numerical", "gradients_have_the_shapes_of_operands"]

Array = Any
OUTPUTS = 16  # outputs of a function whose rows of the Jacobian are looked at, one backward pass each

# by the type of the results: two steps h; allowed error of a slope; how far apart one-sided slopes are at a kink.
# The ratio of the steps is none of whole numbers, so that what repeats itself in one step does not in the other
FINE = ((5 / 65536, 3 / 65536), 1e-6, 1e-3)
COARSE = ((5 / 512, 3 / 512), 2e-2, 0.1)  # float32: rounding over the step is 1e-5
TRUST = 1 / 4  # of the allowed error: what the slopes at the two steps may differ by and still be called slopes


def _operands(f: Any) -> Any:
    return drawn.broadcastable(getattr(f, "arguments", 1), max_dims=2, max_side=2)


@law("gradient", needs=("forward", "gradients"), arrays=_operands)
def gradients_are_numerical(f: Any, arrays: Any) -> None:
    """Every gradient is the slope of the function; at a kink it lies between the slopes on its two sides.

        ∂y[j]/∂x[i]  =  (f(x − 2hᵢ) − 8 f(x − hᵢ) + 8 f(x + hᵢ) − f(x + 2hᵢ)) / 12h

    arrays   a tuple of arguments. Nothing is asked where a result is not finite, here or a step h away, nor where two
             steps h show different slopes: at a jump, or where the function bends within a step, they are no slopes
    """
    arrays = _arguments(f, arrays)
    y = np.array(f.forward(*_copies(arrays)))
    if not np.isfinite(y).all():
        return
    steps, allowed, kink = _how(y)
    places = [(place, i) for place, x in enumerate(arrays) for i in np.ndindex(x.shape)]
    slopes = {at: [_slopes(f, arrays, *at, step) for step in steps] for at in places}
    for j in list(np.ndindex(y.shape))[:OUTPUTS]:
        dy = np.zeros_like(y)
        dy[j] = 1
        gradients = _gradients(f, dy, arrays)
        for place, i in places:
            coarse, fine = ([float(each[j]) for each in found] for found in slopes[place, i])
            middle, left, right, size = fine
            if not np.isfinite([coarse, fine]).all():
                continue
            given_ = float(gradients[place][i])
            slack = max(1.0, size, abs(left), abs(right))
            apart = [abs(a - b) / slack for a, b in zip(coarse, fine, strict=True)]
            says = f"the gradient of output {list(j)} by argument {place} at {list(i)}"
            if abs(left - right) <= kink * slack:
                # beside the middle its two sides count: a bend of the slope costs the middle h, and them nothing
                near = min(abs(given_ - slope) for slope in (middle, left, right)) <= allowed * slack
                trusted = apart[0] <= TRUST * allowed
                require(near or not trusted, f"{says} is {given_:.8g}, the slope is {middle:.8g}", middle, given_)
            else:
                low, high = sorted((left, right))
                between = low - kink * slack <= given_ <= high + kink * slack
                trusted = max(apart[1:3]) <= TRUST * kink
                words = f"{says} is {given_:.8g}; the slopes to its left and right are {left:.6g} and {right:.6g}"
                require(between or not trusted, words, (left, right), given_)


@law("gradient", needs=("forward", "gradients"), arrays=_operands)
def gradients_have_the_shapes_of_operands(f: Any, arrays: Any) -> None:
    """A gradient has the shape of what it is the gradient of, also where that was broadcast."""
    arrays = _arguments(f, arrays)
    y = np.array(f.forward(*_copies(arrays)))
    for place, (x, gradient) in enumerate(zip(arrays, f.gradients(np.ones_like(y), *_copies(arrays)), strict=True)):
        if gradient is not None:
            shape = np.shape(gradient)
            require(shape == x.shape, f"the gradient of argument {place} has shape {shape}, it has {x.shape}")


@law("gradient", needs=("forward", "gradients"), arrays=_operands)
def gradients_add_up(f: Any, arrays: Any) -> None:
    """Gradients are linear in dy: those of dy₁ + 2 dy₂ are those of dy₁ plus twice those of dy₂."""
    arrays = _arguments(f, arrays)
    y = np.array(f.forward(*_copies(arrays)))
    first = (np.arange(y.size).reshape(y.shape) % 3 - 1.0).astype(y.dtype)
    second = np.ones_like(y)
    one, two, both = (_gradients(f, dy, arrays) for dy in (first, second, first + 2 * second))
    for place, (a, b, c) in enumerate(zip(one, two, both, strict=True)):
        if np.isfinite(a).all() and np.isfinite(b).all():
            size = float(np.abs(a).max(initial=0.0) + 2 * np.abs(b).max(initial=0.0))
            close(a + 2 * b, c, f"the gradient of argument {place}", room=1e-6 * size if y.dtype == np.float32 else 0.0)


def _arguments(f: Any, arrays: Any) -> list[Array]:
    if isinstance(arrays, np.ndarray) and getattr(f, "arguments", None) == 1:
        raise InputError("arrays must be a tuple of arguments; for one argument x, type arrays=(x,)")
    return given.several("arrays", arrays, getattr(f, "arguments", None), "arguments")


def _copies(arrays: Any) -> tuple[Array, ...]:
    return tuple(np.array(x) for x in arrays)


def _gradients(f: Any, dy: Array, arrays: Any) -> list[Array]:
    found = f.gradients(dy.copy(), *_copies(arrays))
    require(len(found) == len(arrays), f"there are {len(found)} gradients for {len(arrays)} arguments")
    filled = [np.zeros_like(x) if g is None else np.array(g) for x, g in zip(arrays, found, strict=True)]
    for place, (x, g) in enumerate(zip(arrays, filled, strict=True)):
        require(g.shape == x.shape, f"the gradient of argument {place} has shape {g.shape}, it has {x.shape}")
    return filled


def _slopes(f: Any, arrays: Any, place: int, i: Any, step: float) -> tuple[Array, Array, Array, Array]:
    """The slopes of all outputs along element i of an argument: in the middle, to the left, to the right; and |f|."""
    values = []
    for k in (-2, -1, 0, 1, 2):
        moved = _copies(arrays)
        moved[place][i] += k * step
        with np.errstate(all="ignore"):
            values.append(np.array(f.forward(*moved), np.float64))
    a, b, c, d, e = values
    left, right = (3 * c - 4 * b + a) / (2 * step), (-3 * c + 4 * d - e) / (2 * step)
    return (a - 8 * b + 8 * d - e) / (12 * step), left, right, np.abs(values).max(axis=0)


def _how(y: Array) -> tuple[tuple[float, float], float, float]:
    if y.dtype == np.float64:
        return FINE
    if y.dtype == np.float32:
        return COARSE
    raise LawDoesNotApply(f"slopes of a function are compared in float64 or float32; this one gives {y.dtype}")
