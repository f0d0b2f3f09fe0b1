"""How text is cut into pre-tokens, the words that no merge crosses; knows nothing of bytes, ids or files."""

import re
from collections.abc import Iterator
from functools import lru_cache

import regex

from tokenizer.errors import TokenizerError

# openai/gpt-2, src/encoder.py. Tried in order at every position; the first that fits wins.
GPT2_PATTERN = "|".join(
    [
        r"'s|'t|'re|'ve|'m|'ll|'d",  # English contractions come off their word: she'll -> she 'll
        r" ?\p{L}+",  #                a run of letters, with the one space before it, if there is one
        r" ?\p{N}+",  #                a run of digits, likewise
        r" ?[^\s\p{L}\p{N}]+",  #      a run of everything else: punctuation, symbols, emoji, marks
        r"\s+(?!\S)",  #               white space, except the last of a run: that goes with the next word
        r"\s+",  #                     the white space that is left: one that could not go with a word
    ]
)

# cl100k_base, openai/tiktoken, tiktoken_ext/openai_public.py: GPT-3.5 and GPT-4. ++, ?+ and *+ never give back
# what they took. (Older copies of it lack the \s++$, and so cut "\n " at the end of a text in two.)
GPT4_PATTERN = "|".join(
    [
        r"'(?i:[sdmt]|ll|ve|re)",  #        contractions in either case: SHE'LL too
        r"[^\r\n\p{L}\p{N}]?+\p{L}++",  #   letters, with one space, quote or bracket before them
        r"\p{N}{1,3}+",  #                  digits three by three, so that numbers have few spellings
        r" ?[^\s\p{L}\p{N}]++[\r\n]*+",  #  punctuation, with the line ends after it
        r"\s++$",  #                        white space at the very end of the text
        r"\s*[\r\n]",  #                    white space up to the last line end in it
        r"\s+(?!\S)",  #                    the rest as in GPT-2
        r"\s",
    ]
)

# meta-llama/Meta-Llama-3-8B, tokenizer.json. It is cl100k_base as tiktoken first published it: GPT-4's without the
# \s++$, so that "\n " at the end of a text becomes two pre-tokens, as it does in the middle.
LLAMA3_PATTERN = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)

# Qwen/Qwen2-7B, tokenizer.json: Llama 3's, but every digit is a pre-token of its own.
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")

# HuggingFaceTB/SmolLM2-135M, tokenizer.json: first every digit alone, then GPT-2's regex on what stands between
# them. As one regex: white space before a digit ends a stretch, so all of it stays together.
SMOLLM2_PATTERN = "|".join(
    [
        r"'s|'t|'re|'ve|'m|'ll|'d",
        r" ?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+",
        r"\s+(?![^\s\p{N}])",
        r"\s+",
    ]
)

PATTERNS: dict[str, str] = {
    "gpt2": GPT2_PATTERN,
    "gpt4": GPT4_PATTERN,
    "llama3": LLAMA3_PATTERN,
    "qwen2": QWEN2_PATTERN,
    "smollm2": SMOLLM2_PATTERN,
}
"""The patterns that have a name; any other regex of the `regex` module can stand in their place."""

SPELLINGS: dict[str, str] = {
    # r50k_base, openai/tiktoken, tiktoken_ext/openai_public.py: as first published, then with possessive quantifiers
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt2",
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s": "gpt2",
    # cl100k_base in tiktoken 0.6, the second of its three spellings
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|"
    r"\s*[\r\n]|\s+(?!\S)|\s+": "llama3",
}
"""Other people's regexes that cut every text as a named pattern does -> its name."""

NAME_LIKE = regex.compile(r"[\w.-]+")
"""What is taken for a name, known or mistaken, and not for a regex."""

# Between these two characters every named pattern ends a pre-token, whatever stands around them, and looks
# no further to know it: after the last of a run of letters or digits, and before a blank that follows
# anything visible. (Not before a line end: GPT-4 joins those to punctuation.) Searched from the end.
_SAFE_CUT = regex.compile(r"(?r)\p{L}(?=\P{L})|\p{N}(?=\P{N})|\S(?=[^\S\r\n])")


def ascii_form(expression: str) -> str:
    """A named pattern for text that is ASCII, in the language of `re`, which then is twice as fast as `regex`.

    >>> ascii_form(r" ?\\p{L}+| ?[^\\s\\p{L}\\p{N}]+")
    ' ?[A-Za-z]+| ?[^\\\\sA-Za-z0-9]+'
    """

    def spelled_out(match: re.Match[str]) -> str:
        ranges = match.group().replace(r"\p{L}", "A-Za-z").replace(r"\p{N}", "0-9")
        return ranges if ranges.startswith("[") else f"[{ranges}]"

    return re.sub(r"\[[^\]]*\]|\\p\{[LN]\}", spelled_out, expression)


class Splitter:
    """One pattern, ready to cut text into pre-tokens that join to the same text again.

    >>> Splitter("gpt2").split("she'll  pay 2000!")
    ['she', "'ll", ' ', ' pay', ' 2000', '!']
    >>> Splitter("[a-z]+").split("abc, def")        # what a regex leaves out is kept as its own piece
    ['abc', ', ', 'def']

    Raises TokenizerError for a name that is not in PATTERNS and for a regex that does not compile.
    """

    def __init__(self, pattern: str = "gpt2") -> None:
        if not isinstance(pattern, str):
            raise TokenizerError(f"pattern: expected a name or a regex as str, got {type(pattern).__name__}")
        names = SPELLINGS | {expression: name for name, expression in PATTERNS.items()}
        self.pattern = names.get(pattern, pattern)
        """The name where it has one, else the regex: the same cut has one spelling."""
        self.named = self.pattern in PATTERNS
        known = ", ".join(PATTERNS)
        if not self.named and NAME_LIKE.fullmatch(pattern):
            raise TokenizerError(
                f"pattern {pattern!r} is no known name ({known}); if it is meant as a regex, write (?:{pattern})"
            )
        try:
            self._regex = regex.compile(PATTERNS.get(self.pattern, pattern))
        except regex.error as error:
            raise TokenizerError(
                f"pattern {pattern!r} is neither a known name ({known}) nor a valid regex: {error}"
            ) from None
        self._ascii = re.compile(ascii_form(PATTERNS[self.pattern]), re.ASCII) if self.named else None
        if self._regex.flags & regex.REVERSE:
            raise TokenizerError(f"pattern {pattern!r} searches backwards; leave out (?r)")

    def split(self, text: str) -> list[str]:
        """Cut text into pre-tokens: `"".join(split(text)) == text`, and no piece is empty."""
        if self._ascii is not None:  # the alternatives of a named pattern leave no character out
            pieces: list[str] = (self._ascii if text.isascii() else self._regex).findall(text)
            return pieces
        return list(self._with_gaps(text))

    def _with_gaps(self, text: str) -> Iterator[str]:
        end = 0
        for match in self._regex.finditer(text):
            if match.start() > end:
                yield text[end : match.start()]
            if match.end() > match.start():
                yield match.group()
            end = match.end()
        if end < len(text):
            yield text[end:]

    def last_cut(self, text: str, start: int, stop: int) -> int:
        """The last place in text[start:stop] where it may be cut, and each side be split alone; else `start`.

        Named patterns only: where a regex of the user may be cut nobody knows, so its documents stay whole.
        """
        found = _SAFE_CUT.search(text, start, stop) if self.named else None
        return found.end() if found else start


@lru_cache(maxsize=32)
def splitter(pattern: str) -> Splitter:
    """The Splitter of a pattern, compiled once in a process."""
    return Splitter(pattern)
