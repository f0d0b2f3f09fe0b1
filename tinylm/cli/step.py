"""`tinylm step`: everything that happens between a prompt and its next tokens, one step at a time.

In a terminal it is a player that goes on, back and anywhere; in a pipe, the table of all steps.
"""

import argparse
import io
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinylm import optim
from tinylm.checkpoint import AnyTokenizer
from tinylm.cli.errors import UsageError, bad_input
from tinylm.cli.screen import coloured, draw, has_keys, keys, painted, screen
from tinylm.formats import load_model
from tinylm.gpt import GPT
from tinylm.sample import sampling
from tinylm.settings import TrainingSettings
from tinylm.tracing import Trace, trace
from tinylm.tracing.playing import HELP, Player
from tokenizer.show.characters import label

__all__ = ["add"]

EPILOG = f"""keys:
{chr(10).join("  " + line for line in HELP.splitlines())}

examples:
  tinylm step run "The list"
  tinylm step run "The list" --steps 3 --temperature 0
  tinylm step run "The list of the names" --train
  tinylm step run "The list" --save list.trace
  tinylm step --load list.trace
  tinylm step run "The list" | less"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "step",
        help="step through every operation of a model",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folder", nargs="?", metavar="MODEL", help="a run folder, or another model that tinylm loads")
    command.add_argument("prompt", nargs="?", metavar="PROMPT", help="the text (default: the beginning of a text)")
    command.add_argument("--steps", type=int, metavar="N", help="tokens to generate (default 1)")
    command.add_argument(
        "--train",
        action="store_true",
        help="take one training step on the prompt instead: forward, backward, clipping, AdamW with fresh moments",
    )
    command.add_argument("--temperature", type=float, metavar="X", help="0 is greedy (default 0.8)")
    command.add_argument("--top-k", type=int, metavar="K", help="choose among the K most likely tokens")
    command.add_argument("--top-p", type=float, metavar="P", help="choose among the fewest that have P together")
    command.add_argument("--seed", type=int, metavar="N", help="of the numbers drawn (default 1)")
    command.add_argument(
        "--kernels",
        choices=("reference", "fast"),
        default="reference",
        help="the readable forms, whose values have the names in their source, or what runs anyway (default reference)",
    )
    command.add_argument("--save", metavar="FILE", help="also write the trace to a file")
    command.add_argument("--load", metavar="FILE", help="look at a trace in a file instead of a RUN")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):  # not so in a notebook
        sys.stdout.reconfigure(errors="replace")
    with bad_input():
        seen, title, tokenizer = _loaded(arguments) if arguments.load else _traced(arguments)
    if arguments.save:
        seen.save(arguments.save)
        print(f"{arguments.save}: {len(seen)} steps, written", file=sys.stderr)
    if not seen.steps:
        raise UsageError("the trace has no steps")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(seen.table())
        return 0

    def spell(token: int) -> str | None:
        data = tokenizer.vocab.get(token) if tokenizer is not None else None
        return None if data is None else label(data)

    player = Player(seen, title, lambda step, index: seen.why(step, index).text(), spell)
    if has_keys():
        _play(player)
    else:
        _play_lines(player)
    return 0


def _loaded(arguments: argparse.Namespace) -> tuple[Trace, str, AnyTokenizer | None]:
    if arguments.folder is not None:
        raise UsageError(f"--load shows {arguments.load}; leave out {arguments.folder!r}")
    _refuse(arguments, "--load", "steps", "train", "temperature", "top_k", "top_p", "seed", "save")
    return trace.load(arguments.load), str(arguments.load), None


def _refuse(arguments: argparse.Namespace, flag: str, *names: str) -> None:
    for name in names:
        if getattr(arguments, name) not in (None, False):
            raise UsageError(f"{flag} and --{name.replace('_', '-')} do not go together; leave one out")


def _traced(arguments: argparse.Namespace) -> tuple[Trace, str, AnyTokenizer | None]:
    if arguments.folder is None:
        raise UsageError('which run? as in: tinylm step run "The list"')
    if arguments.train:
        _refuse(arguments, "--train", "steps", "temperature", "top_k", "top_p", "seed")
    if arguments.steps is not None and arguments.steps < 1:
        raise UsageError(f"--steps must be 1 or more, got {arguments.steps}")
    if arguments.seed is not None and arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {arguments.seed}")
    loaded = load_model(arguments.folder)
    model, tokenizer = loaded.model, loaded.tokenizer
    with trace(model, tokenizer=tokenizer, kernels=arguments.kernels) as seen:
        ids = loaded.prompt(arguments.prompt or "")
        if arguments.train:
            _train(model, ids, TrainingSettings.from_dict(loaded.training))
        else:
            chosen = sampling(
                model, ids, arguments.steps or 1, 0.8 if arguments.temperature is None else arguments.temperature,
                arguments.top_k, arguments.top_p, stop=loaded.stops,
                seed=1 if arguments.seed is None else arguments.seed,
            )  # fmt: skip
            for _ in chosen:
                pass
    return seen, f"{Path(arguments.folder).resolve().name} · {arguments.prompt or '(a beginning)'}", tokenizer


def _train(model: GPT, ids: list[int], settings: TrainingSettings) -> None:
    """One step on one row of text, as tinylm train takes it but for the schedule: the largest learning rate."""
    if len(ids) < 2:
        raise UsageError(
            f"--train needs at least 2 tokens, one to read and one to predict; got {len(ids)}: a longer text"
        )
    ids = ids[: model.config.block_size + 1]
    model.train()
    _, loss = model(np.array([ids[:-1]]), np.array([ids[1:]]))
    loss.backward()
    optim.clip_grad_norm(model.parameters(), settings.clip)
    optim.AdamW(
        optim.decay_groups(model, settings.weight_decay), lr=settings.lr, betas=(settings.beta1, settings.beta2)
    ).step()


def _play(player: Player) -> None:
    """Until q: paint, wait for a key, do what it asks."""
    size, colour = None, coloured()
    with screen():
        for key in _with_first(keys()):
            if key and not player.press(key):
                return
            now = shutil.get_terminal_size()
            if key or now != size:
                size = now
                draw(player.lines(now.columns, now.lines), now.columns, colour=colour)


def _with_first(pressed: Any) -> Any:
    yield ""
    yield from pressed


def _play_lines(player: Player) -> None:
    """Where no single keys can be read: a line of input for each, "g 12" and "/ attn" with what they ask for."""
    width = shutil.get_terminal_size().columns
    while True:
        for line in player.lines(width, 40):
            text = painted([(piece, "") for piece, _ in line], width, colour=False)
            if text.strip():
                print(text)
        try:
            typed = input("> ").strip() or "n"
        except EOFError:
            return
        asked = typed[:1] in ("g", "/")
        if not player.press(typed[:1]):
            return
        if asked:
            for character in typed[1:].strip():
                player.press(character)
            player.press("enter")
