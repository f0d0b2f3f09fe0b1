"""Grading a file: which exercises it holds, and a verdict on each, one after the other.

Nothing of the student's runs here: what is defined is read with `ast`, and answers run guarded (sandbox/).
"""

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from tinylm.course.handed_in import HandedIn, UnreadableError, handed_in
from tinylm.course.judge import judge
from tinylm.course.problem import Problem, problem_named, problems
from tinylm.course.sandbox import Limits, Nursery, protections
from tinylm.course.variants import variant_of, with_settings
from tinylm.course.verdict import Verdict

__all__ = ["How", "Report", "UnreadableError", "exercises_in", "grade_file", "grading", "held_by", "lacking", "read"]

WHOLE = "my_work.py"  # what a notebook's code is called while it is graded


@dataclass(frozen=True, slots=True)
class How:
    """What a verdict depends on, besides the file.

    seed, tries   of the inputs that are drawn, and how many
    secret        makes each student's variant, together with the student's id; "" where all have the same exercise
    others        ids of the students whose variants a wrong answer may solve
    seconds, memory   limits of one exercise; None: the sandbox's own

    Raises ValueError for settings that make no sense.
    """

    seed: int = 0
    tries: int = 100
    secret: str = ""
    others: tuple[str, ...] = ()
    seconds: float | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.seed < 0 or self.tries < 1:
            raise ValueError(f"expected a seed from 0 and at least 1 try, got {self.seed} and {self.tries}")
        if self.seconds is not None and not 0 < self.seconds < 1e6:
            raise ValueError(f"limits must be above 0, and below a million seconds; got {self.seconds:g} seconds")
        if self.memory is not None and self.memory < 1:
            raise ValueError(f"limits must be above 0; got {self.memory} bytes of memory")

    @property
    def limits(self) -> Limits:
        own = Limits()
        return replace(own, seconds=self.seconds or own.seconds, memory=self.memory or own.memory)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found about one file; plain data, so that it can be kept as JSON.

    file         its name, without its folder
    verdicts     one for each exercise, in the order of the course
    student      the id whose variant was asked for, "" where there is none
    protections  what kept the student's code in its place, by what; see sandbox.protections
    notes        sentences about the file as a whole
    """

    file: str
    verdicts: tuple[Verdict, ...]
    student: str = ""
    protections: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def all_right(self) -> bool:
        """Whether there is nothing left to do."""
        return all(each.status == "right" for each in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "verdicts": [each.to_dict() for each in self.verdicts], "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The report that `to_dict` wrote."""
        verdicts = tuple(map(Verdict.from_dict, data["verdicts"]))
        return cls(data["file"], verdicts, data["student"], dict(data["protections"]), tuple(data["notes"]))


def read(path: str | Path, names: Collection[str] | None = None) -> HandedIn:
    """The Python in a file or notebook; raises OSError, and UnreadableError for what is none."""
    path = Path(path)
    wanted = {problem.symbol for problem in (problems().values() if names is None else map(problem_named, names))}
    with path.open("rb") as file:
        data = file.read((1 << 25) + 1)  # more is refused, and need not be read
    return handed_in(data, wanted, notebook=path.suffix == ".ipynb")


def exercises_in(path: str | Path) -> tuple[str, ...]:
    """The exercises that a file holds, in the order of the course; nothing of it is run.

    Raises OSError, and UnreadableError where it is no Python file or notebook of ordinary size.
    """
    return held_by(read(path))


def held_by(work: HandedIn) -> tuple[str, ...]:
    """The exercises that are defined in it, in the order of the course."""
    return tuple(name for name, problem in problems().items() if problem.symbol in work.names)


def grading(
    path: str | Path,
    names: Sequence[str] | None = None,
    *,
    student: str = "",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    how: How | None = None,
    nursery: Nursery | None = None,
) -> Iterator[Verdict]:
    """Verdicts on the exercises of a file, each as it is found, in the order of the course.

    names     the exercises; those that the file does not hold are "missing". None: all that it holds
    student   the id whose variant is asked for, where `how` has a secret
    settings  exercise → setting → value, where the variant is known without the secret
    nursery   to run the answers in, where there is one already; its limits count

    Raises OSError, UnreadableError, and UnknownExerciseError for a name that no exercise has.
    """
    how = how or How()
    chosen = {problem_named(name).name for name in names} if names is not None else None
    work = read(path, names)
    held = held_by(work)
    with ExitStack() as stack:
        if nursery is None:
            nursery = stack.enter_context(Nursery(how.limits))
        runs = Path(path)
        if runs.suffix != ".py":
            runs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tinylm-"))) / WHOLE
            runs.write_bytes(work.source)
        for name, problem in problems().items():
            if name in (held if chosen is None else chosen):
                if settings and settings.get(name):
                    problem = with_settings(problem, settings[name])
                yield _verdict(problem, work, runs, Path(path).name, student, how, nursery)


def _verdict(
    problem: Problem, work: HandedIn, runs: Path, file: str, student: str, how: How, nursery: Nursery
) -> Verdict:
    """What is found about one exercise."""
    others: dict[str, Mapping[str, Any]] = {}
    if how.secret and problem.variants:
        others = {each: variant_of(problem, each, how.secret) for each in how.others if each != student}
        if student:
            problem = problem.variant(variant_of(problem, student, how.secret))
    variant = dict(problem.chosen) or None
    if problem.symbol in work.broken:
        reason = work.broken[problem.symbol]
        return Verdict(problem.name, "broken", f"{file} cannot be run: {reason}", variant=variant)
    if problem.symbol not in work.names:
        near = f"; tinylm stub {problem.name} writes how it begins"
        if variant:  # that one has the library's settings
            near = "; the my_work.py that you were given has how it begins, with your settings"
        return Verdict(problem.name, "missing", f"{file} does not define {problem.symbol}{near}", variant=variant)
    with nursery.guarded(runs, problem) as answer:
        return judge(problem, answer, seed=how.seed, tries=how.tries, others=others)


def grade_file(
    path: str | Path,
    names: Sequence[str] | None = None,
    *,
    student: str = "",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    how: How | None = None,
    nursery: Nursery | None = None,
) -> Report:
    """All verdicts on a file; arguments and errors are those of `grading`."""
    how = how or How()
    with ExitStack() as stack:
        nursery = nursery or stack.enter_context(Nursery(how.limits))
        verdicts = tuple(grading(path, names, student=student, settings=settings, how=how, nursery=nursery))
        return Report(Path(path).name, verdicts, student, protections(nursery))


def lacking(protected: Mapping[str, str]) -> list[str]:
    """Which protections do not work here, as sentences; [] where all of them do."""
    weak = ("not protected", "only by courtesy", "not for root")
    return [f"{what} while an answer runs: {by}" for what, by in protected.items() if any(each in by for each in weak)]
