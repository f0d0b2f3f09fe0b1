"""Work on arrays is counted by elements, and a right answer that touches too many is called slow."""

from pathlib import Path

import numpy as np
import pytest

from tests.course.sandboxed import LIMITS
from tinylm.course.judge import judge
from tinylm.course.outcome import Here
from tinylm.course.problem import problem_named, problems
from tinylm.course.sandbox import Nursery
from tinylm.course.sandbox.elements import touched
from tinylm.course.work import elements

pytest.importorskip("hypothesis", reason="Hypothesis draws the inputs: pip install 'tinylm[course]'")

COUNTED = [problem for problem in problems().values() if problem.work and problem.work.count is elements]


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (lambda x, y: x + y, 18),
        (lambda x, y: x[:1], 0),
        (lambda x, y: x.reshape(3, 2).T, 0),
        (lambda x, y: x[[0, 0, 1]], 9),
        (lambda x, y: x[0, 0], 1),
        (lambda x, y: x.sum(axis=0), 9),
        (lambda x, y: np.add(x, y, out=y), 24),
        (lambda x, y: np.concatenate([x, y]), 24),
        (lambda x, y: x @ y.T, 16),
        (lambda x, y: np.einsum("ij,ij->i", x, y), 14),
        (lambda x, y: np.zeros((90, 90)) + 1, 0),  # of plain arrays alone
        (lambda x, y: np.ones((5, 2)) @ x, 10 + 6 + 15),
        (lambda x, y: np.where(x > 0, x, 0), 12 + 18),
        (lambda x, y: np.add.at(x, [0, 0], y), 12),
        (lambda x, y: np.linalg.norm(x), 6),
        (lambda x, y: y.__setitem__((0, 0), 5.0), 1),
    ],
)
def test_what_goes_in_and_what_comes_out_is_counted(answer, count):
    x, y = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    assert touched(answer, (x, y), {}) == count


def test_an_answer_is_called_as_always_and_what_it_writes_arrives():
    x = np.zeros(3)
    seen = []

    def answer(x, *, table, n):
        x += table["a"]
        x[0] = 9
        seen.extend([x.dtype, n, table["a"].shape, isinstance(x, np.ndarray)])
        return x

    touched(answer, (x,), {"table": {"a": np.ones(3)}, "n": 2})
    assert x.tolist() == [9.0, 1.0, 1.0]
    assert seen == [np.float64, 2, (3,), True]


@pytest.mark.parametrize("problem", COUNTED, ids=lambda problem: problem.name)
def test_the_work_of_the_librarys_answer_grows_with_the_size(problem):
    counts = [elements(problem.reference, problem.work.at(n)) for n in problem.work.sizes]
    assert counts[0] > problem.work.sizes[0]
    assert 1.7 < counts[2] / counts[1] < 2.3


# right, and by too much work: as a textbook writes them


def softmax_backward(xp, dy, *, p, axis):
    dy, p = xp.moveaxis(dy, axis, -1), xp.moveaxis(p, axis, -1)
    jacobian = p[..., None] * xp.eye(p.shape[-1], dtype=p.dtype) - p[..., :, None] * p[..., None, :]
    return xp.moveaxis(xp.einsum("...i,...ij->...j", dy, jacobian), -1, axis)


def embedding_backward(xp, dy, *, ids, shape):
    one_hot = xp.eye(shape[0], dtype=dy.dtype)[ids.reshape(-1)]
    return one_hot.T @ dy.reshape(-1, shape[1])


def rotary(xp, x, positions, *, base=10000.0):
    half = x.shape[-1] // 2
    angles = positions[..., None] * base ** (-xp.arange(half) / half)
    turn = xp.zeros((*angles.shape[:-1], 2 * half, 2 * half))
    i = xp.arange(half)
    turn[..., i, i] = turn[..., i + half, i + half] = xp.cos(angles)
    turn[..., i + half, i] = xp.sin(angles)
    turn[..., i, i + half] = -xp.sin(angles)
    return xp.einsum("...tij,...tj->...ti", turn.astype(x.dtype), x)


SLOW = [softmax_backward, embedding_backward, rotary]


@pytest.mark.parametrize("answer", SLOW, ids=lambda answer: answer.__name__)
def test_a_right_answer_that_does_too_much_is_called_slow(answer):
    problem = problem_named(answer.__name__)
    verdict = judge(problem, Here(answer, problem.drive, problem.work.count))
    assert verdict.status == "slow", verdict.failing
    assert "elements of arrays at sizes 64, 128, 256: it grows as n^2" in verdict.work
    assert problem.work.says in verdict.work


def test_there_is_a_slow_answer_for_every_count():
    assert sorted(answer.__name__ for answer in SLOW) == sorted(problem.name for problem in COUNTED)


def test_in_a_process_of_its_own_the_same_is_counted_without_the_library(tmp_path: Path):
    problem = problem_named("embedding_backward")
    text = "def embedding_backward(xp, dy, *, ids, shape):\n    out = xp.zeros(shape, dy.dtype)\n"
    text += "    xp.add.at(out, ids, dy)\n    return out\n"
    (tmp_path / "my_work.py").write_text(text, encoding="utf-8")
    names: dict = {}
    exec(text, names)
    cases = [problem.work.at(n) for n in problem.work.sizes]
    with Nursery(LIMITS) as nursery, nursery.guarded(tmp_path / "my_work.py", problem) as answer:
        counts = [outcome.value for outcome in answer.counts(cases)]
        assert list(nursery._homes) == ["bare"]
        assert judge(problem, answer).status == "right"
    assert counts == [elements(names["embedding_backward"], each) for each in cases]
