"""Why one number of a parameter moved: its gradient by each use, clipping, the optimizer's state, decay, the step."""

import math
from fractions import Fraction

import numpy as np

from tinylm.autograd import unbroadcast
from tinylm.tracing.receipt import Line, Receipt, Sum, exact_sum
from tinylm.tracing.select import Part
from tinylm.tracing.step import TraceStep
from tinylm.tracing.values import Summary, Value, whole

__all__ = ["weight_receipt"]

UNSEEN = 64  # units of the last place of the largest use: what is beyond rounding was not in the trace


def weight_receipt(trace: Part, step: TraceStep, index: tuple[int, ...]) -> Receipt:
    """The receipt of one number of an update step."""
    name, before, after = step.leaves["p"], step.inputs, step.outputs
    p, g = _at(before["p"], index, name), _at(before["g"], index, name)
    moved = _at(after["p"], index, name)
    # the index counts from the end where it is negative; it is shown as it was given
    title = f"{name}[{', '.join(map(str, index))}]: {p:.9g} → {moved:.9g} (update in step {step.number})"
    sums = [_gradient(trace, step, index, g)]
    if step.op == "AdamW":
        more, facts = _adamw(step, index, p, g, moved)
    elif step.op == "SGD":
        more, facts = _sgd(step, index, p, g, moved)
    else:
        change = Line(f"change by {step.op}", Fraction(moved) - Fraction(p))
        more, facts = [Sum("the weight", (Line("before", Fraction(p)), change), "after", Fraction(moved))], []
    return Receipt(title, (*sums, *more), tuple(facts))


def _at(value: Value, index: tuple[int, ...], name: str) -> float:
    value = whole(value, name)
    if len(index) != value.ndim:
        raise IndexError(
            f"{name} has shape {value.shape}; expected {value.ndim} numbers, as in "
            f"why({name!r}, {tuple(0 for _ in value.shape)}), got {index}"
        )
    if any(not -n <= i < n for i, n in zip(index, value.shape, strict=True)):
        raise IndexError(f"{name} has shape {value.shape}; there is no {list(index)} in it")
    found = float(value[index])
    if not math.isfinite(found):
        raise ValueError(f"{name}{list(index)} is {found} here, and that has no sum; trace.find says where it began")
    return found


def _gradient(trace: Part, step: TraceStep, index: tuple[int, ...], g: float) -> Sum:
    """The gradient as the sum over the uses of the parameter since it was forgotten or updated last, clipped."""
    name, shape = step.leaves["p"], step.inputs["g"].shape
    lines: list[Line] = []
    missing = 0
    for other in _since_last_update(trace, step):
        if other.kind == "zero" and name in other.settings["parameters"]:
            lines, missing = [], 0
        elif other.kind == "clip" and name in other.settings["parameters"] and other.settings["scale"] < 1:
            scale = Fraction(other.settings["scale"])
            so_far = sum((line.value for line in lines), Fraction(0))
            lines.append(Line("clipping", so_far * (scale - 1), f"all gradients × {float(scale):.6g}"))
        elif other.kind == "backward":
            for key, leaf in other.leaves.items():
                if leaf != name or key not in other.outputs:
                    continue
                value = other.outputs[key]
                if isinstance(value, Summary):
                    missing += 1
                    continue
                where = other.title.partition("backward of")[0] + other.op  # with the module before it, if any
                part = unbroadcast(value, shape)[index]
                lines.append(Line(f"by {where}", Fraction(float(part)), f"step {other.number}"))
    rest = Fraction(g) - sum((line.value for line in lines), Fraction(0))
    eps = float(np.finfo(step.inputs["g"].dtype).eps)
    most = max([abs(float(line.value)) for line in lines], default=0.0)
    if missing:
        lines.append(Line("other uses", rest, f"{missing} gradients were only summarised in this trace"))
    elif abs(rest) > UNSEEN * eps * most * max(1, len(lines)):
        lines.append(Line("not explained by this trace", rest, "from before it, or of a forward outside the block"))
    else:
        lines.append(Line("rounding", rest))
    return Sum("the gradient", tuple(lines), "g", Fraction(g))


def _since_last_update(trace: Part, step: TraceStep) -> list[TraceStep]:
    """The steps since the parameter's last update, and before it, for gradients are kept over an update."""
    return [other for other in trace.steps if other.number < step.number]


def _adamw(
    step: TraceStep, index: tuple[int, ...], p: float, g: float, moved: float
) -> tuple[list[Sum], list[tuple[str, str]]]:
    """m, v and the weight as AdamW's equations make them."""
    settings, name = step.settings, step.leaves["p"]
    lr, (beta1, beta2), eps, t = settings["lr"], settings["betas"], settings["eps"], settings["t"]
    m0, v0 = (_at(step.inputs[key], index, name) if key in step.inputs else 0.0 for key in ("m", "v"))
    m, v = _at(step.outputs["m"], index, name), _at(step.outputs["v"], index, name)
    mhat, vhat = m / (1 - beta1**t), v / (1 - beta2**t)
    decay, adam = -lr * settings["weight_decay"] * p, -lr * mhat / (math.sqrt(vhat) + eps)
    sums = [
        exact_sum("the first moment", [("kept", beta1 * m0, f"β₁ m, β₁ = {beta1:g}"),
                                       ("new", (1 - beta1) * g, "(1 − β₁) g")], "m", m),
        exact_sum("the second moment", [("kept", beta2 * v0, f"β₂ v, β₂ = {beta2:g}"),
                                        ("new", (1 - beta2) * g * g, "(1 − β₂) g²")], "v", v),
        exact_sum("the weight", [("before", p, ""), ("decay", decay, "− lr λ p"),
                                 ("Adam's step", adam, "− lr m̂ / (√v̂ + eps)")], "after", moved),
    ]  # fmt: skip
    facts = [
        ("t", f"{t}"),
        ("lr", f"{lr:.9g}"),
        ("λ (weight decay)", f"{settings['weight_decay']:g}"),
        ("m̂ = m / (1 − β₁ᵗ)", f"{mhat:.9g}"),
        ("v̂ = v / (1 − β₂ᵗ)", f"{vhat:.9g}"),
        ("eps", f"{eps:g}"),
    ]
    return sums, facts


def _sgd(
    step: TraceStep, index: tuple[int, ...], p: float, g: float, moved: float
) -> tuple[list[Sum], list[tuple[str, str]]]:
    """The momentum and the weight as SGD's equations make them."""
    settings, name = step.settings, step.leaves["p"]
    lr, momentum, decay = settings["lr"], settings["momentum"], settings["weight_decay"]
    sums, step_by = [], g + decay * p
    if momentum:
        old = _at(step.inputs["momentum"], index, name) if "momentum" in step.inputs else 0.0
        step_by = _at(step.outputs["momentum"], index, name)
        lines = [("kept", momentum * old, "momentum · b"), ("gradient", g, "g"), ("decay", decay * p, "λ p")]
        sums.append(exact_sum("the momentum", lines, "b", step_by))
        moves = [("before", p, ""), ("step", -lr * step_by, "− lr b")]
    else:
        moves = [("before", p, ""), ("decay", -lr * decay * p, "− lr λ p"), ("step", -lr * g, "− lr g")]
    sums.append(exact_sum("the weight", moves, "after", moved))
    return sums, [("lr", f"{lr:.9g}"), ("momentum", f"{momentum:g}"), ("λ (weight decay)", f"{decay:g}")]
