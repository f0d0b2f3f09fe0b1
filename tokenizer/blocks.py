"""A stream of text cut into blocks that can be split alone; knows nothing of counting, bytes or ids.

Splitting the blocks one by one gives the pre-tokens of the whole text, in order, however the text was
chunked. Memory is bounded by the longest stretch without a safe cut (patterns.py), not by the text.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from tokenizer.special import finder, split_special


class Cuts(Protocol):
    """Whatever knows where text may be cut; a Splitter does."""

    def last_cut(self, text: str, start: int, stop: int) -> int:
        """The last place in text[start:stop] where it may be cut, and each side be split alone; else `start`."""


def blocks(chunks: Iterable[str], splitter: Cuts, specials: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Cut the text that the chunks join to: yields (stretch, whether it is a special token), none empty.

    A special token is never cut, wherever the chunks end: the last `longest - 1` characters may be its
    beginning, and wait. Text that has no safe cut yet waits until it has doubled, so that looking again
    stays linear in the length.

    >>> from tokenizer.patterns import Splitter
    >>> list(blocks(["one two", " three<|e", "nd|>"], Splitter("gpt2"), frozenset(["<|end|>"])))
    [('one two', False), (' three', False), ('<|end|>', True)]
    """
    find = finder(specials)
    longest = max(map(len, specials), default=1)
    held, enough = "", 1
    for chunk in chunks:
        held += chunk
        if len(held) < enough:
            continue
        sure = len(held) - longest + 1  # a special token that begins before here is here whole
        done = 0
        for match in find.finditer(held):
            if match.start() >= sure:
                break
            if match.start() > done:
                yield held[done : match.start()], False
            yield match.group(), True
            done = match.end()
        cut = splitter.last_cut(held, done, sure) if sure > done else done
        if cut > done:
            yield held[done:cut], False
        held = held[cut:]
        enough = 2 * len(held)
    yield from split_special(held, specials)
