"""Picking elements by position, where one element may be picked many times: its gradients add up."""

from tinylm.backend import scatter_add
from tinylm.ops.op import keep, op


def parts_of(index):
    """What stands between the commas of x[index]."""
    return index if isinstance(index, tuple) else (index,)


def may_repeat(part):
    """Whether a part of an index may name one element twice: not a slice, one number, None, ... or a mask."""
    if part is None or part is Ellipsis or isinstance(part, (slice, int)):
        return False
    return getattr(getattr(part, "dtype", None), "kind", "") != "b"


def private(index):
    """The index with copies of its arrays and lists: what backward needs must not change with the caller's."""
    copies = tuple(part.copy() if hasattr(part, "copy") else part for part in parts_of(index))
    return copies if isinstance(index, tuple) else copies[0]


@op
def getitem(xp, x, *, index):
    """The elements that NumPy's x[index] picks: slices, whole numbers, None, ..., bools, index arrays.

    x: (...)   →   y: per index
    """
    return x[index], keep(shape=x.shape, index=private(index))


@getitem.backward
def getitem_backward(xp, dy, *, shape, index):
    """dx[index] += dy"""
    dx = xp.zeros(shape, dtype=dy.dtype)
    if any(may_repeat(part) for part in parts_of(index)):
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
