"""How wrong numbers relate to the right ones: a factor, a sign, an axis, a shift; knows nothing of lists and texts."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["alike", "numbers"]

Pair = tuple[Any, Any]  # expected, got
Holds = Callable[[Any, Any], bool]  # of one pair
WIDER = (
    " A NumPy number such as np.sqrt(2), and an array of whole numbers or bools under a /, turn float32 into float64; "
    "Python's own numbers (math.sqrt(2), 0.5) do not."
)
CLOSE = 1e-5  # relative: what a claim allows, wide enough for float32
FACTORS = {2.0: "twice", 0.5: "half of", 3.0: "three times", 4.0: "four times", 0.25: "a quarter of"}


def numbers(pairs: Sequence[Pair]) -> str:
    """What all wrong arrays or numbers have in common with the right ones, as a sentence; "" where nothing is found.

    >>> numbers([(np.array([1.0, 2.0]), np.array([2.0, 4.0])), (np.array([3.0]), np.array([6.0]))])
    'Every result is twice what is expected.'
    """
    if not all(isinstance(each, (int, float, np.ndarray, np.generic)) for pair in pairs for each in pair):
        return ""
    both = [(np.asarray(want), np.asarray(have)) for want, have in pairs]
    if any(array.dtype.kind not in "fiub" for pair in both for array in pair):
        return ""
    if all(_close(want, have) for want, have in both):
        return _dtypes(both)
    if any(want.shape != have.shape for want, have in both):
        return _first(_shapes(), both)
    return _factor(both) or _first(_maps(both), both)


def _first(claims: Iterator[tuple[str, Holds]], pairs: list[Pair]) -> str:
    return next((says for says, holds in claims if all(holds(*pair) for pair in pairs)), "")


def alike(want: Any, have: Any) -> bool:
    """Whether two arrays are the same but for what a claim allows."""
    return isinstance(want, np.ndarray) and isinstance(have, np.ndarray) and _close(want, have)


def _close(want: Any, have: Any) -> bool:
    want, have = np.asarray(want), np.asarray(have)
    if want.shape != have.shape:
        return False
    finite = np.abs(want[np.isfinite(want)]).max(initial=0)
    return bool(np.isclose(have, want, rtol=0, atol=CLOSE * finite, equal_nan=True).all())


def _bad(want: Any, have: Any) -> Any:
    """Which numbers of an array are wrong."""
    return ~np.isclose(have, want, rtol=CLOSE, atol=0, equal_nan=True)


def _dtypes(pairs: list[Pair]) -> str:
    kinds = {(want.dtype.name, have.dtype.name) for want, have in pairs}
    if any(want == have for want, have in kinds):
        return "The numbers are nearly right: they are off by a little more than rounding."
    if len(kinds) == 1:
        want, have = kinds.pop()
        more = WIDER if (want, have) == ("float32", "float64") else ""
        return f"The numbers are right, but their dtype is {have} where {want} is expected.{more}"
    return "The numbers are right, but their dtype is not."


def _shapes() -> Iterator[tuple[str, Holds]]:
    """Relations of arrays of unequal shapes."""
    yield "The numbers are right, but two axes are swapped: it is transposed.", _transposed
    yield (
        "The numbers are right, but an axis of length 1 is missing.",
        lambda want, have: have.ndim < want.ndim and _close(want.squeeze(), have.squeeze()),
    )
    yield (
        "The numbers are right, but an axis of length 1 is too much.",
        lambda want, have: have.ndim > want.ndim and _close(want.squeeze(), have.squeeze()),
    )
    yield "The numbers are right, but the shape is not.", lambda want, have: _close(want.ravel(), have.ravel())
    yield "It is summed over an axis that should be kept.", lambda want, have: _reduced(np.sum, want, have)
    yield "It is averaged over an axis that should be kept.", lambda want, have: _reduced(np.mean, want, have)
    yield "It is not summed where it should be: its sum over an axis is what is expected.", _unsummed
    yield "The right numbers are repeated along an axis that should not be there.", _repeated
    yield "Its shape is not the expected one.", lambda want, have: want.shape != have.shape


def _transposed(want: Any, have: Any) -> bool:
    pairs = [(i, j) for i in range(want.ndim) for j in range(i)]
    return _close(want.T, have) or any(_close(want.swapaxes(i, j), have) for i, j in pairs)


def _reduced(over: Callable[..., Any], want: Any, have: Any) -> bool:
    axes = [(axis,) for axis in range(want.ndim)] + [tuple(range(want.ndim))]
    return any(_close(over(want, axis=axis, keepdims=keep), have) for axis in axes for keep in (False, True))


def _unsummed(want: Any, have: Any) -> bool:
    axes = [tuple(range(have.ndim - want.ndim)), *((axis,) for axis in range(have.ndim))]
    return any(_close(want, have.sum(axis=axis)) for axis in axes)


def _repeated(want: Any, have: Any) -> bool:
    if have.ndim < want.ndim or have.size <= want.size:
        return False
    try:
        return _close(np.broadcast_to(want, have.shape), have)
    except ValueError:
        return False


def _factor(pairs: list[Pair]) -> str:
    """One factor, or one number that is added, everywhere."""
    if any(array.dtype.kind == "b" for pair in pairs for array in pair):
        return ""
    wants = np.concatenate([want.ravel() for want, _ in pairs]).astype(float)
    haves = np.concatenate([have.ravel() for _, have in pairs]).astype(float)
    if not (np.isfinite(wants).all() and np.isfinite(haves).all()) or not wants.any():
        return ""
    if not haves.any():
        return "Every wrong result is 0 throughout."
    factor = float((haves * wants).sum() / (wants * wants).sum())  # no dot product: its rounding is the BLAS's
    if factor and _close(wants * factor, haves) and len(wants) > 1:
        if abs(factor + 1) < CLOSE:
            return "The sign is turned: every result is the negative of what is expected."
        near = next((word for number, word in FACTORS.items() if abs(factor - number) < CLOSE * number), "")
        return f"Every result is {near or f'{factor:.4g} times'} what is expected."
    added = float(haves[0] - wants[0])
    if added and _close(wants + added, haves) and len(wants) > 1:
        return f"Every result is {abs(added):.4g} too {'much' if added > 0 else 'little'}."
    return ""


def _maps(pairs: list[Pair]) -> Iterator[tuple[str, Holds]]:
    """Relations of arrays of equal shapes, number by number or place by place."""
    kinds = {want.dtype.kind for want, _ in pairs}
    if kinds == {"b"}:
        yield "True and False are exchanged.", lambda want, have: bool((want != have).all())
        yield "Whatever is wrong is True where it should be False.", lambda want, have: not (want & ~_true(have)).any()
        yield "Whatever is wrong is False where it should be True.", lambda want, have: not (~want & _true(have)).any()
        yield (
            "As many are True as should be, but not the right ones.",
            lambda want, have: bool(want.sum() == _true(have).sum()),
        )
    else:
        yield "The results have lost their sign.", lambda want, have: _close(np.abs(want), have)
        if any(np.count_nonzero(want) > 1 for want, _ in pairs):
            yield "Each result is a multiple of what is expected, by another factor in each call.", _multiple
        if any(want.ndim > 1 and want.shape[-1] > 1 for want, _ in pairs):
            yield "Each row (along the last axis) is a multiple of what is expected, by a factor of its own.", _rowwise
    if kinds == {"f"}:
        yield "The results are the squares of what is expected.", _image(np.square)
        yield "The results are the square roots of what is expected.", _image(np.sqrt)
        yield "The results are the logarithms of what is expected.", _image(np.log)
        yield "The results are the exponentials of what is expected.", _image(np.exp)
        yield "The results are 1 / what is expected.", _image(np.reciprocal)
        for cut in (np.trunc, np.floor, np.round):
            yield "The results are cut to whole numbers.", _image(cut)
        yield (
            "Every wrong number is nan or infinite; the others are right.",
            lambda want, have: bool((~np.isfinite(have))[_bad(want, have)].all()),
        )
    for at in range(-1, -1 - max(want.ndim for want, _ in pairs), -1):
        yield f"It comes in reversed order along axis {at}.", _along(at, np.flip)
        for step, word in ((1, "end"), (-1, "start")):
            yield f"It is shifted by one towards the {word}, along axis {at}, going round.", _rolled(at, step)
            yield f"It is shifted by one towards the {word}, along axis {at}.", _moved(at, step)
    yield "It is transposed: two axes are swapped.", _transposed
    yield (
        "The numbers are right, but in another order.",
        lambda want, have: _close(np.sort(want, axis=None), np.sort(have, axis=None)),
    )
    yield (
        "Only the diagonal is wrong.",
        lambda want, have: want.ndim > 1 and not (_bad(want, have) & (np.eye(*want.shape[-2:]) == 0)).any(),
    )
    yield (
        "Only the first place along the last axis is wrong.",
        lambda want, have: want.ndim > 0 and not _bad(want, have)[..., 1:].any(),
    )
    yield (
        "Only the last place along the last axis is wrong.",
        lambda want, have: want.ndim > 0 and not _bad(want, have)[..., :-1].any(),
    )
    if kinds <= {"i", "u"}:
        yield "Every wrong number is 1 too much.", lambda want, have: set((have - want.astype(float)).flat) <= {0, 1}
        yield "Every wrong number is 1 too little.", lambda want, have: set((have - want.astype(float)).flat) <= {0, -1}
    if kinds == {"b"}:
        return
    yield "Every wrong number is too large.", lambda want, have: bool((have > want)[_bad(want, have)].all())
    yield "Every wrong number is too small.", lambda want, have: bool((have < want)[_bad(want, have)].all())


def _multiple(want: Any, have: Any) -> bool:
    flat, other = want.ravel().astype(float), have.ravel().astype(float)
    if not np.isfinite(flat).all() or not np.isfinite(other).all() or not flat.any():
        return False
    factor = float((other * flat).sum() / (flat * flat).sum())
    return factor > 0 and _close(flat * factor, other)


def _rowwise(want: Any, have: Any) -> bool:
    if want.ndim == 0:
        return _multiple(want, have)
    rows = zip(want.reshape(-1, want.shape[-1]), have.reshape(-1, want.shape[-1]), strict=True)
    return all(_close(one, other) or _multiple(one, other) for one, other in rows) if want.size else True


def _true(have: Any) -> Any:
    return have.astype(bool)


def _image(function: Callable[[Any], Any]) -> Holds:
    return lambda want, have: _close(function(want), have)


def _along(at: int, change: Callable[[Any, int], Any]) -> Holds:
    return lambda want, have: want.ndim >= -at and _close(change(want, at), have)


def _rolled(at: int, step: int) -> Holds:
    return _along(at, lambda want, axis: np.roll(want, step, axis))


def _moved(at: int, step: int) -> Holds:
    def holds(want: Any, have: Any) -> bool:
        if want.ndim < -at or want.shape[at] < 2:
            return False
        one, other = np.moveaxis(want, at, 0), np.moveaxis(have, at, 0)
        return _close(one[:-1], other[1:]) if step > 0 else _close(one[1:], other[:-1])

    return holds
