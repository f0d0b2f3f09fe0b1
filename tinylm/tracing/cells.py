"""Numbers of an array as cells with shades, and their spread as a row of bars; knows no terminal."""

import math

import numpy as np

from tinylm.show.labels import number
from tinylm.show.style import DIVERGING, SEQUENTIAL, shade
from tinylm.tracing.values import Summary, Value

__all__ = ["Spread", "bars", "cell", "spread"]

BARS = "▁▂▃▄▅▆▇█"
BINS = 8
WIDEST = 7  # columns of a number

Spread = tuple[float, float]


def spread(array: np.ndarray) -> Spread:
    """What the shades of an array range over: 0 … its largest number, or −m … m where some are negative."""
    if array.dtype.kind not in "fiub" or not array.size:
        return 0.0, 0.0
    wide = array.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    if not finite.size:
        return 0.0, 0.0
    low, high = float(finite.min()), float(finite.max())
    most = max(abs(low), abs(high))
    return (-most, most) if low < 0 else (0.0, most)


def cell(value: float, over: Spread) -> tuple[str, str]:
    """A number in up to three digits, at most seven columns, and the colour of its ground; "" for none.

    >>> cell(0.5, (-1.0, 1.0))[0], cell(float("nan"), (-1.0, 1.0))
    ('0.5', ('NaN', '#e6ff00'))
    """
    if math.isnan(value):
        return "NaN", "#e6ff00"
    low, high = over
    text = str(int(value)) if float(value).is_integer() and abs(value) < 1e6 else number(float(value))
    if len(text) > WIDEST:
        text = number(float(value), 2) if len(number(float(value), 2)) <= WIDEST else number(float(value), 1)
    if not high > low or math.isinf(value):
        return text, ""
    share = (value - low) / (high - low)
    return text, shade(share, DIVERGING if low < 0 else SEQUENTIAL)


def bars(value: Value) -> str:
    """How many numbers lie where between the least and the largest, as eight bars; "" for few or equal numbers.

    >>> bars(np.arange(80.0)), bars(np.ones(80))
    ('████████', '')
    """
    numbers = np.array(value.sample) if isinstance(value, Summary) else value
    if numbers.dtype.kind != "f" or numbers.size < 2 * BINS:
        return ""
    finite = numbers[np.isfinite(numbers)].astype(np.float64)
    if not finite.size or finite.min() == finite.max():
        return ""
    counts, _ = np.histogram(finite, BINS)
    return "".join(" " if not n else BARS[min(int(n / counts.max() * 7 + 0.5), 7)] for n in counts)
