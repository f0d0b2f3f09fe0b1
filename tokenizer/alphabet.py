"""GPT-2's printable alphabet: one visible character for each of the 256 bytes; knows nothing of tokens.

Two things rest on it. Files write tokens in it, because every byte string becomes text that an editor
shows and that reads back exactly (base64 would be exact but unreadable, escapes readable but longer).
And its order, printable bytes first, numbers the bytes in the tie rule `huggingface`.
"""

from tokenizer.errors import TokenizerError

# openai/gpt-2, src/encoder.py, bytes_to_unicode: bytes that Latin-1 shows as visible characters stand for
# themselves, and the 68 others (controls, space, NBSP, soft hyphen) take the characters from U+0100 on.
_VISIBLE = [*range(33, 127), *range(161, 173), *range(174, 256)]

PRINTABLE_FIRST: list[int] = _VISIBLE + [byte for byte in range(256) if byte not in _VISIBLE]
"""The 256 byte values in the order of the alphabet."""

BYTE_RANK: dict[int, int] = {byte: rank for rank, byte in enumerate(PRINTABLE_FIRST)}
"""byte value -> its place in that order"""

BYTE_TO_CHAR: dict[int, str] = {
    byte: chr(byte if rank < len(_VISIBLE) else 256 + rank - len(_VISIBLE)) for byte, rank in BYTE_RANK.items()
}
CHAR_TO_BYTE: dict[str, int] = {char: byte for byte, char in BYTE_TO_CHAR.items()}


def to_printable(data: bytes) -> str:
    """Write bytes in the alphabet, one character each.

    >>> to_printable(b" the\\n")
    'ĠtheĊ'
    """
    return "".join(map(BYTE_TO_CHAR.__getitem__, data))


def from_printable(text: str) -> bytes:
    """Read bytes back; raises TokenizerError for a character outside the alphabet.

    >>> from_printable("ĠtheĊ")
    b' the\\n'
    """
    try:
        return bytes(map(CHAR_TO_BYTE.__getitem__, text))
    except KeyError as error:
        raise TokenizerError(
            f"token {text!r}: {error.args[0]!r} is none of the 256 characters that stand for bytes"
        ) from None
