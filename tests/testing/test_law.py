"""What a law is: usable on inputs of one's own without Hypothesis, in words where it does not hold, and honest."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinylm.testing import Law, LawBroken, LawDoesNotApply, check_law, law_named, laws, laws_of, must_hold, numbers
from tinylm.testing.law import close, equal

from .wrong_numbers import MODEL, naive_softmax, softmax

ROOT = Path(__file__).resolve().parents[2]


def test_a_law_is_silent_or_says_what_and_where_and_why():
    laws.softmax_ignores_shifts(softmax, x=np.array([[0.0, 1.0]]), shift=2.0)
    with pytest.raises(LawBroken) as caught:
        laws.softmax_sums_to_one(naive_softmax, x=np.array([[0.0, 1e4]]))
    said = str(caught.value).splitlines()
    assert said[0].startswith("softmax_sums_to_one does not hold: Probabilities lie from 0 to 1")
    assert said[1:] == [
        "  inputs    x=np.array([[0.0, 10000.0]])",
        "  got       [[0.0, np.nan]]  float64 (1, 2)",
        "  some are not finite",
    ]
    assert isinstance(caught.value, AssertionError)


def test_the_variances_that_were_expected_of_a_layer_norm_are_shown():
    with pytest.raises(LawBroken) as caught:
        laws.layer_norm_centres_and_scales(lambda x: x - x.mean(-1, keepdims=True), x=[[4, 0], [1, 0], [2, 2]])
    assert caught.value.expected.tolist() == [1, 1, 0]
    assert caught.value.got.tolist() == [4, 0.25, 0]


def test_an_error_of_the_adapter_breaks_the_law_and_is_its_cause():
    def refuses(x):
        raise IndexError("no such row")

    with pytest.raises(LawBroken, match="it raised IndexError: no such row") as caught:
        laws.softmax_sums_to_one(refuses, x=np.zeros((1, 2)))
    assert isinstance(caught.value.__cause__, IndexError)
    assert "it raised IndexError" in check_law(laws.softmax_sums_to_one, refuses).reason


def test_a_wrong_call_of_a_law_is_no_counterexample():
    with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        laws.softmax_sums_to_one(softmax, y=1)


def test_an_adapter_that_lacks_something_is_told_so_before_anything_is_tried():
    with pytest.raises(LawDoesNotApply, match=r"cached_equals_uncached needs \.cached of tinylm, which has none"):
        check_law(laws.cached_equals_uncached, type("tinylm", (), {"logits": MODEL.logits, "cached": None})())


def test_the_counterexample_is_small_and_the_same_each_time():
    found = [check_law(laws.softmax_keeps_order, lambda x: softmax(-abs(x)), tries=200) for _ in range(2)]
    assert repr(found[0]) == repr(found[1])
    assert abs(found[0].smallest["x"]).sum() <= 0.25
    with pytest.raises(LawBroken, match=r"x=np\.array"):
        must_hold(laws.softmax_keeps_order, lambda x: softmax(-abs(x)), tries=200)


def test_inputs_can_be_given_as_strategies_or_as_they_are():
    x = np.array([[1.0, 2.0]])
    tried = check_law(laws.softmax_ignores_shifts, lambda x: x, x=x, shift=numbers(1.0))
    assert np.array_equal(tried.smallest["x"], x)
    assert abs(tried.smallest["shift"]) == 0.25


def test_an_adapter_with_a_memory_is_called_what_it_is():
    calls = []

    def moody(x):
        calls.append(1)
        return softmax(x) if len(calls) > 1 else 2 * softmax(x)

    with pytest.raises(LawBroken, match="not deterministic"):
        must_hold(laws.softmax_sums_to_one, moody, tries=1)


def test_adapters_get_copies():
    def spoils(x):
        x += 1
        return softmax(x)

    for law in laws_of("softmax"):
        must_hold(law, spoils, tries=20)


def test_laws_are_found_by_name_and_by_topic():
    assert isinstance(laws.softmax_sums_to_one, Law)
    assert {law.topic for law in laws_of("softmax")} == {"softmax"}
    assert len(laws_of()) > 50
    with pytest.raises(
        AttributeError, match="there is no law 'softmax'; 'softmax' is a topic, of the laws softmax_sums"
    ):
        laws.softmax  # noqa: B018
    with pytest.raises(ValueError, match=r"did you mean softmax_sums_to_one.*there are the laws .*deep_graphs_work"):
        law_named("softmax_sum_to_one")
    with pytest.raises(ValueError, match="'training' is a topic, of the laws accumulation_equals_one_batch"):
        law_named("training")
    with pytest.raises(ValueError, match=r"there are laws of .*sampling.*; there are the laws"):
        law_named("coding")
    assert law_named("softmax_sums_to_one") is laws.softmax_sums_to_one
    with pytest.raises(ValueError, match=r"there are laws of .*gradient"):
        laws_of("nothing")


@pytest.mark.parametrize("law", laws_of(), ids=lambda law: law.name)
def test_every_law_has_a_sentence_and_strategies_for_what_it_takes(law):
    import inspect

    assert law.sentence
    assert len(law.sentence) < 118
    assert set(inspect.signature(law.function).parameters) - set(law.draws) == set(
        list(inspect.signature(law.function).parameters)[:1]
    )


@pytest.mark.parametrize("type_", [np.float16, np.float32, np.float64])
def test_close_allows_for_rounding_and_nothing_else(type_):
    x = np.array([1.0, -2.0, np.inf, 1e-3], type_)
    close(x, x.copy(), "x")
    close(x[:2], np.nextafter(x[:2], type_(0)), "x")
    with pytest.raises(LawBroken, match=r"x at \[1\]"):
        close(x, x * np.array([1, 1.05, 1, 1], type_), "x")
    with pytest.raises(LawBroken, match="nan"):
        close(x, np.array([1.0, -2.0, np.inf, np.nan], type_), "x")
    with pytest.raises(LawBroken, match=r"its shape is \(4, 1\), expected \(4,\)"):
        close(x, x[:, None], "x")


def test_equal_is_to_the_bit():
    equal(np.array([1.0]), np.array([1.0]), "x")
    with pytest.raises(LawBroken):
        equal(np.array([1.0]), np.nextafter(np.array([1.0]), 2), "x")
    with pytest.raises(LawBroken):
        equal([1], [2], "x")


WITHOUT = """
import builtins, sys
real = builtins.__import__
def without(name, *rest, **more):
    if name.split(".")[0] == "hypothesis":
        raise ImportError(name)
    return real(name, *rest, **more)
builtins.__import__ = without
import numpy as np
from tinylm.testing import laws, laws_of, check_law, LawBroken, FrequencyTest, adapters
laws.softmax_ignores_shifts(lambda x: np.exp(x) / np.exp(x).sum(), x=np.zeros((1, 2)), shift=1.0)
for ask in (lambda: check_law(laws.softmax_sums_to_one, abs), lambda: __import__("tinylm.testing").testing.arrays):
    try:
        ask()
    except ImportError as error:
        print(error)
assert "torch" not in sys.modules
"""


def test_laws_on_inputs_of_your_own_need_no_hypothesis_and_strategies_name_the_extra():
    done = subprocess.run([sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert all("pip install 'tinylm[" in line for line in said)


def test_the_package_itself_loads_neither_hypothesis_nor_laws():
    program = (
        "import sys, tinylm.testing; print([m for m in sys.modules if m.startswith(('hypothesis', 'tinylm.testing.'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
