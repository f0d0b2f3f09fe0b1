"""`tinylm sample`: let a trained model write, and show the text as it is made."""

import argparse
import io
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tinylm.cli.beams import add_beams, check_beams, search
from tinylm.cli.errors import UsageError, bad_input
from tinylm.cli.logprobs import as_json, table
from tinylm.cli.sample_flags import add_choice, add_ends, choice_of
from tinylm.formats import Loaded, load_model
from tinylm.sample import Completion, Piece, completions, in_float64, writing
from tokenizer import StreamDecoder

__all__ = ["add"]

AT_ONCE = 8  # texts: more would keep the first one waiting, and each needs a cache of its own

EPILOG = """examples:
  tinylm sample run
  tinylm sample run --prompt "The list" --temperature 0.8 --top-k 50 --top-p 0.95 --seed 1
  tinylm sample run --prompt "def" --greedy --max-new-tokens 40
  tinylm sample run --prompt "The list" --prompt "A string" --samples 3
  tinylm sample run --prompt "The list" --stop . --bad-word class
  tinylm sample run --prompt "The list" --best-of 8 --logprobs 3
  tinylm sample run --prompt "The list" --beams 4 --samples 2 --length-penalty 0.8
  tinylm sample run --prompt "The year is" --regex " (19|20)[0-9][0-9]"
  tinylm sample model.gguf --prompt "The capital of France is" --greedy --json
  tinylm sample run --prompt-ids "84 104 101" --samples 3

stages of a choice, in this order: regex, bad words, repetition penalty, presence and frequency penalty, temperature,
typical, top-k, top-p, min-p"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "sample",
        help="let a trained model write",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "model", metavar="MODEL", help="the folder of a run; or a Hugging Face folder, a .gguf file, a llama2.c .bin"
    )
    start = command.add_mutually_exclusive_group()
    start.add_argument(
        "--prompt",
        action="append",
        metavar="TEXT",
        help="the text to go on from (default: the beginning of a text); may be given several times",
    )
    start.add_argument("--prompt-ids", action="append", metavar="IDS", help='as token ids, as in "84 104 101"')
    command.add_argument("--max-new-tokens", type=int, default=200, metavar="N", help="at most so many (default 200)")
    command.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="the same number gives the same text (the next text takes the next number)",
    )
    command.add_argument(
        "--samples", type=int, default=1, metavar="N", help="how many texts of each prompt (default 1)"
    )
    command.add_argument(
        "--best-of", type=int, metavar="N", help="draw N texts of each prompt, show the likeliest (--samples of them)"
    )
    command.add_argument(
        "--exact",
        action="store_true",
        help="in float64: with --seed the same text on every machine, and beside whatever others (twice the memory)",
    )
    command.add_argument("--device", choices=("numpy", "cupy"), help="where to run (default: TINYLM_DEVICE or numpy)")
    command.add_argument(
        "--keep-quantised", action="store_true", help="leave a GGUF file's matrices in it: less memory, slower"
    )
    choice = command.add_argument_group("how a token is chosen")
    add_choice(choice)
    add_beams(choice)
    add_ends(command.add_argument_group("where a text ends, and what is shown"))
    command.set_defaults(run=run)


def _ids(text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise UsageError(f'--prompt-ids: expected whole numbers, as in "84 104 101"; got {text!r}') from None


def _check(arguments: argparse.Namespace) -> None:
    if arguments.samples < 1 or arguments.max_new_tokens < 1:
        raise UsageError("--samples and --max-new-tokens must be 1 or more")
    if arguments.seed is not None and arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {arguments.seed}")
    if arguments.best_of is not None and arguments.best_of < arguments.samples:
        raise UsageError(f"--best-of must be --samples, {arguments.samples}, or more; got {arguments.best_of}")
    if arguments.exact and arguments.keep_quantised:
        raise UsageError("--exact widens all weights, --keep-quantised none: leave one of them out")
    filters = (arguments.top_k, arguments.top_p, arguments.min_p, arguments.typical_p)
    several = arguments.samples > 1 or arguments.best_of is not None
    if arguments.greedy and (several or any(each is not None for each in (arguments.temperature, *filters))):
        raise UsageError(
            "--greedy takes the most likely token; leave out --temperature, --top-*, --min-p, --typical-p, --samples, "
            "--best-of"
        )


def _prompts(arguments: argparse.Namespace, loaded: Loaded) -> list[list[int]]:
    if arguments.prompt_ids is not None:
        return [_ids(prompt) for prompt in arguments.prompt_ids]
    return [loaded.prompt(text) for text in arguments.prompt or [""]]


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    check_beams(arguments)
    loaded = load_model(arguments.model, device=arguments.device, keep_quantised=arguments.keep_quantised)
    for note in loaded.notes:
        print(f"tinylm: note: {note}", file=sys.stderr)
    if arguments.exact:
        in_float64(loaded.model)
    prompts = _prompts(arguments, loaded)
    if isinstance(sys.stdout, io.TextIOWrapper):  # not so in a notebook
        sys.stdout.reconfigure(errors="replace")
    if arguments.beams is not None:
        with bad_input():
            search(arguments, loaded, prompts, choice_of(arguments, loaded))
        return 0
    with bad_input():
        settings: dict[str, Any] = {
            "choice": choice_of(arguments, loaded),
            "stop": loaded.stops,
            "stop_strings": arguments.stop,
            "logprobs": arguments.logprobs or 0,
            "overflow": arguments.overflow,
        }
        if arguments.best_of is not None:
            made = _best(arguments, loaded, prompts, settings)
        else:
            made = _as_made(arguments, loaded, prompts, settings)
        several, longest = len(prompts) * arguments.samples > 1, 0
        for number, (prompt, pieces) in enumerate(made, 1):
            if arguments.json:
                text = Completion(0, tuple(pieces))
                print(as_json(loaded.tokenizer, prompt, text, logprobs=arguments.logprobs is not None), flush=True)
            else:
                if several:
                    print(f"--- {number} ---")
                text = Completion(0, _stream(loaded, prompt, pieces))
                if arguments.logprobs is not None:
                    print(table(loaded.tokenizer, text))
            longest = max(longest, len(prompt) + len(text.pieces) - 1)
    context = loaded.model.config.block_size
    if longest > context:
        print(
            f"tinylm: note: a text outgrew the model's context of {context} tokens; from there on the model saw the "
            f"last {context} only (--overflow stop ends it there)",
            file=sys.stderr,
        )
    return 0


Made = Iterator[tuple[list[int], Iterable[Piece]]]


def _as_made(arguments: argparse.Namespace, loaded: Loaded, prompts: list[list[int]], settings: dict[str, Any]) -> Made:
    """Each text's prompt and its pieces: the first as they are made, the others, made beside it, afterwards."""
    prompts = [prompt for prompt in prompts for _ in range(arguments.samples)]
    parts = [prompts[first : first + AT_ONCE] for first in range(0, len(prompts), AT_ONCE)]
    batches = [
        writing(
            loaded.model,
            loaded.tokenizer,
            part,
            arguments.max_new_tokens,
            seed=None if arguments.seed is None else arguments.seed + number * AT_ONCE,
            **settings,
        )
        for number, part in enumerate(parts)
    ]
    texts = (text for columns, part in zip(batches, parts, strict=True) for text in _rows(columns, len(part)))
    return zip(prompts, texts, strict=True)


def _best(arguments: argparse.Namespace, loaded: Loaded, prompts: list[list[int]], settings: dict[str, Any]) -> Made:
    """The likeliest texts of each prompt, and their pieces."""
    found = completions(
        loaded.model,
        loaded.tokenizer,
        prompts,
        arguments.max_new_tokens,
        n=arguments.samples,
        best_of=arguments.best_of,
        seed=arguments.seed,
        batch_size=AT_ONCE,
        **settings,
    )
    return ((prompts[each.prompt], each.pieces) for each in found)


def _rows(columns: Iterator[list[Piece | None]], count: int) -> Iterator[Iterator[Piece]]:
    """The pieces of each text in turn: the first as they are made, the others, made beside it, afterwards."""
    made: list[list[Piece]] = [[] for _ in range(count)]

    def first() -> Iterator[Piece]:
        for column in columns:
            for pieces, piece in zip(made, column, strict=True):
                if piece is not None:
                    pieces.append(piece)
            if column[0] is not None:
                yield column[0]

    yield first()
    yield from map(iter, made[1:])


def _stream(loaded: Loaded, prompt: list[int], pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Show prompt and text as it is made, whole characters only."""
    own = prompt[len(loaded.start) :] if prompt[: len(loaded.start)] == loaded.start else prompt
    _show(StreamDecoder(loaded.tokenizer).feed([i for i in own if i not in loaded.stops]))
    kept = []
    try:
        for piece in pieces:
            kept.append(piece)
            _show(piece.text)
    finally:
        _show("\n")
    return tuple(kept)


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
