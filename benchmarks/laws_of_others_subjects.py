"""What laws_of_others.py judges: libraries of others, each made ready for the laws when its turn comes."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.testing import Law, adapters, arrays, laws_of, matmul_operands
from tokenizer import train_bpe

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # openai/gpt-2, src/encoder.py
SAMPLE = ["the cat's hat isn't that she'll pay 2000 for; abab aaaa 你好你好 🙂🙂 naïve low lower lowest"] * 3


@dataclass(frozen=True)
class Subject:
    """Somebody's code and the laws that it is asked about.

    package   whose version counts.   make: () → the adapter
    inputs    () → strategies in place of what the laws draw
    program   what must be installed beside the package
    """

    name: str
    package: str
    make: Callable[[], Any]
    topics: Sequence[str] = ()
    laws: Sequence[Law] = ()
    tries: int = 1000
    inputs: Callable[[], dict[str, Any]] = dict
    program: str = ""


def _vectors() -> dict[str, Any]:
    from hypothesis import strategies as st

    return {"arrays": st.tuples(arrays((2, 3)))}


def _engines() -> list[Subject]:
    """Libraries of automatic differentiation: the engine, and functions whose gradients are easily got wrong."""

    def micrograd() -> Any:
        from micrograd.engine import Value

        return adapters.value_library(Value, "micrograd")

    made: dict[str, Callable[[], Any]] = {
        "micrograd": micrograd,
        "autograd": adapters.autograd_library,
        "jax": adapters.jax_library,
        "mygrad": adapters.mygrad_library,
        "tinygrad": adapters.tinygrad_library,
        "torch": adapters.torch_library,
    }
    found = [Subject(name, name, make, ("engine",)) for name, make in made.items() if name != "tinygrad"]
    # it compiles every graph anew; the graph of 3,000 sums is one large kernel
    tinygrad = [law for law in laws_of("engine") if law.name != "deep_graphs_work"]
    found.append(Subject("tinygrad", "tinygrad", made["tinygrad"], laws=tinygrad, tries=15, program="clang"))
    functions = {  # name → (function of the module's tensors, arguments, inputs)
        "x / y": (lambda m: lambda a, b: a / b, 2, dict),
        "x @ y": (lambda m: m.matmul, 2, lambda: {"arrays": matmul_operands(max_side=2)}),
        "x ** y": (lambda m: lambda a, b: a**b, 2, dict),
        "maximum": (lambda m: m.maximum, 2, dict),
        "maximum(x, x)": (lambda m: lambda a: m.maximum(a, a * 1.0), 1, dict),
        "abs": (lambda m: m.abs, 1, dict),
        "sqrt(x * x)": (lambda m: lambda a: m.sqrt(a * a), 1, dict),
        "logaddexp": (lambda m: m.logaddexp, 2, dict),
        "max": (lambda m: lambda a: m.amax(a, -1) if hasattr(m, "amax") else m.max(a, -1), 1, _vectors),
        "x[[0, 0, 1]]": (lambda m: lambda a: a[np.array([0, 0, 1])], 1, _vectors),
    }
    modules = {"autograd": "autograd.numpy", "jax": "jax.numpy", "mygrad": "mygrad", "torch": "torch"}
    for library, module in modules.items():
        for name, (fn, count, inputs) in functions.items():

            def make(library: str = library, module: str = module, fn: Any = fn, count: int = count) -> Any:
                from importlib import import_module

                return made[library]().differentiable(fn(import_module(module)), count)

            tries = 15 if library == "jax" else 1000  # a call of it takes a millisecond and more
            found.append(Subject(f"{library} {name}", library, make, ("gradient",), tries=tries, inputs=inputs))
    return found


def _torch() -> list[Subject]:
    """PyTorch's functions, training and a causal transformer of its parts."""

    def attention() -> Any:
        from torch.nn.functional import scaled_dot_product_attention

        def run(q: Any, k: Any, v: Any) -> Any:
            return scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]

        return adapters.torch_function(run)

    def loss() -> Any:
        from torch.nn.functional import cross_entropy

        return adapters.torch_function(cross_entropy)

    def norm() -> Any:
        from torch.nn.functional import layer_norm

        return adapters.torch_function(lambda x: layer_norm(x, x.shape[-1:]))

    def softmax() -> Any:
        import torch

        return adapters.torch_function(lambda x: torch.softmax(x, dim=-1))

    def model() -> Any:
        import torch

        class Model(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                torch.manual_seed(0)
                self.table = torch.nn.Embedding(7, 8)
                layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
                self.layers = torch.nn.TransformerEncoder(layer, 2)

            def forward(self, ids: Any) -> Any:
                mask = torch.nn.Transformer.generate_square_subsequent_mask(ids.shape[1])
                return self.layers(self.table(ids), mask=mask, is_causal=True) @ self.table.weight.T

        return adapters.torch_model(Model(), 7, 6)

    def training() -> Any:
        import torch

        def make() -> Any:
            torch.manual_seed(0)
            return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()

        def value(net: Any, x: Any, y: Any) -> Any:
            return ((net(x)[:, 0] - y) ** 2).mean()

        def batch(seed: int) -> Any:
            rng = np.random.default_rng(seed)
            return rng.normal(size=(4, 3)), rng.normal(size=4)

        return adapters.torch_training(make, lambda p: torch.optim.AdamW(p, lr=0.01), value, batch)

    return [
        Subject("torch softmax", "torch", softmax, ("softmax", "rows")),
        Subject("torch layer_norm", "torch", norm, ("layer_norm", "rows")),
        Subject("torch attention", "torch", attention, ("attention",)),
        Subject("torch cross_entropy", "torch", loss, ("loss",)),
        Subject("torch TransformerEncoder", "torch", model, ("model",), tries=50),
        Subject("torch training", "torch", training, ("training",), tries=30),
        Subject("torch clip_grad_norm_", "torch", lambda: adapters.torch_clipping, ("clipping",)),
        Subject("torch sampling", "torch", adapters.torch_sampler, ("sampling",), tries=50),
        Subject("transformers", "transformers", adapters.transformers_filters, ("sampling",)),
    ]


def _tokenizers() -> list[Subject]:
    """Tokenizers and their trainers."""

    def byte_level(prefix: bool) -> Callable[[], Any]:
        return lambda: adapters.huggingface_trainer(prefix).train(SAMPLE, 310, ["<|end|>"])

    def words() -> Any:
        import tokenizers as hf

        tok = hf.Tokenizer(hf.models.BPE(unk_token="[UNK]"))
        tok.pre_tokenizer = hf.pre_tokenizers.Whitespace()
        trainer = hf.trainers.BpeTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False)
        tok.train_from_iterator(SAMPLE, trainer)
        return adapters.huggingface_coder(tok)

    def tiktoken() -> Any:
        import tiktoken

        ours = train_bpe(SAMPLE, 310, special_tokens=[])
        ranks = {token: i for i, token in ours.vocab.items()}
        specials = {"<|end|>": 310, "<|end|><|end|>": 311}
        encoding = tiktoken.Encoding("sample", pat_str=GPT2, mergeable_ranks=ranks, special_tokens=specials)
        return adapters.tiktoken_coder(encoding, ranks)

    def sentencepiece() -> Any:
        import sentencepiece as sp

        written = io.BytesIO()
        how = {"model_type": "bpe", "vocab_size": 360, "byte_fallback": True, "hard_vocab_limit": False}
        sp.SentencePieceTrainer.train(sentence_iterator=iter(SAMPLE), model_writer=written, minloglevel=9, **how)
        return adapters.sentencepiece_coder(sp.SentencePieceProcessor(model_proto=written.getvalue()))

    def rustbpe() -> Any:
        return adapters.rustbpe_trainer().train(SAMPLE, 310, [])

    training = [law for law in laws_of("tokenizer training") if "special" not in law.name]
    return [
        Subject("tokenizers", "tokenizers", byte_level(False), ("tokenizer",)),
        Subject("tokenizers, prefix space", "tokenizers", byte_level(True), ("tokenizer",)),
        Subject("tokenizers, words", "tokenizers", words, ("tokenizer",)),
        Subject("tokenizers, training", "tokenizers", adapters.huggingface_trainer, ("tokenizer training",), tries=50),
        Subject("tiktoken", "tiktoken", tiktoken, ("tokenizer",)),
        Subject("sentencepiece", "sentencepiece", sentencepiece, ("tokenizer",)),
        Subject("rustbpe", "rustbpe", rustbpe, ("tokenizer",)),
        Subject("rustbpe, training", "rustbpe", adapters.rustbpe_trainer, laws=training, tries=50),
    ]


SUBJECTS = [*_engines(), *_torch(), *_tokenizers()]
