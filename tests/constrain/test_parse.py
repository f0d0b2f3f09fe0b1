"""The spelling of regular expressions: Python's, and a clear error for what an automaton cannot do or is not there."""

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm.constrain import Automaton, parse
from tinylm.constrain.parse import DEEPEST, LONGEST, Chain, Chars

# fmt: off
ODD = [
    "{", "}", "]", "a{", "a{}", "a{b}", "a{,}b", "a{1", "{}", "{a}", "x{,2}{", "-", "a|", "|", "()", "(|a)", "^a", "a$",
    "^", "$", "^$", "^a|b$", "[a-]", "[-a]", "[]]", "[^]]", "[^^]", "[a^]", "[.]", "[$*+?(){}|]", r"\.\*\\", r"[\]\\]",
    r"\x41\u0042\U00000043", "a\\\nb", "é|ü", "(((a)))", "a{0}", "(a{0})*b", "(a*)*b", "(a|b*)*c", "(a?)+", "[--9]",
]
TEXTS = [
    "", "a", "b", "ab", "{", "}", "]", "a{", "a{}", "a{b}", "aa", "aaab", "a{1", "{}", "{a}", "xx{", "-", "^", ".", "$",
    ".*\\", "\\", "ABC", "a\nb", "é", "c", "abac", "5", "a{,}b",
]
# fmt: on


@pytest.mark.parametrize("pattern", ODD)
def test_odd_patterns_mean_what_they_mean_in_python(pattern):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of sets in sets, which Python may have one day
        known = re.compile(pattern, re.ASCII)
    automaton = Automaton(pattern)
    for text in TEXTS:
        assert automaton.matches(text) == (known.fullmatch(text) is not None), text


@pytest.mark.parametrize(
    ("pattern", "at", "message"),
    [
        ("a(b", 3, r"\) is missing"),
        ("a)b", 1, "closes no group"),
        ("[ab", 0, r"\] is missing"),
        ("x[]", 1, r"\] is missing"),
        ("[b-a]", 3, "no range"),
        (r"[a-\d]", 4, "no range"),
        (r"[\w-z]", 4, "no range"),
        ("*a", 0, r"nothing to repeat; for the character write \\\*"),
        ("a|+", 2, "nothing to repeat"),
        ("({2})", 1, "nothing to repeat"),
        ("^*", 1, "nothing to repeat"),
        ("a**", 2, "a repetition of a repetition"),
        ("a{2}{3}", 4, "a repetition of a repetition"),
        ("a*+", 2, "a repetition of a repetition"),
        ("a{3,2}", 1, "wants more than it allows"),
        ("a{1234567890}", 1, "9 digits"),
        ("a^b", 1, r"leave \^ away"),
        ("a$b", 1, r"leave \$ away"),
        ("(a$)", 2, r"leave \$ away"),
        ("(?i)a", 0, r"only \(\.\.\.\) and"),
        ("a(?=b)", 1, r"only \(\.\.\.\) and"),
        ("(?P<x>a)", 0, r"only \(\.\.\.\) and"),
        ("((?:?a))", 4, "nothing to repeat"),
        ("a\\", 1, "the last character"),
        (r"(a)\1", 3, r"\\1 is not supported"),
        (r"\bword\b", 0, r"\\b is not supported"),
        (r"\p{L}", 0, r"\\p is not supported"),
        (r"a\x4", 1, "wants 2 hexadecimal digits"),
        (r"\u00_9", 0, "wants 4 hexadecimal digits"),
        (r"\ud800", 0, "no character"),
        (r"\U00110000", 0, "no character"),
        ("a\ud800", 1, "half a character"),
        (rb"\u0041", 0, r"\\u is not supported"),
    ],
)
def test_what_is_no_pattern_is_refused_with_its_place(pattern, at, message):
    with pytest.raises(ValueError, match=f"position {at}: .*{message}"):
        parse(pattern)


@given(st.text("ab(|)[]{}^$*+?.\\-,12dwsxu", max_size=12))
def test_what_python_refuses_is_refused_and_the_rest_means_the_same(pattern):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            known = re.compile(pattern, re.ASCII)
        except re.error:
            known = None
    try:
        automaton = Automaton(pattern)
    except ValueError:
        return  # the subset may leave out what Python has
    assert known is not None
    for text in TEXTS:
        assert automaton.matches(text) == (known.fullmatch(text) is not None), text


def test_a_pattern_is_text_or_bytes():
    with pytest.raises(ValueError, match="must be a str or bytes, got int"):
        parse(5)
    assert parse("") == Chain(())
    assert parse(rb"\xff") == parse("\xff") == Chars(((255, 255),))


def test_long_and_deep_patterns_are_refused_at_their_limit():
    assert parse("(" * DEEPEST + "a" + ")" * DEEPEST) == parse("a")
    with pytest.raises(ValueError, match=f"position 101: more than {DEEPEST} groups are open"):
        parse("(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1))
    with pytest.raises(ValueError, match=f"{LONGEST + 1} characters; {LONGEST} is the limit"):
        parse("a" * (LONGEST + 1))
