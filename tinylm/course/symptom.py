"""What wrong results have in common where no known fault fits: how they relate to the right ones, and when they come.

Nothing is claimed that does not hold for every input that goes wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinylm.autograd import Tensor
from tinylm.course.exercise import Case
from tinylm.course.expect import changed, names_of, quiet, view
from tinylm.course.outcome import Outcome
from tinylm.course.problem import Problem
from tinylm.course.resemblance import resemblance
from tinylm.course.spelling import value_of

__all__ = ["symptom"]

Tried = tuple[Case, Outcome, Outcome, bool]  # the input, expected, got, whether that is wrong

EACH = 3  # inputs that go well, and that go wrong, before it is said when which comes
ONLY = 5  # inputs that go wrong, all where something holds that is seldom so of the ones that go well:
SELDOM = 0.3  # by chance that is so in 0.3 ** 5, one in four hundred
RARE = 1e-4  # as likely it is by chance that an answer goes well wherever a thing holds, before that is said


def symptom(problem: Problem, tried: Sequence[Tried]) -> str:
    """A few sentences on the wrong results of an answer; "" where nothing is found."""
    wrong = [each for each in tried if each[3]]
    crashes = [each for each in wrong if each[2].error is not None]
    with quiet():
        if any(got.stopped for _, _, got, _ in wrong):
            return _when(problem, tried, wrong, "It goes wrong")
        silent = [each for each in wrong if each[1].error is not None and each[2].error is None]
        if silent and not crashes and len(silent) < len(wrong):
            others = [each for each in wrong if each[1].error is None]
            asked = [each for each in tried if each[1].error is None]
            words = (
                _what(problem, silent),
                _when(problem, asked, others, "Besides, it goes wrong"),
                _what(problem, others),
            )
            return " ".join(filter(None, words))
        if not crashes or len(crashes) == len(wrong):
            return f"{_what(problem, wrong)} {_when(problem, tried, wrong, 'It goes wrong')}".strip()
        # two things are wrong; each is looked at by itself
        others = [each for each in wrong if each[2].error is None]
        first = _when(problem, tried, crashes, _raises(crashes)) or f"{_raises(crashes)} on some inputs."
        second = _when(problem, [each for each in tried if each[2].error is None], others, "Besides, it goes wrong")
        return f"{first} {second} {_what(problem, others)}".strip().replace("  ", " ")


def _raises(crashes: Sequence[Tried]) -> str:
    kinds = {got.error.kinds[0] for _, _, got, _ in crashes if got.error is not None}
    return f"It raises {kinds.pop()}" if len(kinds) == 1 else "It raises an error"


def _what(problem: Problem, wrong: Sequence[Tried]) -> str:
    if all(got.error is not None for _, _, got, _ in wrong):
        return f"{_raises(wrong)} wherever it goes wrong."
    if all(expected.error is not None for _, expected, _, _ in wrong):
        kinds = {expected.error.kinds[-1] for _, expected, _, _ in wrong if expected.error is not None}
        return f"It returns something where it should raise {kinds.pop()}." if len(kinds) == 1 else ""
    if any(expected.error is not None for _, expected, _, _ in wrong):
        return ""
    try:
        pairs = [(view(problem, each, want), view(problem, each, have)) for each, want, have, _ in wrong]
        if all(problem.compare(*pair) is None for pair in pairs):
            extra = {tuple(set(changed(each, have)) - set(changed(each, want))) for each, want, have, _ in wrong}
            return "What it returns is right, but it changes its arguments." if extra != {()} else ""
        return resemblance(pairs)
    except Exception:  # objects of the student's own, of which nothing can be said
        return ""


def _when(problem: Problem, tried: Sequence[Tried], wrong: Sequence[Tried], what: str) -> str:
    """What holds of exactly the inputs that go wrong; or of all of them, and of few others."""
    if len(wrong) < EACH or len(tried) - len(wrong) < EACH:
        return ""
    facts = [(_facts(each[0], names_of(problem, each[0])), any(each is one for one in wrong)) for each in tried]
    bad = [says for says, is_wrong in facts if is_wrong]
    good = [says for says, is_wrong in facts if not is_wrong]
    known = dict.fromkeys(says for each, _ in facts for says in each)
    for says in known:
        if all(says in each for each in bad) and not any(says in each for each in good):
            return f"{what} exactly where {says}."
    for says in known:
        if all(says in each for each in good) and not any(says in each for each in bad):
            return f"{what} everywhere but where {says}."
    sizes = [each[0].size for each in wrong], [each[0].size for each in tried if not any(each is one for one in wrong)]
    if max(sizes[1]) < min(sizes[0]):
        return f"{what} on all but the smallest inputs."
    for says in known:
        seldom = sum(says in each for each in good) <= SELDOM * len(good)
        if seldom and len(bad) >= ONLY and all(says in each for each in bad):
            return f"{what} only where {says}."
    for says in known:
        well = sum(says in each for each in good)
        if (len(good) / len(facts)) ** well < RARE and not any(says in each for each in bad):
            return f"{what} on no input where {says}."
    return ""


def _facts(each: Case, names: Sequence[str]) -> dict[str, None]:
    """What can be said of an input, in words that follow "where"; a dict for its order."""
    facts: dict[str, None] = {}
    for name in names[len(each.args) :]:
        if name not in each.settings:
            facts[f"{name} is not given"] = None
    for name, value in [*zip(names, each.args, strict=False), *each.settings.items()]:
        value = value_of(value)
        facts.update(dict.fromkeys(f"{name} {says}" for says, holds in _about(value) if holds()))
    for name, value in each.settings.items():
        if value is None or isinstance(value, (bool, int, float, str)):
            facts[f"{name} is {value!r}"] = None
        facts[f"{name} is given by name"] = None
    return facts


def _about(value: Any) -> Iterator[tuple[str, Callable[[], bool]]]:
    if isinstance(value, Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        yield f"is {value.dtype}", lambda: True
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
