"""How wrong implementations are listed: each with the check that must catch it."""

from dataclasses import dataclass
from typing import Any

from tinylm.ops.op import Op


@dataclass(frozen=True)
class Fault:
    """A wrong forward or backward of an op, and the check that must catch it."""

    what: str
    op: Op
    check: Any
    forward: Any = None  # None: the true one
    backward: Any = None

    @property
    def file(self) -> str:
        """The module in which it is written."""
        return (self.forward or self.backward).__module__

    def __repr__(self) -> str:
        return f"{self.op.name}: {self.what}"


FAULTS: list[Fault] = []


def fault(what, op, check, part="backward"):
    """Register the decorated function as a wrong `part` of `op`, to be caught by `check`."""

    def register(function):
        FAULTS.append(Fault(what, op, check, **{part: function}))
        return function

    return register


def true(op):
    """The right forward and backward of an op."""
    return op.reference.forward, op.reference.backward
