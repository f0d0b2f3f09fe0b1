"""Judging: right or not, the smallest failing call, limits, work, variants; and the same verdict everywhere."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from tinylm.course import failing
from tinylm.course.cases import cases_of
from tinylm.course.check import check
from tinylm.course.exercise import case
from tinylm.course.judge import judge
from tinylm.course.outcome import Here, Outcome, Raised
from tinylm.course.problem import Fault, Problem, Work, problem_named, problems
from tinylm.course.verdict import Verdict

NAMES = list(problems())
ROOT = Path(__file__).resolve().parents[2]


def largest(numbers, *, least=0):
    """The largest of some numbers, or `least` where none is larger; ValueError where there are none.

    numbers: a list
    """
    if not numbers:
        raise ValueError("no numbers")
    return max(max(numbers), least)


def numbers_drawn():
    return st.lists(st.integers(-20, 20), max_size=6).map(case)


def fill(numbers, value):
    """Put a value everywhere."""
    numbers[:] = [value] * len(numbers)


def count_steps(answer, each):
    return answer(*each.args)


LARGEST = Problem(
    "largest",
    largest,
    topic="lists",
    level=1,
    minutes=5,
    inputs=numbers_drawn,
    faults=(Fault("smallest", "it were the smallest", (("max(max(numbers)", "max(min(numbers)"),)),),
    variants={"least": (0, 3, -5)},
)
FILL = Problem(
    "fill",
    fill,
    topic="lists",
    level=1,
    minutes=5,
    inputs=lambda: st.tuples(st.lists(st.integers(0, 3), max_size=4), st.integers(0, 3)).map(lambda a: case(*a)),
    faults=(),
    view=lambda value, after: (value, after[0]),
)


class Counted:
    """An answer that is counted, and stopped where `stops` says so."""

    def __init__(self, function, stops=lambda each: False, printed=""):
        self.here, self.stops, self.asked, self.printed = Here(function), stops, 0, printed

    def calls(self, cases) -> Iterator[Outcome]:
        for each in cases:
            self.asked += 1
            stopped = Outcome(stopped="time", detail="it did not come back within 10 s of computing")
            yield stopped if self.stops(each) else next(self.here.calls((each,)))


# cases


@pytest.mark.parametrize("name", NAMES)
def test_cases_are_enough_and_unequal_and_come_smallest_first(name):
    cases = cases_of(problem_named(name))
    assert len(cases) >= 30
    assert [each.size for each in cases] == sorted(each.size for each in cases)
    assert len({each.call("f") for each in cases}) == len(cases)
    assert cases_of(problem_named(name)) is cases


def test_another_seed_draws_other_cases():
    assert [each.call("f") for each in cases_of(LARGEST)] != [each.call("f") for each in cases_of(LARGEST, seed=1)]


# right and wrong


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_right(name):
    problem = problem_named(name)
    verdict = judge(problem, Here(problem.reference, problem.drive, problem.work.count if problem.work else None))
    assert verdict.status == "right", verdict.sentence + verdict.work
    assert verdict.tried == len(cases_of(problem))


def test_a_right_answer_in_another_style_is_right():
    def mine(numbers, *, least=0):
        assert_ = sorted([*numbers, least])
        if len(assert_) == 1:
            raise ValueError
        return np.int64(assert_[-1])

    assert judge(LARGEST, Here(mine)).status == "right"


def test_the_smallest_failing_call_is_found_by_shrinking():
    def mine(numbers, *, least=0):
        return largest(numbers) if len(numbers) < 3 or 13 not in numbers else 0

    verdict = judge(LARGEST, Here(mine), tries=200)
    numbers = json.loads(verdict.failing.call[len("mine(") : -1])
    assert sorted(numbers) == [0, 0, 13]
    assert verdict.failing.call[len("mine") :] not in {each.call("") for each in cases_of(LARGEST, tries=200)}
    assert (verdict.failing.expected, verdict.failing.got) == ("13", "0")


def test_the_call_can_be_pasted_and_run():
    problem = problem_named("layer_norm")
    verdict = judge(problem, Here(problem.faulty(problem.faults[0])))
    scope = {"layer_norm": problem.reference}
    exec(verdict.failing.call, scope)
    with pytest.raises(SyntaxError):
        compile(verdict.failing.call + ")", "", "exec")


def test_an_error_of_the_same_kind_is_right_and_another_is_not():
    def other(numbers, *, least=0):
        if not numbers:
            raise KeyError("none")
        return largest(numbers)

    def silent(numbers, *, least=0):
        return largest(numbers) if numbers else 0

    assert judge(LARGEST, Here(other)).failing.difference == "it should raise ValueError here"
    verdict = judge(LARGEST, Here(silent))
    assert (verdict.failing.expected, verdict.failing.got) == ("ValueError: no numbers", "0")


def test_changed_arguments_are_wrong_unless_the_reference_changes_them_too():
    def greedy(numbers, *, least=0):
        result = largest(numbers)
        numbers.sort()
        return result

    verdict = judge(LARGEST, Here(greedy))
    assert "changed numbers; work on a copy" in verdict.failing.difference
    assert "it changes its arguments" in verdict.symptom

    def mine(numbers, value):
        for i in range(len(numbers)):
            numbers[i] = value

    assert judge(FILL, Here(mine)).status == "right"
    assert judge(FILL, Here(lambda numbers, value: None)).status == "wrong"
    assert judge(FILL, Here(lambda numbers, value: fill(numbers[:], value))).status == "wrong"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda numbers: ..., "it returns ..."),
        (lambda numbers: None, "it returns None"),
        (lambda numbers: (_ for _ in ()).throw(NotImplementedError()), "it raises NotImplementedError"),
    ],
)
def test_what_is_not_written_is_not_wrong(answer, why):
    verdict = judge(LARGEST, Here(answer))
    assert (verdict.status, verdict.failing) == ("unwritten", None)
    assert why in verdict.sentence


def test_an_answer_that_does_something_and_returns_nothing_is_asked_for_its_return():
    def adds(numbers, *, least=0):
        numbers.append(least)

    def breaks(numbers, *, least=0):
        max(numbers)

    open_ = "not written yet, or is a `return` missing?"
    assert judge(LARGEST, Here(lambda numbers: None)).sentence == f"it returns None: {open_}"
    for begun in (Here(adds), Here(breaks), Counted(lambda numbers: None, printed="[1, 2]\n")):
        verdict = judge(LARGEST, begun)
        assert (verdict.status, verdict.sentence) == ("unwritten", "it returns None: is a `return` missing?")


@pytest.mark.parametrize(("kind", "status"), [("MissingAnswer", "missing"), ("AnswerRefused", "refused")])
def test_an_answer_that_cannot_be_called_has_a_status_of_its_own(kind, status):
    class Nothing:
        def calls(self, cases):
            return (Outcome(error=Raised((kind, "LookupError"), "there is no largest in my_work.py")) for _ in cases)

    verdict = judge(LARGEST, Nothing())
    assert (verdict.status, verdict.sentence) == (status, "there is no largest in my_work.py")


def test_what_is_kept_between_calls_is_pointed_out():
    def mine(numbers, *, least=0, seen=[]):  # noqa: B006
        result = largest(numbers)
        seen.append(result)
        return max(seen)

    assert "The same call does not do the same each time" in judge(LARGEST, Here(mine)).symptom


def test_results_that_cannot_be_compared_are_wrong_and_do_not_break_the_judge():
    class Nasty:
        def __eq__(self, other):
            raise RuntimeError("no")

        def __repr__(self):
            raise RuntimeError("no")

        __hash__ = None

    assert judge(LARGEST, Here(lambda numbers: Nasty())).status == "wrong"
    assert judge(problem_named("softmax"), Here(lambda xp, x, axis=-1: Nasty())).status == "wrong"


# limits


def test_an_answer_that_never_comes_back_is_not_asked_again_and_again():
    answer = Counted(largest, stops=lambda each: True)
    verdict = judge(LARGEST, answer)
    assert verdict.status == "stopped"
    assert answer.asked == 2
    assert "it did not come back within 10 s of computing" in verdict.sentence
    assert verdict.failing.got == "it did not come back within 10 s of computing"


def test_an_answer_that_loops_on_some_inputs_costs_few_stops_and_the_smallest_is_shown():
    stops = []

    def endless(each):
        stops.append(len(each.args[0]) > 1)
        return stops[-1]

    verdict = judge(LARGEST, Counted(largest, stops=endless))
    assert sum(stops) == 2
    assert verdict.failing.call.count(",") == 1


def test_shrinking_asks_a_bounded_number_of_times(monkeypatch):
    monkeypatch.setattr(failing, "ASKS", 5)
    answer = Counted(lambda numbers, *, least=0: largest(numbers) + (sum(numbers) > 9))
    assert judge(LARGEST, answer).status == "wrong"
    assert answer.asked <= len(cases_of(LARGEST)) + 5 + 2  # and two to see whether it is steady


def test_what_it_printed_is_kept():
    assert judge(LARGEST, Counted(largest, printed="here\n")).printed == "here\n"


# work


def worked(counts, limit=1.5):
    table = dict(zip((8, 16, 32), counts, strict=True))
    work = Work("steps", count_steps, lambda n: case(n), (8, 16, 32), limit, "every step looks at all others")
    problem = replace(LARGEST, work=work)

    class Both(Here):
        def counts(self, cases):
            return Here(lambda n: table[n], count=count_steps).counts(cases)

    return judge(problem, Both(largest))


def test_work_that_grows_too_fast_is_slow_and_right():
    verdict = worked((64, 256, 1024))
    assert (verdict.status, verdict.right) == ("slow", True)
    assert "64, 256, 1024 steps at sizes 8, 16, 32: it grows as n^2.0" in verdict.work
    assert "every step looks at all others" in verdict.work


def test_the_growth_is_taken_at_the_two_largest_sizes():
    assert worked((1, 100, 200)).status == "right"
    assert worked((100, 100, 400)).status == "slow"
    assert worked((0, 0, 0)).status == "right"


@pytest.mark.parametrize("count", [-1, None, "many", 1 << 4000, [1]], ids=lambda value: type(value).__name__)
def test_what_is_no_count_is_said_and_is_not_taken_for_little_work(count):
    """A student's process counts: what it says may be anything."""
    problem = replace(LARGEST, work=Work("steps", count_steps, lambda n: case(n), (8, 16, 32), 1.5, "too much"))

    class Told(Here):
        def counts(self, cases):
            return (Outcome(count) for _ in cases)

    verdict = judge(problem, Told(largest))
    assert verdict.status == "slow"
    assert "could not be counted" in verdict.work


STRANGE = [np.array(10), np.zeros((0, 3)), 1 << 70, [1 << 70], 7**9999, {"k": 1}, 1j, ...]


@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_no_value_is_too_strange_to_be_judged(number):
    value = STRANGE[number]
    for problem in (LARGEST, problem_named("softmax"), problem_named("get_batch")):
        verdict = judge(problem, Here(lambda *args, **settings: value))
        assert not verdict.right


# variants


def test_whose_variant_an_answer_solves_is_said():
    mine = LARGEST.variant({"least": 3})
    others = {"ada": {"least": 3}, "bob": {"least": -5}, "cy": {"least": -5}, "dan": {"least": 0}}
    copied = judge(mine, Here(lambda numbers: largest(numbers, least=-5)), others=others)
    assert (copied.status, copied.solves, copied.variant) == ("wrong", ("bob", "cy"), {"least": 3})
    own = judge(mine, Here(lambda numbers: largest(numbers, least=3)), others=others)
    assert (own.status, own.solves) == ("right", ())
    library = judge(mine, Here(largest))
    assert "It is right with the settings of the library; yours has least=3." in library.symptom


# the same everywhere


def test_what_is_drawn_does_not_depend_on_which_modules_are_loaded(tmp_path, monkeypatch):
    def drawn():
        problem = replace(LARGEST, inputs=lambda: st.lists(st.integers(-(10**6), 10**6)).map(case))
        return [each.call("f") for each in cases_of(problem, tries=200)]

    before = drawn()
    (tmp_path / "odd_numbers.py").write_text(f"ODD = {list(range(1001, 900000, 1013))}\n")  # Hypothesis would use them
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "odd_numbers", importlib.import_module("odd_numbers"))
    assert drawn() == before


SCRIPT = """
import json, sys
if sys.argv[1] == "turned":
    import odd_constants
from dataclasses import replace
from tinylm.course.judge import judge
from tinylm.course.outcome import Here
from tinylm.course.problem import problem_named
out = []
for name in sys.argv[2:]:
    problem = problem_named(name)
    if sys.argv[1] == "turned":
        problem = replace(problem, faults=problem.faults[::-1])
    for fault in sorted(problem.faults, key=lambda fault: fault.name)[:2]:
        out.append(judge(problem, Here(problem.faulty(fault), problem.drive)).to_dict())
print(json.dumps(out, sort_keys=True))
"""


def test_verdicts_are_the_same_in_another_process_with_other_hashes_other_modules_and_faults_in_another_order(tmp_path):
    names = ["layer_norm", "maximum_backward", NAMES[0]]
    (tmp_path / "odd_constants.py").write_text("A = [-4321.5, 17, 1e-7, 7, 3, 2.25, 'odd', b'odd', 77]\n")
    outputs = []
    for order, seed, folder in (("straight", "1", ROOT), ("turned", "2", tmp_path)):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, order, *names],
            env=environment, cwd=folder, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        outputs.append(json.loads(done.stdout))
    for one, other in zip(*outputs, strict=True):
        assert one == other


@pytest.mark.parametrize("name", ["layer_norm", "layer_norm_backward", "softmax", "matmul", "gelu"])
def test_a_verdict_does_not_change_where_a_machine_rounds_otherwise(name):
    problem = problem_named(name)

    def rounded(value, up):
        if isinstance(value, tuple):
            return tuple(rounded(each, up) for each in value)
        return value * (1 + up * 2 * np.finfo(value.dtype).eps) if isinstance(value, np.ndarray) else value

    for fault in problem.faults[:1]:
        wrong = problem.faulty(fault)
        verdicts = [
            judge(problem, Here(lambda *args, up=up, wrong=wrong, **settings: rounded(wrong(*args, **settings), up)))
            for up in (-1.0, 1.0)
        ]
        assert verdicts[0] == verdicts[1]


def test_a_verdict_survives_json():
    problem = problem_named("softmax")
    verdict = judge(problem, Here(problem.faulty(problem.faults[0])))
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


# check, in a notebook


def test_check_takes_the_name_of_a_graded_exercise_and_shows_the_diagnosis():
    problem = problem_named("layer_norm")
    wrong = check("layer_norm", problem.faulty(next(f for f in problem.faults if f.name == "eps_outside")))
    assert (wrong.right, wrong.written) == (False, True)
    assert "It behaves as if eps were added outside of the root." in repr(wrong)
    assert "It behaves as if eps were added outside of the root." in wrong._repr_html_()
    assert wrong.failure.call in repr(wrong)
    assert check("layer_norm", problem.reference).right
    assert not check("rms_norm", ...).written
    assert "give the answer itself" in repr(check("rms_norm", 3))


def test_check_keeps_to_the_notebooks_exercise_where_both_have_the_name():
    result = check("softmax", lambda x: np.exp(x - x.max(-1, keepdims=True)) / 2)
    assert result.verdict is None
    assert not result.right


def test_an_array_that_comes_by_name_may_not_be_changed_either():
    def softmax_backward(xp, dy, *, p, axis):
        dx = p * (dy - (dy * p).sum(axis=axis, keepdims=True))
        p *= 0
        return dx

    problem = problem_named("softmax_backward")
    verdict = judge(problem, Here(softmax_backward, None, problem.work.count))
    assert verdict.status == "wrong"
    assert "changed p; work on a copy" in verdict.failing.difference


def test_an_answer_may_write_into_what_it_returned_before():
    buffers = {}

    def softmax(xp, x, *, axis=-1):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        out = buffers.setdefault((x.shape, x.dtype), np.empty_like(x))
        out[...] = e / e.sum(axis=axis, keepdims=True)
        return out

    assert judge(problem_named("softmax"), Here(softmax)).status == "right"


@pytest.mark.parametrize("stops", ["return None", "raise NotImplementedError('scalars')"])
def test_an_answer_that_gives_up_on_some_inputs_is_wrong_and_not_unwritten(stops):
    names = {"np": np}
    exec(
        f"def softmax(xp, x, *, axis=-1):\n    if x.size == 1:\n        {stops}\n"
        "    e = np.exp(x - x.max(axis=axis, keepdims=True))\n    return e / e.sum(axis=axis, keepdims=True)\n",
        names,
    )
    verdict = judge(problem_named("softmax"), Here(names["softmax"]))
    assert verdict.status == "wrong"
    assert verdict.failing is not None
