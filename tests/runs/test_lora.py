"""Adapters on a model: they change nothing at first, they alone are trained, and they fold in."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinylm import GPT, GPTConfig, gradcheck, recompute, tensor
from tinylm import functional as F
from tinylm.autograd import use_kernels
from tinylm.lora import LAYERS, Adapter, LoRALinear, Trained, adapter_of, attach, merge, new_adapter
from tinylm.nn import Linear
from tinylm.optim import AdamW, decay_groups
from tinylm.train import training

ROOT = Path(__file__).parents[2]
GPT2 = GPTConfig(vocab_size=50, block_size=12, n_layer=2, n_head=2, n_embd=16)
LLAMA = GPTConfig(
    vocab_size=50, block_size=12, n_layer=2, n_head=4, n_embd=16, n_kv_head=2, bias=False, norm="rms", position="rope",
    mlp="swiglu", tie_weights=False,
)  # fmt: skip
IDS = np.random.default_rng(0).integers(0, 50, (3, 12))
BOTH = pytest.mark.parametrize("config", [GPT2, LLAMA], ids=["gpt2", "llama"])


def random_adapter(model: GPT, rank: int = 3, seed: int = 1) -> Adapter:
    """An adapter as training leaves one: no matrix is zero."""
    rng = np.random.default_rng(seed)
    fresh = new_adapter(model, rank, alpha=5.0)
    return Adapter({name: rng.normal(0, 0.3, array.shape) for name, array in fresh.arrays.items()}, alpha=5.0)


# -- at first --------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_a_new_adapter_changes_no_bit_of_the_logits(config, kernels):
    model = GPT(config, seed=3)
    with use_kernels(kernels):
        before = model(IDS)[0].numpy()
        attach(model, new_adapter(model, rank=4))
        assert model(IDS)[0].numpy().tobytes() == before.tobytes()


def test_all_linear_layers_of_the_blocks_are_adapted_and_nothing_else():
    model = GPT(LLAMA)
    attach(model, new_adapter(model))
    adapted = [path for path, layer in model.named_modules() if isinstance(layer, LoRALinear)]
    parts = ("attn.c_attn", "attn.c_proj", "mlp.c_gate", "mlp.c_fc", "mlp.c_proj")
    assert adapted == [f"h.{n}.{part}" for n in range(2) for part in parts]
    plain = {path.rpartition(".")[2] for path, layer in GPT(LLAMA).named_modules() if type(layer) is Linear}
    assert plain == {*LAYERS, "lm_head"}


def test_a_is_normal_with_the_variance_of_one_over_the_inputs_and_b_is_zero():
    wide = GPT(GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=1, n_embd=256))
    arrays = new_adapter(wide, rank=64, seed=2).arrays
    a = arrays["h.0.mlp.c_proj.lora_A"]  # 1024 × 64 numbers: the mean of squares is known to 1 in 181, so 5 σ are 3 %
    assert a.shape == (1024, 64)
    assert (a**2).mean() * 1024 == pytest.approx(1, rel=0.03)
    assert abs(a.mean()) * math.sqrt(1024) < 5 / math.sqrt(a.size)
    assert not any(array.any() for name, array in arrays.items() if name.endswith("lora_B"))
    assert np.array_equal(a, new_adapter(wide, rank=64, seed=2).arrays["h.0.mlp.c_proj.lora_A"])
    assert not np.array_equal(a, new_adapter(wide, rank=64, seed=3).arrays["h.0.mlp.c_proj.lora_A"])


# -- what it computes ------------------------------------------------------------------------------------


def layer(rng: np.random.Generator, bias: bool = True, rank: int = 2) -> LoRALinear:
    linear = Linear(5, 4, bias, rng=rng, dtype=np.float64)
    if bias:
        linear.bias.data[:] = rng.normal(size=4)
    return LoRALinear(linear, rng.normal(size=(5, rank)), rng.normal(size=(rank, 4)), alpha=6.0)


@pytest.mark.parametrize("bias", [True, False])
def test_the_layer_is_the_formula_number_by_number(bias):
    rng = np.random.default_rng(0)
    made, x = layer(rng, bias), rng.normal(size=(2, 3, 5))
    W, A, B = (p.numpy() for p in (made.weight, made.lora_A, made.lora_B))
    y = made(tensor(x)).numpy()
    for place in np.ndindex(2, 3):
        for o in range(4):
            want = made.bias.numpy()[o] if bias else 0.0
            for i in range(5):
                want += x[place][i] * (W[i, o] + 3.0 * sum(A[i, r] * B[r, o] for r in range(2)))  # alpha / rank = 3
            assert y[place][o] == pytest.approx(want, abs=1e-13)


def test_its_gradients_are_those_of_differences():
    rng = np.random.default_rng(1)
    made, x = layer(rng), rng.normal(size=(3, 5))

    def run(x, a, b):
        made.lora_A, made.lora_B = a, b
        return (made(x) ** 2).sum()

    gradcheck(run, x, made.lora_A.numpy(), made.lora_B.numpy())


@BOTH
def test_gradients_are_those_of_the_same_product_added_to_the_weight(config):
    """∂L/∂A = s · (∂L/∂W) Bᵀ and ∂L/∂B = s · Aᵀ (∂L/∂W), where W is the folded weight."""
    adapted = GPT(config, seed=3, dtype=np.float64)
    attach(adapted, random_adapter(adapted))
    adapted.loss_alone(IDS, IDS).backward()
    plain = merge(attach(GPT(config, seed=3, dtype=np.float64), adapter_of(adapted)))
    plain.loss_alone(IDS, IDS).backward()
    slopes = {name: p.grad.numpy() for name, p in plain.named_parameters()}
    for path, made in adapted.named_modules():
        if isinstance(made, LoRALinear):
            dW, A, B = slopes[f"{path}.weight"], made.lora_A.numpy(), made.lora_B.numpy()
            scale = np.abs(dW).max()
            np.testing.assert_allclose(made.lora_A.grad.numpy(), 5 / 3 * dW @ B.T, atol=1e-12 * scale, rtol=1e-9)
            np.testing.assert_allclose(made.lora_B.grad.numpy(), 5 / 3 * A.T @ dW, atol=1e-12 * scale, rtol=1e-9)


@pytest.mark.torch
@BOTH
def test_loss_and_gradients_are_those_of_a_twin_in_torch(config):
    torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install torch")
    model = GPT(config, seed=3, dtype=np.float64)
    attach(model, random_adapter(model))
    layers = {path: made for path, made in model.named_modules() if isinstance(made, LoRALinear)}
    path, made = list(layers.items())[3]
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2, 4, made.weight.shape[0]))
    g = rng.normal(size=(2, 4, made.weight.shape[1]))
    ours = tensor(x, requires_grad=True)
    (made(ours) * g).sum().backward()
    frozen = torch.nn.Linear(*made.weight.shape, bias=made.bias is not None, dtype=torch.float64)
    down = torch.nn.Linear(made.weight.shape[0], 3, bias=False, dtype=torch.float64)
    up = torch.nn.Linear(3, made.weight.shape[1], bias=False, dtype=torch.float64)
    with torch.no_grad():  # torch stores (out, in)
        for theirs, mine in ((frozen.weight, made.weight), (down.weight, made.lora_A), (up.weight, made.lora_B)):
            theirs.copy_(torch.tensor(mine.numpy().T))
        if made.bias is not None:
            frozen.bias.copy_(torch.tensor(made.bias.numpy()))
    frozen.requires_grad_(False)
    theirs_x = torch.tensor(x, requires_grad=True)
    y = frozen(theirs_x) + up(down(theirs_x)) * (5 / 3)
    (y * torch.tensor(g)).sum().backward()
    np.testing.assert_allclose(made(tensor(x)).numpy(), y.detach().numpy(), atol=1e-12, err_msg=path)
    np.testing.assert_allclose(made.lora_A.grad.numpy(), down.weight.grad.numpy().T, atol=1e-11)
    np.testing.assert_allclose(made.lora_B.grad.numpy(), up.weight.grad.numpy().T, atol=1e-11)
    np.testing.assert_allclose(ours.grad.numpy(), theirs_x.grad.numpy(), atol=1e-11)


def test_dropout_goes_before_the_adapter_alone_and_draws_from_the_models_stream():
    model = GPT(GPT2, seed=3, dtype=np.float64)
    arrays = random_adapter(model).arrays
    attach(model, Adapter(arrays, alpha=5.0, dropout=0.5))
    state = model.streams["dropout"].bit_generator.state
    one, two = model(IDS)[0].numpy(), model(IDS)[0].numpy()
    assert not np.array_equal(one, two)
    model.streams["dropout"].bit_generator.state = state
    assert np.array_equal(model(IDS)[0].numpy(), one)
    calm = attach(GPT(GPT2, seed=3, dtype=np.float64), Adapter(arrays, alpha=5.0))
    assert np.array_equal(model.eval()(IDS)[0].numpy(), calm(IDS)[0].numpy())
    first = model.h[0].attn.c_attn
    first.train()
    x = tensor(np.ones((1, 16)))
    first.lora_B.data[:] = 0
    assert np.array_equal(first(x).numpy(), F.linear(x, first.weight, first.bias).numpy()), "the rest is not dropped"


# -- what is trained -------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("again", [False, True], ids=["kept", "recomputed"])
def test_training_moves_the_adapter_and_neither_weights_nor_their_gradients(config, again):
    model = GPT(config, seed=3)
    attach(model, new_adapter(model, rank=2))
    model.recompute = again
    frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    before = {name: p.numpy().copy() for name, p in frozen.items()}
    optimizer = AdamW(decay_groups(Trained(model), 0.1), lr=0.01)
    losses = [record.loss for record in training(model, optimizer, [(IDS, IDS)] * 20, shards=2)]
    assert losses[-1] < losses[0] - 0.02
    assert all(np.array_equal(p.numpy(), before[name]) for name, p in frozen.items())
    assert all(p.grad_data is None for p in frozen.values())
    flat = next(iter(frozen.values())).place.flat
    assert not flat.gradients.any(), "the room for gradients of frozen weights is never written, so it takes no memory"
    assert {p.place.flat for p in frozen.values()} == {flat}
    moved = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[2] for name in moved} == {"lora_A", "lora_B"}
    states = sum(v.size for entry in optimizer.state for v in entry.values() if isinstance(v, np.ndarray))
    assert states == 2 * sum(p.size for p in model.parameters() if p.requires_grad)


def test_the_graph_ends_at_the_first_adapter():
    """Nothing below it wants a gradient, so nothing is computed there."""
    model = GPT(GPT2, seed=3)
    attach(model, new_adapter(model))
    x = model.wte(IDS)
    assert x.node is None
    assert not x.requires_grad


MEMORY = """
import sys
import numpy as np
from tinylm import GPT, GPTConfig
from tinylm.backend import peak_memory
from tinylm.lora import Trained, attach, new_adapter
from tinylm.nn import init
from tinylm.optim import AdamW
from tinylm.train import training

before = peak_memory()
with init.undrawn():
    model = GPT(GPTConfig(vocab_size=64, block_size=16, n_layer=4, n_head=4, n_embd=512))
for number, p in enumerate(model.parameters()):
    p.data[...] = 0.01 / (1 + number)
if sys.argv[1] == "lora":
    attach(model, new_adapter(model, rank=2))
ids = np.arange(16)[None]
for record in training(model, AdamW(Trained(model).parameters()), [(ids, ids)] * 2):
    pass
print((peak_memory() - before) / sum(p.data.nbytes for p in model.parameters()))
"""


def test_training_an_adapter_needs_the_memory_of_the_weights_and_little_more():
    """All weights need four times theirs: gradients and two moments. Here they have 50 MB, and the rest is small."""
    needed = {}
    for how in ("lora", "full"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        found = subprocess.run(
            [sys.executable, "-c", MEMORY, how], env=environment, capture_output=True, text=True, timeout=120
        )
        assert not found.returncode, found.stderr
        needed[how] = float(found.stdout)
    assert needed["lora"] < 1.6
    assert needed["full"] > 3.8


def test_recomputing_an_adapted_block_gives_the_same_gradients():
    model = GPT(GPT2, seed=3, dtype=np.float64)
    attach(model, random_adapter(model))
    x, positions = tensor(np.random.default_rng(2).normal(size=(2, 5, 16))), np.arange(5)
    slopes = []
    for block in (model.h[0], lambda *given: recompute(model.h[0], *given)):
        (block(x, positions) ** 2).sum().backward()
        slopes.append([p.grad.numpy().copy() for p in model.parameters() if p.requires_grad and p.grad is not None])
        model.zero_grad()
    assert len(slopes[0]) == 8
    assert all(np.array_equal(a, b) for a, b in zip(*slopes, strict=True))


# -- folding in ------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_merged_model_computes_what_the_adapted_one_did_and_is_plain_again(config, dtype):
    model = GPT(config, seed=3, dtype=dtype)
    names = list(model.state_dict())
    attach(model, random_adapter(model))
    before = model(IDS)[0].numpy()
    merge(model)
    # sums of up to 64 products of numbers near 1, in two orders, through two blocks: some hundred units of rounding
    assert np.abs(model(IDS)[0].numpy() - before).max() < 1000 * np.finfo(dtype).eps * np.abs(before).max()
    assert list(model.state_dict()) == names
    assert not any(isinstance(made, LoRALinear) for made in model.modules())
    assert all(p.requires_grad for p in model.parameters())
    model.loss_alone(IDS, IDS).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_an_adapter_can_be_read_off_and_put_on_another_copy():
    model = GPT(LLAMA, seed=3)
    attach(model, random_adapter(model))
    other = attach(GPT(LLAMA, seed=3), adapter_of(model))
    assert other(IDS)[0].numpy().tobytes() == model(IDS)[0].numpy().tobytes()


def test_merging_a_model_without_an_adapter_changes_nothing():
    model = GPT(GPT2, seed=3)
    before = model.state_dict()
    merge(model)
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    with pytest.raises(ValueError, match="no adapter"):
        adapter_of(model)


# -- what does not fit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, -1, 1.5, True, "8"])
def test_a_rank_is_a_whole_number_from_one_up(rank):
    with pytest.raises(ValueError, match="rank of an adapter must be a whole number from 1 up"):
        new_adapter(GPT(GPT2), rank)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 0.0}, "alpha must be a number above 0"),
        ({"alpha": math.nan}, "alpha must be a number"),
        ({"alpha": 1.0, "dropout": 1.0}, "dropout must be below 1"),
        ({"alpha": 1.0, "dropout": -0.1}, "dropout must be a number from 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Adapter(new_adapter(GPT(GPT2)).arrays, **settings)


def test_an_adapter_that_does_not_fit_leaves_the_model_as_it_was():
    model, arrays = GPT(GPT2, seed=3), dict(new_adapter(GPT(GPT2), rank=2).arrays)
    arrays["h.1.mlp.c_proj.lora_B"] = np.zeros((2, 17))
    with pytest.raises(ValueError, match=r"h\.1\.mlp\.c_proj is for 64 inputs and 17 outputs, the model has 64 and 16"):
        attach(model, Adapter(arrays, 1.0))
    with pytest.raises(ValueError, match=r"h\.0\.mlp\.c_gate, which is no layer"):
        attach(model, Adapter({k: v for k, v in new_adapter(GPT(LLAMA)).arrays.items() if "c_gate" in k}, 1.0))
    assert all(p.requires_grad for p in model.parameters())
    assert not any(isinstance(made, LoRALinear) for made in model.modules())
    attach(model, new_adapter(model))
    with pytest.raises(ValueError, match=r"has an adapter already; merge\(model\)"):
        attach(model, new_adapter(GPT(GPT2)))


@pytest.mark.parametrize("name", ["h.0.mlp.c_fc.lora_A", "h.0.mlp.c_fc.lora_B"])
def test_half_a_pair_is_no_adapter(name):
    arrays = dict(new_adapter(GPT(GPT2), rank=2).arrays)
    del arrays[name]
    with pytest.raises(ValueError, match=r"h\.0\.mlp\.c_fc needs two matrices"):
        Adapter(arrays, 1.0)
    with pytest.raises(ValueError, match="no matrices"):
        Adapter({}, 1.0)
