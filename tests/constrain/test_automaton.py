"""The automaton of a pattern accepts what Python's re.fullmatch does; hostile patterns end in an error, and soon."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.constrain.patterns import ATOMS, examples, oracle
from tinylm.constrain import Automaton, dot, table
from tinylm.constrain.automaton import DEAD, STATES
from tinylm.constrain.nfa import LARGEST


@given(examples())
def test_it_accepts_what_python_matches(example):
    pattern, text = example
    assert Automaton(pattern).matches(text) == oracle(pattern, text)


@pytest.mark.parametrize("pattern", [*ATOMS, "[a-zb-c]", "[^a-zb-c0-9]", r"[\s\S]", "[b-da-cx]"])
def test_each_class_has_the_characters_that_it_has_in_python(pattern):
    automaton, known = Automaton(pattern), re.compile(pattern, re.ASCII)
    for code in (*range(0x180), *range(0x7F0, 0x810), 0x2028, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10348, 0x10FFFF):
        assert automaton.matches(chr(code)) == (known.fullmatch(chr(code)) is not None), f"U+{code:04X}"
    if pattern.isascii() and "\\u" not in pattern:
        of_bytes = Automaton(pattern.encode())
        for code in range(256):
            assert of_bytes.matches(bytes([code])) == oracle(pattern.encode(), bytes([code])), f"byte {code:02X}"


@given(examples())
def test_a_state_is_dead_exactly_where_no_text_begins_so(example):
    pattern, text = example
    automaton = Automaton(pattern)
    at, data = automaton.start, text.encode()
    for place, byte in enumerate(data):
        at = automaton.step(at, bytes([byte]))
        # every state but the dead one has a way on to a match: walk it, and let Python judge the text that it spells
        if at != DEAD:
            rest = way_to_a_match(automaton, at)
            assert oracle(pattern, (data[: place + 1] + rest).decode())
    if oracle(pattern, text):
        assert at != DEAD


def way_to_a_match(automaton: Automaton, state: int) -> bytes:
    """The shortest bytes that lead from a state to a match."""
    came, waiting = {state: b""}, [state]
    for at in waiting:
        if automaton.accepts(at):
            return came[at]
        for byte in range(256):
            after = automaton.step(at, bytes([byte]))
            if after != DEAD and after not in came:
                came[after] = came[at] + bytes([byte])
                waiting.append(after)
    raise AssertionError("a state that is not dead leads to no match")


@given(
    st.lists(
        st.sampled_from([b".", rb"\xff", rb"[\x80-\xff]", rb"\W", rb"[^\x00]", b"a", b"\xc3", b"(.|\n)"]), max_size=4
    ),
    st.lists(st.sampled_from([b"\xff", b"\x80", b"a", b"\n", b"\xc3", b"\x00"]), max_size=4),
)
def test_in_a_pattern_of_bytes_a_character_is_a_byte(parts, text):
    pattern, data = b"".join(parts), b"".join(text)
    assert Automaton(pattern).matches(data) == oracle(pattern, data)


def test_half_a_character_and_wrong_utf8_are_no_text():
    anything = Automaton(r"(.|\n)*")
    assert anything.matches("a\n\U00010348")
    for data in (b"\xc3", b"\xa9", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff"):
        with pytest.raises(UnicodeDecodeError):
            data.decode()
        assert not anything.matches(data)


@pytest.mark.parametrize("lazy", ["a+?b", "a??", "(ab)*?", "a{1,3}?"])
def test_a_lazy_repetition_matches_the_same_texts(lazy):
    for text in ("", "a", "b", "ab", "aab", "aaa", "abab"):
        assert (
            Automaton(lazy).matches(text) == oracle(lazy, text) == oracle(lazy.replace("?", "", 1), text)
            or "??" in lazy
        )


HOSTILE = [
    "(a{1000}){1000}",
    "((((a{100}){100}){100}){100}){100}",
    "a{999999999}",
    "a{0,999999999}",
    "[^a]{1,999999999}b",
    "(.?){8000}",
    "(" * 2000 + "a" + ")" * 2000,
    "(a|b)*a(a|b){200}c",
    "((.|a)?){3000}",
    "a{" + "9" * 5000 + "}",
]


def walked(pattern: str) -> Automaton:
    """The automaton, after many texts of a and b: the lazy ones grow when they are walked."""
    automaton = Automaton(pattern)
    for n in range(1, 400):
        for word in range(64):
            automaton.step(automaton.start, bytes(97 + ((word * 37 + n * i) >> 3 & 1) for i in range(n)))
    return automaton


@pytest.mark.parametrize("pattern", HOSTILE, ids=lambda pattern: pattern[:24])
def test_a_hostile_pattern_is_refused_soon(pattern):
    begin = time.perf_counter()
    with pytest.raises(ValueError, match=r"limit|more than|9 digits") as caught:
        walked(pattern)
    assert len(str(caught.value)) < 400
    # each takes up to 1.3 s on the machine this was written on; without a limit they take hours, or all memory
    assert time.perf_counter() - begin < 15


@pytest.mark.parametrize("pattern", ["(){999999999}", "((a{0}){99999}){999999999}", "(a*)*", "((a*)*)*b"])
def test_a_pattern_whose_repetitions_are_empty_is_small(pattern):
    automaton = Automaton(pattern)
    assert len(automaton.nfa.edges) < 20
    assert automaton.matches("") == oracle(re.sub(r"\d{3,}", "3", pattern), "")


def test_the_limits_leave_room_for_what_people_write():
    for pattern in (".{0,2000}", "[a-z]{500}", "(.*a){100}", "|".join(f"word{i}" for i in range(3000)), "x" * 40_000):
        Automaton(pattern)
    names = Automaton("|".join(f"word{i}" for i in range(3000)))
    assert names.matches("word2999")
    assert not names.matches("word3000")
    assert LARGEST > 10 * STATES


def test_a_state_of_a_long_repetition_is_in_few_states_of_the_nfa():
    automaton = Automaton(".{0,2000}")
    at = automaton.step(automaton.start, b"a" * 1000)
    assert automaton.accepts(at)
    assert len(automaton.sets[at]) < 5, "an optional copy may end the repetition at once, not copy by copy"


def test_rows_are_made_when_they_are_needed():
    automaton = Automaton("(a|b)*a(a|b){20}")  # 2²¹ states in all
    assert automaton.states < 5
    assert automaton.matches("a" + "ab" * 10)
    assert automaton.states < 60


def test_there_is_a_limit_on_states_too():
    automaton = Automaton("a*b{15000}")
    with pytest.raises(ValueError, match=f"grown beyond its limit, {STATES} states"):
        automaton.step(automaton.start, b"b" * 15_000)
    assert automaton.states == STATES
    assert automaton.step(automaton.start, b"aab" * 2) == DEAD


def test_a_pattern_that_nothing_matches_is_dead_from_the_start():
    assert Automaton(r"a[^\x00-\U0010ffff]").start == DEAD
    assert Automaton("[\ue000-\ue001]").start != DEAD


def test_the_table_shows_states_bytes_and_matches():
    lines = table(Automaton(r"-?\d+(\.\d)?")).splitlines()
    assert lines == [
        "state  reads",
        "    1  - → 2   0-9 → 3",
        "    2  0-9 → 3",
        "    3* . → 4   0-9 → 3",
        "    4  0-9 → 5",
        "    5* nothing",
    ]
    shortened = table(Automaton("[a-z]{100}"), most=3).splitlines()
    assert len(shortened) == 5
    assert shortened[-1].strip() == "...  more states"
    assert "C3 → 2" in table(Automaton("é"))


def test_the_graph_in_dot_has_an_arrow_for_each_range():
    text = dot(Automaton('["\\\\]é?'))
    assert '1 -> 2 [label="\\" \\\\"];' in text
    assert '2 -> 3 [label="C3"];' in text
    assert '3 -> 4 [label="A9"];' in text
    assert "2 [shape=doublecircle];" in text
    assert "4 [shape=doublecircle];" in text
    assert "1 [shape=doublecircle];" not in text
