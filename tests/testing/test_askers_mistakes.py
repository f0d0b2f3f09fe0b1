"""Whose mistake it is: inputs that the asker gives, libraries that are missing, panics, arrays that are used again."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinylm.testing import InputError, LawBroken, LawDoesNotApply, Sampler, check_law, laws, laws_of, must_hold
from tinylm.testing import adapters as adapt
from tinylm.testing.mistakes import NotInstalledError

from . import wrong_numbers, wrong_tokens
from .wrong_numbers import MODEL, attention, clip, cross_entropy, norm, rewritten, softmax
from .wrong_tokens import RIGHT_CODER, RIGHT_TRAINER

ROOT = Path(__file__).resolve().parents[2]
RIGHT = wrong_numbers.RIGHT | wrong_tokens.RIGHT
SAMPLER = RIGHT["sampling"]

TAKEN = [  # what NumPy makes arrays and numbers of
    (laws.softmax_sums_to_one, softmax, {"x": [[0.0, 1.0]]}),
    (laws.softmax_sums_to_one, softmax, {"x": [[0, 1]]}),
    (laws.softmax_ignores_shifts, softmax, {"x": [[0, 1]], "shift": np.float32(1)}),
    (laws.softmax_keeps_order, softmax, {"x": (0, 1)}),
    (laws.rows_do_not_see_each_other, softmax, {"x": [[0, 1], [2, 3]]}),
    (laws.layer_norm_centres_and_scales, norm, {"x": [[0, 100, 50, 2]]}),
    (laws.layer_norm_ignores_shifts, norm, {"x": [[0, 1, 5, 2]], "shift": 2}),
    (laws.layer_norm_ignores_scale, norm, {"x": [[0, 1, 5, 2]], "scale": 2}),
    (laws.attention_sees_no_future, attention, {"qkv": [[[1], [2]]] * 3, "change": 2}),
    (laws.attention_averages_values, attention, {"qkv": np.ones((3, 2, 2))}),
    (laws.model_sees_no_future, MODEL, {"ids": [[1, 2]], "other": 1}),
    (laws.padding_changes_nothing, MODEL, {"ids": ((1, 2), (3, 4)), "padding": 2}),
    (laws.cached_equals_uncached, MODEL, {"ids": [[1, 2, 3]], "cuts": (1, 2)}),
    (laws.clipping_bounds_the_norm, clip, {"gradients": [[3, 4], 5.0], "max_norm": 1}),
    (laws.zero_gradient_moves_nothing, RIGHT["sgd"], {"parameters": [[3.0, 4.0]]}),
    (laws.loss_ignores_ignored_targets, cross_entropy, {"logits": [[0, 1], [2, 3]], "targets": [1, -100]}),
    (laws.loss_of_equal_logits, cross_entropy, {"targets": [1, 4], "level": 1}),
    (laws.top_k_keeps_k, SAMPLER, {"logits": [0, 1, 2], "k": 2}),
    (laws.top_p_keeps_enough_and_no_more, SAMPLER, {"logits": [0, 1, 2], "top_p": 0.5}),
    (laws.draws_repeat_with_their_seed, SAMPLER, {"logits": [0, 1], "seed": np.int64(3)}),
    (laws.expressions_have_exact_gradients, RIGHT["engine"], {"expression": ("*", "x", "y"), "arrays": (2, 3)}),
    (laws.streaming_equals_encoding, RIGHT_CODER, {"text": "ababab", "cuts": np.array([2, 99])}),
    (laws.order_of_documents_does_not_matter, RIGHT_TRAINER, {"documents": ("ab", "ba")}),
]

REFUSED = [
    (laws.softmax_sums_to_one, softmax, {"x": 1.0}, "x must have at least 1 ax"),
    (laws.softmax_sums_to_one, softmax, {"x": [[1.0], [1.0, 2.0]]}, "x must be numbers"),
    (laws.softmax_sums_to_one, softmax, {"x": [["a"]]}, "x must hold numbers"),
    (laws.softmax_sums_to_one, softmax, {"x": None}, "x must be numbers, got NoneType None"),
    (laws.softmax_ignores_shifts, softmax, {"x": [[0.0]], "shift": [1.0, 2.0]}, "shift must be a number"),
    (laws.layer_norm_ignores_scale, norm, {"x": [[0.0]], "scale": -1}, "scale must be positive, got -1"),
    (laws.attention_sees_no_future, attention, {"qkv": 1, "change": 1}, "qkv must be three arrays"),
    (laws.attention_averages_values, attention, {"qkv": ([[1.0]], [[1.0]])}, "qkv must be .* 3 arrays, got 2"),
    (laws.attention_averages_values, attention, {"qkv": ([1.0], [1.0], [1.0])}, "qkv must be three arrays"),
    (laws.logits_are_finite, MODEL, {"ids": [1, 2]}, "ids must have 2 axes"),
    (laws.logits_are_finite, MODEL, {"ids": [[0.5]]}, "ids must hold whole numbers, got float64"),
    (laws.logits_are_finite, MODEL, {"ids": [[9]]}, "ids must lie in 0 … 4, got 9"),
    (laws.logits_are_finite, MODEL, {"ids": [[0] * 7]}, "ids must have 1 … 6 positions"),
    (laws.model_sees_no_future, MODEL, {"ids": [[1, 2]], "other": 0.5}, "other must be a whole number, got 0.5"),
    (laws.clipping_bounds_the_norm, clip, {"gradients": 1.0, "max_norm": 1}, "gradients must be a tuple or list"),
    (laws.clipping_bounds_the_norm, clip, {"gradients": [[1.0]], "max_norm": -1}, "max_norm must not be negative"),
    (laws.loss_of_equal_logits, cross_entropy, {"targets": 1, "level": 1}, "targets must have 1 axis"),
    (laws.loss_ignores_ignored_targets, cross_entropy, {"logits": [[0.0]], "targets": [0, 0]}, "a row for each"),
    (laws.top_k_keeps_k, SAMPLER, {"logits": [[0, 1]], "k": 2}, "logits must have 1 axis"),
    (laws.top_k_keeps_k, SAMPLER, {"logits": [0, 1], "k": 0}, "k must be a whole number from 1 up"),
    (laws.low_temperature_takes_the_largest, SAMPLER, {"logits": [-np.inf], "seed": 1}, "a finite number"),
    (laws.frequencies_match_probabilities, SAMPLER, {"logits": [0], "seed": 1, "temperature": 0}, "temperature must"),
    (laws.training_repeats_itself, RIGHT["training"], {"seed": "a", "steps": 1}, "seed must be a number"),
    (laws.plain_numbers_mix_in, RIGHT["engine"], {"form": "x @ 2", "number": 1}, "form must be one of '2 . x'"),
    (laws.deep_graphs_work, RIGHT["engine"], {"depth": -1}, "depth must be a whole number from 0 up"),
    (laws.backward_twice_adds, RIGHT["engine"], {"expression": "z", "arrays": (1, 2)}, "expression must be"),
    (laws.backward_twice_adds, RIGHT["engine"], {"expression": "x", "arrays": 1}, "arrays must be"),
    (laws.text_survives_a_round_trip, RIGHT_CODER, {"text": b"a"}, "text must be a str, got bytes b'a'"),
    (laws.bytes_survive_a_round_trip, RIGHT_CODER, {"data": "a"}, "data must be a bytes, got str 'a'"),
    (laws.streaming_equals_encoding, RIGHT_CODER, {"text": "a", "cuts": 1}, "cuts must have 1 axis"),
    (laws.special_tokens_are_whole, RIGHT_CODER, {"before": "", "after": "", "which": "x"}, "which must be one of"),
    (laws.order_of_documents_does_not_matter, RIGHT_TRAINER, {"documents": "ab"}, "documents must be a list of str"),
    (laws.trained_tokenizers_lose_nothing, RIGHT_TRAINER, {"documents": [1], "text": ""}, r"documents\[0\] must be"),
]


@pytest.mark.parametrize(("law", "code", "inputs"), TAKEN, ids=lambda each: getattr(each, "name", ""))
def test_what_numpy_makes_an_array_of_is_an_array(law, code, inputs):
    law(code, **inputs)


@pytest.mark.parametrize(("law", "code", "inputs", "says"), REFUSED, ids=lambda each: getattr(each, "name", ""))
def test_what_a_law_does_not_ask_about_is_named_and_not_laid_to_the_code(law, code, inputs, says):
    with pytest.raises(InputError, match=says):
        law(code, **inputs)
    with pytest.raises(ValueError, match=says):
        check_law(law, code, tries=3, **inputs)


@pytest.mark.parametrize("law", [law for law in laws_of() if not law.needs], ids=lambda law: law.name)
def test_a_law_of_functions_does_not_apply_to_what_cannot_be_called(law):
    with pytest.raises(LawDoesNotApply, match="is about a function, and object cannot be called"):
        must_hold(law, object())


def test_a_missing_library_is_no_fault_of_the_code(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(NotInstalledError, match="type: pip install torch"):
        laws.clipping_bounds_the_norm(adapt.torch_clipping, gradients=[[3.0, 4.0]], max_norm=1.0)
    with pytest.raises(ImportError, match="type: pip install torch"):
        must_hold(laws.clipping_bounds_the_norm, adapt.torch_clipping)


class Panic(BaseException):
    """What pyo3 raises where Rust panics is no Exception either."""


def test_a_panic_is_the_codes_and_is_shrunk():
    def panics(text):
        if "b" in text:
            raise Panic("index out of bounds")
        return RIGHT_CODER.encode(text)

    coder = replace(RIGHT_CODER, encode=panics)
    with pytest.raises(LawBroken, match="it raised Panic: index out of bounds") as caught:
        must_hold(laws.text_survives_a_round_trip, coder)
    assert isinstance(caught.value.__cause__, Panic)
    assert len(caught.value.inputs["text"]) <= 4  # one piece


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whoever_wants_to_stop_is_let_through(kind):
    def stops(x):
        raise kind

    with pytest.raises(kind):
        laws.softmax_sums_to_one(stops, x=[[0.0]])
    with pytest.raises(kind):
        check_law(laws.softmax_sums_to_one, stops)


def test_a_skip_inside_the_code_skips():
    with pytest.raises(pytest.skip.Exception, match="no device"):
        laws.softmax_sums_to_one(lambda x: pytest.skip("no device"), x=[[0.0]])


FUNCTIONS = {topic: RIGHT[topic] for topic in ("softmax", "rows", "layer_norm", "attention")}


@pytest.mark.parametrize("law", [law for topic in FUNCTIONS for law in laws_of(topic)], ids=lambda law: law.name)
def test_right_code_that_uses_one_array_again_obeys(law):
    must_hold(law, rewritten(FUNCTIONS[law.topic]), tries=30)


@pytest.mark.parametrize("law", laws_of("model"), ids=lambda law: law.name)
def test_a_right_model_that_uses_one_array_again_obeys(law):
    cached = rewritten(lambda ids: MODEL.cached(ids, []))
    model = replace(MODEL, logits=rewritten(MODEL.logits), cached=lambda ids, cuts: cached(ids))
    must_hold(law, model, tries=30)


REUSING = {  # wrong code, whose faults are overwritten by the next call where nothing is copied
    "softmax_ignores_shifts": lambda x: 1 / (1 + np.exp(-x)),
    "rows_do_not_see_each_other": lambda x: x + np.arange(3)[:, None],
    "layer_norm_ignores_shifts": lambda x: x,
    "layer_norm_ignores_scale": lambda x: x,
    "attention_sees_no_future": lambda q, k, v: attention(q, k, v, mask=False),
}


@pytest.mark.parametrize("name", REUSING)
def test_wrong_code_that_uses_one_array_again_is_found(name):
    assert not check_law(getattr(laws, name), rewritten(REUSING[name])).held


@pytest.mark.parametrize(
    ("name", "logits"),
    [
        ("model_sees_no_future", lambda ids: MODEL.logits(ids) + ids.mean()),
        ("model_keeps_the_order_of_the_batch", lambda ids: MODEL.logits(ids) + np.arange(len(ids))[:, None, None]),
    ],
)
def test_a_wrong_model_that_uses_one_array_again_is_found(name, logits):
    assert not check_law(getattr(laws, name), replace(MODEL, logits=rewritten(logits))).held


def test_gradients_in_one_array_are_judged_too():
    kept = np.empty(())

    def gradients(slope):
        def backward(dy, x):
            kept[...] = slope(dy)
            return [kept]

        return wrong_numbers.Differentiable(lambda x: 3 * x, backward)

    given = {"arrays": (1.0,)}
    laws.gradients_add_up(gradients(lambda dy: 3 * dy), **given)
    with pytest.raises(LawBroken):
        laws.gradients_add_up(gradients(lambda dy: 3 * dy * dy), **given)


def test_how_many_ids_were_drawn_is_said():
    with pytest.raises(LawBroken, match="asked for 20 ids, it drew 3"):
        laws.draws_repeat_with_their_seed(Sampler(draw=lambda *_: [0, 0, 0]), logits=[0, 1], seed=1)
    with pytest.raises(LawBroken, match="it drew 2, which is no id of 0 … 1"):
        laws.draws_repeat_with_their_seed(Sampler(draw=lambda logits, n, *_: [2] * n), logits=[0, 1], seed=1)


ASKED = """
import sys
if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])
    import constants_of_mine
from dataclasses import replace
from tinylm.testing import check_law, laws
from tinylm.testing.adapters import tinylm_coder
from tokenizer import Tokenizer
coder, seen = tinylm_coder(Tokenizer.from_merges({i: bytes([i]) for i in range(256)}, [])), []
def encode(text):
    seen.append(text)
    return coder.encode(text)
def encode_bytes(data):
    seen.append(data)
    return coder.encode_bytes(data)
asked = replace(coder, encode=encode, encode_bytes=encode_bytes)
for name in ("merges_apply_in_rank_order", "bytes_survive_a_round_trip", "streaming_equals_encoding"):
    check_law(getattr(laws, name), asked)
print(seen)
"""


def test_what_is_drawn_does_not_depend_on_what_else_is_imported(tmp_path):
    source = 'A, B, C, D = "abbab", "bbaab", [1313, 7777], [b"xyz", b"qq"]\n'
    (tmp_path / "constants_of_mine.py").write_text(source, "utf-8")
    found = []
    for given in ([], [str(tmp_path)]):
        command = [sys.executable, "-c", ASKED, *given]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=120)
        found.append(hashlib.sha256(done.stdout).hexdigest())
        assert len(done.stdout) > 2000
    assert found[0] == found[1]
