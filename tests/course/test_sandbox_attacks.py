"""What a student's file can do to the grader: nothing. Each attack costs its own exercise, and no other."""

import os
import socket
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.course.sandboxed import CASES, DOUBLE, LIMITS, LINUX, RIGHT, answers, descendants, nursery, right
from tinylm.course.sandbox import Limits, Nursery, protections
from tinylm.course.sandbox.wire import Opaque

__all__ = ["nursery"]


@pytest.fixture(scope="module")
def walls(nursery: Nursery) -> dict[str, str]:
    return protections(nursery)


def needs(walls: dict[str, str], what: str, by: str) -> None:
    if by not in walls[what]:
        pytest.skip(f"{what}: {walls[what]} on this machine; {by} is not there")


# name → (text, what the first outcome is: why it was stopped, or the kind of its error)
STOPPED = {
    "an endless loop": ("def double(x):\n    while True: pass", "time"),
    "an endless loop while the file is loaded": ("while True: pass", "time"),
    "a loop that catches everything": (
        "def double(x):\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass",
        "time",
    ),
    "a loop that ignores signals": (
        "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\ndef double(x):\n    while True: pass",
        "time",
    ),
    "an endless generator": ("import itertools\ndef double(x):\n    return (n % 2 for n in iter(int, 1))", "time"),
    "a loop in C": ("def double(x):\n    return sum(iter(int, 1))", "time"),
    "a __del__ that never ends": (
        "class D:\n    def __del__(self):\n        while True: pass\ndef double(x):\n    D()\n    return 2 * x",
        "time",
    ),
    "a crash": ("import ctypes\ndef double(x):\n    return ctypes.string_at(0)", "killed"),
    "a crash while the file is loaded": ("import ctypes\nctypes.string_at(0)", "killed"),
    "os.abort": ("import os\ndef double(x):\n    os.abort()", "killed"),
    "os._exit": ("import os\ndef double(x):\n    os._exit(0)", "exit"),
    "os._exit while the file is loaded": ("import os\nos._exit(0)", "exit"),
    "sys.exit while the file is loaded": ("import sys\nsys.exit(0)", "SystemExit"),
    "sys.exit": ("import sys\ndef double(x):\n    sys.exit('good bye')", "SystemExit"),
    "KeyboardInterrupt": ("def double(x):\n    raise KeyboardInterrupt", "KeyboardInterrupt"),
    "recursion without end": ("def double(x):\n    return double(x)", "RecursionError"),
    "recursion without end or limit": (
        "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __eq__(self, other): return [self] == [other]\n"
        "def double(x):\n    return [A()] == [A()]",
        "killed RecursionError",  # from Python 3.12 on, calls from C have a limit of their own
    ),
    "10 GB at once": ("def double(x):\n    return bytearray(10**10)", "memory"),
    "10 GB by NumPy": ("import numpy as np\ndef double(x):\n    return np.ones(10**10 // 8)", "memory"),
    "10 GB bit by bit": (
        "def double(x):\n    kept = []\n    while True: kept.append(bytes(1 << 24))",
        "memory",
    ),
    "10 GB while the file is loaded": ("kept = bytes(10**10)", "memory"),
    "printing gigabytes": ("def double(x):\n    while True: print('x' * 10000)", "output"),
    "printing gigabytes to stderr": (
        "import sys\ndef double(x):\n    while True: sys.stderr.write('x' * 10000)", "output"
    ),
    "writing gigabytes to descriptor 1": (
        "import os\ndef double(x):\n    while True: os.write(1, b'x' * 10000)", "output"
    ),
    "returning too much": ("def double(x):\n    return b'x' * (1 << 22)", "output"),
    "returning a huge array that takes no memory": (
        "import numpy as np\ndef double(x):\n    return np.broadcast_to(1.0, (10**6, 10**6))", "output"
    ),
    "returning what unfolds to 2**60 values": (
        "def double(x):\n    y = []\n    for _ in range(60): y = [y, y]\n    return y", "output"
    ),
    "returning rows without end that hold nothing": (
        "import numpy as np\ndef double(x):\n    return np.zeros((10**12, 0))", "output"
    ),
    "returning a little too much again and again": ("def double(x):\n    return b'x' * (1 << 16)", "output"),
    "returning what holds itself": ("def double(x):\n    y = []\n    y.append(y)\n    return y", "output"),
    "returning an endless list": ("class L(list):\n    pass\ndef double(x):\n    return L([0]) * (1 << 22)", "output"),
    "closing all descriptors": ("import os\ndef double(x):\n    os.closerange(0, 100)\n    return 2 * x", "exit"),
    "a file that is no Python": ("def double(x:\n", "SyntaxError"),
    "a file with a null byte": ("x = '\0'\n", "SyntaxError ValueError"),
    "a source that is nested too deep": ("(" * 5000 + ")" * 5000, "SyntaxError MemoryError memory"),
    "a source that is nested so deep that it takes the parser down": (
        "double = " + "-" * 200_000 + "1", "RecursionError MemoryError memory killed SyntaxError"
    ),
    "no answer in the file": ("def doubel(x):\n    return 2 * x", "MissingAnswer"),
}  # fmt: skip


LATER = {"a __del__ that never ends": 1, "returning a little too much again and again": 2}  # calls that are answered


@pytest.mark.parametrize("name", STOPPED)
def test_it_costs_one_exercise(nursery: Nursery, tmp_path: Path, name: str) -> None:
    text, expected = STOPPED[name]
    outcomes = answers(nursery, tmp_path / "my_work.py", text)
    told = outcomes[LATER.get(name, 0)]
    found = {told.stopped} if told.stopped or told.error is None else set(told.error.kinds)
    assert found & set(expected.split()), told
    assert len(outcomes) == len(CASES)
    assert not right(outcomes)
    if outcomes[-1].stopped:
        assert outcomes[-1].detail
        assert outcomes[-1] == outcomes[-2]
    assert right(answers(nursery, tmp_path / "next.py", RIGHT))


TRIED = """
import sys
def double(x):
    try:
        {attack}
    except BaseException as error:
        return type(error).__name__, str(error)
    return "done"
"""

# what is tried inside of a call → the walls that refuse it: a place in `protections`, and the word to look for there
REFUSED = {
    "a socket": ("import socket; socket.socket()", "network", "seccomp"),
    "a socket by C": (
        "import ctypes, os; c = ctypes.CDLL(None, use_errno=True)\n"
        "        if c.socket(2, 1, 0) < 0: raise OSError(ctypes.get_errno())", "network", "seccomp"),
    "a process": ("import os; os.fork()", "processes and threads", "seccomp"),
    "a process by C": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "        if c.fork() < 0: raise OSError(ctypes.get_errno())", "processes and threads", "seccomp"),
    "a program": ("import subprocess; subprocess.run(['/bin/true'])", "processes and threads", "seccomp"),
    "becoming a program by C": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "        c.execl(b'/bin/true', b'true', None); raise OSError(ctypes.get_errno())",
        "processes and threads", "seccomp"),
    "a thread": ("import threading; threading.Thread(target=print).start()", "processes and threads", "seccomp"),
    "ending the parent": ("import os; os.kill({parent}, 9)", "signals to others", "seccomp"),
    "ending the parent by C": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "        if c.kill({parent}, 9) < 0: raise OSError(ctypes.get_errno())", "signals to others", "seccomp"),
    "ending the nursery": ("import os; os.kill(os.getppid(), 9)", "signals to others", "seccomp"),
    "ending everybody": ("import os; os.kill(-1, 9)", "signals to others", "seccomp"),
    "ending its own group": ("import os; os.kill(0, 9)", "signals to others", "seccomp"),
    "having the kernel signal for it": (
        "import fcntl, os; r, w = os.pipe(); fcntl.fcntl(r, 10, 9); fcntl.fcntl(r, fcntl.F_SETOWN, {parent})",
        "signals to others", "seccomp"),
    "changing the parent's limits": (
        "import resource; resource.prlimit({parent}, resource.RLIMIT_CPU, (1, 1))", "signals to others", "seccomp"),
    "raising its own limits": (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "memory", "RLIMIT_AS"),
    "reading the parent's memory": ("open('/proc/{parent}/mem', 'rb').read(1)", "reading staff files", "Landlock"),
    "reading the parent's command": ("open('/proc/{parent}/cmdline').read()", "reading staff files", "Landlock"),
    "reading a staff file": ("open({staff!r}).read()", "reading staff files", "Landlock"),
    "reading a staff file by C": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "        if c.open({staff!r}.encode(), 0) < 0: raise OSError(ctypes.get_errno())",
        "reading staff files", "Landlock"),
    "listing the staff's folder": ("import os; os.listdir({folder!r})", "reading staff files", "Landlock"),
    "reading the library": ("open({library!r}).read()", "reading staff files", "Landlock"),
    "reading its own file": ("open({own!r}).read()", "reading staff files", "Landlock"),
    "overwriting a staff file": ("open({staff!r}, 'w').write('x')", "writing and deleting files", "seccomp"),
    "overwriting by C": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "        if c.open({staff!r}.encode(), 1) < 0: raise OSError(ctypes.get_errno())",
        "writing and deleting files", "seccomp"),
    "cutting a staff file": ("import os; os.truncate({staff!r}, 0)", "writing and deleting files", "seccomp"),
    "deleting a staff file": ("import os; os.remove({staff!r})", "writing and deleting files", "seccomp"),
    "deleting a folder": ("import os; os.rmdir({empty!r})", "writing and deleting files", "seccomp"),
    "renaming a staff file": (
        "import os; os.rename({staff!r}, {staff!r} + '2')", "writing and deleting files", "seccomp"),
    "changing rights": ("import os; os.chmod({staff!r}, 0o777)", "writing and deleting files", "seccomp"),
    "a huge file": ("open({folder!r} + '/huge', 'wb').write(bytes(1 << 30))", "writing and deleting files", "seccomp"),
    "a huge file in memory": ("import os; os.ftruncate(os.memfd_create('x'), 1 << 33)", "network", "seccomp"),
    "a temporary file": (
        "import tempfile; tempfile.TemporaryFile().write(b'x')", "writing and deleting files", "seccomp"),
    "shared memory": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "        if c.shmget(0, 1 << 20, 0o1600) < 0: raise OSError(ctypes.get_errno())", "network", "seccomp"),
    "a new namespace": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "        if c.unshare(0x10000000) < 0: raise OSError(ctypes.get_errno())", "network", "seccomp"),
    "tracing the parent": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "        if c.ptrace(16, {parent}, 0, 0) < 0: raise OSError(ctypes.get_errno())",
        "signals to others", "seccomp"),
    "the 32-bit form of a system call": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
        "        if c.syscall(ctypes.c_long(0x40000000 + 41), 2, 1, 0) < 0: raise OSError(ctypes.get_errno())",
        "network", "seccomp"),
    "becoming root": ("import os; os.setuid(0 if os.getuid() else 1)", "network", "seccomp"),
    "importing the library": ("__import__('tiny' + 'lm.ops.normalization')", "time", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(nursery: Nursery, walls: dict[str, str], tmp_path: Path, name: str) -> None:
    attack, what, by = REFUSED[name]
    needs(walls, what, by)
    staff, empty = tmp_path / "hidden_tests.py", tmp_path / "empty"
    staff.write_text("secret")
    empty.mkdir()
    places = {"parent": os.getpid(), "staff": str(staff), "folder": str(tmp_path), "empty": str(empty)}
    places |= {"library": sys.modules["tinylm"].__file__, "own": str(tmp_path / "my_work.py")}
    outcomes = answers(nursery, tmp_path / "my_work.py", TRIED.format(attack=attack.format(**places)))
    kind, message = outcomes[0].value
    assert kind in ("PermissionError", "OSError", "RuntimeError", "ImportError", "FileNotFoundError", "ValueError")
    assert "secret" not in message
    assert staff.read_text() == "secret"
    assert empty.is_dir()
    assert sorted(os.listdir(tmp_path)) == ["empty", "hidden_tests.py", "my_work.py"]
    assert right(answers(nursery, tmp_path / "next.py", RIGHT))


BOMBS = {
    "a fork bomb": "import os\ndef double(x):\n    while True:\n        try: os.fork()\n        except OSError: pass",
    "a fork bomb by C": "import ctypes\nc = ctypes.CDLL(None)\ndef double(x):\n    while True: c.fork()",
    "a thread bomb": (
        "import threading, time\nthreading.stack_size(1 << 16)\ndef double(x):\n    while True:\n"
        "        try: threading.Thread(target=time.sleep, args=(99,)).start()\n        except RuntimeError: pass"
    ),
    "a daemon": (
        "import os, time\ndef double(x):\n    for _ in range(3):\n        try:\n            if os.fork() == 0:\n"
        "                os.setsid()\n                time.sleep(99)\n        except OSError: pass\n"
        "    while True: pass"
    ),
    "atexit": "import atexit\n@atexit.register\ndef f():\n    while True: pass\ndef double(x):\n    while True: pass",
}


@pytest.mark.skipif(not LINUX, reason="looks for processes in /proc, which this system has not got")
@pytest.mark.parametrize("name", BOMBS)
def test_nothing_that_it_starts_is_left(nursery: Nursery, tmp_path: Path, name: str) -> None:
    assert right(answers(nursery, tmp_path / "first.py", RIGHT))
    before = sorted(descendants(os.getpid()))
    outcomes = answers(nursery, tmp_path / "my_work.py", BOMBS[name])
    assert outcomes[0].stopped == "time"
    assert sorted(descendants(os.getpid())) == before
    assert right(answers(nursery, tmp_path / "next.py", RIGHT))


def test_atexit_of_a_right_answer_is_not_waited_for(nursery: Nursery, tmp_path: Path) -> None:
    text = "import atexit\n@atexit.register\ndef f():\n    while True: pass\n" + RIGHT
    assert right(answers(nursery, tmp_path / "my_work.py", text))


def test_a_socket_that_listens_is_not_reached(nursery: Nursery, walls: dict[str, str], tmp_path: Path) -> None:
    needs(walls, "network", "seccomp")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        attack = f"import socket; socket.create_connection({server.getsockname()!r}, 1)"
        outcomes = answers(nursery, tmp_path / "my_work.py", TRIED.format(attack=attack))
        assert outcomes[0].value[0] == "PermissionError"
        with pytest.raises(BlockingIOError):
            server.accept()


PATCHES = {
    "NumPy": "import numpy as np\nnp.allclose = np.array_equal = np.isclose = lambda *a, **k: True\n"
    "np.ndarray = list\nnp.asarray = np.array = lambda *a, **k: 0\n",
    "builtins": "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.all = lambda *a: True\n"
    "builtins.len = lambda x: 0\nbuiltins.type = lambda x: int\nbuiltins.repr = lambda x: 'right'\n",
    "pytest": "import sys\nsys.modules['pytest'] = sys\nsys.modules['hypothesis'] = sys\n",
    "the sandbox": "import sys, gc\nfor m in list(sys.modules.values()):\n"
    "    for n in ('encode', 'same', 'judge'):\n        if hasattr(m, n):\n"
    "            try: setattr(m, n, lambda *a, **k: b'N')\n            except Exception: pass\n",
    "struct": "import struct\nstruct.pack = struct.Struct = None\n",
    "os": "import os\nos.read = os.write = os._exit = None\n",
    "sys.modules": "import sys\nsys.modules.clear()\n",
}


@pytest.mark.parametrize("what", PATCHES)
def test_what_it_patches_makes_no_wrong_answer_right(nursery: Nursery, tmp_path: Path, what: str) -> None:
    wrong = "def double(x):\n    return 3 * x\n"
    outcomes = answers(nursery, tmp_path / "my_work.py", PATCHES[what] + wrong)
    assert not right(outcomes)
    assert all(each.value != 2 * n for n, each in enumerate(outcomes, 1))
    assert right(answers(nursery, tmp_path / "next.py", RIGHT))
    assert np.allclose([1.0], [2.0]) is False


LIARS = {
    "__class__": "class L:\n    __class__ = int\n    def __int__(self): return 2\n    __index__ = __int__\n",
    "__eq__": "class L:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
    "    __hash__ = None\n",
    "__repr__": "class L:\n    def __repr__(self): return '2'\n",
    "a __repr__ that raises": "class L:\n    def __repr__(self): raise SystemExit\n",
    "a __repr__ that is a liar": "class S(str):\n    def __len__(self): return 0\n    def __getitem__(self, i): 1 / 0\n"
    "class L:\n    def __repr__(self): return S('2' * 10**6)\n",
    "__reduce__": "import os\nclass L:\n    def __reduce__(self): return os._exit, (0,)\n",
    "a metaclass": "class M(type):\n    __mro__ = (int,)\n    __name__ = 7\n    def mro(cls): return [cls, object]\n"
    "class L(metaclass=M):\n    pass\n",
    "__array__": "import numpy as np\nclass L:\n    def __array__(self, *a, **k): return np.array(2)\n",
    "__iter__": "class L:\n    def __len__(self): return 1\n    def __getitem__(self, i): return 2\n",
}


@pytest.mark.parametrize("how", LIARS)
def test_an_object_that_lies_is_no_value(nursery: Nursery, tmp_path: Path, how: str) -> None:
    outcomes = answers(nursery, tmp_path / "my_work.py", LIARS[how] + "def double(x):\n    return L()\n")
    value = outcomes[0].value
    assert isinstance(value, Opaque)
    assert value != 2
    assert type(value).__name__ in ("L", "object")
    assert len(value.shown) <= 200
    assert outcomes[0].show()


def test_a_number_that_lies_is_its_number(nursery: Nursery, tmp_path: Path) -> None:
    text = "class I(int):\n    def __eq__(self, other): return True\n    __hash__ = None\n"
    text += "    def __index__(self): return 2\n"
    text += "    def to_bytes(self, *a, **k): return b'2'\n    def bit_length(self): return 2\n"
    outcomes = answers(nursery, tmp_path / "my_work.py", text + "def double(x):\n    return I(7)\n")
    assert [(type(each.value), each.value) for each in outcomes] == [(int, 7)] * 5


FORGED = """
import os, struct
def double(x):
    for fd in range(3, 64):
        try: os.write(fd, {bytes})
        except OSError: pass
    return 3 * x
"""


@pytest.mark.parametrize(
    "forged",
    [
        "struct.pack('<Q', 22) + bytes(16) + b't\\3\\0\\0\\0s\\5\\0\\0\\0valuei\\1\\0\\0\\0\\2N'",
        "struct.pack('<Q', 1 << 60) + bytes(16)",
        "b'x'",
        "b'\\xff' * 100",
        "bytes(1 << 20)",
    ],
)
def test_an_answer_that_it_writes_by_itself_does_not_count(nursery: Nursery, tmp_path: Path, forged: str) -> None:
    outcomes = answers(nursery, tmp_path / "my_work.py", FORGED.replace("{bytes}", forged))
    assert outcomes[0].stopped == "exit"
    assert "line" in outcomes[0].detail
    assert all(each == outcomes[0] for each in outcomes)


def test_an_answer_that_was_dug_up_is_a_value_like_any_other(nursery: Nursery, tmp_path: Path) -> None:
    """With the question's own number, a value can be sent early: what could as well have been returned."""
    text = """
    import os, struct, sys
    def double(x):
        frame = sys._getframe()
        while "head" not in frame.f_locals:
            frame = frame.f_back
        body = b't\\x03\\x00\\x00\\x00s\\x05\\x00\\x00\\x00valuei\\x01\\x00\\x00\\x00\\x63N'
        os.write(frame.f_back.f_locals["data"], struct.pack("<Q", len(body)) + frame.f_locals["head"][8:] + body)
        return 2 * x
    """
    outcomes = answers(nursery, tmp_path / "my_work.py", textwrap.dedent(text))
    assert not right(outcomes)
    assert outcomes[-1].stopped == "exit"


FORGING = """
import os, struct, sys
from tinylm.ops.op import keep
def text(s): return b"s" + struct.pack("<I", len(s)) + s
def several(tag, *parts): return tag + struct.pack("<I", len(parts)) + b"".join(parts)
def number(n): return b"i" + struct.pack("<I", n.bit_length() // 8 + 1) + n.to_bytes(n.bit_length() // 8 + 1, "little")
def forge(body):
    frame = sys._getframe()
    while "head" not in frame.f_locals:
        frame = frame.f_back
    message = struct.pack("<Q", len(body)) + frame.f_locals["head"][8:] + body
    os.write(frame.f_back.f_locals["data"], message)
    while True: pass
"""
REPLIES = {
    "the line of an error": "several(b't', text(b'error'), several(b'l', text(b'E')), text(b''), "
    "number(10**9999), text(b''))",
    "the kinds of an error": "several(b't', text(b'error'), several(b'l', *[text(b'E' * 9999)] * 99), text(b''), "
    "number(1), text(b'x' * 9999))",
    "the names in a file": "several(b't', text(b'missing'), several(b'l', *[text(b'doubel' * 99)] * 2000))",
    "an array of rows that hold nothing": "several(b't', text(b'value'), "
    "b'a<f8\\x02' + struct.pack('<QQ', 1 << 47, 0), b'N')",
    "what is no reply": "several(b't', several(b'l'))",
}


@pytest.mark.parametrize("where", ["answer", "file"])
@pytest.mark.parametrize("what", REPLIES)
def test_a_forged_reply_is_shown_in_few_letters_and_at_once(
    nursery: Nursery, tmp_path: Path, what: str, where: str
) -> None:
    text = f"{FORGING}\nbody = {REPLIES[what]}\n"
    text += "forge(body)" if where == "file" else "def double(x):\n    forge(body)"
    begun = time.process_time()
    outcomes = answers(nursery, tmp_path / "my_work.py", text)
    assert not right(outcomes)
    assert all(len(each.show()) < 3000 for each in outcomes)
    kinds = [each.error.kinds for each in outcomes if each.error is not None]
    assert all(len(names) <= 21 and max(map(len, names)) <= 100 for names in kinds)  # one more: BrokenFile
    assert time.process_time() - begun < 2


def test_the_line_that_an_error_claims_is_a_line(nursery: Nursery, tmp_path: Path) -> None:
    text = "def double(x):\n    e = SyntaxError('x')\n    e.filename, e.lineno = 'my_work.py', 10**6000\n    raise e\n"
    assert answers(nursery, tmp_path / "my_work.py", text)[0].show() == "SyntaxError: x"


def test_nothing_that_is_shown_differs_from_run_to_run(nursery: Nursery, tmp_path: Path) -> None:
    """Neither the addresses of objects nor what Python and NumPy draw without a seed."""
    text = "import random\nimport numpy as np\ndef double(x):\n    print(object())\n"
    text += "    return [object(), double, random.random(), np.random.rand(2).tolist()] if x else None\n"
    text += "class E(Exception):\n    pass\n"
    shown = []
    for _ in range(2):
        with Nursery(LIMITS) as other:
            (tmp_path / "my_work.py").write_text(text)
            with other.guarded(tmp_path / "my_work.py", DOUBLE) as answer:
                shown.append([each.show() for each in answer.calls(CASES)] + [answer.printed])
    assert shown[0] == shown[1]
    assert "<object object>" in shown[0][0]
    assert "0x" not in "".join(shown[0])


def test_a_message_can_be_written_to_a_file(nursery: Nursery, tmp_path: Path) -> None:
    outcomes = answers(nursery, tmp_path / "my_work.py", "def double(x):\n    raise ValueError('\\ud800')")
    assert outcomes[0].show().encode().startswith(b"ValueError: \\ud800")


def test_a_sleeping_answer_is_ended_by_the_clock_on_the_wall(tmp_path: Path) -> None:
    with Nursery(Limits(seconds=0.1, patience=4)) as short:
        outcomes = answers(short, tmp_path / "my_work.py", "import time\ndef double(x):\n    time.sleep(999)")
        assert outcomes[0].stopped == "time"
        assert "0.4 seconds" in outcomes[0].detail


def test_time_counts_over_all_calls(nursery: Nursery, tmp_path: Path) -> None:
    text = (
        "import time\ndef double(x):\n    end = time.process_time() + 0.07\n    while time.process_time() < end: pass\n"
    )
    outcomes = answers(nursery, tmp_path / "my_work.py", text + "    return 2 * x")
    assert not outcomes[0].stopped
    assert outcomes[0].value == 2
    assert outcomes[-1].stopped == "time"
    assert not LINUX or "computing time" in outcomes[-1].detail


@pytest.mark.skipif(not LINUX, reason="computing time of another process is seen on Linux only")
def test_a_busy_machine_fails_nobody(nursery: Nursery, tmp_path: Path) -> None:
    """Waiting takes no computing time: 0.3 s on the wall are allowed though the limit is 0.2 s."""
    text = "import time\ndef double(x):\n    time.sleep(0.06)\n    return 2 * x"
    assert LIMITS.seconds < 0.3
    assert right(answers(nursery, tmp_path / "my_work.py", text))


def test_two_threads_of_the_parent_may_grade_at_once(nursery: Nursery, tmp_path: Path) -> None:
    found: dict[int, Any] = {}

    def grade(n: int) -> None:
        found[n] = right(answers(nursery, tmp_path / f"{n}.py", RIGHT))

    threads = [threading.Thread(target=grade, args=(n,)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == dict.fromkeys(range(4), True)
