"""The gradients of one op against numerical derivatives of its readable form; knows nothing of traces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.ops import Op

__all__ = ["InputCheck", "NodeCheck", "Problem", "compare"]

FULL = 64  # numbers of an array that are tried one by one
DIRECTIONS = 3
SUSPICIOUS = 1  # roundings of all terms: those of true ones have either sign, so that their sum stays far below
STEP = 1e-5  # of a typical number of the array: what five points leave out is of order 1e-20 of it, far below rounding
CANCELLED = 16  # roundings of the largest effect that a number may be off by
NOISE = 64  # roundings, in units of float64, that the value of f may carry: sums over many numbers, in blocks


@dataclass(frozen=True, slots=True)
class InputCheck:
    """One input's gradient beside its numerical derivative.

    name       of the input
    tried      how many numbers one by one; 0: along directions only
    largest    the largest difference found, and where: an index, or () along a direction
    analytic, numeric   the two values there
    allowed    what rounding may make of it
    ok         whether all differences were within what is allowed
    """

    name: str
    tried: int
    largest: float
    index: tuple[int, ...]
    analytic: float
    numeric: float
    allowed: float
    ok: bool

    def __str__(self) -> str:
        how = f"{self.tried} numbers one by one" if self.tried else f"{DIRECTIONS} directions"
        word = "agrees" if self.ok else "DIFFERS"
        where = f" at {list(self.index)}" if self.tried or not self.ok else ""
        return (
            f"d{self.name}: {word}: {how}; largest difference {self.largest:.3g}{where}: backward {self.analytic:.6g}, "
            f"numerical {self.numeric:.6g} (allowed {self.allowed:.2g})"
        )


@dataclass(frozen=True, slots=True, repr=False)
class NodeCheck:
    """The check of a node: one InputCheck for each input that has a gradient.

    title, number   of the backward step
    ok              whether every gradient agrees
    """

    title: str
    number: int
    inputs: tuple[InputCheck, ...]

    @property
    def ok(self) -> bool:
        return all(part.ok for part in self.inputs)

    def __getitem__(self, name: str) -> InputCheck:
        """The check of one input; raises KeyError."""
        for part in self.inputs:
            if part.name == name:
                return part
        raise KeyError(f"{name}; checked were {', '.join(part.name for part in self.inputs) or 'none'}")

    def __repr__(self) -> str:
        lines = [f"step {self.number}, {self.title}: {'agrees' if self.ok else 'DIFFERS'}"]
        return "\n".join([*lines, *(f"  {part}" for part in self.inputs or ["no input has a gradient to check"])])

    __str__ = __repr__


class Problem:
    """f(inputs) = Σ dy · op(inputs), and its derivative along a direction in one input.

    arguments   the op's inputs in order, arrays or what else it was given
    """

    def __init__(self, op: Op, arguments: list[Any], settings: Mapping[str, Any], dy: np.ndarray, seed: int):
        self.op, self.settings, self.dy = op, dict(settings), dy
        if "dtype" in self.settings:
            self.settings["dtype"] = np.dtype(np.float64)  # astype: float32 would round the differences away
        self.arguments = [_wide(value) for value in arguments]
        self.rng = np.random.default_rng(seed)

    def output(self, moved: Mapping[int, np.ndarray]) -> np.ndarray:
        arguments = [moved.get(place, value) for place, value in enumerate(self.arguments)]
        with np.errstate(all="ignore"):  # the op itself said already what it had to say
            y, _ = self.op(np, *arguments, **self.settings)
        return np.asarray(y, np.float64)

    def typical(self, place: int) -> float:
        """The size of the numbers of an input: the root of their mean square; 1 where that is 0."""
        x = self.arguments[place]
        size = float(np.sqrt(np.mean(np.square(x)))) if x.size else 0.0
        return size if 0 < size < np.inf else 1.0

    def slope(self, place: int, direction: np.ndarray) -> tuple[float, float, float]:
        """Σ dy · (the change of op along the direction), the size of the terms it adds up, and its own rounding."""
        x, h = self.arguments[place], STEP * self.typical(place)
        a, b, c, d = (self.output({place: x + k * h * direction}) for k in (-2, -1, 1, 2))
        with np.errstate(all="ignore"):
            terms = self.dy * ((a - d) + 8 * (c - b)) / (12 * h)
            rounding = np.abs(self.dy * c)[terms != 0].sum() * NOISE * float(np.finfo(np.float64).eps) / h
        return float(terms.sum()), float(np.abs(terms).sum()), float(rounding)


def _wide(value: Any) -> Any:
    return value.astype(np.float64) if getattr(getattr(value, "dtype", None), "kind", "") == "f" else value


def compare(title: str, number: int, problem: Problem, gradients: Mapping[int, tuple[str, np.ndarray]]) -> NodeCheck:
    """Check each gradient, given as place of the input -> (its name, the gradient)."""
    # where terms cancel, as for a query that sees one key, what is left is rounding of what the others are made of: a
    # number may be off by roundings of the largest effect on f that a typical change of any input has
    effect = max((_most(g) * problem.typical(place) for place, (_, g) in gradients.items()), default=0.0)
    checks = [
        _input(problem, place, name, gradient, effect / problem.typical(place))
        for place, (name, gradient) in gradients.items()
    ]
    return NodeCheck(title, number, tuple(checks))


def _most(gradient: np.ndarray) -> float:
    """The largest size of its finite numbers."""
    return float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))


def _input(problem: Problem, place: int, name: str, gradient: np.ndarray, largest: float) -> InputCheck:
    digits = float(np.finfo(gradient.dtype).eps) ** 0.5  # half of the digits
    wide = gradient.astype(np.float64)
    floor = CANCELLED * digits**2 * largest

    def along(direction: np.ndarray, share: float = digits) -> tuple[float, float, float, float]:
        """(difference, analytic, numeric, allowed: a share of the terms)"""
        numeric, size, rounding = problem.slope(place, direction)
        with np.errstate(all="ignore"):
            terms = (wide * direction)[direction != 0]
            analytic, size = float(terms.sum()), size + float(np.abs(terms).sum())
        return abs(analytic - numeric), analytic, numeric, share * size + rounding + floor

    def element(flat: int) -> np.ndarray:
        direction = np.zeros(gradient.size)
        direction[flat] = 1.0
        return direction.reshape(gradient.shape)

    if gradient.size <= FULL:
        found = [(*along(element(flat)), flat) for flat in range(gradient.size)]
        if not found:
            return InputCheck(name, 0, 0.0, (), 0.0, 0.0, 0.0, True)
        # the one that exceeds what is allowed by most; NaN exceeds everything
        worst = max(found, key=lambda item: item[0] - item[3] if np.isfinite(item[0]) else np.inf)
        difference, analytic, numeric, allowed, flat = worst
        return InputCheck(
            name, gradient.size, difference, _index(flat, gradient), analytic, numeric, allowed,
            all(item[0] <= item[3] for item in found),
        )  # fmt: skip
    tried = []
    for _ in range(DIRECTIONS):
        direction = problem.rng.uniform(0.5, 1.5, gradient.shape) * problem.rng.choice([-1.0, 1.0], gradient.shape)
        difference, analytic, numeric, allowed = along(direction, SUSPICIOUS * digits**2)
        if not difference <= allowed:
            allowed = along(direction)[3]
            flat = _hunt(along, direction)
            at = along(element(flat))
            if not (difference <= allowed and at[0] <= at[3]):
                return InputCheck(name, 0, at[0], _index(flat, gradient), *at[1:], False)
        tried.append((difference, analytic, numeric, allowed))
    difference, analytic, numeric, allowed = max(tried)
    return InputCheck(name, 0, difference, (), analytic, numeric, allowed, True)


def _hunt(along: Any, direction: np.ndarray) -> int:
    """One number in which the two differ: the half of the array that differs more, again and again."""
    low, high = 0, direction.size
    while high - low > 1:
        middle, differences = (low + high) // 2, []
        for first, last in ((low, middle), (middle, high)):
            part = np.zeros(direction.size)
            part[first:last] = direction.reshape(-1)[first:last]
            difference = along(part.reshape(direction.shape))[0]
            differences.append(difference if np.isfinite(difference) else np.inf)
        low, high = (low, middle) if differences[0] >= differences[1] else (middle, high)
    return low


def _index(flat: int, array: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, array.shape))
