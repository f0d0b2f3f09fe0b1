"""Optimizers: saved states, bad arguments, and clipping."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gpt.test_optim import run, vectors
from tinylm import nn, optim, tensor

KINDS = {
    "adamw": lambda params: optim.AdamW(params, 0.1, weight_decay=0.1),
    "sgd": lambda params: optim.SGD(params, 0.1, momentum=0.9),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_state_goes_on_exactly(kind) -> None:
    rng = np.random.default_rng(0)
    gradients = [rng.standard_normal(3).astype(np.float32) for _ in range(6)]
    p = tensor([1.0, 2.0, 3.0], requires_grad=True)
    optimizer = KINDS[kind]([p])
    run(optimizer, p, gradients[:3])
    optimizer.param_groups[0]["lr"] = 0.05
    saved, weights = optimizer.state_dict(), p.numpy().copy()
    straight = run(optimizer, p, gradients[3:])

    q = tensor(weights, requires_grad=True)
    other = KINDS[kind]([q])
    other.load_state_dict(saved)
    assert other.param_groups[0]["lr"] == 0.05
    assert run(other, q, gradients[3:]) == straight
    third = tensor(weights, requires_grad=True)
    again = KINDS[kind]([third])
    again.load_state_dict(saved)  # what was loaded first did not write into it
    assert run(again, third, gradients[3:]) == straight


def test_a_state_moves_to_the_parameters_device_and_dtype() -> None:
    p = tensor([1.0], requires_grad=True)
    optimizer = KINDS["adamw"]([p])
    run(optimizer, p, [np.ones(1, np.float32)])
    q = tensor(np.ones(1), requires_grad=True, device="strict")
    other = KINDS["adamw"]([q])
    other.load_state_dict(optimizer.state_dict())
    q.grad = tensor(np.ones(1), device="strict")
    other.step()
    assert other.state[0]["m"].dtype == np.float64
    assert q.item() < 1


def saved_adamw() -> dict:
    p = tensor([1.0], requires_grad=True)
    optimizer = KINDS["adamw"]([p])
    run(optimizer, p, [np.ones(1, np.float32)])
    return optimizer.state_dict()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: KINDS["adamw"]([tensor([1.0]), tensor([1.0])]), "is for 1 parameters in 1 groups; here are 2 in 1"),
        (lambda: KINDS["adamw"]([tensor([1.0, 2.0])]), r"m has shape \(1,\), its parameter \(2,\)"),
        (lambda: KINDS["sgd"]([tensor([1.0])]), "settings"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(make, says) -> None:
    optimizer = make()
    before = repr(optimizer.param_groups), repr(optimizer.state)
    with pytest.raises(ValueError, match=says):
        optimizer.load_state_dict(saved_adamw())
    assert (repr(optimizer.param_groups), repr(optimizer.state)) == before


def test_a_state_with_other_arrays_or_settings_is_refused() -> None:
    p = tensor([1.0], requires_grad=True)
    broken = saved_adamw()
    del broken["state"][0]["v"]
    with pytest.raises(ValueError, match=r"has \['m', 't'\], this one keeps \['m', 't', 'v'\]"):
        KINDS["adamw"]([p]).load_state_dict(broken)
    broken = saved_adamw()
    broken["groups"][0]["lr"] = -1
    with pytest.raises(ValueError, match="lr must be a number from 0 up, got -1"):
        KINDS["adamw"]([p]).load_state_dict(broken)


# -- bad arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"lr": -0.1}, "lr must be a number from 0 up, got -0.1"),
        ({"lr": float("nan")}, "lr must be"),
        ({"eps": -1e-8}, "eps must be"),
        ({"weight_decay": -1.0}, "weight_decay must be"),
        ({"betas": (1.0, 0.9)}, "betas must be two numbers from 0 up, below 1"),
        ({"betas": (0.9,)}, "betas must be two numbers"),
        ({"betas": (0.9, -0.1)}, "betas must be two numbers"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, says) -> None:
    with pytest.raises(ValueError, match=says):
        optim.AdamW([tensor([1.0])], **settings)
    with pytest.raises(ValueError, match=says):
        optim.AdamW([{"params": [tensor([1.0])], **settings}])


def test_what_is_no_list_of_parameters_is_refused() -> None:
    p = tensor([1.0])
    with pytest.raises(ValueError, match="there are no parameters"):
        optim.SGD([], lr=0.1)
    with pytest.raises(ValueError, match="a parameter appears twice"):
        optim.SGD([p, p], lr=0.1)
    with pytest.raises(ValueError, match="a parameter appears twice"):
        optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)
    with pytest.raises(TypeError, match="expected tensors, got a ndarray"):
        optim.SGD([np.ones(1)], lr=0.1)
    with pytest.raises(ValueError, match=r"unknown setting \['learning_rate'\]; known are \['lr', 'momentum'"):
        optim.SGD([{"params": [p], "learning_rate": 1}], lr=0.1)
    with pytest.raises(ValueError, match="momentum must be"):
        optim.SGD([p], lr=0.1, momentum=-1)
    p.grad = np.ones(1, np.float32)
    with pytest.raises(NotImplementedError):
        optim.Optimizer([p], {}).step()


# -- clipping ------------------------------------------------------------------------------------------


@given(st.lists(vectors, min_size=1, max_size=3), st.just(0.0) | st.floats(1e-6, 20))
def test_clipping_bounds_the_norm_of_all_together_and_keeps_the_direction(gradients, bound) -> None:
    params = [tensor(np.zeros_like(g), requires_grad=True) for g in gradients]
    for p, g in zip(params, gradients, strict=True):
        p.grad = g
    flat = np.concatenate(gradients)
    norm = math.sqrt(math.fsum(float(x) ** 2 for x in flat))
    assert optim.clip_grad_norm(iter(params), bound) == pytest.approx(norm, rel=1e-14)
    clipped = np.concatenate([p.grad.numpy() for p in params])
    factor = min(1.0, bound / (norm + 1e-6))
    np.testing.assert_allclose(clipped, flat * factor, rtol=1e-13)  # a product and a quotient
    assert math.hypot(*clipped) <= bound * (1 + 1e-13)
    if norm + 1e-6 <= bound:
        assert np.array_equal(clipped, flat)


def test_clipping_counts_parameters_without_a_gradient_as_nothing() -> None:
    p, q = nn.Parameter(tensor([3.0])), nn.Parameter(tensor([1.0]))
    assert optim.clip_grad_norm([p, q], 1.0) == 0.0
    p.grad = np.array([4.0], np.float32)
    assert optim.clip_grad_norm([p, q], 1.0) == 4.0
    assert p.grad.dtype == np.float32
    assert q.grad is None


@pytest.mark.parametrize("bound", [-1.0, float("nan")])
def test_a_bound_is_a_number_from_0_up(bound) -> None:
    with pytest.raises(ValueError, match="max_norm must be a number from 0 up"):
        optim.clip_grad_norm([], bound)


# -- what may be a parameter ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_one_tensor_alone_is_one_parameter(kind) -> None:
    for wrap in (lambda w: w, lambda w: [{"params": w}]):
        w = tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        optimizer = KINDS[kind](wrap(w))
        assert [p is w for p in optimizer.param_groups[0]["params"]] == [True]
        w.grad = np.ones((2, 2), np.float32)
        assert optim.clip_grad_norm(w, 1.0) == pytest.approx(2.0)
        np.testing.assert_allclose(w.grad.numpy(), 0.5, rtol=1e-5)  # 1e-6 beside the norm of 2
        optimizer.step()
        assert w.tolist() != [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_refused_and_frozen_leaves_are_skipped(kind) -> None:
    w = tensor([1.0, 2.0], requires_grad=True)
    for params in ([w * 2], w * 2, [{"params": [w, w * 2]}], w.reshape(2, 1)):
        with pytest.raises(ValueError, match=r"got the result of (multiply|reshape), .* give the leaf"):
            KINDS[kind](params)
    model = nn.Linear(2, 2)
    model.bias.requires_grad = False
    before = model.state_dict()
    optimizer = KINDS[kind](model.parameters())
    model(tensor([[1.0, 2.0]])).sum().backward()
    optimizer.step()
    assert model.bias.tolist() == before["bias"].tolist()
    assert model.weight.tolist() != before["weight"].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_follows_a_model_that_moves(kind) -> None:
    rng = np.random.default_rng(0)
    gradients = [rng.standard_normal((2, 1)).astype(np.float32) for _ in range(4)]
    results = []
    for devices in (["numpy"] * 4, ["numpy", "strict", "strict", "numpy"]):
        model = nn.Linear(2, 1, bias=False, rng=np.random.default_rng(1))
        optimizer = KINDS[kind](model.parameters())
        for device, gradient in zip(devices, gradients, strict=True):
            model.to(device)
            model.weight.grad = tensor(gradient, device=device)
            optimizer.step()
        results.append(model.weight.tolist())
    assert results[0] == results[1]
