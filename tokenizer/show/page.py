"""Explanations as HTML: self-contained elements for notebooks, and whole pages; returns strings.

What can be copied from the tokens is the text itself: ids, dots for spaces and the bytes of half characters
are drawn by the style sheet, and so are in no selection. Everything from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

from tokenizer.show.characters import ELLIPSIS, label
from tokenizer.show.pieces import Spelled, box, spell
from tokenizer.show.sentences import SHOW_ALL, WHOLE, many, pair, tie_sentence, training_sentence
from tokenizer.show.style import ROOT, STYLE
from tokenizer.show.tree import tree

if TYPE_CHECKING:  # these import this module to draw themselves
    from tokenizer.explain import Explanation, Piece
    from tokenizer.replay import Round, Sample, TrainingExplanation

WORDS = 100  # different words told of, unless more are asked for
TOKENS = 2000  # tokens shown
TREE = 48  # bytes: the merges of longer words are listed
STEPS = 100  # of these
LINE = 48  # tokens of a word in its heading
SAMPLE = 20  # tokens of a sample word


def whole_page(element: str, title: str) -> str:
    """A whole HTML page around one element."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>' + escape(title) + "</title>"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<style>body{margin:1em;background:#fff}@media(prefers-color-scheme:dark){body{background:#15191e}}</style>"
        f"</head><body>\n{element}\n</body></html>\n"
    )


def _element(name: str, parts: Iterable[str]) -> str:
    inner = "\n".join(parts)
    return f'<div class="{ROOT}" role="group" aria-label="{escape(name)}"><style>{STYLE}</style>\n{inner}\n</div>'


def explanation_html(seen: Explanation, *, words: int | None) -> str:
    """A text's tokens with their ids, the same as a table, and the merges of each word; see Explanation.html."""
    return _element("A text and its tokens", _explanation(seen, words))


def _explanation(seen: Explanation, words: int | None) -> Iterator[str]:
    counts = seen.words()
    spelled = list(spell(seen.pieces))
    shown = spelled if words is None else spelled[:TOKENS]
    yield f"<p>{many(len(spelled), 'token')}" + (f" in {many(counts.total(), 'word')}" if counts else "") + "</p>"
    yield f'<div class="text" dir="ltr" translate="no">{"".join(_running(shown))}</div>'
    if len(shown) < len(spelled):
        yield _more(len(spelled) - len(shown), "token")
    yield _token_table(shown)
    told = list(islice(counts.items(), words))
    merged = [(piece, count) for piece, count in told if piece.has_merges]
    for n, (piece, count) in enumerate(merged):
        yield _word(seen, piece, count, first=n == 0)
    if alone := [piece for piece, _ in told if not piece.has_merges]:
        yield f'<div class="alone">Without a merge: {" ".join(map(_boxes, alone))}</div>'
    if words is not None and len(counts) > words:
        yield _more(len(counts) - words, "word")


def _more(left: int, noun: str) -> str:
    return f'<p class="aside">{ELLIPSIS} and {many(left, f"more {noun}")}; {SHOW_ALL}</p>'


def _running(tokens: Iterable[Spelled]) -> Iterator[str]:
    """The tokens as boxes, those of a pre-token together."""
    word = -1
    for token in tokens:
        if token.word != word:
            yield ("</span>" if word >= 0 else "") + '<span class="w">'
            word = token.word
        yield box(token)
    if word >= 0:
        yield "</span>"


def _token_table(tokens: Sequence[Spelled]) -> str:
    rows = (
        (
            str(n),
            str(token.id),
            label(token.data),
            token.data.hex(" "),
            "special" if token.is_special else str(token.word),
        )
        for n, token in enumerate(tokens)
    )
    table = _table(rows, ("number", "id", "token", "bytes", "word"))
    return f'<details><summary>The tokens as a table</summary><div class="scroll">{table}</div></details>'


def _table(rows: Iterable[Sequence[str]], heading: Sequence[str]) -> str:
    parts = ["<table><tr>", *(f'<th scope="col">{escape(cell)}</th>' for cell in heading), "</tr>"]
    for row in rows:
        parts += ["<tr>", *(f"<td>{escape(cell)}</td>" for cell in row), "</tr>"]
    return "".join([*parts, "</table>"])


def _word(seen: Explanation, piece: Piece, count: int, *, first: bool) -> str:
    """One word, folded: its tokens, and inside how they were merged."""
    data = piece.text.encode()
    often = f' <span class="often">{many(count, "time")}</span>' if count > 1 else ""
    merges = len(piece.start) - len(piece.ids) if next(seen.steps(piece), None) else 0
    head = f"{_boxes(piece)}{often} <small>{many(merges, 'merge')}</small>"
    if not merges:
        inside = f"<p>{WHOLE}, id {piece.ids[0]}</p>"
    else:
        inside = tree(piece, seen.steps(piece)) if len(data) <= TREE else _steps(seen, piece, merges)
    opened = " open" * first
    return f'<details{opened}><summary>{head}</summary><div class="scroll">{inside}</div></details>'


def _boxes(piece: Piece) -> str:
    """A word in one line: its first tokens, without their ids."""
    boxes = [box(token, with_id=False).replace("\n", "") for token in islice(spell([piece]), LINE)]
    return f'<span class="w" translate="no">{"".join(boxes)}{ELLIPSIS * (len(piece.ids) > LINE)}</span>'


def _steps(seen: Explanation, piece: Piece, merges: int) -> str:
    """The merges of a word too long for a tree."""
    rows = (
        (str(step.rank), " + ".join(label(seen.vocab[i]) for i in step.pair), str(step.token), str(step.position))
        for step in islice(seen.steps(piece), STEPS)
    )
    table = _table(rows, ("merge", "pair", "id", "at token"))
    return table + (
        f'<p class="aside">{ELLIPSIS} and {many(merges - STEPS, "more merge")}</p>' if merges > STEPS else ""
    )


def training_html(seen: TrainingExplanation) -> str:
    """The first merges of a corpus; see TrainingExplanation.html."""
    parts = [f"<p>{escape(training_sentence(seen))}</p>", *map(_round, seen.rounds)]
    return _element("The first merges of a corpus", parts)


def _round(seen: Round) -> str:
    merge = seen.merge
    head = f"<b>merge {merge.rank}: {escape(pair(merge))} → {escape(label(merge.token_bytes))}</b>"
    why = f"<p>{escape(tie_sentence(seen))}</p>" if seen.tie else ""
    samples = "".join(f"<li>{_sample(sample)}</li>" for sample in seen.samples)
    return (
        f'<div class="round"><p translate="no">{head} <small>id {merge.token}</small></p>'
        f'<div class="scroll">{_bars(seen)}</div>{why}<ul class="samples" translate="no">{samples}</ul></div>'
    )


def _bars(seen: Round) -> str:
    """The counts of the winner and its rivals, as numbers and as bars."""
    merge = seen.merge
    rows = [f'<tr class="won">{_bar(pair(merge), merge.count, merge.count, "won")}</tr>']
    for rival in merge.rivals:
        note = "tied" if rival.count == merge.count else ""
        rows.append(f"<tr>{_bar(pair(rival), rival.count, merge.count, note)}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _bar(name: str, count: int, most: int, note: str) -> str:
    bar = f'<span class="bar" style="width:{12 * count / most:.2f}em"></span>'
    return f"<td>{escape(name)}</td><td>{many(count, 'time')}</td><td>{bar}</td><td>{note}</td>"


def _sample(sample: Sample) -> str:
    before = _some(sample.before, sample.made[0], ())
    after = _some(sample.after, sample.made[0], sample.made)
    return f"{before} → {after} <small>{many(sample.count, 'time')}</small>"


def _some(tokens: Sequence[bytes], focus: int, new: Sequence[int]) -> str:
    """The tokens around one, as boxes."""
    low, high = max(0, focus - SAMPLE // 2), min(len(tokens), focus + SAMPLE // 2)
    boxes = (
        f'<span class="t{" new" * (place in new)}">{escape(label(tokens[place]))}</span>' for place in range(low, high)
    )
    return ELLIPSIS * (low > 0) + "".join(boxes) + ELLIPSIS * (high < len(tokens))
