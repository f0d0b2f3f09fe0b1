"""Parts of a batch side by side: the same loss and gradients as the whole, the same bits from run to run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylm import GPT, GPTConfig, Recorder, nn, optim, tensor, watching
from tinylm.parallel import Shards
from tinylm.train import training

BASE = {"vocab_size": 11, "block_size": 6, "n_layer": 2, "n_head": 2, "n_embd": 8}


def batch(rows, seed=0, time=6):
    ids = np.random.default_rng(seed).integers(0, 11, (rows, time + 1))
    return ids[:, :-1], ids[:, 1:]


def gradients(model):
    return {name: p.grad.numpy().copy() for name, p in model.named_parameters()}


@settings(max_examples=20)
@given(
    rows=st.integers(1, 7),
    count=st.integers(2, 4),
    tied=st.booleans(),
    norm=st.sampled_from(["layer", "rms"]),
    position=st.sampled_from(["learned", "rope"]),
    times=st.integers(1, 3),
)
def test_loss_and_gradients_are_those_of_the_whole_batch(rows, count, tied, norm, position, times):
    config = GPTConfig(**BASE, tie_weights=tied, norm=norm, position=position)
    model, twin = GPT(config, dtype=np.float64), GPT(config, dtype=np.float64)
    shards = Shards(model, count)
    for time in range(times):  # without zero_grad: gradients add up, and arrays serve again
        x, y = batch(rows, seed=time)
        loss = shards.loss_and_gradients(x, y, 0.5)
        whole = twin(x, y)[1]
        whole.backward(0.5)
        assert loss == pytest.approx(whole.item(), rel=1e-12)
    wanted = gradients(twin)
    for name, gradient in gradients(model).items():
        np.testing.assert_allclose(gradient, wanted[name], rtol=0, atol=1e-13, err_msg=name)


def train(shards, steps=4, **settings):
    model = GPT(GPTConfig(**{**BASE, **settings}), seed=2)
    optimizer = optim.AdamW(optim.decay_groups(model, 0.1), lr=0.01)
    data = (batch(5, seed=seed) for seed in range(100))
    losses = [step.loss for step in training(model, optimizer, data, steps=steps, shards=shards, accumulate=2)]
    return losses, {name: value.tobytes() for name, value in model.state_dict().items()}


def test_a_number_of_parts_gives_the_same_bits_every_time():
    for shards in (2, 3):
        assert train(shards) == train(shards)
    assert train(3)[0] == pytest.approx(train(1)[0], rel=1e-5)


def test_dropout_and_watchers_keep_the_batch_in_one_piece():
    assert train(3, dropout=0.2) == train(1, dropout=0.2)
    with watching(Recorder()) as seen:
        watched = train(3, steps=1)
    assert watched == train(1, steps=1)
    assert len(seen.steps) > 50
    assert not Shards(GPT(GPTConfig(**BASE)).to("strict"), 2).allowed()


def test_a_frozen_layer_stays_without_gradient():
    model = GPT(GPTConfig(**BASE))
    model.h[0].mlp.c_fc.weight.requires_grad = False
    Shards(model, 2).loss_and_gradients(*batch(4), 1.0)
    assert model.h[0].mlp.c_fc.weight.grad is None
    assert model.h[1].mlp.c_fc.weight.grad is not None


class Fails(nn.Module):
    """A model that raises for a row of zeros."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.ones(3))

    def forward(self, x, y):
        if not x.any():
            raise ValueError("a row of zeros")
        return None, (self.weight * tensor(x.mean(axis=0))).sum()


def test_an_error_in_a_part_is_told_and_leaves_nothing_behind():
    model = Fails()
    shards = Shards(model, 2)
    good, bad = np.ones((2, 3)), np.array([[1.0, 1, 1], [0, 0, 0]])
    for _ in range(2):
        with pytest.raises(ValueError, match="a row of zeros"):
            shards.loss_and_gradients(bad, bad, 1.0)
        model.zero_grad()
        shards.loss_and_gradients(good, good, 1.0)
        assert model.weight.grad.tolist() == [1, 1, 1]
        model.zero_grad()


def test_parts_below_one_are_refused():
    with pytest.raises(ValueError, match="shards must be 1 or more, got 0"):
        training(GPT(GPTConfig(**BASE)), optim.SGD([tensor([1.0])], 0.1), [], shards=0)
