"""A file as read-only memory; knows nothing of what is in it."""

import mmap
import os

from tinylm.storage import CheckpointError
from tokenizer.formats import open_plain

__all__ = ["Mapped", "mapped"]

Mapped = bytes | mmap.mmap


def mapped(path: str | os.PathLike[str]) -> Mapped:
    """The bytes of a file, mapped into memory, so that they are read when they are looked at.

    Raises CheckpointError naming the file where there is none that can be read.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b""  # nothing cannot be mapped
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"{os.fspath(path)}: no such file") from None
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        raise CheckpointError(f"{os.fspath(path)}: {getattr(problem, 'strerror', None) or problem}") from None
