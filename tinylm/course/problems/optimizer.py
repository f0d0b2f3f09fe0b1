"""The step of AdamW, that of SGD with momentum, and gradients held to a largest norm."""

from typing import Any

import numpy as np

from tinylm.course import drive_text
from tinylm.course.compare import computed
from tinylm.course.exercise import Case, case
from tinylm.course.problem import XP, Fault, Problem, add
from tinylm.course.problems.inputs import array, drawn, dtype_of, pick, shape_of, whole
from tinylm.optim import adamw, clip, sgd

FAINT = 2.0**-14  # a gradient beside whose root eps can be seen
BETAS = ((0.9, 0.999), (0.9, 0.95), (0.8, 0.9), (0.95, 0.98))  # of a student's variant
EPS = (1e-8, 1e-5, 1e-4, 1e-3)


@drawn
def adamw_inputs(draw: Any) -> Case:
    shape, dtype = shape_of(draw, max_dims=2), dtype_of(draw)
    p, g, m = (array(draw, shape, dtype) for _ in range(3))
    t = whole(draw, 1, 5)
    v = np.abs(array(draw, shape, dtype))
    if pick(draw, False, True, True):  # the first steps: nothing is remembered, and small gradients show eps
        t, m, v = whole(draw, 1, 2), np.zeros_like(m), np.zeros_like(v)
        g = (g * pick(draw, 1.0, FAINT)).astype(dtype)
    settings = {"lr": pick(draw, 0.5, 0.125), "weight_decay": pick(draw, 0.0, 0.5, 0.25)}
    if pick(draw, False, False, True):
        settings |= {"eps": 0.5}
    for name in ("lr", "weight_decay"):
        if pick(draw, *(False,) * 7, True):
            del settings[name]  # the default
    return case(XP, p, g, m, v, t, **settings)


@drawn
def sgd_inputs(draw: Any) -> Case:
    shape, dtype = shape_of(draw, max_dims=2), dtype_of(draw)
    p = array(draw, shape, dtype)
    gradients = [array(draw, shape, dtype) for _ in range(whole(draw, 1, 3))]
    return case(
        p, gradients, lr=pick(draw, 0.5, 0.125), momentum=pick(draw, 0.5, 0.75, 0.0), weight_decay=pick(draw, 0.0, 0.25)
    )


@drawn
def clip_inputs(draw: Any) -> Case:
    dtype = dtype_of(draw)
    gradients = [array(draw, shape_of(draw, max_dims=2), dtype) for _ in range(whole(draw, 1, 3))]
    return case(gradients, pick(draw, 1.0, 0.25, 4.0, 64.0, 0.0))


FIRST_STEP = "Work out the first step by hand: m and v begin at 0, so m̂ and v̂ are exactly g and g²."
APART = "The gradient is for m and v alone; the decay acts on p alone."


def left_alone(xp: Any, p: Any, g: Any, m: Any, v: Any, t: int, **settings: Any) -> None:
    """An update that makes new arrays and forgets them."""


ONE_NUMBER = [np.array([number]) for number in (1.0, 1.0, 0.0, 0.0)]  # p, g, m, v
SECOND_STEP = [np.array([number]) for number in (0.0, 1.0, 2.0, 4.0)]

add(
    Problem(
        "adamw_update",
        adamw.adamw_update,
        topic="optimizer",
        level=2,
        minutes=30,
        inputs=adamw_inputs,
        corners=(case(XP, *ONE_NUMBER, 1), case(XP, *SECOND_STEP, 2, lr=0.5)),
        drive=drive_text.stepped,
        compare=computed(),
        places=("tinylm.optim.adamw:adamw_update via tinylm.course.places_text:adamw_in_place",),
        variants={"betas": BETAS, "eps": EPS},
        notes="Change p, m and v in place, or return the three new arrays: both are right. xp is the array library; "
        "the tests pass NumPy.",
        faults=(
            Fault("not_corrected", "m and v were used as they are, without the bias correction",
                  (("math.sqrt(1 - beta2**t)", "1.0"), ("lr / (1 - beta1**t)", "lr")), FIRST_STEP),
            Fault("only_m_corrected", "only m were corrected for its bias, and v were not",
                  (("math.sqrt(1 - beta2**t)", "1.0"),), FIRST_STEP),
            Fault("only_v_corrected", "only v were corrected for its bias, and m were not",
                  (("lr / (1 - beta1**t)", "lr"),), FIRST_STEP),
            Fault("step_late", "the steps were counted from 2: t + 1 stands where t should",
                  (("1 - beta2**t", "1 - beta2 ** (t + 1)"), ("1 - beta1**t)", "1 - beta1 ** (t + 1))")),
                  "t is 1 in the first step already."),
            Fault("decay_coupled", "the decay were added to the gradient, as in Adam with L2 regularisation",
                  (("    m *= beta1\n", "    g = g + weight_decay * p\n    m *= beta1\n"),
                   ("p *= 1 - lr * weight_decay", "p *= 1")), APART),
            Fault("decay_without_lr", "the decay were not multiplied by the learning rate",
                  (("1 - lr * weight_decay", "1 - weight_decay"),), "Read the line that has λ in it once more."),
            Fault("decay_after", "p decayed after the step and not before it",
                  (("    p *= 1 - lr * weight_decay\n    p -= scaled\n",
                    "    p -= scaled\n    p *= 1 - lr * weight_decay\n"),),
                  "Which p does λ multiply: the one before the step, or the one after?"),
            Fault("decay_forgotten", "there were no weight decay", (("p *= 1 - lr * weight_decay", "p *= 1"),),
                  "Try a gradient of zeros: p should still shrink."),
            Fault("eps_inside", "eps were added under the root",
                  (("    scaled += eps\n", "    scaled = xp.sqrt(scaled * scaled + eps)\n"),),
                  "Try a very small gradient, where eps counts: where does it stand in the equation?"),
            Fault("eps_before_correction", "eps were added to √v, and the bias corrected afterwards",
                  (("    scaled /= math.sqrt(1 - beta2**t)\n    scaled += eps\n",
                    "    scaled += eps\n    scaled /= math.sqrt(1 - beta2**t)\n"),),
                  "What eps is added to is √v̂, with the hat."),
            Fault("v_of_gradient", "v followed the gradient and not its square", (("beta2) * g * g", "beta2) * g"),),
                  "Try a negative gradient: can v be negative?"),
            Fault("betas_swapped", "β₁ and β₂ were exchanged", (("beta1, beta2 = betas", "beta2, beta1 = betas"),),
                  "Which of the two belongs to m?"),
            Fault("left_alone", "p, m and v stayed as they were given", (),
                  "m = … makes a new array: write into the one that is there (m *= …, m[:] = …), or return all three.",
                  left_alone),
            Fault("gradient_for_m", "the step went along g and not along m̂",
                  (("xp.divide(m, scaled, out=scaled)", "xp.divide(g * (1 - beta1**t), scaled, out=scaled)"),),
                  "Try g = 0 with an m that is not 0."),
        ),
    ),
    Problem(
        "sgd_update",
        sgd.sgd_update,
        topic="optimizer",
        level=1,
        minutes=15,
        inputs=sgd_inputs,
        drive=drive_text.updated,
        compare=computed(),
        places=("tinylm.optim.sgd:sgd_update via tinylm.course.places_text:sgd_in_place",),
        notes="Or leave p as it is and return (new p, new b). The tests make some steps one after the other, each "
        "with the b of the step before.",
        faults=(
            Fault("momentum_dampened", "the gradient were multiplied by 1 − momentum before it is added to b",
                  (("            b += g\n", "            b += (1 - momentum) * g\n"),),
                  "What does the equation multiply g by?"),
            Fault("first_b_zero", "the first step were made without its gradient: b began at 0 and stayed there",
                  (("b = g.copy()", "b = 0 * g"),), "What should b be after the first step?"),
            Fault("momentum_forgotten", "b were always the last gradient alone",
                  (("            b *= momentum\n", "            b *= 0\n"),),
                  "Make two steps, the second with a gradient of zeros: p should go on."),
            Fault("nesterov", "the step looked ahead, as Nesterov's does: g + momentum · b",
                  (("        g = b\n", "        g = g + momentum * b\n"),), "p goes down by lr · b, with the new b."),
            Fault("lr_remembered", "b held steps and not gradients, so that lr stood in it",
                  (("            b += g\n", "            b += lr * g\n"), ("b = g.copy()", "b = lr * g"),
                   ("    p -= lr * g\n", "    p -= g if momentum else lr * g\n")),
                  "Look at the b that is returned: the learning rate does not enter it."),
            Fault("decay_forgotten", "there were no weight decay", (("g = g + weight_decay * p", "g = g * 1"),),
                  "Try a gradient of zeros: p should still shrink."),
            Fault("decay_apart", "p decayed beside the momentum, as in AdamW, and not through b",
                  (("g = g + weight_decay * p", "p *= 1 - lr * weight_decay"),), "weight_decay · p stands in b."),
            Fault("not_in_place", "a new p were made, and the one that is given stayed as it is",
                  (("    p -= lr * g\n", "    p = p - lr * g\n"),),
                  "Print p after the call: has it changed? If p is a new array, return (p, b)."),
            Fault("up", "p went up along the gradient", (("p -= lr * g", "p += lr * g"),), "Which way is downhill?"),
        ),
    ),
    Problem(
        "clip_gradients",
        clip.clip_gradients,
        topic="optimizer",
        level=1,
        minutes=15,
        inputs=clip_inputs,
        drive=drive_text.clipped,
        places=("tinylm.optim.clip:clip_gradients via tinylm.course.places_text:clipping",),
        imports=("import numpy as np",),
        notes="Change the arrays in place. The norm alone, without the scale, may be returned too.",
        faults=(
            Fault("each_alone", "every array were held to the largest norm by itself",
                  (("                _multiply(gradient, scale)\n", "                pass\n"),
                   ("    return norm,",
                    "    for gradient in gradients:\n"
                    "        _multiply(gradient, min(1.0, max_norm / (math.sqrt(_square(gradient)) + 1e-6)))\n"
                    "    return norm,")),
                  "Σ goes over all arrays: try two arrays, one long and one short."),
            Fault("not_in_place", "new arrays were made, and those that are given stayed as they are",
                  (("                _multiply(gradient, scale)\n", "                pass\n"),),
                  "Print one of the arrays after the call: has it changed?"),
            Fault("always_scaled", "small gradients were made longer: the min(1, …) is missing",
                  (("    if scale < 1:\n", "    if True:\n"),),
                  "What should happen where the norm is small already?"),
            Fault("squared_norm", "the norm were not rooted: ‖g‖² for ‖g‖",
                  (("math.sqrt(sum([_square(g) for g in gradients]))", "sum([_square(g) for g in gradients])"),),
                  "The norm of [3, 4] is 5."),
            Fault("sum_of_norms", "the norms of the arrays were added up",
                  (("math.sqrt(sum([_square(g) for g in gradients]))",
                    "sum([math.sqrt(_square(g)) for g in gradients])"),),
                  "The arrays together are one long vector: what is its norm?"),
            Fault("values_clipped", "each number were cut off at ±max_norm",
                  (("_multiply(gradient, scale)", "np.clip(gradient, -max_norm, max_norm, out=gradient)"),),
                  "The direction of the gradient must stay as it is."),
            Fault("largest_number", "the norm were the largest number and not the root of the squares",
                  (("math.sqrt(sum([_square(g) for g in gradients]))",
                    "max([float(abs(g).max()) for g in gradients])"),), "The norm of [3, 4] is 5."),
            Fault("norm_after", "the norm that is returned were the one after",
                  (("    return norm, ", "    return norm * min(scale, 1.0), "),),
                  "Whoever trains wants to see how large it was."),
        ),
    ),
)  # fmt: skip
