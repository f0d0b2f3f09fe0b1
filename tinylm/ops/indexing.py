"""Picking elements by position, where one element may be picked many times: its gradients add up."""

from tinylm.backend import scatter_add
from tinylm.ops.op import keep, op


def picks_by_array(index) -> bool:
    """Whether an index may name one element twice: it holds an array of whole numbers or a list."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(p, list) or getattr(getattr(p, "dtype", None), "kind", "") in ("i", "u") for p in parts)


@op
def getitem(xp, x, *, index):
    """The elements that NumPy's x[index] picks: slices, whole numbers, None, ..., bools, index arrays.

    x: (...)   →   y: (...)
    """
    return x[index], keep(shape=x.shape)


@getitem.backward
def getitem_backward(xp, dy, *, shape, index):
    """dx[index] += dy"""
    dx = xp.zeros(shape, dtype=dy.dtype)
    if picks_by_array(index):
        scatter_add(dx, index, dy)
    else:
        dx[index] = dy
    return dx


@op
def embedding(xp, table, ids):
    """Look up one row of the table for each id.

        y[..., :] = table[ids[...]]

    table: (V, C)   ids: (...) of whole numbers below V   →   y: (..., C)

    `functional.embedding` checks the ids: a GPU would wrap those out of range without a word.
    """
    return table[ids], keep(ids=ids, shape=table.shape)


@embedding.backward
def embedding_backward(xp, dy, *, ids, shape):
    """dtable[v] = Σ dy over the places where ids = v"""
    dtable = xp.zeros(shape, dtype=dy.dtype)
    scatter_add(dtable, ids, dy)
    return dtable, None
