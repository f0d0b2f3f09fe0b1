"""Nonlinearities, element by element: forward and backward."""

from typing import Any

from tinylm.course.compare import computed
from tinylm.course.exercise import Case, case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, drawn, dtype_of, pick, shape_of
from tinylm.ops import activation as live

LARGE = (0.0, 1.0, -1.0, 1e4, -1e4)
FORMS = ("none", "tanh")


def _x(draw: Any, *, large: bool = False) -> Any:
    shape = shape_of(draw, 0, 2)
    return array(draw, shape, dtype_of(draw), among=LARGE if large and pick(draw, False, True) else ())


def _backward(draw: Any, op: Any, **settings: Any) -> Case:
    x = _x(draw)
    return backward_case(op, array(draw, x.shape, x.dtype), x, **settings)


@drawn
def inputs(draw: Any) -> Case:
    return case(XP, _x(draw))


@drawn
def large_inputs(draw: Any) -> Case:
    return case(XP, _x(draw, large=True))


@drawn
def gelu_inputs(draw: Any) -> Case:
    return case(XP, _x(draw), **pick(draw, {}, {"approximate": "tanh"}, {"approximate": "none"}))


@drawn
def relu_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.relu)


@drawn
def sigmoid_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.sigmoid)


@drawn
def tanh_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.tanh)


@drawn
def silu_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.silu)


@drawn
def gelu_backward_inputs(draw: Any) -> Case:
    return _backward(draw, live.gelu, approximate=pick(draw, *FORMS))


SHAPES = "dy: (...)   →   dx: (...)"
DY_HINT = "The chain rule: what came from above, times the slope here."
OVERFLOW_HINT = "Try x = 10000 and x = -10000: e to the power of 10000 is too large for any float."

add(
    Problem(
        "relu",
        live.relu,
        topic="operations",
        level=1,
        minutes=5,
        inputs=inputs,
        view=first,
        faults=(
            Fault("absolute", "negative numbers were made positive", (("xp.maximum(x, 0)", "xp.abs(x)"),),
                  "What becomes of -3?"),
            Fault("turned", "what is negative were kept, in place of what is positive",
                  (("xp.maximum(x, 0)", "xp.minimum(x, 0)"),), "What becomes of -3, and what of 3?"),
            Fault("leaky", "a hundredth of a negative number passed (leaky ReLU)",
                  (("xp.maximum(x, 0)", "xp.where(x > 0, x, x / 100)"),), "What becomes of -3?"),
            Fault("step", "it were the slope, 0 or 1", (("xp.maximum(x, 0)", "(x > 0).astype(x.dtype)"),),
                  "What becomes of 3?"),
        ),
    ),
    Problem(
        "relu_backward",
        live.relu_backward,
        topic="operations",
        level=1,
        minutes=10,
        inputs=relu_backward_inputs,
        needs=("relu",),
        notes=f"{SHAPES}\n\n[x > 0] is 1 where x is positive, else 0.",
        faults=(
            Fault("kink", "the slope at 0 were 1", (("(x > 0)", "(x >= 0)"),), "Look at x = 0."),
            Fault("dy_forgotten", "dy were always 1", (("dy * (x > 0)", "(x > 0).astype(dy.dtype)"),), DY_HINT),
            Fault("of_dy", "what is positive were looked for in dy, not in x", (("(x > 0)", "(dy > 0)"),),
                  "A negative gradient passes where x is positive."),
            Fault("times_x", "dy were multiplied by y, not by the slope", (("(x > 0)", "xp.maximum(x, 0)"),),
                  "How steep is max(x, 0) at x = 3?"),
        ),
    ),
    Problem(
        "sigmoid",
        live.sigmoid,
        topic="operations",
        level=1,
        minutes=10,
        inputs=large_inputs,
        view=first,
        compare=computed(),
        notes="x may be large, of either sign; no result is nan.",
        faults=(
            Fault("overflow", "it were eˣ / (1 + eˣ), which is inf / inf for a large x",
                  (("y = logistic(xp, x)", "y = xp.exp(x) / (1 + xp.exp(x))"),), OVERFLOW_HINT),
            Fault("sign", "the sign of x were turned", (("y = logistic(xp, x)", "y = logistic(xp, -x)"),),
                  "Should y rise or fall with x?"),
            Fault("tanh_taken", "it were the hyperbolic tangent", (("y = logistic(xp, x)", "y = xp.tanh(x)"),),
                  "y lies between 0 and 1, and at x = 0 it is a half."),
            Fault("one_side", "e to the power of -|x| were used on both sides",
                  (("y = logistic(xp, x)", "y = 1 / (1 + xp.exp(-xp.abs(x)))"),),
                  "For a negative x the result is below a half."),
        ),
    ),
    Problem(
        "sigmoid_backward",
        live.sigmoid_backward,
        topic="operations",
        level=1,
        minutes=10,
        inputs=sigmoid_backward_inputs,
        needs=("sigmoid",),
        compare=computed(),
        notes=f"{SHAPES}\n\ny is what sigmoid gave.",
        faults=(
            Fault("twice", "y were put through the sigmoid once more",
                  (("return dy", "y = logistic(xp, y)\n    return dy"),), "y is the result already, not x."),
            Fault("dy_forgotten", "dy were always 1", (("dy * y * (1 - y)", "y * (1 - y)"),), DY_HINT),
            Fault("half", "it were dy (1 - y): the factor y is missing", (("dy * y * (1 - y)", "dy * (1 - y)"),),
                  "The slope is small on both sides, where y is near 0 and where it is near 1."),
            Fault("of_tanh", "it were 1 - y², the slope of tanh", (("dy * y * (1 - y)", "dy * (1 - y * y)"),),
                  "How steep is the sigmoid at x = 0, where y is a half?"),
        ),
    ),
    Problem(
        "tanh_backward",
        live.tanh_backward,
        topic="operations",
        level=1,
        minutes=5,
        inputs=tanh_backward_inputs,
        compare=computed(),
        notes=f"{SHAPES}\n\ny = tanh x is kept, not x.",
        faults=(
            Fault("not_squared", "it were 1 - y, without the square", (("(1 - y * y)", "(1 - y)"),),
                  "The slope is the same at x and at -x."),
            Fault("twice", "y were put through tanh once more", (("(1 - y * y)", "(1 - xp.tanh(y) ** 2)"),),
                  "y is the result already, not x."),
            Fault("dy_forgotten", "dy were always 1", (("dy * (1 - y * y)", "1 - y * y"),), DY_HINT),
            Fault("of_sigmoid", "it were y (1 - y), the slope of the sigmoid", (("(1 - y * y)", "y * (1 - y)"),),
                  "How steep is tanh at x = 0, where y is 0?"),
        ),
    ),
    Problem(
        "silu",
        live.silu,
        topic="operations",
        level=1,
        minutes=10,
        inputs=large_inputs,
        needs=("sigmoid",),
        view=first,
        compare=computed(),
        notes="σ is the sigmoid. x may be large, of either sign; no result is nan.",
        faults=(
            Fault("overflow", "the sigmoid were eˣ / (1 + eˣ), which is inf / inf for a large x",
                  (("gate = logistic(xp, x)", "gate = xp.exp(x) / (1 + xp.exp(x))"),), OVERFLOW_HINT),
            Fault("gate_alone", "it were the sigmoid alone", (("return x * gate", "return gate"),),
                  "For a large x the result is about x."),
            Fault("sign", "the sigmoid were of -x", (("gate = logistic(xp, x)", "gate = logistic(xp, -x)"),),
                  "For a large x the result is about x, for a large -x about 0."),
            Fault("of_gelu", "the sigmoid were of 1.702 x, which is a form of GELU",
                  (("gate = logistic(xp, x)", "gate = logistic(xp, 1.702 * x)"),), "What is multiplied inside of σ?"),
        ),
    ),
    Problem(
        "silu_backward",
        live.silu_backward,
        topic="operations",
        level=2,
        minutes=15,
        inputs=silu_backward_inputs,
        needs=("silu", "sigmoid_backward"),
        compare=computed(),
        notes=f"{SHAPES}\n\ngate is σ(x).",
        faults=(
            Fault("gate_constant", "the gate did not depend on x", (("(1 + x * (1 - gate))", "1"),),
                  "y is a product of two things that both depend on x."),
            Fault("factor_lost", "the slope of σ were 1 - σ, without the factor σ",
                  (("dy * gate * (1 + x * (1 - gate))", "dy * (gate + x * (1 - gate))"),),
                  "What is the derivative of the sigmoid?"),
            Fault("x_forgotten", "the slope of σ were not multiplied by x", (("x * (1 - gate)", "(1 - gate)"),),
                  "(f g)′ = f′ g + f g′: what is f here?"),
            Fault("sign", "the second term were subtracted", (("1 + x * (1 - gate)", "1 - x * (1 - gate)"),),
                  "Both parts of a product rule are added."),
            Fault("dy_forgotten", "dy were always 1", (("return dy * gate", "return gate"),), DY_HINT),
        ),
    ),
    Problem(
        "gelu",
        live.gelu,
        topic="operations",
        level=2,
        minutes=15,
        inputs=gelu_inputs,
        view=first,
        compare=computed(),
        variants={"approximate": FORMS},
        notes="Φ may be had of math.erf, one number at a time: Φ(x) = ½ (1 + erf(x / √2)).",
        faults=(
            Fault("always_tanh", "it were the tanh form also where the exact one is asked for",
                  (("gate = normal_cdf(xp, x)", "gate = (1 + xp.tanh(SQRT_2_OVER_PI * (x + GELU_CUBIC * x**3))) / 2"),),
                  "The two forms differ from the fourth digit on."),
            Fault("always_exact", "it were the exact form also where tanh is asked for",
                  (("gate = (1 + xp.tanh(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x))) / 2",
                    "gate = normal_cdf(xp, x)"),),
                  "The two forms differ from the fourth digit on."),
            Fault("root_forgotten", "it were erf(x) where erf(x / √2) belongs",
                  (("normal_cdf(xp, x)", "normal_cdf(xp, x * math.sqrt(2))"),), "Φ(1) is about 0.8413."),
            Fault("constant", "the constant were √2 / π in place of √(2/π)",
                  (("SQRT_2_OVER_PI * (x", "math.sqrt(2) / math.pi * (x"),), "√(2/π) is about 0.7979."),
            Fault("squared", "x were squared, not cubed, under tanh", (("x * x * x", "x * x"),),
                  "u changes its sign with x."),
            Fault("half_forgotten", "the ½ were left out of the tanh form", ((" * x))) / 2", " * x)))"),),
                  "For a large x the result is about x."),
            Fault("of_sigmoid", "the gate were the sigmoid of 1.702 x",
                  (("gate = normal_cdf(xp, x)", "gate = logistic(xp, 1.702 * x)"),),
                  "That is a third form, from the same paper: it is off by up to 0.02."),
        ),
    ),
    Problem(
        "gelu_backward",
        live.gelu_backward,
        topic="operations",
        level=3,
        minutes=30,
        inputs=gelu_backward_inputs,
        needs=("gelu", "tanh_backward"),
        compare=computed(),
        notes=f"{SHAPES}\n\ngate is Φ(x), or ½ (1 + tanh u) for the tanh form.\n"
        "φ(x) = e^(−x²/2) / √(2π) is the derivative of Φ.",
        faults=(
            Fault("gate_constant", "the gate did not depend on x", (("(gate + x * slope)", "gate"),),
                  "y is a product of two things that both depend on x."),
            Fault("x_forgotten", "the slope of the gate were not multiplied by x", (("x * slope", "slope"),),
                  "(f g)′ = f′ g + f g′: what is f here?"),
            Fault("three_forgotten", "x³ had the slope x², without its 3", (("3 * GELU_CUBIC", "GELU_CUBIC"),),
                  "Look at u′ in the tanh form."),
            Fault("two_forgotten", "the factor 2 of the tanh form were left out",
                  (("slope = 2 * gate", "slope = gate"),), "gate = ½ (1 + tanh u): write 1 − tanh² u with gate."),
            Fault("not_normal", "the density were not divided by √(2π)", (("ONE_OVER_SQRT_2PI * ", ""),),
                  "φ(0) is about 0.3989."),
            Fault("exponent", "the density were e to the power of -x², without the ½", (("-x * x / 2", "-x * x"),),
                  "φ(1) is about 0.2420."),
            Fault("dy_forgotten", "dy were always 1", (("return dy * (gate", "return (gate"),), DY_HINT),
        ),
    ),
)  # fmt: skip
