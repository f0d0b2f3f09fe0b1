"""What a verdict reads like: in a terminal, on a page, to a student and to staff."""

import re
from html.parser import HTMLParser

import pytest

from tinylm.course.report import verdict_html, verdict_text, verdicts_html, verdicts_text
from tinylm.course.verdict import Failing, Named, Verdict

FAIL = Failing("import numpy as np; softmax(np, np.array([1000.0]))", "[1.0]  float64 (1,)", "[np.nan]  float64 (1,)",
               "at [0]: np.nan, expected 1.0")  # fmt: skip
SURE = Named("max_kept", "the maximum were not subtracted", "Try 1000: what is e to the power of that?", 9, 9)
WRONG = Verdict("softmax", "wrong", "not right yet: 9 of 98 inputs go wrong", 98, FAIL, (SURE,))


def test_a_wrong_answer_reads_so():
    assert verdict_text(WRONG) == (
        "✗ softmax: not right yet: 9 of 98 inputs go wrong\n"
        "\n"
        "  The smallest call found that goes wrong:\n"
        "    import numpy as np; softmax(np, np.array([1000.0]))\n"
        "\n"
        "  expected  [1.0]  float64 (1,)\n"
        "  got       [np.nan]  float64 (1,)\n"
        "  differs   at [0]: np.nan, expected 1.0\n"
        "\n"
        "  It behaves as if the maximum were not subtracted.\n"
        "\n"
        "  Try 1000: what is e to the power of that?"
    )


def test_two_faults_make_one_sentence():
    other = Named("one_sum", "all numbers added up to 1", "Look at the axis.", 9, 9)
    text = verdict_text(Verdict("softmax", "wrong", "", named=(SURE, other)))
    assert "as if the maximum were not subtracted and, at the same time, as if all" in re.sub(r"\s+", " ", text)


def test_a_guess_is_called_one():
    text = verdict_text(Verdict("f", "wrong", "", named=(Named("x", "it were so", "", 8, 9),)))
    assert "On 8 of the 9 inputs that tell, it behaves as if it were so;" in text


def test_colour_comes_only_where_it_is_asked_for():
    assert "\033" not in verdict_text(WRONG)
    assert verdict_text(WRONG, colour=True).startswith("\033[31m✗\033[0m ")


def test_prose_is_88_columns_wide_and_calls_are_not_broken():
    call = f"f({', '.join(map(str, range(100)))})"
    verdict = Verdict("f", "wrong", "no", failing=Failing(call, "1", "2", ""), symptom="word " * 60, work="count " * 40)
    text = verdict_text(verdict)
    assert f"    {call}\n" in text
    assert max(len(line) for line in text.splitlines() if call not in line) <= 88


@pytest.mark.parametrize("show", [verdict_text, verdict_html])
def test_a_students_text_steers_no_terminal_and_no_page(show):
    nasty = "\033[2J<script>alert(1)</script>\u202etxt\r\x07"
    fail = Failing("f()", "1", f"ValueError: {nasty}", "")
    shown = show(Verdict("f", "wrong", nasty, failing=fail, symptom=nasty, printed=nasty))
    assert not any(bad in shown for bad in ("\033", "\u202e", "\r", "\x07"))
    assert show is verdict_text or "<script>" not in shown


@pytest.mark.parametrize("show", [verdict_text, verdict_html])
def test_other_students_and_names_of_faults_are_for_staff(show):
    verdict = Verdict("softmax", "wrong", "no", named=(SURE,), variant={"eps": 0.1}, solves=("ada", "bob"))
    assert "ada" not in show(verdict)
    assert "max_kept" not in show(verdict)
    assert "ada, bob" in show(verdict, staff=True)
    assert "max_kept (9 of 9)" in show(verdict, staff=True)
    assert "eps=0.1" in show(verdict)


def test_what_was_printed_and_the_work_are_shown():
    text = verdict_text(Verdict("f", "slow", "right", work="8, 64 steps.", printed="one\ntwo\n"))
    assert text == "✓ f: right\n\n  8, 64 steps.\n\n  It printed:\n    one\n    two"


def test_of_a_long_line_that_was_printed_the_beginning_is_shown():
    for show in (verdict_text, verdict_html):
        text = show(Verdict("f", "right", "right", printed="head\n" + "x" * 1990))
        assert "head" in text
        assert 100 < text.count("x" * 10) * 10 < 300
        assert "x…" in text


def test_of_much_that_was_printed_the_last_lines_are_shown():
    text = verdict_text(Verdict("f", "right", "right", printed="".join(f"{i}\n" for i in range(99))))
    assert "It printed (the last 10 lines):\n    89\n" in text
    assert text.endswith("98")


def test_several_lines_stand_below_their_label():
    fail = Failing("f(1)", "2", "ValueError: no\nin line 3: raise ValueError('no')", "")
    assert "  got       ValueError: no\n            in line 3: raise" in verdict_text(
        Verdict("f", "wrong", "", failing=fail)
    )


def test_a_list_ends_with_how_many_are_right():
    verdicts = [
        Verdict("relu", "right", "right, on all 9 inputs"),
        Verdict("gelu", "unwritten", "not written yet: it returns None"),
        WRONG,
        Verdict("silu", "slow", "right, but it works too much", work="1, 2, 4 steps."),
    ]
    text = verdicts_text(verdicts)
    assert text.startswith("✓ relu: right, on all 9 inputs\n… gelu: not written yet: it returns None\n\n✗ softmax")
    assert text.endswith("2 of 4 right; 1 of these with too much work: silu; 1 not written yet: gelu.")
    assert "2 of 4 right" in verdicts_html(verdicts)
    assert verdicts_text([]) == "0 of 0 right."


def test_an_answer_without_a_return_is_not_counted_as_unwritten():
    forgotten = Verdict("relu", "unwritten", "it returns None: is a `return` missing?")
    assert verdicts_text([forgotten]).endswith("0 of 1 right; 1 without a result: relu.")


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_says_what_the_text_says():
    page = Balanced()
    page.feed(verdict_html(WRONG))
    assert page.open == []
    for part in (FAIL.call, FAIL.expected, FAIL.got, FAIL.difference, SURE.says, SURE.hint, WRONG.sentence):
        assert part in page.text
    assert "http" not in verdict_html(WRONG)
