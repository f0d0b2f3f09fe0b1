"""The pytest form with Gradescope's results, and the adapters: each tried with a right and a wrong answer."""

import ast
import json
import os
import subprocess
import sys

import pytest

from tests.course.test_handout import SECRET, course, python
from tinylm.course.handout import handout
from tinylm.course.handout.cells import award_from, earned
from tinylm.course.handout.autograder import found, main, results
from tinylm.course.problem import problem_named
from tinylm.course.stub import solution
from tinylm.course.verdict import Verdict

pytest.importorskip("hypothesis")

TEXT = """
title = "Models"

[[weeks]]
title = "Norms"
exercises = [{ name = "layer_norm", points = 4 }, { name = "rms_norm", points = 3 }, "StreamDecoder"]
"""


def wrong(name, fault):
    """The answer with one fault in it."""
    text = solution(problem_named(name))
    for old, new in next(each for each in problem_named(name).faults if each.name == fault).edits:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def made(tmp_path):
    handout(course(tmp_path, TEXT), tmp_path / "made", ["pytest", "adapters"])
    return tmp_path / "made"


def hand_in(folder, *parts, name="my_work.py"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n\n".join(parts), "utf-8")
    return folder


def test_the_autograder_writes_results_as_gradescope_reads_them(made, tmp_path):
    home = tmp_path / "autograder"
    home.mkdir()
    (made / "pytest/week_1").rename(home / "source")
    hand_in(home / "submission", solution(problem_named("layer_norm")), wrong("rms_norm", "eps_outside"))
    script = home / "source/run_autograder"
    assert os.access(script, os.X_OK)
    tools = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, "AUTOGRADER": str(home), "PATH": tools, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    written = json.loads((home / "results/results.json").read_text("utf-8"))
    assert written["score"] == 4
    assert [(each["name"], each["score"], each["max_score"], each["status"]) for each in written["tests"]] == [
        ("layer_norm", 4, 4, "passed"),
        ("rms_norm", 0, 3, "failed"),
        ("StreamDecoder", 0, 4, "failed"),
    ]
    assert "behaves as if eps were added outside of the root" in " ".join(written["tests"][1]["output"].split())
    assert "does not define StreamDecoder" in " ".join(written["tests"][2]["output"].split())
    assert SECRET not in json.dumps(written)


def test_a_hand_in_is_found_wherever_it_lies(tmp_path):
    assert found(tmp_path) is None
    assert results({"exercises": {"layer_norm": 1}}, tmp_path, folder=tmp_path)["score"] == 0
    hand_in(tmp_path / "a/__MACOSX", "x = 1", name="junk.py")
    hand_in(tmp_path / "a/b", "x = 1", name="norms.py")
    assert found(tmp_path) == tmp_path / "a/b/norms.py"
    hand_in(tmp_path / "a/b", "x = 1", name="week.ipynb")
    hand_in(tmp_path / "a/c", "x = 1")
    assert found(tmp_path) == tmp_path / "a/c/my_work.py"


def test_a_hand_in_that_cannot_be_read_gets_no_points_and_a_reason(tmp_path, capsys):
    (tmp_path / "plan.json").write_text('{"exercises": {"layer_norm": 1}, "seed": 0}', "utf-8")
    hand_in(tmp_path / "work", "this is no notebook", name="week.ipynb")
    assert main([str(tmp_path / "plan.json"), str(tmp_path / "work"), str(tmp_path / "out.json")]) == 0
    written = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert written["score"] == 0
    assert "notebook" in written["output"]
    assert main([]) == 2


def test_the_pytest_form_fails_where_the_answer_is_wrong(made, tmp_path):
    work = hand_in(tmp_path / "work", solution(problem_named("layer_norm")), wrong("rms_norm", "eps_outside"))
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "week_1/test_exercises.py"]
    done = python(made / "pytest", *command, WORK=str(work / "my_work.py"))
    assert "1 passed" in done.stdout
    assert "2 failed" in done.stdout
    assert "behaves as if eps were added outside of the root" in " ".join(done.stdout.split())


def connected(text, name, call):
    """adapters.py with the line that raises for this exercise replaced."""
    line = f'raise NotImplementedError("connect {name}")'
    assert text.count(line) == 1
    return text.replace(line, call)


def test_adapters_connect_any_package_and_fail_until_they_do(made):
    folder = made / "adapters"
    package = folder / "src/deep/inside"
    package.mkdir(parents=True)
    (package / "norms.py").write_text(
        solution(problem_named("layer_norm")).replace("def layer_norm", "def my_norm")
        + wrong("rms_norm", "eps_outside").replace("def rms_norm", "def my_rms").partition("\n\n")[2],
        "utf-8",
    )
    (package / "text.py").write_text(solution(problem_named("StreamDecoder")).replace("StreamDecoder", "Mine"), "utf-8")
    file = folder / "tests/adapters.py"
    text = file.read_text("utf-8")
    ast.parse(text)
    none = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "3 failed" in none.stdout
    assert "not written yet" in none.stdout
    assert "not connected yet: connect StreamDecoder" in none.stdout
    text = connected(text, "layer_norm", "return norms.my_norm(xp, x, gain, bias, eps=eps)")
    text = connected(text, "rms_norm", "return norms.my_rms(xp, x, gain, eps=eps)")
    text = connected(text, "StreamDecoder", "return mine.Mine")
    head, mark, rest = text.partition("\n\n\n")
    file.write_text(f"{head}\nfrom deep.inside import norms\nfrom deep.inside import text as mine{mark}{rest}", "utf-8")
    done = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "2 passed" in done.stdout, done.stdout
    assert "1 failed" in done.stdout
    assert "behaves as if eps were added outside of the root" in " ".join(done.stdout.split())


def test_cells_of_a_notebook_are_judged_by_their_source():
    cells = ["import numpy as np", "%matplotlib inline", solution(problem_named("rms_norm")), "while True: pass"]
    assert award_from("rms_norm", 3, cells) == 3.0
    with pytest.raises(AssertionError, match="behaves as if eps were"):
        award_from("rms_norm", 3, [*cells, wrong("rms_norm", "eps_outside")])
    with pytest.raises(AssertionError, match="rms_norm"):
        award_from("rms_norm", 3, cells[:2])


def test_points_follow_from_the_verdict():
    assert [earned(Verdict("x", status, ""), 3) for status in ("right", "slow", "wrong", "unwritten")] == [3, 1.5, 0, 0]
