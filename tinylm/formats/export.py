"""`export`: a model of ours, or one that was loaded, in a form that other programs read."""

import os
import shutil
from pathlib import Path
from typing import Literal, get_args

from tinylm.formats.alone import write_alone
from tinylm.formats.export_gguf import GGUFType, write_gguf_model
from tinylm.formats.export_huggingface import write_huggingface
from tinylm.formats.model import Loaded
from tinylm.storage import CheckpointError, Narrow

__all__ = ["Form", "export"]

Form = Literal["hf", "gguf", "safetensors"]
GGUF_TYPES: dict[str | None, GGUFType] = {None: "F32", "float16": "F16", "bfloat16": "BF16", "q8_0": "Q8_0"}


def export(
    found: Loaded, path: str | os.PathLike[str], to: Form, dtype: Narrow | Literal["q8_0"] | None = None
) -> None:
    """Write a model to a new folder (hf) or a new file (gguf, safetensors), whole or not at all.

    to       "hf": config.json, model.safetensors, tokenizer.json and the rest, for transformers
             "gguf": one file, for llama.cpp
             "safetensors": one file of our own, with config and tokenizer in its metadata; for every model
    dtype    None: as it is (in a GGUF file float32); "bfloat16", "float16", rounded to the nearest; "q8_0" for gguf

    `load_model` of the result gives the same weights, to the byte where dtype is None and the model is in float32.
    Raises CheckpointError where there is something at the path, and for a model that has no such form.
    """
    path = Path(path)
    if to not in get_args(Form):
        raise CheckpointError(f"to must be one of {', '.join(get_args(Form))}, got {to!r}")
    if path.exists():
        raise CheckpointError(f"{path} is there already; choose another name, or remove it")
    if dtype == "q8_0" and to != "gguf":
        raise CheckpointError("q8_0 is a type of GGUF files; for the others choose bfloat16 or float16")
    if not path.parent.is_dir():
        raise CheckpointError(f"{path}: there is no folder {path.parent}; make it first")
    if to == "gguf":
        write_gguf_model(path, found, GGUF_TYPES[dtype])
    elif to == "safetensors":
        write_alone(path, found, None if dtype == "q8_0" else dtype)
    else:
        making = path.with_name(f".{path.name}.new")
        shutil.rmtree(making, ignore_errors=True)  # of a process that was killed here
        making.mkdir()
        try:
            write_huggingface(making, found, None if dtype == "q8_0" else dtype)
            making.rename(path)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
