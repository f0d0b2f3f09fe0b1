"""Explanations as text for a terminal, in colour or with brackets, as wide as it is; returns strings.

Colours are dark on pastel, both set, so that they read alike on light and on dark grounds. Nothing that
a terminal would obey comes through (characters.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from tokenizer.show.characters import ELLIPSIS, SPACE, chunks, crop, display_width, label, pad
from tokenizer.show.sentences import SHOW_ALL, WHOLE, many, pair, tie_sentence, training_sentence

if TYPE_CHECKING:  # these import this module to draw themselves
    from tokenizer.explain import Explanation, Piece
    from tokenizer.replay import Round, Sample, TrainingExplanation
    from tokenizer.train import Merge

WORDS = 20  # different words told of, unless more are asked for
STEPS = 24  # merges told of each
TOKENS = 2000  # tokens shown

INK, FAINT, GROUNDS = 16, 240, (224, 229, 194, 195, 189)  # of 256 colours: pink, yellow, green, cyan, lavender
SPECIAL = (231, 54)  # white on violet
NARROWEST = 20  # columns: nothing is fitted into less


def _columns(width: int | None) -> int:
    return max(NARROWEST, shutil.get_terminal_size().columns if width is None else width)


def _bold(text: str, colour: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if colour else text


def _painted(text: str, number: int, is_special: bool) -> str:
    ink, ground = SPECIAL if is_special else (INK, GROUNDS[number % len(GROUNDS)])
    faint = text.replace(SPACE, f"\x1b[38;5;{FAINT}m{SPACE}\x1b[38;5;{ink}m") if not is_special else text
    return f"\x1b[38;5;{ink};48;5;{ground}m{faint}\x1b[0m"


def tokens_text(pieces: Iterable[Piece], *, width: int, colour: bool) -> str:
    """The tokens of a text in brackets, or on changing grounds, with a gap between pre-tokens.

    Special tokens stand in double brackets, or white on violet. A line breaks after a token with a line end in
    it, and where the width is used up: between pre-tokens, else between tokens, else anywhere.
    """
    lines, line, used, number = [], "", 0, 0
    for piece in pieces:
        cells = [label(token) for token in piece.tokens]
        if not colour:
            cells = [f"⟦{cell}⟧" if piece.is_special else f"[{cell}]" for cell in cells]
        gap = 1 if used else 0
        if used and used + gap + sum(map(display_width, cells)) > width:
            lines.append(line)
            line, used, gap = "", 0, 0
        line, used = line + " " * gap, used + gap
        for cell, token in zip(cells, piece.tokens, strict=True):
            for part in chunks(cell, width):
                if used + display_width(part) > width:
                    lines.append(line)
                    line, used = "", 0
                line += _painted(part, number, piece.is_special) if colour else part
                used += display_width(part)
            number += 1
            if b"\n" in token:
                lines.append(line)
                line, used = "", 0
    return "\n".join([*lines, line] if line else lines)


def wrapped(words: Iterable[str], width: int, indent: str = "", first: str = "") -> str:
    """Words with blanks between, in lines of a width; all but the first line begin with the indent."""
    lines, line, empty = [], first, True
    for part in (part for word in words for part in chunks(word, width - len(indent))):
        if not empty and display_width(line) + 1 + display_width(part) > width:
            lines.append(line)
            line, empty = indent, True
        line += part if empty else " " + part
        empty = False
    return "\n".join([*lines, line])


def explanation_text(seen: Explanation, *, width: int | None, colour: bool, words: int | None) -> str:
    """A text's tokens, their ids, and how each different word became its tokens; see Explanation.text."""
    width = _columns(width)
    pieces = list(seen.pieces if words is None else _first_tokens(seen.pieces, TOKENS))
    counts = seen.words()
    total = sum(len(piece.ids) for piece in seen.pieces)
    ids = [str(i) for piece in pieces for i in piece.ids]
    heading = many(total, "token") + (f" in {many(counts.total(), 'word')}" if counts else "") + ":"
    rest = [f"{ELLIPSIS} and {total - len(ids):,} more"] if len(ids) < total else []
    parts = [tokens_text(pieces, width=width, colour=colour), wrapped([*heading.split(), *ids, *rest], width)]
    told = list(islice(counts.items(), words))
    for piece, count in told:
        if piece.has_merges:
            parts.append("\n" + word_text(seen, piece, count, width=width, colour=colour, whole=words is None))
    alone = [f"{crop(label(piece.text.encode()), width // 2)}," for piece, _ in told if not piece.has_merges]
    if alone:
        parts.append("\n" + wrapped(["without", "a", "merge:", *alone], width, "  ").removesuffix(","))
    if words is not None and len(counts) > words:
        parts.append(f"\n{ELLIPSIS} and {many(len(counts) - words, 'more word')}; {SHOW_ALL}")
    return "\n".join(filter(None, parts))


def _first_tokens(pieces: Iterable[Piece], most: int) -> Iterator[Piece]:
    """The pieces that hold the first tokens, the last of them without its others."""
    for piece in pieces:
        yield replace(piece, ids=piece.ids[:most], tokens=piece.tokens[:most])
        most -= len(piece.ids)
        if most <= 0:
            return


def word_text(seen: Explanation, piece: Piece, count: int, *, width: int, colour: bool, whole: bool) -> str:
    """One word, its ids, and a line for every merge: the word after it, the pair, and the rank of the merge."""
    data, vocab = piece.text.encode(), seen.vocab
    most = None if whole else STEPS
    title = crop(label(data), width // 2)
    ids = [*map(str, piece.ids[:most]), *([ELLIPSIS] if len(piece.ids) > len(piece.ids[:most]) else [])]
    often = f"({many(count, 'time')})".split() if count > 1 else []
    head = _bold(title, colour) + wrapped([title, "→", *ids, *often], width, "    ").removeprefix(title)
    steps = list(islice(seen.steps(piece), most))
    if not steps:
        return f"{head}\n  {WHOLE}"
    pairs = [crop(" + ".join(label(vocab[i]) for i in step.pair), width // 3) for step in steps]
    ranks = [f"merge {step.rank}" for step in steps]
    room = width - max(map(display_width, pairs), default=0) - max(map(len, ranks), default=0) - 6
    rows = [window([label(symbol) for symbol in piece.start], room, 0)]
    rows += [window([label(vocab[i]) for i in step.ids], room, step.position, [step.position]) for step in steps]
    lines = columns(zip(rows, ["", *pairs], ["", *ranks], strict=True))
    left = len(piece.start) - len(piece.ids) - len(steps)
    return "\n".join([head, lines, *([f"  {ELLIPSIS} and {many(left, 'more merge')}"] if left else [])])


def window(tokens: Sequence[str], width: int, focus: int, marked: Container[int] = ()) -> str:
    """Tokens with blanks between, the marked ones in brackets; where there is no room, those around the focus.

    >>> window("a n t i d o t e".split(), 15, 3, [3])
    '… n t [i] d o …'
    """
    width = max(width, NARROWEST // 2)
    cells = [f"[{token}]" if place in marked else token for place, token in enumerate(tokens)]
    low, high, last = focus, focus, len(cells) - 1
    cells[focus] = crop(cells[focus], width - 4)
    used = display_width(cells[focus])
    while low > 0 or high < last:  # grow to both sides alike, until the room is used up
        leftwards = low > 0 and (high == last or focus - low < high - focus)
        a, b = (low - 1, high) if leftwards else (low, high + 1)
        used += 1 + display_width(cells[a if leftwards else b])
        if used + 2 * (a > 0) + 2 * (b < last) > width:
            break
        low, high = a, b
    return " ".join([ELLIPSIS] * (low > 0) + cells[low : high + 1] + [ELLIPSIS] * (high < last))


def columns(rows: Iterable[Sequence[str]]) -> str:
    """Rows as lines in which the cells of a column begin under each other; two blanks before each cell."""
    rows = list(rows)
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(["", *map(pad, row, widths)]).rstrip() for row in rows)


def merge_table(merges: Iterable[Merge]) -> str:
    """A table of merges as aligned text: rank, id, pair, token, count, and the rivals if there are any.

    >>> from tokenizer.train import merges
    >>> print(merge_table(merges({b"low": 5, b"lot": 2}, 2)))
      rank  id   pair    token  count
      0     256  l + o   lo     7
      1     257  lo + w  low    5
    """
    rows: list[Sequence[str]] = [("rank", "id", "pair", "token", "count", "next in line")]
    for merge in merges:
        rivals = ", ".join(f"{pair(rival)}: {rival.count}" for rival in merge.rivals)
        rows.append(
            (str(merge.rank), str(merge.token), pair(merge), label(merge.token_bytes), str(merge.count), rivals)
        )
    alone = not any(row[-1] for row in rows[1:])
    return columns(row[:-1] if alone else row for row in rows)


def training_text(seen: TrainingExplanation, *, width: int | None, colour: bool) -> str:
    """The first merges of a corpus, one paragraph for each; see TrainingExplanation.text."""
    width = _columns(width)
    parts = [wrapped(training_sentence(seen).split(), width)]
    return "\n\n".join([*parts, *(round_text(each, width=width, colour=colour) for each in seen.rounds)])


def round_text(seen: Round, *, width: int, colour: bool) -> str:
    """One merge: the pair that won, those next in line, the tie if there was one, and words before and after."""
    merge = seen.merge
    made = crop(label(merge.token_bytes), width // 3)
    title = crop(f"merge {merge.rank}: {pair(merge)}", width - display_width(made) - 8) + f" → {made},"
    head = wrapped([title, *f"{many(merge.count, 'time')}, id {merge.token}".split()], width, "    ")
    return "\n".join([_bold(title, colour) + head.removeprefix(title), *_details(seen, width)])


def _details(seen: Round, width: int) -> Iterator[str]:
    indent = " " * len("  words  ")
    if rivals := seen.merge.rivals:
        tied = [" (tied)" if rival.count == seen.merge.count else "" for rival in rivals]
        each = [f"{pair(rival)} {many(rival.count, 'time')}{mark}" for rival, mark in zip(rivals, tied, strict=True)]
        yield wrapped(", ".join(each).split(" "), width, indent, "  next   ")
    if sentence := tie_sentence(seen):
        yield wrapped(sentence.split(" "), width, indent, "  tie    ")
    for n, sample in enumerate(seen.samples):
        yield (indent if n else "  words  ") + _sample(sample, width - len(indent))


def _sample(sample: Sample, width: int) -> str:
    often = many(sample.count, "time")
    room = (width - len(often) - 5) // 2
    before = window([label(token) for token in sample.before], room, sample.made[0])
    after = window([label(token) for token in sample.after], room, sample.made[0], sample.made)
    return f"{before} → {after}  {often}"
