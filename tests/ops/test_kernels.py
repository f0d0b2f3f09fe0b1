"""NumPy's kernels at sizes that span their blocks, tiles, chunks and threads, and where their short cuts end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinylm.functional as F
from tinylm import Tensor, apply, no_grad, use_kernels
from tinylm.backend.threads import use_threads
from tinylm.ops import activation_numpy, attention_numpy, loss_numpy, matmul_numpy, normalization_numpy, op_named

from .ladder import both_close, close, evaluate

MODULES = (activation_numpy, attention_numpy, loss_numpy, normalization_numpy)
BLOCKS = {"CHUNK": 64, "BLOCK": 96, "SCORES": 300}


@pytest.fixture(params=["as they are", "small blocks, three threads"])
def blocks(request, monkeypatch):
    """The kernels as they are, or cut into so small pieces that small arrays have many, on several threads."""
    if request.param == "as they are":
        yield
        return
    for module in MODULES:
        monkeypatch.setattr(module, "SHARE", 1)
        for name, value in BLOCKS.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    with use_threads(3):
        yield


def random(rng, *shape, dtype=np.float64, size=1.0):
    return rng.normal(scale=size, size=shape).astype(dtype)


def compare(function, arrays, tolerance):
    """Values and gradients of kernel and reference, and the value where nothing is recorded."""
    fast = evaluate(function, arrays, "numpy")
    with use_kernels("reference"):
        readable = evaluate(function, arrays, "numpy")
    assert fast[0].dtype == readable[0].dtype
    both_close(fast, readable, tolerance)
    with no_grad():
        unrecorded = function(*map(Tensor, arrays)).numpy()
    close(unrecorded, readable[0], tolerance)


TILES = [1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 130]


@pytest.mark.parametrize("T", TILES)
@pytest.mark.parametrize(("heads", "late", "gated"), [((2, 2), 0, False), ((4, 2), 3, True), ((3, 1), 64, False)])
def test_causal_attention_over_tiles(blocks, T, heads, late, gated):
    rng = np.random.default_rng(T)
    H, G = heads
    q, k, v = random(rng, 3, H, T, 5), random(rng, 3, G, T + late, 5), random(rng, 3, G, T + late, 6)
    gates = (rng.random((3, H, T, T + late)) < 0.7) / 0.7 if gated else None

    def function(q, k, v):
        return apply(op_named("causal_attention"), q, k, v, gates)

    compare(function, [q, k, v], 1e-12)


@pytest.mark.parametrize("lead", [(), (1,), (2, 3)])
def test_causal_attention_under_any_leading_axes(blocks, lead):
    rng = np.random.default_rng(0)
    q, k, v = random(rng, *lead, 4, 40, 4), random(rng, *lead, 2, 40, 4), random(rng, *lead, 2, 40, 4)
    compare(F.causal_attention, [q, k, v], 1e-12)


def test_causal_attention_on_views_as_a_block_gives_them(blocks):
    qkv = random(np.random.default_rng(0), 2, 70, 3 * 12)

    def function(qkv):
        q, k, v = (F.split_heads(qkv, 3, 4, start=start) for start in (0, 12, 24))
        return F.merge_heads(F.causal_attention(q, k, v))

    compare(function, [qkv], 1e-12)


@pytest.mark.parametrize("size", [1.0, 30.0, 1e3, 1e4])
def test_scores_beyond_the_range_of_exp(blocks, size):
    rng = np.random.default_rng(1)
    arrays = [random(rng, 2, 2, 70, 4, dtype=np.float32) for _ in range(3)]
    arrays[0][:, :, ::3] *= size  # some rows leave the safe range, their neighbours do not
    with np.errstate(all="raise"):
        y = F.causal_attention(*map(Tensor, arrays)).numpy()
    assert np.isfinite(y).all()
    with use_kernels("reference"):
        wanted = F.causal_attention(*(Tensor(a.astype(np.float64)) for a in arrays)).numpy()
    close(y[:, :, 1::3], wanted[:, :, 1::3].astype(np.float32), 2e-6)
    close(y, wanted.astype(np.float32), 2e-6 * max(1.0, size))  # a score of s is rounded to s · 6e-8


@pytest.mark.parametrize("change", [1.0, 1e3, 1e20, np.inf, np.nan])
@given(T=st.integers(2, 90), data=st.data())
def test_no_bit_of_the_past_depends_on_the_future(change, T, data):
    """Whatever comes later: also scores so large that rows of the same tile need their maximum taken off."""
    t = data.draw(st.integers(0, T - 1))
    rng = np.random.default_rng(T)
    q, k, v = (random(rng, 1, 2, T, 4, dtype=np.float32) for _ in range(3))
    before = F.causal_attention(Tensor(q), Tensor(k), Tensor(v)).numpy()[:, :, : t + 1].copy()
    q[:, :, t + 1 :] = change
    k[:, :, t + 1 :] = change
    if np.isfinite(change):
        v[:, :, t + 1 :] = change
    after = F.causal_attention(Tensor(q), Tensor(k), Tensor(v)).numpy()[:, :, : t + 1]
    assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("N", [1, 2, 17, 64])
@pytest.mark.parametrize("C", [1, 7, 96, 300])
@pytest.mark.parametrize("name", ["layer_norm", "layer_norm without bias", "rms_norm"])
def test_norms_over_blocks_of_rows(blocks, name, N, C):
    rng = np.random.default_rng(N + C)
    x, gain, bias = random(rng, N, 2, C, size=3.0) + 2, random(rng, C), random(rng, C)
    arrays = [x, gain, bias] if name == "layer_norm" else [x, gain]
    function = {"eps": 1e-3}
    op = F.rms_norm if name == "rms_norm" else F.layer_norm
    compare(lambda *arrays: op(*arrays, **function), arrays, 1e-11)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 4000, activation_numpy.CHUNK + 5])
@pytest.mark.parametrize("name", ["gelu", "gelu tanh", "silu"])
def test_activations_over_chunks(blocks, name, size):
    x = random(np.random.default_rng(size), size, size=3.0)
    function = {"gelu": F.gelu, "gelu tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu}[name]
    compare(function, [x], 1e-13)


@pytest.mark.parametrize("x", [-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_silu_far_out(x, dtype):
    leaf = Tensor(np.array([x], dtype), requires_grad=True)
    with np.errstate(all="raise", under="ignore"):
        y = F.silu(leaf)
        y.sum().backward()
    assert y.item() == pytest.approx(max(x, 0.0), abs=1e-6 * max(1, abs(x)) if dtype == np.float32 else 5e-8)
    assert leaf.grad.item() == pytest.approx(float(x > 0) if x else 0.5, abs=5e-6)


@pytest.mark.parametrize(("N", "V"), [(1, 1), (3, 7), (40, 33), (5, 400)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_over_blocks_of_rows(blocks, N, V, reduction, smoothing):
    rng = np.random.default_rng(N * V)
    logits, targets = random(rng, 2, N, V, size=2.0), rng.integers(0, V, (2, N))
    targets[0, 0] = -1

    def function(logits):
        return F.softmax_cross_entropy(logits, targets, ignore_index=-1, label_smoothing=smoothing, reduction=reduction)

    compare(function, [logits], 1e-12)
    compare(lambda x: function(x) * 3.0, [logits], 1e-12)


@pytest.mark.parametrize("size", [10.0, 1e3, 1e4])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_logits_beyond_the_range_of_exp(blocks, size, smoothing):
    rng = np.random.default_rng(2)
    logits, targets = random(rng, 30, 11), rng.integers(0, 11, 30)
    logits[::4] *= size
    logits[1::4] += size
    with np.errstate(all="raise", under="ignore"):
        compare(lambda x: F.softmax_cross_entropy(x, targets, label_smoothing=smoothing), [logits], 1e-11)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtypes", [(np.float32, np.float32), (np.float64, np.float32), (np.float32, np.float64)])
def test_linear_of_mixed_precisions(transposed, dtypes):
    rng = np.random.default_rng(0)
    x, weight = random(rng, 2, 3, 4, dtype=dtypes[0]), random(rng, *((5, 4) if transposed else (4, 5)), dtype=dtypes[1])
    compare(lambda x, w: F.linear(x, w, transposed=transposed), [x, weight], 1e-6)


@pytest.mark.parametrize("N", [1, 2, 3, 4, 7, 16, 17])
@pytest.mark.parametrize("transposed", [False, True])
def test_linear_of_few_rows_and_a_large_weight(N, transposed, monkeypatch):
    monkeypatch.setattr(matmul_numpy, "LARGE", 1)
    monkeypatch.setattr(matmul_numpy, "BLOCK", 3)
    rng = np.random.default_rng(N)
    x, weight, bias = random(rng, 1, N, 4), random(rng, *((8, 4) if transposed else (4, 8))), random(rng, 8)
    compare(lambda x, w, b: F.linear(x, w, b, transposed=transposed), [x, weight, bias], 1e-13)


@pytest.mark.parametrize("heads", [(1, 1), (4, 2), (6, 2), (3, 1)])
@pytest.mark.parametrize("size", [1.0, 1e4])
@pytest.mark.parametrize("lead", [(), (1,), (2, 3)])
def test_the_last_query_alone_as_decoding_asks(heads, size, lead):
    rng = np.random.default_rng(3)
    q, k, v = (
        random(rng, *lead, heads[0], 1, 4, size=size),
        random(rng, *lead, heads[1], 9, 4),
        random(rng, *lead, heads[1], 9, 5),
    )
    with no_grad():
        fast = F.causal_attention(*map(Tensor, (q, k, v))).numpy()
        with use_kernels("reference"):
            readable = F.causal_attention(*map(Tensor, (q, k, v))).numpy()
    close(fast, readable, 1e-12)
