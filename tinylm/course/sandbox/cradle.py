"""The nursery's own process: it has imported what exercises may use, forks a child for each, and ends it when told.

It never runs a student's code itself, has one thread, and holds the children's process ids until they are asked for, so
that no id is used again while somebody might still signal it. Runs where tinylm is not imported.
"""

import contextlib
import gc
import io
import json
import os
import platform
import select
import signal
import socket
import sys
import sysconfig
import traceback
from typing import Any

from tinylm.course.sandbox import closing, landlock, seccomp
from tinylm.course.sandbox.child import serve

__all__ = ["main"]

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: linux/prctl.h
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")
LOOK = 2.0  # seconds between looks whether the parent is still there


def main(told: dict[str, Any]) -> None:
    """Serve as a nursery, or as the process of one exercise: see boot.py."""
    readable = _readable()
    closed = _closed(told["root"])
    rules = None if "landlock" in told["without"] else landlock.rules(readable, closed)
    usable = seccomp.available() and "seccomp" not in told["without"]
    program = seccomp.build(platform.machine()) if usable else None
    roots = None if "hook" in told["without"] else tuple(map(os.path.realpath, readable))
    if told["limits"] is not None:
        _one(told, rules, program, roots)
        return
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    gc.collect()
    gc.freeze()
    _serve(socket.socket(fileno=told["control"]), rules, program, roots)


def _readable() -> list[str]:
    paths = sysconfig.get_paths()
    return [paths["stdlib"], paths["platstdlib"], *sys.path, os.path.join(sys.base_prefix, "lib"), *SYSTEM]


def _closed(root: str) -> list[str]:
    """The library, wherever it lies."""
    folders = [root, *sys.path, *(sysconfig.get_paths()[each] for each in ("purelib", "platlib"))]
    return [os.path.join(folder, name) for folder in folders for name in ("tinylm", "tokenizer")]


def _serve(control: socket.socket, rules: int | None, program: bytes | None, roots: Any) -> None:
    parent, children = os.getppid(), set[int]()
    while True:
        if not select.select([control], [], [], LOOK)[0]:
            if os.getppid() != parent:
                break
            continue
        told, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 2)
        if not told:
            break
        request = json.loads(told)
        if "end" in request:
            reply: Any = _end(request["end"], children)
        else:
            child = os.fork()
            if child == 0:
                control.close()
                _become(descriptors, request, rules, program, roots)
            children.add(child)
            for each in descriptors:
                os.close(each)
            reply = {"child": child}
        control.sendall(json.dumps(reply).encode() + b"\n")
    for child in list(children):
        _end(child, children)


def _end(child: int, children: set[int]) -> dict[str, Any]:
    """Kill a child with its session, and whatever it has left behind; how it ended."""
    if child not in children:
        return {"status": 0, "ended": False}
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
    _, status, _ = os.wait4(child, 0)
    children.discard(child)
    _sweep(children)
    return {"status": status, "ended": ended}


def _sweep(children: set[int]) -> None:
    """End processes that a child has left, which now are this one's: where nothing keeps it from starting some."""
    for _ in range(1000):
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                strays = [int(each) for each in file.read().split() if int(each) not in children]
        except OSError:
            return
        if not strays:
            return
        for stray in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(stray, signal.SIGKILL)
        for stray in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(stray, 0)


def _become(descriptors: list[int], limits: dict[str, Any], rules: int | None, program: Any, roots: Any) -> None:
    """Be the process of one exercise; never returns."""
    try:
        data, out = descriptors
        null = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((null, 0), (out, 1), (out, 2)):
            os.dup2(old, new)
        os.close(out)
        os.close(null)
        os.closerange(max(data, rules or 0) + 1, 1 << 16)
        _run(data, limits, rules, program, roots)
    except BaseException:
        traceback.print_exc()  # to the grader, who says so if it is before the first answer
        sys.stderr.flush()
    finally:
        os._exit(70)


def _run(data: int, limits: dict[str, Any], rules: int | None, program: Any, roots: Any) -> None:
    sys.stdout = sys.__stdout__ = _text(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(2)  # type: ignore[misc]
    done = closing.close(limits, rules, program, roots)
    os.environ.clear()
    serve(lambda size: os.read(data, size), lambda message: os.write(data, message), limits["result"], done)


def _text(descriptor: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(descriptor, "wb", closefd=False), "utf-8", "backslashreplace", write_through=True)


def _one(told: dict[str, Any], rules: int | None, program: bytes | None, roots: Any) -> None:
    """Be the process of one exercise that was started as such: where there is no fork, or a fork cannot be trusted."""
    if os.name == "posix":
        _run(told["control"], told["limits"], rules, program, roots)
        return
    line = socket.fromshare(sys.stdin.buffer.read())  # type: ignore[attr-defined]
    done = closing.close(told["limits"], rules, program, roots)
    serve(line.recv, line.send, told["limits"]["result"], done)
