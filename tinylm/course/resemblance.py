"""How a wrong value relates to the right one: a factor, a sign, an axis, an order; a claim holds for all pairs or is
not made.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinylm.autograd import Tensor
from tinylm.course.compare import same
from tinylm.course.resemblance_arrays import alike, numbers

__all__ = ["Pair", "listed", "resemblance"]

Pair = tuple[Any, Any]  # expected, got


def resemblance(pairs: Sequence[Pair]) -> str:
    """What all wrong values have in common with the right ones, as a sentence; "" where nothing is found.

    >>> resemblance([(np.array([1.0, 2.0]), np.array([2.0, 4.0])), (np.array([3.0]), np.array([6.0]))])
    'Every result is twice what is expected.'
    """
    pairs = [(_plain(want), _plain(have)) for want, have in pairs]
    if not pairs:
        return ""
    part, pairs = _one_part(pairs)
    with np.errstate(all="ignore"):
        found = next(filter(None, (claims(pairs) for claims in (_kind, numbers, _sequences, _mappings))), "")
    return f"{part}{found[0].lower() + found[1:] if part else found}" if found else part and f"{part[:-2]}."


def _plain(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else value


def _one_part(pairs: list[Pair]) -> tuple[str, list[Pair]]:
    """Of several results that come together: the one that is wrong, or all the wrong ones as pairs of their own."""
    want, _ = pairs[0]
    if not isinstance(want, (tuple, list)) or not any(isinstance(each, (np.ndarray, list, dict)) for each in want):
        return "", pairs
    lengths = {len(each) for pair in pairs for each in pair if isinstance(each, (tuple, list))}
    if lengths != {len(want)} or not all(isinstance(each, (tuple, list)) for pair in pairs for each in pair):
        return "", pairs
    if not any(isinstance(each, np.ndarray) for each in want) and not isinstance(want, tuple):
        return "", pairs
    bad = [
        (i, _plain(one), _plain(other))
        for wants, haves in pairs
        for i, (one, other) in enumerate(zip(wants, haves, strict=True))
        if same(one, other) is not None
    ]
    places = sorted({i for i, _, _ in bad})
    inside = [(one, other) for _, one, other in bad]
    if len(places) == 1 and len(want) > 1:
        return f"Of the {len(want)} results only number {places[0] + 1} is wrong: ", inside
    return "", inside


def _kind(pairs: list[Pair]) -> str:
    """Another kind of thing in place of the right one."""
    kinds = {(_word(want), _word(have)) for want, have in pairs}
    if len(kinds) != 1:
        return ""
    want, have = kinds.pop()
    if want == have or {want, have} <= {"a list", "a tuple"} or {want, have} <= {"a number", "an array"}:
        return ""
    contents = ""
    if all(_contents(one) == _contents(other) for one, other in pairs):
        contents = ", with the right contents"
    return f"It gives {have} where {want} is expected{contents}."


def _word(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "an array"
    if isinstance(value, (bool, np.bool_)):
        return "a truth value"
    if isinstance(value, (int, float, np.generic)):
        return "a number"
    if isinstance(value, bytes):
        return "bytes"
    name = "dict" if isinstance(value, Mapping) else type(value).__name__  # a Counter is as good as a dict
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _contents(value: Any) -> Any:
    """What stands in a value, whatever holds it."""
    if isinstance(value, str):
        return [*value.encode("utf-8", "surrogatepass")]
    try:
        if isinstance(value, np.ndarray):
            return value.tolist()
        return sorted(value, key=repr) if isinstance(value, (set, frozenset)) else [*value]
    except TypeError:
        return value


def _sequences(pairs: list[Pair]) -> str:
    """Lists, tuples and texts."""
    if not all(isinstance(each, (list, tuple, str, bytes)) for pair in pairs for each in pair):
        return ""

    def joined(value: Any) -> Any:
        value = [part[0] if isinstance(part, tuple) and part else part for part in value]  # a text and what it is
        whole: Any = "" if value and isinstance(value[0], str) else b""
        return whole.join(value) if all(isinstance(part, type(whole)) for part in value) else None

    claims: list[tuple[str, Callable[[Any, Any], bool]]] = [
        ("Something comes where nothing should.", lambda want, have: len(want) == 0 < len(have)),
        ("It comes in reversed order.", lambda want, have: same(list(want)[::-1], list(have)) is None),
        ("The items are right, but in another order.", lambda want, have: _counted(want) == _counted(have)),
        ("It stops too early: what comes is right, but the end is missing.", lambda want, have: _starts(want, have)),
        ("It goes on too long: it begins right, then more comes.", lambda want, have: _starts(have, want)),
        ("The beginning is missing; the rest is right.", lambda want, have: _starts(want[::-1], have[::-1])),
        ("Something comes first that should not; then it is right.", lambda want, have: (
            _starts(have[::-1], want[::-1]))),
        ("Every item is there, and some more than once.", lambda want, have: (
            len(have) > len(want) and set(_counted(want)) == set(_counted(have)))),
        ("Some items are missing; the others are right and in order.", lambda want, have: (
            len(have) < len(want) and _inside(have, want))),
        ("It is cut at other places: joined, the parts are what is expected.", lambda want, have: (
            not isinstance(want, (str, bytes)) and len(want) > 0 and joined(want) is not None
            and joined(want) == joined(have))),
    ]  # fmt: skip
    found = next((says for says, holds in claims if all(holds(*pair) for pair in pairs)), "")
    if found or not all(len(want) == len(have) and want and _ints(want) and _ints(have) for want, have in pairs):
        return found
    return numbers([(np.array(want), np.array(have)) for want, have in pairs])


def _counted(value: Any) -> Counter[str]:
    return Counter(repr(each) for each in value)


def _ints(value: Any) -> bool:
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in value)


def _starts(long: Any, short: Any) -> bool:
    return len(short) < len(long) and same(list(long[: len(short)]), list(short)) is None


def _inside(short: Any, long: Any) -> bool:
    rest = iter(long)
    return all(any(same(each, one) is None for each in rest) for one in short)


def _mappings(pairs: list[Pair]) -> str:
    """Dictionaries."""
    if not all(isinstance(each, Mapping) for pair in pairs for each in pair):
        return ""
    kinds = [{_word(key) for pair in pairs for key in pair[place]} for place in (0, 1)]
    if all(len(each) == 1 for each in kinds) and kinds[0] != kinds[1]:
        return f"Each key should be {kinds[0].pop()}, and is {kinds[1].pop()}."
    if said := _parts(pairs):
        return said
    if all(set(want) == set(have) for want, have in pairs):
        inside = [
            (want[key], have[key]) for want, have in pairs for key in want if same(want[key], have[key]) is not None
        ]
        return f"The keys are right, but not their values. {resemblance(inside)}".rstrip()
    if all(set(want) > set(have) for want, have in pairs):
        return "Some keys are missing."
    if all(set(want) < set(have) for want, have in pairs):
        return "There are keys too many."
    return ""


def _parts(pairs: list[Pair]) -> str:
    """Of results that have names, the same in every call: which of them are wrong, and what these have in common."""
    names = list(pairs[0][0])
    if not all(isinstance(name, str) for name in names) or any(
        set(each) != set(names) for pair in pairs for each in pair
    ):
        return ""
    moved = {
        name: other
        for name in names
        for other in names
        if other != name
        and all(alike(want[other], have[name]) for want, have in pairs)
        and not all(alike(want[name], have[name]) for want, have in pairs)
    }
    if len(moved) > 1:
        there = listed(list(moved.values()))
        return f"Where {listed(list(moved))} should be there are {there}: do they come in another order?"
    bad = [name for name in names if any(same(want[name], have[name]) is not None for want, have in pairs)]
    if not bad or len(bad) == len(names):
        return ""
    said = f"Of {listed(names)} only {listed(bad)} {'is' if len(bad) == 1 else 'are'} wrong."
    if len(bad) > 1:
        return said
    inside = [(want[bad[0]], have[bad[0]]) for want, have in pairs if same(want[bad[0]], have[bad[0]]) is not None]
    return f"{said} {resemblance(inside)}".rstrip()


def listed(names: Sequence[str]) -> str:
    """
    >>> listed(["p", "m", "v"])
    'p, m and v'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
