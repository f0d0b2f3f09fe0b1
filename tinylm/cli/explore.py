"""`tinylm explore`: one page in which a person steps through a model they trained."""

import argparse
from pathlib import Path
from typing import Any

from tinylm.cli.errors import UsageError, bad_input
from tinylm.data import read_tokens
from tinylm.explore import Text, gather, page
from tinylm.explore.contents import text_to_train_on
from tinylm.formats import load_model
from tinylm.settings import TrainingSettings
from tokenizer.formats import write_atomically

__all__ = ["add"]

EPILOG = """The page needs no network and no server: open it in a browser. It carries the weights and computes every
number itself, so any token can be appended and the walk repeated. A second tab shows one training step.

examples:
  tinylm explore run --prompt "The list"
  tinylm explore run --prompt "The list" --text "The list of the names."
  tinylm explore run --prompt "The list" -o list.html --seed 3"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "explore",
        help="a page to step through a trained model",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("model", metavar="MODEL", help="a run folder, or another small model that tinylm loads")
    command.add_argument("--prompt", default="", metavar="TEXT", help="the text to walk with (default: a beginning)")
    command.add_argument("-o", "--out", default="page.html", metavar="FILE", help="default: page.html")
    command.add_argument(
        "--text",
        metavar="TEXT",
        help="the text of the training step (default: the prompt, and what follows it in the run's training text)",
    )
    command.add_argument(
        "--seed", type=int, default=1, metavar="N", help="of the numbers drawn, as of tinylm sample (default 1)"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, got {arguments.seed}")
    out, given = Path(arguments.out), Path(arguments.model)
    if out.is_dir():
        raise UsageError(f"-o: {out} is a folder; give the name of a file, as {out / 'page.html'}")
    if out.exists() and not out.is_file():
        raise UsageError(f"-o: {out} is no ordinary file; give the name of one, as page.html")
    loaded = load_model(given, device="numpy")
    model, tokenizer = loaded.model, loaded.tokenizer
    with bad_input():
        settings = TrainingSettings.from_dict(loaded.training)
        prompt = loaded.prompt(arguments.prompt)
        if arguments.text is None:
            file = given / "train.npy"
            tokens = read_tokens(file) if loaded.kind == "run" and file.exists() else None
            text = text_to_train_on(prompt, tokens, min(33, model.config.block_size + 1))
        else:
            text = Text(tokenizer.encode(arguments.text, allowed_special="all"), "given with --text")
        if len(text.ids) < 2:
            raise UsageError(
                f"the training step needs at least 2 tokens, got {len(text.ids)}; "
                'give a longer text: --text "Once upon a time"'
            )
        data, weights = gather(model, tokenizer, prompt, text, settings, name=given.resolve().name, seed=arguments.seed)
    made = page(data, weights).encode()
    write_atomically(out, made)
    print(f"{out}: {len(made) / 1e6:.1f} MB, needs no network; open it in a browser")
    return 0
