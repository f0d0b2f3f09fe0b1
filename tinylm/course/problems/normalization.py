"""Layer norm and root-mean-square norm: forward and backward."""

from typing import Any

from tinylm.course.exercise import case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.ops import normalization as live

EPS = (1e-5, 1e-3, 1e-2, 0.1)  # of a student's variant


def _operands(st: Any, draw: Any, *, bias: bool) -> tuple[Any, ...]:
    from tinylm.testing import arrays, shapes

    shape = draw(shapes(min_dims=1, max_dims=3, max_side=4))
    operands = [draw(arrays(shape)), draw(arrays(shape[-1:])), draw(arrays(shape[-1:]))]
    return tuple(operands[: 3 if bias else 2])


def layer_norm_inputs() -> Any:
    from hypothesis import strategies as st

    @st.composite
    def inputs(draw: Any) -> Any:
        return case(XP, *_operands(st, draw, bias=draw(st.booleans())))

    return inputs()


def layer_norm_backward_inputs() -> Any:
    from hypothesis import strategies as st

    from tinylm.testing import arrays

    @st.composite
    def inputs(draw: Any) -> Any:
        operands = _operands(st, draw, bias=True)
        return backward_case(live.layer_norm, draw(arrays(operands[0].shape)), *operands)

    return inputs()


add(
    Problem(
        "layer_norm",
        live.layer_norm,
        topic="operations",
        level=2,
        minutes=20,
        inputs=layer_norm_inputs,
        view=first,
        variants={"eps": EPS},
        faults=(
            Fault(
                "eps_outside",
                "eps were added outside of the root",
                (("xp.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)",
                  "(xp.sqrt((centred * centred).mean(axis=-1, keepdims=True)) + eps)"),),
                "Look at what stands under the root, for a row whose numbers are all equal.",
            ),
            Fault("eps_dropped", "there were no eps", (("keepdims=True) + eps)", "keepdims=True))"),)),
            Fault("not_centred", "the mean were not subtracted", (("x - x.mean(axis=-1, keepdims=True)", "x * 1"),)),
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
        faults=(
            Fault(
                "bias_not_summed",
                "the gradient of bias were not summed over the rows",
                (("dy.sum(axis=rows)\n", "dy\n"),),
                "bias has shape (C,) and so has its gradient.",
            ),
            Fault("no_projection", "the term x̂ · mean(dx̂ · x̂) were left out",
                  (("    dx -= xhat * (dxhat * xhat).mean(axis=-1, keepdims=True)\n", ""),)),
        ),
    ),
)  # fmt: skip
