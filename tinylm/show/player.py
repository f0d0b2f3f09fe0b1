"""Steps as one HTML element to step through, with buttons and keys; knows only text, and reads without scripts too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from itertools import groupby

from tinylm.show.sheet import sheet

__all__ = ["PlayerArray", "PlayerStep", "player_html"]

ROOT = "tinylm-player"
RULES = """
& {background:var(--paper);color:var(--ink);font:14px/1.45 system-ui,sans-serif;padding:.7em;border-radius:6px;
  border:1px solid var(--line);text-align:left;max-width:75em;box-sizing:border-box}
&:focus {outline:2px solid var(--won);outline-offset:1px}
& summary {cursor:pointer;overflow-wrap:anywhere}
& details details {margin-left:1em}
& table {border-collapse:collapse;margin:.5em 0;width:auto;border:0;color:var(--ink);
  font:12.5px/1.6 ui-monospace,Menlo,Consolas,monospace}
& tr,& tbody tr:nth-child(even),& tbody tr:hover {background:var(--paper)}
& td,& th {padding:0 .7em 0 0;border:0;text-align:left;white-space:pre;font-weight:400;max-width:none;color:var(--ink);
  background:none;vertical-align:baseline}
& th {color:var(--faint)}
& pre {margin:.5em 0;font:12.5px/1.5 ui-monospace,Menlo,Consolas,monospace;color:var(--ink);background:none;
  white-space:pre-wrap;tab-size:9;padding:0;border:0}
& p {margin:.35em 0;color:var(--ink)} & .f {color:var(--faint);font-size:12px;overflow-wrap:anywhere}
& a {color:var(--won);cursor:pointer;text-decoration:underline}
& .bar {display:none} &.on .bar {display:flex;flex-wrap:wrap;gap:.35em;align-items:center;margin-bottom:.5em}
& button,& input {font:inherit;color:var(--ink);background:var(--paper);border:1px solid var(--line);border-radius:4px;
  padding:.15em .6em;min-height:2em;box-sizing:border-box}
& button {cursor:pointer} & button:hover {border-color:var(--won)} & button:disabled {color:var(--faint);cursor:default}
& input {width:9.5em} & .at {color:var(--faint);margin:0 .4em;white-space:nowrap;font-variant-numeric:tabular-nums}
& .said {color:var(--faint);flex-basis:100%;min-height:1.3em;font-size:13px}
&.on .panes {display:grid;grid-template-columns:minmax(13em,19em) minmax(0,1fr);gap:1em;height:25em}
&.on .out {overflow:auto;border-right:1px solid var(--line);font-size:12.5px;padding-right:.4em}
&.on .out .s>summary {list-style:none;border-radius:3px;padding:.05em .3em;white-space:nowrap;overflow:hidden;
  text-overflow:ellipsis} &.on .out .s>summary::-webkit-details-marker {display:none}
&.on .out .s>summary[aria-current] {background:var(--won);color:var(--paper)}
&.on .out .s>div,&.on .ops {display:none}
& .now {overflow:auto} & .now h4 {margin:.1em 0 .4em;font:600 15px/1.35 ui-monospace,Menlo,Consolas,monospace;
  color:var(--ink);overflow-wrap:anywhere} & .kind {display:inline-block;border:1px solid var(--line);border-radius:3px;
  padding:0 .4em;margin-right:.5em;font:12px/1.5 system-ui,sans-serif;color:var(--faint)}
& .eq {color:var(--won)} & .heat td {text-align:right;padding:0 .5em;border:1px solid var(--paper)}
& .heat th {text-align:right;padding:0 .5em}
@media(max-width:44em){&.on .panes {grid-template-columns:minmax(0,1fr);height:auto} &.on .out {border:0;max-height:9em;
  order:2;border-top:1px solid var(--line)} & .now {min-height:17em}}
"""
STYLE = sheet(ROOT, RULES)
SCRIPT = files("tinylm.show").joinpath("player.js").read_text("utf-8")

Grid = Sequence[Sequence[str]]  # rows of words: the headings first, and a label at the beginning of each


@dataclass(frozen=True, slots=True)
class PlayerArray:
    """One array of a step as words: which part it is ("in"), its name, letters, sizes, range, spread, where it is from.

    source      the number of the step that made it
    """

    part: str
    name: str
    letters: str
    sizes: str
    told: str
    spread: str = ""
    origin: str = ""
    source: int | None = None


@dataclass(frozen=True, slots=True)
class PlayerStep:
    """One step as words.

    module     what it is listed under
    op         a key of the texts of ops
    facts      (name, text), short
    grids      tables of numbers: (what they are, rows)
    """

    number: int
    kind: str
    module: str
    title: str
    op: str = ""
    facts: Sequence[tuple[str, str]] = ()
    arrays: Sequence[PlayerArray] = ()
    grids: Sequence[tuple[str, Grid]] = ()


def player_html(
    steps: Sequence[PlayerStep], ops: Mapping[str, tuple[str, str]], *, start: int = 0, total: int | None = None
) -> str:
    """Steps as one self-contained HTML element; ops: what each computes, as (sentence, equation).

    Without scripts it is a folded list: kinds, then modules, then steps. The script turns it into a player for the
    arrow keys, buttons, a field to jump with and one to search with; several players may stand on one page.
    """
    kinds = []
    for kind, run in groupby(steps, key=lambda step: step.kind):
        inside = list(run)
        modules = []
        for module, part in groupby(inside, key=lambda step: step.module):
            listed = list(part)
            rows = "".join(map(_step, listed))
            several = len({step.module for step in inside}) > 1
            modules.append(_folded(module or "model", len(listed), rows) if several else rows)
        if kind == "forward" or len(inside) > 1:
            kinds.append(_folded(f"{kind} {inside[0].number} … {inside[-1].number}", len(inside), "".join(modules)))
        else:
            kinds.append("".join(modules))
    used = {step.op for step in steps}
    told = "".join(
        f'<dt data-op="{escape(name)}">{escape(name)}<dd><p>{escape(sentence)}</p>'
        f"<pre class=eq>{escape(equation)}</pre>"
        for name, (sentence, equation) in ops.items()
        if name in used
    )
    left = (total or len(steps)) - len(steps)
    rest = f"<p class=f>… and {left:,} more steps, not shown here</p>" if left > 0 else ""
    return (
        f'<div class="{ROOT}" tabindex=0 data-start="{start}" data-lm-suppress-shortcuts=true role=group '
        f'aria-label="step through {len(steps)} steps: arrow keys, Home, End"><style>{STYLE}</style>'
        "<div class=bar></div>"
        f"<div class=panes><div class=out>{''.join(kinds)}{rest}</div></div>"
        f"<details class=ops><summary>what each operation computes</summary><dl>{told}</dl></details>"
        f"<script>{SCRIPT}</script></div>"
    )


def _folded(name: str, count: int, inside: str) -> str:
    return f"<details><summary>{escape(name)} ({count} step{'s' * (count != 1)})</summary>{inside}</details>"


def _step(step: PlayerStep) -> str:
    facts = " · ".join(f"{escape(name)} {escape(text)}".strip() for name, text in step.facts)
    rows = "".join(map(_array, step.arrays))
    grids = "".join(
        f"<p class=f>{escape(what)}</p><pre class=g>{escape(chr(10).join(chr(9).join(row) for row in grid))}</pre>"
        for what, grid in step.grids
    )
    return (
        f'<details class=s data-n={step.number} data-k={step.kind} data-m="{escape(step.module)}" '
        f'data-op="{escape(step.op)}"><summary>{step.number} {escape(step.title)}</summary><div>'
        f"{f'<p class=f>{facts}</p>' if facts else ''}{f'<table>{rows}</table>' if rows else ''}{grids}</div></details>"
    )


def _array(array: PlayerArray) -> str:
    cells = [array.name, array.letters, array.sizes, array.told, array.spread]
    origin = escape(array.origin)
    if array.source is not None:
        origin = f"<a data-g={array.source}>step {array.source}</a>"
    return f"<tr><th>{escape(array.part)}{''.join(f'<td>{escape(cell)}' for cell in cells)}<td>{origin}"
