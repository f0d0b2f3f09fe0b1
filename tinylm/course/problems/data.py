"""Batches of windows, windows in order, and what a loss means in bits."""

from typing import Any

import numpy as np

from tinylm import data as live
from tinylm import train
from tinylm.course import drive_text
from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import drawn, pick, whole


def _ids(draw: Any, size: int) -> np.ndarray:
    """Different ids in no order, so that a window can be told from every other."""
    from hypothesis import strategies as st

    rising = draw(st.permutations(range(size)))
    return np.array([3 * i + 1 for i in rising], pick(draw, np.int64, np.uint16))


@drawn
def get_batch_inputs(draw: Any) -> Case:
    block = whole(draw, 1, 4)
    return case(_ids(draw, block + whole(draw, 1, 5)), pick(draw, 2, 1, 3, 4), block)


@drawn
def windows_inputs(draw: Any) -> Case:
    block = whole(draw, 1, 4)
    return case(_ids(draw, whole(draw, 0, 4 * block + 2)), whole(draw, 1, 3), block)


@drawn
def bits_inputs(draw: Any) -> Case:
    return case(whole(draw, 0, 16) / 4, whole(draw, 1, 40), whole(draw, 0, 100))


SHIFT = "Print one row of x above its row of y: what should stand under a token is the one that follows it."

add(
    Problem(
        "get_batch",
        live.get_batch,
        topic="data",
        level=1,
        minutes=15,
        inputs=get_batch_inputs,
        drive=drive_text.batch,
        notes="Every window has the same chance, the last one too. Draw from rng, which the tests give, so that one "
        "seed means one batch.",
        faults=(
            Fault("shifted_back", "y came before x: the token in front and not the one that follows",
                  (("return windows[:, :-1].copy(), windows[:, 1:].copy()",
                    "return windows[:, 1:].copy(), windows[:, :-1].copy()"),), SHIFT),
            Fault("not_shifted", "y were x itself", (("windows[:, 1:].copy()", "windows[:, :-1].copy()"),), SHIFT),
            Fault("shifted_twice", "y were two tokens later than x",
                  (("windows[:, 1:].copy()", "np.roll(windows, -2, axis=1)[:, :-1]"),), SHIFT),
            Fault("rolled", "the last token of y were the first of x: the row is rolled, not cut one token later",
                  (("windows[:, 1:].copy()", "np.roll(windows[:, :-1], -1, axis=1)"),),
                  "The last token of y stands outside of x."),
            Fault("drawn_twice", "y were drawn from the text anew, at other places than x",
                  (("    return windows[:, :-1].copy(), windows[:, 1:].copy()",
                    "    again = (rng or _default_data).integers(0, choices, batch_size)\n"
                    "    y = np.stack([tokens[i + 1 : i + block_size + 1] for i in again]).astype(np.int64)\n"
                    "    return windows[:, :-1].copy(), y"),), SHIFT),
            Fault("last_missing", "the last window never came",
                  (("len(tokens) - block_size\n", "len(tokens) - block_size - 1 or 1\n"),),
                  "Which is the last place where a window can begin?"),
            Fault("first_missing", "the first window never came",
                  (("integers(0, choices,", "integers(min(1, choices - 1), choices,"),),
                  "A window may begin at the first token."),
            Fault("one_start", "all rows were one and the same window",
                  (("integers(0, choices, batch_size)", "integers(0, choices, 1).repeat(batch_size)"),),
                  "Each row draws a start of its own."),
            Fault("not_random", "the rows stood side by side in the text, in its order",
                  ((".integers(0, choices, batch_size)",
                    ".integers(0, choices, 1) * 0 + np.arange(batch_size) % choices"),),
                  "Call it twice: the batches should differ."),
            Fault("never_overlapping", "windows began only at multiples of block_size",
                  (("for start in starts]", "for start in starts // block_size * block_size]"),),
                  "A window may begin at any token."),
            Fault("generator_ignored", "the generator that is given were not used",
                  (("(rng or _default_data)", "_default_data"),), "Where do your random numbers come from?"),
            Fault("short", "rows were one token too short",
                  (("windows[:, :-1].copy(), windows[:, 1:].copy()",
                    "windows[:, :-2].copy(), windows[:, 1:-1].copy()"),), "x and y have block_size tokens each."),
        ),
    ),
    Problem(
        "windows_in_order",
        live.windows_in_order,
        topic="data",
        level=2,
        minutes=25,
        inputs=windows_inputs,
        needs=("get_batch",),
        notes="Yield pairs (x, y) of arrays (B, T) with B up to batch_size and T = block_size, y one token later than "
        "x; then the rest, if there is one, as a pair of shape (1, fewer). Nothing comes of fewer than two tokens.",
        faults=(
            Fault("rest_dropped", "what is left at the end, shorter than a window, were dropped",
                  (("    if len(rest) > 1:\n", "    if False:\n"),), "Count the targets: all tokens but the first."),
            Fault("targets_skipped", "the first token of every window but the first were never a target",
                  (("range(block_size, len(tokens), block_size)", "range(block_size, len(tokens), block_size + 1)"),),
                  "The last target of a window is the first input of the next."),
            Fault("overlapping", "windows overlapped: one began at every token",
                  (("range(block_size, len(tokens), block_size)", "range(block_size, len(tokens))"),),
                  "Every token is a target once."),
            Fault("not_shifted", "y were x itself",
                  (("rows[:, :-1].copy(), rows[:, 1:].copy()", "rows[:, :-1].copy(), rows[:, :-1].copy()"),
                   ("rest[None, 1:].copy()", "rest[None, :-1].copy()")), SHIFT),
            Fault("shifted_back", "y came before x",
                  (("rows[:, :-1].copy(), rows[:, 1:].copy()", "rows[:, 1:].copy(), rows[:, :-1].copy()"),
                   ("rest[None, :-1].copy(), rest[None, 1:].copy()",
                    "rest[None, 1:].copy(), rest[None, :-1].copy()")), SHIFT),
            Fault("last_window_missed", "a window that ends with the last token were missed",
                  (("range(block_size, len(tokens), block_size)", "range(block_size, len(tokens) - 1, block_size)"),),
                  "Try a sequence of block_size + 1 tokens: it is one whole window."),
            Fault("last_batch_dropped", "windows that do not fill a batch were dropped",
                  (("        rows = np.stack(",
                    "        if len(chunk) < batch_size:\n            break\n        rows = np.stack("),),
                  "The last batch may have fewer rows."),
        ),
    ),
    Problem(
        "bits_per_byte",
        train.bits_per_byte,
        topic="data",
        level=1,
        minutes=5,
        inputs=bits_inputs,
        imports=("import math",),
        faults=(
            Fault("nats", "the loss stayed in nats", ((" / math.log(2)", ""),), "How many nats are one bit?"),
            Fault("times_ln_2", "the loss were multiplied by ln 2", (("/ math.log(2)", "* math.log(2)"),),
                  "One bit is ln 2 = 0.693 nats: are there more bits than nats, or fewer?"),
            Fault("per_token", "the bits were those of a token and not of a byte",
                  (("loss * tokens / math.log(2) / max(size, 1)", "loss / math.log(2)"),),
                  "Twice as many bytes for the same tokens: half as many bits for each."),
            Fault("bytes_per_token", "it were multiplied by the bytes of a token and not divided",
                  (("loss * tokens / math.log(2) / max(size, 1)", "loss / math.log(2) * max(size, 1) / tokens"),),
                  "The whole text costs loss · tokens."),
            Fault("log10", "the logarithm were that to the base 10", (("math.log(2)", "math.log10(2)"),),
                  "nats are natural."),
            Fault("perplexity", "it were the perplexity",
                  (("loss * tokens / math.log(2) / max(size, 1)", "math.exp(loss)"),),
                  "Perplexity is e to the loss; here bits are wanted."),
        ),
    ),
)  # fmt: skip
