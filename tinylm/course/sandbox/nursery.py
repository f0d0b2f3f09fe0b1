"""Processes for exercises: a nursery that forks one for each, or, where there is no fork, a fresh one each."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from tinylm.course.sandbox.limits import Limits
from tinylm.course.sandbox.line import Line

if TYPE_CHECKING:
    from tinylm.course.problem import Problem
    from tinylm.course.sandbox.guarded import Guarded

__all__ = ["Kind", "Nursery", "Process"]

Kind = Literal["bare", "whole"]
BOOT = Path(__file__).with_name("boot.py")
FORKS = sys.platform == "linux"  # elsewhere a fork of a process that holds a BLAS, or any fork, is not to be trusted
ENVIRONMENT = {
    **dict.fromkeys(
        ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "TINYLM_THREADS"), "1"
    ),
    "PYTHONHASHSEED": "0",  # sets come out in the same order everywhere
    "PYTHONUTF8": "1",
}
PASSED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "PATH")
PATIENCE = 60.0  # seconds for a process to begin or to end


@dataclass(slots=True)
class Process:
    """The process of one exercise, and the line to it."""

    pid: int
    line: Line
    home: "_Forking | _Fresh"

    def end(self) -> tuple[int | None, bool]:
        """End it with all that it started: its status as os.wait has it, and whether it had ended by itself."""
        try:
            return self.home.end(self)
        finally:
            self.line.close()


class Nursery:
    """Where exercises run: `with Nursery() as nursery, nursery.guarded("my_work.py", problem) as answer: ...`

    limits    of each exercise
    without   what is not to be used though it is there, for tests: "fork", "landlock", "seccomp", "hook"

    Beginning takes some 0.2 seconds, for problems that need the library 0.6; each exercise then some 10 ms.
    """

    def __init__(self, limits: Limits | None = None, *, without: Iterable[str] = ()) -> None:
        self.limits, self.without = limits or Limits(), tuple(without)
        self._homes: dict[Kind, _Forking | _Fresh] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def guarded(self, path: str | os.PathLike[str], problem: "Problem") -> "Guarded":
        """A student's answer to a problem, in a process of its own."""
        from tinylm.course.sandbox.guarded import Guarded

        return Guarded(path, problem, self.limits, nursery=self)

    def start(self, kind: Kind) -> Process:
        """A process of that kind; its time counts from here."""
        with self._lock:
            home = self._homes.get(kind)
            if home is None or home.owner != os.getpid():
                make = _Forking if FORKS and "fork" not in self.without else _Fresh
                home = self._homes[kind] = make(kind, self.without)
        return home.start(self.limits)

    def close(self) -> None:
        """End everything that runs here."""
        for home in self._homes.values():
            if home.owner == os.getpid():
                home.close()
        self._homes.clear()


class _Forking:
    """The parent's side of cradle.py."""

    def __init__(self, kind: Kind, without: tuple[str, ...]) -> None:
        self.owner, self._told = os.getpid(), _told(kind, without)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = threading.RLock()

    def start(self, limits: Limits) -> Process:
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        try:
            request = json.dumps(asdict(limits)).encode()
            pid = self._request(request, [theirs.fileno(), writing])["child"]
            return Process(pid, Line(pid, ours, reading, limits), self)
        except BaseException:
            ours.close()
            os.close(reading)
            raise
        finally:
            theirs.close()
            os.close(writing)

    def end(self, process: Process) -> tuple[int | None, bool]:
        if self._process is None or self.owner != os.getpid():
            return None, False
        try:
            told = self._request(json.dumps({"end": process.pid}).encode(), [], again=False)
        except EOFError:
            return None, False
        return told["status"], told["ended"]

    def _request(self, message: bytes, descriptors: list[int], *, again: bool = True) -> Any:
        """Ask the cradle; where it has gone, a new one, once. An interruption ends it: it may be half told."""
        with self._lock:
            try:
                if self._process is None or self._process.poll() is not None:
                    self._begin()
                return self._exchange(message, descriptors)
            except (OSError, EOFError) as error:
                said = self.close()
                if again:
                    return self._request(message, descriptors, again=False)
                raise EOFError(f"the process that exercises run in ended: {said[-2000:]}") from error
            except BaseException:
                self.close()
                raise

    def _exchange(self, message: bytes, descriptors: list[int]) -> Any:
        assert self._control is not None
        socket.send_fds(self._control, [message], descriptors)
        reply = b""
        while not reply.endswith(b"\n"):
            part = self._control.recv(1 << 16)
            if not part:
                raise EOFError
            reply += part
        return json.loads(reply)

    def _begin(self) -> None:
        self.close()
        self._control, theirs = socket.socketpair()
        self._control.settimeout(PATIENCE)
        with theirs:
            self._process = _popen({**self._told, "control": theirs.fileno()}, (theirs.fileno(),))

    def close(self) -> str:
        """End the cradle and its children; what it has said to its standard error."""
        process, self._process = self._process, None
        control, self._control = self._control, None
        if control is not None:
            control.close()  # tells it to end its children and itself
        return _finish(process) if process is not None else ""


class _Fresh:
    """A Python process for every exercise: slower, and what works everywhere."""

    def __init__(self, kind: Kind, without: tuple[str, ...]) -> None:
        self.owner, self._told = os.getpid(), _told(kind, without)
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, limits: Limits) -> Process:
        ours, theirs = socket.socketpair()
        told = {**self._told, "limits": asdict(limits)}
        with theirs:
            if os.name == "posix":
                reading, writing = os.pipe()
                process = _popen({**told, "control": theirs.fileno()}, (theirs.fileno(),), writing)
                os.close(writing)
                line = Line(process.pid if FORKS else None, ours, reading, limits)
            else:
                process = _popen(told, ())
                assert process.stdin is not None
                process.stdin.write(theirs.share(process.pid))  # type: ignore[attr-defined]
                process.stdin.close()
                line = Line(None, ours, None, limits)
        self._running[process.pid] = process
        return Process(process.pid, line, self)

    def end(self, process: Process) -> tuple[int | None, bool]:
        running = self._running.pop(process.pid, None)
        if running is None:
            return None, False
        ended = running.poll() is not None
        _finish(running, kill=True)
        code = running.returncode
        return (-code if code < 0 else code << 8), ended

    def close(self) -> str:
        for process in self._running.values():
            _finish(process, kill=True)
        self._running.clear()
        return ""


def _told(kind: Kind, without: tuple[str, ...]) -> dict[str, Any]:
    """What boot.py is to know."""
    homes = [find_spec(name) for name in ("numpy", "regex")]
    paths = [str(Path(each.origin).parents[1]) for each in homes if each is not None and each.origin]
    root = str(BOOT.resolve().parents[3])  # the folder of tinylm and tokenizer
    return {"kind": kind, "root": root, "paths": sorted(set(paths)), "without": without, "limits": None}


def _popen(told: dict[str, Any], descriptors: tuple[int, ...], out: int | None = None) -> subprocess.Popen[bytes]:
    windows = os.name != "posix"
    return subprocess.Popen(
        [sys.executable, "-P", "-s", "-B", str(BOOT), json.dumps(told)],
        stdin=subprocess.PIPE if windows else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if out is None else out,
        stderr=subprocess.PIPE if out is None and not windows else subprocess.DEVNULL if windows else out,
        env={**ENVIRONMENT, **{name: os.environ[name] for name in PASSED if name in os.environ}},
        pass_fds=descriptors,
        start_new_session=not windows,
        close_fds=True,
    )


def _finish(process: subprocess.Popen[bytes], *, kill: bool = False) -> str:
    """Wait for the end of a process, or bring it about; what it said to its standard error."""
    if kill and os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    if kill:
        process.kill()
    said = b""
    try:
        said = process.communicate(timeout=5)[1] or b""
    except BaseException as error:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
    return said.decode("utf-8", "replace")
