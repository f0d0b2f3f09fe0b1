"""What is done to one row of logits or probabilities before a token is drawn: the penalty and the three filters."""

from typing import Any

import numpy as np

from tinylm import choose as live
from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import drawn, pick, whole


def logits_of(draw: Any) -> Any:
    """A row: ties, rows all equal, ±10000, −∞ for what cannot come."""
    from tinylm.testing import logits

    return draw(logits(whole(draw, 1, 6)))


def p_of(draw: Any) -> Any:
    """Probabilities that are exact in binary."""
    from tinylm.testing import probabilities

    return draw(probabilities(whole(draw, 1, 6)))


def _seen(draw: Any, V: int) -> list[int]:
    return [whole(draw, 0, V - 1) for _ in range(whole(draw, 0, 4))]


@drawn
def penalize_inputs(draw: Any) -> Case:
    logits = logits_of(draw)
    return case(logits, _seen(draw, len(logits)), pick(draw, 2.0, 1.5, 1.25, 1.0, 0.5))


@drawn
def top_k_inputs(draw: Any) -> Case:
    logits = logits_of(draw)
    return case(logits, whole(draw, 1, len(logits) + 2))


@drawn
def top_p_inputs(draw: Any) -> Case:
    return case(p_of(draw), pick(draw, whole(draw, 1, 16) / 16, 0.3, 0.9, 1.0))


LARGER_HALVES = 2.0 ** -np.array([3, 1, 4, 2, 5, 6, 6])  # the last ones are needed, too, where top_p is near 1
SOME_TIES = 2.0 ** -np.array([4, 4, 5, 4, 4, 4, 4, 4, 5, 4, 4, 4, 4, 5, 4, 4, 5, 4])  # from 17 on, none is stable
MANY_TIES = np.where(np.arange(48) * 7 % 48 < 16, 2.0, 1.0) / 64  # more than NumPy sorts stably unless it is asked to
TOP_P_CORNERS = (
    *(case(LARGER_HALVES, top_p) for top_p in (0.9, 0.96875, 1.0)),
    case(SOME_TIES, 0.7),
    case(MANY_TIES, 0.7),
)
LONG_ROW = np.arange(307) * 10 % 307 / 4  # more than NumPy's partition sorts as a whole, in no order


@drawn
def min_p_inputs(draw: Any) -> Case:
    return case(p_of(draw), pick(draw, 0.5, whole(draw, 0, 8) / 8, 0.3, 0.25))


CUT = "np.where(logits[ids] > 0, logits[ids] / penalty, logits[ids] * penalty)"
LEAST = "np.partition(logits, -k)[-k]"
TIES = "np.flatnonzero(logits == least)[: k - np.count_nonzero(kept)]"
NEVER_NEGATIVE = "A negative logit divided by 2 is nearer to 0: is the token less likely then?"

add(
    Problem(
        "penalize_repetition",
        live.penalize_repetition,
        topic="sampling",
        level=1,
        minutes=15,
        inputs=penalize_inputs,
        imports=("import numpy as np",),
        notes="An id that occurs several times is penalised once. Return a new array.",
        faults=(
            Fault("negative_divided", "negative logits were divided too, and so became more likely",
                  ((CUT, "logits[ids] / penalty"),), NEVER_NEGATIVE),
            Fault("turned", "positive logits were multiplied and negative ones divided",
                  ((CUT, "np.where(logits[ids] > 0, logits[ids] * penalty, logits[ids] / penalty)"),),
                  NEVER_NEGATIVE),
            Fault("each_time", "an id were penalised once for each time it occurs",
                  (("np.unique(np.fromiter(seen, dtype=np.int64))", "list(seen)"),
                   ("    result[ids] = " + CUT + "\n",
                    "    for i in ids:\n"
                    "        result[i] = result[i] / penalty if result[i] > 0 else result[i] * penalty\n")),
                  "Try an id that was seen twice."),
            Fault("last_only", "only the last id were penalised",
                  (("np.fromiter(seen, dtype=np.int64)", "np.fromiter(list(seen)[-1:], dtype=np.int64)"),),
                  "All that occurred count."),
            Fault("all_ids", "every id were penalised, seen or not",
                  (("np.unique(np.fromiter(seen, dtype=np.int64))", "np.arange(len(logits))"),),
                  "What has not been seen stays."),
            Fault("subtracted", "the penalty were subtracted", ((CUT, "logits[ids] - penalty"),),
                  "That is the presence penalty; this one is a factor."),
        ),
    ),
    Problem(
        "keep_top_k",
        live.keep_top_k,
        topic="sampling",
        level=2,
        minutes=15,
        inputs=top_k_inputs,
        corners=(case(LONG_ROW, 40),),
        imports=("import numpy as np",),
        faults=(
            Fault("ties_kept", "all ids were kept that are equal to the smallest one kept",
                  (("    kept[" + TIES + "] = True\n", "    kept = logits >= least\n"),),
                  "Try four equal logits and k = 2."),
            Fault("ties_dropped", "none were kept of those equal to the k-th largest",
                  (("    kept[" + TIES + "] = True\n", ""),), "How many are True? There should be k."),
            Fault("larger_id", "the larger id came first among equal ones",
                  ((TIES, TIES.replace("[: k", "[::-1][: k")),), "Which of two equal logits is kept?"),
            Fault("smallest", "the smallest logits were kept",
                  ((LEAST, "np.partition(logits, k - 1)[k - 1]"), ("logits > least", "logits < least")),
                  "Sorting goes from the smallest up."),
            Fault("k_too_large", "there had to be more than k logits",
                  (("    if k >= len(logits):\n", "    if k == len(logits):\n"),),
                  "What should come of k = 5 where there are 3 ids?"),
            Fault("one_more", "one more were kept",
                  (("    if k >= len(logits):\n", "    k += 1\n    if k >= len(logits):\n"),),
                  "How many are True for k = 1?"),
        ),
    ),
    Problem(
        "keep_top_p",
        live.keep_top_p,
        topic="sampling",
        level=2,
        minutes=25,
        inputs=top_p_inputs,
        corners=TOP_P_CORNERS,
        needs=("keep_top_k",),
        imports=("import numpy as np",),
        notes="The result is in the order of the ids, as p is. At least one id is kept, and ids that are not needed "
        "are not: those of probability 0 never.",
        faults=(
            Fault("crossing_dropped", "the id that crosses top_p were left out, but for the first",
                  (("before < top_p", "before + p[order] <= top_p"),), "Add up what you keep: is it at least top_p?"),
            Fault("nothing_kept", "the id that crosses top_p were left out, and so sometimes all of them",
                  (("before < top_p", "before + p[order] <= top_p"), ("    kept[order[:1]] = True\n", "")),
                  "Try one id that has it all, and top_p = 0.5."),
            Fault("one_too_many", "one more were kept where the sum is exactly top_p",
                  (("before < top_p", "before <= top_p"),), "Try [0.5, 0.5] and top_p = 0.5."),
            Fault("not_sorted", "the ids were added up in their own order and not the most likely first",
                  (('np.argsort(-p[likely], kind="stable")', "np.arange(len(likely))"),), "Whose turn is first?"),
            Fault("least_first", "the least likely ids were added up first",
                  (("np.argsort(-p[likely]", "np.argsort(p[likely]"),), "argsort goes from the smallest up."),
            Fault("larger_id", "the larger id came first among equal ones",
                  (('np.argsort(-p[likely], kind="stable")', 'np.argsort(p[likely], kind="stable")[::-1]'),),
                  "Which of two equal ids comes first?"),
            Fault("unstable", "equally likely ids came in whatever order the sort left them",
                  (('np.argsort(-p[likely], kind="stable")', "np.argsort(-p[likely])"),),
                  'Of equally likely ids the smaller comes first: np.argsort sees to it with kind="stable" alone.'),
            Fault("in_sorted_order", "the result stood in the order of the sorted ids",
                  (("kept[order[before < top_p]]", "kept[np.flatnonzero(before < top_p)]"),
                   ("kept[order[:1]]", "kept[:1]")),
                  "Place i of the result belongs to id i: the order has to be undone."),
        ),
    ),
    Problem(
        "keep_min_p",
        live.keep_min_p,
        topic="sampling",
        level=1,
        minutes=5,
        inputs=min_p_inputs,
        faults=(
            Fault("absolute", "min_p were a probability and not a part of the largest",
                  (("min_p * p.max()", "min_p"),), "What is min_p times the largest?"),
            Fault("strict", "an id that is exactly at the limit were dropped", (("p >= min_p", "p > min_p"),),
                  "“At least” keeps the limit itself: try min_p = 1."),
            Fault("of_the_mean", "min_p were a part of the mean", (("p.max()", "p.mean()"),), "Part of what?"),
            Fault("complement", "1 − min_p were meant", (("min_p * p.max()", "(1 - min_p) * p.max()"),),
                  "A larger min_p lets fewer through."),
            Fault("turned", "it were True for what is dropped", (("p >= min_p", "p < min_p"),), "True means kept."),
        ),
    ),
)  # fmt: skip
