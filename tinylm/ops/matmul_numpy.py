"""NumPy kernel of linear: outputs in the pool's buffers, gradients of weights in their place, rows as one matrix."""

import math

import numpy as np

from tinylm.backend.memory import empty
from tinylm.ops.matmul import linear

FEW = 3  # rows up to which each is multiplied alone: three passes over a weight beat one of BLAS's matrix products
SOME = 16  # rows up to which a transposed weight is taken in blocks
LARGE = 1 << 18  # numbers of a weight from which that matters
BLOCK = 256  # rows of a transposed weight in a block


def columns_sum(rows):
    """Σ over rows as a product with ones, several times as fast as NumPy's sum over the first axis."""
    return np.ones(rows.shape[0], dtype=rows.dtype) @ rows


def _product(rows, columns, out, transposed):
    """rows @ columns, (N, O). With few rows the time is that of reading the weight, which BLAS does more than once."""
    N = len(rows)
    if columns.size < LARGE or N == 1 or N > SOME:
        np.matmul(rows, columns, out=out)
    elif N <= FEW:
        for row, y in zip(rows, out, strict=True):
            np.matmul(row, columns, out=y)
    elif transposed:
        for a in range(0, columns.shape[1], BLOCK):
            np.matmul(rows, columns[:, a : a + BLOCK], out=out[:, a : a + BLOCK])
    else:
        np.matmul(rows, columns, out=out)


def linear_forward(xp, x, weight, bias=None, *, transposed=False):
    """As the reference, for leading axes taken together: one product of two matrices."""
    columns = weight.T if transposed else weight
    mixed = x.dtype != weight.dtype or (bias is not None and bias.dtype != x.dtype)
    if mixed or x.ndim < 2 or x.shape[-1] != columns.shape[0]:
        return linear(np, x, weight, bias, transposed=transposed)
    N = math.prod(x.shape[:-1])
    y = empty((*x.shape[:-1], columns.shape[1]), x.dtype)
    _product(x.reshape(N, columns.shape[0]), columns, y.reshape(N, columns.shape[1]), transposed)
    if bias is not None:
        y += bias
    return y, {"x": x, "weight": weight}


def linear_backward(xp, dy, *, x, weight, needs, into, transposed):
    """dx = dy Wᵀ,  dW = xᵀ dy,  db = Σ dy"""
    N = math.prod(x.shape[:-1])
    columns = weight.T if transposed else weight  # (I, O)
    rows, drows = x.reshape(N, columns.shape[0]), dy.reshape(N, columns.shape[1])
    dx = dweight = dbias = None
    if needs[1]:
        dweight = into[1]
        if dweight is None or dweight.dtype != dy.dtype:
            dweight = empty(weight.shape, dy.dtype)
        if transposed:
            np.matmul(drows.T, rows, out=dweight)
        else:
            np.matmul(rows.T, drows, out=dweight)
    if needs[2]:
        dbias = columns_sum(drows)
    if needs[0]:  # last, for whoever reads it next finds it in the cache
        dx = empty(x.shape, dy.dtype)
        np.matmul(drows, columns.T, out=dx.reshape(rows.shape))
    return dx, dweight, dbias


linear.kernel("numpy", forward=linear_forward, backward=linear_backward)
