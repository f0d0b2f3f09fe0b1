"""Whose each hand-in is, where a course says who takes part; what is nobody's, or one of two, is left to a person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tinylm.course.handout.own import folded
from tinylm.course.klass.submissions import Submission

__all__ = ["NOTHING", "Enrolled", "enrolled", "some"]

NAMED = 4  # students in a sentence
NOTHING = "nothing handed in"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A class: who takes part, and what is graded.

    students   in the order of the course; where it names none, all who handed in
    found      what is graded, under the ids of the students
    unclear    student, or name of a hand-in → why a person has to say what is graded
    came_as    student → the name that the hand-in bears, where it only begins with the id
    """

    students: tuple[str, ...]
    found: tuple[Submission, ...]
    unclear: Mapping[str, str] = field(default_factory=dict)
    came_as: Mapping[str, str] = field(default_factory=dict)

    @property
    def not_graded(self) -> dict[str, str]:
        """Student, or name of a hand-in → why there is no verdict."""
        graded = {each.student for each in self.found}
        return {**{each: NOTHING for each in self.students if each not in graded}, **self.unclear}


def enrolled(found: Iterable[Submission], students: Sequence[str] = ()) -> Enrolled:
    """The class that handed these in; `students` are the ids of all who take part, () where nobody has said.

    A name is an id as in `folded`, or it begins with one and goes on with what is no letter or digit: Ben, ben_week1.
    One that may be several students', and several that may be one's, are unclear.
    """
    found = tuple(found)
    if not students:
        return Enrolled(tuple(each.student for each in found), found)
    ids = {folded(each): each for each in students}
    theirs: dict[str, list[Submission]] = {each: [] for each in students}
    unclear: dict[str, str] = {}
    for each in found:
        whose = _whose(each.student, ids)
        if len(whose) == 1:
            theirs[whose[0]].append(each)
        elif whose:
            may_be = " or ".join(f"{student}'s" for student in whose)
            unclear[each.student] = f"not graded: whose is it? It may be {may_be}"
        else:
            unclear[each.student] = (
                f"not graded: whose is it? Expected an id ({some(students)}), or a name that begins with one, as "
                f"{students[0]}_week_1"
            )
    one = {student: mine[0] for student, mine in theirs.items() if len(mine) == 1}
    for student, mine in theirs.items():
        if len(mine) > 1:
            names = " and ".join(each.student for each in mine)
            unclear[student] = f"not graded: {names} may {'both' if len(mine) == 2 else 'all'} be {student}'s"
    return Enrolled(
        tuple(students),
        tuple(replace(each, student=student) for student, each in one.items()),
        unclear,
        {student: each.student for student, each in one.items() if folded(each.student) != folded(student)},
    )


def _whose(name: str, ids: Mapping[str, str]) -> list[str]:
    """The students whose hand-in may bear this name; `ids` is folded id → id."""
    name = folded(name)
    if name in ids:
        return [ids[name]]
    return [each for begins, each in ids.items() if name.startswith(begins) and not name[len(begins)].isalnum()]


def some(students: Sequence[str]) -> str:
    """The first few by name: a class is large, and many share a setting that has few options."""
    more = f" and {len(students) - NAMED} more" if len(students) > NAMED else ""
    return ", ".join(students[:NAMED]) + more
