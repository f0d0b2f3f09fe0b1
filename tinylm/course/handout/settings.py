"""COURSE.toml: what a course consists of, read and checked; knows nothing of the folders made from it."""

import datetime
import difflib
import hashlib
import hmac
import os
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinylm.course.exercise import UnknownExerciseError
from tinylm.course.problem import Problem, problem_named

__all__ = ["Course", "CourseError", "Item", "Week", "read_course"]

POINTS = {1: 2, 2: 4, 3: 6, 4: 10}  # by level, where a course gives none
SHORTEST = 8  # characters of a secret
INSTALL = "pip install 'tinylm[course]'"


class CourseError(ValueError):
    """A COURSE.toml that cannot be used; the message says where, what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Item:
    """An exercise in a course, and what it is worth."""

    problem: Problem
    points: float


@dataclass(frozen=True, slots=True)
class Week:
    """One hand-in: its exercises, what is said about them, and until when."""

    number: int
    title: str
    items: tuple[Item, ...]
    text: str = ""
    due: str = ""

    @property
    def name(self) -> str:
        """As folders and notebooks are called."""
        return f"week_{self.number}"

    @property
    def problems(self) -> list[Problem]:
        return [item.problem for item in self.items]

    @property
    def points(self) -> float:
        return sum(item.points for item in self.items)


@dataclass(frozen=True, slots=True)
class Course:
    """A whole course.

    install   what a student types to have tinylm
    students  their ids, where everybody has settings of their own; each gets a folder
    secret    of the variants and of the hidden tests; it stands in no file that is written
    source    the text of COURSE.toml
    """

    title: str
    weeks: tuple[Week, ...]
    text: str = ""
    install: str = INSTALL
    students: tuple[str, ...] = ()
    secret: str = ""
    source: str = ""

    @property
    def seed(self) -> int:
        """Of the hidden tests: nobody who lacks the secret knows their inputs; 0 without a secret."""
        if not self.secret:
            return 0
        digest = hmac.digest(self.secret.encode(), b"hidden tests", hashlib.sha256)
        return int.from_bytes(digest[:4], "big")


def read_course(path: str | os.PathLike[str], *, secret: str = "") -> Course:
    """The course that a COURSE.toml describes.

    secret   given here, it counts for more than `secret_file` in COURSE.toml

    Raises CourseError for what it does not allow, OSError where the file cannot be read.
    """
    path = Path(path)
    try:
        source = path.read_text("utf-8-sig")  # as Notepad may save it
        data = tomllib.loads(source)
    except UnicodeDecodeError as problem:
        raise CourseError(f"{path}: expected text in UTF-8; {problem}") from problem
    except tomllib.TOMLDecodeError as problem:
        raise CourseError(f"{path} is not TOML: {problem}") from problem
    known = ("title", "text", "install", "students", "secret_file", "weeks")
    if "secret" in data:
        raise CourseError(
            f"{path}: a secret does not stand in COURSE.toml, which is handed around; put it into a file of its own "
            'and write secret_file = "secret.txt", or set TINYLM_SECRET'
        )
    _only(data, known, str(path))
    weeks = _expect(data, "weeks", list, f"{path}", "a table [[weeks]] for each week", required=True)
    read = tuple(_week(week, number, f"{path}: weeks[{number}]") for number, week in enumerate(weeks, 1))
    if not read:
        raise CourseError(f"{path}: expected at least one [[weeks]]")
    _only_once(item.problem.name for week in read for item in week.items)
    given = {
        "title": _expect(data, "title", str, str(path), "a text", required=True),
        "text": _expect(data, "text", str, str(path), "a text", otherwise=""),
        "install": _expect(data, "install", str, str(path), "a command in a text", otherwise=INSTALL),
    }
    students = _students(_expect(data, "students", list, str(path), "a list of ids", otherwise=[]), str(path))
    secret_file = _expect(data, "secret_file", str, str(path), "the name of a file", otherwise="")
    if not secret and secret_file:
        secret = (path.parent / secret_file).read_text("utf-8-sig").strip()
        if not secret:
            raise CourseError(f"{path.parent / secret_file} is empty; write the course's secret into it")
    if students and not secret:
        raise CourseError(
            f"{path}: with students, everybody has settings of their own, and these hang on a secret; "
            'set TINYLM_SECRET, or write secret_file = "secret.txt"'
        )
    if secret and len(secret) < SHORTEST:
        raise CourseError(f"the secret has {len(secret)} characters; {SHORTEST} or more cannot be guessed")
    if secret and secret in source:
        raise CourseError(f"{path} holds the secret; take it out, or choose another")
    return Course(**given, weeks=read, students=students, secret=secret, source=source)


def _week(data: Any, number: int, where: str) -> Week:
    if not isinstance(data, dict):
        raise CourseError(f"{where}: expected a table [[weeks]], got {data!r}")
    _only(data, ("title", "text", "due", "exercises"), where)
    listed = _expect(data, "exercises", list, where, "a list of names of exercises", required=True)
    if not listed:
        raise CourseError(f"{where}.exercises is empty; tinylm stub --list names all there are")
    items = tuple(_item(each, f"{where}.exercises[{i}]") for i, each in enumerate(listed, 1))
    _only_once(item.problem.name for item in items)
    symbols = [item.problem.symbol for item in items]
    for symbol in symbols:
        if symbols.count(symbol) > 1:
            both = " and ".join(item.problem.name for item in items if item.problem.symbol == symbol)
            raise CourseError(f"{where}: {both} are written under one name, {symbol}; put them into different weeks")
    due = data.get("due", "")
    if not isinstance(due, (str, datetime.date)):
        raise CourseError(f"{where}.due: expected a date, as 2027-03-01, or a text, got {due!r}")
    return Week(
        number,
        _expect(data, "title", str, where, "a text", required=True),
        items,
        _expect(data, "text", str, where, "a text", otherwise=""),
        str(due),
    )


def _item(data: Any, where: str) -> Item:
    if isinstance(data, str):
        data = {"name": data}
    if not isinstance(data, dict):
        raise CourseError(f'{where}: expected a name, or {{name = "layer_norm", points = 4}}, got {data!r}')
    _only(data, ("name", "points"), where)
    name = _expect(data, "name", str, where, "the name of an exercise", required=True)
    try:
        problem = problem_named(name)
    except UnknownExerciseError as unknown:
        raise CourseError(f"{where}: {unknown}") from unknown
    points = data.get("points", POINTS[problem.level])
    if isinstance(points, bool) or not isinstance(points, (int, float)) or not 0 < points < 1e6:
        raise CourseError(f"{where}.points: expected a number above 0, got {points!r}")
    return Item(problem, points)


def _students(ids: list[Any], where: str) -> tuple[str, ...]:
    for each in ids:
        if not isinstance(each, str) or not re.fullmatch(r"\w[\w.@+-]{0,63}", each):
            raise CourseError(
                f"{where}: students: expected ids of letters, digits and . @ + - _ (folders bear them), got {each!r}"
            )
    folded = [unicodedata.normalize("NFC", each).casefold() for each in ids]
    twice = [each for each in folded if folded.count(each) > 1]
    if twice:
        raise CourseError(f"{where}: students: {twice[0]!r} stands there twice")
    return tuple(ids)


def _only(data: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    known = list(known)
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise CourseError(f"{where}: no setting is called {key!r}{hint} There are: {', '.join(known)}")


def _only_once(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise CourseError(f"the exercise {name!r} stands in the course twice; leave it out once")
        seen.add(name)


def _expect(
    data: Mapping[str, Any],
    key: str,
    kind: type,
    where: str,
    what: str,
    *,
    required: bool = False,
    otherwise: Any = None,
) -> Any:
    if key not in data:
        if required:
            raise CourseError(f"{where}: there is no {key}; expected {what}")
        return otherwise
    if key == "title" and isinstance(data[key], str) and re.search(r'[\n\\]|"""', data[key].strip()):
        raise CourseError(f"{where}.title: expected one line without backslashes, got {data[key]!r}")
    if not isinstance(data[key], kind) or (required and kind is str and not data[key].strip()):
        raise CourseError(f"{where}.{key}: expected {what}, got {data[key]!r}")
    return data[key]
