"""MyGrad, to be measured against: the same model and steps. It has no erf, so its GELU is the tanh form."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet import softmax
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.peer_adamw import AdamW, read

F32 = np.float32


def norm(x: Any, gain: Any) -> Any:
    centred = x - mg.mean(x, -1, keepdims=True)
    return centred / mg.sqrt(mg.mean(centred * centred, -1, keepdims=True) + F32(1e-5)) * gain


def loss(w: dict[str, Any], x: np.ndarray, y: np.ndarray, L: int, H: int) -> Any:
    (B, T), C = x.shape, w["wte.weight"].shape[1]
    future = np.triu(np.full((T, T), -1e9, F32), 1)
    h = w["wte.weight"][x] + w["wpe.weight"][:T]
    for i in range(L):
        qkv = mg.matmul(norm(h, w[f"h.{i}.ln_1.weight"]), w[f"h.{i}.attn.c_attn.weight"])
        qkv = mg.reshape(qkv, (B, T, 3, H, C // H))
        q, k, v = (mg.transpose(qkv[:, :, part], (0, 2, 1, 3)) for part in range(3))
        scores = mg.matmul(q, mg.transpose(k, (0, 1, 3, 2))) * F32(1 / math.sqrt(C // H)) + future
        attended = mg.reshape(mg.transpose(mg.matmul(softmax(scores), v), (0, 2, 1, 3)), (B, T, C))
        h = h + mg.matmul(attended, w[f"h.{i}.attn.c_proj.weight"])
        wide = mg.matmul(norm(h, w[f"h.{i}.ln_2.weight"]), w[f"h.{i}.mlp.c_fc.weight"])
        inner = F32(math.sqrt(2 / math.pi)) * (wide + F32(0.044715) * wide * wide * wide)
        h = h + mg.matmul(F32(0.5) * wide * (F32(1) + mg.tanh(inner)), w[f"h.{i}.mlp.c_proj.weight"])
    logits = mg.matmul(norm(h, w["ln_f.weight"]), w["wte.weight"].T)
    return softmax_crossentropy(mg.reshape(logits, (B * T, -1)), y.reshape(-1))


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[float]]]:
    mg.turn_memory_guarding_off()
    weights, batches = read(settings)
    optimizer = AdamW(weights)
    sizes = settings["shape"]["n_layer"], settings["shape"]["n_head"]

    def train() -> Iterator[float]:
        for row in itertools.cycle(batches):
            tensors = {name: mg.tensor(w, copy=False) for name, w in weights.items()}
            value = loss(tensors, row[:, :-1], row[:, 1:], *sizes)
            value.backward()
            optimizer.step({name: t.grad for name, t in tensors.items()})
            yield float(value.item())

    losses = train()
    return {"train": lambda: losses}
