"""Floor 1: mathematics on arrays, forward and backward, written by hand; knows nothing of tensors."""

from tinylm.ops import (
    activation,
    activation_numpy,
    arithmetic,
    attention,
    comparison,
    dropout,
    indexing,
    indexing_numpy,
    loss,
    matmul,
    normalization,
    position,
    reduction,
    shape,
)
from tinylm.ops.op import Op, keep, op
from tinylm.ops.registry import op_named, ops

__all__ = [
    "Op",
    "activation",
    "activation_numpy",
    "arithmetic",
    "attention",
    "comparison",
    "dropout",
    "indexing",
    "indexing_numpy",
    "keep",
    "loss",
    "matmul",
    "normalization",
    "op",
    "op_named",
    "ops",
    "position",
    "reduction",
    "shape",
]
