"""`tinylm bench`: how fast this machine trains and decodes, beside PyTorch where that is installed."""

import argparse
import importlib.util
import math
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import tinylm
from tinylm.bench import Absent, Figure, processor, quick
from tinylm.cli.errors import UsageError

__all__ = ["add"]

EPILOG = """Both sides begin from the same weights, take the same batches and must come to the same losses and tokens.
Each runs in a process of its own, and they take turns. With one thread, times are of CPU, with more of wall time.
The ratio is ours over PyTorch's: of speeds the more the better, of times and memory (<) the less. The share is of
the faster side's matrix product. Close other programs first. Takes about a minute for each number of threads.

examples:
  tinylm bench                    one thread
  tinylm bench --threads 1 4      one thread, then four
  tinylm bench --alone            without PyTorch
  tinylm bench --seconds 20       measure longer: steadier figures"""

WIDTHS = (46, 17, 17, 10)


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "bench",
        help="measure the speed of training and decoding here",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--threads", type=int, nargs="+", default=[1], metavar="N", help="threads of each side (default 1)"
    )
    command.add_argument("--alone", action="store_true", help="leave PyTorch out")
    command.add_argument(
        "--seconds", type=float, default=6.0, metavar="S", help="how long each measurement lasts (default 6)"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    most = os.cpu_count() or 1
    for threads in arguments.threads:
        if not 1 <= threads <= most:
            raise UsageError(f"--threads must be from 1 to {most}, the processors here; got {threads}")
    if not (math.isfinite(arguments.seconds) and arguments.seconds > 0):
        raise UsageError(f"--seconds must be above 0 and finite, got {arguments.seconds}")
    peer = not arguments.alone and importlib.util.find_spec("torch") is not None  # looked for, not imported
    print(_surroundings(peer))
    if not peer and not arguments.alone:
        print('PyTorch is not installed, so there is nothing to compare with: pip install "tinylm[peers]"')
    for threads in arguments.threads:
        print(f"\n{_row(_count(threads), 'tinylm', 'PyTorch' if peer else '', 'ratio' if peer else '')}")
        try:
            for figure in _announced(quick(threads, peer=peer, seconds=arguments.seconds)):
                print(_line(figure), flush=True)
        except Absent as reason:
            print(f"stopped: {reason}" + ("; leave PyTorch out with --alone" if peer else ""), file=sys.stderr)
            return 1
    if peer:
        print("\nratio: tinylm over PyTorch; < where less is better")
    return 0


def _announced(figures: Iterator[Figure]) -> Iterator[Figure]:
    """The same figures; on a terminal one is told to wait for each."""
    if not sys.stderr.isatty():
        yield from figures
        return
    erase = "\r" + 12 * " " + "\r"
    while True:
        print("measuring...", end="", file=sys.stderr, flush=True)
        try:
            figure = next(figures, None)
        finally:
            print(erase, end="", file=sys.stderr, flush=True)
        if figure is None:
            return
        yield figure


def _line(figure: Figure) -> str:
    peer = "" if figure.peer is None else f"{_number(figure.peer)} {figure.unit}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}{' <' if figure.less else '  '}"
    return _row(figure.work, f"{_number(figure.ours)} {figure.unit}", peer, ratio)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _row(*cells: str) -> str:
    first, *others = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    )
    return (first + "".join(others)).rstrip()


def _count(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def _surroundings(peer: bool) -> str:
    packages = ["numpy", *(["torch"] if peer else [])]
    named = {"numpy": "NumPy", "torch": "PyTorch"}
    versions = []
    for package in packages:
        try:
            versions.append(f"{named[package]} {version(package)}")
        except PackageNotFoundError:  # found, but not by an installer
            versions.append(named[package])
    return (
        f"tinylm {tinylm.__version__}, Python {platform.python_version()}, {', '.join(versions)}; "
        f"{os.cpu_count()} processors, {processor()}"
    )
