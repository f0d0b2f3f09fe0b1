"""A receipt as HTML; knows only words and numbers already written."""

from collections.abc import Sequence
from html import escape

from tinylm.show.sheet import sheet

__all__ = ["receipt_html"]

ROOT = "tinylm-receipt"
RULES = """
& {background:var(--paper);color:var(--ink);font:14px/1.5 system-ui,sans-serif;padding:.8em 1em;
  border-radius:6px;border:1px solid var(--line);display:inline-block;max-width:100%;box-sizing:border-box;
  overflow-x:auto;text-align:left}
& table {border-collapse:collapse;margin:.2em 0 .9em;color:var(--ink);
  font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;
  width:auto;border:0}
& caption {text-align:left;font:600 13px/1.6 system-ui,sans-serif;color:var(--ink);white-space:nowrap;caption-side:top;
  padding:0}
& tr,& tbody tr:nth-child(even),& tbody tr:hover {background:var(--paper)}
& td,& th {padding:.05em .5em;border:0;white-space:pre;text-align:left;font-weight:400;color:var(--ink);max-width:none;
  vertical-align:baseline}
& .n {text-align:right;font-variant-numeric:tabular-nums;padding-left:.2em}
& .o,& .a {color:var(--faint)}
& .o {padding-right:0}
& .w {white-space:pre-wrap}
& .s td,& .s th {border-top:1px solid var(--ink);font-weight:700;color:var(--won)}
& .s .n {border-bottom:3px double var(--won)}
& h4 {margin:0 0 .5em;font:600 14px/1.4 ui-monospace,Menlo,Consolas,monospace;color:var(--ink);overflow-wrap:anywhere}
& p {margin:0;color:var(--faint);font-size:12px}
"""
STYLE = sheet(ROOT, RULES)


def _aligned(numbers: Sequence[str]) -> list[str]:
    """Numbers without their signs, with blanks around them so that their points stand one below the other.

    >>> _aligned(["12.5", "-3", "1e-09"])
    ['12.5  ', ' 3    ', ' 1e-09']
    """
    parts = []
    for text in numbers:
        text = text.strip().lstrip("-−")
        end = next((i for i, c in enumerate(text) if c in ".e"), len(text))
        parts.append((text[:end], text[end:]))
    before, after = (max((len(part[i]) for part in parts), default=0) for i in (0, 1))
    return [f"{whole:>{before}}{rest:<{after}}" for whole, rest in parts]


def _sign(number: str, first: bool) -> str:
    return "−" if number.strip()[:1] in "-−" else " " if first else "+"


def receipt_html(
    title: str,
    sums: Sequence[tuple[str, Sequence[tuple[str, str, str]], str, str]],
    facts: Sequence[tuple[str, str]] = (),
) -> str:
    """Sums as (title, lines of (label, number, note), label of the total, total), and facts, as one HTML element."""
    tables = []
    for name, lines, label, total in sums:
        numbers = _aligned([*(number for _, number, _ in lines), total])
        rows = [
            f"<tr><th scope=row>{escape(line[0])}</th><td class=o>{_sign(line[1], not place)}</td>"
            f"<td class=n>{escape(number)}</td><td class=a>{escape(line[2])}</td></tr>"
            for place, (line, number) in enumerate(zip(lines, numbers, strict=False))
        ]
        rows.append(
            f"<tr class=s><th scope=row>{escape(label)}</th><td class=o>{'=' if _sign(total, True) == ' ' else '= −'}"
            f"</td><td class=n>{escape(numbers[-1])}</td><td></td></tr>"
        )
        tables.append(f"<table><caption>{escape(name)}</caption><tbody>{''.join(rows)}</tbody></table>")
    if facts:
        rows = [f"<tr><th scope=row>{escape(name)}</th><td class=w>{escape(value)}</td></tr>" for name, value in facts]
        tables.append(f"<table><caption>details</caption><tbody>{''.join(rows)}</tbody></table>")
    foot = "<p>Each sum is exact; its numbers are shown in nine digits.</p>" if sums else ""
    return f'<div class="{ROOT}"><style>{STYLE}</style><h4>{escape(title)}</h4>{"".join(tables)}{foot}</div>'
