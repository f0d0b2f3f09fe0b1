"""HIPS autograd, to be measured against: the same model and steps, written with autograd.numpy. Needs SciPy for erf."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad
from autograd.scipy.special import erf

from benchmarks.peer_adamw import AdamW, read

F32 = np.float32


def norm(x: Any, gain: Any) -> Any:
    centred = x - anp.mean(x, -1, keepdims=True)
    return centred / anp.sqrt(anp.mean(centred * centred, -1, keepdims=True) + F32(1e-5)) * gain


def loss(w: dict[str, Any], x: np.ndarray, y: np.ndarray, L: int, H: int) -> Any:
    (B, T), C = x.shape, w["wte.weight"].shape[1]
    future = np.triu(np.full((T, T), -1e9, F32), 1)
    h = anp.reshape(w["wte.weight"][x] + w["wpe.weight"][:T], (B * T, C))  # dot is slow with more axes
    for i in range(L):
        qkv = anp.dot(norm(h, w[f"h.{i}.ln_1.weight"]), w[f"h.{i}.attn.c_attn.weight"])
        q, k, v = anp.transpose(anp.reshape(qkv, (B, T, 3, H, C // H)), (2, 0, 3, 1, 4))
        scores = anp.matmul(q, anp.transpose(k, (0, 1, 3, 2))) * F32(1 / math.sqrt(C // H)) + future
        e = anp.exp(scores - anp.max(scores, -1, keepdims=True))
        attended = anp.matmul(e / anp.sum(e, -1, keepdims=True), v)
        attended = anp.reshape(anp.transpose(attended, (0, 2, 1, 3)), (B * T, C))
        h = h + anp.dot(attended, w[f"h.{i}.attn.c_proj.weight"])
        wide = anp.dot(norm(h, w[f"h.{i}.ln_2.weight"]), w[f"h.{i}.mlp.c_fc.weight"])
        wide = F32(0.5) * wide * (F32(1) + erf(wide * F32(1 / math.sqrt(2))))
        h = h + anp.dot(wide, w[f"h.{i}.mlp.c_proj.weight"])
    logits = anp.dot(norm(h, w["ln_f.weight"]), w["wte.weight"].T)
    logits = logits - anp.max(logits, -1, keepdims=True)
    return anp.mean(anp.log(anp.sum(anp.exp(logits), -1)) - logits[np.arange(B * T), y.reshape(-1)])


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[float]]]:
    weights, batches = read(settings)
    optimizer, gradient = AdamW(weights), value_and_grad(loss)
    sizes = settings["shape"]["n_layer"], settings["shape"]["n_head"]

    def train() -> Iterator[float]:
        for row in itertools.cycle(batches):
            value, gradients = gradient(weights, row[:, :-1], row[:, 1:], *sizes)
            optimizer.step(gradients)
            yield float(value)

    losses = train()
    return {"train": lambda: losses}
