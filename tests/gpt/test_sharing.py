"""What shares memory on the inside must not show on the outside: copies, forks, threads, interrupts, watchers."""

import copy
import os
import pickle
import threading
import warnings
from multiprocessing import get_context

import numpy as np
import pytest

import tinylm.functional as F
from tinylm import GPT, GPTConfig, Recorder, Tensor, apply, no_grad, optim, tensor, use_kernels, watching
from tinylm.autograd import flatten
from tinylm.backend import memory
from tinylm.backend import threads as pool
from tinylm.backend.threads import share, side_by_side, use_threads
from tinylm.nn import Module, Parameter
from tinylm.ops import op_named
from tinylm.parallel import Shards, loss_of

CONFIG = GPTConfig(vocab_size=11, block_size=4, n_layer=2, n_head=2, n_embd=8)
IDS = np.arange(8).reshape(2, 4)


def train(model, steps=3):
    optimizer = optim.AdamW(optim.decay_groups(model, 0.1), lr=0.01)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(IDS, IDS)[1]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copied_model_trains_as_the_original_and_apart_from_it(twin):
    model = GPT(CONFIG)
    train(model, 1)
    before, other = model.state_dict(), twin(model)
    losses = train(other)
    assert losses[0] > losses[-1]
    assert all((model.state_dict()[name] == before[name]).all() for name in before)
    assert train(model) == losses
    other.flatten()
    assert other.wte.weight.place is not None
    assert len(pickle.dumps(model.ln_f.weight)) < 1000


def test_a_shallow_copy_has_a_gradient_of_its_own():
    x = tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    y = copy.copy(x)
    (y * 10).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([2, 4], [12, 14])
    x.grad = y.grad = None
    (x * x).sum().backward()
    (y * 10).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([2, 4], [10, 10])


def _write(array, value):
    array[...] = value
    return float(array[0, 0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_writes_into_memory_of_its_own():
    array = memory.empty((300, 300), np.float32)
    array[...] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12: threads and fork
        child = get_context("fork").Process(target=_write, args=(array, 7))
        child.start()
        child.join(60)
    assert child.exitcode == 0
    assert float(array[0, 0]) == 1


def test_too_large_an_array_is_a_memory_error():
    with pytest.raises(MemoryError):
        memory.Pool().empty((1 << 46,), np.float32)


def test_a_state_made_of_views_of_the_parameters_is_read_before_it_is_written():
    model = GPT(CONFIG)
    state = {name: p.numpy() for name, p in model.named_parameters()}
    first, second = "h.0.attn.c_proj.weight", "h.1.attn.c_proj.weight"
    wanted = state[first].copy(), state[second].copy()
    state[first], state[second] = state[second], state[first]
    model.load_state_dict(state)
    after = model.state_dict()
    assert (after[second] == wanted[0]).all()
    assert (after[first] == wanted[1]).all()


class Louder(GPT):
    """A model whose own forward adds to the loss."""

    def forward(self, ids, targets=None, cache=None):
        logits, loss = super().forward(ids, targets, cache)
        return logits, None if loss is None else loss * 2


class Lossy(Module):
    """A user's module with something of its own called loss."""

    def __init__(self):
        super().__init__()
        self.weight = Parameter(np.ones(2))

    def loss(self, logits):
        raise AssertionError("nobody asked for this")

    def forward(self, x, y):
        return None, (self.weight * tensor(x)).sum()


def test_a_loss_alone_is_that_of_the_models_own_forward():
    model = GPT(CONFIG)
    assert loss_of(model, IDS, IDS).item() == model(IDS, IDS)[1].item() == model.loss_alone(IDS, IDS).item()
    assert loss_of(Louder(CONFIG), IDS, IDS).item() == 2 * model(IDS, IDS)[1].item()
    assert loss_of(Lossy(), np.ones(2), None).item() == 2
    untied = GPT(GPTConfig(**{**CONFIG.to_dict(), "tie_weights": False}))
    assert loss_of(untied, IDS, IDS).item() == untied(IDS, IDS)[1].item()


class Remembers(optim.Optimizer):
    """Keeps the last gradient, as Rprop does."""

    def __init__(self, params):
        super().__init__(params, {})

    def update(self, data, gradient, state, group):
        state["last"] = state.get("previous")
        state["previous"] = gradient


def test_an_optimizer_of_ones_own_may_keep_its_gradient():
    p = tensor([1.0, 1.0], requires_grad=True)
    flatten([p])
    optimizer = Remembers([p])
    for factor in (1.0, 2.0):
        optimizer.zero_grad()
        (p * factor).sum().backward()
        optimizer.step()
    assert optimizer.state[0]["last"].tolist() == [1, 1]
    assert optimizer.state[0]["previous"].tolist() == [2, 2]


def test_a_watcher_may_keep_what_it_saw():
    x, w = tensor(np.ones((2, 3))), tensor(np.ones((3, 2)), requires_grad=True)
    with watching(Recorder(copy=False)) as seen:
        F.linear(x, w).sum().backward()
    kept = next(step.outputs[1] for step in seen.steps if step.phase == "backward" and step.op.name == "linear")
    w.grad = None
    (F.linear(x, w) * 5).sum().backward()
    assert kept.tolist() == [[2, 2]] * 3


def test_a_replaced_moment_is_used():
    results = []
    for which in ("fast", "reference"):
        with use_kernels(which):
            p = tensor(np.ones(3, np.float32), requires_grad=True)
            optimizer = optim.AdamW([p], lr=0.1)
            for step in range(4):
                p.grad = np.full(3, step + 1.0, np.float32)
                if step == 2:
                    optimizer.state[0]["v"] = np.full(3, 9.0, np.float32)
                optimizer.step()
            results.append(p.tolist())
    assert results[0] == results[1]


def test_a_gradient_that_a_graph_needs_does_not_stop_its_neighbours():
    a, b = tensor([1.0, 2.0], requires_grad=True), tensor(np.ones((2, 2), np.float32), requires_grad=True)
    flatten([a, b])
    (a * a).sum().backward()
    penalty = (a.grad * a).sum()
    F.linear(tensor(np.ones((1, 2), np.float32)), b).sum().backward()
    assert b.grad.tolist() == [[1, 1], [1, 1]]
    penalty.backward()
    assert a.grad.tolist() == [4, 8]


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "gelu", "silu", "causal_attention"])
def test_what_an_op_made_can_be_written_and_what_is_a_view_cannot(name):
    x = tensor(np.ones((1, 2, 3)))
    with no_grad():
        more = {"layer_norm": [np.ones(3)], "rms_norm": [np.ones(3)], "causal_attention": [x, x]}.get(name, [])
        y = apply(op_named(name), x, *more)
        y.data[...] = 0
        assert y.numpy().sum() == 0
        with pytest.raises(ValueError, match="read-only"):
            x.reshape(6).data[0] = 1


def test_a_bias_may_be_written_where_only_the_normalised_rows_are_kept():
    x, gain, bias = tensor(np.eye(3), requires_grad=True), tensor([0.0, 1.0, 1.0]), tensor([0.0, 1.0, 2.0])
    y = F.layer_norm(x, tensor(gain, dtype=np.float64), tensor(bias, dtype=np.float64)).sum()
    bias[0] = 5.0
    y.backward()


def test_parts_that_share_again_do_not_wait_for_themselves():
    seen = []

    def inner(a, b):
        seen.append(b - a)

    def outer(a, b):
        with use_threads(3):
            share(inner, 6, 1)

    with use_threads(3):
        share(outer, 3, 1)
    assert sum(seen) == 18


def test_an_interrupt_is_raised_when_the_others_have_ended(monkeypatch):
    ended, waits = [], []
    true = pool.wait

    def interrupted(futures):
        if not waits:
            waits.append(1)
            raise KeyboardInterrupt
        return true(futures)

    go = threading.Event()

    def slow():
        go.wait(30)
        ended.append(1)

    before = [library.get_num_threads() for library in pool._blas()]
    monkeypatch.setattr(pool, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        side_by_side([go.set, slow])
    assert ended == [1]
    assert [library.get_num_threads() for library in pool._blas()] == before


def test_a_failed_batch_leaves_nothing_for_the_next(monkeypatch):
    model, twin = GPT(CONFIG, dtype=np.float64), GPT(CONFIG, dtype=np.float64)
    shards = Shards(model, 2)
    true = Shards._run

    def fails(self, x, y, share_of_rows, weight):
        loss = true(self, x, y, share_of_rows, weight)
        raise KeyboardInterrupt(loss)

    monkeypatch.setattr(Shards, "_run", fails)
    with pytest.raises(KeyboardInterrupt):
        shards.loss_and_gradients(IDS, IDS, 1.0)
    monkeypatch.setattr(Shards, "_run", true)
    model.zero_grad()
    shards.loss_and_gradients(IDS, IDS, 1.0)
    twin(IDS, IDS)[1].backward()
    for ours, wanted in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(ours.grad.numpy(), wanted.grad.numpy(), atol=1e-13)


def test_an_empty_batch_has_loss_0():
    assert Shards(GPT(CONFIG), 2).loss_and_gradients(IDS[:0], IDS[:0], 1.0) == 0


@pytest.mark.parametrize("count", [0, -3, True])
def test_a_block_of_threads_is_checked_too(count):
    with pytest.raises(ValueError, match="whole number from 1 up"), use_threads(count):
        pass


def both(function):
    with np.errstate(all="ignore"):
        fast = function()
        with use_kernels("reference"):
            return fast, function()


def test_kernels_do_as_the_readable_forms_at_the_edges():
    rng = np.random.default_rng(0)
    for dtype, scale in ((np.float16, 12.0), (np.float32, 1.0)):  # float16 has its own, narrow range
        q, k, v = (Tensor((rng.normal(size=(1, 2, 5, 4)) * s).astype(dtype)) for s in (scale, 1, 1))
        fast, readable = both(lambda q=q, k=k, v=v: F.causal_attention(q, k, v).numpy())
        np.testing.assert_allclose(fast.astype(float), readable.astype(float), atol=2e-3)
    q, k = np.ones((1, 1, 2, 1)), np.array([-np.inf, 1.0]).reshape(1, 1, 2, 1)
    fast, readable = both(lambda: F.causal_attention(Tensor(q), Tensor(k), Tensor(q)).numpy())
    assert fast.tolist() == readable.tolist()  # the first query may attend to nothing
    row = Tensor(np.full((1, 768), 1000.1, np.float32))
    gain = Tensor(np.ones(768, np.float32))
    fast, readable = both(lambda: float(np.abs(F.layer_norm(row, gain).numpy()).max()))
    assert max(fast, readable) <= 4 * 2.0**-14 / np.sqrt(1e-5)  # the mean is off by at most four roundings of 1000.1
    wide = F.linear(Tensor(np.ones((2, 3), np.float32)), Tensor(np.ones((3, 2), np.float32)), Tensor(np.ones(2)))
    assert wide.dtype == np.float64
    table = tensor(np.zeros((3, 2)), requires_grad=True)
    apply(op_named("embedding"), table, np.array([-1, 2, 2])).sum().backward()
    assert table.grad.tolist() == [[0, 0], [0, 0], [3, 3]]
