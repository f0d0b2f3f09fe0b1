"""What was found about one answer: right or not, a small call that fails, and what the answer behaves like."""

from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["LIBRARYS", "LIKE", "Failing", "Named", "Verdict", "number"]

LIBRARYS = "It is right with the settings of the library"  # so begins a symptom that names whose settings it solves
# An answer is most like a fault where they agree on at least this share of the inputs on which either goes wrong. Were
# its own fault unknown, one answer in a hundred would be called like another of its problem (test_diagnose.py counts).
LIKE = 0.8


@dataclass(frozen=True, slots=True)
class Failing:
    """The smallest call found that goes wrong.

    call       a line that can be pasted and run beside the student's code
    expected, got, difference    each as text for a reader
    """

    call: str
    expected: str
    got: str
    difference: str


@dataclass(frozen=True, slots=True)
class Named:
    """A fault as which an answer behaves: on `agree` of the `of` inputs that tell it from a right answer."""

    fault: str
    says: str
    hint: str = ""
    agree: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about one answer; plain data, so that it can be kept as JSON.

    problem    the problem's name
    status     "right" | "wrong" | "slow" (right, but its counted work grows too fast) | "unwritten" (raises
               NotImplementedError, or returns ... or None) | "missing" (no such name in the file) | "broken" (the file
               does not import) | "stopped" (over a limit, or it left its process) | "refused" (it uses the answer of
               the library)
    sentence   the verdict in words
    tried      how many inputs it was tried on
    failing    the smallest call found that goes wrong, where there is one
    named      the faults that it behaves like: one; two where both at once; or none
    symptom    what the wrong results have in common, where no fault is named ("twice what was expected, everywhere")
    work       what was counted, in words, where the problem counts work
    printed    the last lines that the answer printed
    variant    the settings of the student's variant
    solves     whose variant the answer solves instead, as the ids that were given
    """

    problem: str
    status: str
    sentence: str
    tried: int = 0
    failing: Failing | None = None
    named: tuple[Named, ...] = ()
    symptom: str = ""
    work: str = ""
    printed: str = ""
    variant: dict[str, Any] | None = None
    solves: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether every input went well, whatever the work."""
        return self.status in ("right", "slow")

    @property
    def share(self) -> float:
        """What it gets of its points: all where it is right, half where it is right and slow, else nothing."""
        return 1.0 if self.status == "right" else 0.5 if self.right else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The verdict that `to_dict` wrote."""
        data = dict(data)
        data["failing"] = Failing(**data["failing"]) if data.get("failing") else None
        data["named"] = tuple(Named(**each) for each in data.get("named", ()))
        data["solves"] = tuple(data.get("solves", ()))
        return cls(**data)


def number(points: float) -> str:
    """Points as they are written, to ten digits.

    >>> number(3.0), number(2.5), number(0.1 + 0.2)
    ('3', '2.5', '0.3')
    """
    return f"{points:.10g}"
