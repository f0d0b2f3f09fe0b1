"""Floor 6: one trace of everything that happens; what happened is recorded, compared, and made to add up."""

from tinylm.tracing.diff import Difference, diff
from tinylm.tracing.measures import activations, gradients, logit_lens, residual_stream, update_ratios
from tinylm.tracing.receipt import Line, Receipt, Sum
from tinylm.tracing.select import NotInTrace, Part
from tinylm.tracing.step import TraceStep
from tinylm.tracing.trace import Trace, trace
from tinylm.tracing.values import Summary

__all__ = [
    "Difference",
    "Line",
    "NotInTrace",
    "Part",
    "Receipt",
    "Sum",
    "Summary",
    "Trace",
    "TraceStep",
    "activations",
    "diff",
    "gradients",
    "logit_lens",
    "residual_stream",
    "trace",
    "update_ratios",
]
