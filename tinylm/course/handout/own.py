"""Everybody's own settings as a file that lies beside hidden tests, and whose a hand-in is; the secret is not in it."""

import json
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tinylm.course.handout.settings import Course, Week
from tinylm.course.variants import variants_of

__all__ = ["OWN", "folded", "own_settings", "settings_of", "whose"]

OWN = "settings.json"


def own_settings(course: Course, week: Week) -> str:
    """The file: student → exercise → setting → value, as JSON."""
    own = {student: variants_of(week.problems, student, course.secret) for student in course.students}
    return json.dumps(own, indent=1, ensure_ascii=False) + "\n"


def settings_of(folder: str | os.PathLike[str], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The settings of the first of these names that is a student's; {} where the folder has no settings.json.

    Raises ValueError where none of them is.
    """
    file = Path(folder) / OWN
    if not file.is_file():
        return {}
    own = {folded(student): settings for student, settings in json.loads(file.read_text("utf-8")).items()}
    names = list(names)
    for name in names:
        if folded(name) in own:
            return dict(own[folded(name)])
    raise ValueError(
        f"each student has settings of their own here, and none of {', '.join(map(repr, names))} is the id of one"
    )


def whose(work: str | os.PathLike[str]) -> list[str]:
    """The names that may be a student's: $STUDENT where it is set, else those of the file and of its folders.

    >>> whose("submissions/ada/my_work.py")[:2]
    ['my_work', 'ada']
    """
    given = os.environ.get("STUDENT")
    work = Path(os.path.abspath(work))
    return [given] if given else [work.stem, *(each.name for each in work.parents if each.name)][:4]


def folded(name: str) -> str:
    """An id as it is compared: space around it, case and the Unicode form in which it is written do not matter."""
    return unicodedata.normalize("NFC", name.strip()).casefold()
