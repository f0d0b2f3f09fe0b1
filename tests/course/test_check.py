"""What a student reads of an answer: the smallest call that fails, where it differs, on which line it broke."""

import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from tinylm import tensor
from tinylm.course import Exercise, Source, UnknownExerciseError, case, check, exercise, nearly, register, same


@pytest.fixture
def ask(monkeypatch):
    """Make an exercise known for one test."""
    monkeypatch.setattr(exercise, "_EXERCISES", {})

    def make(reference, *cases, name="task", compare=same):
        return register(Exercise(name, "Do it.", reference, cases, compare))

    return make


def test_a_right_answer_is_right(ask):
    ask(sum, case([1]), case([1, 2]))
    result = check("task", lambda numbers: numbers[0] + sum(numbers[1:]))
    assert (result.right, result.written, result.failure) == (True, True, None)
    assert repr(result) == "✓ task: right, in all 2 cases"


def test_the_smallest_failing_case_is_reported_whatever_the_order_of_writing(ask):
    ask(sum, case([5, 6, 7]), case([]), case([1, 2]), case([3]))
    result = check("task", lambda numbers: numbers[0] if numbers else 0)
    assert result.failure.call == "task([1, 2])"
    assert result.failure.number == 3
    assert (result.failure.expected, result.failure.got) == ("3", "1")


def test_a_longer_text_is_a_greater_case(ask):
    ask(len, case("three"), case("a"), case("to"))
    assert check("task", lambda text: 9).failure.call == "task('a')"


def test_a_failure_reads_so(ask):
    ask(sum, case([5, 6, 7]), case([]), case([1, 2]), case([3]))
    result = check("task", lambda numbers: numbers[0] if numbers else 0)
    assert result.failure.difference == "1, expected 3"
    assert repr(result) == (
        "✗ task: not yet right; the smallest case that fails is 3 of 4\n"
        "  call      task([1, 2])\n  expected  3\n  got       1"
    )


def test_where_a_long_value_differs_is_said(ask):
    ask(lambda n: list(range(n)), case(9))
    assert "  differs   at [7]: 0, expected 7" in repr(check("task", lambda n: [*range(7), 0, 8]))


def test_the_call_bears_the_students_name(ask):
    def mine(numbers):
        return 0

    ask(sum, case([1]))
    assert check("task", mine).failure.call == "mine([1])"


def test_an_error_in_an_answer_is_reported_with_its_line(ask):
    def task(numbers):
        total = 0
        return helper(numbers) + total

    def helper(numbers):
        return numbers[7]

    ask(sum, case([1]))
    result = check("task", task)
    first = helper.__code__.co_firstlineno
    assert result.failure.got == f"IndexError: list index out of range\nin line {first + 1}: return numbers[7]"
    assert "in line" in repr(result)
    assert not result.right


def test_the_line_is_the_students_own_where_the_library_raises(ask):
    def task(x):
        y = x * 2
        return np.linalg.inv(y)

    ask(lambda x: x, case(np.zeros((2, 3))))
    line = task.__code__.co_firstlineno + 2
    assert f"in line {line}: return np.linalg.inv(y)" in check("task", task).failure.got


@pytest.mark.parametrize(
    "error", [RecursionError(), SystemExit(3), KeyError("x"), AssertionError("no"), StopIteration()]
)
def test_no_error_of_an_answer_gets_out(ask, error):
    def task(numbers):
        raise error

    ask(sum, case([1]))
    result = check("task", task)
    assert not result.right
    assert result.failure.got.startswith(type(error).__name__)


def test_an_interrupt_gets_out(ask):
    def task(numbers):
        raise KeyboardInterrupt

    ask(sum, case([1]))
    with pytest.raises(KeyboardInterrupt):
        check("task", task)


class Nasty:
    def __eq__(self, other):
        raise RuntimeError("eq")

    def __repr__(self):
        raise RuntimeError("repr")

    __hash__ = None


@pytest.mark.parametrize("reference", [sum, lambda numbers: [1], lambda numbers: "text", lambda numbers: np.ones(2)])
@pytest.mark.parametrize("value", [Nasty(), [Nasty()], {1: Nasty()}, object(), [[1], [2, 3]], "text?", b"text", 1j])
def test_no_value_of_an_answer_breaks_the_report(ask, reference, value):
    ask(reference, case([1]))
    result = check("task", lambda numbers: value)
    assert not result.right
    assert result.written
    assert "got" in repr(result)
    assert "got" in result._repr_html_()


def test_a_comparison_that_breaks_on_what_came_is_reported(ask):
    def compare(expected, got):
        return None if got[0] == expected else "other"

    ask(lambda n: n, case(1), compare=compare)
    result = check("task", lambda n: {})
    assert result.failure.difference == "what came cannot be compared: KeyError: 0"


def test_what_is_no_function_is_told_so(ask):
    ask(sum, case([1]))
    result = check("task", sum([1]))
    assert result.written
    assert 'give the function itself: check("task", task); got 1' in repr(result)


def test_an_unknown_exercise_is_the_courses_error_and_names_the_nearest(ask):
    ask(sum, case([1]), name="softmax")
    with pytest.raises(UnknownExerciseError, match="no exercise 'sofmax'; did you mean 'softmax'"):
        check("sofmax", sum)


def test_two_exercises_cannot_have_one_name(ask):
    ask(sum, case([1]))
    with pytest.raises(ValueError, match="'task' exists already"):
        ask(sum, case([1]))


@pytest.mark.parametrize(("name", "statement", "cases"), [("a b", "x", [case()]), ("a", "", [case()]), ("a", "x", [])])
def test_an_exercise_without_name_statement_or_case_is_refused(name, statement, cases):
    with pytest.raises(ValueError, match="expected a Python name, a statement and at least one case"):
        Exercise(name, statement, sum, cases)


@pytest.mark.parametrize(
    ("argument", "spoil"),
    [
        ([2, 1], lambda x: x.sort()),
        ({"a": [1]}, lambda x: x["a"].append(2)),
        (np.zeros(2), lambda x: x.fill(1)),
        (tensor([1.0, 2.0]), lambda x: x.data.fill(0)),
    ],
)
def test_an_answer_that_changes_its_argument_is_wrong_and_spoils_nothing(ask, argument, spoil):
    def task(x):
        spoil(x)
        return 1

    ask(lambda x: 1, case(argument))
    for _ in range(2):  # the second time the case is whole again
        result = check("task", task)
        assert result.failure.difference == "it changed its argument number 1; work on a copy"
    assert check("task", lambda x: 1).right


def test_none_is_an_answer_where_it_is_expected(ask):
    ask(lambda x: None, case(1))
    assert check("task", lambda x: None).right


def test_none_on_a_later_case_is_wrong_and_not_unwritten(ask):
    ask(lambda x: x, case(1), case("two"))
    result = check("task", lambda x: x if x == 1 else None)
    assert result.written
    assert result.failure.got == "None"


def test_a_generator_is_read_out(ask):
    ask(lambda n: (i for i in range(n)), case(0), case(3))
    assert check("task", lambda n: iter(range(n))).right
    assert check("task", lambda n: list(range(n))).right
    assert check("task", lambda n: (i + 1 for i in range(n))).failure.difference == "at [0]: 1, expected 0"


def test_where_the_library_raises_so_must_the_answer(ask):
    ask(int, case("7"), case("seven"))

    def other_kind(text):
        if not text.isdigit():
            raise UnicodeError("no")  # a ValueError too
        return int(text)

    assert check("task", other_kind).right
    assert check("task", lambda text: 7).failure.difference == "it should raise ValueError here"
    assert check("task", lambda text: {"7": 7}[text]).failure.got.startswith("KeyError")


def test_a_plain_error_will_do_where_the_library_has_one_of_its_own(ask):
    def plain(text):
        raise ValueError

    def other(text):
        raise TypeError

    ask(lambda text: text.encode("ascii"), case("é"))  # UnicodeEncodeError, a ValueError
    assert check("task", plain).right
    assert check("task", other).failure.difference == "it should raise ValueError here"


def test_a_function_among_the_arguments_is_spelled_by_its_source(ask):
    ask(lambda f: f(2), case(Source("lambda x: x * x", lambda x: x * x)))
    assert check("task", lambda f: 0).failure.call == "task(lambda x: x * x)"
    assert check("task", lambda f: f(2)).right


def test_settings_go_by_keyword(ask):
    ask(lambda x, *, base: x * base, case(3, base=10))
    assert check("task", lambda x, *, base: x + base).failure.call == "<lambda>(3, base=10)".replace("<lambda>", "task")
    assert check("task", lambda x, base: base * x).right
    assert case(form="fast", at=np.nan).call("f") == "import numpy as np; f(form='fast', at=np.nan)"


@pytest.mark.parametrize(
    ("expected", "got", "difference"),
    [
        ([1, 2], (1, 2), None),
        ((1, 2), [1, 2], None),
        ([1, 2], np.array([1, 2]), None),
        ([1, 2], [1], "its length is 1, expected 2"),
        ([1], [1, 2], "its length is 2, expected 1"),
        ([[1], [2]], [[1], [3]], "at [1][0]: 3, expected 2"),
        ([1], 1, "an int, expected a list"),
        (1, True, "a bool, expected an int"),
        (True, 1, "an int, expected a bool"),
        (2, np.int64(2), None),
        (2.0, np.array(2.0), None),
        (2, 2.0, None),
        (2, "2", "a str, expected an int"),
        ("ab", b"ab", "a bytes, expected a str"),
        ("ab", "ac", "first at [1]: 'c', expected 'b'"),
        ("ab", "abc", "its length is 3, expected 2"),
        (b"ab", b"", "its length is 0, expected 2"),
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 2}, "at ['a']: 2, expected 1"),
        ({"a": 1}, {}, "the key 'a' is missing"),
        ({}, {"a": 1}, "the key 'a' is too much"),
        ({}, [], "a list, expected a dict"),
        ({1}, {1, 2}, "{1, 2}, expected {1}"),
        (np.zeros((2, 3)), np.zeros((3, 2)), "its shape is (3, 2), expected (2, 3)"),
        (np.zeros(2), np.zeros(2, np.float32), "its dtype is float32, expected float64"),
        (np.zeros(2, np.int64), np.zeros(2, np.uint8), None),
        (np.zeros(2, bool), np.zeros(2, int), "its dtype is int64, expected bool"),
        (np.zeros((2, 2)), np.array([[0, 0], [0.5, 0.0]]), "at [1, 0]: 0.5, expected 0.0"),
        (np.array([np.nan, 1]), np.array([np.nan, 1]), None),
        (np.array([np.inf]), np.array([-np.inf]), "at [0]: -np.inf, expected np.inf"),
        (np.array([1.0]), np.array([np.nan]), "at [0]: np.nan, expected 1.0"),
        (np.array([1.0]), [1.0], "a list, expected an array"),
        ((np.zeros(2), np.zeros(1)), np.zeros((1, 2)), "an array, expected a tuple of 2 arrays"),
        ((np.zeros(2), np.zeros(2)), np.zeros((2, 2)), None),
        ((1.0, 2.0), np.array(1.0), "an array, expected a tuple"),
        (np.array(1.0), 1.0, None),
        ([np.zeros(1)], [np.ones(1)], "at [0][0]: 1.0, expected 0.0"),
        (tensor([1.0]), tensor([1.0]), None),
        (tensor([1.0]), tensor([2.0]), "at [0]: 2.0, expected 1.0"),
    ],
)
def test_where_two_values_part(expected, got, difference):
    assert same(expected, got) == difference


def test_rounding_passes_and_more_does_not():
    x = np.array([1.0, 1e3])
    assert same(x, x + 5e-7) is None  # 1e-9 of the greatest
    assert same(x, x + 2e-6) is not None
    single = x.astype(np.float32)
    assert same(single, single + np.float32(5e-3)) is None  # 1e-5 of the greatest
    assert same(single, single + np.float32(2e-2)) is not None
    assert nearly(1e-2)(x, x * 1.009) is None
    assert nearly(1e-2)(x, x * 1.011) is not None
    assert nearly(0, 1e-3)(0.0, 9e-4) is None


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_html_is_whole_and_escapes_what_a_student_returns(ask):
    ask(lambda x: "<b>", case("<script>"))
    page = Balanced()
    page.feed(check("task", lambda x: "</div><img src=x>")._repr_html_())
    assert page.open == []
    assert "</div><img src=x>" in page.text
    assert "task('<script>')" in page.text


def test_it_works_in_a_plain_interpreter_too(ask):
    """Without the source of a function there is no text of a line, and still a report."""
    names = {}
    exec("def task(x):\n    return x[9]", names)
    ask(sum, case([1]))
    assert "in line 2" in check("task", names["task"]).failure.got
    assert sys.exc_info() == (None, None, None)


def test_whole_numbers_are_exact_whatever_they_are_compared_with():
    assert same(3, 3.0) is None
    assert same(2_000_000_000, 2_000_000_001.0) is not None
    assert same(np.array([10**12]), np.array([10**12 + 1])) is not None
    assert same(0, 1e-12) is not None
