"""Adapters: code in the way of courses is judged as it is, and what is not installed is named."""

import importlib
import sys
import types

import numpy as np
import pytest

from tinylm.testing import adapters as adapt
from tinylm.testing import arrays, check_law, laws, laws_of, must_hold
from tinylm.testing.adapters.coders import ranks_to_merges
from tinylm.testing.adapters.missing import PACKAGES, wanted
from tokenizer import train_bpe

from .taught import CS336Tokenizer, MinBPE, MiniTensor, NeedleTensor, TurnedRound, cs336_train
from .wrong_numbers import Value, cross_entropy

SAMPLE = ["the cat's hat isn't that she'll pay 2000 for; abab aaaa 你好你好 naïve low lower lowest"] * 3


NEEDLE = types.SimpleNamespace(Tensor=NeedleTensor)
MINITORCH = types.SimpleNamespace(Tensor=MiniTensor, SimpleBackend=object())
ENGINES = {
    "needle": lambda: adapt.needle_library(NEEDLE),
    "minitorch": lambda: adapt.minitorch_library(MINITORCH),
    "micrograd": lambda: adapt.value_library(Value),
}


WITHOUT = {  # needle puts gradients in place of old ones
    "needle": {"backward_twice_adds"},
}


@pytest.mark.parametrize("kind", ENGINES)
def test_engines_in_the_way_of_courses_are_judged(kind):
    library = ENGINES[kind]()
    for law in laws_of("engine"):
        if law.name not in WITHOUT.get(kind, ()):
            must_hold(law, library, tries=20)


def test_two_minus_x_that_is_x_minus_two_is_found():
    library = adapt.needle_library(types.SimpleNamespace(Tensor=TurnedRound))
    tried = check_law(laws.plain_numbers_mix_in, library)
    assert tried.smallest == {"form": "2 - x", "number": 0.0}


@pytest.mark.parametrize("kind", ["needle", "minitorch"])
def test_functions_of_a_little_tensor_library_are_judged(kind):
    f = ENGINES[kind]().differentiable(lambda a, b: a * b + a, 2)
    for law in laws_of("gradient"):
        must_hold(law, f, tries=40)
    for law in laws_of("gradient"):
        must_hold(law, ENGINES[kind]().differentiable(lambda x: x * x, 1), tries=20)


def test_arrays_without_axes_come_back_from_minitorch_without_axes():
    f = ENGINES["minitorch"]().differentiable(lambda a, b: a * b, 2)
    one, none, two = np.array([2.0]), np.array(3.0), np.array([4.0, 5.0])
    for arrays_ in ((one, none), (none, one), (none, none), (none, two), (one, one)):
        y = f.forward(*arrays_)
        assert np.array_equal(y, arrays_[0] * arrays_[1])
        assert y.shape == (arrays_[0] * arrays_[1]).shape
        assert [g.shape for g in f.gradients(np.ones_like(y), *arrays_)] == [a.shape for a in arrays_]


def test_two_minus_x_that_is_x_minus_two_is_found_in_minitorch():
    class Turned(MiniTensor):
        __rsub__ = MiniTensor.__sub__

    library = adapt.minitorch_library(types.SimpleNamespace(Tensor=Turned, SimpleBackend=object()))
    assert check_law(laws.plain_numbers_mix_in, library).smallest == {"form": "2 - x", "number": 0.0}


@pytest.mark.parametrize(
    "name",
    [
        "training_a_tokenizer_repeats_itself",
        "larger_vocabularies_begin_alike",
        "trained_tokenizers_lose_nothing",
    ],
)
def test_trainers_in_minbpes_way_are_judged(name):
    must_hold(getattr(laws, name), adapt.minbpe_trainer(MinBPE), tries=20)


def test_a_trainer_in_minbpes_way_depends_on_the_order_which_is_found():
    tried = check_law(laws.order_of_documents_does_not_matter, adapt.minbpe_trainer(MinBPE))
    assert not tried.held
    assert len("".join(tried.smallest["documents"])) <= 6


def judge(coder, least):
    """Every law of tokenizers that applies, which are at least so many."""
    applying = [law for law in laws_of("tokenizer") if all(getattr(coder, name) is not None for name in law.needs)]
    assert len(applying) >= least
    for law in applying:
        must_hold(law, coder, tries=20)


def test_coders_in_minbpes_way_are_judged():
    tok = MinBPE()
    tok.train("abab aab the theme 你好 " * 3, 266)
    judge(adapt.minbpe_coder(tok), 5)


def test_trainers_in_the_way_of_cs336_are_judged():
    trainer = adapt.cs336_trainer(cs336_train, CS336Tokenizer)
    for law in laws_of("tokenizer training"):
        if law.name != "workers_do_not_matter":
            must_hold(law, trainer, tries=10)


def test_coders_in_the_way_of_cs336_are_judged():
    coder = adapt.cs336_trainer(cs336_train, CS336Tokenizer).train(SAMPLE, 300, [])
    judge(coder, 6)


def test_merges_come_back_from_ranks():
    tok = train_bpe(SAMPLE, 300, special_tokens=[])
    assert ranks_to_merges({token: i for i, token in tok.vocab.items()}) == tok.merges


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_not_installed_is_named(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"not installed; type: pip install {PACKAGES[package]}"):
        wanted(package)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


@pytest.mark.torch
def test_torch_is_judged(torch):
    library = adapt.torch_library()
    for law in laws_of("engine"):
        must_hold(law, library, tries=15)
    must_hold(laws.gradients_are_numerical, library.differentiable(torch.tanh, 1), tries=15)
    for law in laws_of("softmax"):
        must_hold(law, adapt.torch_function(lambda x: torch.softmax(x, -1)), tries=15)
    must_hold(laws.clipping_bounds_the_norm, adapt.torch_clipping, tries=15)
    must_hold(laws.top_k_keeps_k, adapt.torch_sampler(), tries=15)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_of_torch_with_poles_and_jumps_are_not_accused(torch, dtype):
    library = adapt.torch_library(dtype)
    one = [lambda x: 1 / (x * x), lambda x: x**-3, torch.tan, lambda x: torch.tanh(20 * x), torch.sign, torch.round]
    for fn in one:
        must_hold(laws.gradients_are_numerical, library.differentiable(fn, 1), tries=40)
    for fn in (lambda x, y: x / (y * y), torch.atan2):
        must_hold(laws.gradients_are_numerical, library.differentiable(fn, 2), tries=40)


class Bag:
    """Logits from the mean of all ids up to its own, or of all ids."""

    def make(self, torch, sees_all=False):
        class Module(torch.nn.Module):
            def __init__(self):
                super().__init__()
                torch.manual_seed(0)
                self.table = torch.nn.Embedding(7, 4)

            def forward(self, ids):
                x = self.table(ids)
                seen = x.cumsum(1) / torch.arange(1, ids.shape[1] + 1)[:, None]
                return (x.mean(1, keepdim=True) + 0 * x if sees_all else seen) @ self.table.weight.T

        return Module()


@pytest.mark.torch
def test_a_module_of_torch_is_judged(torch):
    model = adapt.torch_model(Bag().make(torch), 7, 6)
    for law in laws_of("model"):
        if law.name != "cached_equals_uncached":
            must_hold(law, model, tries=15)
    assert not check_law(laws.model_sees_no_future, adapt.torch_model(Bag().make(torch, sees_all=True), 7, 6)).held


@pytest.mark.torch
def test_training_with_torch_is_judged(torch):
    def batch(seed):
        rng = np.random.default_rng(seed)
        return rng.normal(size=(4, 3)), rng.normal(size=(4, 1))

    def make():
        torch.manual_seed(0)
        return torch.nn.Linear(3, 1).double()

    def loss(net, x, y):
        return ((net(x) - y) ** 2).mean()

    trainer = adapt.torch_training(make, lambda p: torch.optim.AdamW(p, lr=0.1), loss, batch)
    for law in laws_of("training"):
        must_hold(law, trainer, tries=10)


@pytest.mark.torch
def test_functions_of_cs336_are_judged(torch):
    def attention(Q, K, V, mask=None):
        scores = Q @ K.transpose(-1, -2) / Q.shape[-1] ** 0.5
        return torch.softmax(scores.masked_fill(~mask, float("-inf")), -1) @ V

    def clip(parameters, max_l2_norm):
        torch.nn.utils.clip_grad_norm_(parameters, max_l2_norm)

    module = types.SimpleNamespace(
        run_softmax=lambda in_features, dim: torch.softmax(in_features, dim),
        run_scaled_dot_product_attention=attention,
        run_gradient_clipping=clip,
        run_cross_entropy=lambda inputs, targets: torch.tensor(cross_entropy(inputs.numpy(), targets.numpy())),
    )
    found = adapt.cs336_functions(module)
    assert set(found) == {"softmax", "attention", "loss", "clipping"}
    for topic, function in found.items():
        for law in laws_of(topic):
            must_hold(law, function, tries=15)
    assert set(adapt.cs336_functions(types.SimpleNamespace(run_softmax=module.run_softmax))) == {"softmax"}


def installed(name):
    return pytest.importorskip(name, reason=f"{name} is not installed")


def test_hugging_faces_tokenizers_are_judged():
    installed("tokenizers")
    trainer = adapt.huggingface_trainer()
    must_hold(laws.order_of_documents_does_not_matter, trainer, tries=10)
    must_hold(laws.every_merge_is_a_most_frequent_pair, trainer, tries=10)
    coder = trainer.train(SAMPLE, 310, ["<|end|>"])
    judge(coder, 6)
    spaced = adapt.huggingface_trainer(add_prefix_space=True).train(SAMPLE, 310, [])
    assert not check_law(laws.text_survives_a_round_trip, spaced).held


def test_tiktoken_is_judged():
    tiktoken = installed("tiktoken")
    ours = train_bpe(SAMPLE, 310, special_tokens=[])
    ranks = {token: i for i, token in ours.vocab.items()}
    pattern = r"\p{L}+|\p{N}+|[^\p{L}\p{N}]+"
    coder = adapt.tiktoken_coder(
        tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|end|>": 310}), ranks
    )
    judge(coder, 6)


@pytest.mark.parametrize("name", ["autograd", "mygrad"])
def test_libraries_of_gradients_are_judged(name):
    installed(name)
    library = getattr(adapt, f"{name}_library")()
    for law in laws_of("engine"):
        if law.name != "backward_twice_adds":
            must_hold(law, library, tries=10)
    module = importlib.import_module({"autograd": "autograd.numpy"}.get(name, name))
    tie = check_law(laws.gradients_are_numerical, library.differentiable(lambda a: module.maximum(a, a * 1.0), 1))
    assert tie.held == (name == "autograd")  # MyGrad gives neither argument of a tie a gradient, and says so
    must_hold(
        laws.gradients_are_numerical,
        library.differentiable(lambda a: module.max(a, axis=-1), 1),
        tries=10,
        arrays=arrays((2, 2)).map(lambda x: (x,)),
    )
