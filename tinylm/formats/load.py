"""`load`: a model from whatever a path holds."""

import os
from functools import partial
from pathlib import Path
from typing import Any

from tinylm import checkpoint
from tinylm.checkpoint import CONFIG, FORMAT, AnyTokenizer
from tinylm.formats.alone import describe_alone
from tinylm.formats.description import Description
from tinylm.formats.gguf_model import describe_gguf
from tinylm.formats.huggingface import describe_folder
from tinylm.formats.llama2c_model import describe_llama2c
from tinylm.formats.model import Loaded, build, check_ids
from tinylm.formats.nanogpt import describe_nanogpt, looks_like_nanogpt
from tinylm.formats.safetensors import check_ordinary, read_safetensors, read_sharded
from tinylm.gpt import GPT
from tinylm.lora import load_adapter_run
from tinylm.settings import Conventions
from tinylm.storage import CheckpointError, read_json

__all__ = ["load", "load_model"]

Path_ = str | os.PathLike[str]

END = "<|endoftext|>"
SUPPORTED = (
    "a run folder of tinylm; a Hugging Face folder (config.json, model.safetensors, tokenizer.json); a .gguf file; "
    "a .bin of llama2.c; a nanoGPT state dict as .safetensors"
)
PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def load(path: Path_, device: str | None = None) -> tuple[GPT, AnyTokenizer]:
    """The model and the tokenizer of a run folder, or of a model that others trained: see `load_model`.

    Raises CheckpointError for what is missing, damaged or not supported.
    """
    found = load_model(path, device=device)
    return found.model, found.tokenizer


def load_model(
    path: Path_,
    *,
    device: str | None = None,
    dtype: Any = None,
    keep_quantised: bool = False,
    tokenizer: AnyTokenizer | None = None,
) -> Loaded:
    """The model at a path, its tokenizer, and how its file says they are to be used.

    path      a run folder; a Hugging Face folder of a GPT-2, Llama, Mistral or Qwen2 model; a GGUF file of these; a
              llama2.c .bin; a nanoGPT state dict as safetensors, or a folder with one
    device    where to: "numpy" | "cupy"; None: where new arrays go
    dtype     of the weights: None is float32, to which bfloat16, float16 and quantised blocks are widened; a run keeps
              its own
    keep_quantised    of a GGUF file: leave matrices in the file, mapped, and widen them as they are used. Less memory,
              more time for each token, no training
    tokenizer to use instead of the one in the files

    The file is mapped into memory, so it must stay where it is while it loads, and with keep_quantised as long as the
    model lives. Raises CheckpointError saying what is missing, damaged or not supported, and what is.
    """
    path = Path(path)
    if not path.exists():
        hint = "" if path.suffix else f"; `tinylm train --out {path}` makes a run"
        raise CheckpointError(f"{path}: there is no such folder or file{hint}")
    if path.is_dir() and (path / CONFIG).exists():
        check_ordinary(path / CONFIG)
        if read_json(path / CONFIG).get("format") == FORMAT:
            return _run(path, device)
    found = _describe(path, tokenizer)
    if keep_quantised and found.kind != "gguf":
        raise CheckpointError(f"{path}: keep_quantised is for GGUF files, this is a {found.kind} model")
    return build(path, found, device, dtype, keep_quantised)


def _run(folder: Path, device: str | None) -> Loaded:
    """A folder of our own."""
    document = checkpoint.read_config(folder)
    if "adapter" in document:
        model = load_adapter_run(folder, partial(load_model, device=device)).model
        tokenizer = checkpoint.read_tokenizer(folder, document)
    else:
        model, tokenizer = checkpoint.load(folder, device)
    end = tokenizer.special_tokens.get(END)
    try:
        use = Conventions.from_dict(document.get("use", {}))
        beginning = document.get("start", [0 if end is None else end])
        check_ids(model.config.vocab_size, use.start, use.stops, beginning)
    except ValueError as problem:
        raise CheckpointError(f"{folder / CONFIG}: {problem}") from None
    return Loaded(
        model,
        tokenizer,
        start=list(use.start),
        beginning=list(beginning),
        stops=use.stops or (() if end is None else (end,)),
        chat_template=use.chat_template,
        bos_token=use.bos_token,
        eos_token=use.eos_token,
        notes=(),
        kind="run",
        training=noted if isinstance(noted := document.get("training"), dict) else {},
    )


def _describe(path: Path, tokenizer: AnyTokenizer | None) -> Description:
    """The reader for what lies there, by its first bytes and not by its name."""
    if path.is_dir():
        return _folder(path, tokenizer)
    check_ordinary(path)
    with open(path, "rb") as file:
        first = file.read(9)
    if first[:4] == b"GGUF":
        return describe_gguf(path)
    if first.startswith(PICKLES):
        raise CheckpointError(f"{path}: a pickle, of PyTorch, which is never read: save the model as safetensors")
    if first[8:] == b"{":
        arrays, metadata = read_safetensors(path)
        if "tinylm" in metadata:
            return describe_alone(path, arrays, metadata)
        if looks_like_nanogpt(arrays):
            return describe_nanogpt(path, arrays, metadata, tokenizer)
        raise CheckpointError(f"{path}: weights alone; give the folder that also has config.json and the tokenizer")
    if path.suffix == ".bin":
        return describe_llama2c(path, tokenizer)
    raise CheckpointError(f"{path}: not a model that is read here; supported are {SUPPORTED}")


def _folder(path: Path, tokenizer: AnyTokenizer | None) -> Description:
    config = path / CONFIG
    if config.exists() and "model_type" in read_json(config):
        return describe_folder(path, tokenizer)
    weights = path / "model.safetensors"
    if weights.exists():
        arrays, metadata = read_sharded(path)
        if looks_like_nanogpt(arrays):
            return describe_nanogpt(weights, arrays, metadata, tokenizer)
    if config.exists():
        raise CheckpointError(f"{config}: says neither that it is a run of tinylm nor a model_type")
    inside = sorted(p.name for pattern in ("*.gguf", "*.bin") for p in path.glob(pattern))
    hint = f"; it holds {inside[0]}: give that file" if inside else ""
    raise CheckpointError(f"{path}: there is no {CONFIG} in it{hint}; supported are {SUPPORTED}")
