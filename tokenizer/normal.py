"""Unicode normal forms, for vocabularies made of text in one of them (Qwen's: NFC); knows nothing of ids."""

import unicodedata
from typing import Literal, get_args

import regex

from tokenizer.errors import TokenizerError
from tokenizer.patterns import Splitter

NormalForm = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: tuple[NormalForm, ...] = get_args(NormalForm)

# Before an ASCII blank text may be cut and each side be put in its form alone: no ASCII character joins with what
# stands before it. And no character but a blank becomes one at its end, so the pattern may be cut there too.
_CUT = regex.compile(r"(?r)\S(?=[ \t\v\f])")


def check_form(form: object) -> NormalForm | None:
    """Give the name of a normal form back, or None; raises TokenizerError for anything else."""
    if form is None:
        return None
    for known in FORMS:
        if form == known:
            return known
    raise TokenizerError(f"normal_form: expected one of {', '.join(FORMS)} or None, got {form!r}")


def in_form(text: str, form: NormalForm | None) -> str:
    """The text in a normal form (Unicode Standard Annex 15); as it is for None.

    >>> in_form("e\\u0301", "NFC")
    'é'
    """
    return text if form is None or text.isascii() else unicodedata.normalize(form, text)


class Cuts:
    """Where a stream of text may be cut that is put in a normal form and then cut by a pattern."""

    def __init__(self, splitter: Splitter) -> None:
        self._named = splitter.named

    def last_cut(self, text: str, start: int, stop: int) -> int:
        """The last place in text[start:stop] where it may be cut; else `start`. See Splitter.last_cut."""
        found = _CUT.search(text, start, stop) if self._named else None
        return found.end() if found else start
