"""Read the .bin weights of llama2.c, mapped into memory; its tokenizer.bin is read elsewhere.

    version 0   7 int32, then float32 arrays; no magic. vocab_size is negative where the output matrix is not the
                embedding's
    version 1   0x616b3432 as uint32, the version, 7 int32, a byte "output matrix is the embedding's", zeros up to byte
                256; then float32 arrays
    version 2   as 1, with an int32 after that byte: the group size g. Norms are float32; each other matrix is int8,
                row after row, and then for each g of them in a row its float32 scale:  x = scale · q

The 7 are dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, max_seq_len. All is little-endian. The file says
nothing of the norm's epsilon and the rotary base: run.c has 1e-5 and 10000 in its code. Rows of q and k are in the
*interleaved* order of rotary positions, in which features 2 i and 2 i + 1 of a head turn together; who wants
half-split positions, as Hugging Face and this project have them, must reorder them.

Source: karpathy/llama2.c, export.py (legacy_export, version1_export, version2_export), run.c and runq.c.
"""

import math
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from tinylm.formats.mapped import Mapped, mapped
from tinylm.storage import CheckpointError

__all__ = ["Llama2cTensors", "parse_llama2c", "read_llama2c"]

MAGIC = 0x616B3432  # "ak42"
HEADER = 256  # bytes, from version 1 on
MAX_LAYERS = 1 << 12

Shape = tuple[int, ...]

_FIELDS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "vocab_size", "max_position_embeddings"),
)


class Llama2cTensors(Mapping[str, np.ndarray]):
    """The arrays by name: float32 views of the map, or of a quantised one a widened copy made when it is asked for."""

    def __init__(self, data: Mapped, places: dict[str, tuple[Shape, int, int]]):
        self._data, self._places = data, places  # name -> shape, first byte, numbers of a group (0: float32)

    def __getitem__(self, name: str) -> np.ndarray:
        shape, start, group = self._places[name]
        count = math.prod(shape)
        if not group:
            return np.frombuffer(self._data, "<f4", count, start).reshape(shape)
        q = np.frombuffer(self._data, np.int8, count, start).reshape(-1, group)
        scale = np.frombuffer(self._data, "<f4", len(q), start + count)
        with np.errstate(all="ignore"):  # a scale in a file may be infinite or NaN
            return (scale[:, None] * q).astype(np.float32, copy=False).reshape(shape)

    def shape(self, name: str) -> Shape:
        """The shape of an array, without looking at its numbers."""
        return self._places[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def read_llama2c(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Llama2cTensors]:
    """The settings and the arrays of a llama2.c file, version 0, 1 or 2, under the names of Hugging Face's Llama.

    settings: hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, vocab_size,
    max_position_embeddings, tie_word_embeddings, rms_norm_eps, rope_theta, and version

    arrays, (out, in) as they are stored, L for 0, 1, ... :

        model.embed_tokens.weight                           tok_embeddings
        model.layers.L.input_layernorm.weight               attention_norm
        model.layers.L.self_attn.{q,k,v,o}_proj.weight      attention.w{q,k,v,o}; q and k interleaved, see above
        model.layers.L.post_attention_layernorm.weight      ffn_norm
        model.layers.L.mlp.{gate,down,up}_proj.weight       feed_forward.w{1,2,3}
        model.norm.weight                                   norm
        lm_head.weight                                      output, where it is not tied

    Raises CheckpointError naming the file for one that contradicts itself or is not exactly as long as it should be.
    """
    return parse_llama2c(mapped(path), os.fspath(path))


def parse_llama2c(data: Mapped, path: str = "the file") -> tuple[dict[str, Any], Llama2cTensors]:
    """The settings and the arrays in the bytes of a llama2.c file; see `read_llama2c`."""

    def fail(problem: str) -> NoReturn:
        raise CheckpointError(f"{path}: not a llama2.c file that can be read: {problem}")

    if len(data) < 28:
        fail(f"it has {len(data)} bytes; the header alone takes 28")
    version, group = 0, 0
    if struct.unpack_from("<I", data)[0] == MAGIC:
        if len(data) < HEADER:
            fail(f"it has {len(data)} bytes; the header alone takes {HEADER}")
        (version,) = struct.unpack_from("<i", data, 4)
        if version not in (1, 2):
            fail(f"it is of version {version}; versions 0, 1 and 2 are read")
    numbers = struct.unpack_from("<7i", data, 8 if version else 0)
    settings: dict[str, Any] = dict(zip(_FIELDS, numbers, strict=True))
    if version:
        shared = data[36]
        if shared > 1:
            fail(f"the byte for a shared output matrix is {shared}, neither 0 nor 1")
        tied = shared == 1
        if version == 2:
            (group,) = struct.unpack_from("<i", data, 37)
            if group < 1:
                fail(f"the group size is {group}")
    else:
        tied = settings["vocab_size"] > 0
        settings["vocab_size"] = abs(settings["vocab_size"])
    problem = _contradiction(settings)
    if problem:
        fail(problem)
    settings |= {"tie_word_embeddings": tied, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "version": version}
    places, at = {}, HEADER if version else 28
    for name, shape, whole in _order(settings):
        count, g = math.prod(shape), 0 if whole else group
        if g and count % g:
            fail(f"{name} of shape {shape} is no whole number of groups of {g}")
        if not name.startswith("("):
            places[name] = (shape, at, g)
        at += count + count // g * 4 if g else count * 4
        if at > len(data):
            fail(f"it has {len(data):,} bytes; of version {version} with {_said(settings)}, {name} ends at {at:,}")
    if at < len(data):
        fail(f"it has {len(data):,} bytes; of version {version} with {_said(settings)}, it would have {at:,}")
    return settings, Llama2cTensors(data, places)


def _said(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {settings[name]}" for name in _FIELDS)


def _contradiction(settings: Mapping[str, int]) -> str | None:
    """What is wrong with the seven numbers of the header; None: nothing."""
    for name in _FIELDS:
        if settings[name] < 1:
            return f"{name} is {settings[name]}"
    C, H, G = (settings[name] for name in ("hidden_size", "num_attention_heads", "num_key_value_heads"))
    if settings["num_hidden_layers"] > MAX_LAYERS:
        return f"it says {settings['num_hidden_layers']:,} layers; at most {MAX_LAYERS:,} are read"
    if C % (2 * H):
        return f"hidden_size {C} is no whole number of pairs for each of {H} heads"
    if H % G:
        return f"num_attention_heads {H} is no multiple of num_key_value_heads {G}"
    return None


def _order(settings: Mapping[str, Any]) -> Iterator[tuple[str, Shape, bool]]:
    """Name, shape and "always float32" of what follows the header, in order; names in brackets are skipped."""
    C, M, L, H, G, V, T = (settings[name] for name in _FIELDS)
    D, version = C // H, settings["version"]
    layers = {
        "input_layernorm": (C,),
        "self_attn.q_proj": (C, C),
        "self_attn.k_proj": (G * D, C),
        "self_attn.v_proj": (G * D, C),
        "self_attn.o_proj": (C, C),
        "post_attention_layernorm": (C,),
        "mlp.gate_proj": (M, C),
        "mlp.down_proj": (C, M),
        "mlp.up_proj": (M, C),
    }

    def every(*parts: str) -> Iterator[tuple[str, Shape, bool]]:
        for part in parts:
            yield from ((f"model.layers.{n}.{part}.weight", layers[part], "norm" in part) for n in range(L))

    embedding, norm = ("model.embed_tokens.weight", (V, C), False), ("model.norm.weight", (C,), True)
    if version:
        yield from every("input_layernorm", "post_attention_layernorm")
        yield norm
        yield embedding
        yield from every(*(part for part in layers if "norm" not in part))
    else:
        yield embedding
        yield from every(*layers)
        yield norm
        yield "(cosines of the rotary angles)", (T, D // 2), True
        yield "(sines)", (T, D // 2), True
    if not settings["tie_word_embeddings"]:
        yield "lm_head.weight", (V, C), False
