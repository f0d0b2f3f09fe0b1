"""Events: merges and encodings told to whoever listens, as they happen; costs one look-up where nobody does."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = ["Counted", "Encoded", "Listener", "listeners", "listening", "tell"]


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Training is about to merge these pre-tokens, each as often as it was counted; the merges follow as events."""

    counts: Mapping[bytes, int]
    tie_break: str


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A text became these ids."""

    tokenizer: Any
    text: str
    ids: list[int]


Listener = Callable[[Any], None]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("tokenizer_listeners", default=())


def listeners() -> tuple[Listener, ...]:
    """Who listens in this context."""
    return _listeners.get()


def tell(event: Any) -> None:
    """Give an event to all who listen."""
    for listener in _listeners.get():
        listener(event)


@contextmanager
def listening(*new: Listener) -> Iterator[None]:
    """Tell the given listeners of every text encoded one by one, and of every merge of train_bpe, in the block.

    A listener is called with Counted, Merge and Encoded.

    >>> from tokenizer import train_bpe
    >>> heard = []
    >>> with listening(heard.append):
    ...     ids = train_bpe(["low low low"], 258).encode("low")
    >>> [type(event).__name__ for event in heard]
    ['Counted', 'Merge', 'Encoded']
    """
    token = _listeners.set(_listeners.get() + new)
    try:
        yield
    finally:
        _listeners.reset(token)
