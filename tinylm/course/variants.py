"""Which settings are a student's own: picked by a keyed hash, the same on every machine; knows no files."""

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from tinylm.course.problem import Problem

__all__ = ["index", "variant_of", "variants_of", "with_settings"]

SIZE = 1 << 256  # how many values a SHA-256 digest has


def variant_of(problem: Problem, student: str, secret: str) -> dict[str, Any]:
    """The settings of a student's variant of a problem, by name; {} for a problem that has none.

    student   their id; space around it and the Unicode form in which it is written do not matter
    secret    the course's; who does not know it cannot tell whose settings are whose

    Each setting is picked alone, by HMAC-SHA256 over (student, problem, setting): another problem, or another setting
    of this one, changes nothing. Raises ValueError for an empty id or secret. Krawczyk et al. 1997 (RFC 2104).
    """
    student = unicodedata.normalize("NFC", student.strip())
    if not student or not secret:
        raise ValueError(
            f"a variant is of a student and a secret; got student {student!r}"
            f"{'' if secret else ' and no secret: set TINYLM_SECRET'}"
        )
    return {
        name: options[index(len(options), secret, student, problem.name, name)]
        for name, options in problem.variants.items()
    }


def variants_of(problems: Iterable[Problem], student: str, secret: str) -> dict[str, dict[str, Any]]:
    """The settings of a student by problem, for problems that have any."""
    return {each.name: variant_of(each, student, secret) for each in problems if each.variants}


def with_settings(problem: Problem, settings: Mapping[str, Any]) -> Problem:
    """The variant whose settings are these, as JSON has them: a tuple came back as a list.

    Raises ValueError for a setting that is no option.
    """
    options = {name: {json.dumps(value): value for value in problem.variants.get(name, ())} for name in settings}
    return problem.variant({name: options[name].get(json.dumps(value), value) for name, value in settings.items()})


def index(options: int, secret: str, *about: str) -> int:
    """A number below `options`, each equally likely: digests above the last whole multiple are drawn again."""
    for attempt in range(SIZE):
        message = json.dumps([*about, attempt], separators=(",", ":")).encode()
        value = int.from_bytes(hmac.digest(secret.encode(), message, hashlib.sha256), "big")
        if value < SIZE - SIZE % options:
            return value % options
    raise AssertionError("unreachable")
