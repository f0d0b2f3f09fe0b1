"""Counted pre-tokens: text split by a pattern, with and without special tokens."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import regex

from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import drawn, pick
from tokenizer import count as live
from tokenizer.patterns import PATTERNS
from tokenizer.special import finder

SPECIALS = (("<|end|>",), ("aa", "aab", "|"), ("<|end|>", "<|end|><|x|>"), ("aa", "aab"), ())
PIECES = ("a", "b", " a", " ", " 12", "1234567", "  7", "don't", "DON'T", " \n", "\n ", "!\n", "é", "你", "🙂")
NAMES = tuple(PATTERNS)  # of a student's variant


def _documents(draw: Any, specials: tuple[str, ...]) -> list[str]:
    from hypothesis import strategies as st

    from tinylm.testing import corpora

    special, piece = st.sampled_from([*specials, " "]), st.sampled_from(PIECES)
    between = st.tuples(piece, special, piece).map("".join)
    each = st.lists(piece | special, max_size=6).map("".join) | between
    kinds = [st.lists(each, max_size=3), between.map(lambda text: [text]), st.lists(each, min_size=1, max_size=2)]
    return draw(st.one_of(*kinds, corpora(specials or ("<|end|>",))))  # type: ignore[no-any-return]


@drawn
def count_texts_inputs(draw: Any) -> Case:
    return case(_documents(draw, ()))


@drawn
def count_pretokens_inputs(draw: Any) -> Case:
    specials = pick(draw, *SPECIALS)
    documents = _documents(draw, specials)
    return case(documents, special_tokens=list(specials)) if specials else case(documents)


def _wrong(
    texts: Iterable[str],
    pattern: str,
    specials: Iterable[str],
    cut: Callable[[str, frozenset[str]], list[str]] = lambda text, names: finder(names).split(text),
    keep: Callable[[str, frozenset[str]], bool] = lambda word, names: True,
) -> dict[bytes, int]:
    """A count that cuts texts at special tokens, and leaves words out, in its own way."""
    names = frozenset(specials)
    words = (word for text in texts for piece in cut(text, names) for word in regex.findall(PATTERNS[pattern], piece))
    return {word.encode(): n for word, n in Counter(word for word in words if keep(word, names)).items()}


def specials_counted(source: Any, pattern: str = "gpt2", special_tokens: Iterable[str] = ()) -> dict[bytes, int]:
    return _wrong(source, pattern, special_tokens, cut=lambda text, names: [text])


def specials_late(source: Any, pattern: str = "gpt2", special_tokens: Iterable[str] = ()) -> dict[bytes, int]:
    return _wrong(
        source, pattern, special_tokens, cut=lambda text, names: [text], keep=lambda word, names: word not in names
    )


def specials_cut_out(source: Any, pattern: str = "gpt2", special_tokens: Iterable[str] = ()) -> dict[bytes, int]:
    return _wrong(source, pattern, special_tokens, cut=lambda text, names: [finder(names).sub("", text)])


def specials_as_words(source: Any, pattern: str = "gpt2", special_tokens: Iterable[str] = ()) -> dict[bytes, int]:
    texts, names = list(source), frozenset(special_tokens)
    met = Counter(name.encode() for text in texts for name in finder(names).findall(text))
    return dict(met + Counter(_wrong(texts, pattern, names)))


def specials_unescaped(source: Any, pattern: str = "gpt2", special_tokens: Iterable[str] = ()) -> dict[bytes, int]:
    bare = "|".join(special_tokens) or "(?!)"
    return _wrong(source, pattern, special_tokens, cut=lambda text, names: regex.split(bare, text))


def specials_shortest(source: Any, pattern: str = "gpt2", special_tokens: Iterable[str] = ()) -> dict[bytes, int]:
    names = "|".join(regex.escape(name) for name in sorted(special_tokens, key=len)) or "(?!)"
    return _wrong(source, pattern, special_tokens, cut=lambda text, _: regex.split(names, text))


def joined(source: Any, pattern: str = "gpt2", special_tokens: Iterable[str] = ()) -> dict[bytes, int]:
    return _wrong(["".join(source)], pattern, special_tokens)


def stripped(source: Any, pattern: str = "gpt2", special_tokens: Iterable[str] = ()) -> dict[bytes, int]:
    return _wrong(
        source, pattern, special_tokens, cut=lambda text, names: [part.strip() for part in finder(names).split(text)]
    )


LATE = "Look for special tokens first, in the whole text, and split what stands between them."

add(
    Problem(
        "count_texts",
        live.count_texts,
        topic="tokenizer",
        level=1,
        minutes=10,
        inputs=count_texts_inputs,
        imports=("from collections import Counter", "import regex", "from tokenizer import PATTERNS"),
        variants={"pattern": NAMES},
        notes="PATTERNS[pattern] is a regex for the module `regex`, and its matches are the pre-tokens: each text is "
        "split alone, and nothing of it is left out. A dict will do as well as a Counter.",
        faults=(
            Fault("once_a_text", "a pre-token counted once in each text that has it",
                  (("counts.update(split(text))", "counts.update(set(split(text)))"),), "Try one text, “a a a a”."),
            Fault("blanks", "texts were split at blanks",
                  (("counts.update(split(text))", "counts.update(text.split())"),),
                  "Where does the blank go in “the cat”? And where does “cat!” end?"),
            Fault("joined", "the texts were joined before they are split",
                  (("    for text in texts:\n", '    for text in ["".join(texts)]:\n'),),
                  "Each text is split alone."),
            Fault("stripped", "white space at the ends of a text were cut off",
                  (("split(text)", "split(text.strip())"),), "The pre-tokens of a text join to that text."),
            Fault("lower", "upper and lower case were the same", (("split(text)", "split(text.lower())"),),
                  "No letter of the text is changed."),
            Fault("last_text", "only the last text were counted",
                  (("        counts.update(split(text))", "        counts = Counter(split(text))"),),
                  "What becomes of the counts of the text before?"),
            Fault("characters", "characters were counted", (("counts.update(split(text))", "counts.update(text)"),),
                  "Counter.update counts the items of what it is given: what are they?"),
        ),
    ),
    Problem(
        "count_pretokens",
        live.count_pretokens,
        topic="tokenizer",
        level=2,
        minutes=30,
        inputs=count_pretokens_inputs,
        needs=("count_texts", "split_special"),
        imports=("import regex", "from tokenizer import PATTERNS"),
        variants={"pattern": NAMES},
        notes="The tests give a list of texts as the source, each a document, and special_tokens as a list; leave "
        "workers, executor, progress and task_size alone. PATTERNS[pattern] is a regex for the module `regex`. Of "
        "special tokens that begin at one place the longest counts.",
        faults=(
            Fault("specials_counted", "special tokens were text like any other", (), LATE, specials_counted),
            Fault("specials_late", "special tokens were looked for after the split, among the pre-tokens", (), LATE,
                  specials_late),
            Fault("specials_cut_out",
                  "special tokens were deleted, so that what stood on both sides of them grew together", (),
                  "A special token separates: nothing goes across it.", specials_cut_out),
            Fault("specials_as_words", "a special token counted as one pre-token", (),
                  "They separate and are not counted.", specials_as_words),
            Fault("specials_unescaped", "special tokens were taken for regexes", (),
                  "What does | mean in a regex, and what does it mean in <|end|>?", specials_unescaped),
            Fault("specials_shortest", "the shortest special token won where several begin", (),
                  "Try two special tokens of which one is the beginning of the other.", specials_shortest),
            Fault("joined", "the documents were joined before they are split", (), "Each document is split alone.",
                  joined),
            Fault("stripped", "white space at the ends of a stretch were cut off", (),
                  "Nothing of the text is left out.", stripped),
        ),
    ),
)  # fmt: skip
