"""Processes of the sandbox come and go: nothing is left, nothing hangs, and it works with fewer walls as well."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from tests.course.sandboxed import CASES, DOUBLE, LIMITS, LINUX, RIGHT, answers, descendants, nursery, right
from tinylm.course.exercise import case
from tinylm.course.sandbox import Guarded, Limits, Nursery, landlock, protections
from tinylm.course.sandbox import seccomp as calls

__all__ = ["nursery"]

ROOT = Path(__file__).resolve().parents[2]
LARGE = Limits(seconds=20, result=1 << 27, output=1 << 27)
linux = pytest.mark.skipif(not LINUX, reason="looks for processes and descriptors in /proc, which is not there")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@linux
def test_no_process_and_no_descriptor_is_left(tmp_path: Path) -> None:
    before, opened = descendants(os.getpid()), descriptors()
    with Nursery(LIMITS) as nursery:
        for text in (RIGHT, "def double(x):\n    1 / 0", "import os\nos._exit(1)", "def double(x:"):
            answers(nursery, tmp_path / "my_work.py", text)
        between = descriptors()
        for _ in range(5):
            answers(nursery, tmp_path / "my_work.py", RIGHT)
        assert descriptors() == between
    assert descendants(os.getpid()) == before
    assert descriptors() == opened


@linux
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_after_an_error_in_the_grader(tmp_path: Path, kind: type[BaseException]) -> None:
    before, opened = descendants(os.getpid()), descriptors()
    (tmp_path / "my_work.py").write_text(RIGHT)

    def grader() -> None:
        with Guarded(tmp_path / "my_work.py", DOUBLE, LIMITS) as answer:
            next(answer.calls(CASES))
            assert len(descendants(os.getpid())) > len(before)
            raise kind

    with pytest.raises(kind):
        grader()
    assert descendants(os.getpid()) == before
    assert descriptors() == opened


PARENT = """
import sys, time
from pathlib import Path
from tests.course.sandboxed import CASES, DOUBLE
from tinylm.course.sandbox import Limits, Nursery
with Nursery(Limits(seconds=60)) as nursery, nursery.guarded(sys.argv[1], DOUBLE) as answer:
    outcomes = answer.calls(CASES)
    print(next(outcomes).value, flush=True)
    next(outcomes)
"""


@linux
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_after_ctrl_c_or_the_sudden_end_of_the_grader(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "my_work.py").write_text("def double(x):\n    while x > 1: pass\n    return 2")
    grader = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "my_work.py")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert grader.stdout is not None
    assert grader.stdout.readline() == "2\n"
    children = descendants(grader.pid)
    assert len(children) == 2  # the nursery and the exercise
    grader.send_signal(how)
    said = grader.communicate(timeout=30)[1]
    assert ("KeyboardInterrupt" in said) == (how == signal.SIGINT)
    end = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in children) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in children)


def test_large_arguments_and_large_results_block_nobody(tmp_path: Path) -> None:
    (tmp_path / "my_work.py").write_text(
        "def double(x):\n    for _ in range(300): print('x' * 10_000)\n    return [x, x + x]"
    )
    x = np.arange(1 << 20, dtype=float)  # 8 MiB there, 16 MiB back, and 3 MB printed
    with Guarded(tmp_path / "my_work.py", DOUBLE, LARGE) as answer:
        for outcome in answer.calls([case(x), case(x)]):
            assert not outcome.stopped, outcome.detail
            assert np.array_equal(outcome.value[1], 2 * x)


def test_a_question_that_nobody_reads_ends_in_time(tmp_path: Path) -> None:
    (tmp_path / "my_work.py").write_text(
        "class D:\n    def __del__(self):\n        while True: pass\ndef double(x):\n    D()"
    )
    with Guarded(tmp_path / "my_work.py", DOUBLE, LIMITS) as answer:
        outcomes = list(answer.calls([case(np.zeros(1 << 20))] * 2))
    assert outcomes[-1].stopped == "time"


@linux
def test_a_nursery_that_was_ended_begins_anew(nursery: Nursery, tmp_path: Path) -> None:
    assert right(answers(nursery, tmp_path / "my_work.py", RIGHT))
    for child in descendants(os.getpid()):
        os.kill(child, signal.SIGKILL)
    assert right(answers(nursery, tmp_path / "my_work.py", RIGHT))


@linux
def test_a_nursery_that_is_ended_meanwhile_costs_one_exercise(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "my_work.py").write_text(RIGHT)
    before = set(descendants(os.getpid()))
    with Nursery(LIMITS) as other, other.guarded(tmp_path / "my_work.py", DOUBLE) as answer:
        outcomes = answer.calls(CASES)
        assert next(outcomes).value == 2
        for child in set(descendants(os.getpid())) - before:
            os.kill(child, signal.SIGKILL)
        assert next(outcomes).stopped
        assert right(answers(other, tmp_path / "next.py", RIGHT))


FEWER = [("landlock",), ("seccomp",), ("landlock", "seccomp"), ("fork", "landlock", "seccomp")]


@pytest.mark.parametrize("without", FEWER, ids="-".join)
def test_it_works_with_fewer_walls(tmp_path: Path, without: tuple[str, ...]) -> None:
    """What is right stays right, what loops is ended, and what Python itself can refuse is refused."""
    attacks = {
        "network": "import socket; socket.socket()",
        "reading": f"open({str(tmp_path / 'staff.py')!r})",
        "writing": f"open({str(tmp_path / 'new')!r}, 'w').write('x')",
        "processes": "import subprocess; subprocess.run(['true'])",
    }
    if "fork" in without:  # each is a new Python
        del attacks["processes"], attacks["writing"]
    elif "seccomp" not in without or sys.version_info >= (3, 12):  # before, Python does not tell of a thread
        attacks["threads"] = "import threading; threading.Thread(target=print).start()"
    (tmp_path / "staff.py").write_text("secret")
    with Nursery(Limits(seconds=0.3, memory=1 << 28, patience=30), without=without) as nursery:
        assert right(answers(nursery, tmp_path / "my_work.py", RIGHT))
        assert answers(nursery, tmp_path / "my_work.py", "def double(x):\n    while True: pass")[0].stopped == "time"
        for name, attack in attacks.items():
            error = answers(nursery, tmp_path / "my_work.py", f"def double(x):\n    {attack}")[0].error
            assert error is not None, name
            assert error.kinds[0] in ("PermissionError", "RuntimeError"), name
        assert answers(nursery, tmp_path / "my_work.py", "import os\nos._exit(0)")[0].stopped == "exit"
        crash = "import ctypes\ndef double(x):\n    ctypes.string_at(0)"
        assert answers(nursery, tmp_path / "my_work.py", crash)[0].stopped == "killed"
        told = protections(nursery)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_work.py", "staff.py"]
    assert ("Landlock" in told["reading staff files"]) <= ("landlock" not in without)
    assert ("seccomp" in told["network"]) <= ("seccomp" not in without)
    if "seccomp" in without:
        assert "only by courtesy" in told["network"]


@linux
@pytest.mark.skipif(
    LINUX and os.geteuid() == 0, reason="RLIMIT_NPROC does not bind root: this would be a real fork bomb"
)
def test_without_seccomp_an_ordinary_user_starts_nothing_either(tmp_path: Path) -> None:
    text = "import ctypes\nc = ctypes.CDLL(None)\ndef double(x):\n    return c.fork()"
    with Nursery(LIMITS, without=("seccomp",)) as nursery:
        assert answers(nursery, tmp_path / "my_work.py", text)[0].value == -1


@linux
@pytest.mark.skipif(LINUX and os.geteuid() != 0, reason="only root can become another user")
def test_it_works_for_a_user_who_is_not_root(tmp_path: Path) -> None:
    """The tests of attacks, as the user nobody."""
    needed = [Path(sys.executable).resolve(), Path(np.__file__), ROOT / "tests"]
    hidden = [part for path in needed for part in (path, *path.parents) if not part.stat().st_mode & 0o005]
    if hidden:
        pytest.skip(f"another user may not read {hidden[0]}, where Python or the project lies")
    tmp_path.chmod(0o777)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/course/test_sandbox_attacks.py"]
    ended = subprocess.run(
        [*command, "-k", "refused or nothing_that_it_starts", f"--basetemp={tmp_path / 'nobody'}"],
        cwd=ROOT,
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stdout[-3000:]


def test_the_protections_are_said_in_words(nursery: Nursery) -> None:
    told = protections(nursery)
    assert {"time", "memory", "network", "reading staff files", "writing and deleting files"} <= set(told)
    assert all(isinstance(each, str) and each for each in told.values())
    assert json.loads(json.dumps(told)) == told
    if sys.platform == "linux":
        assert told["memory"] == "RLIMIT_AS"


CLOSED = """
import ctypes, os, sys
from tinylm.course.sandbox import landlock
folder = sys.argv[1]
made = landlock.rules([folder], [f"{folder}/site/tinylm"])
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
assert landlock.restrict(made)
for name in ("site/numpy/a", "site/b", "site/tinylm/secret", "link"):
    try:
        print(name, open(f"{folder}/{name}").read())
    except PermissionError:
        print(name, "closed")
print(sorted(os.listdir(f"{folder}/site")))
"""


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
def test_a_folder_is_open_but_for_what_is_closed_in_it(tmp_path: Path) -> None:
    """As site-packages is, where the library is installed beside NumPy; a link leads nowhere else."""
    for name in ("site/numpy/a", "site/b", "site/tinylm/secret"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("open")
    (tmp_path / "link").symlink_to(tmp_path / "site/tinylm/secret")
    command = [sys.executable, "-c", CLOSED, str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.splitlines() == [
        "site/numpy/a open",
        "site/b open",
        "site/tinylm/secret closed",
        "link closed",
        "['b', 'numpy', 'tinylm']",
    ]


def test_the_lists_of_system_calls_name_the_same_ones() -> None:
    """Old calls that the newer architecture has replaced are all that differs; and no number stands twice."""
    one, other = calls.X86_64, calls.AARCH64
    assert set(other) <= set(one)
    assert set(one) - set(other) == set(
        "open stat lstat access readlink dup2 pipe alarm pause time poll select getpgrp".split()
    )
    for numbers in (one, other):
        assert len(set(numbers.values())) == len(numbers)
    assert not {"kill", "tgkill", "socket", "execve", "clone", "clone3", "ptrace", "unlink", "openat2"} & set(one)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_decides_as_the_list_says(machine: str) -> None:
    """The program, run by a small interpreter of the packet filter's language."""
    program = calls.build(machine)
    architecture, listed = calls.CALLS[machine]
    assert len(program) // 8 < 4096

    def decides(number: int, *arguments: int, arch: int = architecture) -> int:
        data = number.to_bytes(4, "little") + arch.to_bytes(4, "little") + bytes(8)
        data += b"".join(each.to_bytes(8, "little") for each in (*arguments, *[0] * (6 - len(arguments))))
        at, loaded = 0, 0
        while True:
            code, yes, no, k = calls.struct.unpack_from("<HBBI", program, 8 * at)
            at += 1
            if code == 0x20:
                loaded = int.from_bytes(data[k : k + 4], "little")
            elif code == 0x06:
                return int(k)
            else:
                at += yes if {0x15: loaded == k, 0x35: loaded >= k, 0x45: bool(loaded & k)}[code] else no

    allow, denied, missing, kill = 0x7FFF0000, 0x50001, 0x50026, 0x80000000
    looked = {"open", "openat", "prlimit64", "ioctl", "fcntl"}
    for number in range(700):
        names = [name for name, other in listed.items() if other == number]
        if not names:
            assert decides(number) == (missing if number >= 424 else denied)
        elif names[0] not in looked:
            assert decides(number) == allow
    assert decides(0, arch=0x40000003) == kill  # i386
    assert decides(0x40000000 + 41) == missing
    for flags, expected in ((0, allow), (0o2000000, allow), (1, 0x5000D), (2, 0x5000D), (0o100, 0x5000D)):
        assert decides(listed["openat"], 0, 0, flags) == expected
    assert decides(listed["prlimit64"], 0) == allow
    assert decides(listed["prlimit64"], 7) == denied
    assert decides(listed["ioctl"], 1, 0x5401) == allow
    assert decides(listed["ioctl"], 1, 0x5412) == denied
    assert decides(listed["fcntl"], 1, 3) == allow
    assert decides(listed["fcntl"], 1, 8) == denied


def test_the_modules_import_where_posix_is_missing() -> None:
    """As on Windows: without resource, fcntl, pwd; only importing is tried."""
    code = """
    import importlib, pkgutil, sys
    for name in ("resource", "fcntl", "pwd", "grp", "termios"):
        sys.modules[name] = None
    import tinylm.course.sandbox as sandbox
    for each in pkgutil.iter_modules(sandbox.__path__, "tinylm.course.sandbox."):
        importlib.import_module(each.name)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, check=True, timeout=60)
