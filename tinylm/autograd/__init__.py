"""Floor 2: tensors, the graph and the backward pass."""

from tinylm.autograd.engine import GradientError, Leaves, Node, gradients_into, unbroadcast
from tinylm.autograd.events import Forgotten, listeners, listening, tell
from tinylm.autograd.flat import Flat, Place, flatten
from tinylm.autograd.gradcheck import GradientMismatch, gradcheck
from tinylm.autograd.guard import GraphError, writing
from tinylm.autograd.modes import enable_grad, grad_enabled, no_grad, reference_kernels, use_kernels
from tinylm.autograd.recompute import recompute
from tinylm.autograd.tensor import Operand, Tensor, apply, tensor
from tinylm.autograd.watch import (
    FindNaN,
    NaNError,
    Recorder,
    Step,
    Timer,
    WriteGuard,
    scope,
    scoped,
    watching,
)

__all__ = [
    "FindNaN",
    "Flat",
    "Forgotten",
    "GradientError",
    "GradientMismatch",
    "GraphError",
    "Leaves",
    "NaNError",
    "Node",
    "Operand",
    "Place",
    "Recorder",
    "Step",
    "Tensor",
    "Timer",
    "WriteGuard",
    "apply",
    "enable_grad",
    "flatten",
    "grad_enabled",
    "gradcheck",
    "gradients_into",
    "listeners",
    "listening",
    "no_grad",
    "recompute",
    "reference_kernels",
    "scope",
    "scoped",
    "tell",
    "tensor",
    "unbroadcast",
    "use_kernels",
    "watching",
    "writing",
]
