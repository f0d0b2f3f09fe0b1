"""NumPy kernels of embedding and getitem: gradients of the rows or parts that were used, without the zeros."""

import numpy as np

from tinylm.backend.memory import empty
from tinylm.ops.indexing import embedding, getitem, may_repeat, parts_of
from tinylm.ops.op import Part


def embedding_forward(xp, table, ids):
    """As the reference."""
    if not ids.size or table.ndim != 2:
        return embedding(np, table, ids)
    y = empty((*ids.shape, table.shape[1]), table.dtype)
    if ids.min() < 0 or ids.max() >= len(table):
        return embedding(np, table, ids)  # NumPy's own error, or its count from the end
    np.take(table, ids, axis=0, out=y, mode="clip")  # "raise" would fill a buffer first
    return y, {"ids": ids, "shape": table.shape}


def embedding_backward(xp, dy, *, ids, shape):
    """Rows of equal id are brought together by a stable sort and added with one reduceat."""
    flat = ids.reshape(-1)
    if not dy.size:
        return np.zeros(shape, dtype=dy.dtype), None
    if flat.min() < 0:
        flat = np.where(flat < 0, flat + shape[0], flat)  # counted from the end
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sums = np.add.reduceat(dy.reshape(flat.size, shape[-1])[order], starts, axis=0)
    return Part(shape, ordered[starts], sums), None


def getitem_forward(xp, x, *, index):
    """As the reference."""
    return getitem(np, x, index=index)


def getitem_backward(xp, dy, *, shape, index):
    """dx[index] += dy; where no element is named twice, the part alone"""
    if any(may_repeat(part) for part in parts_of(index)):
        return getitem.reference.backward(np, dy, shape=shape, index=index)
    return Part(shape, index, dy)


embedding.kernel("numpy", forward=embedding_forward, backward=embedding_backward)
getitem.kernel("numpy", forward=getitem_forward, backward=getitem_backward)
