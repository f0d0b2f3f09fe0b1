"""AdamW's fast form is the readable one, bit for bit: side by side or not, frozen, moved, loaded, on any threads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm import GPT, GPTConfig, WriteGuard, no_grad, optim, tensor, use_kernels, watching
from tinylm.autograd import flatten
from tinylm.backend.threads import use_threads
from tinylm.optim import adamw_numpy
from tinylm.optim.clip import CHUNK

CONFIG = GPTConfig(vocab_size=11, block_size=4, n_layer=2, n_head=2, n_embd=8)


def parameters(sizes, seed, placed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    found = [tensor(rng.normal(size=size).astype(dtype), requires_grad=True) for size in sizes]
    if placed:
        flatten(found)
    return found


def steps(found, seed, count, **settings):
    """Train on the gradients of Σ c·p³ with c drawn anew; `skip` names parameters without a gradient in a step."""
    rng, skip = np.random.default_rng(seed), settings.pop("skip", {})
    optimizer = optim.AdamW(found, **settings)
    for step in range(count):
        optimizer.zero_grad()
        for number, p in enumerate(found):
            c = tensor(rng.normal(size=p.shape).astype(p.dtype))
            if number not in skip.get(step, ()):
                (c * p * p * p).sum().backward()
        optimizer.step()
    return [p.numpy().tobytes() for p in found], optimizer.state_dict()


SIZES = st.lists(
    st.sampled_from([(), (3,), (2, 5), (1, 1), (17, 9), (0,), (adamw_numpy.CHUNK + 3,)]), min_size=1, max_size=5
)


@given(
    sizes=SIZES,
    seed=st.integers(0, 99),
    placed=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    skip=st.dictionaries(st.integers(0, 3), st.lists(st.integers(0, 4), max_size=3), max_size=3),
    decay=st.sampled_from([0.0, 0.1]),
    eps=st.sampled_from([1e-8, 1e-3]),
)
def test_fast_equals_readable_bit_for_bit(sizes, seed, placed, dtype, skip, decay, eps):
    results = []
    for which in ("fast", "reference"):
        with use_kernels(which):
            found = parameters(sizes, seed, placed, dtype)
            results.append(steps(found, seed, 4, lr=0.01, weight_decay=decay, eps=eps, skip=skip))
    assert results[0][0] == results[1][0]
    for fast, readable in zip(results[0][1]["state"], results[1][1]["state"], strict=True):
        assert fast.keys() == readable.keys()
        assert all(np.array_equal(fast[name], readable[name]) for name in fast)


def test_threads_change_no_bit(monkeypatch):
    monkeypatch.setattr(adamw_numpy, "SHARE", 100)
    results = []
    for count in (1, 3):
        with use_threads(count):
            results.append(steps(parameters([(50, 40), (7,)], 0, True), 0, 3, lr=0.01)[0])
    assert results[0] == results[1]


def test_parameters_side_by_side_are_one_run_and_those_looked_at_are_not():
    found = parameters([(4, 3), (5, 2), (6,)], 0, True)
    for p in found:
        (p * p).sum().backward()
    state = [{}, {}, {}]
    assert len(adamw_numpy.runs(list(enumerate(found)), state)) == 1
    assert len(adamw_numpy.runs([(0, found[0]), (2, found[2])], state)) == 2
    assert len(adamw_numpy.runs(list(enumerate(found)), [{}, {"t": 1}, {"t": 1}])) == 2
    found[1].grad = found[1].grad  # its gradient is an array of its own now
    assert len(adamw_numpy.runs(list(enumerate(found)), state)) == 3


def test_a_loaded_state_goes_on_with_the_same_bits():
    def run(interrupted):
        found = parameters([(4, 3), (6,)], 0, True)
        optimizer = optim.AdamW(found, lr=0.01)
        for step in range(4):
            if interrupted and step == 2:
                saved = optimizer.state_dict()
                optimizer = optim.AdamW(found, lr=0.5)
                optimizer.load_state_dict(saved)
            optimizer.zero_grad()
            for p in found:
                (p * p * p).sum().backward()
            optimizer.step()
        return [p.numpy().tobytes() for p in found]

    assert run(True) == run(False)


def test_a_saved_state_is_a_copy():
    found = parameters([(4, 3), (6,)], 0, True)
    _, state = steps(found, 0, 2, lr=0.01)
    before = state["state"][0]["m"].copy()
    steps(found, 1, 2, lr=0.01)
    assert (state["state"][0]["m"] == before).all()


def test_a_graph_that_needs_what_a_step_did_not_change_stays_good():
    model = GPT(CONFIG)
    frozen, trained = model.h[0].mlp.c_fc.weight, model.h[1].mlp.c_fc.weight
    needs_frozen, needs_trained = (frozen * frozen).sum(), (trained * trained).sum()
    optimizer = optim.AdamW([trained], lr=0.1)
    trained.grad = np.ones(trained.shape, np.float32)
    optimizer.step()
    needs_frozen.backward()
    with pytest.raises(RuntimeError, match="written since forward"):
        needs_trained.backward()


def test_a_model_is_one_array_and_trains_as_one_whose_parameters_are_apart():
    ids = np.arange(8).reshape(2, 4)
    states = []
    for apart in (False, True):
        model = GPT(CONFIG, seed=3)
        assert len({id(p.place.flat) for p in model.parameters()}) == 1
        if apart:
            for p in model.parameters():
                p.data, p.place = p.data.copy(), None
        optimizer = optim.AdamW(optim.decay_groups(model, 0.1), lr=0.01)
        with watching(WriteGuard()):
            for _ in range(3):
                optimizer.zero_grad()
                model(ids, ids)[1].backward()
                assert optim.clip_grad_norm(model.parameters(), 0.5) > 0
                optimizer.step()
        states.append({name: value.tobytes() for name, value in model.state_dict().items()})
    assert states[0] == states[1]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_the_norm_of_long_gradients(size):
    p = tensor(np.zeros(size), requires_grad=True)
    values = np.random.default_rng(0).normal(size=size)
    p.grad = values
    assert optim.clip_grad_norm([p], np.inf) == pytest.approx(float(np.sqrt((values**2).sum())), rel=1e-14)
    with no_grad():
        assert (p.grad.numpy() == values).all()
