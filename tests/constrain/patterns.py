"""Patterns drawn with texts that match them, and Python's own `re` as the judge of what matches."""

import re

from hypothesis import strategies as st

SIGNS = "ab0 _\n\té\u0640\u20ac\ud7ff\ue000\U00010348-]}^,"  # of one to four bytes, and signs of the syntax

ATOMS = {  # a pattern, and some texts that match it
    ".": "aé\U00010348\u2028",
    r"\d": "09",
    r"\D": "a\u0660\n",
    r"\w": "a_0Z",
    r"\W": "-é\n\U00010348",
    r"\s": " \t\n\x0b",
    r"\S": "a\xa0€",
    "[ab]": "ab",
    "[^ab]": "0é\n€",
    "[a-f0-9_]": "af9_",
    "[^\\n-é]": "\x00€\U00010348",
    "[\u20ac-\U00010348]": "\u20ac\ud7ff\ue000\U00010348",
    "[]a-]": "]a-",
    "[^]\\-\\]]": "a[^",
    r"[\d\w,]": "0a,",
    r"[^\W\d]": "a_",
    r"[\x41-\u00e9\n]": "AZé\n",
    "[\x7f-\x80]": "\x7f\x80",
    "[\u07ff-\u0800]": "\u07ff\u0800",
    "[\uffff-\U00010000]": "\uffff\U00010000",
}

COUNTS = {  # and some numbers of repetitions that each allows
    "?": [0, 1],
    "??": [0, 1],
    "*": [0, 1, 3],
    "*?": [0, 2],
    "+": [1, 2],
    "+?": [1, 3],
    "{0}": [0],
    "{1}": [1],
    "{2}": [2],
    "{0,1}": [0, 1],
    "{1,3}": [1, 2, 3],
    "{,2}": [0, 2],
    "{2,}": [2, 4],
    "{1,}?": [1, 3],
}

Drawn = tuple[str, st.SearchStrategy[str]]


def literal(sign: str) -> Drawn:
    return re.escape(sign), st.just(sign)


def joined(parts: list[Drawn]) -> Drawn:
    return "".join(pattern for pattern, _ in parts), st.tuples(*[texts for _, texts in parts]).map("".join)


def chosen(options: list[Drawn]) -> Drawn:
    return f"({'|'.join(pattern for pattern, _ in options)})", st.one_of([texts for _, texts in options])


def repeated(item: Drawn, count: str) -> Drawn:
    pattern, texts = item
    several = st.sampled_from(COUNTS[count]).flatmap(lambda n: st.lists(texts, min_size=n, max_size=n)).map("".join)
    return f"(?:{pattern}){count}", several


atoms = st.sampled_from(SIGNS).map(literal) | st.sampled_from(sorted(ATOMS)).map(
    lambda pattern: (pattern, st.sampled_from(ATOMS[pattern]))
)
drawn = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4).map(joined)
        | st.lists(inner, min_size=1, max_size=3).map(chosen)
        | st.builds(repeated, inner, st.sampled_from(sorted(COUNTS)))
    ),
    max_leaves=6,
)


@st.composite
def examples(draw) -> tuple[str, str]:
    """A pattern, and a text that mostly matches it, or nearly does."""
    pattern, matching = draw(drawn)
    text = draw(matching | st.text(SIGNS, max_size=4))
    if draw(st.booleans()) and text:
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.sampled_from(["", *SIGNS])) + text[at + draw(st.integers(0, 1)) :]
    return pattern, text


def oracle(pattern: str | bytes, text: str | bytes) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None
