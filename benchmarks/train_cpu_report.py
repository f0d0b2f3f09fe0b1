"""The tables that benchmarks/train_cpu.py and decode_cpu.py print, and where they were measured."""

import os
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.tokenizer_report import Target, commit, installed
from tinylm.bench import Times, markdown, plain, processor

Table = list[list[str]]
PACKAGES = ("numpy", "torch", "jax", "tinygrad", "mygrad", "autograd", "transformers", "llama_cpp_python")


def show(tables: Sequence[tuple[str, Table]], as_markdown: bool) -> None:
    """Print the surroundings and every table that has rows."""
    print(surroundings())
    for title, table in tables:
        if len(table) > 1:
            print(f"\n{'### ' if as_markdown else ''}{title}\n")
            print(markdown(table) if as_markdown else plain(table))


def surroundings() -> str:
    """Machine, versions, date and commit, as a sentence."""
    versions = [f"{package} {installed(package)}" for package in PACKAGES if installed(package) != "not installed"]
    return (
        f"{os.cpu_count()} cores of {processor()}, {platform.system()}, Python {platform.python_version()},\n"
        f"{', '.join(versions)},\n{date.today().isoformat()}, commit {commit(Path(__file__).resolve().parents[1])}"
    )


def number(value: float) -> str:
    """Three digits, or all of a larger number: 1.23, 12.3, 12,345.

    >>> number(1.234), number(12345.6)
    ('1.23', '12,346')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine_table(machines: Mapping[int, Mapping[str, Mapping[str, Times]]], settings: Mapping[str, Any]) -> Table:
    table = [["library", "threads", "matrix product", "an op forward and backward"]]
    for threads, calls in machines.items():
        for library, product in calls["matmul"].items():
            speed = 2e-9 * settings["size"] ** 3 / product.seconds(threads)
            chain = 1e6 * calls["overhead"][library].seconds(threads) / settings["ops"]
            table.append([library, str(threads), f"{number(speed)} GF/s", f"{number(chain)} µs"])
    return table


def step_table(measured: Sequence[Any]) -> Table:
    """One line for each contender; ratios say how ours compares with it."""
    table = [["", "threads", "contender", "CPU ms", "wall ms", "tokens/s", "ours is", "MB", "ours needs", "of peak"]]
    for m in measured:
        ours = m.times["ours"]
        for who, times in m.times.items():
            seconds = times.seconds(m.threads)
            faster = f"{m.ratio(who):.2f}x as fast" if who != "ours" else ""
            memory = f"{ours.peak / times.peak:.2f}x" if who != "ours" and times.peak else ""
            milliseconds = [number(1000 * median(samples)) for samples in (times.cpu, times.wall)]
            share = f"{m.shape.flops / seconds / m.top / 1e9:.0%}"
            speed = number(m.shape.tokens / seconds)
            table.append([m.name, str(m.threads), who, *milliseconds, speed, faster, number(times.peak), memory, share])
    return table


def target_table(
    measured: Sequence[Any], faster: Mapping[tuple[str, int, str], Target], memory: Mapping[str, Target]
) -> Table:
    """What was to be reached, as far as it was measured."""
    table = [["", "threads", "ours over", "", "measured", "target (aim)", "verdict"]]
    for m in measured:
        ours = m.times["ours"]
        for peer in m.times:
            if target := faster.get((m.name, m.threads, peer)):
                ratio = m.ratio(peer)
                table.append(
                    [m.name, str(m.threads), peer, "tokens/s", f"{ratio:.2f}x", str(target), target.verdict(ratio)]
                )
        if m.name in memory and "eager" in m.times:
            target, ratio = memory[m.name], ours.peak / max(m.times["eager"].peak, 1e-9)
            table.append(
                [m.name, str(m.threads), "eager", "memory", f"{ratio:.2f}x", str(target), target.verdict(ratio)]
            )
    return table


def profile_table(profiles: Sequence[Sequence[Any]], most: int = 14) -> Table:
    """The dearest ops of a step, AdamW, and what is left: clipping, Python and the loss's way to the host."""
    whole = median(seconds for seconds, _, _ in profiles)
    ops: dict[str, list[float]] = defaultdict(list)
    for _, _, by_op in profiles:
        for op, seconds in by_op.items():
            ops[op].append(seconds)
    parts = {op: median(samples) for op, samples in ops.items()}
    dearest = sorted(parts, key=lambda op: -parts[op])
    lines = {op: parts[op] for op in dearest[:most]}
    if dearest[most:]:
        lines[f"{len(dearest) - most} other ops"] = sum(parts[op] for op in dearest[most:])
    lines["AdamW"] = median(seconds for _, seconds, _ in profiles)
    lines["clipping, Python, the rest"] = whole - sum(lines.values())
    table = [["", "ms", "share"]]
    return [*table, *([name, number(1000 * s), f"{s / whole:.1%}"] for name, s in lines.items())]


def growth_table(measured: Sequence[Any]) -> Table:
    table = [["layers", "block", "batch", "µs/token: ours", "eager", "ours is", "MB: ours", "eager"]]
    for m in measured:
        sizes = [str(m.shape.n_layer), str(m.shape.block_size), str(m.shape.batch)]
        both = [m.times.get(who) for who in ("ours", "eager")]
        times = [number(1e6 * t.seconds(m.threads) / m.shape.tokens) if t else "" for t in both]
        ratio = f"{m.ratio('eager'):.2f}x as fast" if both[1] else ""
        table.append([*sizes, *times, ratio, *(number(t.peak) if t else "" for t in both)])
    return table
