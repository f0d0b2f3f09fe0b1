"""Special tokens found in text."""

import re
from collections.abc import Iterator
from typing import Any

from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import drawn, pick
from tokenizer import special as live

NAMES = (
    ("ab", "bcd"),
    ("<|a|>",),
    ("ab", "bcd"),
    ("<|a|>", "<|a|><|b|>"),
    ("aa", "aaa"),
    ("ab", "abc", "b"),
    ("a.", "+"),
    ("é🙂", "🙂"),
    (),
)


@drawn
def split_special_inputs(draw: Any) -> Case:
    from hypothesis import strategies as st

    from tinylm.testing import texts

    names = pick(draw, *NAMES)
    parts = [*names, "a", "abcd", *names, " ", "b", "<|", "axx"]
    text = "".join(draw(st.lists(st.one_of(*[st.sampled_from(parts)] * 3, texts(2)), max_size=5)))
    return case(text, frozenset(names))


def longest_before_leftmost(text: str, tokens: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Cuts at one special token after the other."""
    pieces = [(text, False)]
    for token in sorted(tokens, key=lambda token: (-len(token), token)):
        cut: list[tuple[str, bool]] = []
        for piece, is_special in pieces:
            parts = [(piece, True)] if is_special else [(part, part == token) for part in _around(piece, token)]
            cut += parts
        pieces = cut
    yield from ((piece, is_special) for piece, is_special in pieces if piece)


def _around(piece: str, token: str) -> list[str]:
    return re.split(f"({re.escape(token)})", piece)


add(
    Problem(
        "split_special",
        live.split_special,
        topic="tokenizer",
        level=2,
        minutes=20,
        inputs=split_special_inputs,
        helpers=(live.finder,),
        imports=("import re",),
        notes="Of special tokens that overlap in the text the leftmost counts; of those that begin at one place, the "
        "longest. A list of pairs will do as well.",
        faults=(
            Fault("shortest_first", "the shortest won where several begin at one place",
                  (("-len(token)", "len(token)"),), "An alternation of regexes takes the first that fits."),
            Fault("not_leftmost", "the longest were looked for in the whole text before any shorter one", (),
                  "Go through the text from left to right, once.", longest_before_leftmost),
            Fault("unescaped", "special tokens were taken for regexes",
                  (("map(re.escape, longest_first)", "longest_first"),), "What does | mean in a regex?"),
            Fault("dropped", "special tokens were left out", (("        yield match.group(), True\n", ""),),
                  "The stretches join to the text."),
            Fault("end_forgotten", "what stands after the last special token were left out",
                  (("    if end < len(text):\n", "    if False:\n"),), "Try a text without any special token."),
            Fault("first_only", "only the first special token were found",
                  (("        end = match.end()\n", "        end = match.end()\n        break\n"),),
                  "Try one that occurs twice."),
            Fault("empty_stretches", "empty stretches came too",
                  (("        if match.start() > end:\n", "        if True:\n"),),
                  "Try a text that begins with a special token."),
            Fault("unmarked", "special tokens were marked as text",
                  (("match.group(), True", "match.group(), False"),),
                  "The second of a pair says whether the first is a special token."),
        ),
    ),
)  # fmt: skip
