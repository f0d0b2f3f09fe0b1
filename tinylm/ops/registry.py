"""Every op by name, in the order in which they were defined; knows nothing of what an op does."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinylm.ops.op import Op

__all__ = ["op_named", "ops", "register"]

_OPS: "dict[str, Op]" = {}


def register(op: "Op") -> None:
    """Add `op` under its name; its own module may define it again (a notebook cell run twice), no other may."""
    present = _OPS.get(op.name)
    if present is not None and present.module != op.module:
        raise ValueError(f"an op called {op.name!r} exists already, in {present.module}; choose another name")
    _OPS[op.name] = op


def op_named(name: str) -> "Op":
    """The op called `name`; raises KeyError with the names that exist."""
    if name not in _OPS:
        raise KeyError(f"no op {name!r}; there are {', '.join(_OPS)}")
    return _OPS[name]


def ops() -> "Iterator[Op]":
    """All ops, oldest first."""
    return iter(tuple(_OPS.values()))
