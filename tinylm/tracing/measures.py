"""What a trace says of a model's health: sizes of activations, of gradients and of updates; and the logit lens."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

import numpy as np

from tinylm.autograd import Tensor, no_grad
from tinylm.gpt import GPT
from tinylm.tracing.select import NotInTrace, Part
from tinylm.tracing.step import TraceStep
from tinylm.tracing.values import Value, whole

__all__ = ["activations", "gradients", "logit_lens", "residual_stream", "update_ratios"]


def activations(trace: Part, match: str = "*") -> dict[str, Value]:
    """The output of each module in the last forward pass, in the order in which they came: name → array.

    match: which modules, with * for anything, as in "h.*.mlp"

    >>> import tinylm
    >>> model = GPT(tinylm.GPTConfig(vocab_size=9, block_size=4, n_layer=2, n_head=1, n_embd=4))
    >>> with tinylm.trace(model) as t:
    ...     _ = model([[1, 2]])
    >>> [f"{name} {x.shape}" for name, x in activations(t, "h.*.mlp").items()]
    ['h.0.mlp (1, 2, 16)', 'h.1.mlp (1, 2, 16)']
    """
    return {step.scope: step.output for step in _ends(trace) if fnmatchcase(step.scope, match)}


def gradients(trace: Part, match: str = "*") -> dict[str, Value]:
    """The gradient of the loss by the output of each module in the last forward pass: name → array.

    Raises NotInTrace where no backward pass was traced.
    """
    back = {step.node: step for step in trace.backward}
    if not back:
        raise NotInTrace("no backward pass in the trace: loss.backward() must run inside the block")
    ends = [step for step in _ends(trace) if fnmatchcase(step.scope, match) and step.node in back]
    return {step.scope: next(iter(back[step.node].inputs.values())) for step in ends}


def _ends(trace: Part) -> Iterator[TraceStep]:
    """The last step of each module itself in the last forward pass."""
    passes = trace.passes
    if not passes:
        raise NotInTrace("no forward pass in the trace")
    last: dict[str, TraceStep] = {}
    for step in passes[-1].forward:
        last.pop(step.scope, None)
        last[step.scope] = step
    return (step for scope, step in last.items() if scope)


def update_ratios(trace: Part) -> dict[str, float]:
    """How far each parameter moved in its last update, as a share of its size: ‖p after − p before‖ / ‖p before‖.

    Raises NotInTrace where no optimizer's step was traced.
    """
    updates = {step.leaves["p"]: step for step in trace.kind("update")}
    if not updates:
        raise NotInTrace("no update in the trace: an optimizer's step() must run inside the block")
    found = {}
    for name, step in updates.items():
        before, after = (whole(part["p"], name).astype(np.float64) for part in (step.inputs, step.outputs))
        size = float(np.linalg.norm(before))
        moved = float(np.linalg.norm(after - before))
        found[name] = moved / size if size else float("inf") if moved else 0.0
    return found


def residual_stream(trace: Part) -> np.ndarray:
    """What runs through the blocks in the last forward pass: the embeddings, then the output of every block.

    →   (L + 1, B, T, C)
    """
    last = trace.passes[-1] if trace.passes else trace
    blocks = [scope for scope in last.scopes if scope.startswith("h.") and scope.count(".") == 1]
    if not blocks:
        raise NotInTrace("no forward pass of a GPT in the trace")
    norms = [*(f"{block}.ln_1" for block in blocks), "ln_f"]
    steps = [next(step for step in last.forward if step.scope == norm) for norm in norms]
    return np.stack([whole(step.inputs["x"], f"the input of {step.scope}") for step in steps])


def logit_lens(model: GPT, trace: Part) -> np.ndarray:
    """What the model would say after each block if it were the last: logits, (L + 1, B, T, V).

        logits[l] = head(ln_f(x[l]))        x[0] the embeddings, x[l] the output of block l − 1

    nostalgebraist 2020, "interpreting GPT: the logit lens"
    """
    with no_grad():
        said: np.ndarray = model.head(model.ln_f(Tensor(residual_stream(trace)))).numpy()
    return said
