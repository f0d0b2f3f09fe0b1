"""A model as a GGUF file, which llama.cpp loads."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from tinylm.formats.gguf_write import write_gguf
from tinylm.formats.model import Loaded
from tinylm.formats.names import LAYOUTS
from tinylm.formats.restore import OURS
from tinylm.formats.theirs import TheirArrays
from tinylm.gpt import GPTConfig
from tinylm.rope import frequencies
from tinylm.storage import CheckpointError
from tokenizer import CharTokenizer
from tokenizer.gguf import gguf_of_tokenizer

__all__ = ["GGUFType", "gguf_shape", "write_gguf_model"]

GGUFType = Literal["F32", "F16", "BF16", "Q8_0"]


def write_gguf_model(path: Path, found: Loaded, kind: GGUFType = "F32", name: str = "") -> None:
    """Write a model and its tokenizer as one GGUF file.

    kind: of the matrices, where their rows are whole blocks; vectors stay F32, as llama.cpp has them. Raises
    CheckpointError for a model or a tokenizer that has no form there.
    """
    if isinstance(found.tokenizer, CharTokenizer):
        raise CheckpointError("a tokenizer of characters has no form in a GGUF file; use --to safetensors")
    config = found.model.config
    architecture, written = _architecture(config)
    metadata: dict[str, Any] = {"general.name": name or path.stem, **gguf_shape(config)}
    metadata |= gguf_of_tokenizer(found.tokenizer)
    metadata["tokenizer.ggml.add_bos_token"] = bool(found.start)
    first = {"bos_token_id": (found.start or found.beginning)[:1], "eos_token_id": list(found.stops[:1])}
    first["eot_token_id"] = list(found.stops[1:2])
    metadata |= {f"tokenizer.ggml.{key}": ids[0] for key, ids in first.items() if ids}
    if found.chat_template is not None:
        metadata["tokenizer.chat_template"] = found.chat_template
    metadata[OURS] = json.dumps(config.to_dict(), sort_keys=True)
    arrays = TheirArrays(
        written, LAYOUTS[f"gguf-{architecture}"], {name: p.numpy() for name, p in found.model.named_parameters()}
    )
    tensors: dict[str, Any] | TheirArrays = arrays
    if config.rope_scaling is not None and config.rope_scaling["type"] in ("llama3", "divisors"):
        waves, _ = frequencies(config.head_size, config.rope_base, config.rope_scaling)
        plain, _ = frequencies(config.head_size, config.rope_base, {"type": "linear", "factor": 1.0})
        tensors = {**arrays, "rope_freqs.weight": (plain / waves).astype("float32")}
    blocks = 32 if kind == "Q8_0" else 1
    whole = {n for n, a in tensors.items() if a.ndim == 2 and a.shape[1] % blocks == 0} - {"position_embd.weight"}
    write_gguf(path, metadata, tensors, dict.fromkeys(sorted(whole), kind))


def gguf_shape(config: GPTConfig) -> dict[str, Any]:
    """The values that say what shape a model has; raises CheckpointError for one that has no form there."""
    architecture, _ = _architecture(config)
    shape = {f"{architecture}.{key}": value for key, value in _shape(config, architecture).items()}
    return {"general.architecture": architecture, **shape}


def _architecture(config: GPTConfig) -> tuple[str, GPTConfig]:
    """The architecture of theirs that a model is, and the shape as it is written there."""
    qkv, proj, mlp = (config.bias if b is None else b for b in (config.qkv_bias, config.proj_bias, config.mlp_bias))
    plain = config.kv_heads == config.n_head and config.head_size * config.n_head == config.n_embd
    if (config.norm, config.position, config.mlp) == ("layer", "learned", "gelu_tanh") and plain:
        return "gpt2", replace(config, bias=True, qkv_bias=None, proj_bias=None, mlp_bias=None)
    if (config.norm, config.position, config.mlp) == ("rms", "rope", "swiglu"):
        return ("qwen2" if qkv and not proj and not mlp else "llama"), config
    raise CheckpointError(
        f"norm {config.norm}, position {config.position}, mlp {config.mlp}: no architecture that llama.cpp has is so; "
        "gpt2 (layer, learned, gelu_tanh) and llama (rms, rope, swiglu) can be written; use --to safetensors"
    )


def _shape(config: GPTConfig, architecture: str) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "context_length": config.block_size,
        "embedding_length": config.n_embd,
        "block_count": config.n_layer,
        "feed_forward_length": config.hidden,
        "attention.head_count": config.n_head,
    }
    if architecture == "gpt2":
        return shape | {"attention.layer_norm_epsilon": config.norm_eps}
    shape |= {
        "vocab_size": config.vocab_size,
        "attention.head_count_kv": config.kv_heads,
        "attention.layer_norm_rms_epsilon": config.norm_eps,
        "attention.key_length": config.head_size,
        "attention.value_length": config.head_size,
        "rope.dimension_count": config.head_size,
        "rope.freq_base": config.rope_base,
    }
    scaling = config.rope_scaling
    if scaling is not None and scaling["type"] in ("linear", "yarn"):
        shape |= {"rope.scaling.type": scaling["type"], "rope.scaling.factor": scaling["factor"]}
        if scaling["type"] == "yarn":
            shape["rope.scaling.original_context_length"] = int(scaling["original_context"])
            if scaling["attention_factor"]:
                shape["rope.scaling.attn_factor"] = scaling["attention_factor"]
    return shape
