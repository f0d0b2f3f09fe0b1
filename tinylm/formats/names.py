"""What others call the parameters of a model, and how their matrices lie; knows no files.

Ours are (in, out), with queries, keys and values in one matrix. A layout says for each of our names the arrays of
theirs that make it up, side by side along the outputs, and which way their matrices lie.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tinylm.gpt import GPTConfig

__all__ = ["LAYOUTS", "Layout", "Place", "half_and_half", "places", "theirs"]

QKV = ("q", "k", "v")


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of one family; "{}" stands for the number of the block.

    title         what messages call it
    names         our name -> theirs, more than one where theirs are apart; without .weight and .bias
    transposed    their matrices are (out, in)
    interleaved   their queries and keys have the pairs of rotary positions side by side: x[2i], x[2i + 1]; ours lie
                  half and half: x[i], x[i + D/2]
    ignored       endings of arrays that hold nothing a model needs
    """

    title: str
    names: Mapping[str, tuple[str, ...]]
    transposed: bool = True
    interleaved: bool = False
    ignored: tuple[str, ...] = ()


HUGGINGFACE_LLAMA = Layout(
    "Hugging Face Llama",
    {
        "wte": ("model.embed_tokens",),
        "h.{}.ln_1": ("model.layers.{}.input_layernorm",),
        "h.{}.attn.c_attn": tuple(f"model.layers.{{}}.self_attn.{part}_proj" for part in QKV),
        "h.{}.attn.c_proj": ("model.layers.{}.self_attn.o_proj",),
        "h.{}.ln_2": ("model.layers.{}.post_attention_layernorm",),
        "h.{}.mlp.c_gate": ("model.layers.{}.mlp.gate_proj",),
        "h.{}.mlp.c_fc": ("model.layers.{}.mlp.up_proj",),
        "h.{}.mlp.c_proj": ("model.layers.{}.mlp.down_proj",),
        "ln_f": ("model.norm",),
        "lm_head": ("lm_head",),
    },
    ignored=(".rotary_emb.inv_freq",),
)

GGUF_LLAMA = Layout(
    "GGUF llama",
    {
        "wte": ("token_embd",),
        "h.{}.ln_1": ("blk.{}.attn_norm",),
        "h.{}.attn.c_attn": tuple(f"blk.{{}}.attn_{part}" for part in QKV),
        "h.{}.attn.c_proj": ("blk.{}.attn_output",),
        "h.{}.ln_2": ("blk.{}.ffn_norm",),
        "h.{}.mlp.c_gate": ("blk.{}.ffn_gate",),
        "h.{}.mlp.c_fc": ("blk.{}.ffn_up",),
        "h.{}.mlp.c_proj": ("blk.{}.ffn_down",),
        "ln_f": ("output_norm",),
        "lm_head": ("output",),
    },
    interleaved=True,
    ignored=("rope_freqs.weight",),
)

_OURS = {
    name: (name,)
    for name in (
        "wte", "wpe", "h.{}.ln_1", "h.{}.attn.c_attn", "h.{}.attn.c_proj", "h.{}.ln_2", "h.{}.mlp.c_gate",
        "h.{}.mlp.c_fc", "h.{}.mlp.c_proj", "ln_f", "lm_head",
    )
}  # fmt: skip
_GPT2 = {ours: theirs for ours, theirs in _OURS.items() if "c_gate" not in ours}  # GPT-2's names are ours

LAYOUTS = {
    "ours": Layout("tinylm", _OURS, transposed=False),
    "gpt2": Layout("Hugging Face GPT-2", _GPT2, transposed=False, ignored=(".attn.bias", ".attn.masked_bias")),
    "nanogpt": Layout("nanoGPT", _GPT2, ignored=(".attn.bias",)),
    "llama": HUGGINGFACE_LLAMA,
    "gguf-llama": GGUF_LLAMA,
    "gguf-qwen2": Layout("GGUF qwen2", GGUF_LLAMA.names, ignored=GGUF_LLAMA.ignored),
    "gguf-gpt2": Layout(
        "GGUF gpt2",
        {
            **{k: v for k, v in GGUF_LLAMA.names.items() if k != "h.{}.mlp.c_gate"},
            "wpe": ("position_embd",),
            "h.{}.attn.c_attn": ("blk.{}.attn_qkv",),
        },
    ),
    "llama2.c": Layout("llama2.c", HUGGINGFACE_LLAMA.names, interleaved=True),
}
"""Family -> its layout. Embeddings are (V, C) in all of them, and heads too, but in ours."""


@dataclass(frozen=True, slots=True)
class Place:
    """One of our parameters, and the arrays of a file that make it up, side by side along the outputs.

    name, shape    ours
    arrays, shapes    theirs
    outputs        how many outputs each of them has
    transposed     theirs are (out, in)
    heads          of each, how many heads' pairs must be brought from side by side to half and half; 0: as they are
    """

    name: str
    shape: tuple[int, ...]
    arrays: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    outputs: tuple[int, ...]
    transposed: bool
    heads: tuple[int, ...]


def places(config: GPTConfig, layout: Layout) -> Iterator[Place]:
    """Every parameter of a model of this shape, in the model's order, by the rules of its config alone.

    Raises ValueError for a part that the layout has no name for.
    """
    C, V, M = config.n_embd, config.vocab_size, config.hidden
    H, G, D = config.n_head, config.kv_heads, config.head_size
    yield _table("wte", (V, C), layout)
    if config.position == "learned":
        yield _table("wpe", (config.block_size, C), layout)
    for block in range(config.n_layer):
        h = f"h.{block}."
        yield from _norm(h + "ln_1", config, layout)
        yield from _linear(h + "attn.c_attn", C, (H * D, G * D, G * D), config.qkv_bias, config, layout)
        yield from _linear(h + "attn.c_proj", H * D, (C,), config.proj_bias, config, layout)
        yield from _norm(h + "ln_2", config, layout)
        if config.mlp == "swiglu":
            yield from _linear(h + "mlp.c_gate", C, (M,), config.mlp_bias, config, layout)
        yield from _linear(h + "mlp.c_fc", C, (M,), config.mlp_bias, config, layout)
        yield from _linear(h + "mlp.c_proj", M, (C,), config.mlp_bias, config, layout)
    yield from _norm("ln_f", config, layout)
    if not config.tie_weights:
        head = theirs("lm_head", "weight", layout)
        if layout.title == "tinylm":
            yield Place("lm_head.weight", (C, V), head, ((C, V),), (V,), False, (0,))
        else:
            yield Place("lm_head.weight", (C, V), head, ((V, C),), (V,), True, (0,))


def theirs(stem: str, kind: str, layout: Layout) -> tuple[str, ...]:
    """Their names of our h.3.ln_1 and "weight"."""
    block = stem.split(".")[1] if stem.startswith("h.") else ""
    general = stem.replace(f"h.{block}.", "h.{}.", 1) if block else stem
    if general not in layout.names:
        raise ValueError(f"a {layout.title} model has no {stem}")
    return tuple(f"{name.format(block)}.{kind}" for name in layout.names[general])


def _table(stem: str, shape: tuple[int, int], layout: Layout) -> Place:
    return Place(f"{stem}.weight", shape, theirs(stem, "weight", layout), (shape,), (shape[0],), False, (0,))


def _norm(stem: str, config: GPTConfig, layout: Layout) -> Iterator[Place]:
    shape = (config.n_embd,)
    for kind in ("weight", "bias") if config.norm == "layer" and config.bias else ("weight",):
        yield Place(f"{stem}.{kind}", shape, theirs(stem, kind, layout), (shape,), shape, False, (0,))


def _linear(
    stem: str, inputs: int, outputs: tuple[int, ...], bias: bool | None, config: GPTConfig, layout: Layout
) -> Iterator[Place]:
    total, turn = sum(outputs), layout.interleaved and stem.endswith("c_attn")
    heads: tuple[int, ...] = (config.n_head, config.kv_heads, 0) if turn else (0,) * len(outputs)
    if len(theirs(stem, "weight", layout)) == 1:
        outputs, heads = (total,), (0,)
    shapes = tuple((n, inputs) if layout.transposed else (inputs, n) for n in outputs)
    names = theirs(stem, "weight", layout)
    yield Place(f"{stem}.weight", (inputs, total), names, shapes, outputs, layout.transposed, heads)
    if config.bias if bias is None else bias:
        sizes = tuple((n,) for n in outputs)
        yield Place(f"{stem}.bias", (total,), theirs(stem, "bias", layout), sizes, outputs, False, heads)


def half_and_half(heads: int, size: int) -> np.ndarray:
    """Which row of a file with pairs side by side goes where: row (head, j, i) is theirs (head, i, j).

    →   (heads · size,)        x[2i + j] of each head becomes x[i + j · size/2]
    """
    rows: np.ndarray = np.arange(heads * size).reshape(heads, size // 2, 2).transpose(0, 2, 1).reshape(-1)
    return rows
