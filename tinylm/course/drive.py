"""Ways to run answers that are not functions of plain data: on tensors, on a graph, and as a part of a model.

Each is a function for Problem.drive: the answer first, then plain data; it returns plain data. Nothing here is random:
weights are drawn from a seed, and a gradient is asked for with weights that follow from its shape alone.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from tinylm import functional as F
from tinylm.autograd import Tensor, no_grad, writing
from tinylm.backend import Streams
from tinylm.gpt import GPT, MLP, Cache, CausalSelfAttention, GPTConfig
from tinylm.nn import Module

__all__ = [
    "by_logits",
    "by_rows",
    "in_attention",
    "in_block",
    "in_gpt",
    "in_mlp",
    "on_graph",
    "on_tensors",
    "without_dropout",
]


def pattern(shape: tuple[int, ...]) -> np.ndarray:
    """Small weights, all different from their neighbours: what a gradient is asked for with."""
    return ((np.arange(int(np.prod(shape))) * 5 % 11 - 4) / 4).reshape(shape)


def on_tensors(answer: Any, *arrays: Any, **settings: Any) -> Any:
    """Call an answer with tensors, and return {"y": ..., "gradients": ...} for weights as `pattern` makes them.

    Floating-point arrays become tensors that want a gradient; whatever else there is, is passed on.
    """
    given = [_wanted(value) for value in arrays]
    y = answer(*given, **settings)
    if not isinstance(y, Tensor):
        return y
    if y.requires_grad:
        y.backward(pattern(y.shape).astype(y.dtype))
    return {"y": y.numpy(), "gradients": [_gradient(leaf) for leaf in given if isinstance(leaf, Tensor)]}


def _wanted(value: Any) -> Any:
    is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return Tensor(value.copy(), requires_grad=True) if is_float else value


def _gradient(leaf: Tensor) -> Any:
    return None if leaf.grad is None else leaf.grad.numpy()


def on_graph(answer: Any, graph: Mapping[int, Sequence[tuple[int | str, float]]], last: int, grad: Any) -> Any:
    """Call a backward pass on a graph of plain numbers: a node's number → its inputs, each with the derivative by it.

    As in the engine, a node that was asked is spent: a second time raises RuntimeError. A derivative of 1 passes the
    gradient on as it is: the same array, and not a copy.
    """
    spent: set[int] = set()

    def pulled(node: int, dy: Any) -> list[tuple[int | str, Any]]:
        if node in spent:
            raise RuntimeError(f"node {node} was asked a second time")
        spent.add(node)
        return [(source, dy if derivative == 1 else dy * derivative) for source, derivative in graph[node]]

    return answer(last, grad, pulled)


# -- parts of a model ----------------------------------------------------------------------------------

SMALL = {"vocab_size": 5, "block_size": 8, "n_layer": 1}


def in_mlp(answer: Any, x: Any, **config: Any) -> Any:
    """Call an answer as `MLP.forward`: the output, and the gradients of x and of every parameter by name."""
    settings, seed = _config(x, config)
    part = MLP(settings, Streams(seed, ("init", "dropout")), x.dtype)
    return _results(_lively(part, seed), x, lambda x: answer(part, x))


def in_attention(answer: Any, x: Any, *, seen: int = 0, **config: Any) -> Any:
    """The same as `CausalSelfAttention.forward`; seen: how many positions come first, by a cache of keys and values."""
    settings, seed = _config(x, config)
    part = CausalSelfAttention(settings, 0, Streams(seed, ("init", "dropout")), x.dtype)
    return _results(_lively(part, seed), x, _in_two(lambda *given: answer(part, *given), settings, seen))


def in_block(answer: Any, x: Any, *, seen: int = 0, **config: Any) -> Any:
    """The same of a class that stands for `Block`."""
    settings, seed = _config(x, config)
    part = answer(settings, 0, Streams(seed, ("init", "dropout")), x.dtype)
    return _results(_lively(part, seed), x, _in_two(part, settings, seen))


def in_gpt(answer: Any, ids: Any, *, seen: int = 0, n_embd: int = 4, **config: Any) -> Any:
    """Call an answer as `GPT.hidden`: its output and the gradients of every parameter by name."""
    settings, seed = _config(np.zeros((1, n_embd)), config)
    model = _lively(GPT(settings, seed, dtype=np.float64), seed)
    if not seen:
        return _results(model, None, lambda: answer(model, ids))
    cache = Cache(settings, len(ids))
    with no_grad():
        first, last = answer(model, ids[:, :seen], cache), answer(model, ids[:, seen:], cache)
    return {"first": _array(first), "last": _array(last)}


def _config(x: Any, config: Mapping[str, Any]) -> tuple[GPTConfig, int]:
    chosen: dict[str, Any] = {**SMALL, "n_head": 1, "n_embd": x.shape[-1], **config}
    seed: int = chosen.pop("seed", 0)
    return GPTConfig(**chosen), seed


def _lively(part: Any, seed: int) -> Any:
    """The module in evaluation, with weights that are far from 0 and from each other, also the gains and biases.

    They follow from a parameter's name: a student may make the parts in any order.
    """
    if not isinstance(part, Module):
        return part
    for name, parameter in part.named_parameters():
        with writing(parameter.data) as data:
            data[...] = _weights(name, parameter.shape, seed)
    return part.eval()


@cache
def _weights(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng([seed, *name.encode()]).integers(-6, 7, shape) / 8 + 0.0625


def _in_two(call: Any, config: GPTConfig, seen: int) -> Any:
    """One call; or, after `seen` positions, a second one that has the first one's keys and values in a cache."""

    def at_once(x: Tensor) -> Any:
        return call(x, np.arange(x.shape[-2]))

    def after(x: Tensor) -> Any:
        cache, total = Cache(config, x.shape[0]), x.shape[-2]
        with no_grad():
            call(x[:, :seen], cache.begin(x.shape[0], seen), cache)
            cache.commit()
            return call(x[:, seen:], cache.begin(x.shape[0], total - seen), cache)

    return after if seen else at_once


def _results(part: Any, x: Any, call: Any) -> Any:
    given = () if x is None else (_wanted(x),)
    y = call(*given)
    if not isinstance(y, Tensor):
        return y
    found: dict[str, Any] = {"y": y.numpy()}
    if y.requires_grad:
        y.backward(pattern(y.shape).astype(y.dtype))
        if given:
            found["dx"] = _gradient(given[0])
        if isinstance(part, Module):
            found |= {f"d {name}": _gradient(parameter) for name, parameter in part.named_parameters()}
    return found


def _array(y: Any) -> Any:
    return y.numpy() if isinstance(y, Tensor) else y


# -- answers in the place of functions with more arguments; for Problem.places ---------------------------


def without_dropout(answer: Any, was: Any) -> Any:
    """A causal attention that knows neither scale nor dropout, in the place of one that does."""

    def causal_attention(q: Any, k: Any, v: Any, *, scale: Any = None, dropout: float = 0.0, rng: Any = None) -> Any:
        if scale is not None or dropout:
            return was(q, k, v, scale=scale, dropout=dropout, rng=rng)
        return answer(q, k, v)

    return causal_attention


def by_rows(answer: Any, was: Any) -> Any:
    """A loss of logits (N, V) and an array of targets (N,), in the place of one of any shapes."""

    def softmax_cross_entropy(logits: Any, targets: Any, *args: Any, **settings: Any) -> Any:
        ids = targets.numpy() if isinstance(targets, Tensor) else np.asarray(targets)
        losses = answer(logits.reshape(-1, logits.shape[-1]), ids.reshape(-1), *args, **settings)
        return losses.reshape(ids.shape) if losses.ndim else losses

    return softmax_cross_entropy


def by_logits(answer: Any, was: Any) -> Any:
    """The same in the place of the loss of a linear layer."""
    of_logits = by_rows(answer, was)

    def linear_cross_entropy(x: Any, weight: Any, targets: Any, *, transposed: bool = False, **settings: Any) -> Any:
        return of_logits(F.linear(x, weight, transposed=transposed), targets, **settings)

    return linear_cross_entropy
