"""Which files an exercise may read, given to the kernel (Linux Landlock, by ctypes); it may write none.

Rights are granted from above to all that lies below, and cannot be taken back below. So where a folder holds something
that is not to be read, its entries are granted one by one, and of the folder itself only the list of names.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["abi", "restrict", "rules"]

CREATE, ADD, RESTRICT = 444, 445, 446  # system calls, the same on all architectures
READ_FILE, READ_DIR = 1 << 2, 1 << 3  # linux/landlock.h
ACCESSES = (0, 13, 14, 15, 15, 16)  # how many kinds of access to files are known at ABI 0, 1, 2, 3, 4, and from 5 on


def abi() -> int:
    """The version of Landlock in this kernel; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    try:
        return max(0, int(_call(CREATE, None, 0, 1)))
    except (OSError, AttributeError):
        return 0


def rules(readable: Iterable[str], without: Iterable[str]) -> int | None:
    """A descriptor of the rules: these files and folders may be read, but for what lies in `without`; None without."""
    version = abi()
    if not version:
        return None
    files = (1 << ACCESSES[min(version, 5)]) - 1
    attributes = struct.pack("<Q", files)
    attributes += struct.pack("<Q", 3) if version >= 4 else b""  # no TCP: neither bind nor connect
    attributes += struct.pack("<Q", 3) if version >= 6 else b""  # no abstract sockets, no signals to the outside
    made = int(_call(CREATE, attributes, len(attributes), 0))
    if made < 0:
        return None
    closed = {os.path.realpath(each) for each in without}
    granted: set[str] = set()
    for path in readable:
        _grant(made, path, closed, granted)
    return made


def restrict(descriptor: int) -> bool:
    """Hold this process to the rules from here on. Needs no_new_privs."""
    return bool(_call(RESTRICT, descriptor, 0) == 0)


def _grant(made: int, path: str, closed: set[str], granted: set[str]) -> None:
    path = os.path.realpath(path)  # so that a link to what is closed grants nothing
    if path in granted or any(path == each or path.startswith(f"{each}/") for each in closed):
        return
    granted.add(path)
    if not any(each.startswith(path.rstrip("/") + "/") for each in closed):
        _rule(made, path, READ_FILE | READ_DIR)
        return
    _rule(made, path, READ_DIR)
    for entry in _entries(path):
        _grant(made, entry, closed, granted)


def _entries(path: str) -> list[str]:
    try:
        return [str(each) for each in Path(path).iterdir()]
    except OSError:
        return []


def _rule(made: int, path: str, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        access = access if os.path.isdir(path) else access & READ_FILE
        if access:
            _call(ADD, made, 1, struct.pack("<Qi", access, opened), 0)  # LANDLOCK_RULE_PATH_BENEATH
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    converted = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *converted)
    return result
