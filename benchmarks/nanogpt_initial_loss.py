"""What the validation loss is before the first step, over many seeds: tinylm's model and nanoGPT's in PyTorch.

    python benchmarks/nanogpt_initial_loss.py [--text tinyshakespeare.txt] [--seeds 12]

nanoGPT's CPU run is known for beginning at 4.17. That is what its one seed, 1337, happens to give: with GPT-2's
initialisation the loss before training is a random number, about ln 65 + half the variance of a logit. This
measures its mean and spread for both, and PyTorch's with seed 1337 when weights are drawn in nanoGPT's order.
Needs torch (the extra `peers`).
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from nanogpt_cpu import BLOCK, TEXT
from torch import nn
from torch.nn import functional

from tinylm import GPT, GPTConfig
from tinylm.data import split
from tinylm.train import evaluate
from tokenizer import CharTokenizer

V, C, H, L = 65, 128, 4, 4


class Block(nn.Module):
    """nanoGPT's block, without biases and dropout; parts are made in its order."""

    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(C, bias=False)
        self.c_attn = nn.Linear(C, 3 * C, bias=False)
        self.attn_proj = nn.Linear(C, C, bias=False)
        self.ln_2 = nn.LayerNorm(C, bias=False)
        self.c_fc = nn.Linear(C, 4 * C, bias=False)
        self.mlp_proj = nn.Linear(4 * C, C, bias=False)

    def forward(self, x):
        B, T, _ = x.shape
        q, k, v = (part.view(B, T, H, C // H).transpose(1, 2) for part in self.c_attn(self.ln_1(x)).split(C, dim=2))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_proj(y.transpose(1, 2).reshape(B, T, C))
        return x + self.mlp_proj(functional.gelu(self.c_fc(self.ln_2(x))))


class Twin(nn.Module):
    """nanoGPT's model; drawn first by PyTorch's defaults, then by GPT-2's rule, in the order in which nanoGPT does."""

    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, C), nn.Embedding(BLOCK, C)
        self.h = nn.ModuleList(Block() for _ in range(L))
        self.ln_f = nn.LayerNorm(C, bias=False)
        self.lm_head = nn.Linear(C, V, bias=False)
        self.wte.weight = self.lm_head.weight
        self.apply(lambda m: nn.init.normal_(m.weight, 0, 0.02) if isinstance(m, nn.Linear | nn.Embedding) else None)
        for name, p in self.named_parameters():
            if name.endswith("proj.weight"):
                nn.init.normal_(p, 0, 0.02 / math.sqrt(2 * L))

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def twin_loss(seed: int, tokens: np.ndarray) -> float:
    """The twin's loss over the same windows as tinylm's `evaluate`, but for a shorter last one."""
    torch.manual_seed(seed)
    model = Twin()
    rows = (len(tokens) - 1) // BLOCK
    x = torch.from_numpy(tokens[: rows * BLOCK].astype(np.int64).reshape(rows, BLOCK))
    y = torch.from_numpy(tokens[1 : rows * BLOCK + 1].astype(np.int64))
    with torch.no_grad():
        return functional.cross_entropy(model(x).reshape(-1, V), y).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=TEXT)
    parser.add_argument("--seeds", type=int, default=12)
    arguments = parser.parse_args()
    text = arguments.text.read_text("utf-8")
    tokens = split(CharTokenizer(text).encode_to_array(text), 0.1)[1]
    shape = {"vocab_size": V, "n_layer": L, "n_head": H, "n_embd": C, "block_size": BLOCK, "bias": False}
    seeds = range(1, arguments.seeds + 1)
    ours = [evaluate(GPT(GPTConfig(**shape), seed=seed), tokens, 64, BLOCK) for seed in seeds]
    theirs = [twin_loss(seed, tokens) for seed in seeds]
    for name, losses in (("tinylm", ours), ("PyTorch", theirs)):
        spread = f"from {min(losses):.4f} to {max(losses):.4f}"
        print(f"{name:<8} mean {np.mean(losses):.4f}, standard deviation {np.std(losses):.4f}, {spread}")
    print(f"PyTorch, seed 1337: {twin_loss(1337, tokens):.4f}")


if __name__ == "__main__":
    main()
