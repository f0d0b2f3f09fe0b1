"""Two of the tie rules of training: which of the pairs of equal count is merged first."""

from typing import Any

from tinylm.course import drive_text
from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import drawn, pick
from tokenizer import ties as live


@drawn
def ties_inputs(draw: Any) -> Case:
    from hypothesis import strategies as st

    letters = [97, 98, 32, 0, 33, 200, 10, 173, 255]
    made: dict[str, tuple[int, int]] = {}  # by what they spell, so that no two tokens are the same bytes
    texts = {97: "a", 98: "b", 32: " ", 0: "\0"}
    for _ in range(pick(draw, 4, 5, 0, 3, 6)):
        left, right = pick(draw, *texts), pick(draw, *texts)
        if texts[left] + texts[right] not in made:
            made[texts[left] + texts[right]] = (left, right)
            texts[255 + len(made)] = texts[left] + texts[right]
    known = [*range(256, 256 + len(made)), *letters]
    pairs = draw(st.lists(st.tuples(*[st.sampled_from(known)] * 2), min_size=2, max_size=5, unique=True))
    return case(pairs, list(made.values()))


RANKS = "return BYTE_RANK.get(left, left), BYTE_RANK.get(right, right)"
DOWN = "return _descending(corpus.tokens[left]), _descending(corpus.tokens[right])"

add(
    Problem(
        "tie_huggingface",
        live.huggingface,
        symbol="huggingface",
        topic="tokenizer",
        level=1,
        minutes=15,
        inputs=ties_inputs,
        drive=drive_text.ordered,
        needs=("count_pairs",),
        notes="Return a key of the pair: among pairs of equal count the smallest key is merged. Any key that puts "
        "pairs into this order is right. Ids below 256 are bytes; merges have the ids from 256 on, in their order. "
        "corpus.tokens[id] is the id's bytes.",
        faults=(
            Fault("by_value", "bytes were numbered by their value",
                  ((RANKS, "return pair"),),
                  "The blank is byte 32, and “!” is 33: which comes first in GPT-2's alphabet?"),
            Fault("left_by_value", "the right byte were numbered by its value",
                  (("BYTE_RANK.get(right, right)", "right"),), "Both ids of the pair are numbered alike."),
            Fault("right_first", "the right ids were compared first",
                  ((RANKS,
                    "return BYTE_RANK.get(right, right), BYTE_RANK.get(left, left)"),),
                  "Left number first, then the right one."),
            Fault("turned", "the greatest pair came first",
                  ((RANKS,
                    "return -BYTE_RANK.get(left, left), -BYTE_RANK.get(right, right)"),),
                  "The smallest key is merged."),
            Fault("merges_first", "tokens made by merging came before bytes",
                  (("BYTE_RANK.get(left, left), BYTE_RANK.get(right, right)",
                    "BYTE_RANK.get(left, left - 9999), BYTE_RANK.get(right, right - 9999)"),),
                  "Merges follow the 256 bytes."),
            Fault("by_bytes", "the bytes of the tokens were compared and not their numbers",
                  ((RANKS,
                    "return corpus.tokens[left], corpus.tokens[right]"),), "It is the ids that are compared."),
        ),
    ),
    Problem(
        "tie_greatest_bytes",
        live.greatest_bytes,
        symbol="greatest_bytes",
        topic="tokenizer",
        level=2,
        minutes=20,
        inputs=ties_inputs,
        drive=drive_text.ordered,
        needs=("count_pairs",),
        helpers=(live._descending,),
        notes="Return a key of the pair: among pairs of equal count the smallest key is merged. Any key that puts "
        "pairs into this order is right. corpus.tokens[id] is the id's bytes.",
        faults=(
            Fault("turned", "the least bytes came first",
                  ((DOWN,
                    "return corpus.tokens[left], corpus.tokens[right]"),),
                  "The smallest key is merged, and the greatest bytes win."),
            Fault("beginning_greater", "a string were less than its own beginning",
                  (("(*(-byte for byte in data), 1)", "tuple(-byte for byte in data)"),),
                  "Which of b\"a\" and b\"ab\" is greater? And of what you make of them?"),
            Fault("joined", "the bytes of both were joined before they are compared",
                  ((DOWN,
                    "return _descending(corpus.tokens[left] + corpus.tokens[right])"),),
                  "(“a”, “bc”) and (“ab”, “c”) join to the same string."),
            Fault("by_ids", "the ids were compared and not the bytes",
                  ((DOWN,
                    "return -left, -right"),), "A token made by merging has a large id, whatever its bytes are."),
            Fault("right_first", "the right strings were compared first",
                  ((DOWN,
                    "return _descending(corpus.tokens[right]), _descending(corpus.tokens[left])"),),
                  "Left strings first."),
            Fault("longest", "longer strings came first",
                  (("(*(-byte for byte in data), 1)", "(-len(data), *(-byte for byte in data))"),),
                  "Python compares bytes from the left: b\"b\" > b\"aa\"."),
        ),
    ),
)  # fmt: skip
