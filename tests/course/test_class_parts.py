"""The parts of a class's report: finding submissions, equal code, statistics, marks; nothing is graded here."""

import csv
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest

from tinylm.course.handed_in import MAX_NOTEBOOK
from tinylm.course.klass.alike import groups, shape_of
from tinylm.course.klass.feedback import feedback
from tinylm.course.klass.overview import overview
from tinylm.course.klass.paper import MARKS
from tinylm.course.klass.sheet import harmless, sheet
from tinylm.course.klass.statistics import about, correlation
from tinylm.course.klass.submissions import submissions
from tinylm.course.verdict import Failing, Named, Verdict

WORK = "def gelu(xp, x):\n    return x\n"


def put(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py").replace("_ipynb", ".ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def found(folder: Path):
    return {each.student: each for each in submissions(folder)}


def test_files_folders_and_nbgraders_layout_are_students(tmp_path):
    put(tmp_path, zoe_py=WORK, ben__my_work_py=WORK, ada__week_1__homework_ipynb="{}", eve__a_py="", eve__my_work_py="")
    there = found(tmp_path)
    assert list(there) == ["ada", "ben", "eve", "zoe"]
    assert list(there["ada"].files) == ["week_1/homework.ipynb"]
    assert list(there["eve"].files) == ["my_work.py", "a.py"]
    assert all(not each.notes for each in there.values())


def test_a_file_and_a_folder_of_the_same_name_are_two_students(tmp_path):
    put(tmp_path, ada_py=WORK, ada__my_work_py=WORK, ada_ipynb="{}")
    assert sorted(found(tmp_path)) == ["ada", "ada.ipynb", "ada.py"]


def test_hidden_files_caches_and_the_report_itself_are_no_submissions(tmp_path):
    put(tmp_path, ada_py=WORK, report__results__x_py="", README="")
    put(tmp_path / ".git", a_py="")
    put(tmp_path / "__MACOSX", a_py="")
    put(tmp_path / "ben", my_work_py=WORK)
    put(tmp_path / "ben" / ".ipynb_checkpoints", my_work_ipynb="{}")
    put(tmp_path / "ben" / "__pycache__", my_work_py="")
    there = {each.student: each for each in submissions(tmp_path, leave_out=tmp_path / "report")}
    assert list(there) == ["ada", "ben"]
    assert list(there["ben"].files) == ["my_work.py"]


def test_links_are_not_followed(tmp_path):
    secret = tmp_path / "staff.py"
    secret.write_text("SECRET = 1")
    folder = put(tmp_path / "all", ada_py=WORK, ben__b_py=WORK)
    (folder / "eve.py").symlink_to(secret)
    (folder / "fay").symlink_to(tmp_path)
    (folder / "ben" / "my_work.py").symlink_to(secret)
    (folder / "ben" / "up").symlink_to(tmp_path)
    there = found(folder)
    assert list(there) == ["ada", "ben", "eve", "fay"]
    assert [list(there[name].files) for name in ("ben", "eve", "fay")] == [["b.py"], [], []]
    assert all("link" in note for name in ("ben", "eve", "fay") for note in there[name].notes)
    assert len(there["ben"].notes) == 2
    assert not any(b"SECRET" in data for each in there.values() for data in each.files.values())


def test_a_pipe_a_huge_file_and_an_empty_folder_are_notes(tmp_path):
    folder = put(tmp_path, ada_py=WORK)
    os.mkfifo(folder / "ben.py")
    with (folder / "cy.py").open("wb") as file:
        file.truncate(100_000_000)
    (folder / "dan").mkdir()
    there = found(folder)
    assert "no ordinary file" in there["ben"].notes[0]
    assert "100 MB" in there["cy"].notes[0]
    assert "no Python file" in there["dan"].notes[0]
    assert MAX_NOTEBOOK < 100_000_000
    assert not any(there[name].files for name in ("ben", "cy", "dan"))


def test_unreadable_files_and_folders_are_notes(tmp_path, monkeypatch):
    folder = put(tmp_path, ada_py=WORK, ben__my_work_py=WORK)
    real_open, real_scan = os.open, os.scandir

    def refuse(real, name):  # root reads everything: so it is refused here, and not by the file's mode
        def call(path, *rest):
            if Path(path).name == name:
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *rest)

        return call

    monkeypatch.setattr("tinylm.course.klass.submissions.os.open", refuse(real_open, "ada.py"))
    monkeypatch.setattr("tinylm.course.klass.submissions.os.scandir", refuse(real_scan, "ben"))
    there = found(folder)
    assert there["ada"].notes == ("ada.py cannot be read: Permission denied",)
    assert "cannot be read: Permission denied" in there["ben"].notes[0]


def test_strange_names_become_text_that_can_be_written(tmp_path):
    for name in ("tab\tname.py", "new\nline.py", "<b>&amp;.py", "=1+1.py", "né 名.py"):
        (tmp_path / name).write_text(WORK)
    with open(os.fsencode(tmp_path) + b"/latin\xe9.py", "w") as file:
        file.write(WORK)
    names = {each.student for each in submissions(tmp_path)}
    assert names == {"tab\\x09name", "new\\x0aline", "<b>&amp;", "=1+1", "né 名", "latin\\xe9"}


def test_the_digest_is_of_names_contents_and_notes(tmp_path):
    one = found(put(tmp_path / "1", ada_py=WORK))["ada"]
    assert one.digest == found(put(tmp_path / "2", ada_py=WORK))["ada"].digest
    others = [
        found(put(tmp_path / "3", ada_py=WORK + "#"))["ada"],
        found(put(tmp_path / "4", ada__ada_py=WORK, ada__b_py=""))["ada"],
        found(put(tmp_path / "5", ben_py=WORK))["ben"],
    ]
    assert len({one.digest, *(each.digest for each in others)}) == 4


LONG = '''
def softmax(xp, x, axis=-1):
    """Mine."""
    largest = x.max(axis=axis, keepdims=True)  # for safety
    powers = xp.exp(x - largest)
    whole = powers.sum(axis=axis, keepdims=True)
    return powers / whole
'''


def test_names_comments_docstrings_types_and_layout_do_not_count():
    other = """
import numpy

def helper(): pass

def softmax(np, logits: list, axis: int = -1) -> float:
    m = logits.max(axis=axis,
                   keepdims=True)
    e: float = np.exp((logits - m))
    s = e.sum(axis=axis, keepdims=True)
    return (e
            / s)
"""
    shape = shape_of(LONG.encode(), "softmax")
    assert shape
    assert shape_of(other.encode(), "softmax") == shape
    assert shape_of(LONG.replace("\n", "\r\n").encode(), "softmax") == shape


@pytest.mark.parametrize(
    ("old", "new"),
    [("x.max", "x.min"), ("x - largest", "largest - x"), ("powers / whole", "whole / powers"), ("xp.exp", "xp.exp2"),
     ("keepdims=True)\n    return", "keepdims=False)\n    return"), ("axis=-1", "axis=0")],
)  # fmt: skip
def test_what_the_code_does_counts(old, new):
    assert old in LONG
    assert shape_of(LONG.replace(old, new).encode(), "softmax") != shape_of(LONG.encode(), "softmax")


def test_short_missing_and_broken_code_has_no_shape():
    assert shape_of(b"def softmax(x): return x", "softmax") == ""
    assert shape_of(LONG.encode(), "gelu") == ""
    assert shape_of(LONG.encode() + b"(", "softmax") == ""


def test_students_with_equal_shapes_are_a_group_and_what_many_have_is_not_listed():
    shapes = {f"s{i:02}": {"a": "usual", "b": f"own{i}", "c": f"own{i}"} for i in range(20)}
    shapes["s03"] |= {"b": "x", "c": "y"}
    shapes["s07"] |= {"b": "x", "c": "y"}
    shapes["s09"] |= {"b": "x"}
    alike = groups(shapes, order=["a", "b", "c"])
    assert [(each.students, each.exercises) for each in alike] == [
        (("s03", "s07"), ("b", "c")),
        (("s03", "s07", "s09"), ("b",)),
    ]
    assert groups({"one": {"a": "x"}, "two": {"a": "y"}}, order=["a"]) == []


def right(name):
    return Verdict(name, "right", "right, on all 9 inputs", tried=9)


def wrong(name, *faults):
    failing = Failing(f"{name}(np.array([0.5]))", "<b>1</b>", "2", "at [0]: 2, expected 1")
    named = tuple(Named(fault, f"{fault} & more", "Look <here>.", 3, 3) for fault in faults)
    return Verdict(name, "wrong", "not right yet", 9, failing, named)


def test_a_correlation_is_numpys():
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = rng.integers(0, 2, 9).astype(float), rng.integers(0, 5, 9).astype(float)
        if one.std() and other.std():
            assert correlation(list(one), list(other)) == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-12)


def test_where_nothing_varies_there_is_no_correlation():
    assert correlation([1, 1, 1], [1, 2, 3]) is None
    assert correlation([0, 1, 0], [2, 2, 2]) is None
    assert correlation([1], [1]) is None


def test_an_exercise_is_correlated_with_the_others_and_not_with_itself():
    table = {f"s{i}": {name: right(name) if good else wrong(name) for name, good in zip("abc", row, strict=True)}
             for i, row in enumerate([(1, 1, 0), (1, 0, 0), (0, 1, 1), (0, 0, 1)])}  # fmt: skip
    of = {each.name: each for each in about("abc", table)}
    assert of["a"].discrimination == pytest.approx(np.corrcoef([1, 1, 0, 0], [1, 0, 2, 1])[0, 1])
    assert of["a"].right == 2
    assert of["b"].counts == {"right": 2, "wrong": 2}


def test_the_most_common_faults_come_first_and_both_of_two_at_once_count():
    table = {"ada": {"a": wrong("a", "eps", "axis")}, "ben": {"a": wrong("a", "axis")}, "cy": {"a": right("a")},
             "dan": {"a": Verdict("a", "missing", "")}}  # fmt: skip
    [of] = about(["a"], table)
    assert [(each.fault, each.students) for each in of.faults] == [("axis", ("ada", "ben")), ("eps", ("ada",))]
    assert of.tried_by == 3


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1"])
def test_no_cell_of_the_marks_is_a_formula(name):
    text = sheet(["a"], {name: {"a": right("a")}}, None)
    [_, row] = csv.reader(io.StringIO(text, newline=""))
    assert row[0].startswith("'")
    assert row[0][1:] == name
    assert harmless("Ada Lovelace") == "Ada Lovelace"


def test_marks_are_points_and_slow_is_half():
    table = {"ada": {"a": right("a"), "b": wrong("b")}, 'b"en,': {"a": Verdict("a", "slow", ""), "b": right("b")}}
    rows = list(csv.reader(io.StringIO(sheet("ab", table, {"a": 2.5, "b": 4.0}), newline="")))
    assert rows == [["student", "a", "b", "total"], ["ada", "2.5", "0", "2.5"], ['b"en,', "1.25", "4", "5.25"]]
    assert [row.split(",")[-1] for row in sheet("ab", table, None).split("\r\n")[1:3]] == ["1", "1.5"]
    page = feedback("ben", list(table['b"en,'].values()), points={"a": 2.5, "b": 4.0})
    assert "<b>2 of 2</b> exercises are right: <b>5.25 of 6.5</b> points" in page
    assert '<span class="points">1.25 of 2.5</span>' in page
    assert "<b>1 of 1</b> exercise is right." in feedback("ada", [right("a")])


def page_of_class():
    table = {
        "ada": {"a": right("a"), "b": wrong("b", "eps")},
        "<ben>": {"a": wrong("a"), "b": Verdict("b", "missing", "")},
    }
    return overview(
        "A & B", ["a", "b"], table, about(["a", "b"], table), pages=dict.fromkeys(table, "feedback/x.html"),
        alike=groups({"ada": {"a": "x"}, "<ben>": {"a": "x"}}, order=["a"]), look_at=[("<ben>", "it is <odd>")],
        scores={"ada": 2.0, "<ben>": 0.0}, most=6.0,
    )  # fmt: skip


def test_names_and_texts_are_shown_and_never_obeyed():
    page = page_of_class()
    assert "<ben>" not in page
    assert "&lt;ben&gt;" in page
    assert "it is &lt;odd&gt;" in page
    assert "eps &amp; more" in page
    mine = feedback("<i>", [wrong("a", "eps")], notes=["<u>"])
    assert "<i>" not in mine
    assert "<u>" not in mine
    assert "&lt;b&gt;1&lt;/b&gt;" in mine


def test_pages_need_no_network_and_no_script():
    for page in (page_of_class(), feedback("ada", [right("a"), wrong("b", "eps")])):
        assert not re.search(r"<script|src=|url\(|@import|https?:", page)
        assert "default-src 'none'" in page
        assert "prefers-color-scheme:dark" in page
        assert "width=device-width" in page


def test_the_overview_names_what_nobody_solved_and_who_made_which_fault():
    page = page_of_class()
    assert "<b>Solved by nobody:</b> b" in page
    assert "<b>1 ×</b> as if eps &amp; more" in page
    assert "Equal in one exercise: 1 group" in page
    assert "of 6 points" in page


def test_a_students_page_holds_nothing_of_the_staff():
    page = feedback("ada", [wrong("a", "secret_fault_name")], points={"a": 3.0})
    assert "secret_fault_name &amp; more" in page  # what it behaves like is said ...
    assert page.count("secret_fault_name") == 1  # ... and the catalogue's own name is not
    solved = Verdict("a", "wrong", "no", solves=("ben",))
    assert "ben" not in feedback("ada", [solved])


def test_every_status_has_a_mark_and_unequal_ones():
    stated = {"right", "wrong", "slow", "unwritten", "missing", "broken", "stopped", "refused"}
    assert set(MARKS) == stated
    assert len({sign for sign, *_ in MARKS.values()}) == len(stated)
