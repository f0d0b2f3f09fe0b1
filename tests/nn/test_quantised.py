"""Quantised layers give what widening the whole weight first gives, a block of rows at a time, and no gradients."""

import gc
import tracemalloc

import numpy as np
import pytest

import tinylm
from tests.formats.gguf_bytes import made
from tinylm import Tensor, no_grad, quantised
from tinylm.backend import DeviceError
from tinylm.formats.gguf import GGUFTensor, parse_gguf
from tinylm.formats.gguf_write import to_q8_0
from tinylm.formats.quants import FORMATS
from tinylm.nn import Parameter
from tinylm.quantised import QuantisedEmbedding, QuantisedLinear

ROUNDING = 3e-6  # of Σ |x w|: 512 sums in float32 could lose 512 · 2⁻²⁴ = 3e-5, and in BLAS's lanes lose far less


def stored(name: str, rows: int, columns: int, seed: int = 0) -> GGUFTensor:
    """A matrix in a format, of random blocks with small scales."""
    form = FORMATS[name]
    rng = np.random.default_rng(seed)
    if name == "Q8_0":
        data = to_q8_0(rng.normal(size=(rows * columns // 32, 32)).astype(np.float32))
    else:
        data = rng.integers(0, 256, (rows * columns // form.values, form.size), dtype=np.uint8)
        data[:, [1, 3]] = data[:, [1, 3]] & 3 | 0x20  # float16 from 2⁻⁷ to 2⁻⁶: the scale, and the offset
    return parse_gguf(made([], [("w", (columns, rows), form.number, data.tobytes())]).data).tensors["w"]


def vectors(shape: tuple[int, ...], seed: int = 1) -> Tensor:
    return Tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def assert_is_product(y: Tensor, x: Tensor, weight: np.ndarray) -> None:
    """y = x Wᵀ, worked out in float64."""
    rows, columns = x.numpy().astype(np.float64), weight.astype(np.float64).T
    assert y.shape == (*x.shape[:-1], len(weight))
    assert (abs(y.numpy() - rows @ columns) <= ROUNDING * (abs(rows) @ abs(columns))).all()


@pytest.mark.parametrize("shape", [(1, 1, 512), (512,), (3, 512), (2, 40, 512), (0, 512), (2, 1, 3, 512)])
@pytest.mark.parametrize("name", ["Q8_0", "Q4_1", "Q4_K"])
def test_linear_is_the_product_with_the_widened_weight(name: str, shape: tuple[int, ...]) -> None:
    weight = stored(name, 96, 512)
    x = vectors(shape)
    y = QuantisedLinear([(weight, None)])(x)
    assert y.dtype == np.float32
    assert_is_product(y, x, weight.numpy())


def test_parts_lie_one_below_the_other_with_their_rows_in_the_order_asked_for() -> None:
    q, k, v = stored("Q8_0", 64, 32, 1), stored("Q4_1", 32, 32, 2), stored("Q8_0", 32, 32, 3)
    order = np.random.default_rng(4).permutation(64)
    some = np.array([5, 5, 31, 0])
    layer = QuantisedLinear([(q, order), (k, some), (v, None)])
    assert (layer.inputs, layer.outputs) == (32, 100)
    x = vectors((2, 3, 32))
    assert_is_product(layer(x), x, np.concatenate([q.numpy()[order], k.numpy()[some], v.numpy()]))


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 48, 50])
def test_blocks_of_rows_meet_without_a_gap(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised, "BLOCK", 16 * 64)
    weight = stored("Q8_0", rows, 64)
    backwards = np.arange(rows)[::-1]
    x = vectors((5, 64))
    assert_is_product(QuantisedLinear([(weight, None)])(x), x, weight.numpy())
    assert_is_product(QuantisedLinear([(weight, backwards)])(x), x, weight.numpy()[::-1])


def test_a_bias_is_added_and_is_a_parameter_where_it_came_as_one() -> None:
    weight, bias = stored("Q8_0", 48, 32), np.arange(48, dtype=np.float32)
    x = vectors((2, 32))
    plain = QuantisedLinear([(weight, None)])(x).numpy()
    layer = QuantisedLinear([(weight, None)], Parameter(bias, requires_grad=False))
    np.testing.assert_array_equal(layer(x).numpy(), plain + bias)
    np.testing.assert_array_equal(QuantisedLinear([(weight, None)], bias)(x).numpy(), plain + bias)
    assert [name for name, _ in layer.named_parameters()] == ["bias"]


def test_the_embedding_gives_rows_of_the_table_for_ids_of_any_shape() -> None:
    table = stored("Q8_0", 50, 64)
    layer = QuantisedEmbedding(table)
    whole = table.numpy()
    for ids in ([3], [[0, 49, 49], [1, 2, 3]], np.zeros((2, 0), np.int64), np.array(7), np.array([[8]], np.uint16)):
        y = layer(ids)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y.numpy(), whole[np.asarray(ids, int)])
    for wrong in ([50], [-1], [[0, 51]]):
        with pytest.raises(ValueError, match="embedding: ids must be from 0 to 49, got"):
            layer(wrong)
    with pytest.raises(TypeError, match="whole numbers"):
        layer(np.array([0.5]))


def test_the_embedding_is_an_output_matrix_too() -> None:
    table = stored("Q4_1", 300, 128)
    x = vectors((2, 3, 128))
    assert_is_product(QuantisedEmbedding(table).logits(x), x, table.numpy())


def test_only_some_rows_are_widened_at_a_time() -> None:
    table = stored("Q8_0", 30_000, 256)  # 31 MB if widened
    linear, embedding = QuantisedLinear([(table, np.arange(30_000))]), QuantisedEmbedding(table)
    x = vectors((1, 256))
    for use, most in ((lambda: linear(x), 6e6), (lambda: embedding.logits(x), 6e6), (lambda: embedding([[1, 2]]), 1e5)):
        gc.collect()
        tracemalloc.start()
        use()
        assert tracemalloc.get_traced_memory()[1] < most
        tracemalloc.stop()


def test_where_a_gradient_is_wanted_there_is_an_error() -> None:
    layer = QuantisedLinear([(stored("Q8_0", 32, 32), None)])
    x = Tensor(np.ones((2, 32), np.float32), requires_grad=True)
    with pytest.raises(tinylm.GraphError, match=r"quantised weights give no gradients; use tinylm\.no_grad\(\)"):
        layer(x)
    with no_grad():
        assert not layer(x).requires_grad
    assert not layer(x.detach()).requires_grad


def test_shapes_and_devices_that_do_not_fit_are_named() -> None:
    weight = stored("Q8_0", 48, 32)
    with pytest.raises(ValueError, match=r"expected x of shape \(\.\.\., 32\), got \(2, 31\)"):
        QuantisedLinear([(weight, None)])(vectors((2, 31)))
    with pytest.raises(ValueError, match=r"bias of shape \(48,\), got \(32,\)"):
        QuantisedLinear([(weight, None)], np.zeros(32, np.float32))
    for parts in ([], [(weight, None), (stored("Q8_0", 48, 64), None)]):
        with pytest.raises(ValueError, match="matrices of one width"):
            QuantisedLinear(parts)
    with pytest.raises(DeviceError, match=r'on numpy, x is on strict; move it with \.to\("numpy"\)'):
        QuantisedLinear([(weight, None)])(vectors((2, 32)).to("strict"))


def test_float64_stays_float64() -> None:
    weight = stored("Q8_0", 48, 32)
    x = np.random.default_rng(0).normal(size=(3, 32))
    y = QuantisedLinear([(weight, None)])(Tensor(x))
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.numpy(), x @ weight.numpy().T.astype(np.float64), rtol=1e-12, atol=1e-13)
