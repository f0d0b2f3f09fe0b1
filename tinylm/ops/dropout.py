"""Dropout with the mask as an input: what is random is drawn outside, so the op itself can be checked."""

from tinylm.ops.op import keep, op


@op
def dropout(xp, x, mask, *, p):
    """Set some elements to 0 and scale the others, so that the average stays.

        y = x · mask / (1 − p)

    x: (...)   mask: (...) of bools, True = stays   →   y: (...)        Srivastava et al. 2014
    """
    return x * mask * (0.0 if p == 1 else 1 / (1 - p)), keep(mask=mask)


@dropout.backward
def dropout_backward(xp, dy, *, mask, p):
    """dx = dy · mask / (1 − p)"""
    return dy * mask * (0.0 if p == 1 else 1 / (1 - p)), None
