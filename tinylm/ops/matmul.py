"""Matrix products: NumPy's `@` with its broadcasting, and the linear layer."""

import math

from tinylm.ops.op import keep, op


@op
def matmul(xp, a, b):
    """Multiply matrices, as NumPy's `@`: leading axes broadcast, 1-d operands are vectors.

        y = a b

    a: (..., M, K)   b: (..., K, N)   →   y: (..., M, N)
    """
    return xp.matmul(a, b), keep(a=a, b=b)


@matmul.backward
def matmul_backward(xp, dy, *, a, b, needs):
    """da = dy bᵀ,  db = aᵀ dy; the engine sums over broadcast leading axes"""
    rows = a[None, :] if a.ndim == 1 else a  # (..., M, K)
    columns = b[:, None] if b.ndim == 1 else b  # (..., K, N)
    if b.ndim == 1:
        dy = dy[..., None]
    if a.ndim == 1:
        dy = dy[..., None, :]  # (..., M, N)
    da = db = None
    if needs[0]:
        da = xp.matmul(dy, xp.swapaxes(columns, -1, -2))
        da = da[..., 0, :] if a.ndim == 1 else da
    if needs[1]:
        db = xp.matmul(xp.swapaxes(rows, -1, -2), dy)
        db = db[..., 0] if b.ndim == 1 else db
    return da, db


@op
def linear(xp, x, weight, bias=None, *, transposed=False):
    """Multiply every row by a weight matrix and add a bias.

        y = x W + b

    x: (..., I)   weight: (I, O)   bias: (O,)   →   y: (..., O)

    The weight is stored (in, out), as GPT-2's are: decoding one row then streams it in order. `transposed`: it is
    stored (out, in), as a table of embeddings is that serves as output matrix too, and y = x Wᵀ + b.
    """
    y = xp.matmul(x, weight.T if transposed else weight)
    return y if bias is None else y + bias, keep(x=x, weight=weight)


@linear.backward
def linear_backward(xp, dy, *, x, weight, needs, transposed):
    """dx = dy Wᵀ,  dW = xᵀ dy,  db = Σ dy, both summed over all rows; dW = dyᵀ x where the weight is transposed"""
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    drows = dy.reshape(math.prod(dy.shape[:-1]), dy.shape[-1])
    dx = dweight = None
    if needs[0]:
        dx = xp.matmul(dy, weight if transposed else weight.T)
    if needs[1]:
        dweight = xp.matmul(drows.T, rows) if transposed else xp.matmul(rows.T, drows)
    dbias = drows.sum(axis=0) if needs[2] else None
    return dx, dweight, dbias
