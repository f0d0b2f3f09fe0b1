"""Exercises for who gives a course: the points of a hand-in, and whose settings are whose."""

from collections.abc import Sequence
from typing import Any

from tinylm.course.exercise import Exercise, case, register
from tinylm.course.verdict import Verdict


def _points_of(statuses: Sequence[str], worth: Sequence[float]) -> float:
    return sum(each * Verdict("", status, "").share for status, each in zip(statuses, worth, strict=True))


register(
    Exercise(
        "points_of",
        'Return the points of a hand-in. `statuses` says of each exercise what was found: "right", "slow" (right, and '
        'far too much work), "wrong", "unwritten" and so on; `worth` says what each gives. Right gets all of it, slow '
        "half, everything else nothing.",
        reference=_points_of,
        cases=[
            case([], []),
            case(["right"], [4]),
            case(["wrong"], [4]),
            case(["slow"], [5]),
            case(["unwritten", "right"], [4, 6]),
            case(["right", "slow", "stopped", "right"], [2, 3, 6, 2.5]),
        ],
    )
)


def _option_of(secret: str, student: str, exercise: str, setting: str, options: Sequence[Any]) -> Any:
    from tinylm.course.variants import index

    return options[index(len(options), secret, student, exercise, setting)]


register(
    Exercise(
        "option_of",
        "Return the option that is this student's: HMAC-SHA256, keyed with the secret in UTF-8, of the JSON list "
        "[student, exercise, setting, 0] written without spaces, as a whole number with its greatest byte first, "
        "modulo the number of options. (`hmac.digest(key, message, hashlib.sha256)` and `int.from_bytes` are at hand.)",
        reference=_option_of,
        cases=[
            case("s", "ada", "layer_norm", "eps", ["one"]),
            case("s", "ada", "layer_norm", "eps", [1e-5, 1e-3, 1e-2]),
            case("s", "ben", "layer_norm", "eps", [1e-5, 1e-3, 1e-2]),
            case("t", "ben", "layer_norm", "eps", [1e-5, 1e-3, 1e-2]),
            case("s", "Zoë", "rotary", "base", list(range(100))),
            case("s", "Zoë", "rotary", "other", list(range(100))),
            case("s", "Zoë", "rms_norm", "base", list(range(100))),
        ],
    )
)
