"""Floor 7: how fast this is here; contenders in processes of their own, asked in turns. Prints nothing.

PyTorch is measured against and never used: torch_peer.py is started in a process of its own, where it is installed.
"""

from tinylm.bench.drive import (
    OURS,
    TORCH,
    Absent,
    Contender,
    Times,
    difference,
    in_turns,
    started,
    written_weights,
)
from tinylm.bench.plan import Figure, quick
from tinylm.bench.shapes import SHAPES, Shape
from tinylm.bench.table import markdown, plain, processor

__all__ = [
    "OURS",
    "SHAPES",
    "TORCH",
    "Absent",
    "Contender",
    "Figure",
    "Shape",
    "Times",
    "difference",
    "in_turns",
    "markdown",
    "plain",
    "processor",
    "quick",
    "started",
    "written_weights",
]
