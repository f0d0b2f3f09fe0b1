"""Greedy decoding on the CPU at the shape of GPT-2, 124 million parameters: tinylm against PyTorch.

    python benchmarks/decode_cpu.py [--threads 1 2] [--peers cached uncached transformers] [--markdown]
    python benchmarks/decode_cpu.py --model SmolLM2.gguf      a published model beside transformers and llama.cpp

Decoding gives one token at a time after a prompt of 128, up to position 256, batch 1, float32; prefill is the time
from a prompt of 512 tokens to the first token after it. The weights are drawn from a seed, without biases; all have
the same, and where a peer's first 32 tokens differ from ours the exit status is 1.

peers: cached (PyTorch eager with keys and values kept in one array), uncached (as nanoGPT samples: the whole text for
each token; 32 tokens from position 129 on, once), transformers. One that is not installed is skipped and named:
pip install '.[peers,others]'.

Each contender is a process pinned to so many processors; they take turns, and figures are medians: of CPU time with one
thread, of wall time with more. The bandwidth is the best of NumPy's dot and matrix-vector product over 512 MB, before
and after, with as many threads; its share is the bytes of all matrices, which each token reads once, times tokens/s.
"""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder's tokenizer.py is not the package

from benchmarks import decode_model
from benchmarks.tokenizer_report import Target
from benchmarks.train_cpu_report import Table, number, show
from tinylm.bench import OURS, TORCH, Contender, Shape, Times, in_turns, started, written_weights

FOLDER = Path(__file__).resolve().parent
PEERS: dict[str, tuple[Path, dict[str, Any]]] = {
    "cached": (TORCH, {}),
    "uncached": (FOLDER / "peer_torch_uncached.py", {}),
    "transformers": (FOLDER / "peer_transformers.py", {}),
}
GPT2 = Shape(n_layer=12, n_head=12, n_embd=768, block_size=1024, batch=1, vocab_size=50257)
PROMPT, NEW, PREFILL = 128, 128, 512
SCALE = 8.0  # of the blocks' matrices: with GPT-2's own initialisation an untrained model repeats one token
FLOATS = 1 << 27  # 512 MB
CHECKED = 32

# The issue of the CPU engine: over PyTorch with a cache, by threads; then the share of the bandwidth to aim at.
DECODE = {1: Target(1.5, 1.8), 2: Target(1.7, 2.0)}
READ = {1: Target(1.1, 1.3), 2: Target(1.1, 1.3)}
BANDWIDTH = Target(0.75)


@dataclass
class Decoded:
    """What was measured with one number of threads; bandwidth in GB/s."""

    threads: int
    shape: Shape
    decode: dict[str, Times]
    prefill: dict[str, Times]
    absent: dict[str, str]
    different: list[str]
    bandwidth: float

    def share(self, who: str) -> float:
        """The part of the bandwidth that decoding reaches."""
        s = self.shape
        read = 4e-9 * (12 * s.n_layer * s.n_embd**2 + s.vocab_size * s.n_embd)
        return read / self.decode[who].seconds(self.threads) / self.bandwidth


def bandwidth(reader: Contender, threads: int, floats: int) -> float:
    """The best rate of reading an array, GB/s."""
    times = [in_turns({"": reader}, call, 1, 4)[""] for call in ("dot", "gemv")]
    return 4e-9 * floats / min(min(t.cpu if threads == 1 else t.wall) for t in times)


def measure(
    threads: int, peers: list[str], rounds: int, shape: Shape, lengths: tuple[int, int, int], floats: int
) -> Decoded:
    """Decode and read prompts with every contender, in turns; lengths: of the prompt, of what follows, of prefill."""
    pause = 0.0 if threads == 1 else 0.2
    prompt, new, prefill = lengths
    print(f"decoding, threads: {threads}", file=sys.stderr, flush=True)
    with ExitStack() as stack:
        weights = str(stack.enter_context(written_weights(shape, SCALE)))
        settings = {"work": "decode", "weights": weights, "shape": shape.to_dict()}
        files = {"ours": (OURS, {}), **{peer: PEERS[peer] for peer in peers}}
        found, absent = started(stack, files, threads, prompt=prompt, new=new, prefill=prefill, **settings)
        reader = stack.enter_context(Contender(OURS, threads, work="machine", size=1, ops=1, floats=floats))
        best = bandwidth(reader, threads, floats)
        patient = {who: c for who, c in found.items() if who == "uncached"}
        quick = {who: c for who, c in found.items() if who not in patient}
        tokens = in_turns(quick, "decode", rounds, new - 1, pause=pause)
        tokens |= in_turns(patient, "decode", 1, min(CHECKED, new - 1), pause=pause)
        in_turns(found, "prefill", 1, 1)  # warm-up
        prompts = in_turns(found, "prefill", rounds, 2, pause=pause)
        best = max(best, bandwidth(reader, threads, floats))
    ours = tokens["ours"].values[: min(CHECKED, new - 1)], prompts["ours"].values[:1]
    different = [who for who in found if (tokens[who].values[: len(ours[0])], prompts[who].values[:1]) != ours]
    return Decoded(threads, shape, tokens, prompts, absent, different, best)


def decode_table(measured: list[Decoded]) -> Table:
    table = [["threads", "contender", "ms a token", "tokens/s", "ours is", "of bandwidth", "MB"]]
    for m in measured:
        ours = m.decode["ours"].seconds(m.threads)
        for who, times in m.decode.items():
            seconds = times.seconds(m.threads)
            faster = "" if who == "ours" else f"{seconds / ours:.2f}x as fast"
            cells = [number(1000 * seconds), number(1 / seconds), faster, f"{m.share(who):.0%}", number(times.peak)]
            table.append([str(m.threads), who, *cells])
        table.append([str(m.threads), f"bandwidth {m.bandwidth:.1f} GB/s", *[""] * 5])
    return table


def prefill_table(measured: list[Decoded]) -> Table:
    table = [["threads", "contender", "ms", "ours is"]]
    for m in measured:
        ours = m.prefill["ours"].seconds(m.threads)
        for who, times in m.prefill.items():
            seconds = times.seconds(m.threads)
            faster = "" if who == "ours" else f"{seconds / ours:.2f}x as fast"
            table.append([str(m.threads), who, number(1000 * seconds), faster])
    return table


def target_table(measured: list[Decoded]) -> Table:
    table = [["threads", "", "measured", "target (aim)", "verdict"]]
    for m in measured:
        lines = [("share of the bandwidth (an aim)", m.share("ours"), BANDWIDTH)]
        for name, times, targets in (("decoding", m.decode, DECODE), ("prefill", m.prefill, READ)):
            if "cached" in times and m.threads in targets:
                ratio = times["cached"].seconds(m.threads) / times["ours"].seconds(m.threads)
                lines.append((f"{name} over cached", ratio, targets[m.threads]))
        table += [[str(m.threads), work, f"{v:.2f}x", str(target), target.verdict(v)] for work, v, target in lines]
    return table


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=["cached"], metavar="PEER")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each contender, of 127 tokens and of 2 prompts")
    parser.add_argument(
        "--model", type=Path, metavar="FILE.gguf", help="measure a published model in place of GPT-2's shape"
    )
    parser.add_argument("--markdown", action="store_true", help="print what goes into benchmarks/README.md")
    arguments = parser.parse_args(argv)
    if min([arguments.rounds, *arguments.threads]) < 1:
        parser.error("--rounds and --threads: expected 1 or more")
    if arguments.model is not None:
        return published(arguments)
    lengths = PROMPT, NEW, PREFILL
    measured = [measure(n, arguments.peers, arguments.rounds, GPT2, lengths, FLOATS) for n in arguments.threads]
    tables = [
        (f"Decoding, positions {PROMPT + 1} to {PROMPT + NEW - 1}", decode_table(measured)),
        (f"Prefill of {PREFILL} tokens", prefill_table(measured)),
        ("Targets", target_table(measured)),
    ]
    show(tables, arguments.markdown)
    return report_differences(measured)


def published(arguments: argparse.Namespace) -> int:
    """Measure a model in a GGUF file; exit status 1 where transformers, with the same weights, gives other tokens."""
    tables, measured = decode_model.run(arguments.model, arguments.threads, arguments.rounds)
    show(tables, arguments.markdown)
    for m in measured:
        for peer, reason in m.absent.items():
            print(f"{peer}, {m.threads} threads, skipped: {reason}")
    checked = min(decode_model.CHECKED, decode_model.NEW - 1)
    return 1 if any(m.agree.get("transformers", checked) < checked for m in measured) else 0


def report_differences(measured: list[Decoded]) -> int:
    """Say who was absent, and who gave other tokens; exit status 1 for the latter."""
    for m in measured:
        for peer, reason in m.absent.items():
            print(f"{peer}, {m.threads} threads, skipped: {reason}")
        for peer in m.different:
            print(f"DIFFERENT: {peer}, {m.threads} threads, gave other tokens than ours")
    return 1 if any(m.different for m in measured) else 0


if __name__ == "__main__":
    sys.exit(main())
