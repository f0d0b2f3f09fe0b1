"""Floor 2: tensors, the graph and the backward pass."""

from tinylm.autograd.engine import GradientError, Node, unbroadcast
from tinylm.autograd.gradcheck import GradientMismatch, gradcheck
from tinylm.autograd.guard import GraphError, writing
from tinylm.autograd.modes import enable_grad, grad_enabled, no_grad, use_kernels
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
    "GradientError",
    "GradientMismatch",
    "GraphError",
    "NaNError",
    "Node",
    "Operand",
    "Recorder",
    "Step",
    "Tensor",
    "Timer",
    "WriteGuard",
    "apply",
    "enable_grad",
    "grad_enabled",
    "gradcheck",
    "no_grad",
    "scope",
    "scoped",
    "tensor",
    "unbroadcast",
    "use_kernels",
    "watching",
    "writing",
]
