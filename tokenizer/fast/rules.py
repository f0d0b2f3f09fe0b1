"""Where the named patterns surely end a pre-token, as rules on two or three characters; knows no arrays.

A rule may leave a boundary out, never invent one: what stands between two cuts is a *unit* of one or more
pre-tokens. Units whose characters leave doubt go through the pattern itself, once for each distinct unit.
That every cut is a boundary, and that units split alone give the pre-tokens of the whole, is tested on all
strings of up to seven characters of one from each class.
"""

from dataclasses import dataclass

from tokenizer.patterns import PATTERNS

BLANK = "STR"
INK = "LNOA"  # whatever is not white space


@dataclass(frozen=True)
class Rules:
    """The safe cuts of one pattern, in the letters of classes.py.

    between: (x, y): cut between a character of x and one of y
    before_middle: (x, y, z): where three such characters stand in a row, cut before the second
    before_last: the same, cut before the third
    doubtful: a unit with one of these in it may be several pre-tokens
    digits: so many digits are sure to be one pre-token, more are doubtful; 0: any number is one
    inner: the pattern for a unit that does not end its text, where that makes a difference
    """

    between: tuple[tuple[str, str], ...]
    before_middle: tuple[str, str, str]
    before_last: tuple[str, str, str] = ("", "", "")
    doubtful: str = "A"
    digits: int = 0
    inner: str = ""


# A space goes with the word, the number or the punctuation after it, and so does nothing else; of several
# blanks only the last can. An apostrophe before a letter may begin a contraction, and the s of 's end one.
GPT2 = Rules(
    between=(("L", "NOA" + BLANK), ("N", "LOA" + BLANK), ("O", "LN" + BLANK), ("A", "N" + BLANK), ("TR", INK)),
    before_middle=(BLANK, BLANK, INK),
)

# As GPT-2, but every digit is alone, and blanks before a digit stay together: they cannot go with it.
SMOLLM2 = Rules(
    between=(
        ("L", "NOA" + BLANK),
        ("N", INK + BLANK),
        ("O", "LN" + BLANK),
        ("A", "N" + BLANK),
        ("TR", INK),
        ("S", "N"),
    ),
    before_middle=(BLANK, BLANK, "LOA"),
)

# Any one character but a line end goes with the letters after it, if it stands alone or is the last of some
# blanks; punctuation takes a space before it and the line ends after it; digits go three by three.
LLAMA3 = Rules(
    between=(("L", "NOA" + BLANK), ("N", "LOA" + BLANK), ("OA", "NST"), ("R", INK), ("S", "N"), ("T", "NOA")),
    before_middle=(BLANK, "ST", INK),
    before_last=("OAS", "OA", "L"),
    doubtful="AR",
    digits=3,
)
QWEN2 = Rules(
    between=(("L", "NOA" + BLANK), ("N", INK + BLANK), ("OA", "NST"), ("R", INK), ("S", "N"), ("T", "NOA")),
    before_middle=LLAMA3.before_middle,
    before_last=LLAMA3.before_last,
    doubtful="AR",
)
# Only at the end of a text do blanks after a line end stay with it.
GPT4 = Rules(
    between=LLAMA3.between,
    before_middle=LLAMA3.before_middle,
    before_last=LLAMA3.before_last,
    doubtful="AR",
    digits=3,
    inner=PATTERNS["gpt4"].replace(r"|\s++$", ""),
)

RULES: dict[str, Rules] = {"gpt2": GPT2, "gpt4": GPT4, "llama3": LLAMA3, "qwen2": QWEN2, "smollm2": SMOLLM2}
"""The patterns that the fast form serves, by name."""
