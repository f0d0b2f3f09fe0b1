"""Tables for terminals and READMEs, and the sentence that says where they were measured."""

import platform
from collections.abc import Sequence
from pathlib import Path

__all__ = ["markdown", "plain", "processor"]

Rows = Sequence[Sequence[str]]


def plain(rows: Rows) -> str:
    """The table in columns, numbers to the right and words to the left; the first row is the header.

    >>> print(plain([["op", "ms", "who"], ["gelu", "1.5", "ours"], ["add", "10.25", "eager"]]))
    op       ms  who
    gelu    1.5  ours
    add   10.25  eager
    """
    columns = []
    for header, *cells in zip(*rows, strict=True):
        width = max(map(len, (header, *cells)))
        numbers = all(cell[:1].isdigit() for cell in cells if cell)
        columns.append([cell.rjust(width) if numbers else cell.ljust(width) for cell in (header, *cells)])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def markdown(rows: Rows) -> str:
    """The table as it stands in a README.

    >>> print(markdown([["op", "ms"], ["gelu", "1.5"]]))
    | op | ms |
    | --- | --- |
    | gelu | 1.5 |
    """
    lines = [list(rows[0]), ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def processor() -> str:
    """The name of the processor, as well as the system knows it."""
    information = Path("/proc/cpuinfo")
    for line in information.read_text("utf-8", errors="replace").splitlines() if information.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
