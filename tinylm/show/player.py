"""Steps as an HTML element to step through; knows only text."""

from collections.abc import Sequence
from html import escape

__all__ = ["player_html"]


def player_html(steps: Sequence[tuple[int, str, str, str]], start: int, total: int) -> str:
    """Steps as (number, kind, title, details)."""
    folded = "".join(
        f"<details{' open' * (number == start)}><summary>{number} {escape(kind)} {escape(title)}</summary>"
        f"<pre>{escape(text)}</pre></details>"
        for number, kind, title, text in steps
    )
    return f"<div>{folded}<p>{total} steps</p></div>"
