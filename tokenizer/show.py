"""Tokens and merges as text for a terminal and as HTML for a page; returns strings and prints nothing.

Colours are black on pastel, both set, so that they read alike on light and on dark grounds.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from tokenizer.encode import EncodeStep
from tokenizer.train import Merge

_ANSI = [224, 229, 194, 195, 189]  # pink, yellow, green, cyan, lavender of the 256-colour palette
_HTML = ["#ffd7d7", "#ffffaf", "#d7ffd7", "#d7ffff", "#d7d7ff"]  # the same five


def visible(token: bytes) -> str:
    """A token so that every byte shows: text as it is, line ends and controls escaped, half characters in hex.

    >>> print(visible(b" caf\\xc3\\xa9\\n"), visible(b"\\xc3"))
     café\\n \\xc3
    """
    text = token.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def label(token: bytes) -> str:
    """The same for tables, where spaces must show too."""
    return visible(token).replace(" ", "␣")


def bracketed(tokens: Iterable[bytes]) -> str:
    """Text with its tokens in brackets, for where there are no colours; line ends break the line too.

    >>> bracketed([b"Hello", b" world"])
    '[Hello][ world]'
    """
    return "".join(f"[{visible(token)}]" + "\n" * (b"\n" in token) for token in tokens)


def coloured(tokens: Iterable[bytes]) -> str:
    """Text with its tokens on changing grounds (ANSI, 256 colours); line ends break the line too."""
    return "".join(
        f"\x1b[38;5;16;48;5;{_ANSI[i % len(_ANSI)]}m{visible(token)}\x1b[0m" + "\n" * (b"\n" in token)
        for i, token in enumerate(tokens)
    )


def coloured_html(tokens: Iterable[bytes]) -> str:
    """Text with its tokens on changing grounds, as one self-contained HTML element."""
    spans = (
        f'<span style="background:{_HTML[i % len(_HTML)]};color:#000;border-radius:2px">'
        f"{escape(visible(token))}</span>" + "<br>" * (b"\n" in token)
        for i, token in enumerate(tokens)
    )
    return f'<div style="font-family:monospace;white-space:pre-wrap">{"".join(spans)}</div>'


def word_rows(word: bytes, steps: Iterable[EncodeStep], vocab: Mapping[int, bytes]) -> list[tuple[str, str, str]]:
    """How a word became its tokens: (the word, the pair merged, which merge it was), from its bytes on.

    steps: as Tokenizer.encode_steps gives them; the token that a step made stands in brackets.
    """
    rows = [(" ".join(label(bytes([byte])) for byte in word), "", "")]
    for step in steps:
        after = [label(vocab[i]) for i in step.ids]
        after[step.position] = f"[{after[step.position]}]"
        left, right = (label(vocab[i]) for i in step.pair)
        rows.append((" ".join(after), f"{left} + {right}", f"merge {step.rank}"))
    return rows


def word_text(word: bytes, steps: Iterable[EncodeStep], vocab: Mapping[int, bytes]) -> str:
    """The same as aligned lines under the word."""
    return f"{label(word)}\n{_columns(word_rows(word, steps, vocab))}"


def word_html(word: bytes, steps: Iterable[EncodeStep], vocab: Mapping[int, bytes]) -> str:
    """The same as an HTML table with the word as its caption."""
    return _table(word_rows(word, steps, vocab), caption=label(word))


def merge_rows(merges: Iterable[Merge]) -> list[tuple[str, ...]]:
    """Merges as rows under a heading: rank, id, pair, token, count, and the rivals if there are any."""
    rows: list[tuple[str, ...]] = []
    for merge in merges:
        rivals = ", ".join(f"{label(r.left)} + {label(r.right)}: {r.count}" for r in merge.rivals)
        pair = f"{label(merge.left)} + {label(merge.right)}"
        rows.append((str(merge.rank), str(merge.token), pair, label(merge.token_bytes), str(merge.count), rivals))
    heading = ("rank", "id", "pair", "token", "count", "next in line")
    wide = len(heading) if any(row[-1] for row in rows) else len(heading) - 1
    return [row[:wide] for row in [heading, *rows]]


def merge_table(merges: Iterable[Merge]) -> str:
    """A table of merges as aligned text.

    >>> from tokenizer.train import merges
    >>> print(merge_table(merges({b"low": 5, b"lot": 2}, 2)))
      rank  id   pair    token  count
      0     256  l + o   lo     7
      1     257  lo + w  low    5
    """
    return _columns(merge_rows(merges))


def merge_table_html(merges: Iterable[Merge]) -> str:
    """A table of merges as HTML."""
    heading, *rows = merge_rows(merges)
    return _table(rows, heading=heading)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(["", *map(str.ljust, row, widths)]).rstrip() for row in rows)
    return "\n".join(lines)


def _table(rows: Iterable[Sequence[str]], heading: Sequence[str] = (), caption: str = "") -> str:
    parts = ['<table style="font-family:monospace;white-space:pre;border-spacing:1em 0;text-align:left">']
    if caption:
        parts.append(f"<caption>{escape(caption)}</caption>")
    if heading:
        parts.append("<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in heading) + "</tr>")
    for row in rows:
        parts.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>")
    return "".join([*parts, "</table>"])
