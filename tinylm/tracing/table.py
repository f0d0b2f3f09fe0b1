"""Steps as lines of text; knows nothing of how they were recorded."""

from collections.abc import Sequence

import numpy as np

from tinylm.tracing.settings import setting_text
from tinylm.tracing.step import TraceStep
from tinylm.tracing.values import Summary, Value

__all__ = ["bytes_text", "range_text", "seconds_text", "step_text", "steps_table"]

WIDE = 66  # columns of a title


def seconds_text(seconds: float) -> str:
    """A time in three digits with its unit.

    >>> seconds_text(0.00123), seconds_text(2.5), seconds_text(0)
    ('1.23 ms', '2.50 s', '')
    """
    if not seconds:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds >= 100 * size else f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e6:.1f} µs"


def bytes_text(count: int) -> str:
    """A number of bytes with its unit, binary ones.

    >>> bytes_text(512), bytes_text(3 * 2**20)
    ('512 B', '3.0 MiB')
    """
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B" if count else ""


def range_text(value: Value) -> str:
    """The least and the largest number, and a word where some are not finite."""
    if isinstance(value, Summary):
        bad = f" {value.nan} NaN" * bool(value.nan) + f" {value.inf} infinite" * bool(value.inf)
        return f"{value.low:.4g} … {value.high:.4g}{bad} (summary)"
    if not value.size:
        return "empty"
    if value.dtype.kind == "b":
        return f"{int(value.sum())} of {value.size} true"
    if value.dtype.kind != "f":
        return f"{value.min()} … {value.max()}" if value.size > 1 else f"{value.min()}"
    finite = value[np.isfinite(value)]
    if finite.size == value.size == 1:
        return f"{float(finite[0]):.6g}"
    nan, inf = int(np.isnan(value).sum()), int(np.isinf(value).sum())
    bad = f" {nan} NaN" * bool(nan) + f" {inf} infinite" * bool(inf)
    return (f"{finite.min():.4g} … {finite.max():.4g}" if finite.size else "") + bad


def steps_table(steps: Sequence[TraceStep], limit: int | None = None) -> str:
    """A line for every step, or for the first `limit` of them, under a heading."""
    lines = [f"{'step':>5}  {'kind':<9}{'what':<{WIDE}}{'time':>10}{'kept':>11}  values"]
    for step in steps[:limit]:
        title = step.title if len(step.title) < WIDE else step.title[: WIDE - 2] + "…"
        values = "; ".join(range_text(value) for value in list(step.outputs.values())[:3])
        lines.append(
            f"{step.number:>5}  {step.kind:<9}{title:<{WIDE}}{seconds_text(step.seconds):>10}"
            f"{bytes_text(step.nbytes):>11}  {values}".rstrip()
        )
    if limit is not None and len(steps) > limit:
        lines.append(f"  … and {len(steps) - limit} more steps")
    return "\n".join(lines)


def step_text(step: TraceStep) -> str:
    """Everything about one step, for a terminal."""
    lines = [f"{step.number}  {step.kind}  {step.title}"]
    if step.sentence:
        lines.append(f"  {step.sentence}")
    lines += [f"      {line}" for line in step.equation.splitlines()]
    for name, text in (("source", step.source), ("called at", step.caller), ("time", seconds_text(step.seconds))):
        if text:
            lines.append(f"  {name:<10}{text}")
    for part, name, value in step.values():
        sizes = step.letters.get(name, "")
        shape = f"{value.dtype}{list(value.shape)}"
        origin = f"  from step {step.sources[name]}" if part == "inputs" and name in step.sources else ""
        leaf = f"  {step.leaves[name]}" if part != "kept" and name in step.leaves else ""
        lines.append(f"  {part[:-1] if part != 'kept' else part:<10}{name:<12}{sizes:<16}{shape:<24}"
                     f"{range_text(value)}{leaf}{origin}".rstrip())  # fmt: skip
    lines += [f"  setting   {name:<12}{setting_text(value)[:90]}" for name, value in step.settings.items()]
    return "\n".join(lines)
