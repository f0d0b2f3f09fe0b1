"""The pytest form with Gradescope's results, and the adapters: each tried with a right and a wrong answer."""

import ast
import json
import os
import subprocess
import sys

import pytest

from tests.course.test_handout import SECRET, course, python
from tinylm.course.grade import How
from tinylm.course.handout import adapters, cells, handout
from tinylm.course.handout.autograder import found, main, results
from tinylm.course.handout.cells import award_from
from tinylm.course.handout.own import settings_of, whose
from tinylm.course.problem import problem_named
from tinylm.course.stub import solution
from tinylm.course.variants import variant_of
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


OWN = TEXT.replace("[[weeks]]", 'students = ["ada", "ben", "Zoë"]\n[[weeks]]', 1)


def test_with_settings_of_their_own_the_student_is_judged_by_these(tmp_path):
    """Under Gradescope, which says whose a hand-in is, and under pytest, where a name does; nobody's is no verdict."""
    problem, students = problem_named("layer_norm"), ("ada", "ben", "Zoë")
    own = {student: variant_of(problem, student, SECRET)["eps"] for student in students}
    handout(course(tmp_path, OWN), tmp_path / "made", ["pytest"])
    source = tmp_path / "made/pytest/week_1"
    assert json.loads((source / "settings.json").read_text("utf-8"))["ada"]["layer_norm"] == {"eps": own["ada"]}
    one, other = next((a, b) for a in students for b in students if own[a] != own[b])
    text = solution(problem).replace("eps=1e-5", f"eps={own[one]!r}")
    hand_in(tmp_path / "home/submission", text)
    about, out = tmp_path / "home/submission_metadata.json", tmp_path / "results.json"
    (source / "exercises.json").write_text(json.dumps({"exercises": {"layer_norm": 4}, "seed": 7}), "utf-8")
    for users, score in (
        ([{"sid": None, "email": f"{one}@example.org", "name": "X", "id": 3}], 4),
        ([{"email": "nobody@example.org"}], 0),
    ):
        about.write_text(json.dumps({"users": users}), "utf-8")
        assert main([str(source / "exercises.json"), str(tmp_path / "home/submission"), str(out)]) == 0
        written = json.loads(out.read_text("utf-8"))
        assert written["score"] == score
        assert ("'nobody@example.org'" in written["output"]) == (not score)
    work = hand_in(tmp_path / f"work/{one}", text) / "my_work.py"
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "week_1/test_exercises.py", "-k", "layer_norm"]
    assert "1 failed" in python(tmp_path / "made/pytest", *command, WORK=str(work), STUDENT=other).stdout
    assert settings_of(source, whose(work)) == json.loads((source / "settings.json").read_text("utf-8"))[one]
    assert settings_of(source, ["my_work", " ZOË "])["layer_norm"] == {"eps": own["Zoë"]}
    with pytest.raises(ValueError, match="none of 'my_work' is the id of one"):
        settings_of(source, ["my_work"])
    assert whose(work)[:2] == ["my_work", one]
    assert settings_of(tmp_path, ["ada"]) == {}


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


def test_an_adapters_test_fails_for_too_much_work_and_passes_for_right(monkeypatch):
    for status, fails in (("right", False), ("slow", True), ("wrong", True), ("unwritten", True)):
        monkeypatch.setattr(adapters, "judge", lambda *_, status=status, **__: Verdict("softmax", status, "so it is"))
        if fails:
            with pytest.raises(AssertionError, match="so it is"):
                adapters.assert_right("softmax", len)
        else:
            adapters.assert_right("softmax", len)


def test_cells_of_a_notebook_are_judged_by_their_source():
    cells = ["import numpy as np", "%matplotlib inline", solution(problem_named("rms_norm")), "while True: pass"]
    assert award_from("rms_norm", 3, cells) == 3.0
    with pytest.raises(AssertionError, match="behaves as if eps were"):
        award_from("rms_norm", 3, [*cells, wrong("rms_norm", "eps_outside")])
    with pytest.raises(AssertionError, match="rms_norm"):
        award_from("rms_norm", 3, cells[:2])


def test_what_is_right_on_the_inputs_that_everybody_can_try_is_tried_on_hidden_ones(monkeypatch):
    seeds, answers = [], {}

    def grading(path, names, *, settings, nursery, how=How()):  # noqa: B008
        seeds.append(how.seed)
        yield Verdict("softmax", answers[how.seed], "")

    monkeypatch.setattr(cells, "grading", grading)
    for said, seed, status, tried in (
        ({0: "right", 7: "wrong"}, 7, "wrong", [0, 7]),
        ({0: "right", 7: "right"}, 7, "right", [0, 7]),
        ({0: "wrong", 7: "right"}, 7, "wrong", [0]),
        ({0: "right"}, 0, "right", [0]),
    ):
        answers.clear()
        answers.update(said)
        assert cells.judged("my_work.py", "softmax", seed=seed).status == status
        assert seeds == tried
        seeds.clear()


def test_points_follow_from_the_verdict():
    assert [3 * Verdict("x", each, "").share for each in ("right", "slow", "wrong", "unwritten")] == [3, 1.5, 0, 0]
