"""Ops spelled out in smaller ones, on tensors: their gradients are the engine's to find."""

from typing import Any

from tinylm import spelled
from tinylm.course.compare import nearly
from tinylm.course.drive import on_tensors
from tinylm.course.exercise import case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import array, drawn, integers, pick, shape_of, whole

ON_TENSORS = "It takes and returns tensors: write it with their operators and methods alone, and no backward is needed."
CLOSE = nearly(1e-9, 1e-9)  # where terms of a gradient cancel, roundings are all that is left of it
TENSORS = ("from tinylm import Tensor", "from tinylm import functional as F")


def softmax_case(draw: Any) -> Any:
    shape = shape_of(draw, 1, 2, 3)
    x = array(draw, shape) * pick(draw, 1.0, 1.0, 1.0, 1024.0)
    return case(x, **({"axis": 0} if len(shape) > 1 and pick(draw, False, True) else {}))


def norm_case(draw: Any) -> Any:
    shape = shape_of(draw, 1, 2, 4)
    bias = [array(draw, shape[-1:])] if pick(draw, False, True) else []
    return case(array(draw, shape), array(draw, shape[-1:]), *bias)


def loss_case(draw: Any) -> Any:
    N, V = whole(draw, 1, 3), whole(draw, 2, 4)
    settings: dict[str, Any] = {}
    if pick(draw, False, True):
        settings["ignore_index"] = whole(draw, 0, V - 1)
    if pick(draw, False, True):
        settings["label_smoothing"] = pick(draw, 0.25, 0.5)
    if pick(draw, False, True):
        settings["reduction"] = pick(draw, "sum", "none")
    logits = array(draw, (N, V)) * pick(draw, 1.0, 1.0, 1.0, 1024.0)
    return case(logits, integers(draw, (N,), 0, V - 1), **settings)


def attention_case(draw: Any) -> Any:
    G, R, T, D = whole(draw, 1, 2), whole(draw, 1, 2), whole(draw, 1, 3), whole(draw, 1, 3)
    S = T + whole(draw, 0, 2)
    large = pick(draw, 1.0, 1.0, 1.0, 64.0)  # scores of some thousand: their exponential has no float
    q, k, v = (array(draw, (heads, length, D)) for heads, length in ((G * R, T), (G, S), (G, S)))
    return case(q * large, k * large, v)


add(
    Problem(
        "spelled_softmax",
        spelled.softmax,
        topic="model",
        level=1,
        minutes=15,
        inputs=drawn(softmax_case),
        drive=on_tensors,
        compare=CLOSE,
        imports=TENSORS,
        needs=("softmax",),
        places=("tinylm.functional:softmax",),
        notes=f"x: (...)   →   y: (...). m is the largest number along the axis. {ON_TENSORS}",
        faults=(
            Fault(
                "no_maximum",
                "the maximum were not subtracted",
                (("x - x.detach().max(axis=axis, keepdims=True)", "x * 1"),),
                "What is exp(1000) in floating point?",
            ),
            Fault(
                "axis_ignored",
                "it went along the last axis, whatever axis is",
                (("e.sum(axis=axis", "e.sum(axis=-1"), ("max(axis=axis", "max(axis=-1")),
                "Along which axis do the results add up to 1?",
            ),
            Fault(
                "sum_detached",
                "no gradient passed through the sum",
                (("e.sum(axis=axis, keepdims=True)", "e.sum(axis=axis, keepdims=True).detach()"),),
                "The sum depends on x, too: what does detach() do to a gradient?",
            ),
            Fault(
                "over_everything",
                "it divided by the sum over all axes",
                (("e.sum(axis=axis, keepdims=True)", "e.sum()"),),
                "Each row has a sum of its own.",
            ),
        ),
    ),
    Problem(
        "spelled_layer_norm",
        spelled.layer_norm,
        topic="model",
        level=1,
        minutes=15,
        inputs=drawn(norm_case),
        drive=on_tensors,
        compare=CLOSE,
        imports=TENSORS,
        needs=("layer_norm",),
        variants={"eps": (1e-5, 1e-3, 1e-2, 0.1)},
        places=("tinylm.functional:layer_norm",),
        notes="μ and σ² are mean and mean squared deviation of each row. x: (..., C)   gain, bias: (C,)   →   "
        f"y: (..., C). {ON_TENSORS}",
        faults=(
            Fault(
                "eps_dropped",
                "there were no eps",
                (("(variance + eps)", "(variance + 0.0)"),),
                "What is divided by, where all numbers of a row are equal?",
            ),
            Fault(
                "eps_outside",
                "eps were added outside of the root",
                (("(variance + eps).sqrt()", "(variance.sqrt() + eps)"),),
                "What stands under the root?",
            ),
            Fault(
                "mean_detached",
                "no gradient passed through the mean",
                (("x - x.mean(axis=-1, keepdims=True)", "x - x.detach().mean(axis=-1, keepdims=True)"),),
                "The mean depends on x, too.",
            ),
            Fault(
                "variance_detached",
                "no gradient passed through the variance",
                (("(variance + eps)", "(variance.detach() + eps)"),),
                "The variance depends on x, too.",
            ),
            Fault(
                "sample_variance",
                "the variance were divided by C − 1",
                (
                    (
                        "(centred * centred).mean(axis=-1, keepdims=True)",
                        "(centred * centred).sum(axis=-1, keepdims=True) / max(x.shape[-1] - 1, 1)",
                    ),
                ),
                "It is the mean of the squares, over all C of them.",
            ),
            Fault(
                "over_rows",
                "mean and variance went over all rows together",
                (
                    ("x - x.mean(axis=-1, keepdims=True)", "x - x.mean()"),
                    ("(centred * centred).mean(axis=-1, keepdims=True)", "(centred * centred).mean()"),
                ),
                "Each row of features has a mean of its own.",
            ),
        ),
    ),
    Problem(
        "spelled_softmax_cross_entropy",
        spelled.softmax_cross_entropy,
        topic="model",
        level=3,
        minutes=45,
        inputs=drawn(loss_case),
        drive=on_tensors,
        compare=CLOSE,
        helpers=(spelled.log_softmax,),
        imports=(*TENSORS, "import numpy as np"),
        needs=("spelled_softmax", "softmax_cross_entropy"),
        places=(
            "tinylm.functional:softmax_cross_entropy via tinylm.course.drive:by_rows",
            "tinylm.functional:linear_cross_entropy via tinylm.course.drive:by_logits",
        ),
        notes="logits: (N, V), a tensor   targets: (N,), an array   →   the loss, a tensor: (), or (N,) for reduction "
        '"none"; "sum" adds, "mean" divides by the number of targets that are not ignore_index. The target distribution'
        " has 1 − label_smoothing at the target, and label_smoothing / V everywhere besides. " + ON_TENSORS,
        faults=(
            Fault(
                "mean_over_all",
                "the mean were over all positions, the ignored ones counted too",
                (("max(int(counted.sum()), 1)", "max(counted.size, 1)"),),
                "By how many is the sum divided, where some are ignored?",
            ),
            Fault(
                "ignore_forgotten",
                "ignore_index were not looked at",
                (("if ignore_index is None else ids != ignore_index", ""),),
                "Which positions must not count?",
            ),
            Fault(
                "not_smoothed",
                "label_smoothing were not looked at",
                (("* (1 - label_smoothing) + label_smoothing / V", ""),),
                "With smoothing the target is no longer all or nothing.",
            ),
            Fault(
                "smoothed_over_others",
                "the smoothing were shared by the other V − 1 ids only",
                (
                    (
                        "* (1 - label_smoothing) + label_smoothing / V",
                        "* (1 - label_smoothing - label_smoothing / max(V - 1, 1)) + label_smoothing / max(V - 1, 1)",
                    ),
                ),
                "Szegedy et al. mix with the uniform distribution over all V ids.",
            ),
            Fault(
                "sum_for_mean",
                'the losses were added for "mean", too',
                (("losses.sum() / max(int(counted.sum()), 1)", "losses.sum()"),),
                "What is the default of reduction?",
            ),
            Fault(
                "log_of_softmax",
                "it took the logarithm of a softmax, which may be 0",
                (
                    (
                        "return shifted - shifted.exp().sum(axis=axis, keepdims=True).log()",
                        "return softmax(x, axis).log()",
                    ),
                ),
                "What is log softmax of the logits 0 and 1000? Subtract in the logarithm, not before it.",
            ),
        ),
    ),
    Problem(
        "spelled_causal_attention",
        spelled.causal_attention,
        topic="model",
        level=3,
        minutes=60,
        inputs=drawn(attention_case),
        drive=on_tensors,
        compare=CLOSE,
        helpers=(spelled.softmax, spelled.attention),
        imports=(*TENSORS, "import numpy as np"),
        needs=("spelled_softmax", "causal_attention"),
        places=("tinylm.functional:causal_attention via tinylm.course.drive:without_dropout",),
        notes="softmax(q kᵀ / √D) v, where query i of T sees the keys 0 … i + S − T. q: (..., H, T, D)   k, v: (..., G,"
        " S, D)   →   y: (..., H, T, D); query head h uses key head h // (H/G). F.where(mask, x, -1e30) puts a "
        "mask on. " + ON_TENSORS,
        faults=(
            Fault(
                "one_ahead",
                "a position saw the one after it, too",
                ((", S - T)", ", S - T + 1)"),),
                "What does the second argument of tril move?",
            ),
            Fault(
                "strict",
                "a position could not see itself",
                ((", S - T)", ", S - T - 1)"),),
                "May the first query see anything at all?",
            ),
            Fault(
                "queries_first",
                "the queries were the first of the positions, not the last",
                ((", S - T)", ")"),),
                "With 1 query and 3 keys, the query is the newest position.",
            ),
            Fault(
                "no_scale",
                "the scores were not divided by √D",
                ((" / math.sqrt(q.shape[-1])", ""),),
                "A dot product of D numbers grows with D; what keeps it in size?",
            ),
            Fault(
                "divided_by_D",
                "the scores were divided by D, not by its root",
                (("math.sqrt(q.shape[-1])", "q.shape[-1]"),),
                "What is the divisor for D = 4?",
            ),
            Fault(
                "heads_interleaved",
                "query head h used key head h mod G",
                (
                    (
                        "[head for head in range(k.shape[-3]) for _ in range(q.shape[-3] // k.shape[-3])]",
                        "[head for _ in range(q.shape[-3] // k.shape[-3]) for head in range(k.shape[-3])]",
                    ),
                ),
                "With 4 query heads and 2 key heads, heads 0 and 1 share key head 0.",
            ),
            Fault(
                "masked_with_zero",
                "a score that the mask forbids were 0",
                (("scores, -1e30)", "scores, 0.0)"),),
                "What is exp(0)?",
            ),
            Fault(
                "softmax_over_queries",
                "softmax went over the queries, not over the keys",
                (("softmax(scores)", "softmax(scores, -2)"),),
                "The weights of one query add up to 1.",
            ),
        ),
    ),
)
