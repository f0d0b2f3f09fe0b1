"""Dropout: the mean stays, the stream decides, p is a probability."""

import numpy as np
import pytest

import tinylm.functional as F
from tinylm import tensor

from . import laws
from .ladder import evaluate
from .test_ladder import climb


def test_the_expectation_is_kept_exactly(device):
    climb(laws.check_expectation_is_kept, "dropout", device)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_mean_of_many_stays_near_1(p, device):
    deviation = (p / (1 - p) / 200_000) ** 0.5
    assert abs(laws.mean_of_dropout(p, device) - 1) < 5 * deviation  # five standard deviations; the stream is fixed


def test_gradients_pass_where_values_pass(device):
    x = np.ones((50, 40))
    y, (dx,) = evaluate(lambda t: F.dropout(t, 0.3, rng=np.random.default_rng(1)), (x,), device)
    assert ((dx != 0) == (y != 0)).all()
    assert 0.6 < (y != 0).mean() < 0.8  # 0.7 ± 0.01 by 2000 draws


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7, 3)])
def test_the_same_stream_means_the_same_mask_on_every_device(shape, device):
    x = np.ones(shape)
    here, _ = evaluate(lambda t: F.dropout(t, 0.5, rng=np.random.default_rng(9)), (x,), device)
    there, _ = evaluate(lambda t: F.dropout(t, 0.5, rng=np.random.default_rng(9)), (x,), "numpy")
    assert (here == there).all()


def test_p_of_0_and_no_training_give_the_tensor_itself(device):
    x = tensor([1.0, 2.0], device=device)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 0.5, training=False) is x


def test_p_of_1_drops_everything(device):
    y, (dx,) = evaluate(lambda t: F.dropout(t, 1.0), (np.ones(5),), device)
    assert not y.any()
    assert not dx.any()


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("training", [True, False])
def test_p_must_be_a_probability(p, training):
    with pytest.raises(ValueError, match="p is a probability from 0 to 1"):
        F.dropout(tensor([1.0]), p, training=training)
