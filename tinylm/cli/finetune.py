"""What `tinylm train --init-from` starts with: a model that somebody trained, and defaults that suit it."""

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tinylm.backend import current_backend
from tinylm.checkpoint import AnyTokenizer
from tinylm.cli.errors import UsageError, bad_input
from tinylm.corpus import builtin_documents, read_documents
from tinylm.data import Dialogues
from tinylm.formats import load_model
from tinylm.gpt import GPT
from tinylm.instruct import encode_dialogues, read_dialogues, with_template
from tinylm.lora import Base, base_of
from tinylm.prepare import with_dropout
from tinylm.settings import Conventions, TrainingSettings

__all__ = ["Beginning", "are_dialogues", "begin", "refuse_changes"]

CONTEXT = 512  # tokens of a window at most, where nothing is said: published models read thousands, which costs memory
PASSES = 3  # over the dialogues, where no number of steps is given
LORA_LR = 2e-4  # Dettmers et al. 2023, table 9, for models of up to 13 B
FULL_LR = 2e-5  # Touvron et al. 2023 (Llama 2), sec. 3.1, for supervised fine-tuning
RUN_LR = 2e-4  # where the default schedule of a run of our own ends
PUBLISHED: dict[str, Any] = {"batch_size": 4, "eval_tokens": 4096, "steps": 100}  # minutes, not hours, on two cores
DIALOGUES: dict[str, Any] = {"batch_size": 8}


@dataclass(frozen=True, slots=True)
class Beginning:
    """Everything that Run.create wants of a model that somebody trained."""

    documents: list[str] | Dialogues
    model: GPT
    tokenizer: AnyTokenizer
    settings: TrainingSettings
    conventions: Conventions
    base: Base | None


def are_dialogues(files: list[str]) -> bool:
    """Whether the files are JSON lines; raises UsageError for some of each kind."""
    lines = [file for file in files if file.endswith(".jsonl")]
    if lines and len(lines) < len(files):
        other = next(file for file in files if file not in lines)
        raise UsageError(f"{lines[0]} holds dialogues, {other} text: train on one kind at a time")
    return bool(lines)


def begin(arguments: argparse.Namespace, config: Mapping[str, Any], model_settings: Mapping[str, Any]) -> Beginning:
    """The model of --init-from, its data and its settings; flags that would need another model are refused.

    config: of --config   model_settings: what was asked for of the model's shape, by name
    """
    path, asked = arguments.init_from, dict(model_settings)
    loaded = load_model(path, device=current_backend().name)
    for note in loaded.notes:
        print(f"{path}: {note}", file=sys.stderr)
    model: GPT = loaded.model
    context = asked.pop("block_size", None)  # of the windows: the model reads as far as before
    dropout = asked.pop("dropout", model.config.dropout)
    refuse_changes(asked, {**model.config.to_dict(), "dtype": str(model.dtype)}, path)
    others = [flag for flag in ("char", "pattern", "tie_break") if getattr(arguments, flag) is not None]
    if others or config["tokenizer"]:
        named = " ".join("--" + name.replace("_", "-") for name in others)
        raise UsageError(f"{named or 'tokenizer settings'}: the tokenizer is that of {path}")
    with bad_input():
        model = with_dropout(model, dropout)
    conventions = Conventions(
        tuple(loaded.start), tuple(loaded.stops), loaded.chat_template, loaded.bos_token, loaded.eos_token
    )
    typed = {f.name: getattr(arguments, f.name) for f in fields(TrainingSettings)}
    given = {**config["training"], **{name: value for name, value in typed.items() if value is not None}}
    given |= {} if context is None else {"context": _one_context(given.get("context"), context)}
    settings = _settings(given, loaded.kind, model)
    base = None
    if settings.lora_rank:
        if (Path(path) / "adapter.json").exists():
            raise UsageError(f"{path} is an adapter itself; merge it first: tinylm merge {path} --out merged")
        base = base_of(model, path)
    elif given.get("lora_alpha") is not None or given.get("lora_dropout"):
        raise UsageError("--lora-alpha and --lora-dropout are for adapters; add --lora-rank 8")
    documents: list[str] | Dialogues
    if are_dialogues(arguments.file):
        conventions = with_template(conventions, loaded.tokenizer)
        found = read_dialogues(arguments.file)
        with bad_input():
            documents, notes = encode_dialogues(found, loaded.tokenizer, conventions, settings.context or CONTEXT)
        for note in notes:
            print(note, file=sys.stderr)
        settings = _for_dialogues(settings, given, documents)
    else:
        documents = read_documents(arguments.file) if arguments.file else builtin_documents()
    return Beginning(documents, model, loaded.tokenizer, settings, conventions, base)


def _one_context(context: int | None, block_size: int) -> int:
    if context is not None and context != block_size:
        raise UsageError(f"--context {context} and --block-size {block_size}: with --init-from they are the same")
    return block_size


def _settings(given: Mapping[str, Any], kind: str, model: GPT) -> TrainingSettings:
    """Settings for a model that knows much already: a low learning rate, windows and evaluations of bounded cost."""
    longest = model.config.block_size
    published = {} if kind == "run" else PUBLISHED
    lr = LORA_LR if given.get("lora_rank") else RUN_LR if kind == "run" else FULL_LR
    with bad_input():
        settings = TrainingSettings.from_dict({"context": min(longest, CONTEXT), **published, "lr": lr, **given})
        if settings.context is None:
            settings = replace(settings, context=min(longest, CONTEXT))
    assert settings.context is not None
    if settings.context > longest:
        raise UsageError(f"a context of {settings.context} tokens does not fit: the model reads {longest} at most")
    return _warmed(settings, given)


def _for_dialogues(settings: TrainingSettings, given: Mapping[str, Any], data: Dialogues) -> TrainingSettings:
    """Settings for so many dialogues: some passes over them."""
    changed = replace(settings, **{name: value for name, value in DIALOGUES.items() if name not in given})
    if "steps" not in given:
        trained, _ = data.split(changed.val_fraction)
        changed = replace(changed, steps=math.ceil(PASSES * trained.count / (changed.batch_size * changed.accumulate)))
    return _warmed(changed, given)


def _warmed(settings: TrainingSettings, given: Mapping[str, Any]) -> TrainingSettings:
    """With a warm-up of a tenth of the steps, where none is given."""
    if "warmup" in given:
        return settings
    return replace(settings, warmup=min(TrainingSettings().warmup, settings.steps // 10))


def refuse_changes(asked: Mapping[str, Any], present: Mapping[str, Any], folder: str) -> None:
    """Raise UsageError for the first setting that contradicts what a checkpoint was made with."""
    for name, value in asked.items():
        if name in present and value != present[name]:
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} {value} contradicts {folder}, which has {present[name]}; leave it out")
