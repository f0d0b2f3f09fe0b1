"""A line to one exercise's process: questions and answers, what it prints, and when it has gone too far."""

import os
import secrets
import selectors
import socket
import time
from contextlib import suppress
from typing import Any, NoReturn

from tinylm.course.sandbox.child import HEADER, NONCE
from tinylm.course.sandbox.limits import Limits
from tinylm.course.sandbox.unwire import decode, steady
from tinylm.course.sandbox.wire import WireError

__all__ = ["Line", "Stopped"]

TAIL = 8000  # bytes of what was printed that are kept: 2,000 characters of at most 4 bytes
CHUNK = 1 << 16
BEGINNING = 60.0  # seconds for a process to stand ready: that is our own time, not the student's
SHORTEST = 0.005  # seconds between two looks at the clock, when time is nearly up


class Stopped(Exception):
    """The process is not to go on: why, as in Outcome.stopped, and a sentence."""

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why, self.detail = why, detail


class Line:
    """Both ends of asking: never blocks for longer than the limits allow, whatever the other side does.

    pid    whose computing time counts; None where it cannot be seen
    data   a stream socket to the process
    out    a descriptor of what it prints; None where that is not seen
    """

    def __init__(self, pid: int | None, data: socket.socket, out: int | None, limits: Limits) -> None:
        self.limits, self._pid, self._data, self._out = limits, pid, data, out
        self._selector = selectors.DefaultSelector()
        data.setblocking(False)
        self._selector.register(data, selectors.EVENT_READ, "data")
        if out is not None:
            os.set_blocking(out, False)
            self._selector.register(out, selectors.EVENT_READ, "out")
        self._tail, self._size, self._received = b"", 0, 0
        self._ready, self._waited, self._begun = False, 0.0, 0.0

    def close(self) -> None:
        """Close both descriptors; what was printed stays."""
        with suppress(Stopped, OSError):
            self._listen()
        self._selector.close()
        self._data.close()
        if self._out is not None:
            os.close(self._out)
            self._out = None

    @property
    def printed(self) -> str:
        """The last 2,000 characters that were printed."""
        with suppress(Stopped, OSError):
            self._listen()
        return steady(self._tail.decode("utf-8", "replace"))[-2000:]

    def begin(self) -> None:
        """Count time from here on: the process stands ready."""
        self._ready, self._waited, self._begun = True, 0.0, self._clock()

    def ask(self, question: bytes) -> Any:
        """The answer as plain data; raises Stopped, and EOFError where the process has gone."""
        nonce = secrets.token_bytes(NONCE)
        sending = memoryview(HEADER.pack(len(question)) + nonce + question)
        answer = bytearray()
        begun = time.monotonic()
        waited = self._waited
        size = -1
        try:
            sending = self._send(sending)
            while size < 0 or len(answer) < size:
                for key, events in self._selector.select(self._patience()):
                    if key.data == "out":
                        self._listen()
                        continue
                    if events & selectors.EVENT_WRITE:
                        sending = self._send(sending)
                    if events & selectors.EVENT_READ:
                        answer += self._receive()
                        size = self._expected(answer, nonce)
                self._waited = waited + time.monotonic() - begun
        finally:
            self._waited = waited + time.monotonic() - begun
        if sending or len(answer) > size:
            raise Stopped("exit", "it wrote on the line between the exercise and the grader")
        self._received += size
        try:
            return decode(bytes(memoryview(answer)[HEADER.size + NONCE :]))
        except WireError as error:
            raise Stopped("exit", f"what came is no answer: {error}") from error

    def _send(self, sending: memoryview) -> memoryview:
        """Send as much as can be sent now; what is left."""
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):  # where it has gone, reading says so
            sending = sending[self._data.send(sending) :]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if sending else 0)
        if self._selector.get_key(self._data).events != wanted:
            self._selector.modify(self._data, wanted, "data")
        return sending

    def _receive(self) -> bytes:
        try:
            part = self._data.recv(1 << 20)
        except BlockingIOError:
            return b""
        except ConnectionError:
            part = b""
        if not part:
            raise EOFError
        return part

    def _expected(self, answer: bytearray, nonce: bytes) -> int:
        """How long the whole answer is, -1 while that is not known."""
        if len(answer) < HEADER.size + NONCE:
            return -1
        if answer[HEADER.size : HEADER.size + NONCE] != nonce:
            raise Stopped("exit", "it wrote on the line between the exercise and the grader")
        size: int = HEADER.unpack(answer[: HEADER.size])[0]
        if self._received + size > self.limits.result + (1 << 16):
            raise Stopped("output", f"it returned more than {self.limits.result:,} bytes")
        return HEADER.size + NONCE + size

    def _listen(self) -> None:
        """Take what was printed until now."""
        while self._out is not None:
            try:
                part = os.read(self._out, CHUNK)
            except BlockingIOError:
                return
            if not part:  # it has closed its output
                self._selector.unregister(self._out)
                os.close(self._out)
                self._out = None
                return
            self._size += len(part)
            self._tail = (self._tail + part)[-TAIL:]
            if self._size > self.limits.output:
                raise Stopped("output", f"it printed more than {self.limits.output:,} bytes")

    def _patience(self) -> float:
        """Seconds until the next look at the clock; raises Stopped where time is up."""
        limits = self.limits
        if not self._ready:
            return max(SHORTEST, BEGINNING - self._waited) if self._waited < BEGINNING else self._late(BEGINNING)
        left = limits.seconds - (self._clock() - self._begun)
        net = limits.patience * limits.seconds - self._waited
        if left <= 0:
            raise Stopped("time", f"it took more than {limits.seconds:g} seconds of computing time")
        if net <= 0:
            self._late(limits.patience * limits.seconds)
        return max(SHORTEST, min(left, net))

    def _late(self, seconds: float) -> NoReturn:
        raise Stopped("time", f"it did not come back within {seconds:g} seconds")

    def _clock(self) -> float:
        """Seconds of computing time of the process; 0 where that cannot be seen, and the clock on the wall decides."""
        if self._pid is None:
            return 0.0
        try:
            return time.clock_gettime(~self._pid << 3 | 2)  # the clock of a process: clock_getcpuclockid(3)
        except OSError:  # it has ended
            return self._begun
