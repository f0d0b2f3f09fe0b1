"""The model in a GGUF file: what its values say of the shape, the tokenizer and the conversation."""

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinylm.formats.description import Description, Stored
from tinylm.formats.export_gguf import gguf_shape
from tinylm.formats.gguf import GGUF, read_gguf
from tinylm.formats.names import LAYOUTS
from tinylm.formats.restore import OURS, restored
from tinylm.gpt import GPTConfig
from tinylm.storage import CheckpointError
from tokenizer import TokenizerError
from tokenizer.gguf import special_ids_of_gguf, tokenizer_of_gguf

__all__ = ["describe_gguf"]

SUPPORTED = ("llama", "qwen2", "gpt2")
MOST_TEMPLATE = 1 << 20  # characters
NUMBER = (int, float, np.integer, np.floating)


class Values:
    """The metadata of one architecture, each value asked for by name and type."""

    def __init__(self, path: object, metadata: Mapping[str, Any], architecture: str):
        self.path, self.metadata, self.architecture = path, metadata, architecture

    def get(self, name: str, default: Any = None) -> Any:
        return self.metadata.get(f"{self.architecture}.{name}", default)

    def fail(self, name: str, expected: str) -> CheckpointError:
        found = repr(self.get(name))
        return CheckpointError(f"{self.path}: {self.architecture}.{name} must be {expected}, got {found[:60]}")

    def whole(self, name: str, default: int | None = None) -> int:
        value = self.get(name, default)
        if isinstance(value, np.ndarray) and value.ndim == 1 and len(value) and (value == value[0]).all():
            value = value[0]  # one number a layer: some files spell a head count so
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise self.fail(name, "a whole number, the same for all layers")
        return int(value)

    def number(self, name: str, default: float | None = None) -> float:
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, NUMBER) or not math.isfinite(value):
            raise self.fail(name, "a number")
        return float(value)


def describe_gguf(path: str | os.PathLike[str]) -> Description:
    """The model in a GGUF file of architecture llama (also Mistral, SmolLM2), qwen2 or gpt2.

    Raises CheckpointError for a file that is damaged, and naming what is not supported.
    """
    file = read_gguf(path)
    kind = file.metadata.get("general.architecture")
    if kind not in SUPPORTED:
        raise CheckpointError(f"{path}: architecture {str(kind)[:40]!r}; supported are {', '.join(SUPPORTED)}")
    pieces = file.metadata.get("split.count", 0)
    if isinstance(pieces, int) and pieces > 1:
        raise CheckpointError(f"{path}: one of {pieces} parts; join them: llama-gguf-split --merge FIRST-PART OUT.gguf")
    values = Values(path, file.metadata, str(kind))
    try:
        tokenizer = tokenizer_of_gguf(file.metadata)
        ids = special_ids_of_gguf(file.metadata)
    except TokenizerError as problem:
        raise CheckpointError(f"{path}: {problem}") from None
    try:
        config, notes = _config(values, file)
    except ValueError as problem:
        if isinstance(problem, CheckpointError):
            raise
        raise CheckpointError(f"{path}: {problem}") from None
    arrays: Mapping[str, Stored] = file.tensors
    if OURS in file.metadata:
        back = restored(_noted(file), LAYOUTS[f"gguf-{kind}"], arrays, lambda ours: _says_the_same(ours, file))
        config, arrays = back or (config, arrays)
    template = file.metadata.get("tokenizer.chat_template")
    spelled: dict[Any, str] = {i: name for name, i in tokenizer.special_tokens.items()}
    stops = [ids[name] for name in ("eos", "eot") if ids.get(name) is not None]
    return Description(
        kind="gguf",
        config=config,
        layout=LAYOUTS[f"gguf-{kind}"],
        arrays=arrays,
        tokenizer=tokenizer,
        start=(ids["bos"],) if ids.get("add_bos") and ids.get("bos") is not None else (),
        stops=tuple(dict.fromkeys(stops)),
        chat_template=template if isinstance(template, str) and len(template) <= MOST_TEMPLATE else None,
        bos_token=spelled.get(ids.get("bos")),
        eos_token=spelled.get(ids.get("eos")),
        notes=notes,
    )


def _noted(file: GGUF) -> Any:
    try:
        return json.loads(str(file.metadata[OURS])[:MOST_TEMPLATE])
    except (ValueError, RecursionError):
        return None


def _says_the_same(ours: GPTConfig, file: GGUF) -> bool:
    """Whether the file's values are still as they were written for this config: numbers with a fraction as float32."""
    for name, value in gguf_shape(ours).items():
        found = file.metadata.get(name)
        if found != (float(np.float32(value)) if isinstance(value, float) else value):
            return False
    return True


def _config(values: Values, file: GGUF) -> tuple[GPTConfig, tuple[str, ...]]:
    """The shape, and notes for a person."""
    table = file.tensors.get("token_embd.weight")
    if table is None or len(table.shape) != 2:
        raise CheckpointError(f"{values.path}: there is no table token_embd.weight")
    heads = values.whole("attention.head_count")
    settings: dict[str, Any] = {
        "vocab_size": table.shape[0],
        "block_size": values.whole("context_length"),
        "n_layer": values.whole("block_count"),
        "n_head": heads,
        "n_embd": values.whole("embedding_length"),
        "mlp_hidden": values.whole("feed_forward_length"),
        "tie_weights": "output.weight" not in file.tensors,
    }
    if values.architecture == "gpt2":
        settings["norm_eps"] = values.number("attention.layer_norm_epsilon")
        return GPTConfig(**settings, mlp="gelu_tanh"), ()
    has_bias = {part: f"blk.0.{part}.bias" in file.tensors for part in ("attn_q", "attn_output", "ffn_up")}
    size = values.whole("attention.key_length", 0) or None
    settings |= {
        "n_kv_head": values.whole("attention.head_count_kv", heads),
        "norm_eps": values.number("attention.layer_norm_rms_epsilon"),
        "rope_base": values.number("rope.freq_base", 10000.0),
        "head_dim": size,
        "bias": False,
        "qkv_bias": has_bias["attn_q"],
        "proj_bias": has_bias["attn_output"],
        "mlp_bias": has_bias["ffn_up"],
        "norm": "rms",
        "position": "rope",
        "mlp": "swiglu",
    }
    if values.whole("attention.value_length", size or 0) != (size or 0):
        raise values.fail("attention.value_length", "that of keys")
    head_size = size or settings["n_embd"] // max(heads, 1)
    if values.whole("rope.dimension_count", head_size) != head_size:
        raise values.fail("rope.dimension_count", f"{head_size}, all of a head")
    if values.whole("expert_count", 0):
        raise values.fail("expert_count", "0: mixtures of experts are not built here")
    settings["rope_scaling"] = _scaling(values, file, settings["block_size"])
    window = values.whole("attention.sliding_window", 0)
    if 0 < window < settings["block_size"]:
        settings["block_size"] = window
        return GPTConfig(**settings), (
            f"this model attends to the last {window} positions only, which is not built here: "
            f"the context is limited to {window}, where it makes no difference",
        )
    return GPTConfig(**settings), ()


def _scaling(values: Values, file: GGUF, context: int) -> dict[str, Any] | None:
    """How rotary positions are stretched: the divisors in the file (Llama 3), or linear, or yarn."""
    if "rope_freqs.weight" in file.tensors:
        divisors = file.tensors["rope_freqs.weight"]
        if math.prod(divisors.shape) > 4096:
            raise CheckpointError(f"{values.path}: rope_freqs.weight has shape {divisors.shape}")
        return {"type": "divisors", "divisors": [float(d) for d in divisors.numpy().reshape(-1)]}
    kind = values.get("rope.scaling.type", "none")
    factor = values.number("rope.scaling.factor", values.number("rope.scale_linear", 1.0))
    if kind == "yarn":
        original = values.whole("rope.scaling.original_context_length", context)
        scaling: dict[str, Any] = {"type": "yarn", "factor": factor, "original_context": original}
        attention = values.number("rope.scaling.attn_factor", 0.0)
        return scaling | ({"attention_factor": attention} if attention else {})
    if kind == "linear" or (kind == "none" and factor != 1.0):
        return {"type": "linear", "factor": factor}
    if kind != "none":
        raise CheckpointError(f"{values.path}: rope scaling {str(kind)[:40]!r}; supported are none, linear, yarn")
    return None
