"""Why something came out as it did: receipts made from the steps of a trace."""

import operator
from collections.abc import Iterable
from typing import SupportsIndex

from tinylm.tracing.receipt import Receipt
from tinylm.tracing.select import NotInTrace, Part
from tinylm.tracing.step import TraceStep
from tinylm.tracing.why_choice import choice_receipt
from tinylm.tracing.why_merge import merge_receipt
from tinylm.tracing.why_weight import weight_receipt

__all__ = ["why"]


def why(
    trace: Part, what: SupportsIndex | TraceStep | str, index: SupportsIndex | Iterable[SupportsIndex], update: int
) -> Receipt:
    """The receipt of a step or of one number of a parameter; see Trace.why."""
    place = tuple(map(operator.index, index if isinstance(index, Iterable) else (index,)))
    if isinstance(what, str):
        return weight_receipt(trace, _update_of(trace, what, update), place)
    step = what if isinstance(what, TraceStep) else trace[what]
    if step.kind == "merge":
        return merge_receipt(trace, step)
    if step.kind == "choice":
        return choice_receipt(step)
    if step.kind == "update":
        return weight_receipt(trace, step, place)
    raise ValueError(
        f"step {step.number} is a {step.kind} step; receipts are of merge, choice and update steps, "
        'and of parameters, as in trace.why("wte.weight", (3, 7))'
    )


def _update_of(trace: Part, name: str, which: int) -> TraceStep:
    steps = [step for step in trace.kind("update") if step.leaves["p"] == name]
    if not steps:
        names = dict.fromkeys(step.leaves["p"] for step in trace.kind("update"))
        raise NotInTrace(
            f"no update of {name!r} in the trace; there are {', '.join(names)}"
            if names
            else "no parameter was updated in the trace: an optimizer's step() must run inside the block"
        )
    if not -len(steps) <= which < len(steps):
        raise NotInTrace(f"{name} was updated {len(steps)} times in the trace; there is no update {which}")
    return steps[which]
