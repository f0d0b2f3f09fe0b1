"""What a student gets: stubs, a notebook and instructions for each week, and a runner; nothing tells an answer."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from tinylm.course.handout.notebook import Cell, code, notebook, prose
from tinylm.course.handout.settings import Course, Item, Week
from tinylm.course.problem import plain
from tinylm.course.stub import definition, imports_for, stubs
from tinylm.course.variants import variants_of
from tinylm.course.verdict import number

__all__ = ["headline", "statement", "stub_cell", "student_files", "week_cells"]

Settings = Mapping[str, Mapping[str, Any]]
Keep = Callable[[Cell], Cell]
STARS = "●"

RUN = '''"""Judge your work, or train a model on it: python run.py --help"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

try:
    from tinylm.course.handout.runner import answers, main
except ModuleNotFoundError as missing:
    if missing.name != "tinylm" and not str(missing.name).startswith("tinylm."):
        raise
    sys.exit("This needs tinylm, which is not installed here. Type: {install}")

if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:  # tinylm train, on what you have written
        from tinylm.cli import main as command
        from tinylm.course.substitute import substitute

        with substitute(answers(HERE)):
            sys.exit(command(sys.argv[1:]))
    sys.exit(main(HERE, sys.argv[1:]))
'''


def statement(item: Item) -> str:
    """What is asked, in a sentence: the first of the live docstring."""
    return (
        (inspect.getdoc(plain(item.problem.live)) or item.problem.notes).strip().partition("\n")[0].replace("|", "\\|")
    )


def headline(item: Item) -> str:
    """What an exercise is worth and how much it is: '4 points · level ●● · about 20 minutes'."""
    problem = item.problem
    points = f"{number(item.points)} point{'s' * (item.points != 1)}"
    needs = f" · good to have understood: {', '.join(problem.needs)}" if problem.needs else ""
    return f"{points} · level {STARS * problem.level} · about {problem.minutes} minutes{needs}"


def student_files(course: Course, student: str = "") -> dict[str, str]:
    """The files of the student's folder, by name.

    student   whose settings are put in, where everybody has their own
    """
    settings: Settings = {}
    if student:
        every = [problem for week in course.weeks for problem in week.problems]
        settings = variants_of(every, student, course.secret)
    files = {
        "README.md": _readme(course, student),
        "run.py": RUN.replace("{install}", course.install.replace("\\", "\\\\").replace('"', '\\"')),
        "course.json": _plan(course, settings),
    }
    for week in course.weeks:
        command = f"python run.py {week.number}"
        files[f"{week.name}/my_work.py"] = stubs(week.problems, variants=settings, command=command)
        files[f"{week.name}/README.md"] = _week_readme(week)
        files[f"{week.name}/{week.name}.ipynb"] = notebook(_notebook(week, settings))
    return files


def _plan(course: Course, settings: Settings) -> str:
    """What the runner has to know."""
    weeks = [
        {
            "name": week.name,
            "title": week.title,
            "exercises": {item.problem.name: item.points for item in week.items},
        }
        for week in course.weeks
    ]
    return (
        json.dumps({"title": course.title, "weeks": weeks, "settings": settings}, indent=1, ensure_ascii=False) + "\n"
    )


def _readme(course: Course, student: str) -> str:
    first = course.weeks[0]
    attention = next((p.name for week in course.weeks for p in week.problems if "attention" in p.name), "")
    name = attention or first.items[0].problem.name
    rows = "\n".join(
        f"| [{week.number}]({week.name}/README.md) | {week.title} | {week.due or '–'} | {len(week.items)} | "
        f"{number(week.points)} | {_hours(week)} |"
        for week in course.weeks
    )
    own = (
        f"\nThis folder is for **{student}**: some settings (an eps, a tie rule) are yours alone. They stand in the\n"
        "signatures, and the tests ask for them.\n"
        if student
        else ""
    )
    return f"""# {course.title}

{course.text.strip() or "You write the parts of a language model, one week after the other."}
{own}
## Begin

You need Python 3.11 or later. In a terminal, in this folder:

    {course.install}
    python run.py 1

The second line judges week 1. All of it says "not written yet", and that is right.

## The weeks

| week | what | due | exercises | points | about |
| --- | --- | --- | --- | --- | --- |
{rows}

## How to work

1. Open `week_1/my_work.py`. Each function has its equation and its shapes; the line that raises
   `NotImplementedError` is where you write. Leave names and signatures as they are; functions of your own beside them
   are welcome.
2. Type `python run.py 1`, as often as you like; `python run.py {first.items[0].problem.name}` judges that one alone.
3. Where something is not right, you see a small input for which it goes wrong, as a line that you can paste and
   run, what was expected, what came, and what your code behaves like. Change one thing, and run again.

Do you like notebooks better? `week_1/week_1.ipynb` has the same exercises with a check below each. Then type
`python run.py week_1/week_1.ipynb`, and hand in the notebook.

No exercise waits for another: where yours calls for something that comes from another week, the library's own is there.

## How it is judged

* An answer is tried on a hundred inputs beside the library's own. It gets its points where it is right on all of them;
  how it is written does not matter. Some exercises also count work (never seconds): a right answer that does far too
  much of it gets half.
* Your teacher's tests are of the same kind, with other inputs.
* Each answer runs in a process of its own, with limits on time, memory and output, and without the network. An endless
  loop costs you that one exercise.
* An answer that calls the library's version of itself is refused; the rest of the library, and NumPy, is yours to use.

## Put your part into the model

Any answer can stand in for the library's own. This trains a small GPT on everything that you have written so far:

    python run.py train --steps 50 --out mine
    tinylm sample mine --prompt "The"

And this puts in one part, in Python:

```python
from tinylm.course.substitute import substitute
from my_work import {_symbol(course, name)}

with substitute({name}={_symbol(course, name)}):
    ...  # whatever runs here, runs on yours
```
"""


def _symbol(course: Course, name: str) -> str:
    return next(p.symbol for week in course.weeks for p in week.problems if p.name == name)


def _hours(week: Week) -> str:
    minutes = sum(problem.minutes for problem in week.problems)
    return f"{minutes} minutes" if minutes < 90 else f"{minutes / 60:.0f} hours"


def _week_readme(week: Week) -> str:
    rows = "\n".join(
        f"| `{item.problem.symbol}` | {statement(item)} | {number(item.points)} | {STARS * item.problem.level} "
        f"| {item.problem.minutes} |".replace("\n", " ")
        for item in week.items
    )
    due = f"\nDue: {week.due}\n" if week.due else ""
    return f"""# Week {week.number}: {week.title}

{week.text.strip()}
{due}
| write | which is | points | level | minutes |
| --- | --- | --- | --- | --- |
{rows}

Write in `my_work.py` (or in `{week.name}.ipynb`), and type `python run.py {week.number}` in the folder above.
"""


def _notebook(week: Week, settings: Settings) -> list[Cell]:
    def write(item: Item) -> Cell:
        return code(f"write_{item.problem.name}", stub_cell(item, settings.get(item.problem.name)))

    def checked(item: Item) -> Cell:
        chosen = settings.get(item.problem.name, {})
        with_them = "".join(f", {name}={value!r}" for name, value in chosen.items())
        return code(f"check_{item.problem.name}", f'check("{item.problem.name}", {item.problem.symbol}{with_them})')

    begin = "import numpy as np\n\nfrom tinylm.course import check"
    if settings:
        begin = "import numpy as np\n\nfrom tinylm.course.handout.cells import check_variant as check"
    end = f"""## All together

`python run.py {week.name}/{week.name}.ipynb`, typed in the folder above, judges every answer of this notebook in a
process of its own. What you have written here can also stand in for the library's own part, in this notebook:

```python
from tinylm.course.substitute import substitute

with substitute({week.items[0].problem.name}={week.items[0].problem.symbol}):
    ...  # whatever runs here, runs on yours
```"""
    return [*week_cells(week, write, checked, begin=begin), prose("together", end)]


def _as_it_is(cell: Cell) -> Cell:
    return cell


def week_cells(
    week: Week, write: Callable[[Item], Cell], checked: Callable[[Item], Cell], *, begin: str, keep: Keep = _as_it_is
) -> list[Cell]:
    """The cells of a week's notebook: prose, and for each exercise a cell to write in and one that checks.

    begin   the imports of the cells that check
    keep    what becomes of the cells that are no student's
    """
    due = f"\n\nDue: {week.due}" if week.due else ""
    opening = (
        f"# Week {week.number}: {week.title}\n\n{week.text.strip()}{due}\n\nWrite where it says `NotImplementedError`, "
        "and run the cell below: it says what is right, or shows a small input for which it goes wrong."
    )
    cells = [keep(prose("opening", opening)), keep(code("begin", begin))]
    for item in week.items:
        name = item.problem.name
        cells += [keep(prose(f"about_{name}", f"## {name}\n\n{headline(item)}")), write(item), checked(item)]
    return cells


def stub_cell(item: Item, variant: Mapping[str, Any] | None) -> str:
    """One exercise as a cell: imports, signature, docstring."""
    text = definition(item.problem, variant=variant)
    imports = imports_for([item.problem], text)
    return "\n".join([*imports, *(["", ""] if imports else []), text])
