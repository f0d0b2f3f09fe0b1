"""config.json of GPT-2, Llama, Mistral and Qwen2 models in Hugging Face folders, in its old and new keys.

Everything is taken from the file. Where a key is absent, the value is the one that the format defines for it (the
defaults of transformers' configuration classes); what would change the numbers and is not built here is refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinylm.gpt import GPTConfig
from tinylm.storage import CheckpointError

__all__ = ["config_of", "shown"]

SUPPORTED = "gpt2, llama (Llama 2 and 3, SmolLM2), mistral, qwen2"
GELU = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}  # theirs -> ours


class Reader:
    """A config.json whose every value is asked for by name and type."""

    def __init__(self, path: Path, document: Mapping[str, Any]):
        self.path, self.document = path, document

    def fail(self, problem: str) -> CheckpointError:
        return CheckpointError(f"{self.path}: {problem}")

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number; without a default the key must be there."""
        value = self.document.get(name)
        if value is None and default is not None:
            return default
        if type(value) is not int:
            raise self.fail(f"{name} must be a whole number, got {shown(value)}")
        return value

    def number(self, name: str, default: float) -> float:
        value = self.document.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
            raise self.fail(f"{name} must be a number, got {shown(value)}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.document.get(name, default)
        if not isinstance(value, bool):
            raise self.fail(f"{name} must be true or false, got {shown(value)}")
        return value

    def must_be(self, name: str, expected: object, default: object) -> None:
        """Refuse a setting under which the model would compute something that is not built here."""
        value = self.document.get(name, default)
        if value != expected:
            raise self.fail(f"{name} {shown(value)} is not supported, only {shown(expected)}")


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def config_of(document: Mapping[str, Any], path: Path) -> tuple[GPTConfig, str, tuple[str, ...]]:
    """The model's shape, the name of its layout, and notes for a person, from the object in a config.json.

    Raises CheckpointError naming the file and the setting that is missing, wrong or not supported.
    """
    reader = Reader(path, document)
    kind = document.get("model_type")
    try:
        if kind == "gpt2":
            return GPTConfig(**_gpt2(reader)), "gpt2", ()
        if kind in ("llama", "mistral", "qwen2"):
            settings, notes = _llama(reader, str(kind))
            return GPTConfig(**settings), "llama", notes
    except (ValueError, TypeError) as problem:
        if isinstance(problem, CheckpointError):
            raise
        raise reader.fail(str(problem)) from None
    names = document.get("architectures")
    raise reader.fail(f"model_type {shown(kind)}, architectures {shown(names)}; supported are {SUPPORTED}")


def _gpt2(reader: Reader) -> dict[str, Any]:
    activation = reader.document.get("activation_function", "gelu_new")
    if activation not in GELU:
        raise reader.fail(f"activation_function {shown(activation)}; supported are {', '.join(GELU)}")
    reader.must_be("scale_attn_weights", True, True)
    reader.must_be("scale_attn_by_inverse_layer_idx", False, False)
    reader.must_be("add_cross_attention", False, False)
    return {
        "vocab_size": reader.whole("vocab_size"),
        "block_size": reader.whole("n_positions"),
        "n_layer": reader.whole("n_layer"),
        "n_head": reader.whole("n_head"),
        "n_embd": reader.whole("n_embd"),
        "mlp_hidden": reader.whole("n_inner", 0) or None,
        "norm_eps": reader.number("layer_norm_epsilon", 1e-5),
        "tie_weights": reader.flag("tie_word_embeddings", True),
        "mlp": GELU[activation],
    }


def _llama(reader: Reader, kind: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    reader.must_be("hidden_act", "silu", "silu")
    bias = kind == "llama" and reader.flag("attention_bias", False)
    n_head = reader.whole("num_attention_heads")
    settings: dict[str, Any] = {
        "vocab_size": reader.whole("vocab_size"),
        "block_size": reader.whole("max_position_embeddings"),
        "n_layer": reader.whole("num_hidden_layers"),
        "n_head": n_head,
        "n_embd": reader.whole("hidden_size"),
        "n_kv_head": reader.whole("num_key_value_heads", 8 if kind == "mistral" else n_head),
        "mlp_hidden": reader.whole("intermediate_size"),
        "head_dim": reader.whole("head_dim", 0) or None,
        "norm_eps": reader.number("rms_norm_eps", 1e-6),
        "tie_weights": reader.flag("tie_word_embeddings", False),
        "bias": False,
        "qkv_bias": bias or kind == "qwen2",
        "proj_bias": bias,
        "mlp_bias": kind == "llama" and reader.flag("mlp_bias", False),
        "norm": "rms",
        "position": "rope",
        "mlp": "swiglu",
    }
    base, scaling, notes = _rope(reader, settings["block_size"])
    settings |= {"rope_base": base, "rope_scaling": scaling}
    window = _window(reader, kind)
    if window is not None and window < settings["block_size"]:
        notes += (
            f"this model attends to the last {window} positions only, which is not built here: "
            f"the context is limited to {window}, where it makes no difference",
        )
        settings["block_size"] = window
    return settings, notes


def _window(reader: Reader, kind: str) -> int | None:
    """The sliding window, where some layer has one."""
    layers = reader.document.get("layer_types")
    sliding = isinstance(layers, list) and "sliding_attention" in layers
    if kind == "qwen2" and not (reader.flag("use_sliding_window", False) or sliding):
        return None
    if kind == "llama" and not sliding:
        return None
    default = 4096 if kind == "mistral" and "sliding_window" not in reader.document else 0
    return reader.whole("sliding_window", default) or None


def _rope(reader: Reader, context: int) -> tuple[float, dict[str, Any] | None, tuple[str, ...]]:
    """Base and scaling, from `rope_parameters`, or from the older `rope_theta` and `rope_scaling`; and notes."""
    given = reader.document.get("rope_parameters") or reader.document.get("rope_scaling") or {}
    if not isinstance(given, dict):
        raise reader.fail(f"rope_parameters must be an object, got {shown(given)}")
    inner = Reader(reader.path, {"rope_theta": reader.document.get("rope_theta", 10000.0), **given})
    inner.must_be("partial_rotary_factor", 1.0, reader.document.get("partial_rotary_factor", 1.0))
    base = inner.number("rope_theta", 10000.0)
    kind = inner.document.get("rope_type", inner.document.get("type", "default"))
    original = inner.whole("original_max_position_embeddings", context)
    if kind == "default":
        if any(isinstance(value, dict) for value in given.values()):
            raise reader.fail("rope_parameters that differ from layer to layer are not supported")
        return base, None, ()
    if kind == "dynamic":  # its base grows with the text beyond max_position_embeddings, and is as it was up to there
        return base, None, (f"positions are scaled dynamically beyond {context}: the context is limited to {context}",)
    scaling: dict[str, Any] = {"type": kind, "factor": inner.number("factor", 0.0)}
    if kind == "llama3":
        scaling |= {name: inner.number(name, 0.0) for name in ("low_freq_factor", "high_freq_factor")}
        scaling["original_context"] = original
    elif kind == "yarn":
        if inner.document.get("mscale") or inner.document.get("mscale_all_dim"):
            raise reader.fail("rope_parameters with mscale are not supported")
        scaling["factor"] = scaling["factor"] or context / original
        scaling["original_context"] = original
        for name in ("beta_fast", "beta_slow", "attention_factor"):
            if inner.document.get(name):
                scaling[name] = inner.number(name, 0.0)
        scaling["truncate"] = inner.flag("truncate", True)
    elif kind != "linear":
        raise reader.fail(f"rope_type {shown(kind)}; supported are default, dynamic, linear, llama3, yarn")
    return base, scaling, ()
