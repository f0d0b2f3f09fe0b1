"""Small models of every kind that a page can carry, with weights large enough that every number matters."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm import GPT, GPTConfig
from tinylm.explore.contents import Text, gather
from tinylm.explore.document import page
from tinylm.settings import TrainingSettings
from tokenizer import CharTokenizer, train_bpe

TEXT = "the cat sat on the mat, and the dog's naïve friend said: hello </script> & <b>bye</b>. " * 30
SETTINGS = TrainingSettings(lr=3e-3, clip=0.5, weight_decay=0.2)
VARIANTS: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "llama": {
        "norm": "rms", "position": "rope", "mlp": "swiglu", "n_kv_head": 2, "bias": False, "tie_weights": False,
        "rope_base": 500.0,
    },
    "letters": {"mlp": "gelu_tanh", "n_kv_head": 1, "mlp_hidden": 20, "norm_eps": 1e-3},
}  # fmt: skip


@dataclass
class Made:
    """A model, and the page that was made of it."""

    model: GPT
    tokenizer: Any
    prompt: list[int]
    text: list[int]
    document: dict[str, Any]
    weights: str

    @property
    def html(self) -> str:
        return page(self.document, self.weights)


def make(kind: str) -> Made:
    """One of VARIANTS; "letters" has characters for tokens and weights in float64."""
    letters = kind == "letters"
    tokenizer = CharTokenizer(TEXT) if letters else train_bpe([TEXT], 300, special_tokens=("<|endoftext|>",))
    shape = {"block_size": 24, "n_layer": 2, "n_head": 4, "n_embd": 16, **VARIANTS[kind]}
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **shape), dtype=np.float64 if letters else np.float32)
    rng = np.random.default_rng(0)
    for p in model.parameters():
        p.data[...] += rng.normal(size=p.shape) * 0.3
    prompt = tokenizer.encode("the cat's </script> &")[-20:]
    text = tokenizer.encode("the dog said: hello, the mat.")[:20]
    document, weights = gather(model, tokenizer, prompt, Text(text, "a test"), SETTINGS, name=f"run of {kind}")
    return Made(model, tokenizer, prompt, text, document, weights)


def make_default() -> Made:
    """The shape of `tinylm train`'s own model with random weights, and 1024 characters for tokens."""
    tokenizer = CharTokenizer("".join(map(chr, range(0x4E00, 0x4E00 + 1024))))
    model = GPT(GPTConfig(vocab_size=1024, block_size=128, n_layer=4, n_head=4, n_embd=128, bias=False))
    rng = np.random.default_rng(1)
    for p in model.parameters():
        p.data[...] += rng.normal(size=p.shape) * 0.1
    prompt, text = list(range(100)), list(range(33))
    document, weights = gather(model, tokenizer, prompt, Text(text, "a test"), TrainingSettings())
    return Made(model, tokenizer, prompt, text, document, weights)
