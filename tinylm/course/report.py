"""Verdicts for a reader: as text for a terminal, and as HTML; prints nothing itself and knows nothing of judging."""

import textwrap
from collections.abc import Iterator, Sequence
from html import escape

from tinylm.course.style import panel
from tinylm.course.verdict import LIKE, Named, Verdict

__all__ = ["verdict_html", "verdict_text", "verdicts_html", "verdicts_text"]

WIDTH = 88  # columns of prose; a call that is to be pasted is never broken
TAIL = 10  # lines of what was printed: an answer may print the inputs of a hidden test
LONGEST = 200  # characters of each of them
KINDS = {"right": "right", "slow": "right", "unwritten": "open", "missing": "open"}
MARKS = {"right": "✓", "wrong": "✗", "open": "…"}
COLOURS = {"right": "\033[32m", "wrong": "\033[31m", "open": "\033[34m"}
PLAIN = "\033[0m"
PARAGRAPH = '<p style="margin:.5em 0 0">'

Row = tuple[str, str]  # label and text: a value or a call, to be shown letter by letter


def verdict_text(verdict: Verdict, *, colour: bool = False, staff: bool = False) -> str:
    """What was found about one answer, in words, 88 columns wide; calls and values are not broken.

    colour  with the escape codes of a terminal
    staff   with what is not for the student: the names of faults, and whose variant the answer solves
    """
    kind = KINDS.get(verdict.status, "wrong")
    mark = f"{COLOURS[kind]}{MARKS[kind]}{PLAIN}" if colour else MARKS[kind]
    lines = [f"{mark} {_clean(_headline(verdict))}"]
    if verdict.failing is not None:
        lines += ["", "  The smallest call found that goes wrong:", *_shown("", verdict.failing.call), ""]
        for label, text in _rows(verdict):
            lines += _shown(f"{label:<9} ", text)
    for sentence in _prose(verdict, staff):
        lines += ["", *textwrap.wrap(_clean(sentence), WIDTH, initial_indent="  ", subsequent_indent="  ")]
    if verdict.printed:
        label, text = _printed(verdict.printed)
        lines += ["", f"  It {label}:", *_shown("", text)]
    return "\n".join(lines)


def verdict_html(verdict: Verdict, *, staff: bool = False) -> str:
    """The same as a piece of a page, legible in light and dark, without scripts."""
    inside = ""
    if verdict.failing is not None:
        call = (
            f'<code style="white-space:pre-wrap;overflow-wrap:anywhere">{escape(_clean(verdict.failing.call))}</code>'
        )
        inside += f"{PARAGRAPH}The smallest call found that goes wrong:</p>{PARAGRAPH}{call}</p>"
        inside += f"<table>{''.join(map(_row, _rows(verdict)))}</table>"
    inside += "".join(f"{PARAGRAPH}{escape(_clean(text))}</p>" for text in _prose(verdict, staff))
    if verdict.printed:
        inside += f"<table>{_row(_printed(verdict.printed))}</table>"
    return panel(KINDS.get(verdict.status, "wrong"), escape(_clean(_headline(verdict))), inside)


def verdicts_text(verdicts: Sequence[Verdict], *, colour: bool = False, staff: bool = False) -> str:
    """Several verdicts one below the other, and how many are right."""
    parts = [verdict_text(each, colour=colour, staff=staff) for each in verdicts]
    short = [not part.count("\n") for part in parts]
    text = ""
    for i, part in enumerate(parts):
        text += part + ("\n" if short[i] and short[min(i + 1, len(parts) - 1)] else "\n\n")
    return f"{text.rstrip()}\n\n{summary(verdicts)}" if parts else summary(verdicts)


def verdicts_html(verdicts: Sequence[Verdict], *, staff: bool = False) -> str:
    """The same as a piece of a page."""
    return f"<p>{escape(summary(verdicts))}</p>" + "".join(verdict_html(each, staff=staff) for each in verdicts)


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many are right, in a sentence.

    >>> summary([Verdict("relu", "right", ""), Verdict("gelu", "unwritten", ""), Verdict("silu", "wrong", "")])
    '1 of 3 right; 1 not written yet: gelu.'
    """
    right = sum(each.right for each in verdicts)
    open_ = [each for each in verdicts if each.status in ("unwritten", "missing")]
    begun = [each.problem for each in open_ if each.sentence.startswith("it returns None: is")]
    rest = [each.problem for each in open_ if each.problem not in begun]
    slow = [each.problem for each in verdicts if each.status == "slow"]
    text = f"{right} of {len(verdicts)} right"
    for names, what in ((slow, "of these with too much work"), (begun, "without a result"), (rest, "not written yet")):
        if names:
            text += f"; {len(names)} {what}: {', '.join(names)}"
    return f"{text}."


def _headline(verdict: Verdict) -> str:
    return f"{verdict.problem}: {verdict.sentence}"


def _rows(verdict: Verdict) -> list[Row]:
    """The values of the failing call, as far as there is something to say."""
    fail = verdict.failing
    if fail is None:
        return []
    rows = [("expected", fail.expected), ("got", fail.got), ("differs", fail.difference)]
    return [(label, text) for label, text in rows if text]


def _prose(verdict: Verdict, staff: bool) -> Iterator[str]:
    """What there is to say in sentences."""
    if verdict.named:
        yield _behaves(verdict.named)
        yield from dict.fromkeys(each.hint for each in verdict.named if each.hint)
    if verdict.symptom:
        yield verdict.symptom
    if verdict.solves and staff:
        yield f"It solves the variant of {', '.join(verdict.solves)}."
    elif verdict.solves:
        yield "It is right for other settings than the ones that this exercise gives you."
    if verdict.variant and (staff or not verdict.right):
        yield f"Settings of this variant: {', '.join(f'{key}={value!r}' for key, value in verdict.variant.items())}."
    if verdict.named and staff:
        yield f"Known fault: {', '.join(f'{each.fault} ({each.agree} of {each.of})' for each in verdict.named)}."
    if verdict.work:
        yield verdict.work


def _printed(text: str) -> Row:
    """The last lines of what an answer printed in all its calls."""
    lines = text.rstrip("\n").split("\n")
    return (f"printed (the last {TAIL} lines)" if len(lines) > TAIL else "printed"), "\n".join(
        line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in lines[-TAIL:]
    )


def _behaves(named: Sequence[Named]) -> str:
    """The faults in a sentence."""
    sure = all(each.agree == each.of for each in named)
    says = " and, at the same time, as if ".join(each.says for each in named)
    if sure:
        return f"It behaves as if {says}."
    each = named[0]
    if each.agree < LIKE * each.of:  # such a one is named only if it agrees wherever there are no errors
        return f"Where no error is raised or expected, it behaves as if {says}."
    tell = f"On {each.agree} of the {each.of} inputs that tell"
    return f"{tell}, it behaves as if {says}; on the others it goes wrong in another way."


def _shown(label: str, text: str) -> list[str]:
    """Text letter by letter, indented below its label."""
    indent = " " * (4 if not label else 2)
    below = indent + " " * len(label)
    return [(indent + label if i == 0 else below) + line for i, line in enumerate(_clean(text).split("\n"))]


def _row(row: Row) -> str:
    label, text = row
    return f'<tr><th scope="row">{escape(label)}</th><td><code>{escape(_clean(text))}</code></td></tr>'


def _clean(text: str) -> str:
    """Without letters that steer a terminal or turn the direction of reading: a student's text is shown, not obeyed."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode("ascii")
        for letter in text.replace("\r\n", "\n").expandtabs(4)
    )
