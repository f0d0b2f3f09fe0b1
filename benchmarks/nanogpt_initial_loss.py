"""What the validation loss is before the first step, over many seeds: tinylm's model and nanoGPT's in PyTorch.

    python benchmarks/nanogpt_initial_loss.py [--text tinyshakespeare.txt] [--seeds 12]

nanoGPT's CPU run is known for beginning at 4.17. That is what its one seed, 1337, happens to give: with GPT-2's
initialisation the loss before training is a random number, about ln 65 + half the variance of a logit. This
measures its mean and spread for both, and PyTorch's with seed 1337 when weights are drawn in nanoGPT's order.
Needs torch (the extra `peers`).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from nanogpt_cpu import BLOCK, SHAPE, TEXT
from nanogpt_twin import Twin, V
from torch.nn import functional

from tinylm import GPT, GPTConfig
from tinylm.data import split
from tinylm.train import evaluate
from tokenizer import CharTokenizer


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
    seeds = range(1, arguments.seeds + 1)
    ours = [evaluate(GPT(GPTConfig(vocab_size=V, **SHAPE), seed=seed), tokens, 64, BLOCK) for seed in seeds]
    theirs = [twin_loss(seed, tokens) for seed in seeds]
    for name, losses in (("tinylm", ours), ("PyTorch", theirs)):
        spread = f"from {min(losses):.4f} to {max(losses):.4f}"
        print(f"{name:<8} mean {np.mean(losses):.4f}, standard deviation {np.std(losses):.4f}, {spread}")
    print(f"PyTorch, seed 1337: {twin_loss(1337, tokens):.4f}")


if __name__ == "__main__":
    main()
