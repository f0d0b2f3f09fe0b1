"""Layer norm and root-mean-square norm: forward and backward."""

from typing import Any

from tinylm.course.compare import computed
from tinylm.course.exercise import Case, case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, drawn, dtype_of, pick, shape_of
from tinylm.ops import normalization as live

EPS = (1e-5, 1e-3, 1e-2, 0.1)  # of a student's variant


def _operands(draw: Any, count: int) -> tuple[Any, ...]:
    """x, gain and, where three are wanted, bias."""
    shape, dtype = shape_of(draw), dtype_of(draw)
    return tuple(array(draw, each, dtype) for each in (shape, shape[-1:], shape[-1:])[:count])


def _settings(draw: Any) -> dict[str, Any]:
    return pick(draw, {}, {"eps": 0.5})  # type: ignore[no-any-return]


@drawn
def layer_norm_inputs(draw: Any) -> Case:
    return case(XP, *_operands(draw, pick(draw, 2, 3, 3)), **_settings(draw))


@drawn
def layer_norm_backward_inputs(draw: Any) -> Case:
    operands = _operands(draw, 3)
    dy = array(draw, operands[0].shape, operands[0].dtype)
    return backward_case(live.layer_norm, dy, *operands)


@drawn
def rms_norm_inputs(draw: Any) -> Case:
    return case(XP, *_operands(draw, 2), **_settings(draw))


@drawn
def rms_norm_backward_inputs(draw: Any) -> Case:
    operands = _operands(draw, 2)
    dy = array(draw, operands[0].shape, operands[0].dtype)
    return backward_case(live.rms_norm, dy, *operands)


VARIANCE = "(centred * centred).mean(axis=-1, keepdims=True)"
SQUARES = "(x * x).mean(axis=-1, keepdims=True)"
EPS_DROPPED = ("keepdims=True) + eps)", "keepdims=True))")
EPS_FIXED = ("keepdims=True) + eps)", "keepdims=True) + 1e-5)")
EPS_HINT = "r = 1 / √(σ² + eps): what is r where σ² is 0, and eps is 0.25?"

add(
    Problem(
        "layer_norm",
        live.layer_norm,
        topic="operations",
        level=2,
        minutes=20,
        inputs=layer_norm_inputs,
        view=first,
        compare=computed(10),
        variants={"eps": EPS},
        notes="μ and σ² are the mean and the population variance of each row, that is, over the last axis.",
        faults=(
            Fault(
                "eps_outside", "eps were added outside of the root",
                ((f"xp.sqrt({VARIANCE} + eps)", f"(xp.sqrt({VARIANCE}) + eps)"),), EPS_HINT,
            ),
            Fault("eps_dropped", "there were no eps", (EPS_DROPPED,),
                  "What comes of a row whose numbers are all equal?"),
            Fault(
                "eps_fixed", "eps were 1e-5, whatever the call says", (EPS_FIXED,),
                "eps is a setting: call your function with another one.",
            ),
            Fault(
                "not_centred", "the mean were not subtracted", (("x - x.mean(axis=-1, keepdims=True)", "x * 1"),),
                "What is the mean of a row of x̂?",
            ),
            Fault(
                "unbiased", "the variance were divided by C - 1 in place of C",
                ((VARIANCE, "x.var(axis=-1, keepdims=True, ddof=1)"),),
                "Which variance has a row of one number: 0, or none?",
            ),
            Fault(
                "not_rooted", "it were divided by the variance, not by its root",
                (("xp.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)", f"({VARIANCE} + eps)"),),
                "Double x: x̂ should stay nearly the same.",
            ),
            Fault(
                "whole", "mean and variance were those of the whole array, not of each row",
                (("x - x.mean(axis=-1, keepdims=True)", "x - x.mean()"), (VARIANCE, "(centred * centred).mean()")),
                "Change one row: no other row of y may change.",
            ),
            Fault(
                "columns", "mean and variance were taken over the first axis, not over the last",
                (("x - x.mean(axis=-1, keepdims=True)", "x - x.mean(axis=0, keepdims=True)"),
                 (VARIANCE, "(centred * centred).mean(axis=0, keepdims=True)")),
                "Change one row: no other row of y may change.",
            ),
            Fault(
                "bias_forgotten", "bias were not added", (("y if bias is None else y + bias", "y"),),
                "Which of the arguments does your code not use?",
            ),
        ),
    ),
    Problem(
        "layer_norm_backward",
        live.layer_norm_backward,
        topic="operations",
        level=3,
        minutes=45,
        inputs=layer_norm_backward_inputs,
        needs=("layer_norm",),
        compare=computed(100),  # 1 / √eps is over 300
        notes="dy: (..., C)   xhat: (..., C)   rstd: (..., 1)   gain: (C,)\n"
        "→   dx: (..., C)   dgain: (C,)   dbias: (C,)\n\n"
        "rstd is r. The means are over the last axis, Σ is over all rows.",
        faults=(
            Fault(
                "bias_not_summed", "the gradient of bias were not summed over the rows",
                (("dy.sum(axis=rows)\n", "dy\n"),), "bias has shape (C,) and so has its gradient.",
            ),
            Fault(
                "gain_not_summed", "the gradient of gain were not summed over the rows",
                (("(dy * xhat).sum(axis=rows)", "dy * xhat"),), "gain has shape (C,) and so has its gradient.",
            ),
            Fault(
                "first_axis", "the gradients of gain and bias were summed over the first axis alone",
                (("rows = tuple(range(dy.ndim - 1))", "rows = 0"),),
                "Rows may stand in several axes, as in (B, T, C), or in none, as in (C,).",
            ),
            Fault(
                "bias_averaged", "the gradient of bias were averaged over the rows", (("dy.sum(", "dy.mean("),),
                "Every row adds what it says: there is no 1/N in the equation.",
            ),
            Fault(
                "no_projection", "the term x̂ · mean(dx̂ · x̂) were left out",
                (("    dx -= xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)\n", ""),),
                "r depends on x too: what does a change of x do to it?",
            ),
            Fault(
                "mean_kept", "the term mean(dx̂) were left out",
                (("dxhat - dxhat.mean(axis=-1, keepdims=True)", "dxhat + 0"),),
                "μ depends on x too: add the same number to a whole row, and y stays.",
            ),
            Fault(
                "gain_forgotten", "dx̂ were dy, without gain", (("dxhat = gain * dy", "dxhat = dy + 0"),),
                "y = gain · x̂ + bias: follow dy back through it first.",
            ),
            Fault("rstd_forgotten", "dx were not multiplied by r", (("    dx *= rstd\n", ""),),
                  "Double x: y stays, so a step in x counts half as much."),
        ),
    ),
    Problem(
        "rms_norm",
        live.rms_norm,
        topic="operations",
        level=2,
        minutes=15,
        inputs=rms_norm_inputs,
        view=first,
        compare=computed(10),
        variants={"eps": EPS},
        faults=(
            Fault(
                "eps_outside", "eps were added outside of the root",
                ((f"xp.sqrt({SQUARES} + eps)", f"(xp.sqrt({SQUARES}) + eps)"),),
                "r = 1 / √(mean(x²) + eps): what is r for a row of zeros, and eps = 0.25?",
            ),
            Fault("eps_dropped", "there were no eps", (EPS_DROPPED,), "What comes of a row of zeros?"),
            Fault(
                "eps_fixed", "eps were 1e-5, whatever the call says", (EPS_FIXED,),
                "eps is a setting: call your function with another one.",
            ),
            Fault(
                "centred", "the mean were subtracted, as in layer norm",
                (("rstd = 1", "x = x - x.mean(axis=-1, keepdims=True)\n    rstd = 1"),),
                "RMS norm is layer norm with one step less: which?",
            ),
            Fault(
                "summed", "the squares were added up and not averaged", (("(x * x).mean", "(x * x).sum"),),
                "What is the root mean square of a row of ones, whatever its length?",
            ),
            Fault(
                "not_rooted", "it were divided by the mean square, not by its root",
                ((f"xp.sqrt({SQUARES} + eps)", f"({SQUARES} + eps)"),),
                "Double x: x̂ should stay nearly the same.",
            ),
            Fault(
                "whole", "the mean were that of the whole array, not of each row", ((SQUARES, "(x * x).mean()"),),
                "Change one row: no other row of y may change.",
            ),
            Fault("gain_forgotten", "gain were not used", (("return gain * xhat", "return xhat"),),
                  "Which of the arguments does your code not use?"),
        ),
    ),
    Problem(
        "rms_norm_backward",
        live.rms_norm_backward,
        topic="operations",
        level=3,
        minutes=30,
        inputs=rms_norm_backward_inputs,
        needs=("rms_norm",),
        compare=computed(100),
        notes="dy: (..., C)   xhat: (..., C)   rstd: (..., 1)   gain: (C,)   →   dx: (..., C)   dgain: (C,)\n\n"
        "rstd is r. The mean is over the last axis, Σ is over all rows.",
        faults=(
            Fault(
                "no_projection", "the term x̂ · mean(dx̂ · x̂) were left out",
                (("dxhat - xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)", "dxhat"),),
                "r depends on x too: what does a change of x do to it?",
            ),
            Fault(
                "projection_summed", "the term x̂ · mean(dx̂ · x̂) had a sum in place of the mean",
                (("(dxhat * xhat).mean", "(dxhat * xhat).sum"),), "r holds a mean, and so does its derivative.",
            ),
            Fault(
                "centred", "mean(dx̂) were subtracted, as in layer norm",
                (("(dxhat - xhat *", "(dxhat - dxhat.mean(axis=-1, keepdims=True) - xhat *"),),
                "Nothing is centred in forward, so nothing is in backward.",
            ),
            Fault(
                "gain_not_summed", "the gradient of gain were not summed over the rows",
                (("(dy * xhat).sum(axis=tuple(range(dy.ndim - 1)))", "dy * xhat"),),
                "gain has shape (C,) and so has its gradient.",
            ),
            Fault(
                "gain_forgotten", "dx̂ were dy, without gain", (("dxhat = gain * dy", "dxhat = dy"),),
                "y = gain · x̂: follow dy back through it first.",
            ),
            Fault("rstd_forgotten", "dx were not multiplied by r", (("dx = rstd * (", "dx = ("),),
                  "Double x: y stays, so a step in x counts half as much."),
        ),
    ),
)  # fmt: skip
