"""Small GPTs of every kind, and batches for them."""

from typing import Any

import numpy as np

from tinylm import GPT, GPTConfig

SMALL: dict[str, Any] = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 8}

VARIANTS: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "tanh without biases": {"mlp": "gelu_tanh", "bias": False},
    "rope": {"position": "rope"},
    "rms": {"norm": "rms", "mlp_hidden": 5},
    "swiglu untied": {"mlp": "swiglu", "tie_weights": False},
    "grouped heads": {"n_head": 4, "n_kv_head": 2},
    "one key head and rope": {"n_head": 4, "n_kv_head": 1, "position": "rope"},
    "llama": {
        "norm": "rms",
        "position": "rope",
        "mlp": "swiglu",
        "bias": False,
        "tie_weights": False,
        "n_head": 4,
        "n_kv_head": 2,
    },
}


def model(variant: str, *, seed: int = 0, dtype: Any = np.float64, spread: float = 0.0, **settings: Any) -> GPT:
    """A small GPT. With `spread` all parameters are drawn anew from N(·, spread), so that nothing is 0 or near it."""
    made = GPT(GPTConfig(**(SMALL | VARIANTS[variant] | settings)), seed=seed, dtype=dtype)
    if spread:
        rng = np.random.default_rng(seed)
        made.load_state_dict(
            {name: array + spread * rng.standard_normal(array.shape) for name, array in made.state_dict().items()}
        )
    return made


def batch(seed: int = 0, rows: int = 3, length: int = 6) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(seed).integers(0, SMALL["vocab_size"], (rows, length + 1))
    return ids[:, :-1].copy(), ids[:, 1:].copy()
