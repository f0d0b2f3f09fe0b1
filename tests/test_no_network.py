"""Nothing looks up a name or opens a connection: every command runs where Python's own audit events would tell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = "the quick brown fox jumps over the lazy dog, and the lazy dog sleeps on. " * 40

# Put before everything else into every Python that is started, by the name that Python looks for. Sockets inside of
# the machine (pairs, and those with a path) carry what the sandbox of the grader says; all others are refused.
HOOK = """
import os, sys

WORDS = ("socket.connect", "socket.sendto", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname",
         "socket.gethostbyaddr", "urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect",
         "imaplib.open", "webbrowser.open")

def hook(event, arguments):
    if event not in WORDS:
        return
    local = hasattr(arguments[0], "family") and arguments[0].family.name == "AF_UNIX"
    place = os.environ["NETWORK_LOG"]
    with open(place, "a") as log:
        log.write(f"{'local' if local else 'network'} {event} {arguments[1:]!r} {sys.argv}\\n")
    if not local:
        raise PermissionError(f"{event} in a test of what needs no network")

sys.addaudithook(hook)
"""

IMPORT_ALL = """
import importlib, pkgutil, tinylm, tokenizer
absent = []
for package in (tinylm, tokenizer):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name.rpartition(".")[2] in ("__main__", "torch_peer"):
            continue
        try:
            importlib.import_module(module.name)
        except ImportError as problem:
            absent.append(f"{module.name}: {problem}")
print(absent)
"""

SMALL = (
    "--vocab-size 270 --n-layer 1 --n-head 2 --n-embd 8 --block-size 32 --batch-size 2 --steps 3 --eval-every 2 "
    "--sample-every 2 --eval-tokens 32"
).split()

COMMANDS = [
    ["train", "a.txt", "--out", "run", *SMALL],
    ["train", "--resume", "run", "--steps", "4"],
    ["sample", "run", "--max-new-tokens", "5", "--seed", "1"],
    ["eval", "run", "a.txt"],
    ["explore", "run", "--prompt", "the", "-o", "page.html"],
    ["step", "run", "the"],
    ["chat", "run", "--prompt", "the fox", "--max-new-tokens", "3"],
    ["export", "run", "--to", "hf"],
    ["sample", "run-hf", "--max-new-tokens", "3"],
    [
        "train",
        "a.txt",
        "--init-from",
        "run-hf",
        "--lora-rank",
        "1",
        "--out",
        "tuned",
        "--steps",
        "1",
        "--eval-tokens",
        "32",
        "--sample-every",
        "0",
    ],
    ["doctor"],
    ["stub", "softmax"],
    ["grade", "work.py"],
]

RUN_ALL = """
from tinylm.cli import main
for command in commands:
    print("status", main(command), flush=True)
"""


class Watched:
    """A folder in which commands run, each with the hook inside."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / "log"
        (folder / "hook").mkdir()
        (folder / "hook" / "sitecustomize.py").write_text(HOOK)

    def run(self, *arguments: object, status: tuple[int, ...] = (0,)) -> str:
        path = os.pathsep.join([str(self.folder / "hook"), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": path, "NETWORK_LOG": str(self.log), "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode in status, done.stderr[-2000:]
        return done.stdout

    def events(self) -> list[str]:
        """What reached for the network."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if not line.startswith("local ")]


@pytest.fixture
def watched(tmp_path) -> Watched:
    (tmp_path / "a.txt").write_text(TEXT)
    return Watched(tmp_path)


@pytest.mark.parametrize(
    "program",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9), 1)",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "import urllib.request; urllib.request.urlopen('http://localhost:9/')",
    ],
)
def test_what_opens_a_connection_would_be_seen(program, watched):
    watched.run("-c", program, status=(1,))
    assert watched.events()


def test_importing_everything_opens_no_connection(watched):
    watched.run("-c", IMPORT_ALL)
    assert watched.events() == []


def test_no_command_opens_a_connection(watched):
    stub = "def softmax(xp, x, *, axis=-1):\n    raise NotImplementedError\n"
    (watched.folder / "work.py").write_text(stub)
    said = watched.run("-c", f"commands = {COMMANDS!r}\n{RUN_ALL}")
    assert said.count("status 0") == len(COMMANDS) - 1, said
    assert said.count("status 1") == 1, "the exercise is not solved"
    assert (watched.folder / "page.html").stat().st_size > 1000
    watched.run("-m", "tokenizer", "train", "a.txt", "--vocab-size", 270, "-o", "t.json", "--workers", 2)
    assert watched.events() == []
