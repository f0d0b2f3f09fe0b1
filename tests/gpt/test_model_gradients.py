"""Gradients of the whole GPT: every parameter of every variant, numerically."""

import numpy as np
import pytest

from tests.gpt.variants import VARIANTS, batch, model
from tests.nn.place import place
from tinylm import gradcheck
from tinylm.backend import stream

every_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@every_variant
def test_the_gradient_of_every_parameter_is_right(variant, dropout) -> None:
    made = model(variant, spread=0.3, n_layer=1, dropout=dropout)
    ids, targets = batch(rows=2, length=4)
    state = made.state_dict()
    dropping = [module for module in made.modules() if hasattr(module, "rng")]

    def loss(*values):
        fresh = stream(0, "dropout")  # the same numbers for every evaluation
        for module in dropping:
            module.rng = fresh
        place(made, list(state), values)
        return made(ids, targets)[1]

    gradcheck(loss, *state.values(), directions=1)


@every_variant
def test_every_parameter_gets_a_gradient_that_is_not_0(variant) -> None:
    made = model(variant, spread=0.3)
    made(*batch())[1].backward()
    for name, p in made.named_parameters():
        assert p.grad is not None
        assert p.grad.numpy().any(), name


def test_gradients_of_two_halves_average_to_those_of_the_whole() -> None:
    made = model("gpt2", spread=0.3)
    ids, targets = batch(rows=4)
    made(ids, targets)[1].backward()
    whole = [p.grad.numpy().copy() for p in made.parameters()]
    made.zero_grad()
    for rows in (slice(2), slice(2, 4)):
        (made(ids[rows], targets[rows])[1] / 2).backward()
    for p, expected in zip(made.parameters(), whole, strict=True):
        # the same float64 sums in another order
        np.testing.assert_allclose(p.grad.numpy(), expected, rtol=1e-9, atol=1e-14)
