"""State dicts of nanoGPT, saved as safetensors by whoever trained them; its own pickles are never read.

The arrays carry nanoGPT's names, with or without "_orig_mod." (a compiled model) and "transformer." before them. How
many heads there are stands in no array, so it has to be noted, in the file's metadata or in a config.json beside it,
as nanoGPT's model_args have it:

    safetensors.torch.save_file(state_dict, "model.safetensors", metadata={"n_head": "12"})
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinylm.checkpoint import AnyTokenizer
from tinylm.formats.description import Description, Stored
from tinylm.formats.huggingface import read_tokenizer
from tinylm.formats.names import LAYOUTS
from tinylm.formats.safetensors import StoredArray, check_ordinary
from tinylm.gpt import GPTConfig
from tinylm.storage import CheckpointError, read_json
from tokenizer import TokenizerError, load_tokenizer

__all__ = ["describe_nanogpt", "looks_like_nanogpt"]

PREFIXES = ("_orig_mod.", "transformer.")
GELU = {"gelu": "gelu", "gelu_tanh": "gelu_tanh", "new_gelu": "gelu_tanh", "gelu_new": "gelu_tanh"}


def _plain(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def looks_like_nanogpt(arrays: Mapping[str, StoredArray]) -> bool:
    """Whether there are GPT-2's names, with matrices (out, in): GPT-2's own are (in, out)."""
    for name, array in arrays.items():
        if _plain(name) == "h.0.attn.c_attn.weight" and len(array.shape) == 2:
            return array.shape[0] == 3 * array.shape[1]
    return False


def describe_nanogpt(
    path: Path, arrays: Mapping[str, StoredArray], metadata: Mapping[str, str], tokenizer: AnyTokenizer | None = None
) -> Description:
    """The model in a nanoGPT state dict; `path` is the file, whose folder may hold config.json and a tokenizer.

    Raises CheckpointError where a size is not to be had, or a file is missing or damaged.
    """
    plain: dict[str, Stored] = {}
    for name, array in arrays.items():
        if _plain(name) in plain:
            raise CheckpointError(f"{path}: {_plain(name)} is there twice, with different beginnings")
        plain[_plain(name)] = array
    noted = _settings(path, metadata)
    blocks = [n.split(".")[1] for n in plain if n.startswith("h.")]
    layers = 1 + max((int(n) for n in blocks if n.isdecimal() and len(n) < 9), default=-1)
    try:
        (V, C), (T, _) = plain["wte.weight"].shape, plain["wpe.weight"].shape
        activation = noted.get("activation", "gelu")
        if activation not in GELU:
            raise ValueError(f"activation {activation!r}; supported are {', '.join(GELU)}")
        if "n_head" not in noted:
            raise ValueError(
                'how many heads it has is noted nowhere: save it with metadata={"n_head": "12"}, or put a config.json '
                'with {"n_head": 12} beside it'
            )
        config = GPTConfig(
            vocab_size=V,
            block_size=T,
            n_layer=layers,
            n_head=noted["n_head"],
            n_embd=C,
            bias="ln_f.bias" in plain,
            mlp=GELU[activation],  # type: ignore[arg-type]
        )
    except (KeyError, ValueError, TypeError) as problem:
        missing = f"there is no array {problem}" if isinstance(problem, KeyError) else problem
        raise CheckpointError(f"{path}: not a nanoGPT model that can be read: {missing}") from None
    for name, value in (("n_layer", layers), ("n_embd", C), ("block_size", T), ("vocab_size", V)):
        if noted.get(name, value) != value:
            raise CheckpointError(f"{path}: {name} is noted as {noted[name]!r}, the arrays have {value}")
    return Description(
        kind="nanogpt",
        config=config,
        layout=LAYOUTS["nanogpt"],
        arrays=plain,
        tokenizer=tokenizer or _tokenizer(path.parent),
    )


def _settings(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """What is noted: metadata, as numbers where they are, over config.json, or the model_args in it."""
    beside = path.parent / "config.json"
    noted: dict[str, Any] = {}
    if beside.exists():
        check_ordinary(beside)
        document = read_json(beside)
        noted = dict(document["model_args"] if isinstance(document.get("model_args"), dict) else document)
    for name, text in metadata.items():
        if len(text) > 1000:
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        noted |= value if name == "model_args" and isinstance(value, dict) else {name: value}
    return noted


def _tokenizer(folder: Path) -> AnyTokenizer:
    """tokenizer.json, of ours or of Hugging Face, or what else a folder of theirs may have."""
    file = folder / "tokenizer.json"
    if not file.exists():
        return read_tokenizer(folder)
    check_ordinary(file)
    try:
        return load_tokenizer(file)
    except TokenizerError as problem:
        raise CheckpointError(str(problem)) from None
