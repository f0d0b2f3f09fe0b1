"""What an autograder runs on a hand-in, with results as Gradescope reads them; the files around it: gradescope.py.

python -m tinylm.course.handout.autograder exercises.json SUBMISSION results.json
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinylm.course.handout.cells import judged
from tinylm.course.handout.own import settings_of, whose
from tinylm.course.report import verdict_text
from tinylm.course.sandbox import Limits, Nursery
from tinylm.course.verdict import number
from tokenizer.formats import write_atomically

__all__ = ["found", "handed_in_by", "main", "results"]

METADATA = "submission_metadata.json"  # beside submission/: Gradescope, Autograder Specifications


def found(submission: Path) -> Path | None:
    """The file that was handed in: my_work.py, or else the only Python file, or else the only notebook."""
    if submission.is_file():
        return submission
    for pattern in ("my_work.py", "*.py", "*.ipynb"):
        hidden = (".ipynb_checkpoints", "__MACOSX", "__pycache__")
        files = sorted(each for each in submission.rglob(pattern) if not any(part in hidden for part in each.parts))
        if len(files) == 1 or (files and pattern == "my_work.py"):
            return min(files, key=lambda each: (len(each.parts), str(each)))
    return None


def handed_in_by(submission: Path, file: Path) -> list[str]:
    """The names that may be a student's id: those that Gradescope gives, or else those of the file and its folders."""
    about = submission.parent / METADATA
    if not about.is_file():
        return whose(file)
    names = []
    for user in json.loads(about.read_text("utf-8")).get("users", []):
        said = [str(user.get(each) or "") for each in ("sid", "email", "name")]
        names += [*said, said[1].partition("@")[0]]
    return list(filter(None, names))


def results(plan: dict[str, Any], submission: Path, *, folder: Path) -> dict[str, Any]:
    """What Gradescope shows, for the hand-in in a folder.

    plan     exercises: name → points; seed: of the hidden inputs
    folder   where settings.json lies, if everybody has settings of their own

    Raises ValueError for a hand-in that cannot be read, or that is nobody's.
    """
    file = found(submission)
    if file is None:
        return {"score": 0, "output": "There is no file to judge: hand in my_work.py, or the notebook of the week."}
    settings = settings_of(folder, handed_in_by(submission, file))
    tests = []
    with Nursery(Limits()) as nursery:
        for name, points in plan["exercises"].items():
            verdict = judged(file, name, seed=plan.get("seed", 0), settings=settings, nursery=nursery)
            tests.append(
                {
                    "name": name,
                    "score": verdict.share * points,
                    "max_score": points,
                    "status": "passed" if verdict.status == "right" else "failed",
                    "output": verdict_text(verdict),
                    "visibility": "visible",
                }
            )
    score, most = sum(each["score"] for each in tests), sum(plan["exercises"].values())
    return {"score": score, "output": f"{file.name}: {number(score)} of {number(most)} points", "tests": tests}


def main(arguments: Sequence[str]) -> int:
    """Judge a hand-in and write what was found; 0 where it could be judged, whatever came of it."""
    if len(arguments) != 3:
        print("expected three names: exercises.json, the submission, and the results to write", file=sys.stderr)
        return 2
    plan = Path(arguments[0])
    try:
        found_out = results(json.loads(plan.read_text("utf-8")), Path(arguments[1]), folder=plan.parent)
    except ValueError as error:  # a hand-in that cannot be read is one without points
        found_out = {"score": 0, "output": str(error)}
    write_atomically(arguments[2], (json.dumps(found_out, indent=1, ensure_ascii=False) + "\n").encode())
    print(found_out["output"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
