"""The command `tinylm` and its subcommands; each says in its own module what it does."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import tinylm
from tinylm.backend import DeviceError
from tinylm.backend.threads import set_threads, threads
from tinylm.checkpoint import CheckpointError
from tinylm.cli.errors import UsageError, bad_input, of_system
from tinylm.corpus import TextError
from tinylm.train import TrainingError
from tokenizer import TokenizerError

__all__ = ["main", "parser"]

COMMANDS = {
    "train": "train",
    "sample": "sample",
    "chat": "chat",
    "eval": "evaluate",
    "export": "export",
    "merge": "merge",
    "explore": "explore",
    "step": "step",
    "stub": "stub",
    "handout": "handout",
    "grade": "grade",
    "bench": "bench",
    "doctor": "doctor",
}
"""Command -> its module in this package."""

USER_ERRORS = (CheckpointError, DeviceError, TextError, TokenizerError, TrainingError, UsageError)

BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended

EPILOG = """examples:
  tinylm train                                  train on the text that every Python carries
  tinylm train a.txt b.txt --out run            train on your own text
  tinylm sample run --prompt "The" --seed 1     let the trained model write
  tinylm chat SmolLM2.gguf                      talk with a model that others trained
  tinylm eval run other.txt                     how well does it predict another text?
  tinylm explore run --prompt "The"             a page to step through the model
  tinylm step run "The"                         every operation, one at a time, in the terminal
  tinylm stub layer_norm > my_work.py           an exercise, cut from the library's own source
  tinylm handout COURSE.toml -o course          a course: folders for students and staff
  tinylm grade my_work.py                       what is right in it, and what is not; a folder: a whole class
  tinylm bench                                  how fast is it here, beside PyTorch?
  tinylm doctor                                 what is installed, and can a GPU be used?

tinylm COMMAND --help says more."""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line: whole, or what these arguments need of it, for imports take time."""
    top = Parser(
        prog="tinylm",
        description="A language model that you can read, prove and run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"tinylm {tinylm.__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    chosen = [argv[0]] if argv and argv[0] in COMMANDS else [] if list(argv) == ["--version"] else COMMANDS
    for name in chosen:
        import_module(f"tinylm.cli.{COMMANDS[name]}").add(commands)
    return top


def _give_up_output() -> None:
    """Let what standard output still holds go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0, 2 for bad input, 130 when interrupted, 141 for a closed pipe."""
    given = sys.argv[1:] if argv is None else argv
    arguments = parser(given).parse_args(given)
    try:
        if os.environ.get("TINYLM_THREADS"):
            with bad_input():
                set_threads(threads())  # in BLAS too
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except USER_ERRORS as problem:
        print(f"tinylm: error: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read our output has had enough
        _give_up_output()
        return BROKEN_PIPE
    except OSError as problem:
        print(f"tinylm: error: {of_system(problem)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # what it still holds has no place to go, and Python would try again at its end
            _give_up_output()
        return 2
    except MemoryError:
        print("tinylm: error: this does not fit into memory; make the model or the batch smaller", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
