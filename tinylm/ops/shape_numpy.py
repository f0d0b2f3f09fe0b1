"""NumPy kernel of split_heads: the gradient of a part of the features stays a part until all have come."""

import numpy as np

from tinylm.ops.op import Part
from tinylm.ops.shape import split_heads


def split_heads_forward(xp, x, *, heads, size, start=0):
    """As the reference."""
    return split_heads(np, x, heads=heads, size=size, start=start)


def split_heads_backward(xp, dy, *, shape, heads, size, start):
    """dx = dy at the features that were taken"""
    values = dy.swapaxes(-3, -2).reshape(*shape[:-1], heads * size)
    return Part(shape, (Ellipsis, slice(start, start + heads * size)), values)


split_heads.kernel("numpy", forward=split_heads_forward, backward=split_heads_backward)
