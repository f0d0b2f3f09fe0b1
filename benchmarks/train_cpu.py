"""A training step on the CPU: tinylm against PyTorch and others, on nanoGPT's architecture.

    python benchmarks/train_cpu.py [--config a b c] [--threads 1 2] [--peers eager fused] [--markdown]
    python benchmarks/train_cpu.py --growth

 a. 4 layers, 4 heads, 128 wide, block 64, batch 12, vocabulary 65        nanoGPT's README, for a CPU
 b. 6 layers, 6 heads, 384 wide, block 256, batch 8, vocabulary 65        its shakespeare_char
 c. 12 layers, 12 heads, 768 wide, 1 x 256 tokens, vocabulary 50257       GPT-2, 124 million parameters

No biases, no dropout, exact GELU, tied weights, float32. A step is forward, backward, gradients clipped to norm 1, and
AdamW: learning rate 1e-3, betas 0.9 and 0.99, decay 0.1 of matrices. All begin from the same weights and take the same
batches; where a peer's first losses differ from ours by more than 1e-3 the exit status is 1.

peers: eager (PyTorch as nanoGPT uses it), fused (the same with AdamW(fused=True)), compile (with torch.compile too),
and on (a) with one thread jax (jit), tinygrad (needs a compiler named clang), mygrad and autograd. One that is not
installed is skipped and named: pip install '.[peers,others]'.

Each contender is a process pinned to so many processors; they take turns, and figures are medians of all steps: of CPU
time with one thread, of wall time with more. The peak is the faster of NumPy's and PyTorch's product of two 1024 x 1024
matrices with as many threads, measured before and after; the floating-point operations of a step are those of its
matrix products, tokens · (6 · (12 L C² + V C) + 6 L T C). Memory is each process's peak, its libraries included.

--growth trains models of 128 channels and 2048 tokens a step with longer blocks and with more layers instead.
"""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder's tokenizer.py is not the package

from benchmarks.tokenizer_report import Target
from benchmarks.train_cpu_report import growth_table, machine_table, profile_table, show, step_table, target_table
from tinylm.bench import OURS, SHAPES, TORCH, Shape, Times, difference, in_turns, started, written_weights

FOLDER = Path(__file__).resolve().parent
PEERS: dict[str, tuple[Path, dict[str, Any]]] = {
    "eager": (TORCH, {}),
    "fused": (TORCH, {"options": {"fused": True}}),
    "compile": (TORCH, {"options": {"fused": True, "compile": True}}),
    "jax": (FOLDER / "peer_jax.py", {}),
    "tinygrad": (FOLDER / "peer_tinygrad.py", {}),
    "mygrad": (FOLDER / "peer_mygrad.py", {}),
    "autograd": (FOLDER / "peer_autograd.py", {}),
}
EVERYWHERE = ("eager", "fused", "compile")
STEPS = {"a": 20, "b": 3, "c": 2}  # of a turn
TOLERANCE = 1e-3  # of losses, relative
FIRST = 5  # losses that are compared
MACHINE: dict[str, Any] = {"work": "machine", "size": 1024, "ops": 1000, "floats": 0}

# The issue of the CPU engine: tokens/s over the peer's, to reach and to aim at; then memory over eager's.
FASTER = {
    ("a", 1, "eager"): Target(1.10, 1.20),
    ("a", 2, "eager"): Target(1.10, 1.25),
    ("a", 1, "compile"): Target(1.05),
    ("b", 1, "eager"): Target(1.10, 1.20),
    ("b", 2, "eager"): Target(1.08, 1.20),
    ("c", 1, "eager"): Target(1.30, 1.5),
    ("c", 2, "eager"): Target(1.35, 1.5),
    ("c", 1, "fused"): Target(1.2),
}
MEMORY = {
    "a": Target(0.30, 0.25, at_most=True),
    "b": Target(0.70, 0.5, at_most=True),
    "c": Target(0.82, 0.78, at_most=True),
}


@dataclass
class Measured:
    """One model with one number of threads: what each contender took, who was absent and why, who came to other losses.

    top    GF/s of the faster library's matrix product
    """

    name: str
    shape: Shape
    threads: int
    times: dict[str, Times]
    absent: dict[str, str]
    apart: dict[str, float]
    top: float

    def ratio(self, peer: str) -> float:
        """How many times faster ours is."""
        return self.times[peer].seconds(self.threads) / self.times["ours"].seconds(self.threads)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def counted(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def measure(name: str, shape: Shape, threads: int, peers: list[str], rounds: int, steps: int) -> Measured:
    """Train a model with every contender, in turns."""
    pause = 0.0 if threads == 1 else 0.2
    say(f"({name}) {shape}, {counted(threads)}")
    with ExitStack() as stack:
        weights = stack.enter_context(written_weights(shape))
        settings = {"work": "train", "weights": str(weights), "shape": shape.to_dict()}
        files = {"ours": (OURS, {}), **{peer: PEERS[peer] for peer in peers}}
        found, absent = started(stack, files, threads, **settings)
        libraries, _ = started(stack, {"NumPy": (OURS, {}), "PyTorch": (TORCH, {})}, threads, **MACHINE)
        products = [in_turns(libraries, "matmul", 3, 10, pause=pause)]
        first = in_turns(found, "train", 1, FIRST)
        apart = {peer: difference(times.values, first["ours"].values) for peer, times in first.items()}
        times = in_turns(found, "train", rounds, steps, pause=pause)
        products.append(in_turns(libraries, "matmul", 3, 10, pause=pause))
    speed = 2e-9 * MACHINE["size"] ** 3
    top = max(speed / t.seconds(threads) for product in products for t in product.values())
    return Measured(name, shape, threads, times, absent, apart, top)


def measure_machine(threads: int, rounds: int) -> dict[str, dict[str, Times]]:
    """Matrix product and Python's overhead by library."""
    with ExitStack() as stack:
        libraries, _ = started(stack, {"tinylm": (OURS, {}), "PyTorch": (TORCH, {})}, threads, **MACHINE)
        return {call: in_turns(libraries, call, rounds, 10) for call in ("matmul", "overhead")}


def profile(shape: Shape, steps: int) -> list[list[Any]]:
    """So many steps of ours with one thread: seconds, of them AdamW's, and by op."""
    with ExitStack() as stack:
        weights = stack.enter_context(written_weights(shape))
        settings = {"work": "train", "weights": str(weights), "shape": shape.to_dict()}
        found, _ = started(stack, {"ours": (OURS, {})}, 1, **settings)
        found["ours"].ask("train", 2)
        values: list[list[Any]] = found["ours"].ask("profile", steps)["values"]
    return values


def growth(rounds: int, tokens: int = 2048, longest: int = 2048, deepest: int = 32) -> list[Measured]:
    """Ours and eager with one thread: blocks of 64 tokens and longer with 4 layers, then 1 layer and more."""
    lengths = [length for length in (64, 128, 256, 512, 1024, 2048) if length <= longest]
    depths = [depth for depth in (1, 2, 4, 8, 16, 32) if depth <= deepest]
    shapes = [Shape(4, 4, 128, length, max(1, tokens // length), 65) for length in lengths]
    shapes += [Shape(depth, 4, 128, min(256, longest), max(1, tokens // min(256, longest)), 65) for depth in depths]
    return [measure("growth", shape, 1, ["eager"], rounds, 2) for shape in shapes]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", nargs="+", choices=SHAPES, default=list(SHAPES), metavar="a|b|c")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=["eager", "fused"], metavar="PEER")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each contender")
    parser.add_argument("--steps", type=int, help="steps of a turn; default: 20 of (a), 3 of (b), 2 of (c)")
    parser.add_argument("--profile", nargs="*", choices=SHAPES, default=["b"], metavar="a|b|c", help="ops of which")
    parser.add_argument("--growth", action="store_true", help="longer blocks and more layers instead")
    parser.add_argument("--markdown", action="store_true", help="print what goes into benchmarks/README.md")
    arguments = parser.parse_args(argv)
    if min([arguments.rounds, arguments.steps or 1, *arguments.threads]) < 1:
        parser.error("--rounds, --steps and --threads: expected 1 or more")

    if arguments.growth:
        grown = growth(arguments.rounds)
        show([("Growth", growth_table(grown))], arguments.markdown)
        return report_differences(grown)

    machines = {threads: measure_machine(threads, 5) for threads in arguments.threads}
    measured = []
    for name in arguments.config:
        for threads in arguments.threads:
            peers = [p for p in arguments.peers if p in EVERYWHERE or (name, threads) == ("a", 1)]
            steps = arguments.steps or STEPS[name]
            measured.append(measure(name, SHAPES[name], threads, peers, arguments.rounds, steps))
    profiles = {name: profile(SHAPES[name], 5) for name in arguments.profile if name in arguments.config}
    tables = [("This machine", machine_table(machines, MACHINE)), ("Training", step_table(measured))]
    tables.append(("Targets", target_table(measured, FASTER, MEMORY)))
    tables += [(f"Where the time of ({name}) goes, 1 thread", profile_table(v)) for name, v in profiles.items()]
    show(tables, arguments.markdown)
    return report_differences(measured)


def report_differences(measured: list[Measured]) -> int:
    """Say who was absent, and who did not do the same work; exit status 1 for the latter."""
    status = 0
    for m in measured:
        for peer, reason in m.absent.items():
            print(f"({m.name}), {counted(m.threads)}: {peer} skipped: {reason}")
        for peer, apart in m.apart.items():
            if not apart <= TOLERANCE:
                print(f"({m.name}), {counted(m.threads)}: DIFFERENT: losses of {peer} are off by {apart:.1e}")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
