"""A model as a Hugging Face folder, which transformers loads."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinylm.formats.model import Loaded
from tinylm.formats.names import LAYOUTS
from tinylm.formats.restore import OURS
from tinylm.formats.theirs import TheirArrays
from tinylm.gpt import GPTConfig
from tinylm.storage import CheckpointError, Narrow, to_bytes, write_json
from tokenizer import CharTokenizer
from tokenizer.formats import write_atomically

__all__ = ["huggingface_config", "write_huggingface"]

GELU = {"gelu_tanh": "gelu_new", "gelu": "gelu"}


def huggingface_config(config: GPTConfig) -> tuple[dict[str, Any], GPTConfig, str]:
    """config.json's object, the config as it is written (GPT-2 there always has biases), and the name of the layout.

    Raises ValueError for a combination that no architecture of theirs has.
    """
    if config.norm == "layer" and config.position == "learned" and config.mlp in GELU and not _own_heads(config):
        return _gpt2(config), replace(config, bias=True, qkv_bias=None, proj_bias=None, mlp_bias=None), "gpt2"
    if config.norm == "rms" and config.position == "rope" and config.mlp == "swiglu":
        return _llama(config), config, "llama"
    raise ValueError(
        f"norm {config.norm}, position {config.position}, mlp {config.mlp}, {config.kv_heads} key heads of "
        f"{config.n_head}: no architecture of transformers' is so; GPT-2 (layer, learned, gelu or gelu_tanh) and Llama "
        "(rms, rope, swiglu) can be written; use --to safetensors"
    )


def _own_heads(config: GPTConfig) -> bool:
    return config.kv_heads != config.n_head or config.head_size * config.n_head != config.n_embd


def _gpt2(config: GPTConfig) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": GELU[config.mlp],
        "vocab_size": config.vocab_size,
        "n_positions": config.block_size,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_embd": config.n_embd,
        "n_inner": config.mlp_hidden,
        "layer_norm_epsilon": config.norm_eps,
        "tie_word_embeddings": config.tie_weights,
        **dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), config.dropout),
    }


def _llama(config: GPTConfig) -> dict[str, Any]:
    qkv, proj, mlp = (config.bias if b is None else b for b in (config.qkv_bias, config.proj_bias, config.mlp_bias))
    if (qkv, proj, mlp) == (True, False, False) and config.head_size * config.n_head == config.n_embd:
        own: dict[str, Any] = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
    elif qkv == proj:
        own = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "head_dim": config.head_size}
        own |= {"attention_bias": qkv, "mlp_bias": mlp}
    else:
        raise ValueError(
            f"biases of queries {qkv}, of attention's output {proj}, of the mlp {mlp}: neither Llama nor Qwen2 "
            "has them so; use --to safetensors"
        )
    return {
        **own,
        "hidden_act": "silu",
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.block_size,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.kv_heads,
        "hidden_size": config.n_embd,
        "intermediate_size": config.hidden,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_weights,
        "attention_dropout": config.dropout,
        **_rope(config),
    }


def _rope(config: GPTConfig) -> dict[str, Any]:
    """Base and scaling in the older keys and in the newer: each version of transformers finds its own."""
    scaling = dict(config.rope_scaling or {"type": "default"})
    kind = scaling.pop("type")
    if kind == "divisors":
        raise ValueError("rope_scaling of type divisors, as GGUF files have it, has no form in config.json")
    if kind == "yarn" and not scaling["attention_factor"]:
        del scaling["attention_factor"]
    if "original_context" in scaling:
        scaling["original_max_position_embeddings"] = int(scaling.pop("original_context"))
    older = None if kind == "default" else {"rope_type": kind, **scaling}
    old = {"rope_theta": config.rope_base, "rope_scaling": older}
    return old | {"rope_parameters": {"rope_type": kind, "rope_theta": config.rope_base, **scaling}}


def write_huggingface(folder: Path, found: Loaded, dtype: Narrow | None = None) -> None:
    """Write config.json, model.safetensors, tokenizer.json and what goes with it into a folder that is there.

    Raises CheckpointError for a model or a tokenizer that has no form there.
    """
    model, tokenizer = found.model, found.tokenizer
    if isinstance(tokenizer, CharTokenizer):
        raise CheckpointError("a tokenizer of characters has no form in tokenizer.json; use --to safetensors")
    try:
        document, written, layout = huggingface_config(model.config)
        tokenizer.to_huggingface(folder / "tokenizer.json")
    except ValueError as problem:
        raise CheckpointError(str(problem)) from None
    document["dtype"] = document["torch_dtype"] = dtype or str(model.dtype)
    document[OURS] = model.config.to_dict()
    ends: dict[str, Any] = {"eos_token_id": list(found.stops) if len(found.stops) != 1 else found.stops[0]}
    ends |= {"bos_token_id": found.start[0] if found.start else None}
    ends = {name: value for name, value in ends.items() if value not in (None, [])}
    write_json(folder / "config.json", document | {"eos_token_id": None, "bos_token_id": None} | ends)
    write_json(folder / "generation_config.json", {"_from_model_config": False, **ends})
    write_json(folder / "tokenizer_config.json", _tokenizer_config(found))
    if found.chat_template is not None:
        write_atomically(folder / "chat_template.jinja", found.chat_template.encode())
    _put_start(folder / "tokenizer.json", found)
    arrays = TheirArrays(written, LAYOUTS[layout], {name: p.numpy() for name, p in model.named_parameters()})
    names = {_prefixed(name, layout): name for name in arrays}
    weights = {theirs: arrays[name] for theirs, name in names.items()}
    write_atomically(folder / "model.safetensors", to_bytes(weights, {"format": "pt"}, dtype))


def _prefixed(name: str, layout: str) -> str:
    return f"transformer.{name}" if layout == "gpt2" and not name.startswith("lm_head") else name


def _tokenizer_config(found: Loaded) -> dict[str, Any]:
    spelled = {i: name for name, i in found.tokenizer.special_tokens.items()}
    eos = found.eos_token or next((spelled[i] for i in found.stops if i in spelled), None)
    bos = found.bos_token or next((spelled[i] for i in found.start if i in spelled), None)
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": found.model.config.block_size,
        **{name: token for name, token in (("bos_token", bos), ("eos_token", eos)) if token is not None},
    }


def _put_start(path: Path, found: Loaded) -> None:
    """Note in tokenizer.json what goes before every text, as a post-processor."""
    spelled = {i: name for name, i in found.tokenizer.special_tokens.items()}
    before = [spelled[i] for i in found.start if i in spelled]
    if not before:
        return
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    text: list[Mapping[str, Any]] = [{"SpecialToken": {"id": name, "type_id": 0}} for name in before]
    ids = found.tokenizer.special_tokens
    document["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [*text, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [*text, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in before},
    }
    write_json(path, document)
