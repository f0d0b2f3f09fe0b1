"""nanoGPT's CPU run with tinylm: tinyshakespeare by characters, 4 layers, 4 heads, 128 wide, 2000 iterations.

    python benchmarks/nanogpt_cpu.py [--text tinyshakespeare.txt] [--seeds 1 2 3] [--peer]

The claim (karpathy/nanoGPT, README, "I only have a macbook"): validation loss 1.88 after 2000 iterations with
block 64, batch 12, dropout 0, learning rate 1e-3 to 1e-4 over 100 steps of warm-up and a cosine, beta2 0.99,
decay 0.1, clip 1. Before the first step it should be 4.17, about that of guessing, ln 65. The first 90 % of the
text train, the last 10 % validate.

Two validation losses are printed: over the whole validation part, in windows that do not overlap, and as
nanoGPT estimates it, over 20 batches of random windows. --peer trains nanoGPT's model in PyTorch on the same
batches in the same run (needs torch). Exit status 1 where the estimate of tinylm is outside of 4.17 +- 0.02 at
the start or 1.88 +- 0.03 at the end.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinylm import GPT, GPTConfig, no_grad
from tinylm.backend import stream
from tinylm.data import batches, get_batch, split, windows_in_order
from tinylm.optim import AdamW, decay_groups
from tinylm.schedule import cosine
from tinylm.train import training
from tokenizer import CharTokenizer

STEPS, BATCH, BLOCK = 2000, 12, 64
SHAPE: dict[str, Any] = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": BLOCK, "bias": False}
FIRST, LAST = (4.17, 0.02), (1.88, 0.03)
TEXT = Path(__file__).resolve().parents[2] / "shared" / "data" / "tinyshakespeare.txt"
SCHEDULE = partial(cosine, max_lr=1e-3, min_lr=1e-4, warmup=100, total=STEPS)

Loss = Callable[[np.ndarray, np.ndarray], float]


def whole(loss: Loss, tokens: np.ndarray) -> float:
    """The mean loss over every token of a sequence but the first."""
    sums = [(loss(x, y) * y.size, y.size) for x, y in windows_in_order(tokens, BATCH, BLOCK)]
    return sum(s for s, _ in sums) / sum(n for _, n in sums)


def estimate(loss: Loss, tokens: np.ndarray, seed: int) -> float:
    """The mean loss over 20 batches of random windows."""
    rng = stream(seed, "evaluation")
    return float(np.mean([loss(*get_batch(tokens, BATCH, BLOCK, rng)) for _ in range(20)]))


def run_tinylm(train: np.ndarray, seed: int, vocab_size: int) -> tuple[Loss, Callable[[], float]]:
    """How to measure the model's loss, and how to train it to the end (returns milliseconds per step)."""
    model = GPT(GPTConfig(vocab_size=vocab_size, **SHAPE), seed=seed)
    optimizer = AdamW(decay_groups(model, 0.1), betas=(0.9, 0.99))

    def loss(x: np.ndarray, y: np.ndarray) -> float:
        with no_grad():
            return model(x, y)[1].item()

    def finish() -> float:
        source = batches(train, BATCH, BLOCK, stream(seed, "data"))
        records = training(model, optimizer, source, steps=STEPS, schedule=SCHEDULE)
        return 1000 * float(np.median([record.seconds for record in records]))

    return loss, finish


def run_pytorch(train: np.ndarray, seed: int) -> tuple[Loss, Callable[[], float]]:
    """The same for nanoGPT's model in PyTorch; the seed decides other initial weights, the batches are the same."""
    import torch
    from nanogpt_twin import Twin, V
    from torch.nn import functional

    torch.manual_seed(seed)
    model = Twin()
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))

    def loss_tensor(x: np.ndarray, y: np.ndarray) -> Any:
        return functional.cross_entropy(model(torch.from_numpy(x)).reshape(-1, V), torch.from_numpy(y).reshape(-1))

    def loss(x: np.ndarray, y: np.ndarray) -> float:
        with torch.no_grad():
            return loss_tensor(x, y).item()

    def finish() -> float:
        source, seconds = batches(train, BATCH, BLOCK, stream(seed, "data")), []
        for step in range(STEPS):
            began = time.perf_counter()
            for group in optimizer.param_groups:
                group["lr"] = SCHEDULE(step)
            optimizer.zero_grad()
            loss_tensor(*next(source)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            seconds.append(time.perf_counter() - began)
        return 1000 * float(np.median(seconds))

    return loss, finish


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=TEXT, help="tinyshakespeare, 1,115,394 bytes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--peer", action="store_true", help="train nanoGPT's model in PyTorch too")
    arguments = parser.parse_args()
    if not arguments.text.is_file():
        parser.error(f"{arguments.text}: no such file; give the path of tinyshakespeare with --text")
    text = arguments.text.read_text("utf-8")
    tokenizer = CharTokenizer(text)
    train, validation = split(tokenizer.encode_to_array(text), 0.1)
    print("| model | seed | step 0: whole | estimate | step 2000: whole | estimate | ms/step |\n" + "| --- " * 7 + "|")
    good = True
    for seed in arguments.seeds:
        contenders = {"tinylm": run_tinylm(train, seed, tokenizer.vocab_size)}
        if arguments.peer:
            contenders["PyTorch"] = run_pytorch(train, seed)
        for name, (loss, finish) in contenders.items():
            before = whole(loss, validation), estimate(loss, validation, seed)
            milliseconds = finish()
            after = whole(loss, validation), estimate(loss, validation, seed)
            if name == "tinylm":
                good &= abs(before[1] - FIRST[0]) <= FIRST[1] and abs(after[1] - LAST[0]) <= LAST[1]
            figures = " | ".join(f"{figure:.4f}" for figure in (*before, *after))
            print(f"| {name} | {seed} | {figures} | {milliseconds:.1f} |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
