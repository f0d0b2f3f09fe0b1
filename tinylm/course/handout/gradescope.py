"""A plain pytest form of a week, and the same as an autograder for Gradescope; what these run: autograder.py."""

import json

from tinylm.course.handout.own import OWN, own_settings
from tinylm.course.handout.settings import Course
from tinylm.course.handout.staff import hidden_tests

__all__ = ["pytest_files"]

RUN = """#!/usr/bin/env bash
# Gradescope runs this with a hand-in in submission/ and reads results/results.json.
set -euo pipefail
home=${AUTOGRADER:-/autograder}
cd "$home/source"
mkdir -p "$home/results"
exec python3 -m tinylm.course.handout.autograder exercises.json "$home/submission" "$home/results/results.json"
"""


def pytest_files(course: Course) -> dict[str, str]:
    """The files of a folder with one autograder for each week, by name."""
    files = {"README.md": _readme(course)}
    for week in course.weeks:
        plan = {
            "title": f"Week {week.number}: {week.title}",
            "exercises": {item.problem.name: item.points for item in week.items},
            "seed": course.seed,
        }
        files[f"{week.name}/test_exercises.py"] = hidden_tests(course, week, "test_exercises.py")
        if course.students:
            files[f"{week.name}/{OWN}"] = own_settings(course, week)
        files[f"{week.name}/exercises.json"] = json.dumps(plan, indent=1, ensure_ascii=False) + "\n"
        files[f"{week.name}/run_autograder"] = RUN
        files[f"{week.name}/setup.sh"] = _setup(course.install)
    return files


def _setup(install: str) -> str:
    """Into the Python that the autograder runs with."""
    return f"#!/usr/bin/env bash\nset -euo pipefail\n{'python3 -m ' * install.startswith('pip ')}{install}\n"


def _readme(course: Course) -> str:
    whose = (
        """
Everybody has settings of their own; they stand in `settings.json`, by id. Whose a hand-in is, Gradescope says (the id
is the SID, the e-mail address, what stands before its @, or the name); elsewhere it is the name of the file or of a
folder that it lies in, or say it: `STUDENT=ID`.
"""
        if course.students
        else ""
    )
    return f"""# {course.title}: autograders

For staff. Each week's folder is an autograder:

* on Gradescope: upload a zip of the files in `week_1/` as the assignment's autograder. `setup.sh` installs
  tinylm; where it does not come from the package index, write into it where it comes from. Students upload `my_work.py`
  or the week's notebook.
* anywhere else, under pytest: `WORK=path/to/my_work.py pytest week_1/test_exercises.py`. One test for each exercise; a
  failure shows the smallest failing input and what the code behaves like.
* to try one here: `python -m tinylm.course.handout.autograder week_1/exercises.json path/to/submission results.json`
{whose}"""
