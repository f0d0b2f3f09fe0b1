"""How parameters begin: random numbers are drawn in float64 on the host, so every dtype and device starts alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinylm.backend import current_backend
from tinylm.nn.module import Parameter

__all__ = ["constant", "drawing", "normal", "undrawn"]

_drawing = ContextVar("drawing", default=True)


def drawing() -> bool:
    """Whether new parameters get values; not so inside `undrawn`."""
    return _drawing.get()


@contextmanager
def undrawn() -> Iterator[None]:
    """Inside, new parameters hold anything: for a model whose weights are read from a file right afterwards."""
    token = _drawing.set(False)
    try:
        yield
    finally:
        _drawing.reset(token)


def normal(rng: np.random.Generator, shape: tuple[int, ...], std: float, dtype: Any = None) -> Parameter:
    """A parameter of independent normal numbers with mean 0 and standard deviation `std`."""
    if not drawing():
        return Parameter(current_backend().xp.empty(shape, dtype or np.float32))
    values = (rng.standard_normal(shape) * std).astype(dtype or np.float32)
    return Parameter(current_backend().from_host(values))


def constant(value: float, shape: tuple[int, ...], dtype: Any = None) -> Parameter:
    """A parameter with the same value everywhere."""
    return Parameter(current_backend().from_host(np.full(shape, value, dtype=dtype or np.float32)))
