"""Adapters on disk: adapter.json says what they belong to, adapter.safetensors holds the matrices.

The model they belong to is found by its path and recognised by the SHA-256 of its weights: on any other the matrices
would mean nothing.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tinylm.gpt import GPT, GPTConfig
from tinylm.lora.layer import Adapter, LoRALinear, adapter_of, attach, merge
from tinylm.storage import CheckpointError, read_json, read_tensors, write_json, write_tensors

__all__ = [
    "Base",
    "base_of",
    "load_adapter_run",
    "load_base",
    "read_adapter",
    "read_base",
    "write_adapter",
    "write_base",
]

NOTES, WEIGHTS = "adapter.json", "adapter.safetensors"
FORMAT, VERSION = "tinylm-adapter", 1
LONGEST = 1 << 20  # bytes of an adapter.json: it holds a path and some numbers

Path_ = str | os.PathLike[str]
L = TypeVar("L")


@dataclass(frozen=True, slots=True)
class Base:
    """The model that an adapter belongs to.

    path          where it was: absolute, or relative to the folder of the adapter
    fingerprint   SHA-256 of its weights
    model         its shape, as GPTConfig.to_dict() gives it
    """

    path: str
    fingerprint: str
    model: Mapping[str, Any]


def base_of(model: GPT, path: Path_) -> Base:
    """What is noted of a model that was read from `path`, before or after an adapter is attached."""
    return Base(os.path.abspath(path), _fingerprint(model), model.config.to_dict())


def _fingerprint(model: GPT) -> str:
    """SHA-256 over names, shapes and numbers of all weights but an adapter's."""
    added = {id(p) for layer in model.modules() if isinstance(layer, LoRALinear) for p in (layer.lora_A, layer.lora_B)}
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        if id(parameter) not in added:
            array = parameter.numpy()
            digest.update(f"{name} {array.dtype} {array.shape};".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


# -- writing ---------------------------------------------------------------------------------------------


def write_base(folder: Path_, base: Base) -> None:
    """Write adapter.json, atomically."""
    write_json(Path(folder) / NOTES, {"format": FORMAT, "version": VERSION, "base": asdict(base)})


def write_adapter(folder: Path_, model: GPT, base: Base) -> None:
    """Write adapter.safetensors, atomically; raises ValueError for a model that has no adapter."""
    adapter = adapter_of(model)
    metadata = {"format": FORMAT, "version": str(VERSION), "base": base.fingerprint}
    metadata |= {"alpha": repr(float(adapter.alpha)), "dropout": repr(float(adapter.dropout))}
    write_tensors(Path(folder) / WEIGHTS, adapter.arrays, metadata)


# -- reading ---------------------------------------------------------------------------------------------


def read_base(folder: Path_) -> Base:
    """adapter.json; raises CheckpointError saying what is wrong with it."""
    file = Path(folder) / NOTES
    if file.is_file() and file.stat().st_size > LONGEST:
        raise CheckpointError(f"{file}: {file.stat().st_size:,} bytes are too many for the notes of an adapter")
    document = read_json(file)
    if document.get("format") != FORMAT:
        raise CheckpointError(f"{file}: not the notes of a tinylm adapter")
    if document.get("version") != VERSION:
        raise CheckpointError(f"{file}: version {document.get('version')!r}, this program reads {VERSION}")
    base = document.get("base")
    if not isinstance(base, dict):
        raise CheckpointError(f"{file}: says nothing of the model that the adapter belongs to")
    path, fingerprint, model = (base.get(key) for key in ("path", "fingerprint", "model"))
    if not isinstance(path, str) or not path or "\0" in path:
        raise CheckpointError(f'{file}: "path" must say where the base model is, got {str(path)[:80]!r}')
    if not isinstance(fingerprint, str) or not isinstance(model, dict):
        raise CheckpointError(f'{file}: "base" must have a "fingerprint" and the settings of the "model"')
    return Base(path, fingerprint, model)


def read_adapter(folder: Path_, base: Base) -> Adapter:
    """adapter.safetensors; raises CheckpointError where it is damaged or belongs to another base."""
    file = Path(folder) / WEIGHTS
    arrays, metadata = read_tensors(file)
    if metadata.get("format") != FORMAT or metadata.get("version") != str(VERSION):
        raise CheckpointError(f"{file}: not the matrices of a tinylm adapter")
    if metadata.get("base") != base.fingerprint:
        raise CheckpointError(f"{file}: made for another model than {NOTES} beside it says")
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise CheckpointError(f"{file}: {name} is {array.dtype}, expected floating-point numbers")
    try:
        return Adapter(arrays, *(float(metadata[name]) for name in ("alpha", "dropout")))
    except (KeyError, ValueError) as problem:
        raise CheckpointError(f"{file}: {problem}") from None


def load_base(folder: Path_, load: Callable[[str], L]) -> tuple[L, Base]:
    """The model that a folder's adapter belongs to, as `load` reads it from its path, and what is noted of it.

    load   gives an object with the GPT as `model`, as tinylm.formats.load_model does

    Raises CheckpointError where the base is not there, or is not the one that the adapter was made for.
    """
    base = read_base(folder)
    path = os.path.join(folder, base.path)
    advice = f'put it there, or say in {Path(folder) / NOTES} under "path" where it is'
    if not os.path.exists(path):
        raise CheckpointError(f"{folder}: the model that this adapter belongs to is not at {path}; {advice}")
    if os.path.realpath(path) == os.path.realpath(folder):
        raise CheckpointError(f"{folder}: the adapter says that it belongs to itself; {advice}")
    if os.path.exists(os.path.join(path, NOTES)):
        raise CheckpointError(f"{folder}: belongs to {path}, which is an adapter itself; merge that one first")
    loaded = load(path)
    model: GPT = loaded.model  # type: ignore[attr-defined]
    _check_model(Path(folder) / NOTES, base, model, path)
    return loaded, base


def _check_model(file: Path, base: Base, model: GPT, path: str) -> None:
    """Raise CheckpointError where a model is not the one that was noted."""
    try:
        noted = GPTConfig.from_dict(dict(base.model)).to_dict()  # an older file lacks the newer settings
    except (ValueError, TypeError) as problem:
        raise CheckpointError(f"{file}: {problem}") from None
    for name, value in model.config.to_dict().items():
        if name != "dropout" and noted[name] != value:
            raise CheckpointError(f"{file}: made for a model with {name} {noted[name]}; {path} has {value}")
    if _fingerprint(model) != base.fingerprint:
        raise CheckpointError(
            f"{file}: made for other weights than {path} has now; put back the model that the adapter was trained on"
        )


def load_adapter_run(folder: Path_, load: Callable[[str], L]) -> L:
    """What `load` reads of the base, with the folder's adapter folded into its model.

    Raises CheckpointError as `load_base` does, and where the adapter is damaged or does not fit.
    """
    loaded, base = load_base(folder, load)
    adapter = read_adapter(folder, base)
    model: GPT = loaded.model  # type: ignore[attr-defined]
    try:
        attach(model, adapter)
    except ValueError as problem:
        raise CheckpointError(f"{Path(folder) / WEIGHTS}: {problem}") from None
    merge(model)
    return loaded
