"""Text to train on: the user's files, and the text that every Python carries; knows nothing of tokens."""

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["TextError", "builtin_documents", "read_documents"]


class TextError(ValueError):
    """A file that is missing, empty or not UTF-8 text."""


def builtin_documents() -> list[str]:
    """The help topics of Python itself, about half a megabyte of English, in order of their names.

    Raises TextError for a Python that was built without `pydoc_data`.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise TextError(
            "this Python carries no pydoc_data, the default text to train on; give a file: tinylm train my.txt"
        ) from None
    return [topics[name] for name in sorted(topics)]


def read_documents(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The text of each file, exactly as it stands; raises TextError naming the file and what is wrong with it."""
    documents = []
    for path in paths:
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError:
            raise TextError(f"{path}: no such file") from None
        except OSError as problem:
            raise TextError(f"{path}: {problem.strerror}") from None
        if not data:
            raise TextError(f"{path}: the file is empty")
        if b"\0" in data:
            raise TextError(f"{path}: a binary file (NUL at byte {data.index(0)}); expected UTF-8 text")
        try:
            documents.append(data.decode("utf-8"))
        except UnicodeDecodeError as problem:
            raise TextError(
                f"{path}: not UTF-8 at byte {problem.start}; convert it: iconv -f LATIN1 -t UTF-8 {path}"
            ) from None
    return documents
