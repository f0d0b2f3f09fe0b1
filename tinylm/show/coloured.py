"""A row of tokens as coloured boxes of HTML, each with its id or a number of its own; needs no matplotlib."""

import math
from collections.abc import Sequence
from html import escape

from tinylm.show.axes import same_length
from tinylm.show.labels import Token, many, number, written
from tinylm.show.picture import Picture
from tinylm.show.style import INK, NAN, ink_on, shade
from tokenizer.show.style import GROUNDS, ROOT, STYLE

__all__ = ["tokens"]

LONGEST = 60  # columns of one token that are written out
SWATCHES = 5  # of the legend
_NAN = f"color:{INK};background:repeating-linear-gradient(45deg,{NAN} 0 5px,#fff9b0 5px 9px);font-weight:700"
_MORE = (
    f".{ROOT} .row{{white-space:normal;line-height:1.9}}.{ROOT} .row .t{{text-align:center}}"
    f".{ROOT} .scale .t{{min-width:3.2em;text-align:center}}"
)


def tokens(
    tokens: Sequence[Token],
    ids: Sequence[int] | None = None,
    values: Sequence[float] | None = None,
    *,
    unit: str = "loss (nats)",
    low: float | None = None,
    high: float | None = None,
    title: str = "",
) -> Picture:
    """Tokens in a row, spaces and line ends to be seen, in five colours taken in turn or shaded by a number of each.

    tokens: N as bytes or text   ids: N, written below   values: N numbers in a `unit`, below and as shade

    low, high    values of the lightest and the darkest shade; by default 0 (or the least, if below) and the largest

    A value that is NaN or infinite is yellow and striped. A line of the text ends after a token that ends one. Raises
    ValueError where ids or values are not one for each token.
    """
    for given, name in ((ids, "ids"), (values, "values")):
        if given is not None:
            same_length(given, len(tokens), f"tokens: {name}")
    numbers = None if values is None else [float(value) for value in values]
    finite = [value for value in numbers or () if math.isfinite(value)]
    low = min([0.0, *finite]) if low is None else low
    high = max([low, *finite]) if high is None else high
    parts = [f'<div class="{ROOT}" role="group" aria-label="{escape(title or "tokens")}"><style>{STYLE}{_MORE}</style>']
    if title:
        parts.append(f"<p><b>{escape(title)}</b></p>")
    parts.append('<div class="row" translate="no">')
    for place, token in enumerate(tokens):
        i = None if ids is None else int(ids[place])
        style = "" if numbers is None else _shaded(numbers[place], low, high)
        value = None if numbers is None else number(numbers[place])
        parts.append(_box(token, place, i, value, style, unit))
        if (token.endswith(b"\n") if isinstance(token, bytes) else token.endswith("\n")) and place < len(tokens) - 1:
            parts.append("<br>")
    parts.append("</div>")
    if numbers is not None:
        parts.append(_legend(low, high, unit, len(numbers) - len(finite)))
    alt = title or many(len(tokens), "token") + (f" and their {unit}" if numbers is not None else "")
    return Picture("".join([*parts, "</div>"]), alt)


def _box(token: Token, place: int, i: int | None, value: str | None, style: str, unit: str) -> str:
    """One token: hovering, or a screen reader, says its place, id, bytes and value."""
    text = written(token, LONGEST)
    data = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    facts = [f"token {place}: {text}", "" if i is None else f"id {i}", f"bytes {data.hex(' ')}"]
    facts.append("" if value is None else f"{unit} {value}")
    below = " · ".join(part for part in ("" if i is None else str(i), value or "") if part)
    ground = f' style="{style}"' if style else ""
    under = f' data-id="{escape(below)}"' if below else ""
    title = escape(", ".join(filter(None, facts)))
    return f'<span class="t t{place % GROUNDS}" title="{title}"{under}{ground}><bdi>{escape(text)}</bdi></span>'


def _shaded(value: float, low: float, high: float) -> str:
    """The ground of a value, and an ink that is legible on it, as CSS."""
    if not math.isfinite(value):
        return _NAN
    ground = shade((value - low) / (high - low) if high > low else 0.0)
    return f"background:{ground};color:{ink_on(ground)}"


def _legend(low: float, high: float, unit: str, odd: int) -> str:
    """What the shades mean."""
    steps = [low + (high - low) * n / (SWATCHES - 1) for n in range(SWATCHES)] if high > low else [low]
    boxes = [f'<span class="t" style="{_shaded(value, low, high)}">{number(value, 2)}</span>' for value in steps]
    if odd:
        boxes.append(f'<span class="t" style="{_NAN}">{odd} not finite</span>')
    return f'<p class="scale">{escape(unit)}: {"".join(boxes)}</p>'
