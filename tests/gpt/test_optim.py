"""Optimizers against loops over Python floats; and their groups."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.gpt.variants import model
from tinylm import optim, tensor

numbers = st.floats(-4, 4).filter(lambda x: x == 0 or abs(x) > 1e-6)
vectors = hnp.arrays(np.float64, st.integers(1, 4), elements=numbers)


def adamw_by_hand(p, gradients, lr, betas, eps, decay):
    """Loshchilov & Hutter 2019, algorithm 2, one number at a time."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        p = p - lr * decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        p = p - lr * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
    return p


def sgd_by_hand(p, gradients, lr, momentum, decay):
    b = None
    for g in gradients:
        g = g + decay * p
        b = g if b is None else momentum * b + g
        p = p - lr * b
    return p


def run(optimizer, p, gradients) -> list[float]:
    for g in gradients:
        p.grad = g
        optimizer.step()
    return p.tolist()


@given(
    start=vectors,
    data=st.data(),
    steps=st.integers(1, 5),
    lr=st.floats(0, 1),
    beta1=st.floats(0, 0.99),
    beta2=st.floats(0, 0.999),
    eps=st.floats(1e-8, 1e-2),
    decay=st.floats(0, 0.5),
)
def test_adamw_equals_a_loop_over_numbers(start, data, steps, lr, beta1, beta2, eps, decay) -> None:
    gradients = [data.draw(hnp.arrays(np.float64, start.shape, elements=numbers)) for _ in range(steps)]
    p = tensor(start, requires_grad=True)
    found = run(optim.AdamW([p], lr, (beta1, beta2), eps, decay), p, gradients)
    expected = [
        adamw_by_hand(x, [g[i] for g in gradients], lr, (beta1, beta2), eps, decay) for i, x in enumerate(start)
    ]
    # m and v are sums of five terms, and √ and ÷ of them lose little: but m may cancel, by 1e-6 against 4
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)


@given(
    start=vectors,
    data=st.data(),
    steps=st.integers(1, 5),
    lr=st.floats(0, 1),
    momentum=st.floats(0, 0.99),
    decay=st.floats(0, 0.5),
)
def test_sgd_equals_a_loop_over_numbers(start, data, steps, lr, momentum, decay) -> None:
    gradients = [data.draw(hnp.arrays(np.float64, start.shape, elements=numbers)) for _ in range(steps)]
    p = tensor(start, requires_grad=True)
    found = run(optim.SGD([p], lr, momentum, decay), p, gradients)
    expected = [sgd_by_hand(x, [g[i] for g in gradients], lr, momentum, decay) for i, x in enumerate(start)]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)  # sums of some twenty terms below 100


def test_the_first_step_of_adamw_is_the_learning_rate_by_sign() -> None:
    p = tensor(np.array([1.0, 1.0, 1.0]), requires_grad=True)
    p.grad = np.array([3.0, -0.01, 0.0])
    optim.AdamW([p], lr=0.1, eps=1e-12, weight_decay=0).step()
    np.testing.assert_allclose(p.numpy(), [0.9, 1.1, 1.0], rtol=1e-9)  # eps against 0.01


def test_decay_does_not_go_through_the_moments() -> None:
    p = tensor(np.array([1.0]), requires_grad=True)
    p.grad = np.array([0.0])
    optim.AdamW([p], lr=0.1, weight_decay=0.5).step()
    assert p.item() == pytest.approx(0.95, rel=1e-15)


@pytest.mark.parametrize("make", [lambda p: optim.AdamW([p], 0.1), lambda p: optim.SGD([p], 0.1, 0.9)])
def test_a_parameter_may_be_one_number_and_keeps_its_dtype_and_array(make) -> None:
    p = tensor(1.0, requires_grad=True)
    array = p.data
    optimizer = make(p)
    for _ in range(2):
        p.grad = np.array(1.0, np.float32)
        optimizer.step()
    assert p.data is array
    assert (p.dtype, p.shape) == (np.float32, ())
    assert p.item() < 1


def test_parameters_without_a_gradient_stay_and_keep_no_state() -> None:
    p, q = tensor([1.0], requires_grad=True), tensor([1.0], requires_grad=True)
    optimizer = optim.AdamW([p, q], lr=0.1, weight_decay=0.5)
    q.grad = np.ones(1, np.float32)
    optimizer.step()
    assert p.tolist() == [1.0]
    assert q.tolist() != [1.0]
    assert optimizer.state[0] == {}


def test_zero_grad_forgets_gradients() -> None:
    p = tensor([1.0], requires_grad=True)
    p.grad = np.ones(1, np.float32)
    optim.SGD([p], lr=0.1).zero_grad()
    assert p.grad is None


# -- groups --------------------------------------------------------------------------------------------


def test_matrices_decay_and_vectors_do_not() -> None:
    made = model("gpt2")
    decayed, rest = optim.decay_groups(made, 0.1)
    names = {id(p): name for name, p in made.named_parameters()}
    assert [g["weight_decay"] for g in (decayed, rest)] == [0.1, 0.0]
    assert all(names[id(p)].endswith("weight") and "ln_" not in names[id(p)] for p in decayed["params"])
    assert all(names[id(p)].endswith("bias") or "ln_" in names[id(p)] for p in rest["params"])
    assert len(decayed["params"]) + len(rest["params"]) == len(names)


def test_each_group_has_its_settings_which_may_change_between_steps() -> None:
    p, q = tensor(np.ones(1), requires_grad=True), tensor(np.ones(1), requires_grad=True)
    optimizer = optim.SGD([{"params": [p], "lr": 0.5}, {"params": iter([q])}], lr=0.1)
    for x in (p, q):
        x.grad = np.ones(1)
    optimizer.step()
    assert (p.item(), q.item()) == (0.5, 0.9)
    optimizer.param_groups[1]["lr"] = 0.4
    optimizer.step()
    assert (p.item(), q.item()) == (0.0, 0.5)
