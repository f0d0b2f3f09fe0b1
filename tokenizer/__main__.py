"""The command line: python -m tokenizer train | encode | decode | show; all the printing there is."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from tokenizer import show
from tokenizer.build import train_bpe
from tokenizer.char import CharTokenizer
from tokenizer.count import Counting
from tokenizer.errors import SpecialTokenError, TokenizerError
from tokenizer.load import load_tokenizer
from tokenizer.patterns import PATTERNS
from tokenizer.read import read_chunks
from tokenizer.special import split_special
from tokenizer.ties import TIE_RULES
from tokenizer.tokenizer import Tokenizer
from tokenizer.train import Merge

EXAMPLES = """examples:
  python -m tokenizer train book.txt --vocab-size 4096 -o tok.json
  python -m tokenizer encode -t tok.json "Hello, world"
  python -m tokenizer encode -t tok.json --file book.txt > ids.txt
  python -m tokenizer decode -t tok.json < ids.txt > same_book.txt
  python -m tokenizer show "Hello, world" -t tok.json
"""
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

    train = commands.add_parser("train", help="train a tokenizer on text files")
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

    encode = commands.add_parser("encode", help="text to ids")
    encode.set_defaults(run=run_encode)
    encode.add_argument("text", nargs="?", help="the text (default: standard input, or --file)")
    encode.add_argument("--file", metavar="FILE", help="encode the text of a file")
    add_specials(encode)

    decode = commands.add_parser("decode", help="ids to text")
    decode.set_defaults(run=run_decode)
    decode.add_argument("ids", nargs="*", metavar="ID", help="the ids (default: standard input)")

    seeing = commands.add_parser("show", help="colour the tokens and show how each word became them")
    seeing.set_defaults(run=run_show)
    seeing.add_argument("text")
    seeing.add_argument(
        "-t", "--tokenizer", metavar="FILE", help="a saved tokenizer (default: a small one, trained on the spot)"
    )
    add_specials(seeing)
    for command in (encode, decode):
        command.add_argument("-t", "--tokenizer", metavar="FILE", required=True, help="a saved tokenizer")
    return whole


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


class Progress:
    """Two bars on standard error, counting and then merging; none where that is not a terminal."""

    def __init__(self, stack: ExitStack, total_bytes: int, n_merges: int) -> None:
        self._stack, self._total_bytes, self._n_merges = stack, total_bytes, n_merges
        self._bar: Any = None
        self.counted = 0

    def __call__(self, record: Counting | Merge) -> None:
        if isinstance(record, Counting):
            bar = self._bar or self._open("counting", self._total_bytes, "B")
            bar.update(record.bytes_read - self.counted)
            self.counted = record.bytes_read
        else:
            if record.rank == 0:
                self._bar = self._open("merging", self._n_merges, "")
            self._bar.update()

    def _open(self, what: str, total: int, unit: str) -> Any:
        from tqdm import tqdm  # only who trains at the command line needs it

        if self._bar is not None:
            self._bar.close()
        self._bar = tqdm(total=total, desc=what, unit=unit, unit_scale=bool(unit), disable=None)
        self._stack.callback(self._bar.close)
        return self._bar


def run_encode(args: argparse.Namespace) -> None:
    """Write the ids of a text, a file or standard input as one line, as they come."""
    tok = load_tokenizer(args.tokenizer)
    with ExitStack() as stack:
        if args.text is not None and args.file is not None:
            raise TokenizerError("encode: got a text and --file; give one of them")
        chunks: Iterable[str]
        if args.text is not None:
            chunks = [args.text]
        elif args.file is None:
            chunks = read_chunks(sys.stdin.buffer, "standard input")
        else:
            try:
                chunks = read_chunks(stack.enter_context(open(args.file, "rb")), args.file)
            except OSError as error:
                raise TokenizerError(f"{args.file}: cannot be read: {error.strerror or error}") from None
        gap = ""
        for i in tok.encode_iterable(chunks, **special_rules(args)):
            sys.stdout.write(f"{gap}{i}")
            gap = " "
        sys.stdout.write("\n")


def special_rules(args: argparse.Namespace) -> dict[str, Any]:
    """The flag as the arguments of encode."""
    allowed = "all" if args.specials == "encode" else ()
    return {"allowed_special": allowed, "disallowed_special": "all" if args.specials == "refuse" else ()}


def run_decode(args: argparse.Namespace) -> None:
    """Write the bytes of the ids."""
    tok = load_tokenizer(args.tokenizer)
    data = tok.decode_bytes(parse_ids(args.ids or sys.stdin.read().split()))
    sys.stdout.flush()
    sys.stdout.buffer.write(data)  # the bytes themselves, so that decode undoes encode in a pipe
    if sys.stdout.isatty():
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def parse_ids(words: Iterable[str]) -> Iterator[int]:
    """Read ids with spaces or commas between; raises TokenizerError for what is no number."""
    for word in " ".join(words).replace(",", " ").split():
        if not word.isdecimal():
            raise TokenizerError(f"decode: {word!r} is no id; expected whole numbers with spaces between")
        yield int(word)


def run_show(args: argparse.Namespace) -> None:
    """Colour the tokens of a text, and tell merge by merge how each of its words became tokens."""
    tok = load_tokenizer(args.tokenizer) if args.tokenizer else small_tokenizer()
    ids = tok.encode(args.text, **special_rules(args))
    tokens = [tok.vocab[i] for i in ids]
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(show.coloured(tokens) if colours else show.bracketed(tokens))
    print(f"{len(ids)} tokens: {' '.join(map(str, ids))}")
    if isinstance(tok, CharTokenizer):
        return
    whole = frozenset(tok.special_tokens if args.specials == "encode" else ())
    stretches = [stretch for stretch, is_special in split_special(args.text, whole) if not is_special]
    for word in dict.fromkeys(word for stretch in stretches for word in tok.split(stretch)):  # each once, in order
        print("\n" + show.word_text(word.encode(), tok.encode_steps(word), tok.vocab))


def small_tokenizer() -> Tokenizer:
    """A tokenizer of 1024 tokens, made in half a second from the text that every Python carries."""
    from pydoc_data.topics import topics

    print("no -t FILE: trained a small tokenizer on the text of Python's help", file=sys.stderr)
    return train_bpe((topics[name] for name in sorted(topics)), 1024)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for bad input (after one line that says what), 130."""
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
