"""The nbgrader form, run for real: generate_assignment, autograde and generate_feedback; the extra is `nbgrader`."""

import html
import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest

from tinylm.course.handout import handout, read_course
from tinylm.course.problem import problem_named

if importlib.util.find_spec("nbgrader") is None:
    pytest.skip("nbgrader is not installed; type: pip install 'tinylm[nbgrader]'", allow_module_level=True)

pytestmark = pytest.mark.slow

COURSE = """
title = "Two parts"

[[weeks]]
title = "Norms"
exercises = [{ name = "layer_norm", points = 4 }, { name = "rms_norm", points = 3 }]
"""
SECRET = "a secret that stands nowhere"

# a gradebook as plain data; in a process of its own, since nbgrader's imports warn
GRADES = """
import json
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    print(json.dumps({
        s.student.id: {g.name: g.auto_score for n in s.notebooks for g in n.grades}
        for s in book.assignment_submissions("week_1")
    }))
"""


def nbgrader(folder, *arguments):
    homes = ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
    own = {name: str(folder / ".home" / name) for name in homes}
    for place in own.values():
        os.makedirs(place, exist_ok=True)
    command = [sys.executable, "-m", "nbgrader", *arguments] if arguments[0] != "-c" else [sys.executable, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONWARN")}
    here = os.pathsep.join([os.getcwd(), environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    tools = os.pathsep.join([os.path.dirname(sys.executable), environment.get("PATH", "")])  # nbgrader calls alembic
    environment |= own | {"PYTHONPATH": here, "PATH": tools}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def cell(book, name):
    return next(each for each in book["cells"] if each["metadata"].get("nbgrader", {}).get("grade_id") == name)


def with_sources(release, sources):
    """The release as a student hands it in, with these cells written."""
    book = json.loads(release)
    for name, source in sources.items():
        cell(book, name)["source"] = source.splitlines(keepends=True)
    return json.dumps(book)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A course folder after everything: three students of whom one is right, one has written nothing, one is wrong."""
    top = tmp_path_factory.mktemp("course")
    (top / "COURSE.toml").write_text(COURSE, "utf-8")
    handout(read_course(top / "COURSE.toml", secret=SECRET), top / "made", ["nbgrader"])
    folder = top / "made" / "nbgrader"
    nbgrader(folder, "generate_assignment", "week_1")
    release = (folder / "release/week_1/week_1.ipynb").read_text("utf-8")
    source = json.loads((folder / "source/week_1/week_1.ipynb").read_text("utf-8"))
    answers = {f"write_{name}": "".join(cell(source, f"write_{name}")["source"]) for name in ("layer_norm", "rms_norm")}
    wrong = answers["write_layer_norm"]
    for old, new in next(each for each in problem_named("layer_norm").faults if each.name == "eps_outside").edits:
        assert old in wrong
        wrong = wrong.replace(old, new)
    loop = "import numpy\nnumpy.mean = None\ndef rms_norm(xp, x, gain, *, eps=1e-5):\n    while True:\n        pass"
    submitted = {
        "ada": with_sources(release, answers),
        "ben": release,
        "eve": with_sources(release, {"write_layer_norm": wrong, "write_rms_norm": loop}),
    }
    for student, text in submitted.items():
        place = folder / "submitted" / student / "week_1"
        place.mkdir(parents=True)
        (place / "week_1.ipynb").write_text(text, "utf-8")
    nbgrader(folder, "autograde", "week_1")
    nbgrader(folder, "generate_feedback", "week_1")
    return folder


@pytest.fixture(scope="module")
def grades(graded):
    return json.loads(nbgrader(graded, "-c", GRADES).splitlines()[-1])


def test_the_reference_gets_all_points(grades):
    assert grades["ada"] == {"test_layer_norm": 4.0, "test_rms_norm": 3.0}


def test_a_stub_gets_none(grades):
    assert grades["ben"] == {"test_layer_norm": 0.0, "test_rms_norm": 0.0}


def test_a_wrong_answer_and_an_endless_loop_get_none(grades):
    assert grades["eve"] == {"test_layer_norm": 0.0, "test_rms_norm": 0.0}


def test_the_feedback_of_a_wrong_answer_says_what_it_behaves_like(graded):
    text = html.unescape(re.sub(r"<[^>]+>", "", (graded / "feedback/eve/week_1/week_1.html").read_text("utf-8")))
    page = " ".join(text.split())
    assert "behaves as if eps were added outside of the root" in page
    assert "layer_norm(np, np.array(" in page
    assert (graded / "hidden_seed.txt").read_text().strip() not in page


def test_students_get_neither_answers_nor_hidden_tests(graded):
    release = json.loads((graded / "release/week_1/week_1.ipynb").read_text("utf-8"))
    text = "".join("".join(each["source"]) for each in release["cells"])
    for secret in ("SOLUTION", "HIDDEN", "award", "rstd", "seed", SECRET):
        assert secret not in text
    assert text.count("raise NotImplementedError") == 2
    assert "".join(cell(release, "test_rms_norm")["source"]) == 'check("rms_norm")'


def test_test_cells_are_locked_and_answers_are_not(graded):
    release = json.loads((graded / "release/week_1/week_1.ipynb").read_text("utf-8"))
    says = {each["metadata"]["nbgrader"]["grade_id"]: each["metadata"] for each in release["cells"]}
    assert says["test_layer_norm"]["editable"] is False
    assert says["test_layer_norm"]["nbgrader"]["points"] == 4
    assert says["write_layer_norm"].get("editable", True) is True
    assert says["write_layer_norm"]["nbgrader"]["solution"] is True


def test_no_file_of_the_course_holds_the_secret(graded):
    for file in graded.parent.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file
