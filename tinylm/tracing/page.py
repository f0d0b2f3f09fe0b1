"""A trace as the words that the HTML player shows; knows nothing of HTML."""

import numpy as np

from tinylm.show.player import Grid, PlayerArray, PlayerStep, player_html
from tinylm.tracing.cells import bars, cell
from tinylm.tracing.graph import block_of
from tinylm.tracing.positions import Positions, letters_of
from tinylm.tracing.screens import PARTS, candidates
from tinylm.tracing.select import Part
from tinylm.tracing.settings import setting_text
from tinylm.tracing.step import TraceStep
from tinylm.tracing.table import range_text, seconds_text

__all__ = ["player"]

ROWS, COLUMNS = 5, 7  # of an output's numbers; of attention weights twice as many
LONG = 60  # characters of a setting
UNSHOWN = ("counts", "tokens", "text")


def player(part: Part, start: int, most: int) -> str:
    """The first `most` steps as one HTML element; see Trace.player."""
    positions = Positions(part)
    shown = part.steps[:most]
    ops: dict[str, tuple[str, str]] = {}
    for step in shown:
        if step.sentence or step.equation:
            ops.setdefault(_key(step), (step.sentence, step.equation))
    return player_html([_step(step, positions) for step in shown], ops, start=start, total=len(part))


def _key(step: TraceStep) -> str:
    return f"backward of {step.op}" if step.kind == "backward" else step.op


def _step(step: TraceStep, positions: Positions) -> PlayerStep:
    facts = [("", text) for text in (step.source, step.caller, seconds_text(step.seconds)) if text]
    facts += [
        (name, setting_text(value)[:LONG])
        for name, value in step.settings.items()
        if value is not None and name not in UNSHOWN
    ]
    arrays, inputs = [], []
    for part, name, value in step.values():
        if part == "inputs":
            inputs.append(value)
        elif part == "kept" and any(value is given for given in inputs):
            continue  # an input that was kept: it stands there already
        source = step.sources.get(name) if part == "inputs" else None
        arrays.append(
            PlayerArray(
                PARTS[part],
                name,
                letters_of(step, name).strip("(),").replace(" ", ""),
                "×".join(map(str, value.shape)),
                range_text(value),
                bars(value).rstrip() if part == "outputs" else "",
                step.leaves.get(name, "") if part != "kept" else "",
                source,
            )
        )
    return PlayerStep(
        step.number, step.kind, block_of(step.scope), step.title, _key(step), facts, arrays, _grids(step, positions)
    )


def _grids(step: TraceStep, positions: Positions) -> list[tuple[str, Grid]]:
    """The first numbers of what a person would look at: attention weights, candidates, tokens, the output."""
    if step.kind == "choice":
        rows = [
            [f"{'▸ ' if here else ''}{positions.name(i) or '?'}", str(i), f"{logit:.3f}", f"{p:.4f}"]
            for i, logit, _, p, here in candidates(step, 8)
        ]
        return [("the likeliest tokens, the chosen one marked", [["", "id", "logit", "p"], *rows])] if rows else []
    if step.kind == "encode":
        ids = step.outputs["ids"]
        if not isinstance(ids, np.ndarray):
            return []
        names = [str(token) for token in step.settings.get("tokens", [])][:64]
        return [("tokens", [["", "id"], *([name, str(i)] for name, i in zip(names, ids.tolist(), strict=False))])]
    for name, part, size in (("p", step.kept, 2), *((name, step.outputs, 1) for name in list(step.outputs)[:1])):
        value = part.get(name)
        if isinstance(value, np.ndarray) and value.size > 1 and step.kind in ("forward", "backward", "update"):
            if size == 2 and (step.kind != "forward" or value.ndim < 2):
                continue
            return [_grid(step, name, value, positions, size)]
    return []


def _grid(step: TraceStep, name: str, value: np.ndarray, positions: Positions, size: int) -> tuple[str, Grid]:
    letters = letters_of(step, name)
    flat = value.reshape(1, -1) if value.ndim < 2 else value[(0,) * (value.ndim - 2)]
    table = flat[: ROWS * size, : COLUMNS * size]
    down = positions.axis(step, letters, value.ndim - 2, flat.shape[0]) if value.ndim > 1 else None
    right = positions.axis(step, letters, value.ndim - 1, flat.shape[1])
    head = ["", *((str(j) if right is None else right[j]) for j in range(table.shape[1]))]
    rows = [
        [str(i) if down is None else f"{i} {down[i]}", *(cell(float(x), (0.0, 0.0))[0] for x in row)]
        for i, row in enumerate(table.tolist())
    ]
    where = f"{name}[{'0, ' * max(0, value.ndim - 2)}…]" if table.size < value.size else name
    return f"{where}, the first of {value.size:,} numbers" if table.size < value.size else name, [head, *rows]
