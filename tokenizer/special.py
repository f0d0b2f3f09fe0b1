"""Finding special tokens in text, by tiktoken's rules; knows nothing of ids or merges.

Text from outside must not be able to say `<|endoftext|>`: a special token found in text is refused unless
its name is allowed, or the check is switched off. Where several fit, the leftmost wins, then the longest.
Rules: openai/tiktoken, tiktoken/core.py, Encoding.encode.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from tokenizer.errors import SpecialTokenError, TokenizerError, check_text

Names = str | Collection[str]
"""Which special tokens are meant: "all", or a collection of them."""


def check_names(tokens: Iterable[str]) -> tuple[str, ...]:
    """Give the special tokens back as a tuple; raises TokenizerError for an empty or repeated one."""
    if isinstance(tokens, str):
        raise TokenizerError(f"special tokens: expected a collection, got the str {tokens!r}; write [{tokens!r}]")
    names = tuple(tokens)
    for name in names:
        if not check_text(name, "special token"):
            raise TokenizerError("special tokens: an empty one would be found everywhere")
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise TokenizerError(f"special tokens: {repeated[0]!r} is given twice")
    return names


@lru_cache(maxsize=64)
def finder(tokens: frozenset[str]) -> re.Pattern[str]:
    """A regex that finds the leftmost of the tokens, the longest where several begin."""
    longest_first = sorted(tokens, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)) if tokens else r"(?!)")


def split_special(text: str, tokens: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Cut text at the special tokens: (stretch, whether it is one), none empty.

    >>> list(split_special("hi<|end|>", frozenset(["<|end|>"])))
    [('hi', False), ('<|end|>', True)]
    """
    end = 0
    for match in finder(tokens).finditer(text):
        if match.start() > end:
            yield text[end : match.start()], False
        yield match.group(), True
        end = match.end()
    if end < len(text):
        yield text[end:], False


def choose(known: Collection[str], allowed: Names, disallowed: Names) -> tuple[frozenset[str], frozenset[str]]:
    """The special tokens to look for and those to refuse: "all" disallowed is all that are not allowed."""
    for setting, value in (("allowed_special", allowed), ("disallowed_special", disallowed)):
        if isinstance(value, str) and value != "all":
            raise TokenizerError(f'{setting}: expected "all" or a set, got {value!r}; write {{{value!r}}}')
    wanted = frozenset(known) if allowed == "all" else frozenset(allowed) & frozenset(known)
    refused = frozenset(known) - wanted if disallowed == "all" else frozenset(disallowed)
    return wanted, refused


def refuse(text: str, tokens: frozenset[str], before: int = 0) -> None:
    """Raise SpecialTokenError if one of the tokens is in text; `before` characters came before it."""
    match = finder(tokens).search(text) if tokens else None
    if match:
        raise SpecialTokenError(match.group(), before + match.start())


def refusing(chunks: Iterable[str], tokens: frozenset[str]) -> Iterator[str]:
    """Hand chunks of one text on, but raise as `refuse` does if a token is in it, also across chunks."""
    reach = max(map(len, tokens), default=1) - 1
    tail, seen = "", 0
    for chunk in chunks:
        window = tail + chunk
        refuse(window, tokens, seen - len(tail))
        seen += len(chunk)
        tail = window[-reach:] if reach else ""
        yield chunk
