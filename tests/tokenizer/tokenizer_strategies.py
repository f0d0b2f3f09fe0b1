"""Drawn texts and corpora that hit the places where tokenizers go wrong, and tokenizers to try them on."""

import random
from collections.abc import Iterator
from functools import cache

from hypothesis import strategies as st

from tokenizer import PATTERNS, Tokenizer, train_bpe

FRAGMENTS = [
    *" \t\n\r\v\f\x1c\x85\xa0\u1680\u2003\u2028\u2029\u3000",  # white space, and what only looks like it
    *"  ", "   ", "\r\n", "\n\n", "\n \n", " \n", "\x00", "\ufeff", "\ufffd", "\u200d", "\u0378", "\U000e0001",
    *"aZéßſ你ыあ", "the", " the", "hello", "naïve", "aaaa", "e\u0301", "\u0301", "क्षि", "İ",
    "'", "''", "'s", "'S", "'re", "'RE", "'ll", "'l", "'ſ", "’s", "don't", "she'll",
    *"07½Ⅷ٣", "123", "1234567", "3.14", "!", "...", "\"(", "—", "_", "|", "<|", "|>", "🙂", "👩‍👩‍👧", "🇩🇪", "👍🏽",
]  # fmt: skip

# Code points that this Python does not know yet may be letters to a newer `regex`, and so to no oracle here;
# the round trips draw them too.
characters = st.characters(exclude_categories=["Cs", "Cn"])
texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(characters, max_size=3), max_size=12).map("".join)


def drawn_texts(n: int, seed: int = 0) -> Iterator[str]:
    """Texts like these by the thousand, the same each time: ten times as quick as Hypothesis, but nothing shrinks."""
    dice = random.Random(seed)
    for _ in range(n):
        yield "".join(dice.choices(FRAGMENTS, k=dice.randrange(12)))


SPECIALS = ["<|end|>", "<|end|><|end|>", "<|", "end|>x", "aa"]  # overlapping, prefixes of each other, common
texts_with_specials = st.lists(st.sampled_from([*SPECIALS, "<", "end", "|>", "x", "a", " b"]) | texts, max_size=8).map(
    "".join
)

mostly_utf8 = st.lists(
    st.binary(max_size=4) | texts.map(str.encode) | st.sampled_from([b"\xed\xa0\x80", b"\xc3", b"\xf0\x9f\x99"]),
    max_size=6,
).map(b"".join)

words = st.text("ab", min_size=1, max_size=8).map(str.encode) | st.sampled_from(
    [b"aaaa", b"abab", b" a", b"\xa9\xa9", b"\x00\x00", b"!a", b" !", b"\xff\xc3\xff"]
)
corpora = st.lists(words, max_size=25)

SAMPLE = "".join(FRAGMENTS) * 2 + (
    " the cat's hat isn't the hat that she'll pay 2000 for; these sheets set heaths as the seas tease"
    "... 你好你好 🙂🙂\n\n naïve"
)
CUSTOM = r"\w+|x(?=y)"  # leaves white space and punctuation out


@cache
def tokenizers() -> tuple[Tokenizer, ...]:
    """No merges at all, one of each pattern with merges inside characters, one with ids in disorder, and one with
    tokens that no merge makes, under ignore_merges.
    """
    sample = [SAMPLE, SAMPLE[::-1], SAMPLE]
    plain = train_bpe(sample, 256 + len(SPECIALS), special_tokens=SPECIALS)
    patterns = ["gpt2", "gpt4", CUSTOM, *[name for name in PATTERNS if name not in ("gpt2", "gpt4")]]
    first, *others = (train_bpe(sample, 420, pattern=pattern, special_tokens=SPECIALS) for pattern in patterns)
    moved = {7 + 3 * (419 - i): token for i, token in first.vocab.items()}  # reversed, and with gaps
    specials = {name: 7 + 3 * (419 - i) for name, i in first.special_tokens.items()}
    disordered = Tokenizer.from_merges(moved, first.merges, specials)
    words = set(b"aZ hello. 071 _| naive aaaaaaaa".split()).difference(first.vocab.values())
    more = first.vocab | {500 + i: word for i, word in enumerate(sorted(words))}
    unmade = Tokenizer.from_merges(more, first.merges, first.special_tokens, "gpt4", ignore_merges=True)
    return (plain, first, *others[:2], disordered, *others[2:], unmade)
