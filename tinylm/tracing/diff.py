"""Where two traces part: the first step whose values differ by more than rounding."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from tinylm.tracing.select import Part
from tinylm.tracing.step import TraceStep
from tinylm.tracing.values import Summary, Value

__all__ = ["Difference", "diff"]

RTOL = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """The first step at which two traces part.

    first, second   the step in either trace; None where it has no such step
    part, name      which of its arrays: "outputs", "y"; "" where the steps themselves differ
    index           where the two differ most, an index into the array of the first trace
    values          the two numbers there
    largest         the largest difference, as a share of the largest number
    reason          in words
    """

    first: TraceStep | None
    second: TraceStep | None
    part: str
    name: str
    index: tuple[int, ...]
    values: tuple[float, float]
    largest: float
    reason: str

    def __str__(self) -> str:
        titles = [step.title if step is not None else "(no such step)" for step in (self.first, self.second)]
        numbers = [str(step.number) if step is not None else "-" for step in (self.first, self.second)]
        return f"{self.reason}\n  a: step {numbers[0]}, {titles[0]}\n  b: step {numbers[1]}, {titles[1]}"

    __repr__ = __str__


def diff(a: Part, b: Part, rtol: float = RTOL) -> Difference | None:
    """The first step at which two traces part, or None where they agree.

    Steps are paired by kind, module and op, in order. An array differs where |a − b| > rtol · max |a| anywhere; with
    rtol=0 every bit counts. Where one array is shorter along an axis, as when a cache spared the positions before, it
    is compared with the end of the other. Steps that only one of them has (a student's own ops in place of one fused
    op) are passed over as long as values agree again afterwards, and named where they do not.

    Raises ValueError for a negative rtol.
    """
    if not rtol >= 0:
        raise ValueError(f"diff: rtol is a number from 0 up, got {rtol}")
    keys = [[(step.kind, step.scope, step.op) for step in part.steps] for part in (a, b)]
    alone: tuple[TraceStep | None, TraceStep | None] = (None, None)
    for tag, low, high, left, right in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if tag != "equal":
            if alone == (None, None):
                alone = (a.steps[low] if low < high else None, b.steps[left] if left < right else None)
            continue
        for one, two in zip(a.steps[low:high], b.steps[left:right], strict=True):
            found = _compare(one, two, rtol)
            if found is not None:
                return _after(found, alone)
            alone = (None, None)  # they agree again
    if alone != (None, None):
        return Difference(*alone, "", "", (), (np.nan, np.nan), np.nan, "one trace has steps that the other has not")
    return None


def _after(found: Difference, alone: tuple[TraceStep | None, TraceStep | None]) -> Difference:
    """The same, with a word on steps before it that only one trace has."""
    if alone == (None, None):
        return found
    names = " and ".join(
        f"{step.title!r} (step {step.number}, only in {which})"
        for which, step in zip("ab", alone, strict=True)
        if step is not None
    )
    reason = f"{found.reason}\n  before it the traces took other ways: {names}"
    return Difference(
        found.first, found.second, found.part, found.name, found.index, found.values, found.largest, reason
    )


def _compare(one: TraceStep, two: TraceStep, rtol: float) -> Difference | None:
    for part in ("outputs", "kept"):
        ours, theirs = getattr(one, part), getattr(two, part)
        for name, value in ours.items():
            if name in theirs:
                found = _difference(value, theirs[name], one.letters.get(name, ""), rtol)
                if found is not None:
                    index, values, largest, reason = found
                    told = f"{part.removesuffix('s')} {name}: {reason}"
                    return Difference(one, two, part, name, index, values, largest, told)
    for name in ("uniform", "token", "pair", "count", "rank", "tokens"):
        x, y = one.settings.get(name), two.settings.get(name)
        if one.kind in ("choice", "merge", "encode") and x != y:
            return Difference(one, two, "settings", name, (), (np.nan, np.nan), np.nan, f"{name}: {x} in a, {y} in b")
    return None


Found = tuple[tuple[int, ...], tuple[float, float], float, str]


def _difference(a: Value, b: Value, letters: str, rtol: float) -> Found | None:
    if isinstance(a, Summary) or isinstance(b, Summary):
        return _summaries(a, b, rtol)
    if a is b:
        return None
    nothing: Any = ((), (np.nan, np.nan), np.nan)
    if a.ndim != b.ndim or not all(
        n == m or i in _time(letters, a.ndim) for i, (n, m) in enumerate(zip(a.shape, b.shape, strict=True))
    ):
        return (*nothing, f"of shape {a.shape} in a, {b.shape} in b")
    offset = tuple(max(0, n - m) for n, m in zip(a.shape, b.shape, strict=True))
    overlap = tuple(min(n, m) for n, m in zip(a.shape, b.shape, strict=True))
    x, y = (array[tuple(slice(n - k, None) for n, k in zip(array.shape, overlap, strict=True))] for array in (a, b))
    if not x.size:
        return None
    if x.dtype.kind == y.dtype.kind == "f":
        x, y = x.astype(np.float64), y.astype(np.float64)
        with np.errstate(invalid="ignore"):
            apart = np.abs(x - y)
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
    else:
        apart = (x != y).astype(np.float64)
    finite = np.abs(x[np.isfinite(x)]) if x.dtype.kind == "f" else np.ones(1)
    scale = float(finite.max()) if finite.size else 0.0
    worst = float(apart.max())
    if worst <= rtol * scale or worst == 0:
        return None
    at = tuple(int(i) for i in np.unravel_index(int(apart.argmax()), apart.shape))
    values = float(x[at]), float(y[at])
    index = tuple(i + shift for i, shift in zip(at, offset, strict=True))
    largest = worst / scale if scale else np.inf
    how_many = int((apart > rtol * scale).sum())
    reason = f"{values[0]:.9g} in a, {values[1]:.9g} in b at {list(index)}; {how_many} of {x.size} numbers differ"
    return index, values, largest, f"{reason}, by up to {largest:.3g} of the largest"


def _time(letters: str, ndim: int) -> set[int]:
    """The axes along which one array may be a part of the other: those called T or S, unnamed ones but the first."""
    sizes = letters.strip("()").replace(" ", "").split(",") if letters else ["..."]
    named = {
        ndim - 1 - i: size
        for i, size in enumerate(reversed(sizes[sizes.index("...") + 1 :] if "..." in sizes else sizes))
        if size
    }
    return {i for i in range(ndim) if (named[i] in "TS" if i in named else i > 0 or ndim <= 2)}


def _summaries(a: Value, b: Value, rtol: float) -> Found | None:
    """Differences between what is known of two arrays, of which one was not kept whole."""
    x, y = (value if isinstance(value, Summary) else Summary.of(value) for value in (a, b))
    if x.shape != y.shape:
        return None  # parts of what was summarised cannot be told
    scale = max(abs(x.low), abs(x.high))
    for name in ("low", "high", "mean", "std", "nan", "inf"):
        one, two = float(getattr(x, name)), float(getattr(y, name))
        if one != two and not (np.isnan(one) and np.isnan(two)) and not abs(one - two) <= rtol * scale:
            apart = abs(one - two) / scale if scale else np.inf
            return (), (one, two), apart, f"{name} is {one:.9g} in a, {two:.9g} in b"
    return None
