"""The GPT: a decoder-only transformer that reads top to bottom; knows nothing of training or sampling.

B batch, T time, C channels, H query heads, G key heads, D = C/H features of a head, V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

import numpy as np

from tinylm import functional as F
from tinylm.autograd import Tensor, recompute
from tinylm.backend import Streams
from tinylm.cache import Cache
from tinylm.nn import Dropout, Embedding, LayerNorm, Linear, Module, ModuleList, RMSNorm, init
from tinylm.rope import check_scaling, frequencies, scaled_rotary

__all__ = ["GPT", "Cache", "GPTConfig"]

INIT_STD = 0.02  # openai/gpt-2, src/model.py


@dataclass(frozen=True, slots=True)
class GPTConfig:
    """The shape of a GPT. The defaults are GPT-2's architecture; other settings make it a Llama's.

    vocab_size    V, how many token ids there are
    block_size    the longest context, in tokens
    n_layer, n_head, n_embd    blocks, query heads, channels C
    dropout       probability, as in GPT-2: of embeddings, of attention weights, and of each residual branch
    bias          biases in linear layers and layer norms
    tie_weights   the token embedding is also the output matrix
    norm          "layer" | "rms"
    position      "learned" table | "rope", rotary
    mlp           "gelu" (exact) | "gelu_tanh" | "swiglu"
    n_kv_head     G, key and value heads, each shared by H/G queries; None: as many as query heads
    mlp_hidden    hidden width; None: 4 C, or for swiglu 8/3 C rounded up to a multiple of 8
    norm_eps, rope_base    the small number under the root; the base of the rotary frequencies
    head_dim      D, features of a head; None: C / H
    qkv_bias, proj_bias, mlp_bias    of queries, keys and values, of attention's output, of the mlp; None: as bias
    rope_scaling  how rotary positions are stretched, see rope.py; None: not at all

    Raises ValueError for settings that contradict each other.
    """

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float = 0.0
    bias: bool = True
    tie_weights: bool = True
    norm: Literal["layer", "rms"] = "layer"
    position: Literal["learned", "rope"] = "learned"
    mlp: Literal["gelu", "gelu_tanh", "swiglu"] = "gelu"
    n_kv_head: int | None = None
    mlp_hidden: int | None = None
    norm_eps: float = 1e-5
    rope_base: float = 10000.0
    head_dim: int | None = None
    qkv_bias: bool | None = None
    proj_bias: bool | None = None
    mlp_bias: bool | None = None
    rope_scaling: dict[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        optional = ("n_kv_head", "mlp_hidden", "head_dim")
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd", *optional):
            value = getattr(self, name)
            if value is None and name in optional:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value < 1 << 63:
                raise ValueError(f"{name} must be a whole number from 1 up, got {value!r}")
            object.__setattr__(self, name, int(value))  # NumPy's numbers as Python's, which JSON can hold
        for name in ("bias", "tie_weights", "qkv_bias", "proj_bias", "mlp_bias"):
            value = getattr(self, name)
            if not isinstance(value, bool) and (value is not None or name in ("bias", "tie_weights")):
                raise ValueError(f"{name} must be true or false, got {value!r}")
        for name in ("dropout", "norm_eps", "rope_base"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e300:
                raise ValueError(f"{name} must be a number from 0 up, got {value!r}")
        if self.rope_base == 0:
            raise ValueError("rope_base must be above 0")
        if self.dropout >= 1:
            raise ValueError(f"dropout must be below 1, got {self.dropout}")
        choices = {
            "norm": ("layer", "rms"),
            "position": ("learned", "rope"),
            "mlp": ("gelu", "gelu_tanh", "swiglu"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        if self.head_dim is None and self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is not divisible by n_head {self.n_head}")
        if self.n_head % self.kv_heads:
            raise ValueError(f"n_head {self.n_head} is not divisible by n_kv_head {self.kv_heads}")
        if self.position == "rope" and self.head_size % 2:
            raise ValueError(f"rope turns pairs: n_embd / n_head must be even, it is {self.head_size}")
        if self.rope_scaling is not None:
            if self.position != "rope" or not isinstance(self.rope_scaling, dict):
                raise ValueError('rope_scaling must be a dict, or None, and needs position="rope"')
            object.__setattr__(self, "rope_scaling", check_scaling(self.rope_scaling, self.head_size))

    @property
    def head_size(self) -> int:
        return self.head_dim or self.n_embd // self.n_head

    @property
    def kv_heads(self) -> int:
        return self.n_kv_head or self.n_head

    @property
    def hidden(self) -> int:
        if self.mlp_hidden is not None:
            return self.mlp_hidden
        return 8 * -(-self.n_embd // 3) if self.mlp == "swiglu" else 4 * self.n_embd

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """The config with these settings; raises ValueError naming settings that are unknown or missing."""
        known = [f.name for f in fields(cls)]
        unknown = [name for name in settings if name not in known]
        if unknown:
            raise ValueError(f"unknown model setting {', '.join(unknown)}; known are {', '.join(known)}")
        missing = [name for name in known[:5] if name not in settings]
        if missing:
            raise ValueError(f"missing model setting {', '.join(missing)}")
        return cls(**settings)


def _norm(config: GPTConfig, dtype: Any) -> Module:
    if config.norm == "rms":
        return RMSNorm(config.n_embd, eps=config.norm_eps, dtype=dtype)
    return LayerNorm(config.n_embd, config.bias, eps=config.norm_eps, dtype=dtype)


class CausalSelfAttention(Module):
    """Every position asks the positions before it, H times in parallel, and mixes what they answer."""

    def __init__(self, config: GPTConfig, layer: int, rngs: Streams, dtype: Any):
        super().__init__()
        C, H, G, D = config.n_embd, config.n_head, config.kv_heads, config.head_size
        self.config, self.layer = config, layer
        qkv_bias, proj_bias = _or_else(config.qkv_bias, config.bias), _or_else(config.proj_bias, config.bias)
        self.c_attn = Linear(C, (H + 2 * G) * D, qkv_bias, std=INIT_STD, rng=rngs["init"], dtype=dtype)
        self.c_proj = Linear(H * D, C, proj_bias, std=_residual_std(config), rng=rngs["init"], dtype=dtype)
        self.rng = rngs["dropout"]  # drops attention weights, as in GPT-2
        self.resid_dropout = Dropout(config.dropout, rngs["dropout"])

    def forward(self, x: Tensor, positions: np.ndarray, cache: Cache | None = None) -> Tensor:
        """c_proj of the heads' answers side by side, each softmax(q kᵀ / √D) v over the past.

        x: (B, T, C)   positions: (T,), the numbers that the T have in the text   →   y: (B, T, C)
        """
        H, G, D = self.config.n_head, self.config.kv_heads, self.config.head_size
        qkv = self.c_attn(x)  # (B, T, (H + 2 G) D)
        q = F.split_heads(qkv, H, D)  # (B, H, T, D)
        k = F.split_heads(qkv, G, D, start=H * D)  # (B, G, T, D)
        v = F.split_heads(qkv, G, D, start=(H + G) * D)  # (B, G, T, D)
        if self.config.position == "rope":
            q = self._turned(q, positions)
            k = self._turned(k, positions)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)  # (B, G, S, D)
        dropout = self.config.dropout if self.training else 0.0
        if cache is None or cache.mask is None:
            y = F.causal_attention(q, k, v, dropout=dropout, rng=self.rng)  # (B, H, T, D)
        else:
            y = F.attention(q, k, v, cache.mask, dropout=dropout, rng=self.rng)
        y = F.merge_heads(y)  # (B, T, H D)
        return self.resid_dropout(self.c_proj(y))  # type: ignore[no-any-return]

    def _turned(self, x: Tensor, positions: np.ndarray) -> Tensor:
        """Queries or keys turned by their positions."""
        if self.config.rope_scaling is None:
            return F.rotary(x, positions, self.config.rope_base)
        waves, scale = frequencies(self.config.head_size, self.config.rope_base, self.config.rope_scaling)
        return scaled_rotary(x, positions, waves, scale)


class MLP(Module):
    """Every position thinks for itself: widen, bend, narrow."""

    def __init__(self, config: GPTConfig, rngs: Streams, dtype: Any):
        super().__init__()
        C, M = config.n_embd, config.hidden
        self.kind = config.mlp
        bias = _or_else(config.mlp_bias, config.bias)
        if config.mlp == "swiglu":
            self.c_gate = Linear(C, M, bias, std=INIT_STD, rng=rngs["init"], dtype=dtype)
        self.c_fc = Linear(C, M, bias, std=INIT_STD, rng=rngs["init"], dtype=dtype)
        self.c_proj = Linear(M, C, bias, std=_residual_std(config), rng=rngs["init"], dtype=dtype)
        self.dropout = Dropout(config.dropout, rngs["dropout"])

    def forward(self, x: Tensor) -> Tensor:
        """c_proj(gelu(c_fc(x))), or with a gate c_proj(silu(c_gate(x)) · c_fc(x)).

        x: (B, T, C)   →   y: (B, T, C)
        """
        hidden = self.c_fc(x)  # (B, T, M)
        if self.kind == "swiglu":
            hidden = F.silu(self.c_gate(x)) * hidden  # Shazeer 2020
        else:
            hidden = F.gelu(hidden, approximate="tanh" if self.kind == "gelu_tanh" else "none")
        return self.dropout(self.c_proj(hidden))  # type: ignore[no-any-return]


class Block(Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): the residual stream runs through, and each part adds to it."""

    def __init__(self, config: GPTConfig, layer: int, rngs: Streams, dtype: Any):
        super().__init__()
        self.ln_1 = _norm(config, dtype)
        self.attn = CausalSelfAttention(config, layer, rngs, dtype)
        self.ln_2 = _norm(config, dtype)
        self.mlp = MLP(config, rngs, dtype)

    def forward(self, x: Tensor, positions: np.ndarray, cache: Cache | None = None) -> Tensor:
        x = x + self.attn(self.ln_1(x), positions, cache)
        x = x + self.mlp(self.ln_2(x))
        return x  # noqa: RET504  (two lines of one shape)


class GPT(Module):
    """Token ids in, for every position the logits of the next token out.

    logits, loss = model(ids, targets=None)        ids: (B, T)   targets: (B, T)   →   logits: (B, T, V)   loss: ()
    logits = model.head(model.hidden(ids))         the two parts, for those who need the logits of a few positions only

    One forward pass gives T predictions for each row: position t sees ids 0 … t, and its target is id t + 1.
    Initialisation is GPT-2's: normal with σ = 0.02, biases 0, and σ/√(2 L) for the two projections of each
    block that write into the residual stream, so that its variance does not grow with depth.

    With `model.recompute = True` a training step keeps only the input of each block and runs the block again in
    backward: the same gradients with less memory and about a third more time.

    Raises ValueError for a context longer than block_size and for ids outside the vocabulary.

    >>> model = GPT(GPTConfig(vocab_size=65, block_size=8, n_layer=2, n_head=2, n_embd=16))
    >>> logits, loss = model([[1, 2, 3]], targets=[[2, 3, 4]])
    >>> logits.shape, round(loss.item(), 1)
    ((1, 3, 65), 4.2)
    """

    recompute = False

    def __init__(self, config: GPTConfig, seed: int = 0, dtype: Any = None):
        super().__init__()
        self.config = config
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed must be a whole number from 0 up, got {seed!r}")
        self.streams = rngs = Streams(seed, ("init", "dropout"))
        self.wte = Embedding(config.vocab_size, config.n_embd, std=INIT_STD, rng=rngs["init"], dtype=dtype)
        if config.position == "learned":
            self.wpe = Embedding(config.block_size, config.n_embd, std=INIT_STD, rng=rngs["init"], dtype=dtype)
        self.drop = Dropout(config.dropout, rngs["dropout"])
        self.h = ModuleList(Block(config, layer, rngs, dtype) for layer in range(config.n_layer))
        self.ln_f = _norm(config, dtype)
        if not config.tie_weights:
            self.lm_head = Linear(
                config.n_embd, config.vocab_size, bias=False, std=INIT_STD, rng=rngs["init"], dtype=dtype
            )
        self.flatten(copy=init.drawing())

    def forward(
        self, ids: Any, targets: Any = None, cache: Cache | None = None, *, ignore_index: int | None = None
    ) -> tuple[Tensor, Tensor | None]:
        logits = self.head(self.hidden(ids, cache))  # (B, T, V)
        return logits, None if targets is None else F.softmax_cross_entropy(logits, targets, ignore_index)

    def hidden(self, ids: Any, cache: Cache | None = None, lengths: Sequence[int] | None = None) -> Tensor:
        """The features from which `head` makes logits: all of the model but the product with V columns.

        ids: (B, T)   lengths: (B,)   →   x: (B, T, C)

        cache     keys and values of what came before: the ids go on from there
        lengths   of rows that are unequal, for the cache: the first lengths[i] ids of row i are text (T in the longest
                  row), the others padding, which no text sees; there x means nothing

        Raises ValueError as the model does, and where cache or lengths do not fit the ids.
        """
        ids = ids if isinstance(ids, Tensor) or hasattr(ids, "dtype") else np.asarray(ids)
        if ids.ndim != 2 or not ids.shape[1]:
            raise ValueError(f"ids must have shape (B, T) with T from 1 up, got {tuple(ids.shape)}")
        T = ids.shape[1]
        if cache is not None:
            positions = cache.begin(len(ids), T, lengths)  # (T,), or (B, T) where rows are filled unequally
        elif ids.shape[1] > self.config.block_size:
            raise ValueError(f"a context of {T} tokens does not fit: block_size is {self.config.block_size}")
        else:
            positions = np.arange(T)
        x = self.wte(ids)  # (B, T, C)
        if self.config.position == "learned":
            first = int(positions.flat[0])
            x = x + (self.wpe.weight[first : first + T] if positions.ndim == 1 else self.wpe(positions))
        elif positions.ndim == 2:
            positions = positions[:, None]  # (B, 1, T): the same for all heads
        x = self.drop(x)
        rngs = [self.streams["dropout"]]
        for block in self.h:
            x = recompute(block, x, positions, cache, rngs=rngs) if self.recompute else block(x, positions, cache)
        x = self.ln_f(x)
        if cache is not None:
            cache.commit()
        return x  # type: ignore[no-any-return]

    def head(self, x: Tensor) -> Tensor:
        """Logits of the next token.  x: (..., C)   →   logits: (..., V)"""
        if self.config.tie_weights:
            return self.wte.logits(x)
        return self.lm_head(x)  # type: ignore[no-any-return]

    def loss_alone(self, ids: Any, targets: Any, *, ignore_index: int | None = None) -> Tensor:
        """The second of `model(ids, targets)` alone, for less memory: no logits are kept.

        ids, targets: (B, T)   →   loss: (), the mean over the targets that are not ignore_index
        """
        x = self.hidden(ids)  # (B, T, C)
        tied = self.config.tie_weights
        weight = self.wte.weight if tied else self.lm_head.weight
        return F.linear_cross_entropy(x, weight, targets, transposed=tied, ignore_index=ignore_index)

    @property
    def dtype(self) -> Any:
        return self.ln_f.weight.dtype  # type: ignore[attr-defined]

    def parameter_count(self) -> int:
        """How many numbers are learnt; tied weights count once."""
        return sum(p.size for p in self.parameters())


def _or_else(setting: bool | None, default: bool) -> bool:
    return default if setting is None else setting


def _residual_std(config: GPTConfig) -> float:
    return INIT_STD / math.sqrt(2 * config.n_layer)
