"""Floor 4: modules and layers."""

from tinylm.nn import init
from tinylm.nn.layers import Dropout, Embedding, LayerNorm, Linear, RMSNorm
from tinylm.nn.module import Module, ModuleList, Parameter

__all__ = [
    "Dropout",
    "Embedding",
    "LayerNorm",
    "Linear",
    "Module",
    "ModuleList",
    "Parameter",
    "RMSNorm",
    "init",
]
