"""`tinylm export`: a model in a form that other programs read."""

import argparse
from pathlib import Path
from typing import Any, get_args

from tinylm.cli.errors import UsageError

__all__ = ["add"]

FORMS = ("hf", "gguf", "safetensors")
ENDINGS = {"hf": "-hf", "gguf": ".gguf", "safetensors": ".safetensors"}

EPILOG = """hf            a folder for transformers: config.json, model.safetensors, tokenizer.json
gguf          one file for llama.cpp
safetensors   one file of our own, weights under GPT-2's names, with config and tokenizer in its metadata

Reading the result back gives the same weights. A model that the other side has no architecture for is refused.

examples:
  tinylm export run --to hf
  tinylm export run --to gguf --dtype float16 -o my-model.gguf
  tinylm export SmolLM2.gguf --to hf --dtype bfloat16 -o smollm2"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write a model for transformers, llama.cpp and others",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("model", metavar="MODEL", help="a run folder, or another model that tinylm loads")
    command.add_argument("--to", required=True, choices=FORMS, help="the form")
    command.add_argument("-o", "--out", metavar="PATH", help="folder or file to make (default: the model's name)")
    command.add_argument(
        "--dtype",
        choices=("bfloat16", "float16", "q8_0"),
        help="store weights in 16 bits, or, in a GGUF file, in 8.5 (default: as they are)",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from tinylm.formats import load_model
    from tinylm.formats.export import Form, export

    assert get_args(Form) == FORMS
    given = Path(arguments.model)
    name = given.resolve().stem if given.is_file() else given.resolve().name
    out = Path(arguments.out or name + ENDINGS[arguments.to])
    if out.exists():
        raise UsageError(f"{out} is there already; choose another name with -o")
    export(load_model(given, device="numpy"), out, arguments.to, arguments.dtype)
    files = [out] if out.is_file() else sorted(p for p in out.iterdir())
    size = sum(p.stat().st_size for p in files)
    inside = "" if out.is_file() else f" ({', '.join(p.name for p in files)})"
    print(f"{out}: {size / 1e6:.1f} MB{inside}")
    return 0
