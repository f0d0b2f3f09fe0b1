"""Comparisons and argmax: results are bools or whole numbers, so there is nothing to differentiate."""

from tinylm.ops.op import keep, op


@op
def greater(xp, a, b):
    """Whether a is greater than b, element by element.

        y = [a > b]

    a: (...)   b: (...)   →   y: (...) of bools
    """
    return a > b, keep()


@op
def greater_equal(xp, a, b):
    """Whether a is greater than b or equal to it, element by element.

        y = [a ≥ b]

    a: (...)   b: (...)   →   y: (...) of bools
    """
    return a >= b, keep()


@op
def less(xp, a, b):
    """Whether a is less than b, element by element.

        y = [a < b]

    a: (...)   b: (...)   →   y: (...) of bools
    """
    return a < b, keep()


@op
def less_equal(xp, a, b):
    """Whether a is less than b or equal to it, element by element.

        y = [a ≤ b]

    a: (...)   b: (...)   →   y: (...) of bools
    """
    return a <= b, keep()


@op
def equal(xp, a, b):
    """Whether a equals b, element by element.

        y = [a = b]

    a: (...)   b: (...)   →   y: (...) of bools
    """
    return a == b, keep()


@op
def not_equal(xp, a, b):
    """Whether a differs from b, element by element.

        y = [a ≠ b]

    a: (...)   b: (...)   →   y: (...) of bools
    """
    return a != b, keep()


@op
def argmax(xp, x, *, axis=None):
    """The place of the first largest element along an axis, or in the flattened array for None.

        y = min { i : xᵢ = max x }

    x: (..., N, ...)   →   y: (...) of whole numbers
    """
    return x.argmax(axis=axis), keep()
