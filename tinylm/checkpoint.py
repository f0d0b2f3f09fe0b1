"""Runs on disk: weights as safetensors, everything else as JSON, each file replaced whole or not at all.

A run folder holds

    config.json             the model's shape, its dtype, how tokenizer and model were trained
    tokenizer.json          the tokenizer, with its fingerprint
    model.safetensors       the weights: all that sampling needs
    training.safetensors    weights, optimizer state, streams of random numbers and step, all that changes while
                            training, in one file, because one rename is atomic and two are not

and, where it was trained, train.npy and val.npy, the tokens; log.jsonl and loss.svg.

Nothing is ever unpickled or evaluated.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinylm.backend import use_device
from tinylm.gpt import GPT, GPTConfig
from tinylm.optim import Optimizer
from tinylm.storage import (
    CheckpointError,
    Narrow,
    memory,
    parse_json,
    read_json,
    read_tensors,
    to_bytes,
    write_json,
    write_tensors,
)
from tokenizer import CharTokenizer, SentencePieceTokenizer, Tokenizer, TokenizerError, load_tokenizer
from tokenizer.formats import write_atomically

__all__ = [
    "CheckpointError",
    "load",
    "load_training",
    "read_config",
    "read_json",
    "read_tensors",
    "save",
    "save_training",
    "write_json",
    "write_tensors",
]

FORMAT, VERSION = "tinylm", 1
CONFIG, TOKENIZER, MODEL, TRAINING = "config.json", "tokenizer.json", "model.safetensors", "training.safetensors"

AnyTokenizer = Tokenizer | CharTokenizer | SentencePieceTokenizer
Path_ = str | os.PathLike[str]


# -- model and tokenizer -----------------------------------------------------------------------------------


def save(
    path: Path_,
    model: GPT,
    tokenizer: AnyTokenizer,
    training: Mapping[str, Any] | None = None,
    dtype: Narrow | None = None,
) -> None:
    """Write a run folder that `load` reads: config, tokenizer and weights, each file atomically.

    training: settings to note in config.json. dtype: store the weights as "bfloat16" or "float16", rounded to the
    nearest, ties to even; `load` then gives a model in float32. Raises CheckpointError where the tokenizer has another
    number of ids than the model, and for a weight that is too large for the dtype; then nothing is written.
    """
    _check_fit(path, model.config, tokenizer)
    folder, weights = Path(path), _weights(model, tokenizer, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, model, tokenizer, training, dtype=None if dtype is None else "float32")
    tokenizer.save(folder / TOKENIZER)
    write_atomically(folder / MODEL, weights)


def check_new(folder: Path) -> None:
    """Raise CheckpointError where a folder for a new run holds anything: nobody's files are written over."""
    if (folder / CONFIG).exists():
        raise CheckpointError(
            f"{folder} holds a run already; go on with it: --resume {folder}, or choose another --out"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f"{folder} exists and is not an empty folder; choose another --out")


def _describe(tokenizer: AnyTokenizer) -> dict[str, Any]:
    """What config.json says of a tokenizer: enough to train one like it, and its fingerprint."""
    if isinstance(tokenizer, CharTokenizer):
        return {"char": True, "fingerprint": tokenizer.fingerprint}
    described = {"vocab_size": tokenizer.vocab_size, "fingerprint": tokenizer.fingerprint}
    return described if isinstance(tokenizer, SentencePieceTokenizer) else {"pattern": tokenizer.pattern, **described}


def write_config(
    folder: Path,
    model: GPT,
    tokenizer: AnyTokenizer,
    training: Mapping[str, Any] | None = None,
    tokenizer_settings: Mapping[str, Any] | None = None,
    start: Sequence[int] | None = None,
    dtype: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write config.json: what is needed to build model and tokenizer again, and the ids that a text begins with.

    dtype: of the model when it is loaded; None: the one it has. more: further entries.
    """
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION, "model": model.config.to_dict()}
    document["dtype"] = dtype or str(model.dtype)
    document["tokenizer"] = {**(tokenizer_settings or {}), **_describe(tokenizer)}
    if start is not None:
        document["start"] = list(start)
    if training is not None:
        document["training"] = dict(training)
    write_json(folder / CONFIG, document | dict(more or {}))


def save_weights(folder: Path, model: GPT, tokenizer: AnyTokenizer) -> None:
    """Write model.safetensors."""
    write_atomically(folder / MODEL, _weights(model, tokenizer))


def _weights(model: GPT, tokenizer: AnyTokenizer, dtype: Narrow | None = None) -> bytes:
    """What is in model.safetensors."""
    metadata = {"format": "pt", "tinylm": str(VERSION), "tokenizer": tokenizer.fingerprint, "config": _shape(model)}
    return to_bytes({name: p.numpy() for name, p in model.named_parameters()}, metadata, dtype)


def read_config(path: Path_) -> dict[str, Any]:
    """config.json of a run folder, checked to be ours; raises CheckpointError saying what is wrong."""
    folder = Path(path)
    if not folder.is_dir():
        raise CheckpointError(f"{path}: no such run folder; `tinylm train --out {path}` makes one")
    document = read_json(folder / CONFIG)
    if document.get("format") != FORMAT or not isinstance(document.get("model"), dict):
        raise CheckpointError(f"{folder / CONFIG}: not the config of a tinylm run")
    if document.get("version") != VERSION:
        raise CheckpointError(f"{folder / CONFIG}: version {document.get('version')!r}, this program reads {VERSION}")
    if not isinstance(document.get("tokenizer"), dict):
        raise CheckpointError(f"{folder / CONFIG}: says nothing of the tokenizer")
    start = document.get("start", [0])
    size = document["model"].get("vocab_size")
    known = range(size if type(size) is int else 0)
    if not isinstance(start, list) or not start or not all(type(i) is int and i in known for i in start):
        raise CheckpointError(f"{folder / CONFIG}: start must be a list of token ids, got {str(start)[:80]}")
    if document.get("dtype") not in ("float32", "float64"):
        raise CheckpointError(f"{folder / CONFIG}: dtype must be float32 or float64, got {document.get('dtype')!r}")
    return document


def load(path: Path_, device: str | None = None) -> tuple[GPT, AnyTokenizer]:
    """The model and the tokenizer of a run folder.

    Raises CheckpointError for a folder that is not a run, for damaged files, and for a tokenizer that is
    not the one the model was trained with.
    """
    document, folder = read_config(path), Path(path)
    tokenizer = read_tokenizer(folder, document)
    model = build(document, folder, device)
    _check_fit(path, model.config, tokenizer)
    arrays, metadata = read_tensors(folder / MODEL)
    _check_fingerprint(folder / MODEL, metadata.get("tokenizer"), tokenizer)
    _check_shape(folder / MODEL, metadata.get("config"), model)
    _fill(model, arrays, folder / MODEL)
    return model, tokenizer


def build(document: Mapping[str, Any], folder: Path, device: str | None = None, seed: int = 0) -> GPT:
    """A new model of the shape that a config describes; raises CheckpointError where the files beside it are too small
    for its weights, before any memory is taken.
    """
    try:
        config = GPTConfig.from_dict(document["model"])
    except (ValueError, TypeError) as problem:
        raise CheckpointError(f"{folder / CONFIG}: {problem}") from None
    dtype = np.dtype(document["dtype"])
    _check_size(folder, config, dtype)
    if device is None:
        return GPT(config, seed=seed, dtype=dtype)
    with use_device(device):
        return GPT(config, seed=seed, dtype=dtype)


def _check_size(folder: Path, config: GPTConfig, dtype: Any) -> None:
    """Raise CheckpointError where the matrices that a config asks for cannot be in any file, at 2 bytes a number."""
    C, D, M = config.n_embd, config.head_size, config.hidden
    learned = config.block_size * C if config.position == "learned" else 0
    block = 2 * C * D * (config.n_head + config.kv_heads) + 2 * C * M
    numbers = config.vocab_size * C + learned + config.n_layer * block
    files = [folder / name for name in (MODEL, TRAINING) if (folder / name).is_file()]
    size = max([file.stat().st_size for file in files], default=0)
    if 2 * numbers > size:
        read_tensors(folder / MODEL)  # what is missing, damaged or no such file at all says so
        raise CheckpointError(
            f"{folder / CONFIG}: a model of {numbers:.3g} numbers, but {MODEL} beside it has {size:,} bytes: it is "
            "cut off, or the config is of another model"
        )
    if numbers * dtype.itemsize > memory():
        raise CheckpointError(
            f"{folder / CONFIG}: a model of {numbers * dtype.itemsize / 1e9:,.0f} GB; this machine has "
            f"{memory() / 1e9:,.0f} GB of memory"
        )


def read_tokenizer(folder: Path, document: Mapping[str, Any]) -> AnyTokenizer:
    """The tokenizer of a run folder; raises CheckpointError where it is not the one of its config."""
    try:
        tokenizer = load_tokenizer(folder / TOKENIZER)
    except TokenizerError as problem:
        raise CheckpointError(str(problem)) from None
    _check_fingerprint(folder / CONFIG, document["tokenizer"].get("fingerprint"), tokenizer)
    return tokenizer


def _check_fingerprint(path: Path, expected: object, tokenizer: AnyTokenizer) -> None:
    if expected != tokenizer.fingerprint:
        raise CheckpointError(
            f"{path}: made with the tokenizer {str(expected)[:12]}, but {TOKENIZER} beside it is "
            f"{tokenizer.fingerprint[:12]}: their ids mean different text; put back the tokenizer of this run"
        )


def _shape(model: GPT) -> str:
    """The model's settings as one line: what weights must agree with, beyond the shapes of arrays."""
    return json.dumps(model.config.to_dict(), sort_keys=True)


def _check_shape(path: Path, noted: str | None, model: GPT) -> None:
    """Raise CheckpointError where weights were made under other settings than config.json says."""
    try:
        config = GPTConfig.from_dict(parse_json((noted or "{}").encode()))
        made = config.to_dict()  # an older file lacks the newer settings
    except (ValueError, TypeError, RecursionError):
        made = {}
    for name, value in model.config.to_dict().items():
        if name not in made or made[name] != value:
            raise CheckpointError(f"{path}: made with {name} {made.get(name)}, {CONFIG} beside it says {value}")


def _check_fit(path: Path_, config: GPTConfig, tokenizer: AnyTokenizer) -> None:
    if config.vocab_size < tokenizer.vocab_size:  # more rows are padding, which published tables often have
        raise CheckpointError(
            f"{path}: the model has {config.vocab_size} token ids, the tokenizer {tokenizer.vocab_size}"
        )


def _fill(model: GPT, arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write weights into the model; raises CheckpointError where names, shapes or dtypes do not fit."""
    for name, parameter in model.named_parameters():
        if name in arrays and arrays[name].dtype != parameter.dtype:
            raise CheckpointError(f"{path}: {name} is {arrays[name].dtype}, config.json says {parameter.dtype}")
    try:
        model.load_state_dict(arrays)
    except (KeyError, ValueError) as problem:
        raise CheckpointError(f"{path}: {problem.args[0]}") from None


# -- the state of training -----------------------------------------------------------------------------------


def save_training(
    path: Path_, model: GPT, optimizer: Optimizer, tokenizer: AnyTokenizer, state: Mapping[str, Any]
) -> None:
    """Write everything that decides how training goes on into one file, atomically.

    state: plain JSON values, such as the step and the states of the streams.
    """
    saved = optimizer.state_dict()
    arrays = {f"model.{name}": p.numpy() for name, p in model.named_parameters()}
    numbers: list[dict[str, Any]] = []
    for place, entry in enumerate(saved["state"]):
        arrays |= {f"optimizer.{place}.{k}": v for k, v in entry.items() if isinstance(v, np.ndarray)}
        numbers.append({k: v for k, v in entry.items() if not isinstance(v, np.ndarray)})
    notes = {"state": dict(state), "optimizer": numbers, "groups": saved["groups"]}
    metadata = {"format": "tinylm-training", "version": str(VERSION), "tokenizer": tokenizer.fingerprint}
    metadata["config"] = _shape(model)
    write_tensors(Path(path) / TRAINING, arrays, metadata | {"notes": json.dumps(notes)})


def load_training(path: Path_, model: GPT, optimizer: Optimizer, tokenizer: AnyTokenizer) -> dict[str, Any]:
    """Put weights and optimizer state back as `save_training` wrote them, and return its `state`.

    Raises CheckpointError for a file that is missing, damaged, or of another model or tokenizer.
    """
    file = Path(path) / TRAINING
    arrays, metadata = read_tensors(file)
    if metadata.get("format") != "tinylm-training" or metadata.get("version") != str(VERSION):
        raise CheckpointError(f"{file}: not the training state of a tinylm run")
    _check_fingerprint(file, metadata.get("tokenizer"), tokenizer)
    _check_shape(file, metadata.get("config"), model)
    try:
        notes = parse_json(metadata["notes"].encode())
        entries: list[dict[str, Any]] = [dict(numbers) for numbers in notes["optimizer"]]
        for name, array in arrays.items():
            kind, _, rest = name.partition(".")
            if kind == "optimizer":
                place, _, key = rest.partition(".")
                entries[int(place)][key] = array
        groups = [{k: tuple(v) if isinstance(v, list) else v for k, v in g.items()} for g in notes["groups"]]
        state = dict(notes["state"])
        weights = {name.removeprefix("model."): a for name, a in arrays.items() if name.startswith("model.")}
        _fill(model, weights, file)
        optimizer.load_state_dict({"state": entries, "groups": groups})
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, RecursionError) as problem:
        if isinstance(problem, CheckpointError):
            raise
        raise CheckpointError(f"{file}: damaged: {problem}") from None
    return state
