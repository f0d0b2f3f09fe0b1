"""Text to ids and ids to bytes under a SentencePiece vocabulary; knows no special token but those it is told to find.

The readable form merges a stretch as a whole. The fast one cuts it first where no piece reaches across, which is
before most spaces, and remembers the ids of words: merges on the two sides of such a place know nothing of each other.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, groupby, islice
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt
import regex

from tokenizer.decode import decode_text, decode_tokens
from tokenizer.encode import encode_word
from tokenizer.errors import TokenizerError
from tokenizer.forms import fast_wanted
from tokenizer.pieces import (
    SPACE,
    UNKNOWN,
    PieceParts,
    byte_ids,
    merge_ranks,
    score_ranks,
    token_bytes,
    user_defined,
)  # fmt: skip

CACHED_WORDS = 1 << 16
CACHED_LENGTH = 64  # characters; longer words seldom come twice


class Table(dict[str, Any]):
    """Something made of a str when it is first asked for."""

    def __init__(self, make: Callable[[str], Any], most: int) -> None:
        super().__init__()
        self._make, self._most = make, most

    def __missing__(self, key: str) -> Any:
        made = self._make(key)
        if len(key) <= CACHED_LENGTH:
            if len(self) >= self._most:
                self.clear()
            self[key] = made
        return made


class PieceCoder:
    """A checked vocabulary (pieces.py), ready to encode stretches of text and to decode."""

    def __init__(self, parts: PieceParts) -> None:
        self.parts = parts
        self.tokens = token_bytes(parts)
        self.user_defined = user_defined(parts.pieces, parts.types)
        self.found = self.user_defined | (parts.special_tokens or {})
        """What may stand between two stretches of text -> its id"""
        self.pieces, self.ranks = score_ranks(parts) if parts.merges is None else merge_ranks(parts)
        self.byte_ids = byte_ids(parts.pieces, parts.types)
        self.unknown = parts.types.index(UNKNOWN) if UNKNOWN in parts.types else None
        self._symbols = Table(self._symbol, CACHED_WORDS)
        self._words = Table(self.merged, CACHED_WORDS)
        self._breaks = frozenset(self.found.values())
        self._cut, self._last_cut = cuts(self.parts.pieces[token] for _, token in self.ranks.values())
        if SPACE not in self.pieces:  # then spaces are unknown, and those in a row may have to be one
            self._cut, self._last_cut = re.compile(r"(?!)"), regex.compile(r"(?!)")

    # Text to ids

    def stretches(self, parts: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
        """Stretches of a text, and whether each is a token found in it, with the space that goes before a text."""
        fresh = self.parts.prefix != "never"
        for text, is_found in parts:
            spaced = text[0] in (" ", SPACE) and not self.parts.prefix_before_space
            yield (" " + text if fresh and not is_found and not spaced else text), is_found
            fresh = is_found and self.parts.prefix == "always"

    def ids(self, stretch: str, is_found: bool = False) -> list[int]:
        """The ids of one of them."""
        if is_found:
            return [self.found[stretch]]
        if not fast_wanted():
            return self.merged(stretch)
        ids: list[int] = []
        for word in self.cut(stretch):
            ids += self._words[word]
        return ids

    def merged(self, word: str) -> list[int]:
        """The ids of a word, or of any stretch: its characters, merged (encode.py)."""
        return encode_word(self.symbols(word), self.ranks)

    def symbols(self, word: str) -> list[int]:
        """The ids that merging begins with: of each character that is a piece, else of its bytes, else unknown."""
        ids = [i for character in word.replace(" ", SPACE) for i in self._symbols[character]]
        if self.unknown is None or not self.parts.fuse_unknown or ids.count(self.unknown) < 2:
            return ids
        return [i for i, run in groupby(ids) for i in ([i] if i == self.unknown else run)]

    def _symbol(self, character: str) -> list[int]:
        if character in self.pieces:
            return [self.pieces[character]]
        data = character.encode("utf-8", "surrogateescape")
        if self.byte_ids and all(byte in self.byte_ids for byte in data):
            return [self.byte_ids[byte] for byte in data]
        if self.unknown is None or "\ud800" <= character <= "\udfff":
            raise TokenizerError(
                f"encode: {character!r} (U+{ord(character):04X}) has no piece in this vocabulary, nor have its bytes"
            )
        return [self.unknown]

    def cut(self, text: str) -> list[str]:
        """Cut text where no merge reaches across; the words join to it, and none is empty."""
        return [word for word in self._cut.split(text) if word]

    def last_cut(self, text: str, start: int, stop: int) -> int:
        """The last such place in text[start:stop]; else `start`."""
        found = self._last_cut.search(text, start, stop)
        return found.end() if found else start

    def dealt(self, word: str) -> tuple[tuple[int, ...], tuple[bytes, ...], bool, tuple[bytes, ...]]:
        """The ids of a word, what each stands for in it, that it is no token found in a text, and what the symbols do.

        They differ from the bytes of the ids where a character is unknown: an unknown token stands for one or several.
        """
        begun = [(i, c) for c in word.replace(" ", SPACE) for i in self._symbols[c]]
        if self.parts.fuse_unknown:
            runs = ((i, list(run)) for i, run in groupby(begun, key=lambda symbol: symbol[0]))
            begun = [
                each for i, run in runs for each in ([(i, "".join(c for _, c in run))] if i == self.unknown else run)
            ]
        symbols = [_text(c) if i == self.unknown else self.tokens[i] for i, c in begun]
        lost = iter([symbol for symbol, (i, _) in zip(symbols, begun, strict=True) if i == self.unknown])
        ids = self.merged(word)
        tokens = (next(lost) if i == self.unknown else self.tokens[i] for i in ids)
        return tuple(ids), tuple(tokens), False, tuple(symbols)

    # Ids to bytes

    def parts_of(self, ids: Iterable[int], fresh: bool) -> tuple[list[bytes], bool]:
        """The bytes of each id, without the space that encode put before a text, and whether one may come next."""
        listed: Sequence[int] = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        data = decode_tokens(listed, self.tokens)
        again = self.parts.prefix == "always"
        for n, i in enumerate(map(index, listed)):
            if i in self._breaks:
                fresh = again
            elif fresh:
                data[n] = data[n].removeprefix(b" ")
                fresh = False
            if not (fresh or again):
                break
        return data, fresh


class PieceStream:
    """Ids to bytes as they come, for a StreamDecoder: remembers whether a space that encode put there may come next."""

    def __init__(self, coder: PieceCoder) -> None:
        self._coder = coder
        self._fresh = coder.parts.prefix != "never"

    @property
    def streaming(self) -> "PieceStream":
        """A new one, at the beginning of a text."""
        return PieceStream(self._coder)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the next ids."""
        data, self._fresh = self._coder.parts_of(ids, self._fresh)
        return b"".join(data)


def cuts(products: Iterable[str]) -> tuple[re.Pattern[str], "regex.Pattern[str]"]:
    """Where no merge reaches across: before each space but after a character that some product of merges has there.

    Gives the regex that splits there, and one whose last match, searched from the end, ends there.

    >>> cuts(["\u2581the", "\u2581\u2581"])[0].split(" the  cat")
    ['', ' the', '  cat']
    """
    before = {piece[i - 1] for piece in products for i in range(1, len(piece)) if piece[i] == SPACE}
    before |= {" "} if SPACE in before else set()
    if not before:
        return re.compile(f"(?=[ {SPACE}])"), regex.compile(f"(?r)[\\s\\S](?=[ {SPACE}])")
    several = re.escape("".join(sorted(before)))
    return re.compile(f"(?<![{several}])(?=[ {SPACE}])"), regex.compile(f"(?r)[^{several}](?=[ {SPACE}])")


def _text(pieces: str) -> bytes:
    return pieces.replace(SPACE, " ").encode()


def with_offsets(data: list[bytes]) -> tuple[str, list[int]]:
    """The text, and for each token the number of the character that its first byte belongs to; see decode.py."""
    text = decode_text(b"".join(data), "strict")
    begins = [[not 0x80 <= byte < 0xC0 for byte in part] for part in data]
    before = accumulate(map(sum, begins), initial=0)
    return text, [count - (bool(part) and not part[0]) for count, part in zip(before, begins, strict=False)]


def arrays(ids: Iterator[int], dtype: npt.DTypeLike, many: int = 1 << 20) -> Iterator[npt.NDArray[Any]]:
    """Ids as arrays of so many, the last of fewer."""
    while True:
        some = np.fromiter(islice(ids, many), dtype)
        if not len(some):
            return
        yield some
