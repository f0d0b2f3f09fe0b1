"""What a class's verdicts say about the exercises: shares, faults, and how well each tells students apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinylm.course.verdict import Verdict

__all__ = ["Common", "Exercised", "about", "correlation"]


@dataclass(frozen=True, slots=True)
class Common:
    """A fault that several students have made: its name, what it is as if, how many, and who."""

    fault: str
    says: str
    students: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exercised:
    """An exercise, as a class has solved it.

    counts          status → how many students
    right           how many are right
    tried_by        how many handed in something for it: all but "missing" and "unwritten"
    discrimination  correlation of being right here with the number of other exercises that are right; None where all
                    students are equal in one of the two
    faults          the most common ones first
    """

    name: str
    counts: dict[str, int]
    right: int
    tried_by: int
    discrimination: float | None
    faults: tuple[Common, ...]


def about(names: Sequence[str], table: Mapping[str, Mapping[str, Verdict]]) -> list[Exercised]:
    """What there is to say of each exercise; `table` is student → exercise → verdict."""
    totals = {student: sum(verdicts[name].right for name in names) for student, verdicts in table.items()}
    found = []
    for name in names:
        verdicts = {student: table[student][name] for student in table}
        counts: dict[str, int] = {}
        made: dict[tuple[str, str], list[str]] = {}
        for student, verdict in verdicts.items():
            counts[verdict.status] = counts.get(verdict.status, 0) + 1
            for each in verdict.named:
                made.setdefault((each.fault, each.says), []).append(student)
        faults = [Common(fault, says, tuple(students)) for (fault, says), students in made.items()]
        faults.sort(key=lambda each: (-len(each.students), each.fault))
        rights = [float(verdict.right) for verdict in verdicts.values()]
        rest = [float(totals[student] - verdict.right) for student, verdict in verdicts.items()]
        tried_by = len(table) - counts.get("missing", 0) - counts.get("unwritten", 0)
        found.append(Exercised(name, counts, int(sum(rights)), tried_by, correlation(rights, rest), tuple(faults)))
    return found


def correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Pearson's r = Σ(a − ā)(b − b̄) / √(Σ(a − ā)² Σ(b − b̄)²); None where one of them does not vary.

    With whether an item is right and the score of the other items: the corrected item-total correlation of classical
    test theory (Henrysson 1963).

    >>> correlation([0, 1, 1, 0], [1, 2, 2, 1])
    1.0
    """
    if len(one) < 2:
        return None
    mean, mean_other = math.fsum(one) / len(one), math.fsum(other) / len(other)
    square = math.fsum((a - mean) ** 2 for a in one) * math.fsum((b - mean_other) ** 2 for b in other)
    if square == 0:
        return None
    return math.fsum((a - mean) * (b - mean_other) for a, b in zip(one, other, strict=True)) / math.sqrt(square)
