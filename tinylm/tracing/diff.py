"""Where two traces part: the first step that only one has, or whose values differ by more than rounding."""

from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from tinylm.tracing.select import Part
from tinylm.tracing.step import TraceStep
from tinylm.tracing.values import Summary, Value

__all__ = ["Difference", "diff"]

RTOL, ATOL = 1e-5, 1e-8
NOWHERE = ((), (np.nan, np.nan), np.nan)
CLOCK = ("seconds", "likely")  # settings that differ from run to run, or where rounding turns two


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """The first step at which two traces part.

    first, second   the step in either trace; None where it has no such step
    part, name      which of its arrays: "outputs", "y"; "settings" and one of them; "" where a step is missing
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


@dataclass(frozen=True, slots=True)
class _Rule:
    """What counts as equal: within rtol · max |a| + atol, or if exact every bit; cached: see diff."""

    rtol: float
    atol: float
    exact: bool
    cached: bool


def diff(a: Part, b: Part, rtol: float = RTOL, *, atol: float | None = None, cached: bool = False) -> Difference | None:
    """The first step at which two traces part, or None where they agree.

    Steps are paired by kind, module and op (updates by parameter), in order. Arrays differ where |a − b| is above
    rtol · max |a| + atol anywhere.

    rtol, atol   rtol=0: every bit counts, and the type. atol: 1e-8, or 0 with rtol=0
    cached       one of the two had a cache that spared it the positions before: along time (axes called T or S, and
                 those of arrays without letters) its shorter arrays are compared with the ends of the others

    Ops that only one of them has (a student's own in place of one fused op) are passed over where a later step that
    uses what they made agrees, and so are their backwards. Any other step that only one has is a difference.

    Raises ValueError for a negative tolerance, TypeError for what is no trace.
    """
    for trace in (a, b):
        if not isinstance(trace, Part):
            raise TypeError(f"diff: expected two traces, got a {type(trace).__name__}")
    if not rtol >= 0 or (atol is not None and not atol >= 0):
        raise ValueError(f"diff: rtol and atol are numbers from 0 up, got {rtol} and {atol}")
    rule = _Rule(rtol, (0.0 if rtol == 0 else ATOL) if atol is None else atol, rtol == 0 and not atol, cached)
    alone: tuple[list[TraceStep], list[TraceStep]] = ([], [])  # what only one has, and nobody has used yet
    own: tuple[set[int | None], set[int | None]] = (set(), set())  # nodes of ops that only one has
    keys = [[_key(step) for step in part.steps] for part in (a, b)]
    for tag, low, high, left, right in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if tag == "equal":
            for one, two in zip(a.steps[low:high], b.steps[left:right], strict=True):
                found = _compare(one, two, rule)
                if found is not None:
                    return _after(found, alone)
                for mine, step in zip(alone, (one, two), strict=True):
                    if {other.number for other in mine} & set(step.sources.values()):
                        mine.clear()  # whoever uses what they made agrees
            continue
        for side, steps in enumerate((a.steps[low:high], b.steps[left:right])):
            for step in steps:
                if step.kind == "forward":
                    alone[side].append(step)
                    own[side].add(step.node)
                elif step.kind != "backward" or step.node not in own[side]:
                    pair = (step, None) if side == 0 else (None, step)
                    return _after(_missing(*pair), alone)
    if alone[0] or alone[1]:
        return _missing(*(steps[0] if steps else None for steps in alone))
    return None


def _key(step: TraceStep) -> tuple[str, str, str, str]:
    return step.kind, step.scope, step.op, step.leaves.get("p", "") if step.kind == "update" else ""


def _missing(one: TraceStep | None, two: TraceStep | None) -> Difference:
    reason = "the traces take other ways" if one and two else f"only {'a' if one else 'b'} has this step"
    return Difference(one, two, "", "", *NOWHERE, reason)


def _after(found: Difference, alone: tuple[list[TraceStep], list[TraceStep]]) -> Difference:
    """The same, with a word on steps before it that only one trace has."""
    if not any(alone):
        return found
    names = " and ".join(
        f"{steps[0].title!r} (step {steps[0].number}, only in {which})"
        for which, steps in zip("ab", alone, strict=True)
        if steps
    )
    return replace(found, reason=f"{found.reason}\n  before it the traces took other ways: {names}")


def _compare(one: TraceStep, two: TraceStep, rule: _Rule) -> Difference | None:
    for part in ("outputs", "kept"):
        ours, theirs = getattr(one, part), getattr(two, part)
        if part == "outputs" and list(ours) != list(theirs):
            told = f"outputs: {', '.join(ours) or 'none'} in a, {', '.join(theirs) or 'none'} in b"
            return Difference(one, two, part, "", *NOWHERE, told)
        for name, value in ours.items():
            if name in theirs and ours.raw[name] is not theirs.raw[name]:
                found = _difference(value, theirs[name], one.letters.get(name, ""), rule)
                if found is not None:
                    told = f"{part.removesuffix('s')} {name}: {found[-1]}"
                    return Difference(one, two, part, name, *found[:-1], told)
    if one.kind in ("forward", "backward"):
        return None
    for name in sorted({*one.settings, *two.settings} - set(CLOCK)):
        x, y = one.settings.get(name), two.settings.get(name)
        if x != y and not (isinstance(x, float) and isinstance(y, float) and _close(x, y, rule)):
            return Difference(one, two, "settings", name, *NOWHERE, f"{name}: {x} in a, {y} in b")
    return None


def _close(x: float, y: float, rule: _Rule) -> bool:
    return bool(np.isnan(x) and np.isnan(y)) or abs(x - y) <= rule.rtol * abs(x) + rule.atol


Found = tuple[tuple[int, ...], tuple[float, float], float, str]


def _difference(a: Value, b: Value, letters: str, rule: _Rule) -> Found | None:
    time = _time(letters, len(a.shape)) if rule.cached else set()
    shapes = list(zip(a.shape, b.shape, strict=False))
    if len(a.shape) != len(b.shape) or any(n != m and i not in time for i, (n, m) in enumerate(shapes)):
        return (*NOWHERE, f"of shape {a.shape} in a, {b.shape} in b")
    if isinstance(a, Summary) or isinstance(b, Summary):
        return _summaries(a, b, rule) if a.shape == b.shape else None  # parts of what was summarised cannot be told
    if rule.exact and a.dtype != b.dtype:
        return (*NOWHERE, f"of type {a.dtype} in a, {b.dtype} in b")
    overlap = [min(n, m) for n, m in shapes]
    x, y = (array[tuple(slice(n - k, None) for n, k in zip(array.shape, overlap, strict=True))] for array in (a, b))
    if not x.size:
        return None
    floats = x.dtype.kind == y.dtype.kind == "f"
    same = (x == y) | (np.isnan(x) & np.isnan(y)) if floats else x == y
    if floats and rule.exact:
        same &= np.signbit(x) == np.signbit(y)
    if floats:
        with np.errstate(all="ignore"):
            apart = np.abs(x.astype(np.float64) - y.astype(np.float64))
        apart = np.where(np.isnan(apart), np.inf, apart)
        finite = np.abs(x[np.isfinite(x)])
        scale = float(finite.max()) if finite.size else 0.0
    else:
        apart, scale = np.ones(x.shape), 0.0
    differ = ~same & ((apart > rule.rtol * scale + rule.atol) | rule.exact | (not floats))
    if not differ.any():
        return None
    at = tuple(int(i) for i in np.unravel_index(int(np.where(differ, apart, -1.0).argmax()), apart.shape))
    values = float(x[at]), float(y[at])
    index = tuple(i + n - k for i, n, k in zip(at, a.shape, overlap, strict=True))
    largest = float(apart[at]) / scale if scale else np.inf
    told = (
        f"{values[0]:.9g} in a, {values[1]:.9g} in b at {list(index)}; {int(differ.sum())} of {x.size} numbers differ"
    )
    return index, values, largest, f"{told}, by up to {largest:.3g} of the largest"


def _time(letters: str, ndim: int) -> set[int]:
    """Axes that may be of time: those called T or S; of arrays without letters all, but the batch of three and more."""
    if not letters:
        return set(range(ndim > 2, ndim))
    return {i for i, size in enumerate(letters.strip("()").replace(" ", "").split(",")) if size in ("T", "S")}


def _summaries(a: Value, b: Value, rule: _Rule) -> Found | None:
    """Differences between what is known of two arrays, of which one was not kept whole."""
    x, y = (value if isinstance(value, Summary) else Summary.of(value) for value in (a, b))
    scale = max(abs(x.low), abs(x.high)) if np.isfinite([x.low, x.high]).all() else 0.0
    pairs: list[tuple[str, Any, Any]] = [
        (name, float(getattr(x, name)), float(getattr(y, name)))
        for name in ("low", "high", "mean", "std", "nan", "inf")
    ]
    pairs += [(f"number {i} of the sample", *both) for i, both in enumerate(zip(x.sample, y.sample, strict=False))]
    for name, one, two in pairs:
        both_nan = np.isnan(one) and np.isnan(two)
        if one != two and not both_nan and not abs(one - two) <= rule.rtol * scale + rule.atol:
            apart = abs(one - two) / scale if scale else np.inf
            return (), (one, two), apart, f"{name} is {one:.9g} in a, {two:.9g} in b"
    return None
