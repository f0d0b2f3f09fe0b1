"""LoRALinear, and how adapters are put on a model and folded in; knows nothing of files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm import functional as F
from tinylm.autograd import Tensor, writing
from tinylm.backend import backend_of, stream, to_host
from tinylm.gpt import GPT
from tinylm.nn import Dropout, Linear, Module, Parameter

__all__ = ["LAYERS", "Adapter", "LoRALinear", "Trained", "adapter_of", "attach", "merge", "new_adapter"]

LAYERS = ("c_attn", "c_proj", "c_gate", "c_fc")


# -- the layer -------------------------------------------------------------------------------------------


class LoRALinear(Linear):
    """y = x W + b + (alpha / rank) · dropout(x) A B, with W and b those of a Linear, frozen.

    a, b: A (in, rank) and B (rank, out) to begin with
    """

    def __init__(
        self,
        linear: Linear,
        a: np.ndarray,
        b: np.ndarray,
        *,
        alpha: float,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ):
        Module.__init__(self)
        self.weight, self.bias = linear.weight, linear.bias
        self.training, self.alpha, self.scale = linear.training, alpha, alpha / a.shape[1]
        home, dtype = backend_of(linear.weight.data), linear.weight.dtype
        self.lora_A = Parameter(home.from_host(np.array(a, dtype)))
        self.lora_B = Parameter(home.from_host(np.array(b, dtype)))
        self.dropout = Dropout(dropout, rng)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in)   →   y: (..., out)"""
        low = F.linear(self.dropout(x), self.lora_A) * self.scale  # (..., rank): scaled where it is smallest
        return F.linear(x, self.weight, self.bias) + F.linear(low, self.lora_B)

    def merged(self) -> Linear:
        """The Linear with W + (alpha / rank) · A B, written over W."""
        with writing(self.weight.data) as W:
            W += (self.lora_A.data @ self.lora_B.data) * self.scale
        linear = Linear.__new__(Linear)
        linear.weight, linear.bias, linear.training = self.weight, self.bias, self.training
        return linear


# -- on a model and off it -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """Matrices by name, as "h.0.attn.c_attn.lora_A" and "...lora_B", all of one rank, and how they count.

    Raises ValueError for an alpha or a dropout that make no sense, and for matrices that are no pairs of one rank.
    """

    arrays: Mapping[str, np.ndarray]
    alpha: float
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("alpha", 0.0), ("dropout", 0.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ValueError(f"{name} must be a number, got {value!r}")
            if value < least or (name == "alpha" and value == 0):
                raise ValueError(f"{name} must be a number {'above' if name == 'alpha' else 'from'} 0, got {value!r}")
        if self.dropout >= 1:
            raise ValueError(f"dropout must be below 1, got {self.dropout}")
        for path in self.layers:
            a, b = self.arrays.get(f"{path}.lora_A"), self.arrays.get(f"{path}.lora_B")
            if a is None or b is None or a.ndim != 2 or b.ndim != 2 or not a.shape[1] == b.shape[0] == self.rank:
                raise ValueError(f"{path} needs two matrices, lora_A (in, {self.rank}) and lora_B ({self.rank}, out)")
        if not self.rank:
            raise ValueError("there are no matrices of rank 1 or more")

    @property
    def layers(self) -> list[str]:
        """The dotted names of the layers it belongs to, in the order of the arrays."""
        return list(dict.fromkeys(name.removesuffix(".lora_A").removesuffix(".lora_B") for name in self.arrays))

    @property
    def rank(self) -> int:
        shapes = [array.shape for name, array in self.arrays.items() if name.endswith(".lora_A")]
        return int(shapes[0][-1]) if shapes and len(shapes[0]) == 2 else 0


def new_adapter(model: Module, rank: int = 8, *, alpha: float = 16.0, dropout: float = 0.0, seed: int = 0) -> Adapter:
    """An adapter for all LAYERS of the model that changes nothing yet: A normal with σ = 1/√in, B zero.

    Raises ValueError for a rank below 1, and for a model without such layers.
    """
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise ValueError(f"the rank of an adapter must be a whole number from 1 up, got {rank!r}")
    rng, arrays = stream(seed, "lora"), dict[str, np.ndarray]()
    for path, linear in _linears(model).items():
        inputs, outputs = linear.weight.shape
        arrays[f"{path}.lora_A"] = rng.standard_normal((inputs, rank)) / math.sqrt(inputs)
        arrays[f"{path}.lora_B"] = np.zeros((rank, outputs))
    return Adapter(arrays, alpha, dropout)


def _linears(model: Module) -> dict[str, Linear]:
    """The linear layers that an adapter can belong to, by dotted name."""
    found = {path: module for path, module in model.named_modules() if path.rpartition(".")[2] in LAYERS}
    return {path: module for path, module in found.items() if isinstance(module, Linear)}


def attach(model: GPT, adapter: Adapter) -> GPT:
    """Put an adapter on a model, in place: from now on its matrices alone are trained, all else is frozen.

    Dropout draws from the model's own stream. Raises ValueError, before anything changes, where the adapter does not
    fit, and for a model that has one already.
    """
    linears = _linears(model)
    if any(isinstance(linear, LoRALinear) for linear in linears.values()):
        raise ValueError("the model has an adapter already; merge(model) folds it in")
    for path in adapter.layers:
        if path not in linears:
            raise ValueError(f"the adapter has matrices for {path}, which is no layer of this model that takes them")
        a, b = adapter.arrays[f"{path}.lora_A"], adapter.arrays[f"{path}.lora_B"]
        inputs, outputs = linears[path].weight.shape
        if (a.shape[0], b.shape[1]) != (inputs, outputs):
            raise ValueError(
                f"the adapter of {path} is for {a.shape[0]} inputs and {b.shape[1]} outputs, "
                f"the model has {inputs} and {outputs}"
            )
    for parameter in model.parameters():
        parameter.requires_grad, parameter.grad = False, None
    layers: dict[str, Module] = {}
    for path in adapter.layers:
        a, b = adapter.arrays[f"{path}.lora_A"], adapter.arrays[f"{path}.lora_B"]
        settings: dict[str, Any] = {"alpha": adapter.alpha, "dropout": adapter.dropout}
        layers[path] = LoRALinear(linears[path], a, b, rng=model.streams["dropout"], **settings)
    _put(model, layers)
    model.flatten()  # the new matrices side by side; the others stay where they are
    return model


def _put(model: Module, layers: Mapping[str, Module]) -> None:
    """Replace the parts of a model with these dotted names."""
    modules = dict(model.named_modules())
    for path, layer in layers.items():
        outside, _, name = path.rpartition(".")
        setattr(modules[outside], name, layer)


def merge(model: GPT) -> GPT:
    """Fold the adapter into the weights, in place: a plain model, all of which can be trained again.

        W ← W + (alpha / rank) · A B

    It computes what it did, but for rounding. A model without an adapter stays as it is.
    """
    adapted = {path: layer for path, layer in model.named_modules() if isinstance(layer, LoRALinear)}
    _put(model, {path: layer.merged() for path, layer in adapted.items()})
    if adapted:
        for parameter in model.parameters():
            parameter.requires_grad = True
    return model


def adapter_of(model: Module) -> Adapter:
    """The adapter that a model has, copied to the host; raises ValueError where it has none."""
    layers = {path: layer for path, layer in model.named_modules() if isinstance(layer, LoRALinear)}
    if not layers:
        raise ValueError("the model has no adapter")
    arrays: dict[str, np.ndarray] = {}
    for path, layer in layers.items():
        arrays |= {f"{path}.{name}": np.array(to_host(getattr(layer, name).data)) for name in ("lora_A", "lora_B")}
    first = next(iter(layers.values()))
    return Adapter(arrays, first.alpha, first.dropout.p)


class Trained(Module):
    """The parameters of a model that are trained, under the names they have there, and its config."""

    def __init__(self, model: GPT):
        super().__init__()
        self.config = model.config
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                setattr(self, name, parameter)
