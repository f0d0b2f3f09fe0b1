"""Ids to bytes and to text, given the bytes of each id; knows nothing of how ids are made."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import accumulate
from operator import index

import numpy as np

from tokenizer.errors import TokenizerError


def decode_tokens(ids: Iterable[int], tokens: Mapping[int, bytes]) -> list[bytes]:
    """The bytes of each id; raises TokenizerError for an id that has none, saying where it is."""
    ids = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    try:
        return [tokens[i] for i in ids]
    except (KeyError, TypeError):
        with suppress(KeyError, TypeError):
            return [tokens[index(i)] for i in ids]  # arrays of no dimension, and whatever else counts as an int
        place, wrong = next((n, i) for n, i in enumerate(ids) if not _known(i, tokens))
        raise TokenizerError(
            f"decode: {wrong!r} at position {place} is no id of this vocabulary (0 to {max(tokens)})"
        ) from None


def _known(i: object, tokens: Mapping[int, bytes]) -> bool:
    try:
        return i in tokens
    except TypeError:  # a row of a 2-d array, say
        return False


def decode_bytes(ids: Iterable[int], tokens: Mapping[int, bytes]) -> bytes:
    """The bytes of the ids, joined; raises TokenizerError for an id that has none."""
    return b"".join(decode_tokens(ids, tokens))


def decode_text(data: bytes, errors: str) -> str:
    """UTF-8 bytes as text; under errors="strict" bytes that are not UTF-8 raise TokenizerError."""
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise TokenizerError(
            f'decode: the bytes of these ids are not UTF-8 at byte {error.start}; use errors="replace", or decode_bytes'
        ) from None


def decode_with_offsets(ids: Iterable[int], tokens: Mapping[int, bytes]) -> tuple[str, list[int]]:
    """The text, and for each id the number of the character in it that the id's first byte belongs to.

    A character begins at every byte that is not 10xxxxxx, so the offset is how many began before the id, less
    one if the id starts inside a character. tiktoken's rule (tiktoken/core.py, decode_with_offsets).

    >>> decode_with_offsets([0, 1, 2], {0: b"a\\xc3", 1: b"\\xa9", 2: b"b"})
    ('aéb', [0, 1, 2])
    """
    parts = decode_tokens(ids, tokens)
    text = decode_text(b"".join(parts), "strict")
    begun = accumulate((sum(map(_begins, part)) for part in parts), initial=0)
    return text, [count - (not _begins(part[0])) for count, part in zip(begun, parts, strict=False)]


def _begins(byte: int) -> bool:
    return not 0x80 <= byte < 0xC0
