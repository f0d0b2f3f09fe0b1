"""`tinylm merge`: fold an adapter into the model that it belongs to."""

import argparse
from pathlib import Path
from typing import Any

from tinylm.checkpoint import check_new, save_weights, write_config
from tinylm.cli.errors import UsageError
from tinylm.formats import load_model
from tinylm.settings import Conventions

__all__ = ["add"]

EPILOG = """An adapter, which `tinylm train --lora-rank` makes, needs the model that it was trained on. Merged into
it, it is a run folder of its own, with all weights. `tinylm sample` and the others take an adapter's folder, too.

example:
  tinylm merge tuned --out merged"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "merge",
        help="fold an adapter into its model",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folder", metavar="RUN", help="the folder of a run that trained an adapter")
    command.add_argument("--out", metavar="FOLDER", required=True, help="folder to make")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    folder, out = Path(arguments.folder), Path(arguments.out)
    check_new(out)
    loaded = load_model(folder)  # base and adapter, merged
    if not (folder / "adapter.json").exists():
        raise UsageError(f"{folder} has no adapter: there is nothing to merge")
    conventions = Conventions(
        tuple(loaded.start), tuple(loaded.stops), loaded.chat_template, loaded.bos_token, loaded.eos_token
    )
    out.mkdir(parents=True, exist_ok=True)
    loaded.tokenizer.save(out / "tokenizer.json")
    save_weights(out, loaded.model, loaded.tokenizer)
    use, begin = {"use": conventions.to_dict()}, loaded.beginning
    write_config(out, loaded.model, loaded.tokenizer, start=begin, more=use)  # last: it makes the folder a run
    print(f"{out}: {loaded.model.parameter_count():,} parameters; let it write: tinylm sample {out}")
    return 0
