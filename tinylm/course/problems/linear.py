"""Matrix products and the linear layer: forward and backward."""

from typing import Any

from tinylm.course.compare import computed
from tinylm.course.exercise import Case, case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, asking, drawn, dtype_of, pick, shape_of, wanted, whole
from tinylm.ops import matmul as live

SQUARE = (False, False, True)  # whether all sizes are equal: a matrix that is turned the wrong way still fits then


def _matrices(draw: Any) -> tuple[Any, Any]:
    """a and b, also vectors, or stacks of matrices that broadcast."""
    M, K, N = (whole(draw, 1, 3) for _ in range(3))
    if pick(draw, *SQUARE):
        M = N = K
    kind, stack = pick(draw, "plain", "stacks", "vectors", "stacks"), shape_of(draw, 1, 2, max_side=2)
    a, b = (M, K), (K, N)
    if kind == "vectors":
        a, b = pick(draw, ((M, K), (K,)), ((K,), (K, N)), ((K,), (K,)), ((K,), (*stack, K, N)))
    elif kind == "stacks":
        fewer = stack[whole(draw, 0, len(stack)) :]
        narrow = tuple(pick(draw, n, 1) for n in fewer)
        a, b = pick(draw, ((*stack, M, K), (*stack, K, N)), ((*stack, M, K), (*narrow, K, N)),
                    ((*narrow, M, K), (*stack, K, N)))  # fmt: skip
    dtype = dtype_of(draw)
    return array(draw, a, dtype), array(draw, b, dtype)


def _layer(draw: Any) -> tuple[Any, Any, Any, dict[str, Any]]:
    """x, weight, bias and settings."""
    rows, I, O = shape_of(draw, 0, 2), whole(draw, 1, 3), whole(draw, 1, 3)
    O = I if pick(draw, *SQUARE) else O
    settings = pick(draw, {}, {"transposed": True})
    dtype, shape = dtype_of(draw), (O, I) if settings else (I, O)
    return array(draw, (*rows, I), dtype), array(draw, shape, dtype), array(draw, (O,), dtype), settings


@drawn
def matmul_inputs(draw: Any) -> Case:
    return case(XP, *_matrices(draw))


@drawn
def matmul_backward_inputs(draw: Any) -> Case:
    a, b = _matrices(draw)
    each = backward_case(live.matmul, lambda y: array(draw, y.shape, y.dtype), a, b)
    return asking(draw, each, (True, False), (False, True))


@drawn
def linear_inputs(draw: Any) -> Case:
    x, weight, bias, settings = _layer(draw)
    return case(XP, x, weight, *pick(draw, (bias,), ()), **settings)


@drawn
def linear_backward_inputs(draw: Any) -> Case:
    x, weight, bias, settings = _layer(draw)
    each = backward_case(live.linear, lambda y: array(draw, y.shape, y.dtype), x, weight, bias, **settings)
    return asking(draw, each, (True, False, False), (False, True, False), (False, False, True))


STACKS_HINT = "A has shape (2, 3, 4): which shape has A.T, and which of them should it have?"
SHAPES_HINT = "Write down the shapes: which product of dy and the other operand has the shape that you need?"
TURNED_HINT = "Write down the shapes of x, weight and y for transposed=False and for transposed=True."

add(
    Problem(
        "matmul",
        live.matmul,
        topic="operations",
        level=1,
        minutes=10,
        inputs=matmul_inputs,
        view=first,
        compare=computed(16),
        faults=(
            Fault("elementwise", "it multiplied element by element", (("xp.matmul(a, b)", "a * b"),),
                  "Rows of a meet columns of b, and the products are added up."),
            Fault("dot", "it were np.dot, which does not go through stacks of matrices together",
                  (("xp.matmul(a, b)", "xp.dot(a, b)"),), "Try two stacks of shape (2, 1, 1)."),
            Fault("turned", "b were transposed first", (("xp.matmul(a, b)", "xp.matmul(a, b.T)"),),
                  "Write down the shapes: which axis of b has the length of the last axis of a?"),
            Fault("reversed", "the operands had changed places", (("xp.matmul(a, b)", "xp.matmul(b, a)"),),
                  "a b and b a are different matrices."),
        ),
    ),
    Problem(
        "matmul_backward",
        live.matmul_backward,
        topic="operations",
        level=3,
        minutes=40,
        inputs=matmul_backward_inputs,
        needs=("matmul",),
        compare=wanted(computed(64)),
        notes="dy: (..., M, N)   a: (..., M, K)   b: (..., K, N)   →   da: (..., M, K)   db: (..., K, N)\n\n"
        "A vector a is a row and a vector b a column; its gradient is a vector again. Leading axes stay as dy has\n"
        "them, also where a or b was broadcast.",
        faults=(
            Fault("b_not_turned", "b were not transposed in da",
                  (("xp.matmul(dy, xp.swapaxes(columns, -1, -2))", "xp.matmul(dy, columns)"),), SHAPES_HINT),
            Fault("a_not_turned", "a were not transposed in db",
                  (("xp.matmul(xp.swapaxes(rows, -1, -2), dy)", "xp.matmul(rows, dy)"),), SHAPES_HINT),
            Fault("all_axes_turned", "transposing reversed all axes, not only the last two",
                  (("xp.swapaxes(columns, -1, -2)", "columns.T"), ("xp.swapaxes(rows, -1, -2)", "rows.T")),
                  STACKS_HINT),
            Fault("db_turned", "db were transposed: dyᵀ a in place of aᵀ dy",
                  (("xp.matmul(xp.swapaxes(rows, -1, -2), dy)", "xp.matmul(xp.swapaxes(dy, -1, -2), rows)"),),
                  "db has the shape of b."),
            Fault("exchanged", "the two gradients had changed places", (("return da, db", "return db, da"),),
                  "Return them in the order of the inputs: da, then db."),
            Fault("stacks_summed", "gradients were summed over leading axes already",
                  (("return da, db",
                    "return [g.sum(axis=tuple(range(g.ndim - 2))) if g.ndim > 2 else g for g in (da, db)]"),),
                  "The engine sums over axes that were broadcast, and over those alone."),
            Fault("vectors", "vectors were not thought of",
                  (("a[None, :] if a.ndim == 1 else a", "a"), ("b[:, None] if b.ndim == 1 else b", "b"),
                   ("dy = dy[..., None]", "pass"), ("dy = dy[..., None, :]", "pass"),
                   ("da[..., 0, :] if a.ndim == 1 else da", "da"), ("db[..., 0] if b.ndim == 1 else db", "db")),
                  "A vector a is a row, (1, K), and y has lost that axis of length 1; put it back first."),
        ),
    ),
    Problem(
        "linear",
        live.linear,
        topic="operations",
        level=1,
        minutes=10,
        inputs=linear_inputs,
        needs=("matmul",),
        view=first,
        compare=computed(16),
        faults=(
            Fault("bias_forgotten", "bias were not added", (("y if bias is None else y + bias", "y"),),
                  "Which of the arguments does your code not use?"),
            Fault("bias_needed", "there were always a bias", (("y if bias is None else y + bias", "y + bias"),),
                  "bias may be None."),
            Fault("never_turned", "transposed were not looked at", (("weight.T if transposed else weight", "weight"),),
                  TURNED_HINT),
            Fault("always_turned", "the weight were stored (out, in) whatever transposed says",
                  (("weight.T if transposed else weight", "weight.T"),), TURNED_HINT),
            Fault("turned_round", "transposed meant the opposite",
                  (("weight.T if transposed else weight", "weight if transposed else weight.T"),), TURNED_HINT),
        ),
    ),
    Problem(
        "linear_backward",
        live.linear_backward,
        topic="operations",
        level=2,
        minutes=30,
        inputs=linear_backward_inputs,
        needs=("linear",),
        compare=wanted(computed(64)),
        notes="dy: (..., O)   x: (..., I)   weight: (I, O)   →   dx: (..., I)   dweight: (I, O)   dbias: (O,)\n\n"
        "Where the weight is transposed, it and its gradient are (O, I).",
        faults=(
            Fault("bias_not_summed", "the gradient of bias were not summed over the rows",
                  (("drows.sum(axis=0)", "dy"),), "bias has shape (O,) and so has its gradient."),
            Fault("bias_first_axis", "the gradient of bias were summed over the first axis alone",
                  (("drows.sum(axis=0)", "dy.sum(axis=0)"),),
                  "Rows may stand in several axes, as in (B, T, I), or in none, as in (I,)."),
            Fault("bias_averaged", "the gradient of bias were averaged over the rows",
                  (("drows.sum(axis=0)", "drows.mean(axis=0)"),), "Every row adds what it says: there is no 1/N here."),
            Fault("weight_not_summed", "the gradient of weight kept the leading axes of x",
                  (("xp.matmul(drows.T, rows) if transposed else xp.matmul(rows.T, drows)",
                    "xp.matmul(xp.swapaxes(dy, -1, -2), x) if transposed else xp.matmul(xp.swapaxes(x, -1, -2), dy)"),),
                  "weight has two axes and so has its gradient: make x and dy two-dimensional first."),
            Fault("dx_not_turned", "dx were dy W, without the transpose",
                  (("weight if transposed else weight.T", "weight.T if transposed else weight"),), SHAPES_HINT),
            Fault("dweight_turned", "dW were transposed: dyᵀ x in place of xᵀ dy, and the other way round",
                  (("xp.matmul(drows.T, rows) if transposed else xp.matmul(rows.T, drows)",
                    "xp.matmul(rows.T, drows) if transposed else xp.matmul(drows.T, rows)"),),
                  "dweight has the shape of weight."),
            Fault("never_turned", "transposed were not looked at",
                  (("weight if transposed else weight.T", "weight.T"),
                   ("xp.matmul(drows.T, rows) if transposed else xp.matmul(rows.T, drows)",
                    "xp.matmul(rows.T, drows)")), TURNED_HINT),
        ),
    ),
)  # fmt: skip
