"""Adapters for training and sampling: ours, PyTorch's, and the filters of Hugging Face's transformers."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinylm.testing.adapters.missing import wanted
from tinylm.testing.kinds import Sampler, Trainer

__all__ = [
    "tinylm_sampler",
    "tinylm_training",
    "torch_clipping",
    "torch_sampler",
    "torch_training",
    "transformers_filters",
]

Array = Any


def tinylm_training(model: Callable[[], Any], optimizer: Callable[[Any], Any], batch: Callable[[int], Any]) -> Trainer:
    """Our model(ids, targets) → (logits, loss) with an optimizer of ours.

    model       () → the model, always with the same weights
    optimizer   the model's parameters → the optimizer
    batch       seed → (ids, targets), arrays of one shape
    """
    return _training(model, optimizer, lambda made, given: made(*given)[1], batch, lambda p: p.numpy(), "tinylm")


def torch_training(
    model: Callable[[], Any], optimizer: Callable[[Any], Any], loss: Callable[..., Any], batch: Callable[[int], Any]
) -> Trainer:
    """A PyTorch module with an optimizer of torch.optim.

    model       () → the module, always with the same weights
    optimizer   the module's parameters → the optimizer
    loss        (module, *batch as tensors) → the mean loss
    batch       seed → a tuple of arrays
    """
    torch = wanted("torch")

    def value(made: Any, given: Any) -> Any:
        return loss(made, *[torch.as_tensor(np.array(a)) for a in given])

    return _training(model, optimizer, value, batch, lambda p: p.detach().numpy(), "torch")


def _training(
    model: Callable[[], Any],
    optimizer: Callable[[Any], Any],
    loss: Callable[[Any, Any], Any],
    batch: Callable[[int], Any],
    host: Callable[[Any], Array],
    name: str,
) -> Trainer:
    """What PyTorch's modules and ours have in common, which is all but how a loss is made and an array got at."""

    def new() -> Any:
        made = model()
        return made, optimizer(made.parameters())

    def gradients(state: Any, batches: Sequence[Any]) -> list[Array]:
        made = state[0]
        made.zero_grad()
        for given in batches:
            (loss(made, given) / len(batches)).backward()
        return [host(p.grad).copy() for p in made.parameters()]

    def step(state: Any, given: Any) -> Any:
        made, steps = state
        steps.zero_grad()
        loss(made, given).backward()
        steps.step()
        return state

    def restored(what: Any) -> Any:
        made, steps = new()
        made.load_state_dict(what[0])
        steps.load_state_dict(what[1])
        return made, steps

    return Trainer(
        new,
        gradients,
        step,
        lambda state: [host(p) for p in state[0].parameters()],
        batch,
        lambda batches: tuple(np.concatenate(part) for part in zip(*batches, strict=True)),
        lambda state: copy.deepcopy((state[0].state_dict(), state[1].state_dict())),
        restored,
        name,
    )


def torch_clipping(gradients: Sequence[Array], max_norm: float) -> tuple[list[Array], float]:
    """torch.nn.utils.clip_grad_norm_, on arrays."""
    torch = wanted("torch")
    parameters = [torch.nn.Parameter(torch.zeros(np.shape(g), dtype=torch.float64)) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = torch.as_tensor(np.array(g))
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    return [p.grad.numpy() for p in parameters], float(norm)


def tinylm_sampler() -> Sampler:
    """The stages of tinylm.choose."""
    from tinylm.choose import Choice, keep_min_p, keep_top_k, keep_top_p, probabilities

    def draw(logits: Array, n: int, seed: int, temperature: float) -> list[int]:
        choice, rng = Choice(temperature=temperature), np.random.default_rng(seed)
        return [choice.step(logits, [], rng).token for _ in range(n)]

    return Sampler(
        keep_top_k,
        lambda logits, top_p: keep_top_p(probabilities(logits), top_p),
        lambda logits, min_p: keep_min_p(probabilities(logits), min_p),
        draw,
        "tinylm",
    )


def torch_sampler() -> Sampler:
    """softmax and multinomial, as every sampling loop in PyTorch has them."""
    torch = wanted("torch")

    def draw(logits: Array, n: int, seed: int, temperature: float) -> list[int]:
        dice = torch.Generator().manual_seed(seed)
        p = torch.softmax(torch.as_tensor(logits) / temperature, dim=-1)
        drawn: list[int] = torch.multinomial(p, n, replacement=True, generator=dice).tolist()
        return drawn

    def top_k(logits: Array, k: int) -> Array:
        kept = torch.zeros(len(logits), dtype=torch.bool)
        kept[torch.topk(torch.as_tensor(logits), min(k, len(logits))).indices] = True
        return kept.numpy()

    return Sampler(top_k, draw=draw, name="torch")


def transformers_filters() -> Sampler:
    """TopKLogitsWarper, TopPLogitsWarper and MinPLogitsWarper of Hugging Face's transformers."""
    torch, process = wanted("torch"), wanted("transformers.generation.logits_process")

    def kept(warper: Any, logits: Array) -> Array:
        return torch.isfinite(warper(None, torch.as_tensor(logits)[None]))[0].numpy()

    return Sampler(
        lambda logits, k: kept(process.TopKLogitsWarper(k), logits),
        lambda logits, top_p: kept(process.TopPLogitsWarper(top_p), logits),
        lambda logits, min_p: kept(process.MinPLogitsWarper(min_p), logits),
        name="transformers",
    )
