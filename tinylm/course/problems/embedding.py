"""Looking things up: embedding, and the gradients of embedding and of x[index], where one element may come twice."""

from typing import Any

import numpy as np

from tinylm.course.exercise import Case, case
from tinylm.course.problem import XP, Fault, Problem, add, backward_case, first
from tinylm.course.problems.inputs import array, drawn, dtype_of, first_gradient, integers, pick, shape_of, whole
from tinylm.course.work import COUNTED, linear
from tinylm.ops import indexing as live


def _operands(draw: Any) -> tuple[Any, Any]:
    V, C = whole(draw, 1, 4), whole(draw, 1, 3)
    ids = integers(draw, shape_of(draw, 1, 2, 4), 0, V - 1)
    return array(draw, (V, C), dtype_of(draw)), ids


def embedding_case(draw: Any) -> Any:
    return case(XP, *_operands(draw))


def embedding_backward_case(draw: Any) -> Any:
    return backward_case(live.embedding, lambda y: array(draw, y.shape, y.dtype), *_operands(draw))


def getitem_backward_case(draw: Any) -> Any:
    rows, columns = whole(draw, 2, 4), whole(draw, 1, 3)
    x = array(draw, (rows, columns), dtype_of(draw), (0.0,))
    index = pick(
        draw,
        0,
        slice(1, None),
        (Ellipsis, slice(0, 1)),
        (slice(None), None, -1),
        integers(draw, (whole(draw, 1, 4),), 0, rows - 1),
        (integers(draw, (3,), 0, rows - 1), integers(draw, (3,), 0, columns - 1)),
        (slice(None), integers(draw, (2,), 0, columns - 1)),
        np.arange(rows) % 2 == 0,
    )
    return backward_case(live.getitem, lambda y: array(draw, np.shape(y), x.dtype), x, index=index)


def averaged(xp: Any, dy: Any, *, ids: Any, shape: Any) -> Any:
    total = np.zeros(shape, dy.dtype)
    np.add.at(total, ids, dy)
    count = np.bincount(ids.reshape(-1), minlength=shape[0])
    return total / np.maximum(count, 1).astype(dy.dtype)[:, None], None


def first_wins(xp: Any, dy: Any, *, ids: Any, shape: Any) -> Any:
    dtable = xp.zeros(shape, dtype=dy.dtype)
    dtable[ids.reshape(-1)[::-1]] = dy.reshape(-1, shape[-1])[::-1]
    return dtable, None


def used_only(xp: Any, dy: Any, *, ids: Any, shape: Any) -> Any:
    return dy, None


def many_gradients(n: int) -> Case:
    """The backward of n ids of n."""
    return backward_case(live.embedding, np.ones((n, 2)), np.ones((n, 2)), np.arange(n)[::-1])


TABLE = COUNTED.format("twice the ids and rows")
ONE_HOT = "every id is compared with every row of the table, as one-hot rows do"
LOST = "Where an id comes twice, whose gradient does its row get? Try ids [0, 0]."
FLOAT64 = "What is the dtype of zeros(shape), when nobody says?"

add(
    Problem(
        "embedding",
        live.embedding,
        topic="operations",
        level=1,
        minutes=5,
        inputs=drawn(embedding_case),
        view=first,
        faults=(
            Fault(
                "from_one",
                "the first row had the id 1",
                (("table[ids]", "table[ids - 1]"),),
                "Which row belongs to id 0?",
            ),
            Fault(
                "flat",
                "the ids were flattened, and their shape lost",
                (("table[ids]", "table[ids.reshape(-1)]"),),
                "For ids of shape (B, T) there are B times T rows, in which shape?",
            ),
            Fault(
                "columns",
                "columns were picked, not rows",
                (("table[ids]", "table[:, ids % table.shape[1]]"),),
                "Which axis of the table counts tokens?",
            ),
        ),
    ),
    Problem(
        "embedding_backward",
        live.embedding_backward,
        topic="operations",
        level=2,
        minutes=20,
        inputs=drawn(embedding_backward_case),
        needs=("embedding",),
        view=first_gradient,
        notes="dy: (..., C)   →   dtable: (V, C), which is `shape`. ids are those of forward. Return dtable; or "
        "dtable, None, as ids have no "
        "gradient. dtable has the dtype of dy. " + TABLE,
        work=linear(many_gradients, ONE_HOT),
        faults=(
            Fault(
                "repeats_lost",
                "the last of several equal ids won, and the gradients of the others were lost",
                (("scatter_add(dtable, ids, dy)", "dtable[ids] = dy"),),
                LOST,
            ),
            Fault("first_wins", "only the first of several equal ids counted", (), LOST, answer=first_wins),
            Fault("averaged", "the gradients of equal ids were averaged, not added", (), LOST, answer=averaged),
            Fault(
                "used_rows_only",
                "only the rows that were used had a gradient",
                (),
                "dtable has the shape of the table, with zeros where nothing was looked up.",
                answer=used_only,
            ),
            Fault(
                "float64",
                "dtable were float64, whatever dy is",
                (("xp.zeros(shape, dtype=dy.dtype)", "xp.zeros(shape)"),),
                FLOAT64,
            ),
        ),
    ),
    Problem(
        "getitem_backward",
        live.getitem_backward,
        topic="operations",
        level=2,
        minutes=20,
        inputs=drawn(getitem_backward_case),
        helpers=(live.parts_of, live.may_repeat),
        needs=("embedding_backward",),
        notes="dy: (...), as x[index]   →   dx: (...), as x, whose shape is `shape`. dx has the dtype of dy. "
        "index is whatever NumPy takes between the brackets.",
        faults=(
            Fault(
                "repeats_lost",
                "an element that is picked twice got one of its gradients only",
                (("scatter_add(dx, index, dy)", "dx[index] = dy"),),
                "Try the index [0, 0]: does dx[index] += dy add twice?",
            ),
            Fault(
                "dy_left_out",
                "dx were 1 where x was picked, whatever dy is",
                (
                    ("scatter_add(dx, index, dy)", "scatter_add(dx, index, dy * 0 + 1)"),
                    ("dx[index] = dy\n", "dx[index] = 1\n"),
                ),
                "Where does dy come in?",
            ),
            Fault(
                "first_axis_only",
                "only the first part of an index with a comma counted",
                (("    if any(", "    index = index[0] if isinstance(index, tuple) else index\n    if any("),),
                "x[i, j] is x[(i, j)]: the index is a tuple.",
            ),
            Fault(
                "float64",
                "dx were float64, whatever dy is",
                (("xp.zeros(shape, dtype=dy.dtype)", "xp.zeros(shape)"),),
                FLOAT64,
            ),
        ),
    ),
)
