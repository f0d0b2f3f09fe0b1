"""nanoGPT's CPU claim, with tinylm: tinyshakespeare by characters, 4 layers, 4 heads, 128 wide, 2000 iterations.

    python benchmarks/nanogpt_cpu.py [--text tinyshakespeare.txt] [--seeds 1 2 3]

The claim (karpathy/nanoGPT, README, "I only have a macbook"): validation loss 1.88 after 2000 iterations with
block 64, batch 12, dropout 0, learning rate 1e-3 to 1e-4 over 100 steps of warm-up and a cosine, beta2 0.99,
decay 0.1, clip 1. Before the first step it must be that of guessing, ln 65 = 4.17. The first 90 % of the text
train, the last 10 % validate, all of them in windows that do not overlap.

Exit status 1 where a figure is outside of 4.17 ± 0.02 or 1.88 ± 0.03.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from tinylm import GPT, GPTConfig
from tinylm.backend import stream
from tinylm.data import batches, split
from tinylm.optim import AdamW, decay_groups
from tinylm.schedule import cosine
from tinylm.train import evaluate, training
from tokenizer import CharTokenizer

STEPS, BATCH, BLOCK = 2000, 12, 64
FIRST, LAST = (4.17, 0.02), (1.88, 0.03)
TEXT = Path(__file__).resolve().parents[2] / "shared" / "data" / "tinyshakespeare.txt"


def run(text: str, seed: int) -> tuple[float, float, float]:
    """Validation loss before and after training, and milliseconds per step."""
    tokenizer = CharTokenizer(text)
    train, validation = split(tokenizer.encode_to_array(text), 0.1)
    shape = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": BLOCK, "bias": False}
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **shape), seed=seed)
    optimizer = AdamW(decay_groups(model, 0.1), betas=(0.9, 0.99))
    schedule = partial(cosine, max_lr=1e-3, min_lr=1e-4, warmup=100, total=STEPS)
    first = evaluate(model, validation, 64, BLOCK)
    seconds = []
    source = batches(train, BATCH, BLOCK, stream(seed, "data"))
    for record in training(model, optimizer, source, steps=STEPS, schedule=schedule):
        seconds.append(record.seconds)
        if record.step % 250 == 0:
            print(f"  seed {seed}  step {record.step:>4}  batch loss {record.loss:.3f}", file=sys.stderr)
    return first, evaluate(model, validation, 64, BLOCK), 1000 * float(np.median(seconds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=TEXT, help="tinyshakespeare, 1,115,394 bytes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    if not arguments.text.is_file():
        parser.error(f"{arguments.text}: no such file; give the path of tinyshakespeare with --text")
    text = arguments.text.read_text("utf-8")
    print(f"{'seed':>4}  {'step 0':>7}  {'step ' + str(STEPS):>9}  {'ms/step':>7}  {'minutes':>7}")
    good = True
    for seed in arguments.seeds:
        began = time.perf_counter()
        first, last, milliseconds = run(text, seed)
        within = abs(first - FIRST[0]) <= FIRST[1] and abs(last - LAST[0]) <= LAST[1]
        good &= within
        minutes = (time.perf_counter() - began) / 60
        note = "" if within else "  outside of the claim"
        print(f"{seed:>4}  {first:>7.4f}  {last:>9.4f}  {milliseconds:>7.1f}  {minutes:>7.1f}{note}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
