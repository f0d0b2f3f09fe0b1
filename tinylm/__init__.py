"""tinylm: a language model that you can read, prove and run, from arrays alone."""

from tinylm import data, functional, nn, optim, sample, schedule, train
from tinylm.autograd import (
    FindNaN,
    GradientMismatch,
    GraphError,
    NaNError,
    Recorder,
    Step,
    Tensor,
    Timer,
    WriteGuard,
    apply,
    enable_grad,
    gradcheck,
    no_grad,
    recompute,
    tensor,
    use_kernels,
    watching,
)
from tinylm.backend import DeviceError, use_device
from tinylm.checkpoint import CheckpointError, save
from tinylm.formats import load, load_model
from tinylm.gpt import GPT, Cache, GPTConfig
from tinylm.tracing import Trace, trace

__version__ = "0.1.0"

__all__ = [
    "GPT",
    "Cache",
    "CheckpointError",
    "DeviceError",
    "FindNaN",
    "GPTConfig",
    "GradientMismatch",
    "GraphError",
    "NaNError",
    "Recorder",
    "Step",
    "Tensor",
    "Timer",
    "Trace",
    "WriteGuard",
    "apply",
    "data",
    "enable_grad",
    "functional",
    "gradcheck",
    "load",
    "load_model",
    "nn",
    "no_grad",
    "optim",
    "recompute",
    "sample",
    "save",
    "schedule",
    "tensor",
    "trace",
    "train",
    "use_device",
    "use_kernels",
    "watching",
]
