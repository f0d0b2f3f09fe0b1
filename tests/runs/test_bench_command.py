"""`tinylm bench` on a tiny plan: its table, with and without PyTorch, its refusals, and Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinylm.bench import Absent, Figure, Shape, quick
from tinylm.bench.plan import Plan
from tinylm.cli import main

ROOT = Path(__file__).resolve().parents[2]
SHAPE = Shape(n_layer=1, n_head=2, n_embd=8, block_size=16, batch=2, vocab_size=11)
PLAN = Plan(size=16, ops=10, train=(SHAPE,), decode=SHAPE, prompt=4, new=12)
LINES = ("matrix product", "Python", "training", "  share", "  peak memory", "decoding")


def run(capsys, *words: str) -> tuple[int, str, str]:
    try:
        status = main(["bench", *words])
    except SystemExit as left:
        status = left.code
    output = capsys.readouterr()
    return status, output.out, output.err


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr("tinylm.bench.plan.PLAN", PLAN)


@pytest.mark.usefixtures("tiny")
def test_alone_it_measures_everything_and_has_no_ratios(capsys):
    status, out, err = run(capsys, "--alone", "--seconds", "0.1", "--threads", "1", "1")
    assert status == 0
    assert err == "", "nothing but the table where nobody watches"
    first, table = (part.splitlines() for part in out.split("\n\n")[1:])
    assert len(first) == len(table)
    assert table[0].split() == ["1", "thread", "tinylm"]
    assert len(table) == 1 + len(LINES)
    for line, beginning in zip(table[1:], LINES, strict=True):
        assert line.startswith(beginning)
        assert re.search(r" [\d.,e+-]+ (GF/s|µs|tokens/s|%|MB)$", line), line
    assert max(map(len, table)) <= 100


@pytest.mark.torch
@pytest.mark.usefixtures("tiny", "torch_installed")
def test_beside_pytorch_every_line_has_a_ratio(capsys):
    status, out, err = run(capsys, "--seconds", "0.1", "--threads", "2")
    assert status == 0, err
    lines = [line for line in out.splitlines() if line.startswith(LINES)]
    assert len(lines) == len(LINES)
    assert all(re.search(r"\d\.\d\d( <)?$", line) for line in lines)
    assert [line.endswith("<") for line in lines] == [False, True, False, False, True, False]
    assert "\n2 threads " in out
    assert max(map(len, lines)) <= 100


@pytest.mark.usefixtures("tiny")
def test_without_pytorch_it_says_what_to_type_and_measures_ours(capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, out, _ = run(capsys, "--seconds", "0.1")
    assert status == 0
    assert 'pip install "tinylm[peers]"' in out
    assert "tokens/s" in out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--threads", "0"], "--threads must be from 1 to"),
        (["--threads", "1", "9999"], "got 9999"),
        (["--seconds", "0"], "--seconds must be above 0"),
        (["--seconds", "nan"], "--seconds must be above 0"),
        (["--seconds", "inf"], "--seconds must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(capsys, monkeypatch, words, text):
    monkeypatch.setattr("tinylm.cli.bench.quick", lambda *_, **__: iter(()))
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert text in err
    assert err.count("\n") == 1


def test_a_broken_peer_is_told_and_how_to_leave_it_out(capsys, monkeypatch):
    def broken(threads: int, **_: object):
        yield Figure("matrix product", "GF/s", 1.0, 2.0)
        raise Absent("failed: OSError: libtorch")

    monkeypatch.setattr("tinylm.cli.bench.quick", broken)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    status, out, err = run(capsys)
    assert status == 1
    assert "0.50" in out, "what was measured before is shown"
    assert err == "stopped: failed: OSError: libtorch; leave PyTorch out with --alone\n"


@pytest.mark.parametrize(("call", "value"), [("train", 1.0), ("decode", 3)])
def test_a_peer_that_does_other_work_is_not_compared(tmp_path, monkeypatch, call, value):
    peer = tmp_path / "peer.py"  # ours, but for one piece of work
    peer.write_text(
        "import itertools, runpy\n"
        "from tinylm.bench import OURS\n"
        "def contender(settings):\n"
        "    calls = runpy.run_path(str(OURS))['contender'](settings)\n"
        f"    return calls | {{{call!r}: lambda: itertools.repeat({value})}}\n"
    )
    monkeypatch.setattr("tinylm.bench.plan.TORCH", peer)
    with pytest.raises(Absent, match="the times mean nothing"):
        list(quick(1, seconds=0.1, plan=PLAN))


def test_ctrl_c_ends_it_and_its_contenders():
    command = [sys.executable, "-m", "tinylm", "bench", "--alone", "--seconds", "60"]
    program = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(4)]
        assert lines[3].startswith("matrix product")
        time.sleep(0.5)
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, err = program.communicate(timeout=20)
    finally:
        program.kill()
    assert program.returncode == 130
    assert err == "\ninterrupted\n"
    with pytest.raises(ProcessLookupError):
        os.killpg(program.pid, 0)
