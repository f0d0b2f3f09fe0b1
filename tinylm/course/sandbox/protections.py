"""Which walls stand on this machine, found out by building them, in words."""

from tinylm.course.sandbox.limits import Limits
from tinylm.course.sandbox.nursery import Nursery
from tinylm.course.sandbox.wire import encode

__all__ = ["protections"]

NONE = "not protected"
HOOK = "only by courtesy: Python refuses, code that calls C gets around it"


def protections(nursery: Nursery | None = None) -> dict[str, str]:
    """What is protected while a student's code runs → by what, "not protected", or "only by courtesy: ..."."""
    if nursery is None:
        with Nursery(Limits()) as own:
            return protections(own)
    process = nursery.start("bare")
    try:
        _, done = process.line.ask(encode(("hello",)))
    finally:
        process.end()
    calls, files = done["calls"], done["files"]
    group = "its process group is ended" if done["session"] else NONE
    hook = HOOK if "hook" not in nursery.without else NONE
    return {
        "time": f"computing time, seen from outside{'; RLIMIT_CPU' if done['limits'] else ''}; the clock on the wall",
        "memory": "RLIMIT_AS" if done["memory"] else NONE,
        "printing and results": "counted by the grader",
        "reading staff files": "Landlock" if files else hook,
        "writing and deleting files": _both(files, calls) or (f"RLIMIT_FSIZE 0; deleting {hook}"),
        "network": "seccomp" if calls else hook,
        "processes and threads": "seccomp" if calls else f"RLIMIT_NPROC (not for root); {group}",
        "signals to others": _both(files, calls, "Landlock (from version 6 on)") or hook,
        "privileges": "no_new_privs, no capabilities" if done["privileges"] else NONE,
        "the library's answer": "not in memory"
        + (", and cannot be read" if files else "")
        + "; in exercises that need the library: refused imports and calls",
        "the verdict": "made by the grader from values, which are read as plain data",
    }


def _both(files: bool, calls: bool, landlock: str = "Landlock") -> str:
    return " and ".join([*(["seccomp"] if calls else []), *([landlock] if files else [])])
