"""An answer out of a notebook's own cells: what a test cell of nbgrader calls.

A test cell cannot trust the notebook that it stands in: names may be bound to anything there, NumPy may be patched, a
loop may not end. So what is judged is not the function in the notebook's memory but the source of the cells that ran,
cut down to what the answer needs, guarded in a process of its own. What a notebook cannot be kept from is to patch the
judge that its kernel imports: `tinylm grade` judges the submitted notebooks from outside, where nothing of theirs runs.
"""

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tinylm.course.grade import How, grading
from tinylm.course.handout.notebook import code, notebook
from tinylm.course.judge import judge
from tinylm.course.outcome import Here
from tinylm.course.problem import problem_named
from tinylm.course.report import verdict_html, verdict_text
from tinylm.course.sandbox import Limits, Nursery
from tinylm.course.verdict import Verdict

__all__ = [
    "NotRightError",
    "Shown",
    "award",
    "award_from",
    "check",
    "check_variant",
    "judged",
    "judged_cells",
]

SEED_FILE = "hidden_seed.txt"


class NotRightError(AssertionError):
    """An answer in a notebook is not right; the message is the whole verdict."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback, which would be one through the judge."""
        return str(self).splitlines()


def check(name: str) -> "Shown":
    """In a notebook: the verdict on this notebook's answer, as `award` has it; nothing of it runs in its own process.

    Raises RuntimeError outside of a notebook, UnknownExerciseError for a name that no exercise has.
    """
    return Shown(judged_cells(name, _ran()))


def award(name: str, points: float) -> float:
    """In a test cell: the points that this notebook's answer gets; prints the verdict.

    The answer is tried on the inputs that students can try, and then on hidden ones, where a folder above holds
    hidden_seed.txt: a seed in the cell would be seen in the feedback.

    Raises NotRightError with the verdict where there are none, RuntimeError outside of a notebook.
    """
    return award_from(name, points, _ran(), seed=_hidden_seed(Path.cwd()))


def award_from(name: str, points: float, cells: Iterable[str], *, seed: int = 0) -> float:
    """The same for the sources of cells."""
    verdict = judged_cells(name, cells, seed=seed)
    if not verdict.right:
        raise NotRightError(verdict_text(verdict))
    print(verdict_text(verdict))
    return verdict.share * points


def _hidden_seed(folder: Path) -> int:
    """The number in the nearest hidden_seed.txt in a folder or above it; 0 where there is none."""
    for place in (folder, *folder.parents):
        file = place / SEED_FILE
        if file.is_file():
            return int(file.read_text("utf-8"))
    return 0


def _ran() -> list[str]:
    """The sources of the cells that this notebook ran before this one."""
    try:
        return list(get_ipython().history_manager.input_hist_raw[1:-1])  # type: ignore[name-defined]
    except NameError:
        raise RuntimeError("this is for a cell of a notebook; for a file, type: tinylm grade my_work.py") from None


def judged_cells(name: str, cells: Iterable[str], *, seed: int = 0) -> Verdict:
    """The verdict on one answer in the sources of cells; `seed` as in `judged`."""
    with tempfile.TemporaryDirectory(prefix="tinylm-") as folder:
        file = Path(folder) / "this.ipynb"
        file.write_text(notebook(code(f"cell-{i}", source) for i, source in enumerate(cells)), "utf-8")
        return judged(file, name, seed=seed)


def judged(
    path: str | os.PathLike[str],
    name: str,
    *,
    seed: int = 0,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    nursery: Nursery | None = None,
) -> Verdict:
    """The verdict on one answer in a file: on the inputs that everybody can try, and then on those of another seed.

    settings, nursery   as in tinylm.course.grade.grading

    Raises OSError where there is no file, ValueError where it is neither Python nor a notebook.
    """
    with ExitStack() as stack:
        nursery = nursery or stack.enter_context(Nursery(Limits()))
        [verdict] = grading(Path(path), [name], settings=settings, nursery=nursery)
        if verdict.status == "right" and seed:
            [verdict] = grading(Path(path), [name], settings=settings, how=How(seed=seed), nursery=nursery)
    return verdict


class Shown:
    """A verdict that shows itself as text and in a notebook."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def __repr__(self) -> str:
        return verdict_text(self.verdict)

    def _repr_html_(self) -> str:
        return verdict_html(self.verdict)


def check_variant(name: str, answer: Any, **settings: Any) -> Shown:
    """As tinylm.course.check, for the settings of one student.

    Raises UnknownExerciseError for a name that no exercise has, ValueError for a setting that is no option.
    """
    problem = problem_named(name).variant(settings)
    return Shown(judge(problem, Here(answer, problem.drive, problem.work.count if problem.work else None)))
