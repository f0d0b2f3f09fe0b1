"""Every exercise: the library's answer is right, an empty one is open, and plausible wrong ones are found."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinylm.course import check, exercises
from tinylm.course.spelling import value_of

# wrong_<topic>.py beside this file: WRONG maps an exercise to answers that look right; RIGHT, where it is, to answers
# that are right and are written another way than the library's
MODULES = [
    importlib.import_module(f"tests.course.{file.stem}") for file in sorted(Path(__file__).parent.glob("wrong_*.py"))
]
WRONG = {name: answers for module in MODULES for name, answers in module.WRONG.items()}
RIGHT = {name: answers for module in MODULES for name, answers in getattr(module, "RIGHT", {}).items()}
NAMES = list(exercises())


@pytest.mark.parametrize("name", NAMES)
def test_the_librarys_own_answer_is_right(name):
    result = check(name, exercises()[name].reference)
    assert result.right, result
    assert result.written


def raises(*args, **settings):
    raise NotImplementedError


def returns_dots(*args, **settings):
    return ...


def returns_nothing(*args, **settings):
    """Do this."""


@pytest.mark.parametrize("stub", [raises, returns_dots, returns_nothing, ..., None])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_written_is_open(name, stub):
    result = check(name, stub)
    assert not result.right
    assert not result.written
    assert "not written yet" in repr(result)
    assert exercises()[name].statement.split() == repr(result).partition("to do")[2].split()


@pytest.mark.parametrize(("name", "answer"), [(name, answer) for name, answers in RIGHT.items() for answer in answers])
def test_another_right_answer_is_right_too(name, answer):
    assert check(name, answer).right, check(name, answer)


@pytest.mark.parametrize("name", NAMES)
def test_there_are_at_least_three_wrong_answers(name):
    assert len(WRONG.get(name, ())) >= 3, f"add wrong answers to {name} in a file wrong_<topic>.py"


def test_no_answer_is_to_an_exercise_that_is_gone():
    assert set(WRONG) | set(RIGHT) <= set(NAMES)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # wrong answers overflow and divide by zero
@pytest.mark.parametrize(("name", "answer"), [(name, answer) for name, answers in WRONG.items() for answer in answers])
def test_a_wrong_answer_is_found(name, answer):
    result = check(name, answer)
    assert not result.right, f"{answer.__name__} passes {name}"
    assert result.written, result
    assert result.failure is not None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "answer"), [(name, answer) for name, answers in WRONG.items() for answer in answers])
def test_the_call_of_a_failure_can_be_pasted_and_run_and_fails_again(name, answer):
    found = check(name, answer).failure
    exercise = exercises()[name]
    wanted = pasted(found.call, {answer.__name__: exercise.reference})
    try:
        mine = pasted(found.call, {answer.__name__: answer})
    except Exception as error:
        assert found.got.startswith(type(error).__name__)
    else:
        assert exercise.compare(wanted, mine) is not None or "changed its argument" in found.difference


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_case_is_read_at_a_glance(name):
    first = exercises()[name].cases[0].call(name)
    assert len(first) <= 120, first


@pytest.mark.parametrize("name", NAMES)
def test_every_call_of_a_case_is_python_that_gives_the_same_result(name):
    exercise = exercises()[name]
    for each in exercise.cases:
        args, settings = pasted(each.call(name), {name: lambda *args, **settings: (args, settings)})
        wanted = outcome(exercise.reference, *map(value_of, each.args), **each.settings)
        assert exercise.compare(wanted, outcome(exercise.reference, *args, **settings)) is None


def pasted(line, names):
    """What a line of Python shows where these names are known: the value of its last expression."""
    *before, last = ast.parse(line).body
    exec(compile(ast.Module(before, []), "pasted", "exec"), names)
    return eval(compile(ast.Expression(last.value), "pasted", "eval"), names)


def outcome(function, *args, **settings):
    try:
        value = function(*args, **settings)
    except Exception as error:
        return repr(error)
    return list(value) if isinstance(value, Iterator) else value
