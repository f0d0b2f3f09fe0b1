"""The texts that benchmarks/tokenizer.py encodes: read, cut, or drawn from a seed."""

import random

from benchmarks.tokenizer_peers import EOT

KINDS = ("random letters", "one letter", "English without spaces", "spaces", "newlines", "digits")


def read(path: str, most: int | None = None) -> str:
    """A text without its separators."""
    with open(path, encoding="utf-8", newline="") as file:
        return file.read(most).replace(EOT, "")


def warm_up_text() -> str:
    """More than 10 kB of drawn words in several scripts, and one long word: to have all tables made."""
    rng = random.Random(0)
    scripts = [(97, 122), (65, 90), (48, 57), (0xE0, 0xFF), (0x430, 0x44F), (0x4E00, 0x9FA5), (33, 47)]
    words = ["".join(chr(rng.randint(*rng.choice(scripts[:1] * 3 + scripts))) for _ in range(6)) for _ in range(3000)]
    return " ".join(words) + "\n\n it's \u00a0" + "".join(rng.choices("abcdefghijkl", k=3000))


def some_words(text: str, length: int, rng: random.Random) -> str:
    """About so many characters from somewhere in a text, from a space up to one."""
    start = text.index(" ", rng.randrange(max(1, len(text) * 9 // 10 - length)))
    stop = text.find(" ", start + length - 3)
    return text[start : stop if 0 <= stop < start + 2 * length else start + length]


def long_word(kind: str, length: int, path: str) -> str:
    """One word of so many characters."""
    rng = random.Random(length)
    if kind == "random letters":
        return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length))
    if kind == "digits":
        return "".join(rng.choices("0123456789", k=length))
    if kind == "English without spaces":
        letters = "".join(c for c in read(path, 2 * length + 1000) if c.isascii() and c.isalpha())
        return (letters * (length // len(letters) + 1))[:length]
    return {"one letter": "a", "spaces": " ", "newlines": "\n"}[kind] * length
