"""`tinylm chat` as a person meets it: in a terminal with Ctrl-C, in a pipe, and with one question."""

import contextlib
import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import tinylm
from tests.templates.families import GEMMA
from tinylm import GPT, GPTConfig
from tinylm.cli import main
from tokenizer import CharTokenizer

CHARACTERS = CharTokenizer("abcdefghijklmnopqrstuvwxyzUA:. \n<|_>?!/0123456789,'SY")


@pytest.fixture(scope="module")
def model():
    return GPT(GPTConfig(CHARACTERS.vocab_size, 300, n_layer=1, n_head=2, n_embd=16, position="rope"), seed=1)


@pytest.fixture
def loads(model, monkeypatch):
    """What the command's model is made to be."""

    def set_(template=None, notes=(), model=model):
        loaded = SimpleNamespace(
            model=model, tokenizer=CHARACTERS, start=[0], stops=(), chat_template=template, bos_token=None,
            eos_token=None, notes=notes, kind="run",
        )  # fmt: skip
        monkeypatch.setattr("tinylm.formats.load_model", lambda path, **settings: loaded)

    return set_


@pytest.fixture
def chat(loads, monkeypatch, capsys):
    """Status, output and errors of one command; `typed` is what comes through the pipe."""
    loads()

    def run(*flags, typed=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status = main(["chat", "a model", "--max-new-tokens", "9", "--seed", "1", *map(str, flags)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_one_question_is_answered_and_the_program_leaves(chat):
    status, out, err = chat("--prompt", "who?")
    assert status == 0
    assert 1 < len(out) <= 10
    assert out.endswith("\n")
    assert "no chat template" in err
    assert "cut after 9 tokens; --max-new-tokens allows more" in err
    assert chat("--prompt", "who?")[1] == out, "the seed gives the same answer"
    assert chat("--prompt", "who?", "--plain")[2].count("template") == 0, "whoever asks for it need not be told"


def test_several_questions_are_one_conversation(chat):
    _, out, _ = chat("--prompt", "who?", "--prompt", "what?", "--json")
    first, second = map(json.loads, out.splitlines())
    assert (first["question"], second["question"]) == ("who?", "what?")
    assert second["prompt_tokens"] > first["prompt_tokens"] + first["answer_tokens"]
    assert first["ended"] == "length"
    assert set(first) == {"question", "answer", "ended", "notice", "prompt_tokens", "answer_tokens"}
    assert chat("--prompt", "who?")[1].rstrip("\n") == first["answer"].rstrip("\n")


def test_a_pipe_is_answered_line_by_line_without_a_prompt(chat):
    _, alone, _ = chat("--prompt", "who?", "--prompt", "what?")
    status, out, _ = chat(typed="who?\n\nwhat?\n")
    assert status == 0
    assert out == alone


def test_commands_work_in_a_pipe_too(chat):
    status, out, err = chat(typed="/system be brief\none\n/history\n/reset\n/history\n/nonsense\n/help\n/quit\nnever\n")
    assert status == 0
    assert out.count("system: be brief\n") == 2
    assert "user: one\nassistant: " in out
    assert out.count("user: ") == 1, "what came after /reset, and after /quit, was not said"
    assert "(the model is told: be brief)" in err
    assert "/nonsense is no command; /help lists them" in err
    assert "/regenerate" in out, "the list of /help"


def test_two_slashes_begin_a_message_with_one(chat):
    assert "user: /quit" in chat(typed="//quit\n/history\n")[1]


def test_regenerate_answers_again(chat):
    status, out, _ = chat("--json", "--temperature", 2, typed="who?\n/regenerate\n")
    first, second = map(json.loads, out.splitlines())
    assert status == 0
    assert first["question"] == second["question"] == "who?"
    assert first["answer"] != second["answer"]
    assert chat(typed="/regenerate\n")[0] == 2


def test_what_cannot_be_answered_is_said_and_the_next_line_goes_on(chat):
    status, out, err = chat("--json", typed="é\nwho?\n" + "a" * 400 + "\n")
    assert status == 2
    assert json.loads(out)["question"] == "who?"
    errors = [line for line in err.splitlines() if line.startswith("tinylm: error: ")]
    assert "the character 'é'" in errors[0]
    assert re.search(r"the message has 4\d\d tokens .* the model's context is 300; shorten it", errors[1])


def test_a_conversation_that_outgrows_the_context_says_so(chat):
    _, _, err = chat(typed=("a" * 60 + "\n") * 6)
    assert "the conversation outgrew the model's context of 300 tokens" in err
    assert (
        chat("--prompt", "a" * 280, "--max-new-tokens", 100)[2].count("the model's context of 300 tokens is full") == 1
    )


def test_notes_and_refusals_of_the_model_are_told(loads, chat):
    loads(GEMMA, notes=("something that must be known",))
    status, _, err = chat("--prompt", "hi", "--system", "told")
    assert status == 2
    assert "tinylm: note: something that must be known" in err
    assert "tinylm: error: chat template, line 1: the template says: System role not supported" in err
    loads("{{ messages | nonsense }}")
    status, _, err = chat("--prompt", "hi")
    assert status == 2
    problem = "chat template, line 1: the filter 'nonsense' is not supported"
    assert err == f"tinylm: error: {problem}; --plain does without the template\n"
    assert chat("--prompt", "hi", "--plain")[0] == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [(["--temperature", "-1"], "temperature must be"), (["--max-new-tokens", "0"], "max_new_tokens must be 1 or more"),
     (["--seed", "-1"], "--seed must be 0 or more"), (["--stop", ""], "a stop string must be a text")],
)  # fmt: skip
def test_wrong_flags_give_one_line(chat, flags, words):
    status, out, err = chat("--prompt", "hi", *flags)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"tinylm: error: .*{re.escape(words)}.*\n", err)


def test_ctrl_c_stops_a_program_without_a_terminal(chat, monkeypatch):
    def interrupted(self, text):
        yield "some"
        raise KeyboardInterrupt

    monkeypatch.setattr("tinylm.chat.Chat.say", interrupted)
    status, out, err = chat("--prompt", "hi")
    assert (status, out) == (130, "some\n")
    assert "interrupted" in err


# -- in a terminal -------------------------------------------------------------------------------------------


class Terminal:
    """A program at the other end of a pseudo-terminal."""

    def __init__(self, *command):
        pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "PYTHONPATH": os.pathsep.join(sys.path), "NO_COLOR": "1"}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
            preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(theirs)
        self.ours, self.seen, self.read = ours, "", 0

    def until(self, words: str, more: int = 0, seconds: float = 60.0) -> str:
        """What is shown from here on up to these words, and so many characters more."""
        end = time.monotonic() + seconds
        while (place := self.seen.find(words, self.read)) < 0 or len(self.seen) < place + len(words) + more:
            assert time.monotonic() < end, self.seen[-2000:]
            if select.select([self.ours], [], [], 0.1)[0]:
                self.seen += os.read(self.ours, 65536).decode(errors="replace").replace("\r\n", "\n")
        start, self.read = self.read, place + len(words)
        return self.seen[start : self.read]

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def shows(self, words: str) -> bool:
        """Whether these words come within a second."""
        try:
            self.until(words, seconds=1.0)
        except AssertionError:
            return False
        return True

    def close(self, text: str) -> int:
        """The status of a program that leaves when this is typed, once more where a Ctrl-C took the line away."""
        for _ in range(30):
            self.type(text)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
                break
        os.close(self.ours)
        return self.process.returncode


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C typed there becomes SIGINT here


@pytest.fixture
def terminal(tmp_path):
    """`tinylm chat` in a terminal, with a model that has much to say."""
    shape = {"n_layer": 1, "n_head": 1, "n_embd": 8, "position": "rope"}
    tinylm.save(tmp_path / "run", GPT(GPTConfig(CHARACTERS.vocab_size, 60_000, **shape)), CHARACTERS)
    flags = ["--max-new-tokens", "50000", "--temperature", "3", "--top-p", "1", "--seed", "1"]
    made = Terminal(sys.executable, "-m", "tinylm", "chat", str(tmp_path / "run"), *flags)
    yield made
    if made.process.poll() is None:
        made.process.send_signal(signal.SIGKILL)
        made.process.wait(30)


def test_ctrl_c_stops_the_answer_and_not_the_program(terminal):
    start = terminal.until("> ")
    assert "no chat template" in start
    assert "/help lists what can be typed" in start
    terminal.type("who?\n")
    terminal.until("who?\n", more=200)  # the answer is being shown
    terminal.type("\x03")
    shown = terminal.until("(stopped; what was shown stays in the conversation)")
    assert "Traceback" not in shown
    terminal.until("> ")
    for _ in range(30):  # a signal that comes while readline makes ready is seen with the next key
        terminal.type("\x03")
        if terminal.shows("(to leave type /quit or Ctrl-D)"):
            break
    terminal.until("> ")
    terminal.type("/history\n")
    terminal.until("user: who?")
    terminal.until("assistant: ")
    terminal.type("one \\\n")
    terminal.until(". ")
    terminal.type("two\n")
    terminal.until("two\n", more=50)
    terminal.type("\x03\x03")  # twice in a hurry
    terminal.until("(stopped;")
    terminal.until("> ")
    assert terminal.close("/quit\n") == 0
    assert "Traceback" not in terminal.seen


def test_ctrl_d_leaves(terminal):
    terminal.until("> ")
    assert terminal.close("\x04") == 0
