"""COURSE.toml: what is read from it, and what is said where it cannot be used."""

import datetime
import re

import pytest

from tinylm.course.handout import CourseError, example, read_course
from tinylm.course.handout.example import WEEKS
from tinylm.course.problem import problems

GOOD = """
title = "Models"
text = "Hello"

[[weeks]]
title = "Norms"
due = 2027-03-01
exercises = ["layer_norm", { name = "rms_norm", points = 2.5 }]

[[weeks]]
title = "More"
exercises = ["softmax"]
"""
SECRET = "not to be guessed"


def course(tmp_path, text=GOOD, **settings):
    file = tmp_path / "COURSE.toml"
    file.write_text(text, "utf-8")
    return read_course(file, **settings)


def test_a_course_is_what_its_file_says(tmp_path):
    read = course(tmp_path)
    assert (read.title, read.text, read.source) == ("Models", "Hello", GOOD)
    assert [(week.name, week.title, week.due) for week in read.weeks] == [
        ("week_1", "Norms", "2027-03-01"), ("week_2", "More", "")
    ]  # fmt: skip
    assert [(item.problem.name, item.points) for item in read.weeks[0].items] == [("layer_norm", 4), ("rms_norm", 2.5)]
    assert read.weeks[0].points == 6.5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "Models"\n', "", "there is no title"),
        ('title = "Models"', "title = 3", "title: expected a text, got 3"),
        ('title = "Models"', 'titel = "Models"', "no setting is called 'titel'; did you mean 'title'?"),
        ('title = "Models"', 'title = "a\\nb"', "expected one line"),
        ('text = "Hello"', 'secret = "x"', "a secret does not stand in COURSE.toml"),
        ('text = "Hello"', "weeks = 3", "is not TOML"),
        ('["softmax"]', '"softmax"', r"weeks\[2\].exercises: expected a list of names of exercises, got 'softmax'"),
        ('["softmax"]', "[]", r"weeks\[2\].exercises is empty; tinylm stub --list"),
        ('["softmax"]', '["softmx"]', r"weeks\[2\].exercises\[1\]: .*did you mean 'softmax'"),
        ('["softmax"]', "[7]", r'exercises\[1\]: expected a name, or \{name = "layer_norm", points = 4\}, got 7'),
        ('["softmax"]', '["layer_norm"]', "'layer_norm' stands in the course twice"),
        ('["softmax"]', '["softmax", "softmax"]', "'softmax' stands in the course twice"),
        ('["softmax"]', '["softmax"]\nx = 1', r"no setting is called 'x'\. There are: title, text, due, exercises"),
        ('["softmax"]', '[{ name = "softmax", point = 3 }]', "did you mean 'points'"),
        ("points = 2.5", "points = 0", "expected a number above 0, got 0"),
        ("points = 2.5", "points = true", "expected a number above 0, got True"),
        ("2027-03-01", "3", "due: expected a date"),
        ('text = "Hello"', 'students = ["a b"]', "expected ids of letters, digits"),
        ('text = "Hello"', 'students = ["../x"]', "expected ids of letters, digits"),
        ('text = "Hello"', 'students = ["Ada", "ada"]', "'ada' stands there twice"),
        ('text = "Hello"', 'students = ["ada"]', "hang on a secret"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, old, new, said):
    assert old in GOOD
    with pytest.raises(CourseError, match=said):
        course(tmp_path, GOOD.replace(old, new))


def test_what_notepad_saves_is_read(tmp_path):
    text = GOOD.replace('text = "Hello"', 'secret_file = "secret.txt"').replace("\n", "\r\n")
    (tmp_path / "COURSE.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "secret.txt").write_bytes(b"\xef\xbb\xbf" + SECRET.encode() + b"\r\n")
    read = read_course(tmp_path / "COURSE.toml")
    assert (read.title, read.secret) == ("Models", SECRET)
    assert "\r" not in read.source


def test_a_course_without_weeks_and_no_text_are_refused(tmp_path):
    with pytest.raises(CourseError, match="there is no weeks; expected a table"):
        course(tmp_path, 'title = "x"')
    with pytest.raises(CourseError, match="at least one"):
        course(tmp_path, 'title = "x"\nweeks = []')
    (tmp_path / "COURSE.toml").write_bytes(b"\xff")
    with pytest.raises(CourseError, match="UTF-8"):
        read_course(tmp_path / "COURSE.toml")


def test_the_secret_comes_from_a_file_or_the_caller_and_makes_the_hidden_seed(tmp_path):
    (tmp_path / "secret.txt").write_text(SECRET + "\n", "utf-8")
    text = GOOD.replace('text = "Hello"', 'secret_file = "secret.txt"\nstudents = ["ada"]')
    read = course(tmp_path, text)
    assert (read.secret, read.students) == (SECRET, ("ada",))
    assert read.seed == course(tmp_path, secret=SECRET).seed > 0
    assert course(tmp_path, text, secret="another one").secret == "another one"
    assert course(tmp_path, secret="another one").seed != read.seed
    assert course(tmp_path).seed == 0


def test_a_secret_that_is_short_or_stands_in_the_file_is_refused(tmp_path):
    with pytest.raises(CourseError, match="8 or more cannot be guessed"):
        course(tmp_path, secret="short")
    with pytest.raises(CourseError, match="holds the secret"):
        course(tmp_path, GOOD.replace("Hello", SECRET), secret=SECRET)
    (tmp_path / "secret.txt").write_text("\n", "utf-8")
    with pytest.raises(CourseError, match="is empty"):
        course(tmp_path, GOOD.replace('text = "Hello"', 'secret_file = "secret.txt"'))


def test_the_example_is_a_course_of_five_weeks_that_can_be_read(tmp_path):
    read = course(tmp_path, example())
    assert len(read.weeks) == 5
    assert [week.title for week in read.weeks] == [title for title, _, _ in WEEKS]


def test_every_date_that_the_example_shows_is_one(tmp_path):
    dates = re.findall(r"# or a date: (\S+)", example())
    assert len(dates) == 5
    assert dates == sorted({datetime.date.fromisoformat(each).isoformat() for each in dates})
    text = re.sub(r'due = ".*"  # or a date: ', "due = ", example())
    assert [week.due for week in course(tmp_path, text).weeks] == dates


def test_every_exercise_that_the_example_names_exists():
    assert [name for _, _, names in WEEKS for name in names if name not in problems()] == []
