"""A model in float64, whose texts do not show in which order its sums were rounded."""

from typing import TypeVar

import numpy as np

from tinylm.nn import Module

__all__ = ["in_float64"]

M = TypeVar("M", bound=Module)


def in_float64(model: M) -> M:
    """The same model, its parameters widened in place: twice the memory, about half as fast, for inference.

    Its logits differ between machines and sizes of batch by 2²⁹ times less than those in float32; what that means for
    a text stands in tinylm/sample/__init__.py. Weights that stay quantised in their file are none that can be widened.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(np.float64)
    return model
