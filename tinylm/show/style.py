"""Colours, hatches and type of the pictures, and the one place that asks for matplotlib; knows no data.

A matplotlib picture has its light ground painted in, so that a dark notebook leaves it legible. No meaning rests on
colour alone: beside it stands a hatch, a dash, a marker or the number itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tokenizer.show.style import LIGHT

__all__ = ["COLOURS", "DASHES", "MARKERS", "contrast", "ink_on", "needs_matplotlib", "shade", "styled"]

PAPER, INK, FAINT, LINE = LIGHT["paper"], LIGHT["ink"], LIGHT["faint"], LIGHT["line"]

# Okabe & Ito 2008: told apart by colour-blind readers
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SKY, YELLOW = "#56b4e9", "#f0e442"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE)
DASHES = ("", "7 4", "2 3", "9 3 2 3")  # of lines, as SVG writes them
MARKERS = ("o", "s", "^", "D")

NAN, NAN_HATCH = "#e6ff00", "xxxx"  # a yellow that looks like no shade of the maps below, to every sight
MASKED, MASKED_HATCH = "#eceff2", "////"  # what could not be, as against a 0 that came out
HATCHED = {NAN: FAINT, MASKED: "#a4adb8"}  # ground → strokes: NaN is to be seen, a mask is not to be in the way

SEQUENTIAL = ("#ffffff", "#b3d5ec", "#6aaed6", "#2a8bc4", "#0067a3", "#00304d")  # from nothing to much
DIVERGING = ("#00304d", "#0072b2", "#8fc3e3", "#ffffff", "#f2ab7d", "#c25500", "#4d2200")  # below, none, above

READ_ON = [(INK, PAPER), (FAINT, PAPER), (INK, MASKED), (INK, NAN)]  # (text, ground): contrast 4.5 or more


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb", from 0 (black) to 1 (white).        WCAG 2.2, relative luminance"""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 (none) to 21 (black on white).        WCAG 2.2, contrast ratio"""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink_on(ground: str) -> str:
    """Black or white, whichever is more legible on the ground: one of them always has a contrast above 4.5.

    >>> ink_on("#ffffff"), ink_on("#00304d")
    ('#000000', '#ffffff')
    """
    return max("#000000", "#ffffff", key=lambda ink: contrast(ink, ground))


def shade(share: float, stops: Sequence[str] = SEQUENTIAL) -> str:
    """The colour at a share of the way through the stops, as "#rrggbb"; shares outside 0 … 1 are moved to the end.

    >>> shade(0.0), shade(1.0), shade(0.5, ("#000000", "#ffffff"))
    ('#ffffff', '#00304d', '#808080')
    """
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    first = min(int(place), len(stops) - 2)
    near, far, part = stops[first], stops[first + 1], place - first
    mixed = ((1 - part) * int(near[i : i + 2], 16) + part * int(far[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{int(value + 0.5):02x}" for value in mixed)


def needs_matplotlib() -> Any:
    """The matplotlib package; raises ImportError naming the extra where it is missing."""
    try:
        import matplotlib
    except ImportError as problem:
        raise ImportError(
            "this picture is drawn with matplotlib, which is not installed; type: pip install 'tinylm[show]'"
        ) from problem
    return matplotlib


FALLBACKS = (  # for characters that matplotlib's own font lacks, where the machine has one of these
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Symbols2",
    "Segoe UI Symbol",
)
_SETTINGS = {
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,  # a token "$" is a dollar sign
    "figure.facecolor": PAPER,
    "figure.dpi": 96,
    "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": "#dfe3e8",
    "hatch.linewidth": 0.7,
    "svg.hashsalt": "tinylm",  # the same picture is the same file
    "svg.fonttype": "path",  # looks the same where the font is not installed
}


@contextmanager
def styled() -> Iterator[Any]:
    """matplotlib with this project's settings, whatever the caller's are; those are put back after the block."""
    matplotlib = needs_matplotlib()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_SETTINGS, "font.family": families()})
        yield matplotlib


def families() -> list[str]:
    """Names of the fonts that letters are looked for in: the one that comes with matplotlib, then FALLBACKS."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in FALLBACKS if name in there)]


def colour_map(stops: Sequence[str]) -> Any:
    """The stops as a matplotlib colour map, with NaN in its own colour."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("tinylm", list(stops), N=256).with_extremes(bad=NAN)
