"""A student's answer in a process of its own: what comes back, what it may import, and the library's own answer."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.course.sandboxed import CASES, DOUBLE, LIMITS, RIGHT, answers, double, nursery, right
from tinylm.autograd import Tensor, tensor
from tinylm.course.compare import same
from tinylm.course.exercise import Case, case
from tinylm.course.outcome import Here, Outcome
from tinylm.course.problem import XP, Problem, Work, problem_named
from tinylm.course.sandbox import Guarded, Limits, Nursery
from tinylm.course.sandbox.granted import asks_for_library, granted
from tinylm.course.sandbox.look import allows, library_imports
from tinylm.course.spelling import Source
from tinylm.ops import normalization

__all__ = ["nursery"]

X, GAIN = np.array([[1.0, 2.0, 4.0]]), np.ones(3)
NORM = case(XP, X, GAIN)
LAYER_NORM = """
from tinylm.ops.op import keep

def layer_norm(xp, x, gain, bias=None, *, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    rstd = 1 / xp.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)
    y = gain * centred * rstd
    return (y if bias is None else y + bias), keep(xhat=centred * rstd, rstd=rstd, gain=gain)
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "my_work.py"


def one(nursery: Nursery, work: Path, problem: Problem, text: str, each: Case) -> Outcome:
    work.write_text(text)
    with nursery.guarded(work, problem) as answer:
        return next(answer.calls([each]))


def echo(nursery: Nursery, work: Path, *args: Any, body: str = "return x") -> Outcome:
    return one(nursery, work, DOUBLE, f"import numpy as np\ndef double(x):\n    {body}\n", case(*args))


def test_a_right_answer_is_right(nursery: Nursery, work: Path) -> None:
    assert right(answers(nursery, work, RIGHT))


def test_it_does_what_the_same_answer_does_here(nursery: Nursery, work: Path) -> None:
    for each in (NORM, case(XP, X, GAIN, GAIN), case(XP, X, GAIN, eps=1.0)):
        got = one(nursery, work, problem_named("layer_norm"), LAYER_NORM, each)
        expected = next(Here(normalization.layer_norm.__wrapped__).calls([each]))
        assert same(expected.value, got.value) is None
        assert got.after is None


@pytest.mark.parametrize(
    "value",
    [None, 7, -(10**30), 0.1, -0.0, "é\ud800", b"\0", [1, (2, [3])], {(1, 2): {"a": {3}}}, frozenset({1}), 2j, ...],
    ids=repr,
)
def test_plain_data_goes_there_and_back(nursery: Nursery, work: Path, value: Any) -> None:
    got = echo(nursery, work, value).value
    assert type(got) is type(value)
    assert repr(got) == repr(value)


def test_tensors_go_there_and_back(nursery: Nursery, work: Path) -> None:
    got = echo(nursery, work, tensor([1.0, 2.0], requires_grad=True)).value
    assert isinstance(got, Tensor)
    assert got.requires_grad
    assert got.numpy().tolist() == [1.0, 2.0]


def test_an_iterator_comes_as_the_list_of_what_it_yields(nursery: Nursery, work: Path) -> None:
    assert echo(nursery, work, 3, body="yield from range(x)").value == [0, 1, 2]


def test_a_changed_argument_is_seen_and_an_unchanged_one_not(nursery: Nursery, work: Path) -> None:
    got = echo(nursery, work, np.array([1.0, 2.0]), body="x *= 2; return x")
    assert got.value.tolist() == [2.0, 4.0]
    assert got.after is not None
    assert got.after[0].tolist() == [2.0, 4.0]
    assert echo(nursery, work, [1, 2], body="x.append(3)").after == ([1, 2, 3],)
    assert echo(nursery, work, np.array([1.0]), body="return x * 2").after is None
    assert echo(nursery, work, {3, 1, 2}, body="return x").after is None
    assert echo(nursery, work, np.array([0.0, np.nan]), body="x *= -1; return x").after is None  # -0 is 0


def test_every_call_gets_arguments_of_its_own(nursery: Nursery, work: Path) -> None:
    each = case(np.array([1.0]))
    outcomes = answers(nursery, work, "def double(x):\n    x *= 2\n    return x.copy()", (each, each))
    assert [o.value.tolist() for o in outcomes] == [[2.0], [2.0]]
    assert each.args[0].tolist() == [1.0]


def test_a_function_among_the_arguments_can_be_called(nursery: Nursery, work: Path) -> None:
    each = case(Source("lambda x: np.sin(x) + 3", lambda x: np.sin(x) + 3))
    assert one(nursery, work, DOUBLE, "def double(f):\n    return float(f(0.0))", each).value == 3.0


def test_a_case_that_cannot_be_sent_is_our_mistake_and_raises(nursery: Nursery, work: Path) -> None:
    with pytest.raises(TypeError, match=r"double: this case cannot be sent .* object has no form"):
        echo(nursery, work, object())


def test_an_error_comes_with_its_kinds_message_and_line(nursery: Nursery, work: Path) -> None:
    text = (
        "class Odd(KeyError): pass\ndef double(x):\n    return inner(x)\ndef inner(x):\n    raise Odd('no')  # here\n"
    )
    error = one(nursery, work, DOUBLE, text, case(1)).error
    assert error is not None
    assert error.kinds == ("Odd", "KeyError", "LookupError")
    assert error.message == "'no'"
    assert (error.line, error.text) == (5, "raise Odd('no')  # here")
    plain = echo(nursery, work, 1, body="raise Exception('plain')").error
    assert plain is not None
    assert plain.kinds == ("Exception",)


def test_what_is_not_written_yet_raises_by_its_kind(nursery: Nursery, work: Path) -> None:
    error = echo(nursery, work, 1, body="raise NotImplementedError('write double')").error
    assert error is not None
    assert "NotImplementedError" in error.kinds
    assert echo(nursery, work, 1, body="...").value is None
    assert echo(nursery, work, 1, body="return ...").value is ...


def test_a_file_that_does_not_load_says_where(nursery: Nursery, work: Path) -> None:
    for text, words in (
        ("x = 1\ndef double(x:\n", r"my_work.py cannot be run: SyntaxError: .*\n?.*line 2: def double\(x:"),
        ("import nowhere\n", r"ModuleNotFoundError: No module named 'nowhere'\nin line 1: import nowhere"),
        ("\n\n1 / 0", r"ZeroDivisionError: division by zero\nin line 3: 1 / 0"),
    ):
        work.write_text(text)
        with nursery.guarded(work, DOUBLE) as answer:
            outcomes = list(answer.calls(CASES))
            assert answer.trouble == outcomes[0] == outcomes[-1]
        error = outcomes[0].error
        assert error is not None
        assert error.kinds[0] == "BrokenFile"
        assert re.search(words, error.message), error.message


def test_a_missing_answer_names_the_nearest(nursery: Nursery, work: Path) -> None:
    for text, words in (("def doubel(x): pass", "did you mean doubel?"), ("", "type: tinylm stub double")):
        error = one(nursery, work, DOUBLE, text, case(1)).error
        assert error is not None
        assert error.kinds == ("MissingAnswer",)
        assert error.message.startswith("my_work.py has no double; ")
        assert words in error.message


def test_what_is_printed_is_kept_at_its_end(nursery: Nursery, work: Path) -> None:
    text = "import sys\nprint('begin')\ndef double(x):\n    print('é' * 999, x)\n    print('err', x, file=sys.stderr)\n"
    work.write_text(text + "    return 2 * x")
    with nursery.guarded(work, DOUBLE) as answer:
        assert right(list(answer.calls(CASES)))
        seen = answer.printed
    assert seen == answer.printed
    assert len(seen) == 2000
    assert seen.endswith("é 5\nerr 5\n")
    assert "begin" not in seen
    work.write_text("import os\ndef double(x):\n    print('last words')\n    os._exit(3)")
    with nursery.guarded(work, DOUBLE) as answer:
        assert next(answer.calls(CASES)).stopped == "exit"
    assert answer.printed == "last words\n"


def test_a_warning_is_printed_without_the_folders_of_this_machine(nursery: Nursery, work: Path) -> None:
    work.write_text("import warnings\ndef double(x):\n    return warnings.warn('look out') or 2 * x\n")
    with nursery.guarded(work, DOUBLE) as answer:
        list(answer.calls(CASES))
    assert "UserWarning: look out (line 3)\n" in answer.printed
    assert str(work.parent) not in answer.printed


def test_the_file_is_a_module_and_not_the_program(nursery: Nursery, work: Path) -> None:
    (work.parent / "beside.py").write_text("")
    text = "import sys\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\n"
    text += "if __name__ == '__main__':\n    1 / 0\ndef double(x):\n"
    text += "    return __name__, __file__, sys.modules[__name__].double is double, P(1).x, sys.argv[1:]\n"
    assert one(nursery, work, DOUBLE, text, case(1)).value == ("my_work", "my_work.py", True, 1, [])
    error = one(nursery, work, DOUBLE, "import beside", case(1)).error
    assert error is not None
    assert "ModuleNotFoundError" in error.kinds


def test_nothing_of_the_surroundings_is_told(nursery: Nursery, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    with Nursery(LIMITS) as fresh:
        got = echo(fresh, work, 1, body="import os; return sorted(os.environ), os.getcwd(), hash('x')").value
        again = echo(nursery, work, 1, body="return hash('x')").value
    assert got == ([], "/", again)  # and sets have the same order each time


def test_common_modules_can_be_imported_late(nursery: Nursery, work: Path) -> None:
    body = "import decimal, bisect, json, statistics, numpy.linalg, numpy.polynomial, regex, unicodedata, random, csv"
    assert echo(nursery, work, 5, body=f"{body}; return np.linalg.norm(np.ones(4)) * x").value == 10.0


def test_each_exercise_has_a_process_of_its_own(nursery: Nursery, work: Path) -> None:
    text = "import builtins\nbuiltins.seen = getattr(builtins, 'seen', 0) + 1\ndef double(x):\n    return builtins.seen"
    assert [one(nursery, work, DOUBLE, text, case(1)).value for _ in range(2)] == [1, 1]


def test_an_answer_alone_needs_no_nursery(work: Path) -> None:
    work.write_text(RIGHT)
    with Guarded(work, DOUBLE, LIMITS) as answer:
        assert right(list(answer.calls(CASES)))
    assert next(answer.calls(CASES)).stopped == "exit"  # after the block


def test_a_file_that_is_none_raises(nursery: Nursery, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), nursery.guarded(tmp_path / "none.py", DOUBLE) as answer:
        list(answer.calls(CASES))
    with pytest.raises(OSError, match="Is a directory"), nursery.guarded(tmp_path, DOUBLE) as answer:
        list(answer.calls(CASES))
    (tmp_path / "large.py").write_text("x = 1\n" * (1 << 18))
    with nursery.guarded(tmp_path / "large.py", DOUBLE) as answer:
        outcome = next(answer.calls(CASES))
        assert outcome.error is not None
        assert "larger than 1 MiB" in outcome.error.message


@pytest.mark.parametrize("name", ["seconds", "memory", "output", "result", "patience"])
def test_limits_are_above_nothing(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


# -- what a file may import --------------------------------------------------------------------------------------------


def test_the_imports_of_a_file_are_read_from_its_source() -> None:
    text = "import tinylm.nn as n, os\nif 1:\n  from tokenizer import *\ndef f():\n  __import__('tinylm')\n"
    text += "  importlib.import_module('tokenizer.train')\nfrom . import tinylm\n'import tinylm'\nimport tinylmx"
    assert library_imports(text) == [("tinylm.nn", 1), ("tokenizer.*", 3), ("tinylm", 5), ("tokenizer.train", 6)]


def test_a_name_is_allowed_where_it_or_what_it_is_in_is_granted() -> None:
    assert allows({"tinylm.nn"}, "tinylm.nn.Linear")
    assert allows({"tinylm.nn"}, "tinylm.nn")
    assert not allows({"tinylm.nn"}, "tinylm.nnx")
    assert not allows({"tinylm.nn.Linear"}, "tinylm.nn")


def test_the_answer_itself_is_never_granted() -> None:
    causal_mask = problem_named("causal_mask")
    assert not any(name.endswith(".causal_mask") for name in granted(causal_mask))
    assert granted(DOUBLE, own=True) == {"tinylm.ops.op.keep"}


@pytest.mark.parametrize(
    "line",
    [
        "from tinylm.ops.normalization import layer_norm",
        "import tinylm",
        "from tinylm.optim import *",
        "    tinylm = __import__('tinylm')",
        "    import tinylm.optim",
    ],
)
@pytest.mark.parametrize("name", ["layer_norm", "backward_pass"])
def test_an_import_of_the_library_is_refused_with_its_line(nursery: Nursery, work: Path, line: str, name: str) -> None:
    problem = problem_named(name)
    text = (
        f"def {problem.symbol}(*args, **settings):\n    pass\n{line if line[0] != ' ' else 'def f():' + chr(10) + line}"
    )
    error = one(nursery, work, problem, text, NORM).error
    assert error is not None
    assert error.kinds == ("AnswerRefused",)
    assert error.line in (3, 4)
    assert error.text == line.strip()
    assert f"line {error.line} of my_work.py" in error.message


def test_without_the_library_keep_is_there_and_the_rest_is_not(nursery: Nursery, work: Path) -> None:
    assert not asks_for_library(problem_named("layer_norm"))
    text = (
        "import sys\nfrom tinylm.ops.op import keep\ndef double(x):\n    try:\n        __import__('tiny' + 'lm.nn')\n"
    )
    text += "    except ImportError as error:\n        return keep(a=1), str(error), sorted(sys.modules)\n"
    kept, message, modules = one(nursery, work, DOUBLE, text, case(1)).value
    assert kept == {"a": 1}
    assert "write it with NumPy and Python alone" in message
    assert [name for name in modules if "tinylm" in name] == ["tinylm", "tinylm.ops", "tinylm.ops.op"]


# -- where the library is there ----------------------------------------------------------------------------------------


def reduced(answer: Any, *args: Any) -> Any: ...


REDUCE = Problem(
    "double", double, "test", 1, 1, inputs=lambda: None, faults=(), drive=importlib.import_module("_functools").reduce
)


def test_a_drive_runs_where_the_answer_runs(nursery: Nursery, work: Path) -> None:
    text = "def double(x, y):\n    return 10 * x + y"
    assert one(nursery, work, REDUCE, text, case([1, 2, 3])).value == 123


def test_a_drive_that_cannot_be_found_there_is_our_mistake(nursery: Nursery, work: Path) -> None:
    problem = Problem("double", double, "test", 1, 1, inputs=lambda: None, faults=(), drive=lambda f, x: f(x))
    work.write_text(RIGHT)
    with nursery.guarded(work, problem) as answer, pytest.raises(TypeError, match="top of a module"):
        list(answer.calls(CASES))


def test_the_work_is_counted_where_the_answer_runs(nursery: Nursery, work: Path) -> None:
    problem = problem_named("encode_long_word")
    assert problem.work is not None
    from tinylm.course.stub import solution

    work.write_text(solution(problem))
    cases = [problem.work.at(n) for n in problem.work.sizes]
    with nursery.guarded(work, problem) as answer:
        got = [each.value for each in answer.counts(cases)]
    expected = [each.value for each in Here(problem.reference, problem.drive, problem.work.count).counts(cases)]
    assert all(isinstance(each, int) for each in got)
    assert [each / other for each, other in zip(got, expected, strict=True)] == pytest.approx([1, 1, 1], rel=0.05)


def _live_in(problem: Problem, *lines: str) -> Problem:
    """The same, with the library at hand."""
    return Problem(problem.name, problem.live, "test", 1, 1, problem.inputs, (), symbol=problem.symbol, imports=lines)


BY_MISTAKE = {
    "the op": "import sys\nop = sys.modules['tiny' + 'lm.ops.normalization'].layer_norm\n"
    "def layer_norm(xp, *arrays, **settings):\n    return op(xp, *arrays, **settings)",
    "a function of tensors": "from tinylm import functional as F\nfrom tinylm import tensor\n"
    "def layer_norm(xp, x, gain, bias=None):\n    return F.layer_norm(tensor(x), tensor(gain), bias)",
    "the fast kernel": "import sys\nop = sys.modules['tiny' + 'lm.ops.normalization'].layer_norm\n"
    "def layer_norm(xp, x, gain, bias=None):\n    return op.kernels['numpy'].forward(xp, x, gain, bias)",
    "through map": "import sys\nop = sys.modules['tiny' + 'lm.ops.normalization'].layer_norm\n"
    "def layer_norm(xp, x, gain, bias=None):\n    return next(map(op.reference.forward, [xp], [x], [gain]))",
}


@pytest.mark.parametrize("how", BY_MISTAKE)
def test_the_librarys_own_answer_cannot_be_called_by_mistake(nursery: Nursery, work: Path, how: str) -> None:
    problem = _live_in(problem_named("layer_norm"), "from tinylm import functional as F", "from tinylm import tensor")
    error = one(nursery, work, problem, BY_MISTAKE[how], NORM).error
    assert error is not None
    assert error.kinds[0] == "AnswerRefused"
    assert "this exercise is to write layer_norm; the library's own may not be called" in error.message


def test_other_parts_of_the_library_may_be_called(nursery: Nursery, work: Path) -> None:
    problem = _live_in(problem_named("layer_norm"), "from tinylm import functional as F", "from tinylm import tensor")
    text = "from tinylm import functional as F, tensor\ndef layer_norm(xp, x, gain, bias=None):\n"
    assert one(
        nursery, work, problem, text + "    return F.softmax(tensor(x)).numpy().sum()", NORM
    ).value == pytest.approx(1)


def test_a_class_of_the_library_cannot_be_made_by_mistake(nursery: Nursery, work: Path) -> None:
    from tinylm.nn import Linear

    problem = Problem("Linear", Linear, "test", 1, 1, lambda: None, (), imports=("from tinylm import nn",))
    error = one(
        nursery, work, problem, "from tinylm import nn\ndef Linear(n):\n    return nn.Linear(n, n)", case(2)
    ).error
    assert error is not None
    assert error.kinds[0] == "AnswerRefused"


GOES_ON = """
import sys
import numpy as np
from tinylm import functional, tensor
from tinylm.course.sandbox.barrier import bar
from tinylm.ops import normalization

x, gain = tensor(np.arange(6.0).reshape(2, 3)), tensor(np.ones(3))
before = functional.layer_norm(x, gain).numpy()
bar(normalization.layer_norm, "layer_norm", "my_work.py", compile("", "run", "exec"))
assert (functional.layer_norm(x, gain).numpy() == before).all()
theirs = {"F": functional, "x": x, "gain": gain}
try:
    exec(compile("F.layer_norm(x, gain)", "my_work.py", "exec"), theirs)
except RuntimeError as error:
    print(error)
"""


def test_the_library_goes_on_with_its_own_where_the_student_does_not_call_it() -> None:
    """What is barred is the student's code alone."""
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", GOES_ON], cwd=root, check=True, capture_output=True, text=True).stdout
    assert said.strip() == "this exercise is to write layer_norm; the library's own may not be called"


DISGUISED = {
    "under its own name": "layer_norm = op",
    "as its function": "layer_norm = op.__wrapped__",
    "as a partial": "import functools\nlayer_norm = functools.partial(functools.partial(op))",
    "by code of no file": "there = {'op': op}\nexec('def layer_norm(*a, **k): return op(*a, **k)', there)\n"
    "layer_norm = there['layer_norm']",
    "as a method of C": "class C:\n    __call__ = staticmethod(op.reference.forward)\nlayer_norm = C()",
}


@pytest.mark.parametrize("how", DISGUISED)
def test_the_librarys_own_answer_is_none_however_it_is_handed_in(nursery: Nursery, work: Path, how: str) -> None:
    problem = _live_in(problem_named("layer_norm"), "from tinylm import tensor")
    text = "import sys\nfrom tinylm import tensor\nop = sys.modules['tiny' + 'lm.ops.normalization'].layer_norm\n"
    error = one(nursery, work, problem, text + DISGUISED[how], NORM).error
    assert error is not None
    assert error.kinds[0] == "AnswerRefused"


def test_a_class_that_is_made_from_the_librarys_is_refused(nursery: Nursery, work: Path) -> None:
    from tinylm.nn import Linear

    problem = Problem("Linear", Linear, "test", 1, 1, lambda: None, (), imports=("from tinylm import nn",))
    text = "from tinylm import nn\nclass Linear(nn.Linear):\n    pass\n"
    error = one(nursery, work, problem, text, case(2)).error
    assert error is not None
    assert error.kinds[0] == "AnswerRefused"


def test_a_file_of_several_exercises_may_import_what_any_of_them_needs(nursery: Nursery, work: Path) -> None:
    needed = next(name for name in sorted(granted(problem_named("layer_norm"))) if name.endswith(".Tensor"))
    module, _, name = needed.rpartition(".")
    got = one(nursery, work, problem_named("layer_norm"), f"from {module} import {name}\n{LAYER_NORM}", NORM)
    assert got.error is None
    work_counts = Work("calls", lambda answer, each: 1, lambda n: case(n), (1, 2, 4), 1.0, "")
    assert asks_for_library(Problem("x", double, "t", 1, 1, lambda: None, (), work=work_counts))
