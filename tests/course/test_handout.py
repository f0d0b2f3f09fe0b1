"""Handouts: student and staff folders, what must not be in them, and that the student's runner judges."""

import ast
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinylm
from tests.course.test_stub import code_lines
from tinylm.cli import main
from tinylm.course.handout import CourseError, handout, handout_files, read_course
from tinylm.course.handout.settings import Course
from tinylm.course.problem import problem_named, problems
from tinylm.course.stub import solution
from tinylm.course.variants import variant_of, with_settings

SECRET = "not to be guessed"
TEXT = """
title = "Models"

[[weeks]]
title = "Norms"
text = "Rows of numbers."
exercises = ["layer_norm", "rms_norm", "layer_norm_backward"]

[[weeks]]
title = "Choices"
exercises = ["softmax"]
"""


def course(tmp_path, text=TEXT, secret=SECRET) -> Course:
    file = tmp_path / "COURSE.toml"
    file.write_text(text, "utf-8")
    return read_course(file, secret=secret)


@pytest.fixture
def made(tmp_path):
    """A handout with one answer right, one wrong and one not written."""
    handout(course(tmp_path), tmp_path / "made")
    work = tmp_path / "made/student/week_1/my_work.py"
    text = work.read_text("utf-8")
    right = solution(problem_named("layer_norm"))
    wrong = solution(problem_named("rms_norm"))
    for old, new in next(each for each in problem_named("rms_norm").faults if each.name == "eps_outside").edits:
        assert old in wrong
        wrong = wrong.replace(old, new)
    stub = ast.parse(text).body[-1]
    assert stub.name == "layer_norm_backward"
    work.write_text(f"{right}\n\n{wrong}\n\n{ast.unparse(stub)}\n", "utf-8")
    return tmp_path / "made"


def python(folder, *arguments, **more):
    """Run Python in a folder, with this tinylm whether it is installed or not."""
    here = str(Path(tinylm.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": here, **more}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def run(folder, *arguments):
    return python(folder, "run.py", *arguments)


def test_the_folders_hold_what_they_should(tmp_path):
    files = handout_files(course(tmp_path), ["nbgrader", "pytest", "adapters"])
    assert {name.split("/")[0] for name in files} == {"student", "staff", "nbgrader", "pytest", "adapters"}
    student = {name.removeprefix("student/") for name in files if name.startswith("student/")}
    weeks = {f"week_{n}/{file}" for n in (1, 2) for file in ("my_work.py", "README.md", f"week_{n}.ipynb")}
    assert student == {"README.md", "run.py", "course.json"} | weeks
    assert files["staff/COURSE.toml"] == TEXT
    with pytest.raises(ValueError, match="no form is called 'moodle'; there are nbgrader, pytest, adapters"):
        handout_files(course(tmp_path), ["moodle"])


def test_nothing_of_the_staff_is_in_the_student_folder(tmp_path):
    every = course(tmp_path)
    files = handout_files(every, ["adapters"])
    for name, text in files.items():
        if not name.startswith(("student/", "adapters/")):
            continue
        flat = "".join(text.split())
        assert SECRET not in text
        assert str(every.seed) not in text
        for week in every.weeks:
            for problem in week.problems:
                assert not [line for line in code_lines(problem.live) if line in flat]
                for fault in problem.faults:
                    assert fault.says not in text
                    assert not fault.hint or fault.hint not in text


def test_no_folder_holds_the_secret(tmp_path):
    text = TEXT.replace("[[weeks]]", 'students = ["ada", "ben"]\n[[weeks]]', 1)
    for name, held in handout_files(course(tmp_path, text), ["nbgrader", "pytest", "adapters"]).items():
        assert SECRET not in held, name


def test_every_python_file_and_notebook_parses(tmp_path):
    for name, text in handout_files(course(tmp_path), ["nbgrader", "pytest", "adapters"]).items():
        if name.endswith(".py"):
            ast.parse(text)
        if name.endswith(".ipynb"):
            book = json.loads(text)
            assert book["nbformat"] == 4
            assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
            for cell in book["cells"]:
                if cell["cell_type"] == "code":
                    ast.parse("".join(cell["source"]))


def test_the_rubric_has_points_and_the_sentence_of_every_fault(tmp_path):
    files = handout_files(course(tmp_path))
    rows = list(csv.DictReader(files["staff/rubric.csv"].splitlines()))
    for name in ("layer_norm", "rms_norm", "layer_norm_backward", "softmax"):
        faults = problem_named(name).faults
        assert [row["behaves as if"] for row in rows if row["exercise"] == name] == [fault.says for fault in faults]
        assert all(fault.says in files["staff/rubric.md"] for fault in faults)
    assert {row["points"] for row in rows if row["exercise"] == "layer_norm"} == {"4"}
    assert "16 points, 2 hand-ins" in files["staff/rubric.md"]


def test_the_runner_tells_right_from_wrong_from_unwritten(made):
    pytest.importorskip("hypothesis")
    done = run(made / "student", "1")
    assert done.returncode == 1, done.stderr
    assert "✓ layer_norm: right" in done.stdout
    assert "behaves as if eps were added outside of the root" in " ".join(done.stdout.split())
    assert "… layer_norm_backward: not written yet" in done.stdout
    assert "1 of 3 right, 4 of 14 points" in done.stdout


def test_the_runner_takes_an_exercise_a_file_and_a_notebook(made):
    pytest.importorskip("hypothesis")
    student = made / "student"
    done = run(student, "layer_norm")
    assert (done.returncode, done.stdout.count("\n── ") + done.stdout.startswith("── ")) == (0, 1), done.stdout
    book = json.loads((student / "week_2/week_2.ipynb").read_text("utf-8"))
    cell = next(each for each in book["cells"] if each["id"] == "write-softmax")
    cell["source"] = solution(problem_named("softmax")).splitlines(keepends=True)
    (student / "week_2/week_2.ipynb").write_text(json.dumps(book), "utf-8")
    done = run(student, "week_2/week_2.ipynb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 right, 2 of 2 points" in done.stdout


def test_only_what_is_written_is_put_into_the_model(made, capsys):
    pytest.importorskip("hypothesis")
    from tinylm.course.handout.runner import answers

    assert list(answers(made / "student")) == ["layer_norm", "rms_norm"]
    assert "with your layer_norm, rms_norm" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("9", "'9' is no week (1 to 2), no file and no exercise; there are layer_norm"),
        ("gone.py", "No such file: gone.py; name the one that you write in, as in: python run.py week_1/week_1.ipynb"),
        ("softmx", "did you mean 'softmax'? There are layer_norm"),
        ("empty.ipynb", "empty.ipynb: it is no notebook"),
    ],
)
def test_the_runner_says_what_it_does_not_know(made, what, said):
    (made / "student/empty.ipynb").write_text("")
    done = run(made / "student", what)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_where_my_work_is_gone_the_runner_says_so(made):
    (made / "student/week_2/my_work.py").unlink()
    for what in ("2", "softmax"):
        done = run(made / "student", what)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("run.py: No such file: week_2/my_work.py; ")


def test_without_tinylm_the_runner_says_what_to_install(tmp_path):
    text = TEXT.replace("[[weeks]]", "install = \"pip install 'tinylm[course]' --find-links /shelf\"\n[[weeks]]", 1)
    handout(course(tmp_path, text), tmp_path / "made")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "run.py"], cwd=tmp_path / "made/student", capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Type: pip install 'tinylm[course]' --find-links /shelf" in done.stderr
    assert "Traceback" not in done.stderr


def test_everybody_gets_their_own_settings_and_is_judged_by_them(tmp_path):
    pytest.importorskip("hypothesis")
    students = ["ada", "ben", "eve", "zoe"]
    text = TEXT.replace("[[weeks]]", f"students = {json.dumps(students)}\n[[weeks]]", 1)
    handout(course(tmp_path, text), tmp_path / "made")
    problem = problem_named("layer_norm")
    settings = {student: variant_of(problem, student, SECRET) for student in students}
    assert len({str(each) for each in settings.values()}) > 1
    for student in students:
        folder = tmp_path / "made/students" / student
        assert f"eps={settings[student]['eps']!r}):" in (folder / "week_1/my_work.py").read_text("utf-8")
        assert json.loads((folder / "course.json").read_text("utf-8"))["settings"]["layer_norm"] == settings[student]
    folder = tmp_path / "made/students/ada"
    other = next(each["eps"] for each in settings.values() if each != settings["ada"])
    for eps, code in ((settings["ada"]["eps"], 0), (other, 1)):
        (folder / "week_1/my_work.py").write_text(solution(problem).replace("eps=1e-5", f"eps={eps!r}"), "utf-8")
        assert run(folder, "layer_norm").returncode == code


def test_the_settings_of_every_exercise_survive_json():
    pytest.importorskip("hypothesis")
    for problem in problems().values():
        for student in ("ada", "ben", "eve"):
            settings = variant_of(problem, student, SECRET)
            again = with_settings(problem, json.loads(json.dumps(settings)))
            assert again.chosen == settings
            assert [type(value) for value in again.chosen.values()] == [type(value) for value in settings.values()]


def test_a_folder_with_work_in_it_is_refused_and_with_force_nothing_is_lost(tmp_path, capsys):
    handout(course(tmp_path), tmp_path / "made")
    work = tmp_path / "made/student/week_1/my_work.py"
    stub = work.read_text("utf-8")
    work.write_text("mine = 1\n", "utf-8")
    with pytest.raises(CourseError, match="is not empty"):
        handout(course(tmp_path), tmp_path / "made")
    assert work.read_text("utf-8") == "mine = 1\n"
    moved = handout(course(tmp_path), tmp_path / "made", force=True)
    assert moved == [("student/week_1/my_work.py", "student/week_1/my_work.py.old-1")]
    assert work.with_name("my_work.py.old-1").read_text("utf-8") == "mine = 1\n"
    assert work.read_text("utf-8") == stub
    work.write_text("mine = 2\n", "utf-8")
    handout(course(tmp_path), tmp_path / "made", force=True)
    assert work.with_name("my_work.py.old-1").read_text("utf-8") == "mine = 1\n"
    assert work.with_name("my_work.py.old-2").read_text("utf-8") == "mine = 2\n"
    assert handout(course(tmp_path), tmp_path / "made", force=True) == []


def test_the_command_makes_a_course_from_its_own_example(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TINYLM_SECRET", raising=False)
    assert main(["handout", "--example"]) == 0
    (tmp_path / "COURSE.toml").write_text(capsys.readouterr().out, "utf-8")
    made = str(tmp_path / "made")
    assert main(["handout", str(tmp_path / "COURSE.toml"), "-o", made, "--for", "pytest"]) == 0
    assert "5 weeks" in capsys.readouterr().out
    assert main(["handout", str(tmp_path / "COURSE.toml"), "-o", made]) == 2
    assert "is not empty; give another folder, or --force" in capsys.readouterr().err
    assert main(["handout", str(tmp_path / "COURSE.toml")]) == 2
    assert main(["handout", str(tmp_path / "missing.toml"), "-o", made]) == 2
    assert main(["handout", "--example", "-o", made]) == 2


def test_the_hidden_tests_say_in_a_line_that_a_hand_in_is_nobodys_or_nowhere(tmp_path):
    pytest.importorskip("hypothesis")
    text = TEXT.replace("[[weeks]]", 'students = ["ada", "ben"]\n[[weeks]]', 1)
    handout(course(tmp_path, text), tmp_path / "made")
    (tmp_path / "zoe.py").write_text("x = 1\n")
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "week_1/test_hidden.py"]
    for work, said in (
        ("zoe.py", "each student has settings of their own here, and none of 'zoe', "),
        ("ada.py", "No such file"),
    ):
        done = python(tmp_path / "made/staff", *command, WORK=str(tmp_path / work))
        assert "3 failed" in done.stdout
        assert done.stdout.count(said) >= 3
        for code in ("Traceback", "own.py", "raise ", "def judged", "\nE  "):
            assert code not in done.stdout
    readme = (tmp_path / "made/staff/README.md").read_text("utf-8")
    assert "WORK=path/to/ada.py pytest week_1/test_hidden.py" in readme
    assert "or begins with one" in readme
    assert "-o report_1/ --course COURSE.toml --week 1" in readme


def test_the_hidden_tests_of_the_staff_judge_a_hand_in(made):
    pytest.importorskip("hypothesis")
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "week_1/test_hidden.py"]
    done = python(made / "staff", *command, WORK=str(made / "student/week_1/my_work.py"))
    assert "1 passed" in done.stdout
    assert "2 failed" in done.stdout
    assert "behaves as if eps were added outside of the root" in " ".join(done.stdout.split())
