"""The command show: a text's tokens or a corpus's first merges, on the terminal or as a page; prints."""

import argparse
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from tokenizer.build import train_bpe
from tokenizer.errors import TokenizerError
from tokenizer.explain import Explanation, explain
from tokenizer.formats import write_atomically
from tokenizer.load import load_tokenizer
from tokenizer.patterns import PATTERNS
from tokenizer.read import read_chunks
from tokenizer.replay import CLASSIC, TrainingExplanation, explain_training
from tokenizer.show import page
from tokenizer.special import Names
from tokenizer.ties import TIE_RULES
from tokenizer.tokenizer import Tokenizer

HELP = "colour the tokens of a text and show how each word became them, or how training chose the first merges"
EXAMPLES = """examples:
  python -m tokenizer show "Hello, world"
  python -m tokenizer show "Hello, world" -t tok.json --html hello.html
  python -m tokenizer show -t tok.json --words all --color always < book.txt | less -R
  python -m tokenizer show --training book.txt --merges 20 --rivals 5
  python -m tokenizer show --training --tie-break greatest_bytes      (the textbook's four words)
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    command.add_argument("text", nargs="?", help="the text (default: standard input)")
    command.add_argument(
        "-t", "--tokenizer", metavar="FILE", help="a saved tokenizer (default: a small one, trained on the spot)"
    )
    command.add_argument(
        "--words", type=word_limit, default=argparse.SUPPRESS, metavar="N|all", help="how many words to tell of"
    )
    command.add_argument("--color", "--colour", choices=["auto", "always", "never"], default="auto", help="colours")
    command.add_argument("--html", metavar="FILE", help="write a self-contained page instead")
    replaying = command.add_argument_group("the first merges of a corpus")
    replaying.add_argument(
        "--training",
        nargs="*",
        metavar="FILE",
        help="UTF-8 text to learn merges from (default: standard input if piped, else four words)",
    )
    replaying.add_argument("--merges", type=int, default=10, metavar="N", help="how many (default: 10)")
    replaying.add_argument("--rivals", type=int, default=3, metavar="K", help="pairs next in line (default: 3)")
    replaying.add_argument("--tie-break", default="huggingface", choices=list(TIE_RULES), help="among equal counts")
    replaying.add_argument("--pattern", default="gpt2", help=f"{', '.join(PATTERNS)} or a regex (default: gpt2)")


def word_limit(text: str) -> int | None:
    """A number of words, or all of them: None."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number or all, got {text!r}")
    return int(text)


def present(args: argparse.Namespace, allowed_special: Names, disallowed_special: Names) -> None:
    """Explain what was asked for, and print it or write the page."""
    if args.html is not None and not Path(args.html).parent.is_dir():
        raise TokenizerError(f"{args.html}: there is no folder {Path(args.html).parent}; make it first")
    if args.training is not None:
        write(args, training_of(args))
        return
    tok = load_tokenizer(args.tokenizer) if args.tokenizer else small_tokenizer()
    write(args, explain(tok, text_of(args), allowed_special, disallowed_special))


def write(args: argparse.Namespace, seen: Explanation | TrainingExplanation) -> None:
    """Print for a terminal, or write a page and say so."""
    limits = {"words": args.words} if "words" in args and isinstance(seen, Explanation) else {}
    if args.html is not None:
        title = "The first merges of a corpus" if isinstance(seen, TrainingExplanation) else "A text and its tokens"
        write_atomically(args.html, page.whole_page(seen.html(**limits), title).encode())
        print(f"{args.html}: written")
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that has no sign for a space gets \u2423
    print(seen.text(colour=wants_colour(args.color), **limits))


def wants_colour(choice: str) -> bool:
    """Whether to colour: as told, else on a terminal, unless NO_COLOR is set (no-color.org)."""
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def text_of(args: argparse.Namespace) -> str:
    """The text given, or standard input."""
    if args.text is not None:
        return str(args.text)
    if sys.stdin is None or sys.stdin.isatty():
        raise TokenizerError('show: give a text, as in: python -m tokenizer show "Hello, world"')
    return "".join(read_chunks(sys.stdin.buffer, "standard input"))


def training_of(args: argparse.Namespace) -> TrainingExplanation:
    """The first merges of the files, of standard input if it is piped, or of the textbook's words."""
    if args.text is not None:
        raise TokenizerError("show: got a text and --training; give one of them")
    source: Iterable[str | Path] = [Path(name) for name in args.training]
    if not args.training and sys.stdin is not None and not sys.stdin.isatty():
        source = [text for text in ["".join(read_chunks(sys.stdin.buffer, "standard input"))] if text]
    return explain_training(
        source or CLASSIC,
        args.merges,
        tie_break=args.tie_break,
        rivals=args.rivals,
        pattern=args.pattern,
    )


def small_tokenizer() -> Tokenizer:
    """A tokenizer of 1024 tokens, made in half a second from the text that every Python carries."""
    from pydoc_data.topics import topics

    print("no -t FILE: trained a small tokenizer on the text of Python's help", file=sys.stderr)
    return train_bpe((topics[name] for name in sorted(topics)), 1024)
