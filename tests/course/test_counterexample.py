"""Laws tried by Hypothesis: true ones hold, false ones give their smallest counterexample, each time the same."""

import builtins

import pytest
from hypothesis import strategies as st

from tinylm import GradientMismatch
from tinylm.course.counterexample import counterexample


def test_a_true_law_holds_in_as_many_tries_as_were_asked_for():
    tried = counterexample(lambda x: x + 0 == x, tries=40, x=st.integers())
    assert tried.held
    assert tried.tries == 40
    assert "no counterexample in 40 tries" in repr(tried)


def test_a_false_law_gives_its_smallest_counterexample():
    def law(xs, y):
        return sum(xs) < 10 or y < 3

    tried = counterexample(law, xs=st.lists(st.integers(0, 100)), y=st.integers(0, 50))
    assert not tried.held
    assert tried.smallest == {"xs": [10], "y": 3}
    assert repr(tried).startswith("law: does not hold")
    assert repr(tried).endswith("xs=[10], y=3")


def test_it_finds_the_same_each_time():
    def law(text):
        return text == text.lower().upper().lower()

    found = [counterexample(law, text=st.text()) for _ in range(2)]
    assert found[0] == found[1]
    assert not found[0].held


def test_an_assertion_counts_as_false_and_says_why():
    def law(x):
        if x >= 5:
            raise AssertionError(f"{x} is too much")

    tried = counterexample(law, x=st.integers(0, 9))
    assert tried.smallest == {"x": 5}
    assert tried.reason == "AssertionError: 5 is too much"
    assert issubclass(GradientMismatch, AssertionError)


def test_another_error_is_a_fault_in_the_law_and_comes_through():
    def law(x):
        return 1 / (x - 3) > -9

    with pytest.raises(ZeroDivisionError):
        counterexample(law, x=st.integers(0, 9))


def test_texts_in_the_panel_stay_texts():
    tried = counterexample(lambda text: "<b>" not in text, text=st.sampled_from(["", "<b>"]))
    assert "<b>no" not in tried._repr_html_()
    assert "&lt;b&gt;" in tried._repr_html_()


def test_where_hypothesis_is_missing_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == "hypothesis":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'tinylm\[notebooks\]'"):
        counterexample(lambda x: True, x=None)
