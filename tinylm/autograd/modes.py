"""What is switched on in the current context: recording of gradients, and which kernels run.

Each switch is a context variable, so threads and asynchronous tasks do not disturb each other, and each
context manager restores what was there, also when the block raises.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

__all__ = ["enable_grad", "grad_enabled", "no_grad", "reference_kernels", "use_kernels"]

_grad: ContextVar[bool] = ContextVar("tinylm_grad", default=True)
_reference: ContextVar[bool] = ContextVar("tinylm_reference", default=False)


def grad_enabled() -> bool:
    """Whether operations on tensors that require a gradient are recorded."""
    return _grad.get()


def reference_kernels() -> bool:
    """Whether ops run in their readable form only."""
    return _reference.get()


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording: results require no gradient and nothing is kept for backward.

    Also a decorator. Do not wrap a `yield` in it: the caller of the generator would run under it too.

    >>> from tinylm import tensor
    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """
    token = _grad.set(False)
    try:
        yield
    finally:
        _grad.reset(token)


@contextmanager
def enable_grad() -> Iterator[None]:
    """Record again, inside a block of `no_grad`."""
    token = _grad.set(True)
    try:
        yield
    finally:
        _grad.reset(token)


@contextmanager
def use_kernels(which: Literal["fast", "reference"]) -> Iterator[None]:
    """Run every op by its registered kernel ("fast", the default) or in its readable form ("reference").

    Raises ValueError for another word.
    """
    if which not in ("fast", "reference"):
        raise ValueError(f'use_kernels: expected "fast" or "reference", got {which!r}')
    token = _reference.set(which == "reference")
    try:
        yield
    finally:
        _reference.reset(token)
