"""Where text comes from: UTF-8 files in chunks, and iterables of str; knows nothing of tokens.

Every byte is kept: line ends are not translated, and a byte order mark stays the character U+FEFF.
"""

import codecs
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from tokenizer.errors import TokenizerError, check_text

Source = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""The path of a file, or an iterable of documents: a str is its text, a Path the file that holds it."""

CHUNK = 1 << 20  # bytes read at once, and characters in a task: counting then holds some tens of MB


def read_chunks(file: BinaryIO, name: str, chunk_bytes: int = CHUNK) -> Iterator[str]:
    """The text of an open file in chunks; raises TokenizerError, with the offset, for what is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    total = pending = 0  # bytes read; of these, the first bytes of a character that the last chunk cut
    while True:
        data = file.read(chunk_bytes)
        start = total - pending
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise TokenizerError(
                f"{name}: not UTF-8 at byte {start + error.start} "
                f"(0x{error.object[error.start]:02x}: {error.reason}); "
                "convert the file to UTF-8, or leave it out if it is binary"
            ) from None
        total += len(data)
        pending = len(decoder.getstate()[0])
        if text:
            yield text
        if not data:
            return


def read_file(path: str | os.PathLike[str], chunk_bytes: int = CHUNK) -> Iterator[str]:
    """The text of a UTF-8 file in chunks.

    Raises TokenizerError, naming the file, if it is missing, unreadable, empty or not UTF-8.
    """
    name = os.fspath(path)
    empty = True
    try:
        with open(path, "rb") as file:
            for text in read_chunks(file, name, chunk_bytes):
                empty = False
                yield text
    except OSError as error:
        raise TokenizerError(f"{name}: cannot be read: {error.strerror or error}") from None
    if empty:
        raise TokenizerError(f"{name}: the file is empty; give one that holds text")


def documents(source: Source) -> Iterator[Iterable[str]]:
    """The documents of a source, each as a stream of chunks of its text; raises as read_file and check_text."""
    if isinstance(source, bytes):
        raise TokenizerError("source: expected a path or an iterable of str, got bytes; decode them: [text]")
    for number, item in enumerate([Path(source)] if isinstance(source, str | os.PathLike) else source):
        if isinstance(item, os.PathLike):
            yield read_file(item)
        else:
            yield (check_text(item, f"document {number}"),)
