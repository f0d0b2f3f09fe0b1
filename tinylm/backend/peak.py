"""How much memory this process has needed."""

import contextlib
import sys

__all__ = ["peak_memory"]


def peak_memory() -> int | None:
    """The largest resident memory of this process so far, in bytes; None where the system does not say (Windows).

    On Linux it is read from /proc: getrusage(2) there reports a child at least as large as the process that made it.

    >>> peak = peak_memory()
    >>> peak is None or peak > 1_000_000
    True
    """
    with (
        contextlib.suppress(OSError, ValueError),
        open("/proc/self/status", encoding="ascii", errors="replace") as file,
    ):
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere
