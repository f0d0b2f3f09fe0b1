"""What a terminal shows of one step, as lines of pieces of text with a style; knows nothing of keys or escapes."""

import math
from collections.abc import Sequence

import numpy as np

from tinylm.tracing.cells import bars, cell, spread
from tinylm.tracing.positions import Positions, letters_of
from tinylm.tracing.settings import setting_text
from tinylm.tracing.step import TraceStep
from tinylm.tracing.stepper import Stepper
from tinylm.tracing.table import bytes_text, range_text, seconds_text
from tinylm.tracing.values import Summary, Value
from tokenizer.show.characters import crop, display_width, pad

__all__ = ["CELL", "Line", "candidates", "choose_lines", "step_lines", "table_lines", "values_lines", "wrapped"]

Line = list[
    tuple[str, str]
]  # pieces: (text, style); a style is "", "bold", "faint", "good", "mark" or a ground "#rrggbb"

CELL = 8  # columns of a number
LABEL = 12
PARTS = {"inputs": "in", "kept": "kept", "outputs": "out"}


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """A text in lines of at most so many columns, each after the indent; broken between words where there are any.

    >>> wrapped("one two three", 9, "  ")
    ['  one two', '  three']
    """
    room, lines, line = max(8, width - len(indent)), [], ""
    for word in text.split():
        if line and display_width(line) + 1 + display_width(word) > room:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while display_width(line) > room:
            lines.append(line[:room])
            line = line[room:]
    return [indent + line for line in [*lines, line] if line]


def step_lines(
    step: TraceStep, chosen: str, width: int, positions: Positions, arrived: Sequence[tuple[int, str]] = ()
) -> list[Line]:
    """All about a step; `chosen` is the array that the values screen would show, as "outputs y"."""
    lines: list[Line] = [[(line, "bold")] for line in wrapped(step.title, width, " ")]
    lines += [[(line, "")] for line in wrapped(step.sentence, width, " ")]
    lines += [[(crop(f"     {line}", width), "mark")] for line in step.equation.splitlines()]
    lines.append([])
    for name, text in (("runs", step.source), ("called", step.caller)):
        if text:
            lines.append([(f" {name:<8}", "faint"), (crop(text, width - 10), "")])
    cost = [text for text in (seconds_text(step.seconds), bytes_text(step.nbytes)) if text]
    if cost:
        lines.append([(" cost    ", "faint"), (" and ".join(cost), "")])
    if arrived:
        came = " + ".join(f"{name} of step {number}" for number, name in arrived)
        lines.append([(" dy is   ", "faint"), (crop(came, width - 10), "")])
    if step.kind == "choice":
        return [*lines, [], *choose_lines(step, width, positions)]
    if step.kind == "encode":
        return [*lines, *_tokens(step, width)]
    rows = [(part, name, value) for part, name, value in step.values()]
    if rows:
        lines += [[], *_arrays(step, rows, chosen, width)]
    shown = {name: setting_text(value) for name, value in step.settings.items() if name not in ("counts", "tokens")}
    if shown:
        lines.append([])
    lines += [[(f" {pad(crop(name, 10), 11)}", "faint"), (crop(text, width - 13), "")] for name, text in shown.items()]
    return lines


def _arrays(step: TraceStep, rows: Sequence[tuple[str, str, Value]], chosen: str, width: int) -> list[Line]:
    """A line for each array: which, its letters and sizes, its range, how its numbers are spread, where it is from."""
    table = []
    for part, name, value in rows:
        sizes = "×".join(map(str, value.shape)) or "one number"
        letters = letters_of(step, name).strip("(),").replace(" ", "")
        origin = ""
        if part == "inputs" and name in step.sources:
            origin = f"from step {step.sources[name]}"
        elif part != "kept" and name in step.leaves:
            origin = step.leaves[name]
        table.append((part, name, f"{letters}  {sizes}" if letters else sizes, range_text(value), bars(value), origin))
    names, shapes, ranges = (
        min(limit, max(display_width(row[i]) for row in table)) for i, limit in ((1, 12), (2, 26), (3, 24))
    )
    lines: list[Line] = []
    for part, name, sizes, told, spreading, origin in table:
        here = f"{part} {name}" == chosen
        line = f" {pad(crop(sizes, shapes), shapes)}  {pad(crop(told, ranges), ranges)}  {spreading:<8}  {origin}"
        head = f" {'▸' if here else ' '} {PARTS[part]:<5}{pad(crop(name, names), names)}"
        lines.append([(head, "bold" if here else ""), (crop(line, max(8, width - display_width(head))), "")])
    return lines


def _tokens(step: TraceStep, width: int) -> list[Line]:
    """The tokens of an encoding with their ids."""
    ids = step.outputs["ids"]
    numbers = list(ids.sample) if isinstance(ids, Summary) else ids.tolist()
    lines: list[Line] = [[]]
    for place, (token, number) in enumerate(zip(step.settings.get("tokens", []), numbers, strict=False)):
        lines.append([(f" {place:>5}  {int(number):>6}  ", "faint"), (crop(str(token), width - 18), "")])
    return lines


def candidates(step: TraceStep, most: int = 12) -> list[tuple[int, float, float, float, bool]]:
    """(id, logit, logit over temperature, p, whether it was chosen) of the likeliest ids and the chosen one."""
    logits, p, token = step.inputs["logits"], step.outputs["p"], int(step.settings["token"])
    scaled = step.kept.get("scaled", logits)
    if isinstance(logits, Summary) or isinstance(p, Summary) or isinstance(scaled, Summary):
        return []
    order = np.lexsort((-scaled, -p))[:most].tolist()
    if token not in order:
        order[-1] = token
    return [(i, float(logits[i]), float(scaled[i]), float(p[i]), i == token) for i in order]


def choose_lines(step: TraceStep, width: int, positions: Positions) -> list[Line]:
    """The likeliest tokens with logits and probabilities, the chosen one marked, the filtered ones without a share."""
    rows = candidates(step)
    if not rows:
        return [[(" the logits were only summarised in this trace", "faint")]]
    kept = int(np.count_nonzero(np.asarray(step.outputs["p"])))
    lines: list[Line] = [[(f"   {'token':<16}{'id':>6}{'logit':>9}{'÷ temp.':>9}{'p':>9}", "faint")]]
    room = max(4, min(30, width - 56))
    for token, logit, scaled, share, here in rows:
        name = pad(crop(positions.name(token) or "?", 14), 16)
        text = f" {'▸' if here else ' '} {name}{token:>6}{logit:>9.3f}{scaled:>9.3f}{share:>9.4f}  "
        lines.append([(text, "bold" if here else "" if share else "faint"), ("█" * round(share * room), "good")])
    uniform = step.settings.get("uniform")
    drawn = (
        "the largest logit was taken" if uniform is None else f"u = {uniform:.6f} was drawn; press w for where it fell"
    )
    return [*lines, [(f"   {kept:,} of {np.asarray(step.outputs['p']).size:,} ids have a share; {drawn}", "faint")]]


def table_lines(stepper: Stepper, width: int, height: int) -> list[Line]:
    """The steps around this one, a line each."""
    first = min(max(stepper.place - height // 2, 0), max(len(stepper.steps) - height, 0))
    lines: list[Line] = []
    for place in range(first, min(first + height, len(stepper.steps))):
        step = stepper.steps[place]
        told = "; ".join(range_text(value) for value in list(step.outputs.values())[:2]) if width > 100 else ""
        title = f"{'▸' if place == stepper.place else ' '}{step.number:>5}  {step.kind:<9}{step.title}"
        room = width - 32 if told else width - 1
        text = f"{pad(crop(title, room), room)} {crop(told, 30)}" if told else crop(title, room)
        lines.append([(text, "bold" if place == stepper.place else "")])
    return lines


def values_lines(
    step: TraceStep, part: str, name: str, lead: int, corner: tuple[int, int], width: int, height: int,
    positions: Positions,
) -> tuple[list[Line], int, int]:  # fmt: skip
    """An array as a table of numbers on shaded grounds: (lines, how many rows and columns of it there was room for).

    lead     which of the tables that the last two axes make, counted through the axes before them
    corner   first row, first column
    """
    value: Value = getattr(step, part)[name]
    letters = letters_of(step, name)
    head = f" {PARTS[part]} {name}  {letters} {tuple(value.shape)} {value.dtype}".replace("  ", " ")
    lines: list[Line] = [[(crop(head, width), "bold")], [(f" {range_text(value)}", "faint")]]
    if isinstance(value, Summary):
        numbers = ", ".join(f"{x:.4g}" for x in value.sample)
        return [*lines, [], *([(line, "")] for line in wrapped(f"of its numbers: {numbers}", width, " "))], 1, 1
    if not value.size:
        return lines, 1, 1
    across = max(1, (width - LABEL - 2) // CELL)
    if value.ndim < 2:
        flat, over = value.reshape(-1), spread(value)
        start, rows = corner[0] * across, max(1, height - len(lines) - 1)
        names = positions.axis(step, letters, 0, flat.size)
        lines.append([])
        for first in range(start, min(flat.size, start + rows * across), across):
            label = str(first) if names is None else crop(f"{first} {names[first]}", LABEL - 1)
            lines.append([(f" {pad(label, LABEL)}", "faint"), *_row(flat[first : first + across], over)])
        return lines, rows, across
    before = value.shape[:-2]
    place = np.unravel_index(lead, before) if before else ()
    if before:
        named = letters.strip("()").split(",") if letters else []
        told = [
            f"{named[i].strip() if i < len(named) else 'axis ' + str(i)} {int(at)} of {n}"
            for i, (at, n) in enumerate(zip(place, before, strict=True))
        ]
        lines.append(
            [(f" {', '.join(told)}", "mark"), ("   [ and ]: the others" if math.prod(before) > 1 else "", "faint")]
        )
    table = value[tuple(int(at) for at in place)]
    rows = max(1, height - len(lines) - 2)
    top, left = corner
    down = positions.axis(step, letters, value.ndim - 2, table.shape[0])
    right = positions.axis(step, letters, value.ndim - 1, table.shape[1])
    heads = range(left, min(left + across, table.shape[1]))
    headings = "".join(f"{_right(str(j) if right is None else right[j], CELL - 1)} " for j in heads)
    lines.append([(" " * (LABEL + 1) + headings, "faint")])
    over = spread(table)
    for i in range(top, min(top + rows, table.shape[0])):
        label = str(i) if down is None else crop(f"{i} {down[i]}", LABEL - 1)
        lines.append([(f" {pad(label, LABEL)}", "faint"), *_row(table[i, left : left + across], over)])
    return lines, rows, across


def _row(numbers: np.ndarray, over: tuple[float, float]) -> Line:
    pieces: Line = []
    for value in numbers.tolist():
        text, ground = cell(float(value), over)
        pieces += [(_right(text, CELL - 1), ground), (" ", "")]
    return pieces


def _right(text: str, width: int) -> str:
    text = crop(text, width)
    return " " * (width - display_width(text)) + text
