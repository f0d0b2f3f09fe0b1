"""Adapters for functions of arrays and for models: PyTorch's, CS336's and ours."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinylm.testing.adapters.missing import wanted
from tinylm.testing.kinds import LanguageModel

__all__ = ["cs336_functions", "tinylm_function", "tinylm_model", "torch_function", "torch_model"]

Array = Any


def torch_function(fn: Callable[..., Any], dtype: Any = np.float64) -> Callable[..., Array]:
    """A function or nn.Module of PyTorch's tensors, as one of arrays; arrays of numbers come in this dtype."""
    torch = wanted("torch")

    def call(*arrays: Array, **settings: Any) -> Array:
        given = [torch.as_tensor(a.astype(dtype) if a.dtype.kind == "f" else a) for a in map(np.array, arrays)]
        with torch.no_grad():
            y = fn(*given, **settings)
        return y.item() if y.ndim == 0 else y.numpy()

    return call


def tinylm_function(fn: Callable[..., Any], dtype: Any = np.float64) -> Callable[..., Array]:
    """A function or Module of our tensors, as one of arrays."""
    from tinylm.autograd import no_grad, tensor

    def call(*arrays: Array, **settings: Any) -> Array:
        given = [tensor(a.astype(dtype)) if a.dtype.kind == "f" else a for a in map(np.array, arrays)]
        with no_grad():
            y = fn(*given, **settings)
        return y.item() if y.ndim == 0 else y.numpy()

    return call


def torch_model(
    module: Any, vocab_size: int, block_size: int, logits: Callable[[Any], Any] = lambda out: out
) -> LanguageModel:
    """An nn.Module from ids (B, T) to logits (B, T, V); `logits` takes them out of what it returns. Put into eval mode.

    For a model of Hugging Face's transformers: logits=lambda out: out.logits
    """
    torch = wanted("torch")
    module.eval()

    def forward(ids: Array) -> Array:
        with torch.no_grad():
            y = logits(module(torch.as_tensor(np.array(ids, np.int64))))
        return y.to(torch.float64).numpy() if y.dtype == torch.bfloat16 else y.numpy()

    return LanguageModel(forward, vocab_size, block_size, name=type(module).__name__)


def tinylm_model(model: Any) -> LanguageModel:
    """A GPT of ours, with its cache."""
    from tinylm.autograd import no_grad
    from tinylm.gpt import Cache

    model.eval()

    def forward(ids: Array) -> Array:
        with no_grad():
            return model(ids)[0].numpy()

    def cached(ids: Array, cuts: Sequence[int]) -> Array:
        cache, places = Cache(model.config, len(ids)), [0, *cuts, ids.shape[1]]
        with no_grad():
            pieces = [model(ids[:, a:b], cache=cache)[0].numpy() for a, b in pairwise(places)]
        return np.concatenate(pieces, axis=1)

    return LanguageModel(forward, model.config.vocab_size, model.config.block_size, cached, "tinylm")


def cs336_functions(adapters: Any) -> dict[str, Callable[..., Any]]:
    """What Stanford CS336's first assignment calls run_..., by the topic of the laws; what is missing is left out.

    adapters   the module tests/adapters.py of the student

    "softmax", "attention" and "loss" are functions of arrays, "clipping" of a list of them; see laws_of(topic).
    """
    torch = wanted("torch")
    found: dict[str, Callable[..., Any]] = {}

    def host(y: Any) -> Array:
        return y.detach().cpu().numpy()

    def take(name: str, topic: str, made: Callable[..., Any]) -> None:
        if hasattr(adapters, name):
            found[topic] = made

    def attention(q: Array, k: Array, v: Array) -> Array:
        mask = torch.ones(len(q), len(k), dtype=torch.bool).tril()
        given = [torch.as_tensor(np.array(a)) for a in (q, k, v)]
        return host(adapters.run_scaled_dot_product_attention(*given, mask))

    def loss(logits: Array, targets: Array) -> float:
        return float(adapters.run_cross_entropy(torch.as_tensor(logits), torch.as_tensor(targets)))

    def clip(gradients: Sequence[Array], max_norm: float) -> tuple[list[Array], float]:
        parameters = [torch.nn.Parameter(torch.zeros(np.shape(g), dtype=torch.float64)) for g in gradients]
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = torch.as_tensor(np.array(g))
        before = float(np.sqrt(sum(float((g * g).sum()) for g in gradients)))  # theirs tells no norm
        adapters.run_gradient_clipping(parameters, max_norm)
        return [host(p.grad) for p in parameters], before

    take("run_softmax", "softmax", lambda x: host(adapters.run_softmax(torch.as_tensor(x), -1)))
    take("run_scaled_dot_product_attention", "attention", attention)
    take("run_cross_entropy", "loss", loss)
    take("run_gradient_clipping", "clipping", clip)
    return found
