"""The table that benchmarks/tokenizer.py prints: its lines, its verdicts, and where they were measured."""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from tinylm.bench import processor

PACKAGES = ("numpy", "regex", "tiktoken", "tokenizers", "rustbpe", "MiniBpeRust")
HEADER = ("row", "work", "ours", "peer", "ratio", "target (aim)", "")

Sample = Sequence[float]  # seconds of CPU, seconds of wall time
CPU, WALL = 0, 1


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should reach, and what it might; `at_most`: the less, the better.

    >>> Target(5, 8).verdict(6.2), Target(0.65, at_most=True).verdict(0.7)
    ('PASS', 'short')
    """

    reach: float
    aim: float | None = None
    at_most: bool = False
    unit: str = "x"

    def verdict(self, value: float) -> str:
        sign = -1 if self.at_most else 1
        if sign * value < sign * self.reach:
            return "short"
        return "PASS" if self.aim is None or sign * value < sign * self.aim else "PASS, aim met"

    def __str__(self) -> str:
        aim = "" if self.aim is None else f" ({self.aim:g}{self.unit})"
        return f"{'≤' if self.at_most else '≥'} {self.reach:g}{self.unit}{aim}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; every cell but the last two as it is printed."""

    row: int
    work: str
    ours: str = ""
    peer: str = ""
    ratio: str = ""
    target: Target | None = None
    verdict: str = ""
    unequal: bool = False
    """Whether merges or ids differed, so that there is nothing to compare."""

    def cells(self) -> list[str]:
        target = str(self.target) if self.target else ""
        return [str(self.row), self.work, self.ours, self.peer, self.ratio, target, self.verdict]


def judged(
    row: int, work: str, ours: str, peer: str, value: float, target: Target | None, ratio: str | None = None
) -> Line:
    """A line whose `value` is held against the target; `ratio` is printed in its place where they are not the same."""
    verdict = target.verdict(value) if target else ""
    return Line(row, work, ours, peer, f"{value:.2f}x" if ratio is None else ratio, target, verdict)


def faster(ours: Sequence[Sample], peer: Sequence[Sample], clock: int = CPU) -> float:
    """How many times faster ours is: the ratio of the medians."""
    return median(sample[clock] for sample in peer) / max(median(sample[clock] for sample in ours), 1e-9)


def seconds(samples: Sequence[Sample], megabytes: float = 0) -> str:
    """The medians as a cell: CPU time, wall time in brackets, and the rate if it is of so many megabytes.

    >>> seconds([(0.5, 0.6), (0.7, 0.8), (0.5, 0.6)], 10)
    '0.5 (0.6) s, 20 MB/s'
    """
    cpu, wall = (median(sample[clock] for sample in samples) for clock in (CPU, WALL))
    rate = f", {megabytes / max(cpu, 1e-9):.3g} MB/s" if megabytes else ""
    return f"{cpu:.3g} ({wall:.3g}) s{rate}"


def plain(table: Sequence[Line]) -> str:
    """The table in columns, for a terminal."""
    rows = [list(HEADER), *(line.cells() for line in table)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown(table: Sequence[Line]) -> str:
    """The table as it stands in a README."""
    rows = [list(HEADER), ["---"] * len(HEADER), *(line.cells() for line in table)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def surroundings(root: Path) -> str:
    """Machine, date, versions and commit, as a sentence."""
    versions = ", ".join(f"{package} {installed(package)}" for package in PACKAGES)
    machine = f"{os.cpu_count()} cores of {processor()}, {platform.system()}, Python {platform.python_version()}"
    return (
        f"{machine}, {versions}, {date.today().isoformat()}, commit {commit(root)}. Medians, one thread on each side "
        "(row 10: two workers), in seconds of CPU, with wall time in brackets. The ratio says how many times faster "
        "ours is, by CPU time (row 10: by wall time); in rows 4 and 8 it is ours over the peer's: the less, the better."
    )


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def commit(root: Path) -> str:
    """The short hash of the commit that was measured, and whether the tree held changes."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
