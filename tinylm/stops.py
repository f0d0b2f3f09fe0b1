"""Strings that end a text, found in the bytes of the tokens however these cut them; knows no model."""

import codecs
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, SupportsIndex

__all__ = ["StopStrings"]


class _Decodes(Protocol):
    @property
    def vocab(self) -> Mapping[int, bytes]: ...

    def decode_bytes(self, ids: Iterable[int]) -> bytes: ...


class StopStrings:
    """What may be shown of a text while it is made: whole characters, and nothing that may begin a stop string.

    strings     any number of them, none too
    prompt      ids before the text: their bytes are not looked at, but a character that they leave unfinished ends in
                the text
    stopped     the stop string that has come, or None

    The text ends before the stop string whose last byte comes first; among those that end at one byte, before the
    longest. What the feeds and the flush return joins to the text up to there, and after any number of feeds it is the
    same wherever the bytes were cut into tokens. Bytes that are not UTF-8 become U+FFFD, as `tokenizer.decode` has it.

    Raises ValueError for an empty string and for one that is no text.

    >>> from tokenizer import CharTokenizer
    >>> tokenizer = CharTokenizer("abcE\\n")
    >>> stops = StopStrings(["\\nE"], tokenizer)
    >>> [stops.feed(i) for i in tokenizer.encode("a\\nb\\nEc")], stops.stopped
    (['a', '', '\\nb', '', '', ''], '\\nE')
    """

    def __init__(self, strings: Iterable[str], tokenizer: _Decodes, prompt: Sequence[int] = ()):
        if isinstance(strings, str):
            raise ValueError(f"stop strings are a list, as in [{strings!r}]; got one string")
        self._strings: list[bytes] = []
        for string in strings:
            if not isinstance(string, str) or not string:
                raise ValueError(f"a stop string must be a text of one character or more, got {string!r}")
            try:
                self._strings.append(string.encode())
            except UnicodeEncodeError:
                raise ValueError(f"a stop string must be a text, got {string!r} with half a surrogate pair") from None
        self._tokenizer, self._vocab = tokenizer, tokenizer.vocab
        self._held = b""  # the longest end of the text that begins a stop string
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder.decode(self._bytes(prompt))
        self.stopped: str | None = None

    def _bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids, a leading space too where a tokenizer leaves it out at the beginning of a text."""
        data = [self._vocab.get(i) for i in ids]
        known = [part for part in data if part is not None]
        return b"".join(known) if len(known) == len(data) else self._tokenizer.decode_bytes(ids)  # which raises

    def feed(self, ids: SupportsIndex | Iterable[int]) -> str:
        """Take one id or several, and return what may now be shown, perhaps nothing; after a stop string nothing."""
        if self.stopped is not None:
            return ""
        data = self._held + self._bytes([*ids] if isinstance(ids, Iterable) else [ids.__index__()])
        came = [(place + len(s), -len(s), s) for s in self._strings if (place := data.find(s)) >= 0]
        if came:
            end, _, string = min(came)
            self.stopped, self._held = string.decode(), b""
            return self._decoder.decode(data[: end - len(string)], final=True)
        self._held = self._beginning(data)
        return self._decoder.decode(data[: len(data) - len(self._held)])

    def _beginning(self, data: bytes) -> bytes:
        """The longest end of the bytes with which a stop string begins."""
        longest = max(map(len, self._strings), default=1)
        for place in range(max(len(data) - longest + 1, 0), len(data)):
            if any(s.startswith(data[place:]) for s in self._strings):
                return data[place:]
        return b""

    def flush(self) -> str:
        """The rest, where the text ends without a stop string: what was held back, and a character left unfinished."""
        held, self._held = self._held, b""
        return self._decoder.decode(held, final=True) if self.stopped is None else ""
