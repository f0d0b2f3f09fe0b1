"""Low-rank adapters (LoRA): small trained matrices beside frozen ones, folded in on demand, in files of their own.

    y = x W + b + (alpha / rank) · x A B        A: (in, rank)   B: (rank, out)        Hu et al. 2021, sec. 4.1

A is normal with σ = 1/√in and B zero, so a model with new adapters computes what it did without them. Adapted are all
linear layers of the blocks, attention and MLP, as Dettmers et al. 2023 (sec. 4) found to be needed; not the embedding,
the head and the norms. c_attn makes q, k and v at once, so the three share one A, as where GPT-2 is adapted.

A folder with an adapter has adapter.json (alpha, dropout, and which model it belongs to: its path, the SHA-256 of its
weights, its shape) and adapter.safetensors (the matrices).
"""

from tinylm.lora.files import (
    Base,
    base_of,
    load_adapter_run,
    load_base,
    read_adapter,
    read_base,
    write_adapter,
    write_base,
)
from tinylm.lora.layer import LAYERS, Adapter, LoRALinear, Trained, adapter_of, attach, merge, new_adapter

__all__ = [
    "LAYERS",
    "Adapter",
    "Base",
    "LoRALinear",
    "Trained",
    "adapter_of",
    "attach",
    "base_of",
    "load_adapter_run",
    "load_base",
    "merge",
    "new_adapter",
    "read_adapter",
    "read_base",
    "write_adapter",
    "write_base",
]
