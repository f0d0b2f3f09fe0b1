"""Cross-entropy of a softmax: forward and backward."""

from typing import Any

import numpy as np

from tinylm.course.compare import computed
from tinylm.course.exercise import Case, case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import (
    array,
    bools,
    drawn,
    dtype_of,
    first_gradient,
    integers,
    pick,
    shape_of,
    whole,
)
from tinylm.ops import loss as live

IGNORED = -100  # PyTorch's


def _operands(draw: Any, *, far: bool) -> tuple[Any, Any, dict[str, Any]]:
    """Logits, targets (some of them to be ignored, at times all), and settings."""
    V, shape, dtype = whole(draw, 1, 4), shape_of(draw, pick(draw, 0, 1, 1), 2), dtype_of(draw)
    logits, targets = array(draw, (*shape, V), dtype), integers(draw, shape, 0, V - 1)
    if far and logits.dtype == "float64":
        kind = pick(draw, "near", "far", "steep")
        if kind != "near":  # rows far from 0, or with numbers far from each other
            logits = logits + array(draw, (*shape, 1 if kind == "far" else V), among=(1e4, -1e4, 0.0))
    settings: dict[str, Any] = {}
    if pick(draw, False, True, True):
        ignored = settings["ignore_index"] = pick(draw, IGNORED, -1, 0)
        places = pick(draw, "first", "all", "some")
        targets = np.where(~bools(draw, shape) if places == "some" else places == "all", ignored, targets)
        if places == "first":
            targets.flat[0] = ignored
    if pick(draw, False, True):
        settings["label_smoothing"] = pick(draw, 0.25, 0.5)
    if pick(draw, False, False, True):
        settings["reduction"] = pick(draw, "sum", "none", "mean")
    return logits, targets, settings


@drawn
def cross_entropy_inputs(draw: Any) -> Case:
    logits, targets, settings = _operands(draw, far=True)
    return case(XP, logits, targets, **settings)


@drawn
def cross_entropy_backward_inputs(draw: Any) -> Case:
    logits, targets, settings = _operands(draw, far=False)
    shape = targets.shape if settings.get("reduction") == "none" else ()
    dy = array(draw, shape, logits.dtype, among=(1.0, 1.0, 0.5, 2.0, -1.0, 3.0))
    return backward_case(live.softmax_cross_entropy, dy, logits, targets, **settings)


SMOOTHED = "losses - logp.sum(axis=-1) * (label_smoothing / V)"
OTHERS = "losses - (logp.sum(axis=-1) - logp[xp.arange(ids.shape[0]), ids]) * (label_smoothing / max(V - 1, 1))"
SHARE_HINT = "The smoothed target is (1−s) onehot + s/V: it adds up to 1."

add(
    Problem(
        "softmax_cross_entropy",
        live.softmax_cross_entropy,
        topic="operations",
        level=3,
        minutes=45,
        inputs=cross_entropy_inputs,
        needs=("log_softmax",),
        view=first,
        compare=computed(),
        variants={"label_smoothing": (0.0, 0.1, 0.2, 0.3), "reduction": ("mean", "sum")},
        faults=(
            Fault("max_kept", "the maximum were not subtracted",
                  (("flat - flat.max(axis=-1, keepdims=True)", "flat + 0"),),
                  "Try logits of 10000: e to that power is too large for any float."),
            Fault("min_taken", "the least logit were subtracted, not the greatest", (("flat.max(", "flat.min("),),
                  "Try logits of 0 and 10000: is any e to the power of something too large?"),
            Fault("sign", "the sign were turned", (("losses = -logp[", "losses = logp["),),
                  "A probability is at most 1: of which sign is its logarithm, and of which the loss?"),
            Fault(
                "not_averaged", "the losses were added up where their mean is asked for",
                (("weight = weight / xp.maximum(weight.sum(), 1)", "weight = weight + 0"),),
                "Give the same position twice: the mean stays.",
            ),
            Fault(
                "ignored_in_mean", "ignored positions counted in the N of the mean",
                (("xp.maximum(weight.sum(), 1)", "max(ids.shape[0], 1)"),),
                "Add positions that are ignored: the mean over the others stays.",
            ),
            Fault(
                "ignored_counted", "ignore_index were not looked at",
                (("xp.ones(ids.shape, dtype=bool) if ignore_index is None else ids != ignore_index",
                  "xp.ones(ids.shape, dtype=bool)"),),
                "Change the logits of an ignored position: the loss stays.",
            ),
            Fault(
                "mean_of_none", "the mean over no positions at all were 0 / 0",
                (("xp.maximum(weight.sum(), 1)", "weight.sum()"),), "What if every target is ignore_index?",
            ),
            Fault("smoothing_forgotten", "label_smoothing were not looked at",
                  ((" * (1 - label_smoothing)", ""), (SMOOTHED, "losses")), "Call it with label_smoothing=0.5."),
            Fault("not_lessened", "the smoothed part were added and the target kept its full weight",
                  ((" * (1 - label_smoothing)", ""),), SHARE_HINT),
            Fault("smoothed_over_others", "smoothing were shared among the other V - 1 ids, not among all V",
                  ((SMOOTHED, OTHERS),), SHARE_HINT),
        ),
    ),
    Problem(
        "softmax_cross_entropy_backward",
        live.softmax_cross_entropy_backward,
        topic="operations",
        level=3,
        minutes=30,
        inputs=cross_entropy_backward_inputs,
        needs=("softmax_cross_entropy", "softmax_backward"),
        view=first_gradient,
        compare=computed(),
        notes="dy: () or (...)   p: (N, V)   ids: (N,)   weight: (N,)   →   (dlogits, None), dlogits: (..., V)\n\n"
        "All positions stand in one row of N here: p are their probabilities, ids their targets, weight is what\n"
        "each of them counts (1/N in a mean, 0 where ignored). shape is that of the logits. Without a reduction dy\n"
        "has one number for each position. The targets have no gradient.",
        faults=(
            Fault("weight_forgotten", "weight were not used: nothing is averaged, nothing ignored",
                  (("dy.reshape(-1) * weight", "dy.reshape(-1) + 0 * weight"),),
                  "In a mean of N losses each counts 1/N."),
            Fault("weight_averages", "each position counted 1/N, whatever weight says",
                  (("dy.reshape(-1) * weight", "dy.reshape(-1) / weight.shape[0] + 0 * weight"),),
                  "What does an ignored position count, and what each position of a sum?"),
            Fault("dy_forgotten", "dy were always 1", (("dy.reshape(-1) * weight", "dy.reshape(-1) * 0 + weight"),),
                  "The loss may be multiplied by something before backward comes here."),
            Fault("target_forgotten", "dlogits were p alone: nothing is subtracted at the target",
                  (("    dlogits[xp.arange(ids.shape[0]), ids] -= (1 - label_smoothing) * slope[:, 0]\n", ""),),
                  "A row of dlogits adds up to 0: the target's logit should rise."),
            Fault("sign", "the sign were turned", (("dlogits.reshape(shape)", "-dlogits.reshape(shape)"),),
                  "A greater logit of the target makes the loss smaller: of which sign is its gradient?"),
            Fault("smoothing_forgotten", "label_smoothing were not looked at",
                  (("(p - label_smoothing / p.shape[-1]) * slope if label_smoothing else p * slope", "p * slope"),
                   ("(1 - label_smoothing) * slope[:, 0]", "slope[:, 0]")), "Call it with label_smoothing=0.5."),
            Fault("not_lessened", "the target kept its full weight beside the smoothed part",
                  (("(1 - label_smoothing) * slope[:, 0]", "slope[:, 0]"),), SHARE_HINT),
            Fault("not_reshaped", "dlogits stayed (N, V)", (("dlogits.reshape(shape)", "dlogits"),),
                  "A gradient has the shape of what it is the gradient of."),
        ),
    ),
)  # fmt: skip
