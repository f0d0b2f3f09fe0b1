"""A class whose course names its students: whose a hand-in is, who handed in nothing, and reports of other weeks."""

import csv
import io
import json
import re
from html import unescape
from pathlib import Path

import pytest

from tests.course.test_class import FAKE, NORM, RELU, SIGMOID, marks, tree
from tinylm.cli import main
from tinylm.course.grade import How
from tinylm.course.handout.own import settings_of
from tinylm.course.klass import grading_class, running
from tinylm.course.klass.enrolled import NOTHING, enrolled
from tinylm.course.klass.feedback import LIBRARYS
from tinylm.course.klass.files import other_report
from tinylm.course.klass.grading import ClassError
from tinylm.course.klass.submissions import Submission
from tinylm.course.problem import problem_named
from tinylm.course.variants import variant_of

SECRET = "secret of the tests 0"
COURSE = """
title = "Models"
students = {students}
[[weeks]]
title = "Rows"
exercises = [{{name = "layer_norm", points = 4}}, {{name = "relu", points = 2}}]
[[weeks]]
title = "Curves"
exercises = ["sigmoid", "softmax"]
"""


def hand_in(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(running, "START", FAKE)


@pytest.fixture
def students():
    """Seven ids; SECRET gives them several settings, the library's among them."""
    return ["ada", "Ben", "cy", "dan", "eve", "fay", "gus"]


def eps_of(student: str) -> float:
    return variant_of(problem_named("layer_norm"), student, SECRET)["eps"]


def whose(name: str, students: list[str]) -> str:
    """The id under which a hand-in of this name is graded; "" where it is not."""
    roll = enrolled([Submission(name)], students)
    assert len(roll.found) + len([each for each in roll.unclear if each == name]) == 1
    return roll.found[0].student if roll.found else ""


IDS = ["ada", "Ben", "ben_j", "Zoë", "s1", "s12", "a.b@uni.edu"]


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("ada", "ada"), ("ADA", "ada"), (" ada ", "ada"), ("ben", "Ben"), ("BEN_J", "ben_j"), ("Zoe\u0308", "Zoë"),
        ("ada_week1", "ada"), ("Ada-my_work", "ada"), ("ada (1)", "ada"), ("ada.py", "ada"), ("zoë_2", "Zoë"),
        ("s1", "s1"), ("s12", "s12"), ("s1_2", "s1"), ("s12-1", "s12"), ("s123", ""), ("a.b@uni.edu_w1", "a.b@uni.edu"),
        ("adam", ""), ("ada2", ""), ("week1_ada", ""), ("my_work", ""), ("ben_j_week1", ""), ("ben_week1", "Ben"),
    ],
)  # fmt: skip
def test_a_hand_in_is_whose_id_its_name_is_or_begins_with(name, student):
    assert whose(name, IDS) == student


def test_a_name_that_is_an_id_is_matched_as_beside_the_hidden_tests(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({each: {"x": {"id": each}} for each in IDS}))
    for name in ("ADA", "ben", "Zoe\u0308", " s1 ", "A.B@UNI.EDU"):
        assert settings_of(tmp_path, [name])["x"]["id"] == whose(name, IDS)


def test_several_hand_ins_of_one_and_one_of_several_are_left_to_a_person():
    names = ["ada", "Ada_2", "ben_j_week1", "cy", "tom"]
    roll = enrolled(map(Submission, names), ["ada", "Ben", "ben_j", "cy", "dan"])
    assert [each.student for each in roll.found] == ["cy"]
    assert roll.unclear == {
        "ben_j_week1": "not graded: whose is it? It may be Ben's or ben_j's",
        "tom": "not graded: whose is it? Expected an id (ada, Ben, ben_j, cy and 1 more), or a name that begins with "
        "one, as ada_week_1",
        "ada": "not graded: ada and Ada_2 may both be ada's",
    }
    nothing = {"Ben", "ben_j", "dan"}
    assert {each for each, why in roll.not_graded.items() if why == NOTHING} == nothing
    assert enrolled(map(Submission, names)).students == tuple(names)  # nobody has said who takes part


def test_hand_ins_are_judged_by_the_settings_of_the_student_and_no_other(tmp_path, students, capsys, monkeypatch):
    monkeypatch.setenv("TINYLM_SECRET", SECRET)
    (tmp_path / "COURSE.toml").write_text(COURSE.format(students=json.dumps(students)))
    assert eps_of("ben") != eps_of("Ben")  # a phantom of this name has other settings
    right = {each: NORM.format(eps=eps_of(each)) + RELU for each in students}
    own = {"ben": right["Ben"], "ada_week1": right["ada"], "cy": right["cy"], "cy-2": right["cy"], "Tom": right["ada"]}
    hand_in(tmp_path / "all", **own, dan=SIGMOID)
    command = ["grade", str(tmp_path / "all"), "-o", str(tmp_path / "out"), "--course", str(tmp_path / "COURSE.toml")]
    assert main([*command, "--week", "1"]) == 0
    shown = capsys.readouterr()
    assert marks(tmp_path / "out")[1:] == [
        ["ada", "2", "4", "6"], ["Ben", "2", "4", "6"], *([each, "0", "0", "0"] for each in students[2:])
    ]  # fmt: skip
    lines = shown.out.splitlines()
    assert {"ada: 2 of 2 right", "Ben: 2 of 2 right", "eve: nothing handed in"} < set(lines)
    assert "dan: 0 of 2 right; it holds none of the exercises" in lines
    assert [each for each in lines if each.startswith("Tom: not graded: whose is it? Expected an id (ada, Ben, ")]
    assert "cy: not graded: cy-2 and cy may both be cy's" in lines
    assert "note: not graded until a person says whose, or which one counts: cy, Tom\n" in shown.err
    raw = (tmp_path / "out" / "overview.html").read_text("utf-8")
    assert raw.count('aria-label="2 right, 1 missing"') == 2  # the shares are of those who handed in
    page = unescape(re.sub(r"<[^>]+>", "", raw))
    assert "7 students, 3 submissions, 2 exercises; on average 1.3 right." in page
    assert "ada_week1 is taken to be ada's" in page
    look_at = page.partition("A person should look at these")[2].partition("Who has solved what")[0]
    assert "Tom: not graded: whose is it?" in look_at
    assert "rename it, and grade again" in look_at
    assert "cy: not graded: cy-2 and cy may both be cy's; keep one of them, and grade again" in look_at
    assert "dan: it holds sigmoid, and none of the exercises that are graded here" in look_at
    assert page.count("67 % right") == 2
    assert sorted(each.stem for each in (tmp_path / "out" / "feedback").iterdir()) == sorted(students)
    mine = (tmp_path / "out" / "feedback" / "eve.html").read_text("utf-8")
    assert "Note: nothing handed in." in mine
    assert "the my_work.py that you were given has how it begins, with your settings" in mine
    assert "tinylm stub layer_norm" not in mine  # which has the library's settings
    assert "tinylm stub relu writes how it begins" in mine  # which has none
    theirs = (tmp_path / "out" / "feedback" / "cy.html").read_text("utf-8")
    assert theirs.count("cy-2 and cy may both be") == 1
    assert "relu: not graded" in theirs
    assert raw.count('title="relu: not graded"') == 1
    assert raw.count('title="relu: not handed in"') == 4
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(found["students"]) == students
    assert list(found["unclear"]) == ["Tom", "cy"]


def test_whose_variant_is_solved_is_looked_for_among_all_who_take_part(tmp_path, students):
    solved = next(each for each in students if eps_of(each) not in (eps_of("ada"), 1e-5))
    hand_in(tmp_path / "all", ada=NORM.format(eps=eps_of(solved)))
    list(grading_class(tmp_path / "all", tmp_path / "out", ["layer_norm"], how=How(secret=SECRET), students=students))
    [verdict] = json.loads((tmp_path / "out" / "report.json").read_text())["students"]["ada"]["verdicts"]
    assert verdict["solves"] == [each for each in sorted(students) if eps_of(each) == eps_of(solved)]


def test_an_answer_with_the_settings_of_the_library_is_told_so_once(tmp_path, students):
    mine = next(each for each in students if eps_of(each) != 1e-5)
    assert 1e-5 in map(eps_of, students)  # so it also solves somebody's variant
    hand_in(tmp_path / "all", **{mine: NORM.format(eps="1e-5")})
    list(grading_class(tmp_path / "all", tmp_path / "out", ["layer_norm"], how=How(secret=SECRET), students=students))
    page = (tmp_path / "out" / "feedback" / f"{mine}.html").read_text("utf-8")
    assert page.count(LIBRARYS) == 1
    assert "other settings" not in page
    assert "it solves the variant of" in (tmp_path / "out" / "overview.html").read_text("utf-8")


def test_the_report_of_another_week_or_course_is_not_lost(tmp_path, capsys, monkeypatch, fake):
    monkeypatch.delenv("TINYLM_SECRET", raising=False)
    monkeypatch.chdir(tmp_path)
    text = COURSE.replace("students = {students}\n", "").format()
    (tmp_path / "COURSE.toml").write_text(text)
    (tmp_path / "OTHER.toml").write_text(text.replace("Models", "Others"))
    hand_in(tmp_path / "all", ada=RELU + SIGMOID)
    first = ["grade", "all", "-o", "report", "--course", "COURSE.toml", "--week", "1"]
    assert main(first) == 0
    before = tree(tmp_path / "report")
    (tmp_path / "report_2").mkdir()
    for arguments in (
        [*first[:-1], "2"],
        [*first[:5], "OTHER.toml", "--week", "1"],
        first[:-2],
        first[:4],
        [*first[:2], "relu", *first[2:]],
    ):
        capsys.readouterr()
        assert main(arguments) == 2, arguments
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "report holds the report of Models: Rows (relu, layer_norm), which would be lost" in shown.err
        assert "give another folder, as -o report_3" in shown.err
        assert tree(tmp_path / "report") == before
    assert main(first) == 0  # the same goes on
    assert "(from before)" in capsys.readouterr().out
    (tmp_path / "COURSE.toml").write_text(text.replace('name = "relu"', 'name = "silu", points = 1}, {name = "relu"'))
    assert main(first) == 0  # an exercise more loses none
    assert "silu" in marks(tmp_path / "report")[0]


def test_what_cannot_be_read_is_no_other_report(tmp_path, monkeypatch):
    for text in ("", "[", "[]", "{}", '{"title": "x"}', '{"title": "x", "students": []}', "[" * 100_000):
        (tmp_path / "report.json").write_text(text)
        assert other_report(tmp_path, "y", ["relu"]) == ""
    (tmp_path / "report.json").write_text('{"title": "x", "students": {}}')
    assert other_report(tmp_path, "y", ["relu"]) == "x"
    hand_in(tmp_path / "all", ada=RELU)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClassError, match="as -o report_2"):
        list(grading_class("all", ".", ["relu"], title="y"))


def test_a_week_of_which_nobody_handed_in_anything_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TINYLM_SECRET", raising=False)
    (tmp_path / "COURSE.toml").write_text(COURSE.replace("students = {students}\n", "").format())
    hand_in(tmp_path / "all", ada=RELU)
    command = ["grade", str(tmp_path / "all"), "-o", str(tmp_path / "o"), "--course", str(tmp_path / "COURSE.toml")]
    assert main([*command, "--week", "2"]) == 0
    shown = capsys.readouterr()
    assert "ada: 0 of 2 right; it holds none of the exercises" in shown.out
    assert "nobody handed in any of sigmoid, softmax; is it the right folder, and the right --week?" in shown.err
    rows = list(csv.reader(io.StringIO((tmp_path / "o" / "grades.csv").read_text("utf-8-sig"))))
    assert rows[1] == ["ada", "0", "0", "0"]
