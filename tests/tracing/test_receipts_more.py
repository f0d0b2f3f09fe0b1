"""Receipts where parameters are broadcast, clipped apart, forgotten, accumulated, named alike, or not finite."""

from fractions import Fraction

import numpy as np
import pytest

import tinylm
from tests.tracing.conftest import TEXT, everything, small
from tinylm import functional as F
from tinylm import no_grad, optim, tensor
from tokenizer import train_bpe


def weights(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [tensor(rng.standard_normal(shape).astype(np.float32), requires_grad=True) for shape in shapes]


def names(trace):
    return [step.leaves["p"] for step in trace.kind("update")]


def uses(receipt):
    return [line for line in receipt.sum("the gradient").lines if line.label.startswith("by ")]


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 1), (), (2, 3)])
def test_a_broadcast_parameter_has_its_whole_gradient_explained(shape):
    (b,) = weights(shape)
    x = tensor(np.arange(6.0, dtype=np.float32).reshape(2, 3))
    optimizer = optim.SGD([b], lr=0.1)
    with tinylm.trace() as trace:
        (x * b).sum().backward()
        optimizer.step()
    for index in np.ndindex(shape):
        receipt = trace.why(names(trace)[0], index)
        assert receipt.adds_up
        (use,) = uses(receipt)
        assert float(use.value) == float(b.grad.data[index])
        assert receipt.sum("the gradient").line("rounding").value == 0


def test_two_weights_of_the_same_default_name_are_told_apart():
    a, b = weights((2, 2), (2, 2))
    optimizer = optim.SGD([a, b], lr=0.1)
    with tinylm.trace() as trace:
        F.linear(F.linear(tensor([[1.0, 2.0]]), a), b).sum().backward()
        optimizer.step()
    assert names(trace) == ["weight", "weight #2"]
    for name, p in zip(names(trace), (a, b), strict=True):
        (use,) = uses(trace.why(name, (0, 1)))
        assert float(use.value) == float(p.grad.data[0, 1])


def test_another_model_s_parameters_do_not_take_the_names_of_the_traced_one():
    model, other = small(), small()
    both = optim.SGD([*model.parameters(), *other.parameters()], lr=0.1)
    with tinylm.trace(model) as trace:
        for each in (other, model):
            each([[1, 2]], [[2, 3]])[1].backward()
        both.step()
    found = names(trace)
    assert len(set(found)) == len(found)
    assert [name for name in found if not name.endswith("#2")][: len(list(model.parameters()))] == [
        name for name, _ in model.named_parameters()
    ]
    assert len(uses(trace.why("h.0.ln_1.weight", 0))) == 1


def test_names_follow_a_model_that_moves_inside_the_block():
    model = small()
    with tinylm.trace(model) as trace:
        model.to("strict")
        model(tensor([[1, 2]], device="strict"))
    assert trace["wte"].steps[0].leaves == {"table": "wte.weight"}


def test_each_clipping_scales_what_it_was_given_and_what_was_there():
    a, b = weights((2,), (2,))
    optimizer = optim.SGD([a, b], lr=0.1)
    with tinylm.trace() as trace:
        (a * a + b * b).sum().backward()
        optim.clip_grad_norm([a], 0.1)
        optim.clip_grad_norm([b], 0.2)
        (a * 1.0 + b * 1.0).sum().backward()  # after the clipping: not scaled
        optimizer.step()
    for name, p in zip(names(trace), (a, b), strict=True):
        gradient = trace.why(name, 1).sum("the gradient")
        assert [line.label.split()[0] for line in gradient.lines].count("clipping") == 1
        assert gradient.lines[-1].label == "rounding"
        assert float(gradient.total) == float(p.grad.data[1])
    clips = trace.kind("clip").steps
    assert [step.settings["parameters"] for step in clips] == [[names(trace)[0]], [names(trace)[1]]]
    assert clips[0].settings["max_norm"] == 0.1
    assert clips[0].settings["norm"] > clips[0].settings["max_norm"]


def test_two_clippings_multiply():
    (a,) = weights((4,))
    optimizer = optim.SGD([a], lr=0.1)
    with tinylm.trace() as trace:
        (a * a).sum().backward()
        optim.clip_grad_norm([a], 0.5)
        optim.clip_grad_norm([a], 0.05)
        optimizer.step()
    gradient = trace.why(names(trace)[0], 2).sum("the gradient")
    assert [line.label for line in gradient.lines][2:] == ["clipping", "clipping", "rounding"]


@pytest.mark.parametrize("by", ["optimizer", "module"])
def test_a_forgotten_gradient_is_no_use(by):
    model = small()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with tinylm.trace(model) as trace:
        model([[1, 2]], [[2, 3]])[1].backward()
        (optimizer if by == "optimizer" else model).zero_grad()
        model([[1, 2]], [[2, 3]])[1].backward()
        optimizer.step()
    receipt = trace.why("ln_f.weight", 0)
    assert len(uses(receipt)) == 1
    assert receipt.sum("the gradient").line("rounding").value == 0
    assert len(trace.kind("zero")) == 1


def test_gradients_that_nobody_forgot_stay_over_an_update():
    (a,) = weights((2,))
    optimizer = optim.SGD([a], lr=0.1)
    with tinylm.trace() as trace:
        for _ in range(2):
            (a * 2.0).sum().backward()
            optimizer.step()
    assert [len(uses(trace.why(names(trace)[0], 0, update=n))) for n in (0, 1)] == [1, 2]


def test_backward_twice_through_a_kept_graph_counts_twice():
    (a,) = weights((2,))
    optimizer = optim.SGD([a], lr=0.1)
    with tinylm.trace() as trace:
        loss = (a * 3.0).sum()
        loss.backward(keep_graph=True)
        loss.backward()
        optimizer.step()
    assert [float(line.value) for line in uses(trace.why(names(trace)[0], 0))] == [3.0, 3.0]


def test_a_forward_from_outside_the_block_is_not_explained():
    (a,) = weights((2,))
    optimizer = optim.SGD([a], lr=0.1)
    loss = (a * 3.0).sum()
    with tinylm.trace() as trace:
        loss.backward()
        optimizer.step()
    assert float(trace.why(names(trace)[0], 0).sum("the gradient").line("not explained by this trace").value) == 3.0


def test_an_unexplained_part_of_a_thousandth_is_not_called_rounding():
    (a,) = weights((2,))
    (a * 0.001).sum().backward()
    optimizer = optim.SGD([a], lr=0.1)
    with tinylm.trace() as trace:
        (a * 1.0).sum().backward()
        optimizer.step()
    line = trace.why(names(trace)[0], 0).sum("the gradient").line("not explained by this trace")
    assert float(line.value) == pytest.approx(0.001, rel=1e-3)


def test_a_negative_index_is_the_number_that_it_names():
    trace = everything(small(), steps=1)
    size = small().ln_f.weight.shape[0]
    update = next(step for step in trace.kind("update") if step.leaves["p"] == "ln_f.weight")
    ours, same = trace.why("ln_f.weight", -2), trace.why("ln_f.weight", size - 2)
    assert [part.total for part in ours.sums] == [part.total for part in same.sums]
    assert float(ours.sum("the weight").total) == float(update.outputs["p"][size - 2])


def test_numpy_numbers_are_indices_and_step_numbers():
    trace = everything(small(), steps=1)
    assert trace.why("wte.weight", tuple(np.array([108, 3]))) == trace.why("wte.weight", (108, 3))
    merge = trace.kind("merge").steps[0]
    assert trace.why(np.int64(merge.number)) == trace.why(merge)


def test_a_weight_that_is_nan_says_so():
    (a,) = weights((2,))
    optimizer = optim.SGD([a], lr=0.1)
    with np.errstate(all="ignore"), tinylm.trace() as trace:
        F.log(a * 0.0 - 1.0).sum().backward()
        optimizer.step()
        with no_grad():
            a *= float("nan")
        (a * 1.0).sum().backward()
        optimizer.step()
    with pytest.raises(ValueError, match="is nan here, and that has no sum"):
        trace.why(names(trace)[0], 0)


def test_an_optimizer_that_writes_into_its_gradient_shows_the_gradient_that_it_found():
    class Spoiling(optim.SGD):
        def update(self, data, gradient, state, group):
            super().update(data, gradient, state, group)
            gradient *= 0

    (a,) = weights((2,))
    optimizer = Spoiling([a], lr=0.1)
    with tinylm.trace() as trace:
        (a * 3.0).sum().backward()
        optimizer.step()
    assert trace.kind("update").steps[0].inputs["g"].tolist() == [3.0, 3.0]


def test_the_penalty_and_the_number_drawn_stand_in_the_receipt_as_they_were():
    trace = everything(small())
    for step in trace.kind("choice"):
        receipt, token = trace.why(step), step.settings["token"]
        lines = receipt.sum("its log-probability")
        moved = float(step.kept["penalized"][token]) - float(step.inputs["logits"][token])
        assert float(lines.line("repetition penalty").value) == moved
        assert dict(receipt.facts)["u, the number drawn"] == repr(step.settings["uniform"])
        likely = [value for name, value in receipt.facts if name.startswith("id ")]
        scaled = [float(text.split(" after")[0]) for text in likely]
        assert scaled == sorted(scaled, reverse=True)
        assert scaled[0] == pytest.approx(step.kept["scaled"].max(), rel=1e-5)


def test_a_number_on_the_edge_of_an_interval_falls_within_it():
    from tinylm.tracing.step import TraceStep
    from tinylm.tracing.values import Values
    from tinylm.tracing.why_choice import choice_receipt

    p = np.full(10, 0.1)
    ends = np.cumsum(p)
    logits = np.log(p)
    for token in range(1, 10):
        uniform = float(ends[token - 1] / ends[-1])
        values = Values({"penalized": logits, "scaled": logits})
        settings = {"position": 1, "uniform": uniform, "token": token, "text": "token", "likely": []}
        step = TraceStep(0, "choice", "", inputs=Values({"logits": logits}), kept=values, outputs=Values({"p": p}),
                         settings=settings)  # fmt: skip
        before = choice_receipt(step).sum("the draw").line("ids before it").value
        assert before == Fraction(float(ends[token - 1]))


def test_a_second_training_begins_with_its_own_words():
    with tinylm.trace() as trace:
        train_bpe(["aa bb aa"], 258)
        train_bpe(["cc dd cc dd cc"], 258)
    assert [trace.why(step).adds_up for step in trace.kind("merge")] == [True, True]
    words = [line.label for line in trace.why(trace.kind("merge").steps[1]).sum("its count").lines]
    assert all("a" not in word for word in words)


def test_a_pair_in_many_words_has_a_line_for_the_most_frequent_and_one_for_the_others():
    text = " ".join(f"ab{chr(99 + n)}" + f" ab{chr(99 + n)}" * n for n in range(14))
    with tinylm.trace() as trace:
        train_bpe([text], 258)
    lines = trace.why(1).sum("its count").lines
    assert len(lines) == 9
    assert lines[-1].label.endswith("more words")
    counts = [line.value for line in lines[:-1]]
    assert counts == sorted(counts, reverse=True)


def test_the_tie_names_the_rival_that_lost_by_the_rule():
    with tinylm.trace() as trace:
        train_bpe(["low low"], 258)  # l+o, o+w are tied
    tie = dict(trace.why(1).facts)["tie"]
    merged = trace[1].settings
    assert tie.startswith(f"{merged['left'].replace('Ġ', '␣')} + {merged['right'].replace('Ġ', '␣')} beat")


def test_the_tokenizer_that_was_given_spells_the_tokens_and_else_the_last_one_that_encoded():
    model = small()
    first, second = train_bpe([TEXT], 264), train_bpe(["x y z xx yy xy"], 259)

    def spelled(**settings):
        with tinylm.trace(model, **settings) as trace:
            first.encode("low")
            second.encode("x")
            list(tinylm.sample.generate(model, [1], 1, temperature=0))
        step = trace.kind("choice").steps[0]
        return step.settings["token"], step.settings["text"]

    from tokenizer.show.characters import label

    token, text = spelled(tokenizer=first)
    assert text == (repr(label(first.vocab[token])) if token in first.vocab else "token")
    token, text = spelled()
    assert text == (repr(label(second.vocab[token])) if token in second.vocab else "token")
