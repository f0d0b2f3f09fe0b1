"""The layers of a transformer, each a thin owner of parameters around one function."""

import math
from typing import Any

import numpy as np

from tinylm import functional as F
from tinylm.autograd import Tensor
from tinylm.backend import stream
from tinylm.nn import init
from tinylm.nn.module import Module

_default_init = stream(0, "init")  # for layers made without a stream of their own

__all__ = ["Dropout", "Embedding", "LayerNorm", "Linear", "RMSNorm"]


class Linear(Module):
    """y = x W + b with W (in, out), normal with the given standard deviation (1/√in if None), and b = 0."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        bias: bool = True,
        *,
        std: float | None = None,
        rng: np.random.Generator | None = None,
        dtype: Any = None,
    ):
        super().__init__()
        std = 1 / math.sqrt(max(inputs, 1)) if std is None else std
        self.weight = init.normal(rng or _default_init, (inputs, outputs), std, dtype)
        self.bias = init.constant(0.0, (outputs,), dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Embedding(Module):
    """A table of V rows of C features, looked up by id."""

    def __init__(
        self,
        count: int,
        features: int,
        *,
        std: float = 0.02,
        rng: np.random.Generator | None = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.weight = init.normal(rng or _default_init, (count, features), std, dtype)

    def forward(self, ids: Any) -> Tensor:
        return F.embedding(self.weight, ids)

    def logits(self, x: Tensor) -> Tensor:
        """x Wᵀ: the table as output matrix, where the two are tied.  x: (..., C)   →   y: (..., V)"""
        return F.linear(x, self.weight, transposed=True)


class LayerNorm(Module):
    """Layer norm over the last axis, with a gain that begins at 1 and a bias at 0."""

    def __init__(self, features: int, bias: bool = True, *, eps: float = 1e-5, dtype: Any = None):
        super().__init__()
        self.eps = eps
        self.weight = init.constant(1.0, (features,), dtype)
        self.bias = init.constant(0.0, (features,), dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight, self.bias, eps=self.eps)


class RMSNorm(Module):
    """Root-mean-square norm over the last axis, with a gain that begins at 1."""

    def __init__(self, features: int, *, eps: float = 1e-5, dtype: Any = None):
        super().__init__()
        self.eps = eps
        self.weight = init.constant(1.0, (features,), dtype)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight, eps=self.eps)


class Dropout(Module):
    """Dropout with probability p while training; draws from its own stream, which a checkpoint saves."""

    def __init__(self, p: float, rng: np.random.Generator | None = None):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout: p is a probability from 0 to 1, got {p}")
        self.p, self.rng = p, rng

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training, self.rng)
