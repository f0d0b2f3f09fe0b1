"""Comparisons and argmax: results are bools or whole numbers, so there is nothing to differentiate."""

from tinylm.ops.op import keep, op


@op
def greater(xp, a, b):
    """a: (...)   b: (...)   →   y: (...) of bools, a > b"""
    return a > b, keep()


@op
def greater_equal(xp, a, b):
    """a: (...)   b: (...)   →   y: (...) of bools, a ≥ b"""
    return a >= b, keep()


@op
def less(xp, a, b):
    """a: (...)   b: (...)   →   y: (...) of bools, a < b"""
    return a < b, keep()


@op
def less_equal(xp, a, b):
    """a: (...)   b: (...)   →   y: (...) of bools, a ≤ b"""
    return a <= b, keep()


@op
def equal(xp, a, b):
    """a: (...)   b: (...)   →   y: (...) of bools, a = b"""
    return a == b, keep()


@op
def not_equal(xp, a, b):
    """a: (...)   b: (...)   →   y: (...) of bools, a ≠ b"""
    return a != b, keep()


@op
def argmax(xp, x, *, axis=None):
    """The index of the first largest element: x: (..., N, ...)   →   y: (...) of whole numbers"""
    return x.argmax(axis=axis), keep()
