"""The training loop and evaluation as generators and functions of records."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylm import GPT, GPTConfig, data
from tinylm.optim import SGD, AdamW
from tinylm.train import TrainingError, evaluate, training

SHAPE = {"vocab_size": 7, "block_size": 6, "n_layer": 1, "n_head": 2, "n_embd": 8}
TOKENS = np.arange(200) * 3 % 7


def model(**changes) -> GPT:
    return GPT(GPTConfig(**{**SHAPE, **changes}), seed=1, dtype=np.float64)


def rng():
    return np.random.default_rng(0)


def test_training_learns_a_pattern_that_repeats():
    gpt = model()
    steps = list(training(gpt, AdamW(gpt.parameters(), lr=1e-2), data.batches(TOKENS, 4, 6, rng()), steps=80))
    assert steps[0].loss == pytest.approx(math.log(7), abs=0.05)
    assert steps[-1].loss < 0.2
    assert [s.step for s in steps] == list(range(1, 81))


@settings(max_examples=15)
@given(parts=st.sampled_from([1, 2, 3, 4]), seed=st.integers(0, 100))
def test_accumulation_equals_one_big_batch(parts, seed):
    x, y = data.get_batch(TOKENS, 12, 6, np.random.default_rng(seed))
    small = [(x[i::parts], y[i::parts]) for i in range(parts)]
    results = []
    for batches, accumulate in ((small, parts), ([(x, y)], 1)):
        gpt = model()
        (record,) = training(gpt, SGD(gpt.parameters(), lr=0.5), batches, accumulate=accumulate, clip_norm=0.3)
        results.append((record, gpt.state_dict()))
    assert results[0][0].loss == pytest.approx(results[1][0].loss, rel=1e-12)
    assert results[0][0].grad_norm == pytest.approx(results[1][0].grad_norm, rel=1e-10)
    for name, value in results[0][1].items():  # float64 sums of about a hundred terms in another order
        np.testing.assert_allclose(value, results[1][1][name], rtol=1e-9, atol=1e-12)


def test_the_next_batch_is_drawn_only_when_the_next_record_is_asked_for():
    drawn = []

    def batches():
        for number, batch in enumerate(data.batches(TOKENS, 2, 6, rng())):
            drawn.append(number)
            yield batch

    gpt = model()
    loop = training(gpt, SGD(gpt.parameters(), lr=0.1), batches(), steps=5, accumulate=2)
    assert drawn == []
    next(loop)
    assert drawn == [0, 1]
    next(loop)
    assert drawn == [0, 1, 2, 3]


def test_training_ends_with_its_batches_and_leaves_out_an_incomplete_group():
    gpt = model()
    batches = [data.get_batch(TOKENS, 2, 6, rng())] * 5
    assert len(list(training(gpt, SGD(gpt.parameters(), lr=0.1), batches, accumulate=2))) == 2


def test_the_schedule_sets_the_rate_of_every_group():
    gpt = model()
    optimizer = AdamW([{"params": [p]} for p in gpt.parameters()])
    loop = training(gpt, optimizer, data.batches(TOKENS, 2, 6, rng()), steps=4, start=1, schedule=lambda s: 0.1 * s)
    rates = []
    for record in loop:
        rates.append(record.lr)
        assert {group["lr"] for group in optimizer.param_groups} == {record.lr}
    assert rates == pytest.approx([0.1, 0.2, 0.3])


def test_clipping_is_told_and_bounds_the_update():
    gpt = model()
    before = gpt.state_dict()
    (record,) = training(gpt, SGD(gpt.parameters(), lr=1.0), data.batches(TOKENS, 2, 6, rng()), steps=1, clip_norm=0.01)
    assert record.clipped
    assert record.grad_norm > 0.01
    moved = math.sqrt(sum(float(((v - before[n]) ** 2).sum()) for n, v in gpt.state_dict().items()))
    assert moved == pytest.approx(0.01, rel=1e-3)  # the 1e-6 beside the norm, over a norm of about 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_before_the_parameters_change(value):
    gpt = model()
    gpt.ln_f.weight.data[0] = value
    before = gpt.state_dict()
    with (
        np.errstate(all="ignore"),
        pytest.raises(TrainingError, match=r"(?s)step 1: the loss is .*ln_f\.weight\[0\] is .*forward of layer_norm"),
    ):
        next(training(gpt, SGD(gpt.parameters(), lr=0.1), data.batches(TOKENS, 2, 6, rng())))
    assert all(np.array_equal(v, before[n], equal_nan=True) for n, v in gpt.state_dict().items())


@given(length=st.integers(2, 60), batch=st.integers(1, 4), block=st.integers(1, 6))
@settings(max_examples=20)
def test_evaluation_is_the_mean_over_every_target(length, batch, block):
    gpt, tokens = model(dropout=0.5), TOKENS[:length]
    total = 0.0
    for start in range(0, length - 1, block):  # one window at a time, by hand
        window = tokens[start : start + block + 1]
        logits, _ = gpt.eval()(window[None, :-1])
        for row, target in zip(logits.numpy()[0], window[1:], strict=True):
            total += math.log(sum(math.exp(v - row[target]) for v in row))
    gpt.train()
    assert evaluate(gpt, tokens, batch, block) == pytest.approx(total / (length - 1), rel=1e-12)
    assert gpt.training


def test_evaluation_of_one_token_is_refused():
    with pytest.raises(ValueError, match="at least 2 tokens"):
        evaluate(model(), np.array([1]), 1, 4)


def test_accumulate_below_one_is_refused_at_once():
    with pytest.raises(ValueError, match="accumulate"):
        training(model(), AdamW(model().parameters()), [], accumulate=0)
