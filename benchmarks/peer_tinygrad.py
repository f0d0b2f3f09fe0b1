"""tinygrad, to be measured against: the same model and steps in one TinyJit. Its CPU backend needs clang."""

import itertools
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("DEV", "CPU")

import numpy as np
from tinygrad import Tensor, TinyJit

from benchmarks.peer_adamw import BETA1, BETA2, CLIP, DECAY, EPS, LR, read


def loss(w: dict[str, Any], x: Any, y: Any, L: int, H: int) -> Any:
    (B, T), C = x.shape, w["wte.weight"].shape[1]
    h = w["wte.weight"][x] + w["wpe.weight"][:T]
    for i in range(L):
        qkv = (h.layernorm(eps=1e-5) * w[f"h.{i}.ln_1.weight"]).dot(w[f"h.{i}.attn.c_attn.weight"])
        q, k, v = (qkv.reshape(B, T, 3, H, C // H)[:, :, part].transpose(1, 2) for part in range(3))
        attended = q.scaled_dot_product_attention(k, v, is_causal=True).transpose(1, 2).reshape(B, T, C)
        h = h + attended.dot(w[f"h.{i}.attn.c_proj.weight"])
        wide = (h.layernorm(eps=1e-5) * w[f"h.{i}.ln_2.weight"]).dot(w[f"h.{i}.mlp.c_fc.weight"])
        wide = 0.5 * wide * (1 + (wide / math.sqrt(2)).erf())
        h = h + wide.dot(w[f"h.{i}.mlp.c_proj.weight"])
    logits = (h.layernorm(eps=1e-5) * w["ln_f.weight"]).dot(w["wte.weight"].T)
    return logits.sparse_categorical_crossentropy(y)


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[float]]]:
    arrays, batches = read(settings)
    sizes = settings["shape"]["n_layer"], settings["shape"]["n_head"]
    w = {name: Tensor(a.copy()).realize() for name, a in arrays.items()}
    m, v = ({name: Tensor.zeros(*a.shape).contiguous().realize() for name, a in arrays.items()} for _ in "mv")
    power1, power2 = (Tensor.ones(1).contiguous().realize() for _ in "12")  # of the betas, by the step

    @TinyJit
    def update(x: Tensor, y: Tensor) -> Tensor:
        value = loss(w, x, y, *sizes)
        gradients = dict(zip(w, value.gradient(*w.values()), strict=True))
        norm = sum((g * g).sum() for g in gradients.values()).sqrt()
        scale = (CLIP / (norm + 1e-6)).minimum(1.0)
        power1.assign(power1 * BETA1)
        power2.assign(power2 * BETA2)
        for name, p in w.items():
            g = gradients[name] * scale
            m[name].assign(m[name] * BETA1 + (1 - BETA1) * g)
            v[name].assign(v[name] * BETA2 + (1 - BETA2) * g * g)
            decayed = p * (1 - LR * DECAY) if p.ndim >= 2 else p
            p.assign(decayed - LR * (m[name] / (1 - power1)) / ((v[name] / (1 - power2)).sqrt() + EPS))
        return value.realize(power1, power2, *w.values(), *m.values(), *v.values())

    def train() -> Iterator[float]:
        for row in itertools.cycle(batches.astype(np.int32)):
            x, y = (Tensor(np.ascontiguousarray(part)).realize() for part in (row[:, :-1], row[:, 1:]))
            yield float(update(x, y).item())

    losses = train()
    return {"train": lambda: losses}
