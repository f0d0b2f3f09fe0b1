"""`tinylm sample`: let a trained model write, and show the text as it is made."""

import argparse
import io
import sys
from collections.abc import Iterator
from typing import Any

from tinylm.checkpoint import AnyTokenizer, load, read_config
from tinylm.cli.errors import UsageError, bad_input
from tinylm.prepare import END, prompt_ids
from tinylm.sample import generate_batch
from tokenizer import StreamDecoder

__all__ = ["add"]

AT_ONCE = 8  # texts: more would keep the first one waiting, and each needs a cache of its own

EPILOG = """examples:
  tinylm sample run
  tinylm sample run --prompt "The list" --temperature 0.8 --top-k 50 --top-p 0.95 --seed 1
  tinylm sample run --prompt "def" --greedy --max-new-tokens 40
  tinylm sample run --prompt "The list" --prompt "A string" --samples 3
  tinylm sample run --prompt-ids "84 104 101" --samples 3"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "sample",
        help="let a trained model write",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folder", metavar="RUN", help="the folder of a run")
    start = command.add_mutually_exclusive_group()
    start.add_argument(
        "--prompt",
        action="append",
        metavar="TEXT",
        help="the text to go on from (default: the beginning of a text); may be given several times",
    )
    start.add_argument("--prompt-ids", action="append", metavar="IDS", help='as token ids, as in "84 104 101"')
    command.add_argument("--max-new-tokens", type=int, default=200, metavar="N", help="at most so many (default 200)")
    command.add_argument("--temperature", type=float, metavar="X", help="0 is greedy (default 0.8)")
    command.add_argument("--top-k", type=int, metavar="K", help="choose among the K most likely tokens")
    command.add_argument("--top-p", type=float, metavar="P", help="choose among the fewest that have P together")
    command.add_argument("--min-p", type=float, metavar="P", help="leave out what has less than P times the largest")
    command.add_argument("--repetition-penalty", type=float, default=1.0, metavar="X", help="1 changes nothing")
    command.add_argument("--greedy", action="store_true", help="always the most likely token")
    command.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="the same number gives the same text (the next text takes the next number)",
    )
    command.add_argument(
        "--samples", type=int, default=1, metavar="N", help="how many texts of each prompt (default 1)"
    )
    command.add_argument("--device", choices=("numpy", "cupy"), help="where to run (default: TINYLM_DEVICE or numpy)")
    command.set_defaults(run=run)


def _ids(text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise UsageError(f'--prompt-ids: expected whole numbers, as in "84 104 101"; got {text!r}') from None


def run(arguments: argparse.Namespace) -> int:
    if arguments.samples < 1 or arguments.max_new_tokens < 1:
        raise UsageError("--samples and --max-new-tokens must be 1 or more")
    if arguments.seed is not None and arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {arguments.seed}")
    choices = (arguments.temperature, arguments.top_k, arguments.top_p, arguments.min_p)
    if arguments.greedy and (arguments.samples > 1 or any(choice is not None for choice in choices)):
        raise UsageError("--greedy takes the most likely token; leave out --temperature, --top-*, --min-p, --samples")
    temperature = 0.8 if arguments.temperature is None else arguments.temperature
    model, tokenizer = load(arguments.folder, arguments.device)
    if arguments.prompt_ids is None:
        begin = read_config(arguments.folder).get("start")
        prompts = [prompt_ids(tokenizer, prompt, begin) for prompt in arguments.prompt or [""]]
    else:
        prompts = [_ids(prompt) for prompt in arguments.prompt_ids]
    prompts = [prompt for prompt in prompts for _ in range(arguments.samples)]
    end = tokenizer.special_tokens.get(END)
    if isinstance(sys.stdout, io.TextIOWrapper):  # not so in a notebook
        sys.stdout.reconfigure(errors="replace")
    parts = [prompts[first : first + AT_ONCE] for first in range(0, len(prompts), AT_ONCE)]
    with bad_input():
        batches = [
            generate_batch(
                model,
                part,
                arguments.max_new_tokens,
                temperature=0.0 if arguments.greedy else temperature,
                top_k=arguments.top_k,
                top_p=arguments.top_p,
                min_p=arguments.min_p,
                repetition_penalty=arguments.repetition_penalty,
                stop=() if end is None else (end,),
                seed=None if arguments.seed is None else arguments.seed + number * AT_ONCE,
            )
            for number, part in enumerate(parts)
        ]
        texts = (text for columns, part in zip(batches, parts, strict=True) for text in _rows(columns, len(part)))
        for number, (prompt, tokens) in enumerate(zip(prompts, texts, strict=True), 1):
            if len(prompts) > 1:
                print(f"--- {number} ---")
            _stream(tokenizer, [i for i in prompt if i != end], (i for i in tokens if i != end))
    return 0


def _rows(columns: Iterator[list[int | None]], count: int) -> Iterator[Iterator[int]]:
    """The tokens of each text in turn: the first as they are made, the others, made beside it, afterwards."""
    made: list[list[int]] = [[] for _ in range(count)]

    def first() -> Iterator[int]:
        for column in columns:
            for tokens, token in zip(made, column, strict=True):
                if token is not None:
                    tokens.append(token)
            if column[0] is not None:
                yield column[0]

    yield first()
    yield from map(iter, made[1:])


def _stream(tokenizer: AnyTokenizer, prompt: list[int], tokens: Iterator[int]) -> None:
    """Show text as it is made, whole characters only."""
    decoder = StreamDecoder(tokenizer)
    _show(decoder.feed(prompt))
    try:
        for token in tokens:
            _show(decoder.feed(token))
    finally:
        _show(decoder.flush() + "\n")


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
