"""What it costs to be able to watch, and to watch: training, decoding, and a whole trace of one training step.

    python benchmarks/watching.py                      looks-up counted and timed; a trace of one step
    python benchmarks/watching.py --before CHECKOUT    the same work in another checkout of the project, in turns

With nobody watching, an op asks once whether somebody does, and so do a clipping, an update, a choice, a text. The
first measurement counts how often a training step of the default model and a decoded token ask, times one asking, and
divides by the time of the step or the token. The second runs the same work in processes of either checkout by turns
and prints the median ratio of pairs.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STEPS, TOKENS, BATCH = 20, 100, 12
SHAPE = {"vocab_size": 1024, "block_size": 128, "n_layer": 4, "n_head": 4, "n_embd": 128, "bias": False}


def model_and_batches():
    """The default model of `tinylm train`, and batches of random ids for it."""
    from tinylm import GPT, GPTConfig, optim

    model = GPT(GPTConfig(**SHAPE), seed=1)
    optimizer = optim.AdamW(optim.decay_groups(model, 0.1), lr=1e-3)
    rng = np.random.default_rng(0)
    shape = (BATCH, SHAPE["block_size"] + 1)
    rows = (rng.integers(0, SHAPE["vocab_size"], shape) for _ in itertools.count())
    return model, optimizer, ((x[:, :-1], x[:, 1:]) for x in rows)


def work() -> dict[str, float]:
    """Seconds of a training step and of a decoded token, medians."""
    from tinylm.sample import generate
    from tinylm.train import training

    model, optimizer, batches = model_and_batches()
    records = training(model, optimizer, batches, steps=STEPS + 3)
    steps = [record.seconds for record in records][3:]
    times, last = [], time.perf_counter()
    for _ in generate(model, [1, 2, 3], TOKENS, seed=1):
        now = time.perf_counter()
        times.append(now - last)
        last = now
    return {"step": statistics.median(steps), "token": statistics.median(times[3:])}


def asked() -> dict[str, int]:
    """How often a training step, and a decoded token, ask who is watching."""
    from tinylm import sample, train

    count = 0

    def counting(inner):
        def ask():
            nonlocal count
            count += 1
            return inner()

        return ask

    who = {
        "watchers": ("autograd.engine", "autograd.tensor", "parallel"),
        "listeners": ("optim.adamw", "optim.clip", "optim.optimizer", "sample", "train"),
    }
    places = [(sys.modules[f"tinylm.{module}"], name) for name, modules in who.items() for module in modules]
    model, optimizer, batches = model_and_batches()
    old = [getattr(module, name) for module, name in places]
    for (module, name), inner in zip(places, old, strict=True):
        setattr(module, name, counting(inner))
    try:
        list(train.training(model, optimizer, batches, steps=1))
        in_step, count = count, 0
        tokens = len(list(sample.generate(model, [1, 2, 3], 20, seed=1)))
        return {"step": in_step, "token": round(count / tokens)}
    finally:
        for (module, name), inner in zip(places, old, strict=True):
            setattr(module, name, inner)


def one_asking() -> float:
    """Seconds of asking once."""
    from tinylm.autograd import listeners
    from tinylm.autograd.watch import watchers

    begin = time.perf_counter()
    for _ in range(100_000):
        listeners()
        watchers()
    return (time.perf_counter() - begin) / 200_000


def traced() -> None:
    """Print what a trace of one training step of the default model takes."""
    import tinylm
    from tinylm.train import training

    model, optimizer, batches = model_and_batches()
    list(training(model, optimizer, batches, steps=2))
    with tinylm.use_kernels("reference"):
        (plain,) = training(model, optimizer, batches, steps=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    begin = time.perf_counter()
    with tinylm.trace(model) as trace:
        list(training(model, optimizer, batches, steps=1))
    seconds = time.perf_counter() - begin
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    print(f"\none training step of the default model, batch {BATCH} x {SHAPE['block_size']}")
    print(f"  readable forms, nobody watching  {plain.seconds:.3f} s")
    print(f"  traced, all values kept whole    {seconds:.3f} s, {len(trace)} steps, {trace.summarised} summarised")
    print(f"  values {trace.nbytes / 1e6:.1f} MB; the process's peak grew by {grown / 1e6:.1f} MB")


def elsewhere(checkout: Path) -> dict[str, float]:
    """`work` in a process of its own that imports a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, str(Path(__file__).resolve()), "--work"]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=checkout).stdout
    return json.loads(output)


def compare(before: Path, rounds: int) -> None:
    """Print the ratio of times, another checkout's to this one's: above 1, this one is faster."""
    times: dict[str, list[tuple[float, float]]] = {"step": [], "token": []}
    for turn in range(rounds):
        pair = [before, ROOT] if turn % 2 == 0 else [ROOT, before]
        found = {checkout: elsewhere(checkout) for checkout in pair}
        for name, rows in times.items():
            rows.append((found[before][name], found[ROOT][name]))
    print(f"\nnobody watching, {rounds} processes of each checkout by turns")
    for name, rows in times.items():
        then, now = (statistics.median(column) for column in zip(*rows, strict=True))
        ratio = statistics.median(a / b for a, b in rows)
        print(f"  {name:<6} before {1e3 * then:.3f} ms, now {1e3 * now:.3f} ms, ratio of pairs {ratio:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout to compare with")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="processes of each (default 15)")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path.insert(0, os.environ.get("PYTHONPATH") or str(ROOT))
    if arguments.work:
        print(json.dumps(work()))
        return
    if arguments.before:
        compare(arguments.before.resolve(), arguments.rounds)
    else:
        measured, counts, each = work(), asked(), one_asking()
        print(f"nobody watching: one asking takes {1e9 * each:.0f} ns")
        for name, seconds in measured.items():
            share = counts[name] * each / seconds
            print(f"  {name:<6} {1e3 * seconds:.3f} ms, asks {counts[name]} times: {share:.2%} of it")
    traced()


if __name__ == "__main__":
    main()
