"""Every law holds for this project's own code: the engine, ops, models, training, sampling and tokenizers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylm import GPT, GPTConfig, optim, tensor
from tinylm import functional as F
from tinylm.optim import clip_grad_norm
from tinylm.testing import adapters as adapt
from tinylm.testing import arrays, gpt_configs, laws, laws_of, logits, matmul_operands, must_hold
from tokenizer import PATTERNS, train_bpe

TRIES = 25
LIBRARY = adapt.tinylm_library()

FUNCTIONS = {  # name → (function, arguments, inputs in place of what is drawn)
    "add": (lambda a, b: a + b, 2, None),
    "multiply": (lambda a, b: a * b, 2, None),
    "divide": (lambda a, b: a / b, 2, None),
    "power": (lambda a, b: (a * a + 1) ** b, 2, None),
    "maximum": (F.maximum, 2, None),
    "matmul": (lambda a, b: a @ b, 2, matmul_operands(max_side=2)),
    "exp": (lambda a: a.exp(), 1, None),
    "tanh": (lambda a: a.tanh(), 1, None),
    "relu": (F.relu, 1, None),
    "gelu": (F.gelu, 1, None),
    "silu": (F.silu, 1, None),
    "softmax": (lambda a: F.softmax(a, axis=-1), 1, st.tuples(arrays((2, 3)))),
    "log_softmax": (lambda a: F.log_softmax(a, axis=-1), 1, st.tuples(arrays((2, 3)))),
    "layer_norm": (F.layer_norm, 3, st.tuples(arrays((2, 3)), arrays((3,)), arrays((3,)))),
    "rms_norm": (F.rms_norm, 2, st.tuples(arrays((2, 3)), arrays((3,)))),
    "causal_attention": (F.causal_attention, 3, st.tuples(*[arrays((1, 1, 2, 2))] * 3)),
    "max": (lambda a: a.max(axis=-1), 1, st.tuples(arrays((2, 3)))),
    "mean": (lambda a: a.mean(axis=0), 1, st.tuples(arrays((2, 3)))),
}


@pytest.mark.parametrize("law", laws_of("engine"), ids=lambda law: law.name)
def test_the_engine_obeys(law):
    must_hold(law, LIBRARY, tries=TRIES)


@pytest.mark.parametrize("law", laws_of("gradient"), ids=lambda law: law.name)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_obeys_the_laws_of_gradients(law, name):
    fn, arguments, drawn = FUNCTIONS[name]
    must_hold(law, LIBRARY.differentiable(fn, arguments), tries=TRIES, **({} if drawn is None else {"arrays": drawn}))


@pytest.mark.parametrize("law", [*laws_of("softmax"), *laws_of("rows")], ids=lambda law: law.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_obeys(law, dtype):
    must_hold(law, adapt.tinylm_function(lambda x: F.softmax(x, axis=-1), dtype), tries=TRIES)


@pytest.mark.parametrize("law", [*laws_of("layer_norm"), *laws_of("rows")], ids=lambda law: law.name)
def test_layer_norm_obeys(law):
    def norm(x):
        C = x.shape[-1]
        return F.layer_norm(x, tensor(np.ones(C)), tensor(np.zeros(C)))

    must_hold(law, adapt.tinylm_function(norm), tries=TRIES)


@pytest.mark.parametrize("law", laws_of("attention"), ids=lambda law: law.name)
def test_attention_obeys(law):
    must_hold(law, adapt.tinylm_function(F.causal_attention), tries=TRIES)


CONFIGS = {
    "gpt2": {},
    "llama": {"norm": "rms", "position": "rope", "mlp": "swiglu", "n_kv_head": 1, "bias": False, "tie_weights": False},
}


def small(kind, seed=0, dtype=np.float64, **more):
    model = GPT(GPTConfig(7, 6, n_layer=2, n_head=2, n_embd=8, **CONFIGS[kind], **more), seed=seed, dtype=dtype)
    model.load_state_dict({name: 10 * array for name, array in model.state_dict().items()})
    return model


@pytest.mark.parametrize("law", laws_of("model"), ids=lambda law: law.name)
@pytest.mark.parametrize("kind", CONFIGS)
def test_models_obey(law, kind):
    must_hold(law, adapt.tinylm_model(small(kind)), tries=TRIES)


@settings(max_examples=30, deadline=None)
@given(gpt_configs())
def test_a_model_of_any_configuration_sees_no_future_and_caches(config):
    model = adapt.tinylm_model(GPT(config, seed=1, dtype=np.float64))
    ids = np.arange(2 * config.block_size).reshape(2, -1) % config.vocab_size
    laws.model_sees_no_future(model, ids=ids, other=1.0)
    laws.cached_equals_uncached(model, ids=ids, cuts=[1, 2, 4])


@pytest.mark.parametrize("law", laws_of("training"), ids=lambda law: law.name)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_training_obeys(law, optimizer):
    make = {
        "adamw": lambda p: optim.AdamW(p, lr=1e-2),
        "sgd": lambda p: optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.1),
    }[optimizer]

    def batch(seed):
        drawn = np.random.default_rng(seed).integers(0, 7, (2, 5))
        return drawn[:, :-1], drawn[:, 1:]

    must_hold(law, adapt.tinylm_training(lambda: small("gpt2"), make, batch), tries=10)


def test_sgd_stands_still_where_gradients_are_zero():
    def step(parameters, gradients):
        leaves = [tensor(p, requires_grad=True) for p in parameters]
        for leaf, gradient in zip(leaves, gradients, strict=True):
            (leaf * tensor(gradient)).sum().backward()
        optim.SGD(leaves, lr=0.5, momentum=0.9).step()
        return [leaf.numpy() for leaf in leaves]

    must_hold(laws.zero_gradient_moves_nothing, step, tries=TRIES)


def test_clipping_obeys():
    def clip(gradients, max_norm):
        leaves = [tensor(np.zeros(g.shape), requires_grad=True) for g in gradients]
        for leaf, gradient in zip(leaves, gradients, strict=True):
            (leaf * tensor(gradient)).sum().backward()
        norm = clip_grad_norm(leaves, max_norm)
        return [leaf.grad.numpy() for leaf in leaves], norm

    must_hold(laws.clipping_bounds_the_norm, clip, tries=TRIES)


@pytest.mark.parametrize("law", laws_of("loss"), ids=lambda law: law.name)
def test_the_loss_obeys(law):
    def loss(given, ids):
        return F.softmax_cross_entropy(given, ids, ignore_index=-100)

    must_hold(law, adapt.tinylm_function(loss), tries=TRIES)


def test_the_loss_of_huge_logits_is_finite_and_has_a_gradient():
    loss = LIBRARY.differentiable(lambda x: F.softmax_cross_entropy(x, np.array([0, 2]), ignore_index=-100), 1)
    drawn = st.tuples(logits(3, lead=(2,), never=False))
    must_hold(laws.gradients_are_numerical, loss, tries=TRIES, arrays=drawn)


@pytest.mark.parametrize("law", laws_of("sampling"), ids=lambda law: law.name)
def test_sampling_obeys(law):
    must_hold(law, adapt.tinylm_sampler(), tries=10 if "frequencies" in law.name else TRIES)


SAMPLE = ["the cat's hat isn't that she'll pay 2000 for; abab aaaa 你好你好 🙂🙂 naïve"] * 3


@pytest.mark.parametrize("law", laws_of("tokenizer"), ids=lambda law: law.name)
@pytest.mark.parametrize("pattern", [*PATTERNS])
def test_tokenizers_obey(law, pattern):
    tok = train_bpe(SAMPLE, 300, pattern=pattern, special_tokens=["<|end|>", "<|end|><|end|>", "aa"])
    must_hold(law, adapt.tinylm_coder(tok), tries=TRIES)


@pytest.mark.parametrize("law", laws_of("tokenizer training"), ids=lambda law: law.name)
@pytest.mark.parametrize("tie_break", ["huggingface", "smallest_ids", "greatest_bytes", "first_seen"])
def test_training_a_tokenizer_obeys(law, tie_break):
    if tie_break == "first_seen" and law.name == "order_of_documents_does_not_matter":
        return  # the one rule that is made of the order
    must_hold(law, adapt.tinylm_trainer(tie_break=tie_break), tries=3 if "workers" in law.name else 15)


def test_every_topic_of_laws_is_tried_here():
    with open(__file__, encoding="utf-8") as file:
        source = file.read()
    named = {law.topic for law in laws_of() if f'laws_of("{law.topic}")' in source or f"laws.{law.name}" in source}
    assert named == {law.topic for law in laws_of()}
