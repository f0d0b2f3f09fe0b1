"""The command line: python -m tokenizer train | encode | decode | show; with showing.py all the printing there is."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from tokenizer import showing
from tokenizer.build import train_bpe
from tokenizer.errors import SpecialTokenError, TokenizerError
from tokenizer.forms import has_fast_form
from tokenizer.load import load_tokenizer
from tokenizer.patterns import PATTERNS, splitter
from tokenizer.progress import Progress
from tokenizer.read import read_chunks
from tokenizer.sentencepiece import SentencePieceTokenizer
from tokenizer.ties import TIE_RULES

EXAMPLES = """examples:
  python -m tokenizer train book.txt --vocab-size 4096 -o tok.json
  python -m tokenizer encode -t tok.json "Hello, world"
  python -m tokenizer encode -t tok.json --file book.txt > ids.txt
  python -m tokenizer decode -t tok.json < ids.txt > same_book.txt
  python -m tokenizer show "Hello, world" -t tok.json
  python -m tokenizer show --training book.txt

python -m tokenizer COMMAND --help says more.
"""
TRAIN_EXAMPLES = """examples:
  python -m tokenizer train book.txt --vocab-size 4096 -o tok.json
  python -m tokenizer train a.txt b.txt --vocab-size 32768 --pattern gpt4 --workers 4 -o tok.json
  python -m tokenizer train book.txt --vocab-size 1000 --special "<|user|>" --special "<|end|>" -o chat.json
"""
ENCODE_EXAMPLES = """examples:
  python -m tokenizer encode -t tok.json "Hello, world"
  python -m tokenizer encode -t tok.json --file book.txt > ids.txt
  python -m tokenizer encode -t tok.json --file book.txt -o ids.npy
  python -m tokenizer encode -t tok.json "<|endoftext|>" --specials encode
"""
DECODE_EXAMPLES = """examples:
  python -m tokenizer decode -t tok.json 104 105
  python -m tokenizer encode -t tok.json "Hello" | python -m tokenizer decode -t tok.json
  python -m tokenizer decode -t tok.json --file ids.npy > same_book.txt
"""
WRITTEN_TOGETHER = 1 << 12  # ids in one write
DECODED_TOGETHER = 1 << 20
BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """The four commands and their flags."""
    whole = Parser(
        prog="python -m tokenizer",
        description="Byte-level BPE: train a tokenizer, encode, decode, and see how words become tokens.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(metavar="train | encode | decode | show", required=True)

    train = add_command(commands, "train", "train a tokenizer on text files", TRAIN_EXAMPLES)
    train.set_defaults(run=run_train)
    train.add_argument("files", nargs="+", metavar="FILE", help="UTF-8 text")
    train.add_argument("--vocab-size", type=int, required=True, metavar="N", help="256 + special tokens or more")
    train.add_argument("-o", "--output", required=True, metavar="FILE", help="where to write the tokenizer")
    train.add_argument("--pattern", default="gpt2", help=f"{', '.join(PATTERNS)} or a regex (default: gpt2)")
    train.add_argument(
        "--special",
        action="append",
        metavar="TOKEN",
        help="a special token, may be repeated (default: <|endoftext|>); '' for none",
    )
    train.add_argument("--tie-break", default="huggingface", choices=list(TIE_RULES), help="among pairs of equal count")
    train.add_argument("--workers", type=int, default=1, metavar="N", help="processes that count (default: 1)")

    encode = add_command(commands, "encode", "text to ids", ENCODE_EXAMPLES)
    encode.set_defaults(run=run_encode)
    encode.add_argument("text", nargs="?", help="the text (default: standard input, or --file)")
    encode.add_argument("--file", metavar="FILE", help="encode the text of a file")
    encode.add_argument("-o", "--output", metavar="FILE.npy", help="write an array for NumPy, as training data")
    add_specials(encode)

    decode = add_command(commands, "decode", "ids to text", DECODE_EXAMPLES)
    decode.set_defaults(run=run_decode)
    decode.add_argument("ids", nargs="*", metavar="ID", help="the ids (default: standard input, or --file)")
    decode.add_argument("--file", metavar="FILE.npy", help="decode what encode -o wrote")

    seeing = add_command(commands, "show", showing.HELP, showing.EXAMPLES)
    seeing.set_defaults(run=run_show)
    showing.add_arguments(seeing)
    add_specials(seeing)
    for command in (encode, decode):
        command.add_argument("-t", "--tokenizer", metavar="FILE", required=True, help="a saved tokenizer")
    return whole


def add_command(commands: Any, name: str, purpose: str, examples: str) -> argparse.ArgumentParser:
    """A command with its purpose and its examples, both in its help."""
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return command


def add_specials(command: argparse.ArgumentParser) -> None:
    """Add the flag that says what to do with special tokens in text."""
    command.add_argument(
        "--specials",
        choices=["refuse", "encode", "ordinary"],
        default="refuse",
        help="special tokens in the text: refuse them, encode each as one id, or as ordinary text",
    )


def run_train(args: argparse.Namespace) -> None:
    """Train on files, save, and say in one line what came out."""
    output = Path(args.output)
    if not output.parent.is_dir():
        raise TokenizerError(f"{output}: there is no folder {output.parent}; make it first")
    specials = ["<|endoftext|>"] if args.special is None else [token for token in args.special if token]
    paths = [Path(name) for name in args.files]
    for path in filter(Path.is_file, paths):  # not a pipe, which can be read only once
        refuse_binary(path)
    if not has_fast_form(splitter(args.pattern).pattern):
        print(f"note: a regex of your own runs in the readable form; {', '.join(PATTERNS)} are faster", file=sys.stderr)
    began = time.perf_counter()
    with ExitStack() as stack:
        progress = Progress(
            stack, sum(path.stat().st_size for path in paths if path.is_file()), args.vocab_size - 256 - len(specials)
        )
        tok = train_bpe(
            paths,
            args.vocab_size,
            pattern=args.pattern,
            special_tokens=specials,
            tie_break=args.tie_break,
            workers=args.workers,
            progress=progress,
        )
    tok.save(output)
    seconds = time.perf_counter() - began
    print(
        f"{output}: {tok.vocab_size} tokens (256 bytes, {len(tok.merges)} merges, {len(specials)} special) "
        f"from {progress.counted:,} bytes of text in {seconds:.1f} s"
    )


def refuse_binary(path: Path) -> None:
    """Raise TokenizerError for a file with a NUL near its beginning: legal UTF-8, but no text to learn from."""
    try:
        with open(path, "rb") as file:
            place = file.read(1 << 16).find(b"\0")
    except OSError as error:
        raise TokenizerError(f"{path}: cannot be read: {error.strerror or error}") from None
    if place >= 0:
        raise TokenizerError(f"{path}: looks binary (a NUL at byte {place}); give text files")


def run_encode(args: argparse.Namespace) -> None:
    """Write the ids of a text, a file or standard input: as one line, as they come, or as an array to a file."""
    tok = load_tokenizer(args.tokenizer)
    if args.output and not args.output.endswith(".npy"):
        raise TokenizerError(f"encode: --output writes a .npy file, got {args.output!r}")
    with ExitStack() as stack:
        chunks = text_chunks(args, stack)
        rules = special_rules(args)
        if args.output:
            ids = tok.encode_to_array(chunks, **rules, out=args.output)
            print(f"{args.output}: {len(ids):,} ids, {ids.dtype}")
            return
        gap = ""
        stream = map(str, tok.encode_iterable(chunks, **rules))
        while some := list(islice(stream, WRITTEN_TOGETHER)):
            sys.stdout.write(gap + " ".join(some))
            gap = " "
        sys.stdout.write("\n")


def text_chunks(args: argparse.Namespace, stack: ExitStack) -> Iterable[str]:
    """The text that encode was given: itself, a file, or standard input."""
    if args.text is not None and args.file is not None:
        raise TokenizerError("encode: got a text and --file; give one of them")
    if args.text is not None:
        return [args.text]
    if args.file is None:
        return read_chunks(sys.stdin.buffer, "standard input")
    try:
        return read_chunks(stack.enter_context(open(args.file, "rb")), args.file)
    except OSError as error:
        raise TokenizerError(f"{args.file}: cannot be read: {error.strerror or error}") from None


def special_rules(args: argparse.Namespace) -> dict[str, Any]:
    """The flag as the arguments of encode."""
    allowed = "all" if args.specials == "encode" else ()
    return {"allowed_special": allowed, "disallowed_special": "all" if args.specials == "refuse" else ()}


def run_decode(args: argparse.Namespace) -> None:
    """Write the bytes of the ids."""
    tok = load_tokenizer(args.tokenizer)
    if args.ids and args.file is not None:
        raise TokenizerError("decode: got ids and --file; give one of them")
    sys.stdout.flush()
    stream = tok.streaming if isinstance(tok, SentencePieceTokenizer) else tok  # one that remembers where a text begins
    for ids in [parse_ids(args.ids or sys.stdin.read().split())] if args.file is None else id_arrays(args.file):
        sys.stdout.buffer.write(
            stream.decode_bytes(ids)
        )  # the bytes themselves, so that decode undoes encode in a pipe
    if sys.stdout.isatty():
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def id_arrays(path: str) -> Iterator[Any]:
    """The ids of a .npy file, some at a time."""
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TokenizerError(f"{path}: not a .npy file of ids: {error}") from None
    if getattr(ids, "ndim", 0) != 1 or ids.dtype.kind not in "iu":
        raise TokenizerError(f"{path}: expected a row of whole numbers, as encode -o writes it")
    for begin in range(0, len(ids), DECODED_TOGETHER):
        yield ids[begin : begin + DECODED_TOGETHER]


def parse_ids(words: Iterable[str]) -> Iterator[int]:
    """Read ids with spaces or commas between; raises TokenizerError for what is no number."""
    for word in " ".join(words).replace(",", " ").split():
        if not word.isdecimal():
            raise TokenizerError(f"decode: {word!r} is no id; expected whole numbers with spaces between")
        yield int(word)


def run_show(args: argparse.Namespace) -> None:
    """Show a text's tokens, or the first merges of a corpus."""
    for path in filter(Path.is_file, map(Path, args.training or ())):
        refuse_binary(path)
    showing.present(args, **special_rules(args))


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for bad input (after one line that says what), 130."""
    if not (sys.argv[1:] if argv is None else argv):
        parser().print_help()
        return 0
    args = parser().parse_args(argv)
    try:
        args.run(args)
        sys.stdout.flush()
    except SpecialTokenError as error:
        place = f"the text holds the special token {error.token!r} at character {error.position}"
        return complain(f"{place}; choose --specials encode or --specials ordinary")
    except (TokenizerError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # whoever read our output, head for one, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        return complain(str(error))
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    return 0


def complain(message: str) -> int:
    """Say in one line on standard error what is wrong."""
    print(f"tokenizer: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
