"""`tinylm chat`: talk with a model; its answers come as they are made."""

import argparse
import contextlib
import io
import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from tinylm.chat import Chat
from tinylm.cli.errors import UsageError, bad_input
from tinylm.templates import TemplateError

__all__ = ["add"]

EPILOG = """examples:
  tinylm chat SmolLM2.gguf
  tinylm chat SmolLM2.gguf --prompt "What is a tensor?" --temperature 0
  tinylm chat SmolLM2.gguf --system "Answer in one sentence." --seed 1
  tinylm chat SmolLM2.gguf < questions.txt          one question or command a line
  tinylm chat run --plain                           without the template of the model's file"""

HELP = """/reset           forget all that was said
/system TEXT     what the model is told before everything; without TEXT: show it
/history         all that was said
/regenerate      answer the last question anew
/help            this list
/quit, Ctrl-D    leave
Ctrl-C stops an answer. A line that ends in \\ goes on in the next one; // begins a message that begins with /."""

NO_TEMPLATE = (
    "this model has no chat template: it was trained to go on with texts, not to answer. The conversation is spelled "
    "in lines of User: and Assistant:; `tinylm sample` lets it write instead"
)

STOPPED = {
    "prompt": "to leave type /quit or Ctrl-D",
    "answer": "stopped; what was shown stays in the conversation",
}


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "chat",
        help="talk with a model",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("model", metavar="MODEL", help="a run folder, a Hugging Face folder, a .gguf file, ...")
    command.add_argument(
        "--prompt", action="append", metavar="TEXT", help="ask this, answer and leave; several times: one after another"
    )
    command.add_argument("--system", metavar="TEXT", help="what the model is told before everything")
    command.add_argument("--plain", action="store_true", help="User: and Assistant: lines in place of the template")
    command.add_argument("--max-new-tokens", type=int, default=512, metavar="N", help="of one answer (default 512)")
    command.add_argument("--temperature", type=float, default=0.7, metavar="X", help="0 is greedy (default 0.7)")
    command.add_argument("--top-k", type=int, metavar="K", help="choose among the K most likely tokens")
    command.add_argument(
        "--top-p", type=float, default=0.9, metavar="P", help="among the fewest that have P together (default 0.9)"
    )
    command.add_argument("--min-p", type=float, metavar="P", help="leave out what has less than P times the largest")
    command.add_argument("--repetition-penalty", type=float, default=1.0, metavar="X", help="1 changes nothing")
    command.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end an answer before this text")
    command.add_argument("--seed", type=int, metavar="N", help="the same number gives the same answers")
    command.add_argument("--json", action="store_true", help="one JSON object for each answer, when it is whole")
    command.add_argument(
        "--keep-quantised", action="store_true", help="leave a GGUF file's matrices in it: less memory, slower"
    )
    command.add_argument("--device", choices=("numpy", "cupy"), help="where to run (default: TINYLM_DEVICE or numpy)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from tinylm.formats import load_model

    if arguments.seed is not None and arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {arguments.seed}")
    for name in ("stdin", "stdout"):
        file = getattr(sys, name)
        if isinstance(file, io.TextIOWrapper):  # not so in a notebook
            file.reconfigure(errors="replace")
    loaded = load_model(arguments.model, device=arguments.device, keep_quantised=arguments.keep_quantised)
    template = None if arguments.plain else loaded.chat_template
    with bad_input():
        chat = _chat(arguments, loaded, template)
    for note in loaded.notes:
        print(f"tinylm: note: {note}", file=sys.stderr)
    if template is None and not arguments.plain:
        _note(NO_TEMPLATE)
    if arguments.prompt:
        return _answer_all(chat, arguments.prompt, as_json=arguments.json)
    if sys.stdin.isatty():
        _talk(chat, as_json=arguments.json)
        return 0
    return _answer_all(chat, (line.rstrip("\r\n") for line in sys.stdin), commands=True, as_json=arguments.json)


def _chat(arguments: argparse.Namespace, loaded: Any, template: str | None) -> Chat:
    """The conversation with a loaded model under these flags."""
    try:
        return Chat(
            loaded.model,
            loaded.tokenizer,
            template=template,
            start=loaded.start,
            stops=loaded.stops,
            bos_token=loaded.bos_token,
            eos_token=loaded.eos_token,
            system=arguments.system,
            max_new_tokens=arguments.max_new_tokens,
            stop_strings=arguments.stop,
            seed=arguments.seed,
            temperature=arguments.temperature,
            top_k=arguments.top_k,
            top_p=arguments.top_p,
            min_p=arguments.min_p,
            repetition_penalty=arguments.repetition_penalty,
        )
    except TemplateError as problem:
        raise UsageError(f"{problem}; --plain does without the template") from None


def _note(text: str) -> None:
    print(f"({text})", file=sys.stderr, flush=True)


# -- lines and answers ----------------------------------------------------------------------------------------


def _answer_all(chat: Chat, lines: Iterable[str], *, as_json: bool, commands: bool = False) -> int:
    """Answer each line, or obey it; the status is 2 where one could not be answered."""
    status = 0
    for line in lines:
        try:
            if commands:
                if not _obey(chat, line, as_json=as_json):
                    break
            else:
                _show(chat, chat.say(line), as_json=as_json)
        except ValueError as problem:
            print(f"tinylm: error: {problem}", file=sys.stderr, flush=True)
            status = 2
    return status


def _obey(chat: Chat, line: str, *, as_json: bool) -> bool:
    """Answer a line, or do what it commands; False for the command to leave."""
    if line.startswith("/") and not line.startswith("//"):
        word, _, rest = line[1:].partition(" ")
        if word in ("quit", "exit"):
            return False
        _command(chat, word, rest.strip(), as_json=as_json)
    elif line.strip():
        _show(chat, chat.say(line[1:] if line.startswith("//") else line), as_json=as_json)
    return True


def _show(chat: Chat, answer: Iterator[str], *, as_json: bool) -> None:
    """Show an answer while it is made; what must be told of it goes to standard error."""
    if chat.notice:
        _note(chat.notice)
    try:
        for piece in answer:
            if not as_json:
                _write(piece)
    finally:
        if not as_json:
            _write("\n")
    if as_json:
        question, said = (message["content"] for message in chat.messages[-2:])
        document = {"question": question, "answer": said, "ended": chat.ended, "notice": chat.notice,
                    "prompt_tokens": chat.prompt_tokens, "answer_tokens": chat.answer_tokens}  # fmt: skip
        _write(json.dumps(document, ensure_ascii=False) + "\n")
    elif chat.ended == "length":
        _note(f"cut after {chat.answer_tokens} tokens; --max-new-tokens allows more")
    if chat.ended == "context":
        _note(f"cut: the model's context of {chat.model.config.block_size} tokens is full")


def _write(text: str) -> None:
    if sys.stdout.isatty():  # a model must not be able to steer the terminal
        text = "".join("\ufffd" if unicodedata.category(c) == "Cc" and c not in "\n\t" else c for c in text)
    sys.stdout.write(text)
    sys.stdout.flush()


# -- a conversation -----------------------------------------------------------------------------------------


def _talk(chat: Chat, *, as_json: bool) -> None:
    """Read lines and answer them until the person leaves."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (input() then edits lines and knows the ones before)
    _note(f"a model of {chat.model.parameter_count():,} parameters with a context of "
          f"{chat.model.config.block_size:,} tokens; /help lists what can be typed")  # fmt: skip
    at, stopped = "", ""  # where we are, and where Ctrl-C was pressed: it may be pressed twice
    while True:
        try:
            if stopped:
                if stopped == "prompt":
                    print()
                _note(STOPPED[stopped])
            at, stopped = "prompt", ""
            line = _read()
            at = "answer"
            if not _obey(chat, line, as_json=as_json):
                return
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            stopped = at
        except ValueError as problem:
            _note(str(problem))


def _read() -> str:
    line = _ask("> ")
    while line.endswith("\\"):
        line = line[:-1] + "\n" + _ask(". ")
    return line


def _ask(prompt: str) -> str:
    if sys.stdout.isatty():
        return input(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)  # the answers go into a file
    return input()


def _command(chat: Chat, word: str, rest: str, *, as_json: bool) -> None:
    if word == "help":
        print(HELP)
    elif word == "reset":
        chat.reset()
        _note("all that was said is forgotten")
    elif word == "system":
        if rest:
            chat.system = rest
        _note(f"the model is told: {chat.system}" if chat.system else "the model is told nothing before everything")
    elif word == "regenerate":
        _show(chat, chat.regenerate(), as_json=as_json)
    elif word == "history":
        _history(chat)
    else:
        _note(f"/{word} is no command; /help lists them, and // begins a message that begins with /")


def _history(chat: Chat) -> None:
    first = 0 if chat.system is None else 1
    for number, message in enumerate(chat.messages):
        gone = " (no longer seen)" if first <= number < first + chat.dropped else ""
        _write(f"{message['role']}{gone}: {message['content']}\n")
