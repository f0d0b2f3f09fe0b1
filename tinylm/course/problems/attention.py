"""The causal mask, and attention with and without it: forward and backward."""

from typing import Any

import numpy as np

from tinylm.course.compare import nearly
from tinylm.course.exercise import case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, bools, drawn, dtype_of, pick, whole
from tinylm.ops import attention as live

ATTEND = (live.sharing, live.fold, live.unfold, live.attend)
ATTEND_BACKWARD = (live.sharing, live.fold, live.unfold, live.attend_backward)


def three_gradients(value: Any, after: tuple[Any, ...]) -> Any:
    """What counts of a backward: dq, dk and dv; mask and gates have no gradient, whether it says so or not."""
    return list(value[:3]) if isinstance(value, (list, tuple)) and len(value) > 3 else value


def close(expected: Any, got: Any) -> str | None:
    """The same but for roundings, which are all that is left of a number where its terms cancel."""
    arrays = expected if isinstance(expected, (list, tuple)) else (expected,)
    digits = 1e-5 if any(getattr(each, "dtype", None) == np.float32 for each in arrays) else 1e-9
    return nearly(digits, digits)(expected, got)


def _operands(draw: Any, *, causal: bool, exact: bool = False) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """q, k and v; gates, or None; settings."""
    lead, G, R = pick(draw, ((), 1, 1), ((), 1, 2), ((), 2, 1), ((), 2, 2), ((2,), 1, 1), ((2,), 2, 2))
    T, D, E = whole(draw, 1, 3), whole(draw, 1, 2), whole(draw, 1, 2)
    S = T + whole(draw, 0, 1) if causal else whole(draw, 1, 4)
    dtype = np.float64 if exact else dtype_of(draw)
    q, k, v = (
        array(draw, (*lead, heads, length, width), dtype)
        for heads, length, width in ((G * R, T, D), (G, S, D), (G, S, E))
    )
    if not exact and pick(draw, *(False,) * 4, True):
        q, k = q * dtype(64), k * dtype(64)  # scores of some thousand: their exponential has no float
    gates = array(draw, (*lead, G * R, T, S), dtype, (0.0, 2.0)) if pick(draw, False, False, True) else None
    settings = {"scale": pick(draw, 0.5, 2.0)} if pick(draw, False, False, False, True) else {}
    return [q, k, v], [gates], settings


def mask_case(draw: Any) -> Any:
    queries = whole(draw, 1, 8)
    return case(XP, queries, queries + whole(draw, 0, 8))


def _mask(draw: Any, q: Any, k: Any) -> Any:
    if pick(draw, False, False, True):
        return None
    mask = bools(draw, (q.shape[-2], k.shape[-2]))
    if pick(draw, *(False,) * 4, True):
        mask[0] = False  # the first query may attend to nothing
    return mask


def attention_case(draw: Any) -> Any:
    arrays, gates, settings = _operands(draw, causal=False)
    return case(XP, *arrays, _mask(draw, *arrays[:2]), *gates, **settings)


def causal_case(draw: Any) -> Any:
    arrays, gates, settings = _operands(draw, causal=True)
    return case(XP, *arrays, *gates, **settings)


def attention_backward_case(draw: Any) -> Any:
    arrays, gates, settings = _operands(draw, causal=False, exact=True)
    mask = _mask(draw, *arrays[:2])
    return backward_case(live.attention, lambda y: array(draw, y.shape, y.dtype), *arrays, mask, *gates, **settings)


def causal_backward_case(draw: Any) -> Any:
    arrays, gates, settings = _operands(draw, causal=True, exact=True)
    dy = lambda y: array(draw, y.shape, y.dtype)  # noqa: E731
    return backward_case(live.causal_attention, dy, *arrays, *gates, **settings)


def blind_is_nan(xp: Any, q: Any, k: Any, v: Any, mask: Any = None, gates: Any = None, *, scale: Any = None) -> Any:
    y, _ = live.attention(xp, q, k, v, mask, gates, scale=scale)
    return y if mask is None else xp.where(mask.any(axis=-1)[:, None], y, xp.asarray(xp.nan, y.dtype))


MASK_FAULTS = (
    Fault(
        "strict",
        "a position could not see itself",
        (("<= last", "< last"),),
        "May the first query, which has nothing before it, see anything at all?",
    ),
    Fault(
        "one_ahead",
        "a position saw the one after it, too",
        (("<= last", "<= last + 1"),),
        "Write the mask of 3 queries and 3 keys on paper: what is on the diagonal above the main one?",
    ),
    Fault(
        "queries_first",
        "the queries were the first of the positions, not the last",
        ((" + (keys - queries)", ""),),
        "With 1 query and 3 keys, the query is the newest position: which keys are its past?",
    ),
)
FUTURE = Fault(
    "future",
    "a position saw what comes after it, instead of what came before",
    (("<= last", ">= last"),),
    "Which side of the diagonal is the past: rows are queries, columns are keys.",
)

ANY_FORWARD = (
    Fault(
        "no_scale",
        "the scores were not divided by √D",
        (("xp.swapaxes(k, -1, -2)) * scale, R)", "xp.swapaxes(k, -1, -2)), R)"),),
        "A dot product of D numbers grows with D; what keeps it in size?",
    ),
    Fault(
        "divided_by_D",
        "the scores were divided by D, not by its root",
        (("max(q.shape[-1], 1) ** -0.5", "max(q.shape[-1], 1) ** -1.0"),),
        "Compare with the equation for D = 4: what is the divisor?",
    ),
    Fault(
        "times_root",
        "the scores were multiplied by √D",
        (("max(q.shape[-1], 1) ** -0.5", "max(q.shape[-1], 1) ** 0.5"),),
        "Is the scale above or below the fraction line?",
    ),
    Fault(
        "softmax_over_queries",
        "softmax went over the queries, not over the keys",
        (
            ("scores.max(axis=-1, keepdims=True)", "scores.max(axis=-2, keepdims=True)"),
            ("e.sum(axis=-1, keepdims=True)", "e.sum(axis=-2, keepdims=True)"),
        ),
        "The weights of one query add up to 1: along which axis is that?",
    ),
    Fault(
        "no_maximum",
        "the largest score were not subtracted before exp",
        (("scores = scores - xp.where(highest == -xp.inf, xp.zeros_like(highest), highest)", "scores = scores * 1"),),
        "What is exp(1000) in floating point?",
    ),
    Fault(
        "gates_ignored",
        "the weights were not multiplied by gates",
        (("weights = p if gates is None else p * gates", "weights = p"),),
        "What are gates there for, and after which step?",
    ),
    Fault(
        "gates_on_scores",
        "gates multiplied the scores, before softmax",
        (
            ("weights = p if gates is None else p * gates", "weights = p"),
            (
                "    if mask is not None:\n        scores =",
                "    scores = scores if gates is None else scores * gates\n    if mask is not None:\n        scores =",
            ),
        ),
        "Dropout of weights drops what comes out of softmax.",
    ),
)
GROUPS = Fault(
    "heads_interleaved",
    "query head h used key head h mod G, so that neighbours did not share",
    (
        (
            "x.reshape(*x.shape[:-3], x.shape[-3] // R, R * x.shape[-2], x.shape[-1])",
            "x.reshape(*x.shape[:-3], R, x.shape[-3] // R, *x.shape[-2:]).swapaxes(-4, -3)"
            ".reshape(*x.shape[:-3], x.shape[-3] // R, R * x.shape[-2], x.shape[-1])",
        ),
        (
            "x.reshape(*x.shape[:-3], x.shape[-3] * R, x.shape[-2] // R, x.shape[-1])",
            "x.reshape(*x.shape[:-3], x.shape[-3], R, x.shape[-2] // R, x.shape[-1]).swapaxes(-4, -3)"
            ".reshape(*x.shape[:-3], x.shape[-3] * R, x.shape[-2] // R, x.shape[-1])",
        ),
    ),
    "With 4 query heads and 2 key heads, heads 0 and 1 share key head 0.",
)
AFTER_SOFTMAX = Fault(
    "mask_after_softmax",
    "the mask were put on the weights after softmax, so that they do not add up to 1",
    (
        ("    scores = xp.where(mask, scores, -xp.inf)", "    pass"),
        (
            "    weights = p if gates is None",
            "    p = p if mask is None else xp.where(mask, p, 0 * p)\n    weights = p if gates is None",
        ),
    ),
    "Add up the weights of the first query.",
)
MASKED_WITH_ZERO = Fault(
    "masked_with_zero",
    "a score that the mask forbids were 0, not −∞",
    (("xp.where(mask, scores, -xp.inf)", "xp.where(mask, scores, 0 * scores)"),),
    "What is exp(0)? A forbidden key must get the weight 0.",
)

ANY_BACKWARD = (
    Fault(
        "no_row_term",
        "the term Σ dp · p of softmax's derivative were left out",
        (("(dp - (dp * p).sum(axis=-1, keepdims=True))", "dp"),),
        "Softmax's outputs depend on each other: raising one score lowers the other weights.",
    ),
    Fault(
        "row_term_over_queries",
        "the sum of dp · p went over the queries, not over the keys",
        (("(dp * p).sum(axis=-1, keepdims=True)", "(dp * p).sum(axis=-2, keepdims=True)"),),
        "The sum goes along the axis along which softmax did.",
    ),
    Fault(
        "no_scale",
        "ds were not multiplied by the scale",
        (("keepdims=True)) * scale, R)", "keepdims=True)), R)"),),
        "Forward multiplied the scores by the scale; what does the chain rule make of that?",
    ),
    Fault(
        "dk_not_scaled",
        "dk were not multiplied by the scale, while dq is",
        (
            (
                "dk = xp.matmul(xp.swapaxes(ds, -1, -2), fold(q, R))",
                "dk = xp.matmul(xp.swapaxes(ds, -1, -2), fold(q, R)) / scale",
            ),
        ),
        "q and k stand in the same product: the scale belongs to both gradients.",
    ),
    Fault(
        "gates_not_in_dv",
        "dv were made of the weights before the gates",
        (("weights, dp = p * gates, dp * gates", "dp = dp * gates"),),
        "With which weights were the values averaged in forward?",
    ),
    Fault(
        "gates_not_in_dp",
        "the gates were left out of dp",
        (("weights, dp = p * gates, dp * gates", "weights = p * gates"),),
        "y depends on p through p · gates: what is the derivative of that by p?",
    ),
    Fault(
        "p_left_out",
        "ds were dp − Σ dp · p, without the factor p",
        (("fold(p * (dp - ", "fold((dp - "),),
        "The derivative of softmax by its own score is p (1 − p): where is the first p?",
    ),
)
KEPT = (
    "p are the weights after softmax, (..., H, T, S), 0 where the mask forbids; where gates are None all are 1; where "
    "scale is None it is 1/√D. dy: (..., H, T, E)   →   dq, dk, dv, each with the shape of its array. Every key "
    "head gets the sum over the query heads that share it."
)

ONE = np.array([[[1.0]]])  # one head, one position, one number

add(
    Problem(
        "causal_mask",
        live.causal_mask,
        topic="attention",
        level=1,
        minutes=10,
        inputs=drawn(mask_case),
        faults=(*MASK_FAULTS, FUTURE),
        notes="Returns an array of bools of shape (queries, keys). The tests pass numpy as xp.",
    ),
    Problem(
        "attention",
        live.attention,
        topic="attention",
        level=3,
        minutes=60,
        inputs=drawn(attention_case),
        corners=(case(XP, *(ONE,) * 3, None, np.array([[[2.0]]])),),
        needs=("softmax", "matmul"),
        view=first,
        compare=close,
        helpers=ATTEND,
        notes="scale: what q kᵀ is multiplied with in place of 1/√D. Query head h uses key head h // (H/G).",
        faults=(
            *ANY_FORWARD,
            GROUPS,
            AFTER_SOFTMAX,
            MASKED_WITH_ZERO,
            Fault(
                "mask_turned",
                "a query could attend where the mask is False",
                (("xp.where(mask, scores, -xp.inf)", "xp.where(mask, -xp.inf, scores)"),),
                "What does the docstring say True means?",
            ),
            Fault(
                "blind_is_nan",
                "a query that may attend to nothing got 0/0",
                (),
                "What do you divide by, where the mask forbids a whole row?",
                blind_is_nan,
            ),
        ),
    ),
    Problem(
        "attention_backward",
        live.attention_backward,
        topic="attention",
        level=4,
        minutes=90,
        inputs=drawn(attention_backward_case),
        needs=("attention", "softmax_backward"),
        view=three_gradients,
        compare=close,
        helpers=ATTEND_BACKWARD,
        notes=KEPT,
        faults=(*ANY_BACKWARD, GROUPS),
    ),
    Problem(
        "causal_attention",
        live.causal_attention,
        topic="attention",
        level=3,
        minutes=60,
        inputs=drawn(causal_case),
        corners=(case(XP, *(ONE,) * 3, np.array([[[2.0]]])),),
        needs=("causal_mask", "attention"),
        view=first,
        compare=close,
        helpers=(*ATTEND, live.causal_mask),
        notes="scale: what q kᵀ is multiplied with in place of 1/√D. Query head h uses key head h // (H/G).",
        faults=(*ANY_FORWARD, GROUPS, AFTER_SOFTMAX, MASKED_WITH_ZERO, *MASK_FAULTS),
    ),
    Problem(
        "causal_attention_backward",
        live.causal_attention_backward,
        topic="attention",
        level=4,
        minutes=90,
        inputs=drawn(causal_backward_case),
        needs=("causal_attention", "attention_backward"),
        view=three_gradients,
        compare=close,
        helpers=ATTEND_BACKWARD,
        notes=KEPT,
        faults=(*ANY_BACKWARD, GROUPS),
    ),
)
