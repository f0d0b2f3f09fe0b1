"""What can be said of an input, in words that follow "where"; knows nothing of answers."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinylm.autograd import Tensor
from tinylm.course.exercise import Case
from tinylm.course.spelling import value_of

__all__ = ["facts_of", "replaced"]


def facts_of(each: Case, names: Sequence[str]) -> dict[str, str]:
    """What holds of an input → the argument of which it is said."""
    facts: dict[str, str] = {}
    for name in names[len(each.args) :]:
        if name not in each.settings:
            facts[f"{name} is not given"] = name
    arrays: dict[str, np.ndarray] = {}
    for name, value in [*zip(names, each.args, strict=False), *each.settings.items()]:
        value = value_of(value)
        facts.update((f"{name} {says}", name) for says, holds in _about(value) if holds())
        if isinstance(value, np.ndarray) and value.ndim > 1:
            arrays[name] = value
    for one, other in ((a, b) for i, a in enumerate(arrays) for b in [*arrays][i + 1 :]):
        shapes = arrays[one].shape, arrays[other].shape
        for at in range(-len(shapes[0]), 0) if len(shapes[0]) == len(shapes[1]) else ():
            if shapes[0][at] != shapes[1][at]:
                facts[f"axis {at} of {one} is not as long as that of {other}"] = one
                if 1 not in (shapes[0][at], shapes[1][at]):
                    facts[f"axis {at} of {one} is not as long as that of {other}, and neither has length 1"] = one
    for name, value in each.settings.items():
        if value is None or isinstance(value, (bool, int, float, str)):
            facts[f"{name} is {value!r}"] = name
        facts[f"{name} is given by name"] = name
    return facts


def replaced(each: Case, names: Sequence[str], name: str) -> Iterator[Case]:
    """The input with other plain values for the argument of that name: zeros, ones, unequal numbers, fewer items."""
    if name in each.settings:
        for value in _others(each.settings[name]):
            yield Case(each.args, {**each.settings, name: value})
    elif name in (given := list(names[: len(each.args)])):
        at = given.index(name)
        for value in _others(each.args[at]):
            yield Case((*each.args[:at], value, *each.args[at + 1 :]), each.settings)


def _others(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        others = [np.zeros_like(value), np.ones_like(value)]
        if value.dtype.kind == "f":
            unequal = (np.arange(value.size).reshape(value.shape) / 4 + 0.25).astype(value.dtype)
            others += [unequal, -unequal, np.abs(value)]
        return others
    if isinstance(value, (list, tuple)):
        return [value[:0], value[:1], value[:2], type(value)(dict.fromkeys(value)) if _plain(value) else value[:1]]
    if isinstance(value, str):
        return ["", "a", "ab", "aa", "a b", "é"]
    if isinstance(value, bytes):
        return [b"", b"a", b"ab", b"aa"]
    return []  # a single number may be a size or a step: the library itself need not come back for any number


def _plain(items: Any) -> bool:
    return all(isinstance(item, (int, str, bytes)) for item in items)


def _about(value: Any) -> Iterator[tuple[str, Callable[[], bool]]]:
    if isinstance(value, Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        yield "is given", lambda: True
        yield f"is {value.dtype}", lambda: True
        yield "holds more than one number", lambda: value.size > 1
        yield "is empty", lambda: not value.size
        yield "has no axes", lambda: value.ndim == 0
        yield "has more than one axis", lambda: value.ndim > 1
        yield "has more than two axes", lambda: value.ndim > 2
        yield "has a last axis of length 1", lambda: value.ndim > 0 and value.shape[-1] == 1
        yield "has an axis of length 1", lambda: 1 in value.shape
        yield "has one row (a last axis but one of length 1)", lambda: value.ndim > 1 and value.shape[-2] == 1
        if value.dtype.kind in "iuf" and value.size:
            yield "holds a negative number", lambda: bool((value < 0).any())
            yield "holds a 0", lambda: bool((value == 0).any())
            yield "holds nothing but 0", lambda: not value.any()
            yield "holds a number that is not finite", lambda: not np.isfinite(value).all()
            yield "holds large numbers (100 and more)", lambda: bool((np.abs(value) >= 100).any())
            yield "holds equal numbers", lambda: value.size > len(np.unique(value))
            yield (
                "has a row of equal numbers",
                lambda: value.ndim > 0 and value.shape[-1] > 1 and bool((value == value[..., :1]).all(-1).any()),
            )
    elif isinstance(value, (str, bytes)):
        yield "is empty", lambda: not value
        yield "is longer than one letter", lambda: len(value) > 1
        if isinstance(value, str):
            yield "holds letters that are not ASCII", lambda: not value.isascii()
            yield "holds white space", lambda: any(letter.isspace() for letter in value)
        yield (
            "holds the same letter twice in a row",
            lambda: any(a == b for a, b in pairwise(value)),
        )
    elif isinstance(value, (list, tuple, dict, set)):
        yield "is empty", lambda: not value
        yield "has more than one item", lambda: len(value) > 1
        if isinstance(value, (list, tuple)):
            yield "holds equal items", lambda: len({repr(item) for item in value}) < len(value)
            yield (
                "holds something empty",
                lambda: any(isinstance(item, (str, bytes, list)) and not item for item in value),
            )
            texts = [item for item in value if isinstance(item, str)]
            yield "holds letters that are not ASCII", lambda: any(not item.isascii() for item in texts)
    elif isinstance(value, bool) or value is None:
        yield f"is {value}", lambda: True
    elif isinstance(value, (int, float)):
        yield "is 0", lambda: value == 0
        yield "is negative", lambda: value < 0
        yield "is 1", lambda: value == 1
