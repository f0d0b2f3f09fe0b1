"""Events: what happens besides single ops (a clipping, an update, a choice), told to whoever listens.

Watchers see ops (watch.py); listeners hear the rest. Where nobody listens an event costs one look-up.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = ["Forgotten", "Listener", "listeners", "listening", "tell"]

Listener = Callable[[Any], None]


@dataclass(frozen=True, slots=True, eq=False)
class Forgotten:
    """zero_grad: the gradients of these tensors begin anew."""

    tensors: tuple[Any, ...]


_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("tinylm_listeners", default=())


def listeners() -> tuple[Listener, ...]:
    """Who listens in this context."""
    return _listeners.get()


def tell(event: Any) -> None:
    """Give an event to all who listen."""
    for listener in _listeners.get():
        listener(event)


@contextmanager
def listening(*new: Listener) -> Iterator[None]:
    """Tell the given listeners of each zero_grad, clipping, update, training step and choice in the block.

    A listener is called with Forgotten (of zero_grad), optim.Clipped, optim.Updated, TrainingStep and SamplingStep; it
    must not write into their arrays.

    >>> from tinylm import optim, tensor
    >>> w, heard = tensor([3.0, 4.0], requires_grad=True), []
    >>> (w * w).sum().backward()
    >>> with listening(heard.append):
    ...     norm = optim.clip_grad_norm(w, 1.0)
    ...     optim.SGD([w], lr=0.1).step()
    >>> [type(event).__name__ for event in heard]
    ['Clipped', 'Updated']
    """
    token = _listeners.set(_listeners.get() + new)
    try:
        yield
    finally:
        _listeners.reset(token)
