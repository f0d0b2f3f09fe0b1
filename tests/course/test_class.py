"""A whole class: layouts, the report's files, going on after a crash, and processes that die."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinylm.cli import main
from tinylm.course.grade import How
from tinylm.course.klass import grading_class, running
from tinylm.course.klass.enrolled import some
from tinylm.course.klass.files import page_names
from tinylm.course.klass.grading import ClassError
from tinylm.course.problem import problem_named
from tinylm.course.variants import variant_of

ROOT = Path(__file__).resolve().parents[2]
RELU = "def relu(xp, x):\n    return xp.where(x > 0, x, 0.0)\n"
TURNED = "def relu(xp, x):\n    return xp.where(x < 0, x, 0.0)\n"
SIGMOID = "def sigmoid(xp, x):\n    return 1 / (1 + xp.exp(-x))\n"
OPEN = "def sigmoid(xp, x):\n    raise NotImplementedError\n"
GONE = "import os\n\ndef relu(xp, x):\n    os._exit(3)\n"
NORM = """import numpy as np
def layer_norm(xp, x, gain, bias=None, *, eps={eps}):
    x = x - x.mean(axis=-1, keepdims=True)
    y = gain * x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return y if bias is None else y + bias
"""
COURSE = """
title = "Language models"
[[weeks]]
title = "Curves"
exercises = [{name = "relu", points = 2.5}, {name = "sigmoid", points = 4}]
[[weeks]]
title = "Rows"
exercises = ["softmax"]
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "submissions"
    cells = [{"cell_type": "code", "source": RELU}, {"cell_type": "code", "source": "relu(1)"}]
    files = {
        "ada.py": RELU + SIGMOID,
        "ben/my_work.py": TURNED + OPEN,
        "cy/week_1/homework.ipynb": json.dumps({"nbformat": 4, "cells": cells}),
        "dan.py": GONE,
        "eve.py": "def relu(xp, x: return x\n",
        "gus.py": TURNED.replace("x", "y").replace("yp", "xp") + "# mine\n",
        "=ida.py": RELU,
    }
    for name, text in files.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    (made / "fay").mkdir()
    return made


def tree(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def marks(out: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO((out / "grades.csv").read_bytes().decode("utf-8-sig"), newline="")))


def command(*arguments: str | Path, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tinylm", "grade", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )  # fmt: skip


def test_a_class_becomes_marks_pages_and_an_overview(folder, tmp_path, capsys):
    (tmp_path / "COURSE.toml").write_text(COURSE)
    out = tmp_path / "report"
    arguments = ["grade", str(folder), "-o", str(out), "--course", str(tmp_path / "COURSE.toml"), "--week", "1"]
    assert main([*arguments, "--workers", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ada: 2 of 2 right" in lines
    assert "cy: 1 of 2 right" in lines
    assert "fay: 0 of 2 right; it holds none of the exercises" in lines
    assert marks(out) == [
        ["student", "relu", "sigmoid", "total"],
        ["'=ida", "2.5", "0", "2.5"],
        ["ada", "2.5", "4", "6.5"],
        ["ben", "0", "0", "0"],
        ["cy", "2.5", "0", "2.5"],
        *([name, "0", "0", "0"] for name in ("dan", "eve", "fay", "gus")),
    ]
    found = json.loads((out / "report.json").read_text())["students"]
    status = {name: [each["status"] for each in row["verdicts"]] for name, row in found.items()}
    assert status["ben"] == ["wrong", "unwritten"]
    assert status["dan"] == ["stopped", "missing"]
    assert status["eve"] == ["broken", "missing"]
    assert status["fay"] == ["missing", "missing"]
    assert sorted(each.name for each in (out / "feedback").iterdir()) == sorted(page_names(list(found)).values())
    overview = (out / "overview.html").read_text("utf-8")
    assert "Language models: Curves" in overview
    assert "there is no Python file and no notebook in it" in overview
    page = (out / "feedback" / "ben.html").read_text("utf-8")
    assert "0 of 6.5" in page
    assert "relu(np, np.array(" in page
    for staff in ("results/", "eve", "gus", "ada"):
        assert staff not in page.replace("feedback", "").replace("gray", "")

    before = {name: (out / name).stat().st_mtime_ns for name in tree(out)}
    assert main(arguments) == 0  # nothing is done again, and nothing written
    assert capsys.readouterr().out.count("(from before)") == 8
    assert {name: (out / name).stat().st_mtime_ns for name in tree(out)} == before


def test_a_run_that_is_killed_at_any_moment_goes_on_and_ends_in_the_same_report(folder, tmp_path):
    out, undisturbed, rng = tmp_path / "killed", tmp_path / "undisturbed", random.Random(6)
    list(grading_class(folder, undisturbed, workers=2))
    for _ in range(4):
        ran = command(folder, "-o", out, "--workers", "2")
        for _ in range(rng.randint(1, 3)):  # so many students, and then some moment
            ran.stdout.readline()
        time.sleep(rng.random() * 0.5)
        ran.kill()
        ran.communicate()
    ran = command(folder, "-o", out, "--workers", "1")
    shown, _ = ran.communicate(timeout=120)
    assert ran.returncode == 0
    assert "(from before)" in shown
    deadline = time.monotonic() + 20
    while any(name.endswith(".tmp") for name in tree(out)) and time.monotonic() < deadline:
        time.sleep(0.1)  # a worker that was orphaned is ending
    results, left = {}, tree(out)
    for name in [name for name in left if name.startswith("results/")]:
        results[name] = left.pop(name)
    assert all(json.loads(data)["key"] for name, data in results.items() if not name.endswith(".tmp"))
    assert left == {name: data for name, data in tree(undisturbed).items() if not name.startswith("results/")}


def test_ctrl_c_says_how_to_go_on(folder, tmp_path):
    ran = command(folder, "-o", tmp_path / "report", "--workers", "1", start_new_session=True)
    ran.stdout.readline()
    os.killpg(ran.pid, signal.SIGINT)
    _, err = ran.communicate(timeout=60)
    assert ran.returncode == 130
    assert "of 8 students are done, and the same command goes on from there" in err
    assert "Traceback" not in err
    assert list((tmp_path / "report" / "results").iterdir())


def test_each_student_has_the_variant_of_their_name_and_others_are_named_to_staff_alone(tmp_path):
    problem, ids = problem_named("layer_norm"), [f"s{i}" for i in range(6)]
    eps = {each: variant_of(problem, each, "key")["eps"] for each in ids}
    other = next(each for each in ids if eps[each] != eps["s0"])
    folder = tmp_path / "all"
    folder.mkdir()
    for each in ids:
        (folder / f"{each}.py").write_text(NORM.format(eps=eps[other if each == "s0" else each]))
    list(grading_class(folder, tmp_path / "out", how=How(secret="key"), workers=2))
    rows = {name: mark for name, mark, _ in marks(tmp_path / "out")[1:]}
    assert rows == {each: "0" if each == "s0" else "1" for each in ids}
    overview = (tmp_path / "out" / "overview.html").read_text("utf-8")
    assert "it solves the variant of" in overview
    page = (tmp_path / "out" / "feedback" / "s0.html").read_text("utf-8")
    assert not any(each in page for each in ids[1:])
    assert not any(b"key" in data and name.startswith("feedback") for name, data in tree(tmp_path / "out").items())


def test_of_several_files_the_one_with_the_answer_counts(tmp_path):
    cells = [{"cell_type": "code", "source": RELU}, {"cell_type": "code", "source": SIGMOID.replace("1 +", "2 +")}]
    notebook, stubs = (
        json.dumps({"nbformat": 4, "cells": cells}),
        RELU.split("return")[0] + "raise NotImplementedError\n",
    )
    for name, text in {"my_work.py": stubs + SIGMOID, "week_1.ipynb": notebook, "zz.py": "def relu(x: return"}.items():
        (tmp_path / "all" / "ada" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / "ada" / name).write_text(text)
    assert [(each.right, each.of) for each in grading_class(tmp_path / "all", tmp_path / "out", workers=1)] == [(2, 2)]
    page = (tmp_path / "out" / "feedback" / "ada.html").read_text("utf-8")
    assert "sigmoid is written in my_work.py and in week_1.ipynb; my_work.py is graded" in page
    assert "relu is written" not in page


FAKE = """
import base64, json, os, pathlib, sys
sys.path[:] = {path}
results = pathlib.Path(json.loads(sys.stdin.readline())["results"])
print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    if job["student"] == "eve":
        os._exit(1)
    text = "".join(base64.b64decode(each).decode() for each in job["files"].values())
    status = "slow" if "slow" in text else "right" if "> 0" in text else "wrong"
    verdict = {{"problem": "relu", "status": status, "sentence": "so it is"}}
    found = {{"key": job["key"], "verdicts": [verdict], "notes": []}}
    failed = "fails once" in text and not (results / "failed").exists()
    (results / "failed").touch() if failed else None
    found |= {{"shapes": {{}}, "failures": {{"relu": "out of memory"}} if failed else {{}}, "protections": {{}}}}
    (results / (job["key"] + ".json")).write_text(json.dumps(found))
    with open(results.parent / "log", "a") as log:
        print(job["student"], file=log)
    print(job["key"], flush=True)
"""


@pytest.fixture
def fake(monkeypatch):
    """Workers that answer at once, to look at what is around them."""
    monkeypatch.setattr(running, "START", FAKE)


def test_a_submission_that_ends_its_grader_costs_nobody_else(folder, tmp_path, fake):
    out = tmp_path / "out"
    records = list(grading_class(folder, out, workers=3))
    assert sorted(each.student for each in records) == ["=ida", "ada", "ben", "cy", "dan", "eve", "fay", "gus"]
    assert [each.done for each in records] == list(range(1, 9))
    assert {each.student: (each.of, each.held) for each in records}["eve"] == (0, 1)
    assert "ended twice on this submission" in (out / "overview.html").read_text("utf-8")
    assert "eve" not in (out / "log").read_text()


def test_equal_submissions_are_graded_once_and_changed_ones_again(folder, tmp_path, fake):
    out = tmp_path / "out"
    (folder / "zoe").mkdir()
    (folder / "zoe" / "dan.py").write_text(GONE)
    list(grading_class(folder, out, workers=1))
    log = (out / "log").read_text().split()
    assert ("dan" in log) + ("zoe" in log) == 1
    (folder / "ada.py").write_text(TURNED)
    again = list(grading_class(folder, out, workers=1))
    assert [each.student for each in again if not each.again] == ["ada", "eve"]  # who ended the grader is tried again
    for how, names in ((How(seed=1), None), (How(tries=9), None), (How(seconds=2.0), None), (How(), ["relu"])):
        again = list(grading_class(folder, out, names, how=how, workers=1))
        assert not any(each.again for each in again if each.student != "eve")


def test_all_that_is_written_gives_half_the_points_for_too_much_work(folder, tmp_path, fake):
    (folder / "ada.py").write_text(RELU + "# slow")
    list(grading_class(folder, tmp_path, points={"relu": 3.0}, workers=1))
    assert {name: total for name, _, total in marks(tmp_path)[1:]}["ada"] == "1.5"
    assert json.loads((tmp_path / "report.json").read_text())["students"]["ada"]["points"] == 1.5
    assert "<b>1.5 of 3</b> points" in (tmp_path / "feedback" / "ada.html").read_text("utf-8")
    assert '<td class="sum">1.5</td>' in (tmp_path / "overview.html").read_text("utf-8")


def test_pages_of_students_who_are_gone_are_removed_and_nothing_else(folder, tmp_path, fake):
    out = tmp_path / "out"
    list(grading_class(folder, out, workers=1))
    (out / "feedback" / "mine.html").write_text("a note of the staff's")
    for name in ("ada.py", "=ida.py"):
        (folder / name).unlink()
    assert len(list(grading_class(folder, out, workers=1))) == 6
    assert sorted(each.name for each in (out / "feedback").iterdir()) == [
        *(f"{name}.html" for name in ("ben", "cy", "dan", "eve", "fay", "gus", "mine"))
    ]
    (out / "report.json").write_text("[")
    (folder / "gus.py").unlink()
    assert len(list(grading_class(folder, out, workers=1))) == 5


def test_of_many_whose_variant_is_solved_a_few_are_named():
    assert some(("a", "b", "c", "d")) == "a, b, c, d"
    assert some(tuple("abcdefg")) == "a, b, c, d and 3 more"


def test_files_that_change_while_the_class_is_graded_are_an_error(folder, tmp_path, fake):
    coming = grading_class(folder, tmp_path / "out", workers=1)
    next(coming)
    (folder / "gus.py").write_text(RELU)
    with pytest.raises(OSError, match="gus changed"):
        list(coming)
    assert len(list(grading_class(folder, tmp_path / "out", workers=1))) == 8


def test_where_the_grader_failed_it_tries_again(folder, tmp_path, fake):
    (folder / "dan.py").write_text("# fails once")
    list(grading_class(folder, tmp_path, workers=1))
    assert "relu: the grader failed: out of memory" in (tmp_path / "overview.html").read_text("utf-8")
    again = {each.student: each.again for each in grading_class(folder, tmp_path, workers=1)}
    assert (again["dan"], again["gus"]) == (False, True)
    assert "out of memory" not in (tmp_path / "overview.html").read_text("utf-8")


def test_a_damaged_result_is_made_again(folder, tmp_path, fake):
    out = tmp_path / "out"
    (folder / "eve.py").unlink()
    list(grading_class(folder, out, workers=1))
    files = sorted((out / "results").iterdir())
    files[0].write_text("{")
    files[1].write_text("[]")
    files[2].write_text('{"key": "another"}')
    again = list(grading_class(folder, out, workers=1))
    assert sum(not each.again for each in again) == 3


def test_the_report_does_not_depend_on_who_is_ready_first(folder, tmp_path, fake):
    for workers in (1, 4):
        list(grading_class(folder, tmp_path / str(workers), workers=workers))
        (tmp_path / str(workers) / "log").unlink()
    assert tree(tmp_path / "1") == tree(tmp_path / "4")


def test_another_version_of_the_library_grades_again(folder, tmp_path, fake, monkeypatch):
    list(grading_class(folder, tmp_path / "out", workers=1))
    monkeypatch.setattr(running, "version", lambda: "another")
    assert not any(each.again for each in grading_class(folder, tmp_path / "out", workers=1))


def test_the_report_may_lie_among_the_submissions(folder, fake):
    for _ in range(2):
        assert len(list(grading_class(folder, folder / "report", workers=1))) == 8
    with pytest.raises(ClassError, match="among the submissions"):
        list(grading_class(folder, folder / "." / "report" / ".."))


def test_workers_that_do_not_start_are_an_error_and_no_verdict(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "START", "raise SystemExit({path} and 1)")
    with pytest.raises(RuntimeError, match="could not be started"):
        list(grading_class(folder, tmp_path / "out", workers=2))
    assert not list((tmp_path / "out" / "results").iterdir())


def test_closing_the_loop_ends_the_workers(folder, tmp_path, fake, monkeypatch):
    monkeypatch.setattr(
        running,
        "START",
        FAKE.replace("    text = ", "    __import__('time').sleep(job['student'] > 'b' and 30)\n    text = "),
    )
    started, began = [], time.monotonic()
    make = running._started
    monkeypatch.setattr(running, "_started", lambda about: started.append(make(about)) or started[-1])
    coming = grading_class(folder, tmp_path / "out", workers=2)
    next(coming)
    coming.close()
    assert time.monotonic() - began < 20  # not until the slow ones are done
    assert started
    assert all(each.poll() is not None for each in started)


def test_pages_have_names_that_every_system_takes():
    names = ["Ada", "ada", "né 名", "<b>/..", "a" * 300, "..", "con\\x09"]
    pages = page_names(names)
    assert len({page.casefold() for page in pages.values()}) == len(names)
    assert all(len(page) < 100 and not set(page) & set('<>:"/\\|?*\t\n ') for page in pages.values())
    assert all(not page.startswith(".") for page in pages.values())
    assert pages["Ada"] != "Ada.html"  # another differs in case alone
