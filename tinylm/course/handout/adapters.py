"""Tests that call a student's package through adapters, as in Stanford CS336: any layout of files, any names.

The tests call only `run_<exercise>` in tests/adapters.py, where the student connects what they have written. They run
in the student's own process: feedback while building, no protection.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tinylm.course.handout.settings import Course, Week
from tinylm.course.judge import judge
from tinylm.course.outcome import Here
from tinylm.course.problem import Problem, problem_named
from tinylm.course.report import verdict_text
from tinylm.course.stub import definition, imports_for
from tinylm.course.verdict import Verdict

__all__ = ["adapter_files", "assert_right", "judged_adapter"]


def adapter_files(course: Course) -> dict[str, str]:
    """The files of a folder in which students build a package of their own, by name."""
    every = [problem for week in course.weeks for problem in week.problems]
    files = {
        "README.md": _readme(course),
        "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["tests"]\npythonpath = [".", "src"]\n',
        "tests/__init__.py": "",
        "tests/adapters.py": _adapters(every),
    }
    for week in course.weeks:
        files[f"tests/test_{week.name}.py"] = _tests(week)
    return files


def _adapters(problems: list[Problem]) -> str:
    parts = []
    for problem in problems:
        if inspect.isclass(problem.live):
            parts.append(
                f"def run_{problem.name}():\n"
                f'    """Return your class {problem.symbol}; `tinylm stub {problem.name}` shows what it has."""\n'
                f'    raise NotImplementedError("connect {problem.name}")\n'
            )
        else:
            named = replace(problem, symbol=f"run_{problem.name}")
            parts.append(definition(named, mark=f'raise NotImplementedError("connect {problem.name}")'))
    text = "\n\n".join(parts)
    head = '"""Connect your own code: each function calls what you have written, and returns what it returns."""'
    functions = [replace(each, symbol=f"run_{each.name}") for each in problems if not inspect.isclass(each.live)]
    imports = imports_for(functions, text, examples=False)
    return "\n".join([head, "", *imports, *([""] if imports else []), "", text])


def _tests(week: Week) -> str:
    tests = "\n\n\n".join(
        f'def test_{item.problem.name}():\n    assert_right("{item.problem.name}", adapters.run_{item.problem.name})'
        for item in week.items
    )
    return f'''"""Week {week.number}: {week.title}. These tests call only what adapters.py connects."""

from tinylm.course.handout.adapters import assert_right

from . import adapters


{tests}
'''


def _readme(course: Course) -> str:
    first = course.weeks[0].problems[0]
    return f"""# {course.title}

{course.text.strip()}

Build a package of your own, in any layout. `tests/adapters.py` connects it to the tests: in each function that you have
an answer for, call yours in place of the line that raises. For example:

    from my_package.parts import my_{first.name}

    def run_{first.name}(...):
        return my_{first.name}(...)

Then type

    {course.install}
    pytest -k {first.name}          # one exercise
    pytest tests/test_week_1.py     # one week

A test that fails shows a small input for which your code goes wrong, what was expected, what came, and what it
behaves like. `tinylm stub {first.name}` shows an exercise by itself; `tinylm stub --list` shows all.
"""


def judged_adapter(name: str, run: Callable[..., Any], *, seed: int = 0) -> Verdict:
    """The verdict on what an adapter calls, in this process; for a class the adapter is asked for it first."""
    problem = problem_named(name)
    answer = run
    if inspect.isclass(problem.live):
        try:
            answer = run()
        except NotImplementedError as error:
            return Verdict(name, "unwritten", f"not connected yet: {error}")
    return judge(problem, Here(answer, problem.drive, problem.work.count if problem.work else None), seed=seed)


def assert_right(name: str, run: Callable[..., Any], *, seed: int = 0) -> None:
    """In a test: AssertionError with the whole verdict where an answer is not right."""
    __tracebackhide__ = True
    verdict = judged_adapter(name, run, seed=seed)
    if verdict.status != "right":  # too much work is a failure in a test: there is no half of one
        raise AssertionError("\n" + verdict_text(verdict))
