"""A receipt as HTML; knows only words and numbers already written."""

from collections.abc import Sequence
from html import escape

__all__ = ["receipt_html"]


def receipt_html(
    title: str,
    sums: Sequence[tuple[str, Sequence[tuple[str, str, str]], str, str]],
    facts: Sequence[tuple[str, str]] = (),
) -> str:
    """Sums as (title, lines of (label, number, note), label of the total, total), and facts, as one HTML element."""
    rows = []
    for name, lines, label, total in sums:
        rows.append(f'<tr><th colspan="3" scope="colgroup">{escape(name)}</th></tr>')
        rows += [f"<tr><td>{escape(a)}</td><td>{escape(b)}</td><td>{escape(c)}</td></tr>" for a, b, c in lines]
        rows.append(f"<tr><td><b>{escape(label)}</b></td><td><b>{escape(total)}</b></td><td></td></tr>")
    rows += [f'<tr><td>{escape(name)}</td><td colspan="2">{escape(value)}</td></tr>' for name, value in facts]
    return f"<table><caption>{escape(title)}</caption>{''.join(rows)}</table>"
