"""Receipts add up, exactly, to what is stored; and their lines are what they say, computed another way."""

import html
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinylm
from tests.tracing.conftest import everything, small
from tinylm import functional as F
from tinylm import optim, tensor
from tinylm.autograd import tell
from tinylm.choose import Choice, SamplingStep
from tinylm.tracing import NotInTrace
from tokenizer import train_bpe
from tokenizer.count import count_pretokens
from tokenizer.ties import TIE_RULES

EPS = 2.0**-23


def of_choice(step: SamplingStep):
    with tinylm.trace() as trace:
        tell(step)
    return trace.why(0)


# -- weights -------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**16),
    lr=st.sampled_from([1e-4, 1e-2, 0.3]),
    decay=st.sampled_from([0.0, 0.1, 0.9]),
    clip=st.sampled_from([1e-3, 0.5, 1e6]),
    passes=st.integers(1, 3),
    updates=st.integers(1, 3),
    optimizer=st.sampled_from(["AdamW", "SGD", "momentum"]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_receipts_of_all_weights_add_up_to_the_stored_bits(seed, lr, decay, clip, passes, updates, optimizer, dtype):
    rng = np.random.default_rng(seed)
    table = tensor(rng.standard_normal((5, 3)).astype(dtype), requires_grad=True)
    bias = tensor(rng.standard_normal(5).astype(dtype), requires_grad=True)
    made = (
        optim.AdamW([table, bias], lr=lr, weight_decay=decay)
        if optimizer == "AdamW"
        else optim.SGD([table, bias], lr=lr, weight_decay=decay, momentum=0.9 if optimizer == "momentum" else 0.0)
    )
    with tinylm.trace() as trace:
        for _ in range(updates):
            made.zero_grad()
            for _ in range(passes):
                ids = rng.integers(0, 5, 4)
                logits = F.linear(F.embedding(table, ids), table, bias, transposed=True)  # tied: one table, two uses
                F.softmax_cross_entropy(logits, ids).backward(1 / passes)
            optim.clip_grad_norm([table, bias], clip)
            made.step()
    eps = float(np.finfo(dtype).eps)
    names = [step.leaves["p"] for step in trace.kind("update").steps[:2]]
    for name, p in zip(names, (table, bias), strict=True):
        for index in np.ndindex(p.shape):
            receipt = trace.why(name, index)
            assert receipt.adds_up
            for part in receipt.sums:
                assert sum(line.value for line in part.lines) == part.total
                largest = max(abs(line.value) for line in part.lines)
                assert abs(part.line("rounding").value) <= 16 * eps * largest  # a few operations, an ulp each
            assert float(receipt.sum("the weight").total) == float(p.data[index])
            assert float(receipt.sum("the gradient").total) == float(p.grad_data[index])
            uses = [line for line in receipt.sum("the gradient").lines if line.label.startswith("by ")]
            assert len(uses) == passes * (2 if p is table else 1)


def test_the_gradient_of_a_tied_weight_is_told_by_use():
    model = small()
    trace = everything(model, steps=1)
    lines = trace.why("wte.weight", (108, 3)).sum("the gradient").lines
    assert [line.label for line in lines[:2]] == ["by model: linear", "by wte: embedding"]


def test_the_uses_are_the_gradients_that_each_use_alone_would_give():
    model = small()
    ids, targets = np.array([[108, 111, 119]]), np.array([[111, 119, 108]])
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    with tinylm.trace(model) as trace:
        model(ids, targets)[1].backward()
        optimizer.step()
    receipt = trace.why("wte.weight", (108, 0)).sum("the gradient")
    twin = small(tie_weights=False)
    twin.load_state_dict({**small().state_dict(), "lm_head.weight": small().wte.weight.numpy().T.copy()})
    twin(ids, targets)[1].backward()
    assert float(receipt.line("by wte: embedding").value) == pytest.approx(
        float(twin.wte.weight.grad.data[108, 0]), rel=1e-4
    )
    assert float(receipt.line("by model: linear").value) == pytest.approx(
        float(twin.lm_head.weight.grad.data[0, 108]), rel=1e-4
    )


def test_a_gradient_from_before_the_trace_is_not_called_rounding():
    w = tensor([2.0, 3.0], requires_grad=True)
    (w * w).sum().backward()
    optimizer = optim.SGD([w], lr=0.1)
    with tinylm.trace() as trace:
        (w * 1.0).sum().backward()
        optimizer.step()
    gradient = trace.why(trace.kind("update").steps[0], (1,)).sum("the gradient")
    assert [(line.label, float(line.value)) for line in gradient.lines] == [
        ("by multiply", 1.0),
        ("not explained by this trace", 6.0),
    ]


def test_the_second_update_counts_only_what_came_after_the_first():
    trace = everything(small(), steps=2)
    first, second = (trace.why("ln_f.weight", (0,), update=n).sum("the gradient") for n in (0, 1))
    assert [len([x for x in part.lines if x.label.startswith("by")]) for part in (first, second)] == [1, 1]
    assert first.lines[0].note != second.lines[0].note
    with pytest.raises(NotInTrace, match="updated 2 times in the trace; there is no update 2"):
        trace.why("ln_f.weight", (0,), update=2)


def test_questions_that_cannot_be_answered_say_why(traced):
    with pytest.raises(NotInTrace, match=r"no update of 'wte\.weights'"):
        traced.why("wte.weights", (0, 0))
    with pytest.raises(IndexError, match="expected 2 numbers"):
        traced.why("wte.weight", 3)
    with pytest.raises(IndexError, match="there is no"):
        traced.why("wte.weight", (0, 99))
    with pytest.raises(ValueError, match="receipts are of merge, choice and update steps"):
        traced.why(traced.forward.steps[0])
    with tinylm.trace() as empty:
        pass
    with pytest.raises(NotInTrace, match="no parameter was updated"):
        empty.why("wte.weight", (0, 0))
    with pytest.raises(ValueError, match="only summarised"):
        everything(small(), steps=1, values="summary").why("wte.weight", (0, 0))


# -- choices -------------------------------------------------------------------------------------------------


@given(
    logits=st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=12),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_k=st.sampled_from([None, 1, 3]),
    top_p=st.sampled_from([None, 0.5, 0.9]),
    min_p=st.sampled_from([None, 0.1]),
    penalty=st.sampled_from([1.0, 1.5]),
    seed=st.integers(0, 99),
)
def test_receipts_of_choices_add_up(logits, temperature, top_k, top_p, min_p, penalty, seed):
    choice = Choice(temperature, top_k, top_p, min_p, penalty)
    step = choice.step(np.array(logits, np.float64), [0], np.random.default_rng(seed))
    receipt = of_choice(step)
    assert receipt.adds_up
    if temperature == 0:
        lead = receipt.sums[0].line("lead").value
        assert lead == Fraction(step.penalized[step.token]) - Fraction(
            float(np.delete(step.penalized, step.token).max())
        )
        return
    p = receipt.sum("its log-probability")
    assert float(p.total) == pytest.approx(float(np.log(step.p[step.token])))
    assert abs(p.line("rounding").value) <= 64 * 2.0**-52 * max(1, *(abs(line.value) for line in p.lines))
    for name in ("top-k", "top-p", "min-p"):  # those who stay share what the others had
        assert all(line.value >= -(2.0**-40) for line in p.lines if line.label == name)
    draw = receipt.sum("the draw")
    assert 0 <= draw.line("within its own").value <= Fraction(float(step.p[step.token])) + Fraction(2.0**-50)
    assert float(draw.total) == pytest.approx(step.uniform * float(step.p.sum()))


class Only:
    """A processor that lets some ids through."""

    name = "only these"

    def __init__(self, ids):
        self.ids = ids

    def __call__(self, logits, ids, start):
        return np.where(np.isin(np.arange(len(logits)), self.ids), logits, -np.inf)


@given(
    logits=st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=12),
    temperature=st.sampled_from([0.0, 0.3, 2.0]),
    only=st.lists(st.integers(0, 3), min_size=1),
    typical_p=st.sampled_from([None, 0.5]),
    presence=st.sampled_from([0.0, 1.5]),
    seed=st.integers(0, 99),
)
def test_receipts_of_choices_under_constraints_add_up(logits, temperature, only, typical_p, presence, seed):
    choice = Choice(temperature, typical_p=typical_p, presence_penalty=presence, processors=[Only(only)])
    step = choice.step(np.array(logits, np.float64), [0, 3], np.random.default_rng(seed), 1)
    receipt = of_choice(step)
    assert receipt.adds_up
    if temperature == 0:
        assert receipt.sums[0].total == Fraction(step.penalized[step.token])
        return
    p = receipt.sum("its log-probability")
    assert float(p.total) == pytest.approx(float(np.log(step.p[step.token])))
    assert abs(p.line("rounding").value) <= 64 * 2.0**-52 * max(1, *(abs(line.value) for line in p.lines))
    names = "only these, presence and frequency penalty" if presence else "only these"
    assert p.line(names).value == Fraction(step.penalized[step.token]) - Fraction(logits[step.token])
    assert ("typical" in [line.label for line in p.lines]) == (typical_p is not None)


def test_a_choice_says_which_token_it_was(traced):
    step = traced.kind("choice").steps[0]
    receipt = traced.why(step)
    assert str(step.settings["token"]) in receipt.title
    assert step.settings["text"] in receipt.title
    named = [name for name, _ in receipt.facts if name.startswith("id ")]
    assert [int(name.split()[1]) for name in named] == np.argsort(-step.kept["scaled"], kind="stable")[:5].tolist()
    chosen = [name for name in named if name.endswith("(chosen)")]
    assert len(chosen) == (step.settings["token"] in np.argsort(-step.kept["scaled"], kind="stable")[:5])


# -- merges --------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    words=st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=20),
    rule=st.sampled_from(sorted(TIE_RULES)),
)
def test_receipts_of_merges_add_up_to_the_pairs_in_the_corpus(words, rule):
    text = " ".join(words)
    try:
        with tinylm.trace() as trace:
            train_bpe([text], 261, tie_break=rule)
    except Exception:
        assert not trace.kind("merge") or len(trace.kind("merge")) < 4
    spelled = [
        [bytes([byte]) for byte in word] for word, count in count_pretokens([text]).items() for _ in range(count)
    ]
    for step in trace.kind("merge"):
        receipt = trace.why(step)
        assert receipt.adds_up
        pairs = Counter(pair for word in spelled for pair in pairwise(word))
        total = receipt.sum("its count").total
        assert total == max(pairs.values())
        facts = dict(receipt.facts)
        assert facts["pairs to choose from"] == f"{len(pairs):,}"
        tied = sum(count == total for count in pairs.values())
        assert (facts["tie"] == "none: no other pair is as frequent") == (tied == 1)
        left, right = _pair(step)
        for word in spelled:
            i = 0
            while i + 1 < len(word):
                if (word[i], word[i + 1]) == (left, right):
                    word[i : i + 2] = [left + right]
                i += 1


def _pair(step):
    from tokenizer.alphabet import from_printable

    return from_printable(step.settings["left"]), from_printable(step.settings["right"])


def test_a_merge_without_its_corpus_says_that_it_has_no_receipt():
    with tinylm.trace() as trace:
        train_bpe(["low low low"], 258)
    trace.steps[0].settings.pop("counts")
    with pytest.raises(ValueError, match="this merge has no receipt"):
        trace.why(1)


# -- how they look -------------------------------------------------------------------------------------------


def test_receipts_are_text_and_html_with_every_line(traced):
    receipt = traced.why("wte.weight", (108, 3))
    for part in receipt.sums:
        for line in part.lines:
            assert line.label in str(receipt)
            assert line.label in html.unescape(receipt._repr_html_())
    assert "<script" not in receipt._repr_html_()


def test_markup_in_tokens_is_escaped():
    with tinylm.trace() as trace:
        train_bpe(["<& <& <&"], 258)
    shown = [trace.why(step) for step in trace.kind("merge")]
    assert any("<&" in str(receipt) for receipt in shown)
    assert not any("<&" in receipt._repr_html_() for receipt in shown)
