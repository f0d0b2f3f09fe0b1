"""A course directory for nbgrader: assignments with solution regions, locked cells, points and hidden tests."""

import re

from tinylm.course.handout.cells import SEED_FILE
from tinylm.course.handout.notebook import Cell, answer, given, notebook, test
from tinylm.course.handout.settings import Course, Item, Week
from tinylm.course.handout.student import week_cells
from tinylm.course.stub import imports_for, marked
from tinylm.course.verdict import number

__all__ = ["nbgrader_files"]

# nbgrader's default delimiters: nbgrader/preprocessors/clearsolutions.py, clearhiddentests.py
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
BEGIN_CELL = "import numpy as np\n\nfrom tinylm.course.handout.cells import check"
SECONDS = 120  # for a cell: a hidden test tries an answer twice, each within the limits of the sandbox


def nbgrader_files(course: Course) -> dict[str, str]:
    """The files of an nbgrader course directory, by name; without variants, as nbgrader gives everybody the same."""
    files = {"nbgrader_config.py": _config(course), "README.md": _readme(course)}
    if course.seed:
        files[SEED_FILE] = f"{course.seed}\n"
    for week in course.weeks:
        files[f"source/{week.name}/{week.name}.ipynb"] = notebook(_cells(week))
    return files


def _cells(week: Week) -> list[Cell]:
    def write(item: Item) -> Cell:
        text = marked(item.problem, BEGIN, END)
        imports = imports_for([item.problem], _stub_of(text))
        return answer(f"write_{item.problem.name}", "\n".join([*imports, *(["", ""] if imports else []), text]))

    def checked(item: Item) -> Cell:
        name, points = item.problem.name, number(item.points)
        source = [
            f'check("{name}")',
            BEGIN_HIDDEN,
            "from tinylm.course.handout.cells import award",
            f'award("{name}", {points})',
            END_HIDDEN,
        ]
        return test(f"test_{name}", "\n".join(source), item.points)

    return week_cells(week, write, checked, begin=BEGIN_CELL, keep=given)


def _stub_of(text: str) -> str:
    """As the student will have it."""
    return re.sub(rf"{BEGIN}.*?{END}", "raise NotImplementedError", text, flags=re.S)


def _config(course: Course) -> str:
    slug = re.sub(r"\W+", "_", course.title.casefold()).strip("_") or "course"
    return f'''"""nbgrader's settings for: {course.title}"""

c = get_config()  # noqa: F821  (nbgrader gives it)
c.CourseDirectory.course_id = {slug!r}
c.ClearSolutions.code_stub = {{"python": 'raise NotImplementedError("write this")'}}
c.Execute.timeout = {SECONDS}  # seconds of a cell
'''


def _readme(course: Course) -> str:
    return f"""# {course.title}, for nbgrader

For staff: the notebooks in `source/` hold the answers and the hidden tests. In this folder, type

    nbgrader generate_assignment week_1        # writes release/week_1: this is what students get

put hand-ins into `submitted/ID/week_1/week_1.ipynb` (`nbgrader collect` and `nbgrader zip_collect` do), and

    nbgrader autograde week_1
    nbgrader generate_feedback week_1

A test cell judges the source of the cells that ran, in a process of its own: a loop without an end, a patched NumPy or
names that were bound to something else cost that one exercise. Its output, with the smallest failing input, is in the
feedback. Since the notebook's kernel is the student's, an answer that sets out to deceive can patch the judge in it;
`tinylm grade submitted/ -o report/` judges the same notebooks from outside, where it cannot, and costs one line.

`hidden_seed.txt`, where it is, makes the inputs of the hidden tests; it is in no notebook and in no feedback.

Students need tinylm in their Python: {course.install}
"""
