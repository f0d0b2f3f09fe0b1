"""Where training left the finite numbers: the step is run again, watched, and the first guilty op is named."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylm.autograd import FindNaN, NaNError, watching
from tinylm.backend import backend_of, to_host
from tinylm.nn import Module

__all__ = ["Draws", "Finding", "fault_in", "first_fault"]

LARGE = 1e4  # numbers inside a model that trains stay some orders of magnitude below


@dataclass(frozen=True, slots=True)
class Finding:
    """What made a number that is not finite.

    report    the op, its module and its arguments, in lines
    cause     "weights": they were not finite before the step. "growth": they, or what came of them, were very large.
              "op": all that the op was given was of usual size
    """

    report: str
    cause: str


class Draws:
    """The generators that a model's parts draw from, so that a step can be run again with the same numbers."""

    def __init__(self, model: Module):
        parts = (getattr(module, "rng", None) for module in model.modules())
        self._generators = list({id(g): g for g in parts if isinstance(g, np.random.Generator)}.values())
        self.note()

    def note(self) -> None:
        """Remember where they stand: some microseconds."""
        self._states = [generator.bit_generator.state for generator in self._generators]

    def put_back(self) -> None:
        """Let them draw again what they drew since `note`."""
        for generator, state in zip(self._generators, self._states, strict=True):
            generator.bit_generator.state = state


def _finite(array: Any) -> bool:
    return bool(backend_of(array).xp.isfinite(array).all())


def _largest(array: Any) -> float:
    """The largest absolute value, infinite where one is NaN."""
    host = to_host(array)
    if host.dtype.kind != "f" or not host.size:
        return 0.0
    largest = float(np.abs(host).max())
    return largest if largest == largest else np.inf


def _watched(run: Callable[[], object]) -> NaNError | None:
    """The first op of a run that makes what is not finite."""
    try:
        with np.errstate(all="ignore"), watching(FindNaN()):
            run()
    except NaNError as found:
        return found
    return None


def _weights(model: Module) -> str | None:
    """The first parameter that is not finite, in words."""
    for name, p in model.named_parameters():
        if not _finite(p.data):
            host = to_host(p.data)
            place = [int(i) for i in np.argwhere(~np.isfinite(host))[0]]
            count = int((~np.isfinite(host)).sum())
            return (
                f"{name}{place} is {host[tuple(place)]}, and so {count:,} of its {host.size:,} numbers are not finite"
            )
    return None


def _finding(model: Module, found: NaNError | None) -> Finding | None:
    broken = _weights(model)
    lines = [f"the weights were not finite before that: {broken}"] if broken else []
    if found is not None:
        said = str(found).splitlines()
        lines += [f"first guilty op: {said[0]}", *said[1:-1]]  # the last line is a place in the caller's program
    if not lines:
        return None
    if broken:
        return Finding("\n".join(lines), "weights")
    assert found is not None
    given = (*found.step.inputs, *found.step.kept.values())
    grown = any(_largest(array) > LARGE for array in given if hasattr(array, "dtype"))
    return Finding("\n".join(lines), "growth" if grown else "op")


def first_fault(model: Module, batches: Iterable[tuple[Any, Any]], loss: Callable[..., Any]) -> Finding:
    """Run forward and backward of these batches again and say which op was the first to leave the finite numbers.

    batches: pairs (x, y), (B, T) each   loss: gives loss(model, x, y), a tensor ()

    The model's generators must stand where they stood before the step; its gradients are written over. Where every op
    gives finite numbers, the gradient with the largest one is named.
    """
    batches = list(batches)
    for p in model.parameters():
        p.grad = None

    def run() -> None:
        for x, y in batches:
            loss(model, x, y).backward(1.0 / len(batches))

    finding = _finding(model, _watched(run))
    if finding is not None:
        return finding
    sizes = {name: _largest(p.grad_data) for name, p in model.named_parameters() if p.grad_data is not None}
    name = max(sizes, key=sizes.__getitem__, default="")
    largest = f"{sizes[name]:.4g}, in that of {name}" if name else "none"
    return Finding(
        f"every op gave finite numbers when the step was run again; the largest number in a gradient is {largest}, and "
        "where gradients are added up and squared it overflows",
        "growth",
    )


def fault_in(model: Module, run: Callable[[], object]) -> Finding:
    """Run something of this model again and say which op was the first to leave the finite numbers."""
    return _finding(model, _watched(run)) or Finding("every op gave finite numbers when it was run again", "op")
