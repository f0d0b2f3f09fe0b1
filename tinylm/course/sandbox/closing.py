"""Closing the sandbox: what a process gives up before it runs a student's code. Runs where tinylm is not imported."""

import contextlib
import ctypes
import math
import os
import signal
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tinylm.course.sandbox import landlock, seccomp

__all__ = ["close"]

DESCRIPTORS = 64
DEATH_SIGNAL, NO_NEW_PRIVILEGES = 1, 38  # PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS: linux/prctl.h
CAPABILITIES = 0x20080522  # _LINUX_CAPABILITY_VERSION_3

REFUSALS = {  # audit event → what is said where a student's code causes it
    "socket.__new__": "there is no network here",
    "os.fork": "no process can be started here",
    "os.forkpty": "no process can be started here",
    "os.exec": "no process can be started here",
    "os.posix_spawn": "no process can be started here",
    "os.system": "no process can be started here",
    "subprocess.Popen": "no process can be started here",
    "os.kill": "no signal can be sent from here",
    "os.killpg": "no signal can be sent from here",
    "os.remove": "no file can be deleted here",
    "os.rename": "no file can be renamed here",
    "os.mkdir": "no folder can be made here",
    "os.rmdir": "no folder can be deleted here",
    "_thread.start_new_thread": "no thread can be started here",
    "_thread.start_joinable_thread": "no thread can be started here",
}


def close(
    limits: Mapping[str, Any], rules: int | None, program: bytes | None, roots: tuple[str, ...] | None
) -> dict[str, bool]:
    """Give up everything that an exercise does not need; what took effect, by name.

    rules    descriptor of the Landlock rules
    program  the seccomp filter
    roots    what may be read, asked by Python alone, where there is no Landlock
    """
    done = dict.fromkeys(("session", "limits", "memory", "privileges", "files", "calls"), False)
    os.chdir(os.path.abspath(os.sep))
    if hasattr(os, "setsid"):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        with contextlib.suppress(OSError):  # it leads a session already
            os.setsid()
        done["session"] = os.getsid(0) == os.getpid()
    done |= _limit(limits)
    sys.addaudithook(_courtesy(None if rules is not None else roots))
    if sys.platform == "linux":
        done |= _linux(rules, program)
    return done


def _linux(rules: int | None, program: bytes | None) -> dict[str, bool]:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    header, nothing = struct.pack("<Ii", CAPABILITIES, 0), bytes(24)
    no_capabilities = libc.capset(header, nothing) == 0
    no_new = libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    files = rules is not None and landlock.restrict(rules)
    if rules is not None:
        os.close(rules)
    calls = program is not None and seccomp.install(program)
    return {"privileges": no_capabilities and no_new, "files": files, "calls": calls}


def _limit(limits: Mapping[str, Any]) -> dict[str, bool]:
    """Limits of the kernel; RLIMIT_NPROC 0 means no further process or thread (it does not bind root)."""
    try:
        import resource
    except ImportError:  # Windows
        return {"limits": False, "memory": False}
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + limits["seconds"]) + 1  # later than the look from outside
    wanted = {"CPU": seconds, "FSIZE": 0, "CORE": 0, "NOFILE": DESCRIPTORS, "NPROC": 0}
    mapped = _mapped()
    if mapped:
        wanted["AS"] = mapped + limits["memory"]
    taken = [_set(resource, name, value) for name, value in wanted.items()]
    return {"limits": all(taken), "memory": bool(mapped) and taken[-1]}


def _set(resource: Any, name: str, value: int) -> bool:
    kind = getattr(resource, f"RLIMIT_{name}", None)
    if kind is None:
        return False
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        return False
    return True


def _mapped() -> int:
    """Bytes of address space in use; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _courtesy(roots: tuple[str, ...] | None) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook: a friendly sentence before the kernel's own, and the same on every system.

    It is no wall: code that calls C by itself gets around it.
    """
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    refusals, get, kind, threads = REFUSALS, REFUSALS.get, PermissionError, tuple(REFUSALS)[-2:]
    real, begins, text, separator = os.path.realpath, str.startswith, str, os.sep
    decode = os.fsdecode

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if type(flags) is int and flags & writing and type(path) is not int:
                raise kind("no file can be written here")
            if roots is not None and type(path) in (text, bytes):
                found = real(decode(path))
                if not any(begins(found, root + separator) or found == root for root in roots):
                    raise kind(f"this file cannot be read here: {path!r}")
        elif event in refusals:
            raise (RuntimeError if event in threads else kind)(get(event))

    return look
