"""The diagnosis: every known fault is named, also where it is written otherwise; what is like none gets a symptom."""

from dataclasses import replace
from itertools import pairwise
from math import erf, pi, sqrt

import numpy as np
import pytest

from tinylm.course import diagnose as module
from tinylm.course import when
from tinylm.course.cases import cases_of
from tinylm.course.diagnose import diagnose
from tinylm.course.exercise import case
from tinylm.course.expect import difference, names_of, quiet, similar
from tinylm.course.judge import judge
from tinylm.course.outcome import Here
from tinylm.course.problem import XP, Fault, problem_named, problems
from tinylm.course.report import verdict_text
from tinylm.course.resemblance import resemblance
from tinylm.course.symptom import symptom
from tinylm.course.verdict import LIKE
from tokenizer.encode import encode_word, lowest
from tokenizer.train import merge_pair

NAMES = list(problems())


def diagnosed(problem, function):
    answer = Here(function, problem.drive)
    with quiet():
        outcomes = list(answer.calls(cases_of(problem)))
    return diagnose(problem, answer, outcomes)


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_fed_back_as_an_answer_is_named(name):
    problem = problem_named(name)
    for fault in problem.faults:
        named = diagnosed(problem, problem.faulty(fault))
        assert [(each.fault, each.agree == each.of) for each in named] == [(fault.name, True)]


def test_an_answer_with_one_fault_is_hardly_ever_most_like_another_one():
    """What LIKE is chosen by: were its own fault not in the catalogue, an answer would be called like one that it has
    not. The few that are do nearly the same (each token decoded alone, each feed decoded alone)."""
    taken = total = 0
    for name in NAMES:
        known = module._catalogue(problem_named(name), 0, 100)
        for fault in known.faults:
            total += 1
            shares = [_share(known, fault, other) for other in known.faults if other is not fault]
            taken += max(shares, default=0) >= LIKE
    assert total > 80
    assert taken <= 0.03 * total


def _share(known, fault, other):
    """On how many of the inputs on which either goes wrong two faults agree."""
    where = known.told(fault) | known.told(other)
    with quiet():
        alike = [
            similar(known.problem, known.cases[i], known.outcome((fault,), i), known.outcome((other,), i))
            for i in where
        ]
    return sum(alike) / max(len(where), 1)


def test_the_reference_is_like_no_fault():
    problem = problem_named("layer_norm")
    assert diagnosed(problem, problem.reference) == ()


# the same mistakes as students would write them: loops, other formulas, other functions of NumPy


def rows_layer_norm(xp, x, gain, bias=None, *, eps=1e-5):
    out = np.empty_like(x)
    for at in np.ndindex(*x.shape[:-1]):
        row = x[at]
        out[at] = (row - row.mean()) / (row.std() + eps) * gain
    return out if bias is None else out + bias


def sampled_layer_norm(xp, x, gain, bias=None, *, eps=1e-5):
    spread = np.var(x, axis=-1, keepdims=True, ddof=1) + eps
    out = gain * (x - np.mean(x, axis=-1, keepdims=True)) / np.sqrt(spread)
    return out if bias is None else out + bias


def raw_layer_norm_backward(xp, dy, *, xhat, rstd, gain):
    C = dy.shape[-1]
    g = dy * gain
    dx = rstd / C * (C * g - g.sum(-1, keepdims=True) - xhat * (g * xhat).sum(-1, keepdims=True))
    return dx, np.einsum("nc,nc->c", dy.reshape(-1, C), xhat.reshape(-1, C)), dy.copy()


def mean_square_rms_norm(xp, x, gain, *, eps=1e-5):
    return np.einsum("...c,c->...c", x, gain) / (np.einsum("...c,...c->...", x, x)[..., None] / x.shape[-1] + eps)


def plain_softmax(xp, x, *, axis=-1):
    powers = np.e**x
    return np.moveaxis(np.moveaxis(powers, axis, 0) / powers.sum(axis), 0, axis)


def global_softmax(xp, x, *, axis=-1):
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / powers.sum()


def loose_softmax_backward(xp, dy, *, p, axis):
    return np.multiply(dy, p)


def looked_up_relu(xp, x):
    return np.where(x > 0, x, 0.01 * x).astype(x.dtype)


def kinked_relu_backward(xp, dy, *, x):
    dx = dy.copy()
    dx[x < 0] = 0
    return dx


def narrow_gelu(xp, x, *, approximate="none"):
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))
    return (x * (1 + np.vectorize(erf, otypes=[float])(x)) / 2).astype(x.dtype)


def kept_dropout(xp, x, mask, *, p):
    out = x.copy()
    out[~mask] = 0
    return out


def summed_cross_entropy(xp, logits, targets, *, ignore_index=None, label_smoothing=0.0, reduction="mean"):
    V = logits.shape[-1]
    rows, ids, total = logits.reshape(-1, V), targets.ravel(), []
    for row, i in zip(rows, ids, strict=True):
        if ignore_index is not None and i == ignore_index:
            total.append(row[0] * 0)
            continue
        logp = row - row.max() - np.log(np.exp(row - row.max()).sum())
        total.append(-(1 - label_smoothing) * logp[i] - label_smoothing * logp.mean())
    losses = np.array(total, logits.dtype)
    if reduction == "none":
        return losses.reshape(targets.shape)
    if reduction not in ("mean", "sum"):
        raise ValueError(reduction)
    return losses.sum()


def rooted_var(xp, x, *, axis=None, keepdims=False):
    return np.std(x, axis=axis, keepdims=keepdims)


def biasless_linear(xp, x, weight, bias=None, *, transposed=False):
    return np.einsum("...i,oi->...o" if transposed else "...i,io->...o", x, weight)


def greedy_maximum_backward(xp, dy, *, a, b):
    first = np.greater_equal(a, b)
    return np.where(first, dy, 0).astype(dy.dtype), np.where(first, 0, dy).astype(dy.dtype)


OTHERWISE = {
    "layer_norm/eps_outside": rows_layer_norm,
    "layer_norm/unbiased": sampled_layer_norm,
    "layer_norm_backward/bias_not_summed": raw_layer_norm_backward,
    "rms_norm/not_rooted": mean_square_rms_norm,
    "softmax/max_kept": plain_softmax,
    "softmax/one_sum": global_softmax,
    "softmax_backward/sum_forgotten": loose_softmax_backward,
    "relu/leaky": looked_up_relu,
    "relu_backward/kink": kinked_relu_backward,
    "gelu/root_forgotten": narrow_gelu,
    "dropout/not_scaled": kept_dropout,
    "softmax_cross_entropy/not_averaged": summed_cross_entropy,
    "var/rooted": rooted_var,
    "linear/bias_forgotten": biasless_linear,
    "maximum_backward/tie_to_first": greedy_maximum_backward,
}


@pytest.mark.parametrize("fault", OTHERWISE)
def test_a_fault_is_named_also_where_it_is_written_in_another_style(fault):
    name, _, expected = fault.partition("/")
    named = diagnosed(problem_named(name), OTHERWISE[fault])
    assert [each.fault for each in named] == [expected]
    assert named[0].agree == named[0].of > 0


def test_two_faults_at_once_are_both_named():
    def both(xp, x, gain, bias=None, *, eps=1e-5):
        y = gain * (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + eps)
        return y + 0  # without bias

    named = diagnosed(problem_named("layer_norm"), both)
    assert sorted(each.fault for each in named) == ["bias_forgotten", "eps_outside"]


def test_an_answer_that_has_a_fault_and_besides_fails_on_some_inputs_is_like_that_fault():
    def fragile(xp, x, gain, bias=None, *, eps=1e-5):
        y = gain * (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + eps)
        return y + bias  # TypeError where there is none

    verdict = judge(problem_named("layer_norm"), Here(fragile))
    assert [each.fault for each in verdict.named] == ["eps_outside"]
    assert verdict.named[0].agree < verdict.named[0].of
    assert "It raises TypeError exactly where bias is not given, as far as the" in verdict.symptom


def test_of_two_faults_that_do_the_same_the_smaller_change_is_named_whatever_their_order():
    problem = problem_named("relu")
    twin = Fault("aaa", "it were something longer", answer=problem.faulty(problem.faults[0]))
    for faults in ((twin, *problem.faults), (*problem.faults, twin)):
        more = replace(problem, faults=faults)
        assert diagnosed(more, problem.faulty(problem.faults[0]))[0].fault == problem.faults[0].name


def test_a_fault_that_shows_on_few_of_the_drawn_inputs_gets_a_witness():
    problem = problem_named("relu")

    def rare(xp, x):
        return np.maximum(x, 0) + (x.ndim == 2 and x.size == 6 and bool(x[0, 0] == 0.25))

    faults = (*problem.faults, Fault("rare", "it were rare", answer=rare))
    rarer = replace(problem, faults=faults)
    known = module._catalogue(rarer, 0, 100)
    drawn = len(cases_of(rarer))
    told = known.told(faults[-1])
    assert len([i for i in told if i < drawn]) < module.FEW
    if len(known.cases) > drawn:  # Hypothesis met one
        assert any(i >= drawn for i in told)


# symptoms: what is claimed of wrong results that no fault explains


def wrong_by(change, name="rms_norm"):
    """The symptom of a right answer whose results are changed."""
    problem = replace(problem_named(name), faults=())

    def answer(*args, **settings):
        return change(problem.reference(*args, **settings)[0])

    verdict = judge(problem, Here(answer))
    assert verdict.status == "wrong"
    return verdict.symptom


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda y: 2 * y, "Every result is twice what is expected."),
        (lambda y: y / 2, "Every result is half of what is expected."),
        (lambda y: -y, "The sign is turned"),
        (lambda y: y + 1, "Every result is 1 too much."),
        (lambda y: 0 * y, "Every wrong result is 0 throughout."),
        (lambda y: abs(y), "The results have lost their sign."),
        (lambda y: y[..., ::-1], "It comes in reversed order along axis -1."),
        (lambda y: np.roll(y, 1, -1), "It is shifted by one towards the end, along axis -1, going round."),
        (lambda y: y.T, "it is transposed"),
        (lambda y: y[..., None], "an axis of length 1 is too much"),
        (lambda y: y.ravel(), "The numbers are right, but the shape is not."),
        (lambda y: y.sum(-1), "It is summed over an axis that should be kept."),
        (lambda y: y.astype(np.float32), "their dtype is float32 where float64 is expected"),
        (lambda y: y.tolist(), "It gives a list where an array is expected, with the right contents."),
        (lambda y: np.trunc(y), "The results are cut to whole numbers."),
        (lambda y: np.where(y > 1, np.inf, y), "Every wrong number is nan or infinite; the others are right."),
        (lambda y: y if y.ndim < 3 else y + 1, "It goes wrong exactly where x has more than two axes, as far as the"),
        (lambda y: y if y.dtype == np.float64 else y + y.dtype.type(1), "It goes wrong exactly where x is float32, as"),
        (lambda y: y if y.dtype == np.float64 else -y, "It goes wrong only where x is float32, as"),  # −0 is 0
    ],
)
def test_what_wrong_results_have_in_common_is_said(change, says):
    assert says in wrong_by(change)


PARTS = {"p": np.array([1.0, 2.0]), "m": np.array([5.0, 7.0]), "v": np.array([0.0, 9.0])}


@pytest.mark.parametrize(
    ("want", "have", "says"),
    [
        ([1, 2, 3], [3, 2, 1], "It comes in reversed order."),
        ([1, 2, 3], [2, 1, 3], "The items are right, but in another order."),
        ([1, 2, 3], [1, 2], "It stops too early"),
        ([1, 2], [1, 2, 3], "It goes on too long"),
        ([1, 2, 3], [2, 3], "The beginning is missing"),
        ([1, 2, 3], [2, 3, 4], "Every result is 1 too much."),
        (["ab", "c"], ["a", "bc"], "It is cut at other places"),
        ([(1, 2), (3, 4)], {(3, 4), (1, 2)}, "It gives a set where a list is expected, with the right contents."),
        ("añ", "añ".encode(), "It gives bytes where a str is expected, with the right contents."),
        ({"a": 2, "b": 4}, {"a": 1, "b": 2}, "The keys are right, but not their values. Every result is half of"),
        ({"a": 2, "b": 4}, {"a": 2}, "Some keys are missing."),
        ((np.ones(2), np.ones(3)), (np.ones(2), -np.ones(3)), "Of the 2 results only number 2 is wrong: the sign"),
        (np.eye(2) > 0, np.eye(2) == 0, "True and False are exchanged."),
        (np.arange(4) < 2, np.arange(4) % 2 == 0, "As many are True as should be, but not the right ones."),
        (PARTS, {"p": PARTS["m"], "m": PARTS["v"], "v": PARTS["p"]}, "Where p, m and v should be there are m, v and p"),
        (PARTS, {"p": PARTS["m"], "m": PARTS["p"], "v": PARTS["v"]}, "Where p and m should be there are m and p"),
        (np.arange(4.0), np.array([0.0, 1.0, 2.0, 9.0]), "Only the last place along the last axis is wrong."),
        (np.ones(3), np.ones((2, 3)) / 2, "It is not summed where it should be"),
        (5, 7.5, "Every wrong number is too large."),
    ],
)
def test_how_a_wrong_value_relates_to_the_right_one_is_said(want, have, says):
    assert resemblance([(want, have)]).startswith(says)


def test_nothing_is_claimed_that_holds_for_some_results_only():
    mixed = [(np.array([1.0, 2.0]), np.array([2.0, 4.0])), (np.array([1.0, 2.0]), np.array([0.5, 7.0]))]
    assert resemblance(mixed) == ""


# when it goes wrong: sentences that the drawn inputs agree with, and other inputs do not


def judged(name, answer):
    problem = problem_named(name)
    return judge(problem, Here(answer, problem.drive))


def test_words_of_unequal_ids_that_merge_are_tried():
    """Else a wrong merge would be said to come where ids are equal, alone."""
    unequal = [each for each in cases_of(problem_named("encode_word")) if len(set(each.args[0])) == len(each.args[0])]
    merging = [each for each in unequal if encode_word(*each.args) != list(each.args[0])]
    assert len(merging) >= 15

    def with_rank(ids, ranks):
        word = list(ids)
        while (i := lowest(word, ranks)) is not None:
            word[i : i + 2] = [ranks[word[i], word[i + 1]]]
        return word

    verdict = judged("encode_word", with_rank)
    assert verdict.failing.call == "with_rank([1, 2], {(1, 2): (0, 3)})"
    assert "equal" not in verdict.symptom


def zero_masked(xp, q, k, v, gates=None, *, scale=None):
    """Forbidden scores are 0, and the gates are made to add up to 1: two slips, of which no single fault tells."""
    R, D, (T, S) = q.shape[-3] // k.shape[-3], q.shape[-1], (q.shape[-2], k.shape[-2])
    k, v = (np.repeat(x, R, axis=-3) for x in (k, v))
    scores = q @ np.swapaxes(k, -1, -2) * np.asarray(D**-0.5 if scale is None else scale, q.dtype)
    scores = np.where(np.tri(T, S, S - T, dtype=bool), scores, 0).astype(q.dtype)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    if gates is not None:
        p = p * gates / (p * gates).sum(-1, keepdims=True)
    return p @ v


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("causal_attention", zero_masked),
        ("layer_norm", lambda xp, x, gain, bias=None, *, eps=1e-5: x + 0),
    ],
    ids=["causal_attention", "layer_norm"],
)
def test_a_sentence_that_an_input_of_zeros_refutes_is_not_said(name, answer):
    problem = replace(problem_named(name), faults=())
    assert "nothing but 0" not in judge(problem, Here(answer)).symptom


def test_what_the_shrunk_call_refutes_is_not_said():
    problem = replace(problem_named("rms_norm"), faults=())
    drawn = cases_of(problem)
    answer = lambda xp, x, gain, *, eps=1e-5: problem.reference(xp, x, gain, eps=eps)[0] + x.dtype.type(x.ndim > 2)  # noqa: E731
    tried = outcomes(problem, answer, drawn)
    assert "exactly where x has more than two axes" in symptom(problem, tried)
    other = outcomes(problem, lambda *args, **settings: np.zeros(2), [case(XP, np.ones(2), np.ones(2))])
    assert "exactly where x has more" not in symptom(problem, tried, other)
    crashes = outcomes(problem, lambda *args, **settings: 1 / 0, drawn[:9])
    assert "wherever it goes wrong" in symptom(problem, crashes)
    assert "wherever it goes wrong" not in symptom(problem, crashes, other)


def outcomes(problem, answer, cases):
    """What `symptom` wants of some calls."""
    with quiet():
        pairs = zip(cases, Here(problem.reference).calls(cases), Here(answer).calls(cases), strict=True)
        return [(*each, difference(problem, *each) is not None) for each in pairs]


def test_a_call_that_is_made_to_refute_a_sentence_does():
    """All drawn inputs agree that zeros go well; where the answer may be asked, that is found out."""
    problem = replace(problem_named("layer_norm"), faults=())
    answer = lambda xp, x, gain, bias=None, *, eps=1e-5: x + 0  # noqa: E731
    tried = outcomes(problem, answer, cases_of(problem))
    tried = [each for each in tried if each[3] == each[0].args[1].any()]  # as if by chance
    asked = []

    def ask(each):
        asked.append(each)
        return outcomes(problem, answer, [each])[0]

    assert "where x holds nothing but 0" in symptom(problem, tried)
    assert "where x holds nothing but 0" not in symptom(problem, tried, ask=ask)
    assert 0 < len(asked) <= when.PROBES


def test_the_cause_is_said_where_the_shapes_of_two_arguments_are_it():
    def without_groups(xp, q, k, v, gates=None, *, scale=None):
        causal = np.tri(q.shape[-2], k.shape[-2], k.shape[-2] - q.shape[-2], dtype=bool)
        scores = q @ np.swapaxes(k, -1, -2) * np.asarray(q.shape[-1] ** -0.5 if scale is None else scale, q.dtype)
        e = np.where(causal, np.exp(scores - scores.max(-1, keepdims=True)), 0).astype(q.dtype)
        p = e / e.sum(-1, keepdims=True)
        return (p if gates is None else p * gates) @ v

    said = judged("causal_attention", without_groups).symptom
    assert "exactly where axis -3 of q is not as long as that of k, and neither has length 1" in said


def test_the_truth_value_of_an_array_is_no_question_of_its_axes():
    live = problem_named("causal_attention").reference

    def asks_gates(xp, q, k, v, gates=None, *, scale=None):
        return live(xp, q, k, v, gates if gates or gates is not None else None, scale=scale)

    assert "exactly where gates holds more than one number" in judged("causal_attention", asks_gates).symptom

    def asks_and_drops(xp, q, k, v, gates=None, *, scale=None):
        return live(xp, q, k, v, gates if gates else None, scale=scale)

    said = judged("causal_attention", asks_and_drops).symptom  # one gate of 0 is taken for none, without an error
    assert "only where gates is given" in said
    assert "wherever it goes wrong" not in said


def test_the_arguments_of_a_driven_exercise_are_called_as_whoever_calls_it_calls_them():
    for name, called in (
        ("adamw_update", ["xp", "p", "g", "m", "v", "t"]),
        ("sgd_update", ["p", "gradients"]),
        ("clip_gradients", ["gradients", "max_norm"]),
    ):
        problem = problem_named(name)
        assert names_of(problem, cases_of(problem)[0]) == called
    for problem in map(problem_named, NAMES):
        names = names_of(problem, cases_of(problem)[0])
        assert problem.drive is None or not any(each.startswith("argument") for each in names), problem.name


# updates in place


def stepping(*returned, writes="pmv"):
    """A right step of AdamW that writes into some of the arrays, and returns what is named."""

    def adamw_update(xp, p, g, m, v, t, **settings):
        new = {"p": p.copy(), "m": m.copy(), "v": v.copy()}
        problem_named("adamw_update").live(xp, new["p"], g, new["m"], new["v"], t, **settings)
        for name, array in (("p", p), ("m", m), ("v", v)):
            if name in writes:
                array[...] = new[name]
        return (new[returned[0]] if len(returned) == 1 else tuple(new[name] for name in returned)) if returned else None

    return adamw_update


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (stepping("p"), "it should return nothing, where it changes p, m and v in place, or all three of them"),
        (stepping("p", "m"), "it returns 2 results"),
        (stepping("m", "v", "p"), "Where p, m and v should be there are m, v and p"),
        (stepping(writes=""), "It behaves as if p, m and v stayed as they were given."),
        (stepping(writes="p"), "m and v are as they were given: was a new array made (m = …)"),
    ],
)
def test_an_update_is_told_what_it_should_return_and_what_stayed_as_it_was(answer, says):
    text = " ".join(verdict_text(judged("adamw_update", answer)).split())
    assert says in text
    assert "zip()" not in text
    assert "WrongReturnError" not in text
    assert "It raises" not in text
    assert "keys are right" not in text


@pytest.mark.parametrize("answer", [stepping(), stepping("p", "m", "v"), stepping("p", "m", "v", writes="")])
def test_an_update_in_place_or_by_what_it_returns_is_right(answer):
    assert judged("adamw_update", answer).right


def test_a_new_p_of_sgd_that_is_lost_is_named():
    def sgd_update(p, g, b, *, lr, momentum, weight_decay):
        g = g + weight_decay * p
        b = (g if b is None else momentum * b + g) if momentum else None
        p = p - lr * (g if b is None else b)
        return b

    assert [each.fault for each in judged("sgd_update", sgd_update).named] == ["not_in_place"]


# what comes first


def test_the_highest_rank_first_is_named_whichever_of_equal_pairs_comes_first():
    def encoder(last):
        def encode_word(ids, ranks):
            found = [(ranks[pair][0], -i, i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
            if not found:
                return list(ids)
            i = max(found, key=lambda each: (each[0], each[2] if last else each[1]))[2]
            return encode_word([*ids[:i], ranks[ids[i], ids[i + 1]][1], *ids[i + 2 :]], ranks)

        return encode_word

    named = [judged("encode_word", encoder(last)).named[0].fault for last in (False, True)]
    assert named == ["highest_rank", "highest_rank_right"]


def test_one_pass_for_each_rank_is_wrong_and_named():
    def encode_word(ids, ranks):
        for (left, right), (_, new) in sorted(ranks.items(), key=lambda item: item[1]):
            ids = merge_pair(ids, (left, right), new)
        return list(ids)

    assert [each.fault for each in judged("encode_word", encode_word).named] == ["pass_per_rank"]


def test_an_unstable_sort_gets_a_hint_at_the_tie_rule():
    def keep_top_p(p, top_p):
        order = np.argsort(-p)
        keep = np.zeros(len(p), bool)
        keep[order[: np.searchsorted(np.cumsum(p[order]), top_p) + 1]] = True
        return keep

    verdict = judged("keep_top_p", keep_top_p)
    assert [each.fault for each in verdict.named] == ["unstable"]
    assert verdict.failing.call.count("0.0") <= 18
    assert "stable" in verdict.named[0].hint
