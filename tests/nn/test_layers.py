"""Layers: the functions they stand for, how their parameters begin, and dropout's stream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nn.place import place
from tinylm import functional as F
from tinylm import gradcheck, nn, tensor, use_device
from tinylm.backend import stream


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


X = rng().standard_normal((4, 3))


def test_a_linear_layer_is_x_times_w_plus_b() -> None:
    layer = nn.Linear(3, 2, rng=rng(), dtype=np.float64)
    layer.bias.data[:] = [1.0, 2.0]
    expected = [
        [sum(X[n, i] * layer.weight.data[i, o] for i in range(3)) + layer.bias.data[o] for o in range(2)]
        for n in range(4)
    ]
    np.testing.assert_allclose(layer(tensor(X)).numpy(), expected, rtol=1e-14, atol=1e-15)  # sums of four terms
    assert nn.Linear(3, 2, bias=False).bias is None


def test_norms_and_embeddings_are_the_functions_of_their_names() -> None:
    x, ids = tensor(X), np.array([[2, 0]])
    layer, root, table = nn.LayerNorm(3, dtype=np.float64), nn.RMSNorm(3, dtype=np.float64), nn.Embedding(4, 3)
    assert layer(x).tolist() == F.layer_norm(x, layer.weight, layer.bias).tolist()
    assert root(x).tolist() == F.rms_norm(x, root.weight).tolist()
    assert table(ids).tolist() == table.weight.numpy()[ids].tolist()
    assert nn.LayerNorm(3, bias=False).bias is None
    assert nn.LayerNorm(3, eps=1.0, dtype=np.float64)(x).tolist() == F.layer_norm(x, layer.weight, eps=1.0).tolist()


def test_norms_begin_as_plain_normalisation() -> None:
    rows = nn.LayerNorm(3, dtype=np.float64)(tensor(X * 50)).numpy()
    np.testing.assert_allclose(rows.mean(-1), 0, atol=1e-15)
    np.testing.assert_allclose((rows**2).mean(-1), 1, rtol=1e-5)  # eps is 1e-5 beside a variance above 1
    rows = nn.RMSNorm(3, dtype=np.float64)(tensor(X * 50)).numpy()
    np.testing.assert_allclose((rows**2).mean(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", [lambda: nn.Linear(3, 2), lambda: nn.LayerNorm(3), lambda: nn.RMSNorm(3)])
def test_gradients_of_a_layer_are_right(kind) -> None:
    layer = kind()
    names = [name for name, _ in layer.named_parameters()]
    values = [rng(1).standard_normal(p.shape) for p in layer.parameters()]

    def outputs(x, *values):
        place(layer, names, values)
        return layer(x).tanh()

    gradcheck(outputs, X, *values)


def test_linear_weights_begin_normal_with_the_scale_of_the_fan_in() -> None:
    weights = nn.Linear(400, 300, rng=rng()).weight.numpy()
    n = weights.size
    # the mean of n draws has deviation σ/√n, their deviation σ/√(2n): five of each
    assert abs(weights.mean()) < 5 * 0.05 / n**0.5
    assert abs(weights.std() / 0.05 - 1) < 5 / (2 * n) ** 0.5
    assert abs(nn.Linear(400, 300, std=0.3, rng=rng()).weight.numpy().std() / 0.3 - 1) < 5 / (2 * n) ** 0.5


def test_the_same_stream_means_the_same_weights_in_every_precision_and_place() -> None:
    wide = nn.Linear(5, 4, rng=stream(3, "init"), dtype=np.float64).weight.numpy()
    narrow = nn.Linear(5, 4, rng=stream(3, "init")).weight.numpy()
    with use_device("strict"):
        there = nn.Linear(5, 4, rng=stream(3, "init")).weight
    assert narrow.dtype == np.float32
    assert np.array_equal(narrow, wide.astype(np.float32))
    assert there.device == "strict"
    assert np.array_equal(there.numpy(), narrow)


def test_layers_without_a_stream_differ_from_each_other() -> None:
    assert nn.Linear(3, 3).weight.tolist() != nn.Linear(3, 3).weight.tolist()


# -- dropout -------------------------------------------------------------------------------------------


def test_dropout_is_the_identity_outside_of_training_and_at_zero() -> None:
    x = tensor(X)
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x


@given(st.floats(0.1, 0.9), st.integers(0, 2**32))
def test_dropout_keeps_the_mean_and_drops_the_share_it_should(p, seed) -> None:
    y = nn.Dropout(p, rng(seed))(tensor(np.ones(4000))).numpy()
    dropped = (y == 0).mean()
    assert set(np.unique(y)) <= {0.0, 1 / (1 - p)}
    # a share of 4000 independent draws has deviation √(p(1−p)/4000): six of them are passed once in 10⁹
    assert abs(dropped - p) < 6 * (p * (1 - p) / 4000) ** 0.5


def test_dropout_of_the_same_stream_is_the_same_and_draws_anew_each_time() -> None:
    x = tensor(np.ones(50))
    first, second = nn.Dropout(0.5, rng(1)), nn.Dropout(0.5, rng(1))
    one, two = first(x).tolist(), first(x).tolist()
    assert one != two
    assert [second(x).tolist(), second(x).tolist()] == [one, two]


def test_dropout_passes_gradients_where_it_passed_values() -> None:
    x = tensor(np.ones(50), requires_grad=True)
    y = nn.Dropout(0.3, rng())(x)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()


def test_everything_may_be_dropped() -> None:
    assert nn.Dropout(1.0)(tensor(X)).tolist() == (X * 0).tolist()


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_probability_lies_between_0_and_1(p) -> None:
    with pytest.raises(ValueError, match="a probability from 0 to 1"):
        nn.Dropout(p)
