"""Right answers of other forms to the problems of operations: each is accepted, its wrong neighbour is not."""

import numpy as np
import pytest

from tinylm.course.cases import cases_of
from tinylm.course.expect import difference, expected_of, quiet
from tinylm.course.outcome import Here
from tinylm.course.problem import plain, problem_named, problems
from tinylm.course.problems.inputs import wanted
from tinylm.course.problems.reduction import first_of_equals

MODULES = ("activation", "arithmetic", "dropout", "loss", "matmul", "normalization", "reduction")
OPERATIONS = [
    name
    for name, problem in problems().items()
    if plain(problem.live).__module__.removeprefix("tinylm.ops.") in MODULES
]
EXACT = {  # multiples of 1/4, added and multiplied, and divided by powers of 2
    "relu", "relu_backward", "matmul", "matmul_backward", "linear", "linear_backward", "multiply_backward",
    "divide_backward", "maximum_backward", "where_backward", "sum_backward", "max_backward",
}  # fmt: skip
every = pytest.mark.parametrize("name", OPERATIONS)


def status(name, answer):
    """What the judge says of an answer, without looking for what it is like."""
    problem = problem_named(name)
    cases = cases_of(problem)
    with quiet():
        trio = zip(cases, expected_of(problem, cases), Here(answer).calls(cases), strict=True)
        return "right" if all(difference(problem, *each) is None for each in trio) else "wrong"


def reference(name):
    return problem_named(name).reference


def cast(value, dtype, only=np.floating):
    """Every floating-point array or number in a value, in this type."""
    if isinstance(value, (np.ndarray, np.generic)) and issubclass(value.dtype.type, only):
        return value.astype(dtype)
    if isinstance(value, tuple):
        return tuple(cast(each, dtype, only) for each in value)
    if isinstance(value, dict):
        return {key: cast(each, dtype, only) for key, each in value.items()}
    return value


def type_of(*values):
    """The type of the first floating-point array."""
    return next(each.dtype for each in values if isinstance(each, np.ndarray) and each.dtype.kind == "f")


def through(name, dtype, *, back=True):
    """The right answer, computed in this type."""

    def answer(xp, *args, **kept):
        right = reference(name)(xp, *cast(args, dtype), **cast(kept, dtype))
        return cast(right, type_of(*args)) if back else right

    return answer


@every
def test_more_digits_inside_are_right_and_float64_coming_out_of_float32_is_not(name):
    for dtype in (np.float64, np.longdouble):
        assert status(name, through(name, dtype)) == "right"
    if name != "softmax_cross_entropy":  # one number, of whatever type
        assert status(name, through(name, np.float64, back=False)) == "wrong"


@every
def test_float32_inside_is_wrong_where_it_shows(name):
    assert status(name, through(name, np.float32)) == ("right" if name in EXACT else "wrong")


@every
def test_what_is_kept_besides_y_does_not_count(name):
    if name.endswith("_backward"):
        return
    assert status(name, lambda *args, **settings: reference(name)(*args, **settings)[0]) == "right"
    assert status(name, lambda *args, **settings: (reference(name)(*args, **settings)[0], {"mine": 1})) == "right"


@pytest.mark.parametrize("name", ["softmax_cross_entropy_backward", "dropout_backward"])
def test_the_one_gradient_that_there_is_may_come_alone(name):
    assert status(name, lambda *args, **kept: reference(name)(*args, **kept)[0]) == "right"
    assert status(name, lambda *args, **kept: (reference(name)(*args, **kept)[0],)) == "right"
    assert status(name, lambda *args, **kept: reference(name)(*args, **kept)[::-1]) == "wrong"


def test_a_gradient_that_nobody_wants_may_be_there():
    def all_of_them(name):
        return lambda xp, dy, *, needs, **kept: reference(name)(xp, dy, needs=(True,) * len(needs), **kept)

    for name in ("multiply_backward", "divide_backward", "matmul_backward", "linear_backward"):
        assert status(name, all_of_them(name)) == "right", name
        turned = lambda xp, dy, *, needs, **kept: reference(name)(xp, dy, needs=needs[::-1], **kept)  # noqa: B023, E731
        assert status(name, turned) == "wrong", name


def test_what_is_wanted_must_be_there():
    compared = wanted(lambda expected, got: None if expected == got else "differs")
    assert compared((1, None), (1, 5)) is None
    assert compared((1, None), [1, None]) is None
    assert compared((1, 5), (1, None)) == "differs"
    assert compared((1, None), (1,)) == "differs"


def test_the_condition_may_have_a_gradient_of_zeros():
    def answer(xp, dy, *, condition):
        return np.zeros(condition.shape), dy * condition, dy * ~condition

    assert status("where_backward", answer) == "right"
    assert status("where_backward", lambda *args, **kept: answer(*args, **kept)[1:]) == "right"


def test_the_first_of_equal_maxima_is_what_argmax_takes():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])
    found = first_of_equals(np, np.array([1.0, 2.0]), x=x, y=x.max(axis=1), axis=1, keepdims=False)
    assert found.tolist() == [[0, 1, 0], [2, 0, 0]]
    assert first_of_equals(np, np.array(1.0), x=x, y=x.max(), axis=None, keepdims=False).sum(axis=0).tolist() == [
        0,
        1,
        0,
    ]
