"""`tinylm step`: in a pipe the table, in a terminal the player, driven here through a pseudo-terminal."""

import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest

import tinylm
from tests.runs.small_run import SHAPE, TEXT
from tinylm.cli import main
from tinylm.prepare import new_model, new_tokenizer

pty = pytest.importorskip("pty", reason="pseudo-terminals are for POSIX")
termios = pytest.importorskip("termios", reason="pseudo-terminals are for POSIX")

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
PLACED = re.compile(r"\x1b\[(\d+);1H")
# the process makes it its own terminal first, so that Ctrl-C reaches it
OWN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
STYLED = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder, tokenizer = tmp_path_factory.mktemp("saved") / "run", new_tokenizer([TEXT], vocab_size=280)
    tinylm.save(folder, new_model({**SHAPE, "dropout": 0.0}, tokenizer, 3), tokenizer)
    return folder


class Terminal:
    """The command in a terminal of its own: what it wrote, and what stands on the screen."""

    def __init__(self, *arguments, columns=90, lines=28, **environment):
        self.ours, self.theirs = pty.openpty()
        termios.tcsetwinsize(self.theirs, (lines, columns))
        self.before = termios.tcgetattr(self.theirs)
        self.written = ""
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
        command = [sys.executable, "-c", OWN, sys.executable, "-m", "tinylm", "step", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=self.theirs, stdout=self.theirs,
            stderr=self.theirs, env={**clean, "TERM": "xterm", **environment}, start_new_session=True,
        )  # fmt: skip

    def read(self, until, seconds=30):
        """Wait for words, on the screen or among all that was written."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if re.search(until, self.screen() if self.written.count(ENTER) else self.written):
                return
            if select.select([self.ours], [], [], 0.1)[0]:
                try:
                    self.written += os.read(self.ours, 65536).decode("utf-8", "replace")
                except OSError:  # nobody writes any more
                    break
        assert re.search(until, self.screen() or self.written), f"no {until!r} in\n{self.screen() or self.written}"

    def screen(self):
        """The last whole screen, without styles."""
        last = self.written.rpartition("\x1b[1;1H")[2].partition("\x1b[J")[0]
        return STYLED.sub("", PLACED.sub("\n", last)).replace("\x1b[K", "") if ENTER in self.written else ""

    def press(self, keys, until):
        os.write(self.ours, keys.encode())
        self.read(until)

    def end(self, seconds=30):
        """Wait for its end; the exit status. The terminal has to be as it was."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self.ours], [], [], 0.05)[0]:
                self.written += os.read(self.ours, 65536).decode("utf-8", "replace")
        while select.select([self.ours], [], [], 0.05)[0]:
            self.written += os.read(self.ours, 65536).decode("utf-8", "replace")
        assert termios.tcgetattr(self.theirs) == self.before
        assert self.written.count(ENTER) == self.written.count(LEAVE)
        return self.process.wait(1)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def terminal():
    opened = []

    def start(*arguments, **settings):
        opened.append(Terminal(*arguments, **settings))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_a_person_steps_on_and_back_and_jumps_and_leaves(saved, terminal):
    it = terminal(saved, "the dog", "--steps", 2)
    it.read(r"step 0 \(1 of \d+\)")
    it.press("n", r"step 1 \(2 of")
    it.press("\x1b[C", r"step 2 \(3 of")
    it.press(" ", r"step 3 \(4 of")
    it.press("\x1b[D", r"step 2 \(3 of")
    it.press("p", r"step 1 \(2 of")
    it.press("gh.1.attn\r", r"h\.1\.attn: split_heads")
    it.press("/causal_attention\r", r"(?s)h\.1\.attn: causal_attention.*Attention in which a position sees itself")
    it.press("\t\t", r"▸ in +k")
    it.press("v", r"in q|in k|in v|in ")
    it.press("q", "before")
    it.press("gchoice\r", r"token \d+: .*drawn by")
    it.press("w", "u · Σ p")
    it.press("q", "the likeliest|logit")
    it.press("t", r"▸ +\d+  choice")
    it.press("q", "logit")
    it.press("gnowhere\r", "no step 'nowhere'")
    it.press("h", "the step before")
    it.press("\x1b", "logit")  # the key Esc alone
    os.write(it.ours, b"q")
    assert it.end() == 0


def test_the_attention_table_has_the_tokens_on_both_sides(saved, terminal):
    it = terminal(saved, "the dog")
    it.read(r"step 0 \(1 of")
    it.press("gcausal_attention\r", "▸ out +y")
    it.press("\x1b[A", r"▸ kept +p")
    it.press("v", r"(?s)kept p \(B, H, T, S\).*\n +the.*\n 0 the +1 ")


def test_ctrl_c_gives_the_terminal_back(saved, terminal):
    it = terminal(saved, "the dog")
    it.read(r"step 0 \(1 of")
    os.write(it.ours, b"\x03")
    assert it.end() == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_gives_the_terminal_back(saved, terminal, number):
    it = terminal(saved, "the dog")
    it.read(r"step 0 \(1 of")
    it.process.send_signal(number)
    assert it.end() == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]


def test_an_error_gives_the_terminal_back(saved, terminal, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import tinylm.tracing.playing as p\ndef broken(*a): raise RuntimeError('broken')\np.table_lines = broken\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")]), *sys.path[:1]])
    it = terminal(saved, "the dog", PYTHONPATH=os.pathsep.join([path, str(os.getcwd())]))
    it.read(r"step 0 \(1 of")
    os.write(it.ours, b"t")
    assert it.end() == 1
    assert "RuntimeError: broken" in it.written.rpartition(LEAVE)[2]


def test_a_window_that_shrinks_is_painted_anew(saved, terminal):
    it = terminal(saved, "the dog")
    it.read(r"step 0 \(1 of")
    termios.tcsetwinsize(it.theirs, (12, 44))
    it.written += "resized"
    end = time.monotonic() + 10
    while time.monotonic() < end and "\x1b[12;1H" not in it.written.rpartition("resized")[2]:
        if select.select([it.ours], [], [], 0.1)[0]:
            it.written += os.read(it.ours, 65536).decode("utf-8", "replace")
    it.read("q quit")
    lines = it.screen().splitlines()
    assert len(lines) == 12
    assert max(map(len, lines)) <= 44


def test_no_color_is_honoured(saved, terminal):
    for environment, colours in (({"NO_COLOR": "1"}, False), ({}, True)):
        it = terminal(saved, "the dog", **environment)
        it.read(r"step 0 \(1 of")
        it.press("gcausal_attention\r", "▸ out")
        it.press("v", "out y")
        found = re.findall(r"\x1b\[([0-9;]+)m", it.written)
        assert any(re.match(r"3\d|38;5", numbers) for numbers in found) == colours
        os.write(it.ours, b"qq")
        assert it.end() == 0


def test_a_dumb_terminal_is_played_by_lines(saved, terminal):
    it = terminal(saved, "the dog", TERM="dumb")
    it.read(r"step 0 \(1 of[^>]*> ")
    os.write(it.ours, b"g causal_attention\n")
    it.read("Attention in which")
    os.write(it.ours, b"q\n")
    assert it.end() == 0
    assert "\x1b" not in it.written


# -- in a pipe -------------------------------------------------------------------------------------------


def test_in_a_pipe_it_is_the_table_of_all_steps(saved, capsys):
    assert main(["step", str(saved), "the dog", "--steps", "2"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["step", "kind", "what"]
    assert [int(line.split()[0]) for line in lines[1:]] == list(range(len(lines) - 1))
    kinds = [line.split()[1] for line in lines[1:]]
    assert kinds.count("choice") == 2
    assert kinds[0] == "encode"
    assert "\x1b" not in out


def test_a_training_step_has_backward_clipping_and_updates(saved, capsys):
    assert main(["step", str(saved), "the quick brown", "--train", "--kernels", "fast"]) == 0
    kinds = {line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]}
    assert kinds == {"encode", "forward", "backward", "clip", "update"}


def test_the_same_seed_gives_the_same_choices_as_tinylm_sample(saved, capsys):
    assert main(["step", str(saved), "the dog", "--steps", "3", "--seed", "5", "--top-k", "9"]) == 0
    chosen = re.findall(r"token \d+: '(.*)' \(id", capsys.readouterr().out)
    sampled = ["sample", str(saved), "--prompt", "the dog", "--max-new-tokens", "3", "--seed", "5", "--top-k", "9"]
    assert main(sampled) == 0
    text = capsys.readouterr().out.removeprefix("the dog").removesuffix("\n")
    shown = "".join(chosen).replace("␣", " ")
    assert shown == text or "\\x" in shown


def test_a_trace_is_saved_and_loaded(saved, tmp_path, capsys):
    file = tmp_path / "a.trace"
    assert main(["step", str(saved), "the dog", "--save", str(file)]) == 0
    first = capsys.readouterr()
    assert "written" in first.err
    assert main(["step", "--load", str(file)]) == 0
    assert capsys.readouterr().out == first.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which run? as in: tinylm step run"),
        (["{saved}", "--steps", "0"], "--steps must be 1 or more"),
        (["{saved}", "--seed", "-1"], "--seed must be 0 or more"),
        (["{saved}", "a", "--train"], "--train needs at least 2 tokens"),
        (["{saved}", "the dog", "--train", "--steps", "2"], "--train and --steps do not go together"),
        (["{saved}", "the dog", "--train", "--top-k", "2"], "--train and --top-k do not go together"),
        (["{saved}", "the dog", "--temperature", "-1"], "temperature"),
        (["{saved}", "--load", "a.trace"], "--load shows a.trace; leave out"),
        (["--load", "a.trace", "--train"], "--load and --train do not go together"),
        (["--load", "{saved}/config.json"], "config.json"),
        (["--load", "{saved}/model.safetensors"], "not a trace"),
        (["no such folder"], "no such folder"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(saved, capsys, arguments, message):
    assert main(["step", *(part.replace("{saved}", str(saved)) for part in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("tinylm: error: ")
    assert error.count("\n") == 1


def test_the_help_names_the_keys_and_examples(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["step", "--help"])
    out = capsys.readouterr().out
    assert "the next step" in out
    assert "tinylm step run" in out
