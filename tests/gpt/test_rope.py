"""Stretched rotary positions: against plain ones, against formulas written pair by pair, and what is refused."""

import math

import numpy as np
import pytest

from tinylm import GPT, Cache, GPTConfig, gradcheck, no_grad
from tinylm import functional as F
from tinylm.autograd import tensor
from tinylm.rope import check_scaling, frequencies, scaled_rotary

LLAMA3 = {"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_context": 8192}
YARN = {"type": "yarn", "factor": 4.0, "original_context": 4096}


def llama3(i, h, base):
    """One frequency, by the three cases of Llama 3.1's card, in terms of wavelengths."""
    f = base ** (-i / h)
    length = 2 * math.pi / f
    if length < 8192 / 4.0:
        return f
    if length > 8192 / 1.0:
        return f / 8.0
    smooth = (8192 / length - 1.0) / (4.0 - 1.0)
    return (1 - smooth) * f / 8.0 + smooth * f


def yarn(i, h, base):
    """One frequency, by the ramp of Peng et al. between the pairs that turn 32 times and once in the context."""

    def pair(times):
        return 2 * h * math.log(4096 / (times * 2 * math.pi)) / (2 * math.log(base))

    low, high = max(math.floor(pair(32)), 0), min(math.ceil(pair(1)), 2 * h - 1)
    ramp = min(max((i - low) / (high - low), 0), 1)
    f = base ** (-i / h)
    return f / 4.0 * ramp + f * (1 - ramp)


@pytest.mark.parametrize(("scaling", "oracle"), [(LLAMA3, llama3), (YARN, yarn)])
@pytest.mark.parametrize("base", [10000.0, 500000.0])
def test_frequencies_are_those_of_the_formula_written_pair_by_pair(scaling, oracle, base):
    found, scale = frequencies(64, base, check_scaling(scaling, 64))
    np.testing.assert_allclose(found, [oracle(i, 32, base) for i in range(32)], rtol=1e-14)
    assert scale == (1.0 if scaling is LLAMA3 else 0.1 * math.log(4.0) + 1)
    plain = 10000.0 ** (-np.arange(32) / 32) if base == 10000.0 else None
    if plain is not None:
        assert (found < plain).any()
        assert found[0] == 1.0  # the fastest pair keeps its pace


def test_linear_scaling_divides_positions():
    x = tensor(np.random.default_rng(0).standard_normal((2, 3, 8)))
    waves, scale = frequencies(8, 100.0, check_scaling({"type": "linear", "factor": 2}, 8))
    slow = scaled_rotary(x, np.array([0, 2, 8]), waves, scale).numpy()
    np.testing.assert_allclose(slow, F.rotary(x, [0, 1, 4], base=100.0).numpy(), atol=1e-15)


def test_gradients_of_scaled_rotary():
    waves, _ = frequencies(4, 100.0, {"type": "divisors", "divisors": [1.0, 3.0]})
    gradcheck(lambda x: scaled_rotary(x, np.array([3, 5]), waves, 1.25), np.random.default_rng(0).random((2, 2, 4)))


@pytest.mark.parametrize("scaling", [LLAMA3, YARN, {"type": "linear", "factor": 3.0}])
def test_with_a_cache_a_scaled_model_gives_the_same_logits(scaling):
    config = GPTConfig(17, 32, 2, 2, 16, position="rope", norm="rms", mlp="swiglu", rope_scaling=scaling, head_dim=6)
    model = GPT(config, seed=3, dtype=np.float64)
    ids = np.arange(12)[None] % 17
    cache = Cache(config)
    with no_grad():
        whole, _ = model(ids)
        parts = [model(ids[:, a:b], cache=cache)[0].numpy() for a, b in ((0, 5), (5, 6), (6, 12))]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole.numpy(), atol=1e-13)
    assert model.h[0].attn.c_attn.weight.shape == (16, 3 * 2 * 6)
    assert model.h[0].attn.c_proj.weight.shape == (12, 16)


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        ({"type": "dynamic", "factor": 2.0}, "one of linear, llama3, yarn, divisors; got 'dynamic'"),
        ({"factor": 2.0}, "got None"),
        ({"type": ["linear"]}, "got "),
        ({"type": "linear"}, "needs factor"),
        ({"type": "linear", "factor": 0}, "factor must be a number above 0, got 0"),
        ({"type": "linear", "factor": float("nan")}, "factor must be a number above 0, got nan"),
        ({"type": "linear", "factor": True}, "factor must be a number above 0, got True"),
        ({"type": "linear", "factor": 2, "beta": 1}, "no setting beta"),
        (LLAMA3 | {"high_freq_factor": 1.0}, "must be above low_freq_factor"),
        (YARN | {"truncate": 1}, "truncate must be true or false"),
        ({"type": "divisors", "divisors": [1.0]}, "expected a list of 4 numbers"),
        ({"type": "divisors", "divisors": [1.0, 0, 1, 1]}, "must be a number above 0, got 0"),
    ],
)
def test_what_a_scaling_may_not_be(scaling, message):
    with pytest.raises(ValueError, match="rope_scaling") as caught:
        GPTConfig(17, 32, 2, 2, 16, position="rope", rope_scaling=scaling)
    assert message in str(caught.value)


def test_scaling_without_rope_is_refused():
    with pytest.raises(ValueError, match="needs position"):
        GPTConfig(17, 32, 2, 2, 16, rope_scaling={"type": "linear", "factor": 2})


def test_biases_can_be_chosen_part_by_part():
    model = GPT(GPTConfig(17, 32, 1, 2, 16, bias=False, qkv_bias=True))
    assert [name for name, _ in model.named_parameters() if name.endswith("bias")] == ["h.0.attn.c_attn.bias"]
    model = GPT(GPTConfig(17, 32, 1, 2, 16, qkv_bias=False, proj_bias=False, mlp_bias=False))
    assert not any("attn" in n or "mlp" in n for n, _ in model.named_parameters() if n.endswith("bias"))


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["linear", "llama3", "yarn"])
def test_frequencies_are_those_of_transformers(kind):
    transformers = pytest.importorskip("transformers")
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {"linear": {"type": "linear", "factor": 2.0}, "llama3": LLAMA3, "yarn": YARN}[kind]
    theirs = {k: v for k, v in scaling.items() if k not in ("type", "original_context")}
    theirs |= {"rope_type": kind, "rope_theta": 10000.0}
    if "original_context" in scaling:
        theirs["original_max_position_embeddings"] = scaling["original_context"]
    config = transformers.LlamaConfig(
        hidden_size=256, num_attention_heads=4, max_position_embeddings=131072, rope_parameters=theirs
    )
    wanted, wanted_scale = ROPE_INIT_FUNCTIONS[kind](config, "cpu")
    found, scale = frequencies(64, 10000.0, check_scaling(scaling, 64))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-6)  # theirs are computed in float32
    assert scale == pytest.approx(wanted_scale)
