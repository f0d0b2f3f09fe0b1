"""What the peers that have only gradients share: AdamW with clipping in NumPy, and the file of weights and batches."""

import math
from typing import Any

import numpy as np

LR, BETA1, BETA2, EPS, DECAY, CLIP = 1e-3, 0.9, 0.99, 1e-8, 0.1, 1.0
Arrays = dict[str, np.ndarray]


def read(settings: dict[str, Any]) -> tuple[Arrays, np.ndarray]:
    """The weights by name, matrices as (in, out), and batches of (B, T + 1) ids."""
    with np.load(settings["weights"]) as file:
        weights = {name: file[name] for name in file.files if name not in ("batches", "prompt")}
        return weights, file["batches"]


class AdamW:
    """Changes arrays in place, after clipping all gradients together."""

    def __init__(self, weights: Arrays):
        self.weights, self.t = weights, 0
        self.m, self.v = ({name: np.zeros_like(w) for name, w in weights.items()} for _ in "mv")

    def step(self, gradients: Arrays) -> None:
        self.t += 1
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values()))
        scale = min(1.0, CLIP / (norm + 1e-6))
        for name, w in self.weights.items():
            g, m, v = gradients[name] * np.float32(scale), self.m[name], self.v[name]
            m *= BETA1
            m += (1 - BETA1) * g
            v *= BETA2
            v += (1 - BETA2) * g * g
            if w.ndim >= 2:
                w *= 1 - LR * DECAY
            w -= LR / (1 - BETA1**self.t) * m / (np.sqrt(v / (1 - BETA2**self.t)) + EPS)
