"""Derivatives of arithmetic with two operands that broadcast; the engine sums what was repeated."""

from typing import Any

from tinylm.course.compare import computed, same
from tinylm.course.exercise import Case
from tinylm.course.problem import Fault, Problem, add, backward_case
from tinylm.course.problems.inputs import array, asking, bools, drawn, dtype_of, pick, shape_of, wanted, whole
from tinylm.ops import arithmetic as live

NOT_ZERO = (1.0, 2.0, 0.5, -1.0, -2.0, 4.0, 0.25, -0.5)
BASES = (2.0, 0.5, 3.0, 1.0, 4.0, 0.25)
EXPONENTS = (2.0, 0.0, 1.0, -1.0, 3.0, 0.5)
ZERO_TO = (0.0, 2.0, 1.0)  # exponents for which 0 to that power has a slope


def _shapes(draw: Any, count: int) -> list[tuple[int, ...]]:
    """Shapes that broadcast together, to that of the first or to a larger one."""
    whole_shape = shape_of(draw, 0, 2)
    found = []
    for _ in range(count):
        kept = whole_shape[whole(draw, 0, len(whole_shape)) :] if pick(draw, False, True) else whole_shape
        found.append(tuple(pick(draw, n, n, 1) for n in kept))
    return found


def _dy(draw: Any) -> Any:
    return lambda y: array(draw, y.shape, y.dtype)


def _pair(draw: Any, op: Any, **among: tuple[float, ...]) -> Case:
    (left, right), dtype = _shapes(draw, 2), dtype_of(draw)
    a, b = array(draw, left, dtype, among.get("a", ())), array(draw, right, dtype, among.get("b", ()))
    each = backward_case(op, _dy(draw), a, b)
    return asking(draw, each, (True, False), (False, True)) if "needs" in each.settings else each


@drawn
def multiply_inputs(draw: Any) -> Case:
    return _pair(draw, live.multiply)


@drawn
def divide_inputs(draw: Any) -> Case:
    return _pair(draw, live.divide, b=NOT_ZERO)


@drawn
def power_inputs(draw: Any) -> Case:
    bases, exponents = pick(draw, (BASES, EXPONENTS), ((0.0, 2.0), ZERO_TO))
    if pick(draw, False, False, False, True):  # x ** 2: one plain number, that wants no gradient
        a, b = array(draw, shape_of(draw, 0, 2), among=bases), pick(draw, *exponents)
        each = backward_case(live.power, _dy(draw), a, b)
        return Case(each.args, {**each.settings, "needs": (True, False)})
    return _pair(draw, live.power, a=bases, b=exponents)


@drawn
def maximum_inputs(draw: Any) -> Case:
    few = pick(draw, (), (0.0, 1.0, -1.0))  # ties
    return _pair(draw, live.maximum, a=few, b=few)


@drawn
def where_inputs(draw: Any) -> Case:
    condition, a, b = _shapes(draw, 3)
    dtype = dtype_of(draw)
    return backward_case(live.where, _dy(draw), bools(draw, condition), array(draw, a, dtype), array(draw, b, dtype))


def without_condition(value: Any, after: tuple[Any, ...]) -> Any:
    """What counts of the gradients of `where`: those of a and b."""
    return value[1:] if isinstance(value, tuple) and len(value) == 3 else value


PAIR = "\nBoth have dy's shape, also where an input was broadcast: the engine sums over what was repeated."
PRODUCT_HINT = "If b is 3, how much does y move when a moves by 1?"
HALF = "Where a = b each gets half."

add(
    Problem(
        "multiply_backward",
        live.multiply_backward,
        topic="operations",
        level=1,
        minutes=10,
        inputs=multiply_inputs,
        compare=wanted(same),
        notes=f"dy: (...)   a: (...)   b: (...)   →   da: (...)   db: (...)\n{PAIR}",
        faults=(
            Fault("own", "da were dy · a, and db were dy · b",
                  (("dy * b if needs[0] else None, dy * a if", "dy * a if needs[0] else None, dy * b if"),),
                  PRODUCT_HINT),
            Fault("dy_forgotten", "dy were always 1",
                  (("dy * b if needs", "dy * 0 + b if needs"), ("dy * a if needs", "dy * 0 + a if needs")),
                  "The chain rule: what came from above, times the slope here."),
            Fault("as_add", "it were a sum: da = db = dy", (("dy * b if needs", "dy if needs"),
                  ("dy * a if needs", "dy if needs")), PRODUCT_HINT),
            Fault("summed", "the gradients were summed to the shapes of a and b already",
                  (("return dy * b if needs[0] else None, dy * a if needs[1] else None",
                    "from tinylm.autograd.engine import unbroadcast\n"
                    "    return unbroadcast(dy * b, a.shape), unbroadcast(dy * a, b.shape)"),),
                  "That is right in the end, and the engine does it for all ops: give both in the shape of dy."),
        ),
    ),
    Problem(
        "divide_backward",
        live.divide_backward,
        topic="operations",
        level=2,
        minutes=15,
        inputs=divide_inputs,
        needs=("multiply_backward",),
        compare=wanted(computed()),
        notes=f"dy: (...)   b: (...)   y: (...)   →   da: (...)   db: (...)\n\ny is a / b.{PAIR}",
        faults=(
            Fault("sign", "db had the other sign", (("-da * y if", "da * y if"),),
                  "A greater b makes a / b nearer to 0."),
            Fault("not_squared", "db were -dy · a / b, with b in place of b²", (("-da * y if", "-dy * y if"),),
                  "The derivative of 1 / b is -1 / b²."),
            Fault("numerator_forgotten", "db did not depend on a", (("-da * y if", "-da / b if"),),
                  "y = a · (1 / b): a multiplies the derivative of 1 / b."),
            Fault("as_product", "da were dy · b", (("return da, -da", "return dy * b, -da"),),
                  "If b is 4, how much does a / b move when a moves by 1?"),
        ),
    ),
    Problem(
        "power_backward",
        live.power_backward,
        topic="operations",
        level=3,
        minutes=30,
        inputs=power_inputs,
        needs=("multiply_backward",),
        compare=wanted(computed()),
        notes="dy: (...)   a: (...)   b: (...)   y: (...)   →   da: (...)   db: (...)\n\n"
        "y is aᵇ; a is 0 or positive. Where b = 0, da is 0; where a = 0, db is 0. b may be one plain\n"
        f"number, and then db is not wanted.{PAIR}",
        faults=(
            Fault("exponent_kept", "da were dy · b · aᵇ, with the exponent b",
                  (("dy * b * a ** xp.where(b == 0, xp.ones_like(b), b - 1)", "dy * b * a**b"),),
                  "The derivative of a² is 2a."),
            Fault("factor_forgotten", "da were dy · aᵇ⁻¹, without the factor b",
                  (("dy * b * a ** xp.where(b == 0, xp.ones_like(b), b - 1)",
                    "dy * a ** xp.where(b == 0, xp.ones_like(b), b - 1)"),), "The derivative of a² is 2a."),
            Fault("zero_to_zero", "0 to the power of -1 were computed where a = b = 0",
                  (("xp.where(b == 0, xp.ones_like(b), b - 1)", "(b - 1)"), (" if b else dy * 0", "")),
                  "a⁰ is 1 for every a: how steep is that?"),
            Fault("log_of_zero", "the logarithm of 0 were taken where a = 0",
                  (("xp.where(base == 0, xp.ones_like(base), base)", "base"),),
                  "0 · ln 0 is nan for a computer; what should it be here?"),
            Fault("y_forgotten", "db were dy · ln a, without the factor aᵇ", (("dy * y * xp.log", "dy * xp.log"),),
                  "Write aᵇ as e to the power of b ln a, and differentiate that."),
            Fault("log_of_exponent", "db had ln b in place of ln a",
                  (("base = xp.asarray(a, dtype=b.dtype)", "base = xp.abs(b) + 0 * a"),),
                  "Write aᵇ as e to the power of b ln a, and differentiate that."),
        ),
    ),
    Problem(
        "maximum_backward",
        live.maximum_backward,
        topic="operations",
        level=2,
        minutes=15,
        inputs=maximum_inputs,
        needs=("relu_backward",),
        notes="dy: (...)   a: (...)   b: (...)   →   da: (...)   db: (...)\n\n"
        f"[a > b] is 1 where it holds, else 0.{PAIR}",
        faults=(
            Fault("tie_to_first", "a got all where a = b", (("dy / 2", "dy"),), HALF),
            Fault("tie_to_second", "b got all where a = b", (("dy / 2", "xp.zeros_like(dy)"),), HALF),
            Fault("tie_to_both", "both got all of it where a = b",
                  (("dy / 2", "dy"), ("return da, dy - da", "return da, xp.where(b >= a, dy, xp.zeros_like(dy))")),
                  "da + db is dy, everywhere."),
            Fault("tie_to_none", "neither got anything where a = b",
                  (("dy / 2", "xp.zeros_like(dy)"),
                   ("return da, dy - da", "return da, xp.where(b > a, dy, xp.zeros_like(dy))")),
                  "da + db is dy, everywhere."),
            Fault("turned", "the smaller of the two got the gradient", (("where(a > b", "where(a < b"),),
                  "Which of the two must move for the maximum to move?"),
        ),
    ),
    Problem(
        "where_backward",
        live.where_backward,
        topic="operations",
        level=1,
        minutes=10,
        inputs=where_inputs,
        view=without_condition,
        notes="dy: (...)   condition: (...)   →   (None, da, db), da: (...)   db: (...)\n\n"
        f"The condition has no gradient.{PAIR}",
        faults=(
            Fault("turned", "da and db had changed places",
                  (("xp.where(condition, dy, zero), xp.where(condition, zero, dy)",
                    "xp.where(condition, zero, dy), xp.where(condition, dy, zero)"),),
                  "Where the condition holds, y comes from a."),
            Fault("both", "both got all of dy",
                  (("xp.where(condition, dy, zero), xp.where(condition, zero, dy)", "dy, dy"),),
                  "What was not chosen has no say in y."),
            Fault("widened", "the gradients were float64 whatever dy is",
                  (("xp.zeros_like(dy)", "xp.zeros(dy.shape)"),),
                  "np.zeros makes float64 where it is not told otherwise."),
            Fault("b_forgotten", "b had no gradient", (("xp.where(condition, zero, dy)", "zero"),),
                  "Where the condition does not hold, y comes from b."),
        ),
    ),
)  # fmt: skip
