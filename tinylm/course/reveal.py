"""A reader's prediction beside what came out; knows nothing of what was predicted."""

import math
from dataclasses import dataclass
from html import escape
from types import EllipsisType
from typing import Any

import numpy as np

from tinylm.autograd import Tensor
from tinylm.course.compare import same
from tinylm.course.spelling import show
from tinylm.course.style import panel

__all__ = ["Reveal", "reveal"]


@dataclass(frozen=True, slots=True, repr=False)
class Reveal:
    """What was predicted and what came; `right` is None where nothing was predicted."""

    right: bool | None
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        kind = "open" if self.right is None else "right" if self.right else "wrong"
        return panel(kind, escape(self.text))


def reveal(guess: Any, actual: Any, unit: str = "") -> Reveal:
    """Put a prediction beside the result: numbers, strings, lists and arrays; says how far off it was.

    guess: `...` or None means that nothing was predicted yet. unit: as in "tokens", one of them is a "token".

    >>> reveal(3, 4, "tokens")
    you said 3, it is 4 tokens: 1 too low
    >>> reveal(..., 4, "tokens")
    no prediction yet: it is 4 tokens; next time write your number first
    >>> reveal([1, 2, 2], [1, 2, 3])
    you said [1, 2, 2], it is [1, 2, 3]: 2 of 3 agree, the first that does not is at [2]
    """
    actual = _plain(actual)
    it_is = f"it is {_show(actual)}{_unit(actual, unit)}"
    if guess is None or isinstance(guess, EllipsisType):
        what = "number" if _is_number(actual) else "answer"
        return Reveal(None, f"no prediction yet: {it_is}; next time write your {what} first")
    try:
        guess = _plain(guess)
        right, how_far = _judge(guess, actual)
        said = f"you said {_show(guess)}"
    except Exception as error:  # a guess may be any object at all
        right, how_far, said = False, "", f"your {type(guess).__name__} cannot be compared ({type(error).__name__})"
    if right:
        return Reveal(True, f"{said}, and {it_is}{how_far}: well predicted")
    return Reveal(False, f"{said}, {it_is}{how_far}")


def _judge(guess: Any, actual: Any) -> tuple[bool, str]:
    """Whether the prediction is right, and how far off it is."""
    if _is_number(guess) and _is_number(actual):
        return _judge_number(float(guess), float(actual))
    if isinstance(actual, np.ndarray) or (isinstance(guess, np.ndarray) and isinstance(actual, (list, tuple))):
        return _judge_array(guess, actual)
    difference = same(actual, guess)
    if difference is None:
        return True, ""
    if isinstance(guess, (list, tuple)) and isinstance(actual, (list, tuple)):
        if len(guess) != len(actual):
            return False, f": you have {len(guess)} of {len(actual)}"
        agree = [same(b, a) is None for a, b in zip(guess, actual, strict=True)]
        return False, f": {sum(agree)} of {len(agree)} agree, the first that does not is at [{agree.index(False)}]"
    return False, ""


def _judge_number(guess: float, actual: float) -> tuple[bool, str]:
    if guess == actual or (math.isnan(guess) and math.isnan(actual)):
        return True, ""
    off = abs(guess - actual)
    if not math.isfinite(off):
        return False, ""
    if off <= 0.01 * abs(actual) and actual != int(actual):  # nobody predicts more digits
        return True, f" ({off:.2g} off)"
    share = f" ({off / abs(actual):.0%})" if actual and actual != int(actual) else ""
    return False, f": {off:.4g} too {'low' if guess < actual else 'high'}{share}"


def _judge_array(guess: Any, actual: Any) -> tuple[bool, str]:
    mine, theirs = np.asarray(guess), np.asarray(actual)
    if mine.shape != theirs.shape:
        return False, f": your shape is {mine.shape}"
    if theirs.dtype.kind == "f" and mine.dtype.kind in "fiu":
        close = np.isclose(mine, theirs, rtol=0.01, atol=1e-9, equal_nan=True)
    else:
        close = mine == theirs
    if close.all():
        return True, ""
    first = [int(i) for i in np.argwhere(~close)[0]]
    most = ""
    if theirs.dtype.kind in "fiu" and mine.dtype.kind in "fiu":
        most = f", the greatest difference is {np.nanmax(np.abs(mine.astype(float) - theirs)):.4g}"
    return False, f": {int(close.sum())} of {close.size} agree, the first that does not is at {first}{most}"


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.numpy()
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _show(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=4, threshold=50, separator=", ")
    return show(value)


def _unit(value: Any, unit: str) -> str:
    if not unit:
        return ""
    return f" {unit[:-1] if _is_number(value) and value == 1 and unit.endswith('s') else unit}"
