"""`tinylm grade` on one file: every kind of answer, what is printed, JSON, pages, exit status, bad input."""

import json
import re
from pathlib import Path

import pytest

from tinylm.cli import main
from tinylm.course.grade import How, Report, UnreadableError, exercises_in, grade_file, grading, lacking
from tinylm.course.problem import problem_named
from tinylm.course.sandbox import Nursery
from tinylm.course.variants import variant_of
from tinylm.course.verdict import Failing, Named, Verdict

IMPORTS = "import os\nimport time\nimport numpy as np\n\n\n"
RIGHT = """
def relu(xp, x):
    return xp.where(x > 0, x, 0.0)
"""
WRONG = """
def layer_norm(xp, x, gain, bias=None, *, eps=1e-5):
    mean = x.mean(axis=-1, keepdims=True)
    root = np.sqrt(((x - mean) ** 2).mean(axis=-1, keepdims=True))
    y = gain * (x - mean) / (root + eps)
    return y if bias is None else y + bias
"""
UNWRITTEN = """
def softmax(xp, x, *, axis=-1):
    raise NotImplementedError
"""
ENDLESS = """
def sigmoid(xp, x):
    while True:
        pass
"""
GONE = """
def silu(xp, x):
    os._exit(0)
"""
NORM = """
def layer_norm(xp, x, gain, bias=None, *, eps={eps}):
    x = x - x.mean(axis=-1, keepdims=True)
    y = gain * x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return y if bias is None else y + bias
"""


@pytest.fixture(scope="module")
def nursery():
    with Nursery(How(seconds=1.0).limits) as made:
        yield made


def work(folder: Path, *parts: str, name: str = "my_work.py") -> Path:
    path = folder / name
    path.write_text(IMPORTS + "\n".join(parts))
    return path


def statuses(report: Report) -> dict[str, str]:
    return {each.problem: each.status for each in report.verdicts}


def test_each_exercise_gets_its_own_verdict_and_costs_no_other(tmp_path, nursery):
    path = work(tmp_path, RIGHT, WRONG, UNWRITTEN, ENDLESS, GONE)
    report = grade_file(path, how=How(seconds=1.0), nursery=nursery)
    assert statuses(report) == {
        "relu": "right", "layer_norm": "wrong", "softmax": "unwritten", "sigmoid": "stopped", "silu": "stopped",
    }  # fmt: skip
    assert not report.all_right
    verdict = next(each for each in report.verdicts if each.problem == "layer_norm")
    assert [each.fault for each in verdict.named] == ["eps_outside"]
    found = {"np": __import__("numpy")}
    exec(path.read_text(), found)
    exec(verdict.failing.call, found)  # what is shown can be pasted beside the student's code
    assert report.protections


def test_verdicts_come_one_after_the_other_in_the_order_of_the_course(tmp_path, nursery):
    path = work(tmp_path, UNWRITTEN, RIGHT)
    coming = grading(path, nursery=nursery)
    assert next(coming).problem == "relu"
    path.unlink()
    with pytest.raises(OSError, match="my_work"):  # the second had not been tried
        next(coming)


def test_what_is_asked_for_and_not_there_is_missing(tmp_path, nursery):
    report = grade_file(work(tmp_path, RIGHT), ["gelu", "relu"], nursery=nursery)
    assert statuses(report) == {"relu": "right", "gelu": "missing"}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def relu(xp, x: return x", "cannot be run: it is no Python"),
        ("import numpy as np\nnp.nonsense\ndef relu(xp, x): return x", "AttributeError"),
        ("raise RuntimeError('boom')\ndef relu(xp, x): return x", "in line 1: raise RuntimeError"),
    ],
)
def test_a_file_that_cannot_be_run_is_broken(tmp_path, nursery, source, says):
    path = tmp_path / "ada.py"
    path.write_text(source)
    [verdict] = grade_file(path, nursery=nursery).verdicts
    assert verdict.status == "broken"
    assert says in verdict.sentence
    assert verdict.sentence.startswith("ada.py cannot be run")


def test_a_notebook_is_graded_as_its_code_and_its_demonstrations_do_not_run(tmp_path, nursery):
    cells = [
        {"cell_type": "code", "source": "%matplotlib inline\nimport numpy as np\nimport nowhere_to_be_found"},
        {"cell_type": "code", "source": RIGHT},
        {"cell_type": "code", "source": WRONG.splitlines(keepends=True)},
        {"cell_type": "code", "source": "while True:\n    relu(np, np.zeros(3))"},
    ]
    path = tmp_path / "week 1.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "cells": cells}))
    assert statuses(grade_file(path, nursery=nursery)) == {"relu": "right", "layer_norm": "wrong"}


def test_a_report_survives_json():
    named = (Named("eps_outside", "eps were outside", "look", 3, 4),)
    verdict = Verdict("a", "wrong", "no", 9, Failing("a()", "1", "2", "d"), named, variant={"eps": 0.1}, solves=("b",))
    report = Report("x.py", (verdict, Verdict("b", "right", "yes")), "ada", {"network": "seccomp"}, ("a note",))
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_two_gradings_are_equal_to_the_letter(tmp_path, nursery):
    path = work(tmp_path, RIGHT, WRONG, GONE)
    one, other = (grade_file(path, nursery=nursery).to_dict() for _ in range(2))
    assert json.dumps(one) == json.dumps(other)


def test_a_variant_is_graded_by_its_own_settings_and_names_whose_it_solves(tmp_path, nursery):
    problem, ids = problem_named("layer_norm"), [f"s{i}" for i in range(12)]
    eps = {each: variant_of(problem, each, "key")["eps"] for each in ids}
    mine = ids[0]
    other = next(each for each in ids if eps[each] != eps[mine])
    how = How(secret="key", others=tuple(ids))
    own = work(tmp_path, NORM.format(eps=eps[mine]), name="own.py")
    assert statuses(grade_file(own, student=mine, how=how, nursery=nursery)) == {"layer_norm": "right"}
    theirs = work(tmp_path, NORM.format(eps=eps[other]), name="theirs.py")
    [verdict] = grade_file(theirs, student=mine, how=how, nursery=nursery).verdicts
    assert verdict.status == "wrong"
    assert verdict.variant == {"eps": eps[mine]}
    assert verdict.solves == tuple(sorted(each for each in ids if eps[each] == eps[other]))


def test_only_what_does_not_protect_is_told_of():
    assert lacking({"network": "seccomp", "memory": "RLIMIT_AS"}) == []
    told = lacking({"network": "only by courtesy: Python refuses", "memory": "not protected", "time": "RLIMIT_CPU"})
    assert [each.split()[0] for each in told] == ["network", "memory"]


def test_settings_that_make_no_sense_are_refused():
    for wrong in ({"seed": -1}, {"tries": 0}, {"seconds": 0.0}, {"seconds": float("nan")}, {"memory": 0}):
        with pytest.raises(ValueError, match=r"expected a seed|limits must be"):
            How(**wrong)


def test_unreadable_files_are_errors_of_one_kind(tmp_path):
    with pytest.raises(FileNotFoundError):
        exercises_in(tmp_path / "nowhere.py")
    (tmp_path / "x.ipynb").write_text("{}")
    with pytest.raises(UnreadableError):
        exercises_in(tmp_path / "x.ipynb")


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = main(["grade", *map(str, arguments)])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_all_right_is_status_0(tmp_path, capsys):
    status, out, _ = run(capsys, work(tmp_path, RIGHT))
    assert status == 0
    assert re.search(r"✓ relu: right, on all \d+ inputs", out)
    assert "1 of 1" in out.splitlines()[-1]


def test_what_is_wrong_is_printed_with_the_smallest_call_and_status_1(tmp_path, capsys):
    status, out, _ = run(capsys, work(tmp_path, RIGHT, WRONG), "--html", tmp_path / "page.html")
    assert status == 1
    assert "behaves as if eps were added outside of the root" in out
    assert "layer_norm(np, np.array(" in out
    assert "1 of 2" in out.splitlines()[-1]
    assert "\033[" not in out  # no colours in a pipe
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "eps were added outside of the root" in page
    assert "1 of 2" in page


def test_json_is_the_report(tmp_path, capsys):
    status, out, _ = run(capsys, work(tmp_path, RIGHT), "relu", "gelu", "--json")
    assert status == 1
    assert statuses(Report.from_dict(json.loads(out))) == {"relu": "right", "gelu": "missing"}


def test_the_class_list_names_whose_variant_is_solved(tmp_path, capsys, monkeypatch):
    problem, ids = problem_named("layer_norm"), [f"s{i}" for i in range(12)]
    eps = {each: variant_of(problem, each, "key")["eps"] for each in ids}
    other = next(each for each in ids if eps[each] != eps["s0"])
    (tmp_path / "class.txt").write_text("# ids\n" + "\n".join(f"{each},a name" for each in ids))
    monkeypatch.setenv("TINYLM_SECRET", "key")
    path = work(tmp_path, NORM.format(eps=eps[other]))
    status, out, _ = run(capsys, path, "--variant", "s0", "--others", tmp_path / "class.txt")
    assert status == 1
    assert other in out
    assert "It solves the variant of" in out


OWN = '"""Mine.\n\n    Your settings: eps = 0.01\n    """\n'


def test_a_student_with_settings_of_their_own_is_told_where_these_are_judged(tmp_path, capsys, monkeypatch):
    """At home course.json says so; it comes with the hand-in, so nothing is judged by what it says."""
    monkeypatch.delenv("TINYLM_SECRET", raising=False)
    (tmp_path / "week_1").mkdir()
    path = work(tmp_path / "week_1", RIGHT, NORM.format(eps="0.01"))
    assert "run.py" not in run(capsys, path)[1]
    for text in ("[", "[]", "{}", '{"settings": 3}', '{"settings": {"gelu": {"x": 1}}}', "[" * 100_000):
        (tmp_path / "course.json").write_text(text)
        assert "run.py" not in run(capsys, path)[1]
    (tmp_path / "course.json").write_text('{"settings": {"layer_norm": {"eps": 0.01}}}')
    status, out, _ = run(capsys, path)
    told = "layer_norm: course.json gives you settings of your own, and this went by the library's; "
    assert (status, "1 of 2" in out) == (1, True)
    assert f"note: {told}type, in {tmp_path}: python run.py week_1/my_work.py\n" in out
    assert "run.py" not in run(capsys, path, "relu")[1]  # has none
    status, out, err = run(capsys, path, "--json")
    assert json.loads(out)["verdicts"]
    assert told in err
    assert told not in run(capsys, path, "--variant", "ada", "--secret", "key")[1]
    (tmp_path / "course.json").unlink()
    body = NORM.format(eps="0.01").replace("):\n", "):\n    " + OWN, 1)
    path = work(tmp_path, body)
    out = run(capsys, path)[1]
    assert "note: layer_norm: the docstring names settings of your own, and this went by the library's; " in out


def test_what_is_missing_points_to_a_stub_with_the_right_settings(tmp_path, nursery):
    path = work(tmp_path, RIGHT)
    asked = ["layer_norm", "softmax"]
    plain = grade_file(path, asked, nursery=nursery).verdicts
    assert ["tinylm stub" in each.sentence for each in plain] == [True, True]
    own = grade_file(path, asked, settings={"layer_norm": {"eps": 0.01}}, nursery=nursery).verdicts
    said = {each.problem: each.sentence for each in own}
    assert "tinylm stub softmax writes how it begins" in said["softmax"]
    assert said["layer_norm"].endswith("; the my_work.py that you were given has how it begins, with your settings")


def test_the_help_says_which_seed_a_course_has(capsys):
    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    assert "of the inputs (default: with --course the course's own, else 0)" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.py"], "nowhere.py"),
        (["my_work.py", "softmx"], "did you mean 'softmax'"),
        (["empty.py"], "no exercise in it"),
        (["big.py"], "MB at most"),
        (["x.ipynb"], "no notebook"),
        (["my_work.py", "--variant", "ada"], "TINYLM_SECRET"),
        (["my_work.py", "--variant", " ", "--secret", "s"], "--variant"),
        (["my_work.py", "--tries", "0"], "at least 1 try"),
        (["my_work.py", "--seconds", "-1"], "limits must be above 0"),
        (["my_work.py", "--seconds", "0"], "limits must be above 0, and below a million seconds; got 0 seconds\n"),
        (["my_work.py", "--memory", "0"], "limits must be above 0; got 0 bytes of memory\n"),
        (["my_work.py", "--course", "COURSE.toml"], "--course is for a folder of submissions"),
        (["my_work.py", "-o", "report"], "--out is for a folder of submissions"),
        (["."], "-o report"),
        ([".", "-o", "."], "among the submissions"),
        ([".", "-o", "report", "--variant", "ada"], "--variant is for a single file"),
        ([".", "-o", "report", "--week", "2"], "--course COURSE.toml"),
        ([".", "-o", "report", "--workers", "0"], "--workers"),
        (["none", "-o", "report"], "no submission found"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINYLM_SECRET", raising=False)
    work(tmp_path, RIGHT)
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "big.py").write_text("#" * (1 << 21))
    (tmp_path / "x.ipynb").write_text("{}")
    (tmp_path / "none").mkdir()
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("tinylm: error: ")
    assert err.count("\n") == 1
    assert says in err
