"""`tinylm train`: text in, a trained tokenizer and a trained GPT out, in a run folder."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tinylm.backend import current_backend, use_device
from tinylm.backend.threads import set_threads
from tinylm.checkpoint import AnyTokenizer, check_new, read_config, read_json
from tinylm.cli.errors import UsageError, bad_input
from tinylm.cli.finetune import are_dialogues, begin, refuse_changes
from tinylm.cli.progress import follow, tokenizer_progress
from tinylm.corpus import builtin_documents, read_documents
from tinylm.gpt import GPT, GPTConfig
from tinylm.prepare import new_model, new_tokenizer
from tinylm.runs import Run
from tinylm.settings import TrainingSettings

__all__ = ["add"]

MODEL: dict[str, Any] = {"block_size": 128, "n_layer": 4, "n_head": 4, "n_embd": 128, "bias": False}
MODEL_FLAGS = (
    "block_size", "n_layer", "n_head", "n_embd", "dropout", "norm", "position", "mlp", "n_kv_head", "mlp_hidden",
)  # fmt: skip
CHOICES = {
    "norm": "layer (default) or rms",
    "position": "learned (default) or rope",
    "mlp": "gelu (default), gelu_tanh or swiglu",
    "n_kv_head": "key and value heads, shared by query heads (default: as many)",
    "mlp_hidden": "hidden width (default: 4 n_embd, for swiglu 8/3)",
}
LATER = (  # may change on resume; the rates because that is how a run that diverged goes on
    "steps", "lr", "min_lr", "clip", "eval_every", "save_every", "sample_every", "eval_tokens", "recompute",
)  # fmt: skip
TRAINING = {
    "lr": "default 0.002; with --init-from 0.0002, of a published model without --lora-rank 0.00002",
    "min_lr": "default a tenth of lr",
    "context": "tokens of a window (default: block_size, with --init-from at most 512)",
    "lora_rank": "train an adapter of this rank and leave the weights as they are (usual: 8; default: all weights)",
    "lora_alpha": "what the adapter counts, divided by its rank (default 16)",
    "lora_dropout": "dropout before the adapter (default 0)",
}
TOKENIZER_FLAGS = ("vocab_size", "pattern", "tie_break", "char")
OF_A_RUN = ("format", "version", "start", "use", "adapter")  # what a run notes besides

EPILOG = """The run folder holds config.json, tokenizer.json, model.safetensors, training.safetensors (what changes
while training), train.npy and val.npy (the tokens), log.jsonl and loss.svg. Ctrl-C saves after the current step
and says how to go on.

With --init-from, windows have at most 512 tokens, and --block-size N makes them shorter or longer; the model still
reads as far as before. With --lora-rank, adapter.json and adapter.safetensors take the place of the weights. Of
dialogues, a line each, {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]},
the answers alone are trained on: three passes, where --steps is not given.

examples:
  tinylm train                                      the text that every Python carries, a few minutes
  tinylm train a.txt b.txt --out run --steps 2000
  tinylm train a.txt --char --n-layer 6 --n-embd 192 --n-head 6
  tinylm train --config run/config.json --out run2 --seed 2
  tinylm train more.txt --init-from run --out tuned --lr 3e-4 --steps 200
  tinylm train chats.jsonl --init-from model.gguf --out tuned --lora-rank 8
  tinylm train --resume run --steps 3000"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train a tokenizer and a GPT on text",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "file", metavar="FILE", nargs="*", help="UTF-8 text, or dialogues (.jsonl); none: the text that Python carries"
    )
    command.add_argument("--out", metavar="RUN", help="folder to make (default: run, or run-2, run-3, ...)")
    start = command.add_mutually_exclusive_group()
    start.add_argument(
        "--init-from", metavar="MODEL", help="start with another run, or a model in any form that tinylm sample takes"
    )
    start.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped")
    command.add_argument("--config", metavar="FILE.json", help='settings: {"model", "training", "tokenizer", "dtype"}')
    command.add_argument("--device", choices=("numpy", "cupy"), help="where to train (default: TINYLM_DEVICE or numpy)")
    command.add_argument("--threads", type=int, metavar="N", help="work on N threads (default: TINYLM_THREADS, or all)")
    command.add_argument("--dtype", choices=("float32", "float64"), help="precision (default float32)")

    tokens = command.add_argument_group("tokenizer")
    tokens.add_argument("--char", action="store_true", default=None, help="one token for each character, as nanoGPT")
    tokens.add_argument("--vocab-size", type=int, metavar="N", help="tokens (default 1024, fewer for a short text)")
    tokens.add_argument("--pattern", help="gpt2, gpt4 or a regular expression (default gpt2)")
    tokens.add_argument("--tie-break", help="which of equally frequent pairs merges first (default huggingface)")

    model = command.add_argument_group("model")
    defaults = {f.name: f.default for f in fields(GPTConfig)} | MODEL
    for name in MODEL_FLAGS:
        kind = str if isinstance(defaults[name], str) else float if name == "dropout" else int
        shown = CHOICES.get(name) or f"default {defaults[name]}"
        model.add_argument(_flag(name), type=kind, metavar="NAME" if kind is str else "X", help=shown)
    model.add_argument("--bias", action=argparse.BooleanOptionalAction, default=None, help="biases (default: none)")
    model.add_argument("--tie-weights", action=argparse.BooleanOptionalAction, default=None, help="(default: tied)")

    training = command.add_argument_group("training")
    for f in fields(TrainingSettings):
        if isinstance(f.default, bool):
            shown = "run blocks again in backward: less memory, more time, the same result (default: no)"
            training.add_argument(_flag(f.name), action=argparse.BooleanOptionalAction, default=None, help=shown)
            continue
        kind = float if f.name == "min_lr" or isinstance(f.default, float) else int
        shown = TRAINING.get(f.name) or f"default {f.default}"
        training.add_argument(_flag(f.name), type=kind, metavar="X", help=shown)
    command.set_defaults(run=run)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _given(arguments: argparse.Namespace, names: tuple[str, ...] | list[str]) -> dict[str, Any]:
    """The settings that were typed, by name."""
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def run(arguments: argparse.Namespace) -> int:
    if arguments.threads is not None:
        with bad_input():
            set_threads(arguments.threads)
    with use_device(arguments.device or current_backend().name):
        if arguments.resume:
            return _resume(arguments)
        return _start(arguments)


# -- a new run -------------------------------------------------------------------------------------------


def _start(arguments: argparse.Namespace) -> int:
    config = _read_config(arguments.config)
    training_names = [f.name for f in fields(TrainingSettings)]
    with bad_input():
        settings = TrainingSettings.from_dict({**config["training"], **_given(arguments, training_names)})
    folder = Path(arguments.out) if arguments.out else _free_folder()
    check_new(folder)
    if arguments.init_from:
        asked = {**config["model"], **_given(arguments, [*MODEL_FLAGS, "bias", "tie_weights", "vocab_size"])}
        asked |= {"dtype": dtype} if (dtype := arguments.dtype or config["dtype"]) else {}
        b = begin(arguments, config, asked)
        how: dict[str, Any] = {}
        return follow(Run.create(folder, b.documents, b.tokenizer, b.model, b.settings, how, b.conventions, b.base))
    if are_dialogues(arguments.file) or settings.lora_rank:
        what = "--lora-rank adapts" if settings.lora_rank else "dialogues (.jsonl) teach"
        raise UsageError(f"{what} a model that is there already; say which: --init-from MODEL")
    documents = read_documents(arguments.file) if arguments.file else builtin_documents()
    model, tokenizer = _new(arguments, config, documents, settings.seed)
    tie_break = {**config["tokenizer"], **_given(arguments, ("tie_break",))}.get("tie_break")
    how = {} if tie_break is None else {"tie_break": tie_break}
    return follow(Run.create(folder, documents, tokenizer, model, settings, how))


def _read_config(path: str | None) -> dict[str, Any]:
    """The settings of a --config file, or of none; a run's own config.json will do."""
    config = read_json(path) if path else {}
    known = ("model", "training", "tokenizer", "dtype")
    unknown = [name for name in config if name not in (*known, *OF_A_RUN)]
    if unknown:
        raise UsageError(f"{path}: unknown entry {', '.join(unknown)}; known are {', '.join(known)}")
    read: dict[str, Any] = {"dtype": config.get("dtype")}
    for name in ("model", "training", "tokenizer"):
        part = config.get(name, {})
        if not isinstance(part, dict):
            raise UsageError(f"{path}: {name} must be an object with settings, got {json.dumps(part)}")
        read[name] = dict(part)
    read["tokenizer"].pop("fingerprint", None)  # a run's config says which tokenizer it had; here one is made
    for name, kind in (("vocab_size", int), ("char", bool), ("pattern", str), ("tie_break", str)):
        value = read["tokenizer"].get(name)
        if value is not None and type(value) is not kind:
            raise UsageError(f"{path}: tokenizer {name} must be of type {kind.__name__}, got {json.dumps(value)}")
    strange = [name for name in read["tokenizer"] if name not in TOKENIZER_FLAGS]
    if strange:
        raise UsageError(
            f"{path}: unknown tokenizer setting {', '.join(strange)}; known are {', '.join(TOKENIZER_FLAGS)}"
        )
    if read["dtype"] not in (None, "float32", "float64"):
        raise UsageError(f"{path}: dtype must be float32 or float64, got {read['dtype']!r}")
    return read


def _free_folder() -> Path:
    """run, or the first of run-2, run-3, ... that does not exist yet."""
    names = (Path("run" if number == 1 else f"run-{number}") for number in range(1, 10**6))
    return next(folder for folder in names if not folder.exists())


def _new(
    arguments: argparse.Namespace, config: Mapping[str, Any], documents: list[str], seed: int
) -> tuple[GPT, AnyTokenizer]:
    flags = _given(arguments, TOKENIZER_FLAGS)
    wanted = {**config["tokenizer"], **flags}
    shape = {**MODEL, **config["model"], **_given(arguments, [*MODEL_FLAGS, "bias", "tie_weights"])}
    size = wanted.pop("vocab_size", shape.pop("vocab_size", None))
    with bad_input():
        GPTConfig.from_dict({**shape, "vocab_size": 1})  # a wrong shape is told before the tokenizer is trained
    if wanted.pop("char", False):
        if wanted or "vocab_size" in {**config["tokenizer"], **flags}:
            raise UsageError("--char takes every character of the text; leave out --vocab-size, --pattern, --tie-break")
        tokenizer = new_tokenizer(documents, kind="char")
    else:
        with tokenizer_progress() as progress, bad_input():
            tokenizer = new_tokenizer(documents, vocab_size=size, progress=progress, **wanted)
    with bad_input():
        return new_model(shape, tokenizer, seed, arguments.dtype or config["dtype"] or "float32"), tokenizer


# -- an old run --------------------------------------------------------------------------------------------


def _resume(arguments: argparse.Namespace) -> int:
    folder = arguments.resume
    if arguments.file or arguments.out or arguments.config:
        raise UsageError("--resume goes on with the text, the folder and the settings of the run; leave out the others")
    document = read_config(folder)
    training = {**asdict(TrainingSettings()), **(document.get("training") or {})}
    present = {**document["model"], **training, "dtype": document["dtype"]}
    names = [*MODEL_FLAGS, "bias", "tie_weights", "dtype", "vocab_size", *(f.name for f in fields(TrainingSettings))]
    asked = _given(arguments, names)
    refuse_changes({k: v for k, v in asked.items() if k not in LATER}, present, folder)
    others = [_flag(name) for name in ("char", "pattern", "tie_break") if getattr(arguments, name) is not None]
    if others:
        raise UsageError(f"{' '.join(others)}: the tokenizer is that of {folder}; leave it out")
    changes = {k: v for k, v in asked.items() if k in LATER and v != training.get(k)}
    with bad_input():
        resumed = Run.resume(folder, changes, current_backend().name)
    return follow(resumed)
