"""An automaton as a table and as a graph in DOT, and the tokens that a state allows, as text; prints nothing."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from tinylm.constrain.automaton import DEAD, Automaton
from tinylm.constrain.processor import ENDED, Regex

__all__ = ["dot", "listing", "table"]


def table(automaton: Automaton, *, most: int = 40) -> str:
    """The states, what each of them reads, and where that leads; * marks those in which the text is a match.

    most    how many states are shown, those nearest to the start

    >>> print(table(Automaton("[0-9]+(,[0-9]+)*")))
    state  reads
        1  0-9 → 2
        2* , → 3   0-9 → 2
        3  0-9 → 4
        4* , → 3   0-9 → 4
    """
    lines = ["state  reads"]
    states, more = _reached(automaton, most)
    for state in states:
        arrows = "   ".join(f"{_bytes(ranges)} → {after}" for after, ranges in _arrows(automaton, state))
        lines.append(f"{state:5}{'*' if automaton.accepts(state) else ' '} {arrows or 'nothing'}")
    return "\n".join(lines + ["  ...  more states"] * more)


def dot(automaton: Automaton, *, most: int = 40) -> str:
    """The same as a graph in the language DOT, which Graphviz draws; double circles are matches.

    >>> print(dot(Automaton("a|b")))
    digraph {
      rankdir=LR; node [shape=circle]; "" [shape=none]; "" -> 1;
      2 [shape=doublecircle];
      1 -> 2 [label="a-b"];
    }
    """
    states, _ = _reached(automaton, most)
    lines = [f"  {state} [shape=doublecircle];" for state in states if automaton.accepts(state)]
    for state in states:
        for after, ranges in _arrows(automaton, state):
            label = _bytes(ranges).replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'  {state} -> {after} [label="{label}"];')
    start = f'  rankdir=LR; node [shape=circle]; "" [shape=none]; "" -> {automaton.start};'
    return "\n".join(["digraph {", start, *lines, "}"])


def listing(regex: Regex, text: Sequence[int] = (), *, most: int = 20) -> str:
    """Where a text has come to in the automaton, and which tokens may come next.

    most    how many tokens are shown, the longest first: they say most about what is possible

    >>> from tokenizer import CharTokenizer
    >>> tok = CharTokenizer("0123456789,; ")
    >>> print(listing(Regex("[0-2]+(,[0-2]+)*", tok, stops=tok.encode(";")), tok.encode("12")))
    '12': state 2, a match; 5 of 13 ids are allowed
    stop ids: 12
    ',' '0' '1' '2'
    """
    state, allowed = regex.state(text), regex.allowed(text)
    written = b"".join(regex.tokens[i] for i in text if i in regex.tokens).decode(errors="backslashreplace")
    where = "ended" if state == ENDED else f"state {state}, {'a' if regex.matches(text) else 'not yet a'} match"
    ids = len({*regex.tokens, *regex.stops})
    lines = [f"{written!r}: {where}; {len(allowed)} of {ids} ids are allowed"]
    if stops := [str(i) for i in allowed if i in regex.stops]:
        lines.append("stop ids: " + ", ".join(stops))
    tokens = sorted({regex.tokens[i] for i in allowed if i in regex.tokens}, key=lambda token: (-len(token), token))
    if tokens:
        shown = [repr(token.decode(errors="backslashreplace")) for token in tokens[:most]]
        lines.append(" ".join(shown) + (f" and {len(tokens) - most} more" if len(tokens) > most else ""))
    return "\n".join(lines)


def _reached(automaton: Automaton, most: int) -> tuple[list[int], bool]:
    """The first states that a walk from the start meets, breadth first, and whether there are more."""
    states = [automaton.start]
    for state in states:
        for after, _ in _arrows(automaton, state):
            if after not in states:
                if len(states) >= most:
                    return states, True
                states.append(after)
    return states, False


def _arrows(automaton: Automaton, state: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Where a state leads, and by which ranges of bytes, in the order of the first."""
    automaton.ready(np.array([state]))
    found: dict[int, list[tuple[int, int]]] = {}
    for after, run in groupby(enumerate(automaton.table[state].tolist()), key=lambda pair: pair[1]):
        values = [byte for byte, _ in run]
        if after != DEAD:
            found.setdefault(after, []).append((values[0], values[-1]))
    return iter(found.items())


def _bytes(ranges: list[tuple[int, int]]) -> str:
    """Ranges of bytes: signs as they are, others as two hexadecimal digits."""

    def sign(byte: int) -> str:
        return chr(byte) if 0x21 <= byte <= 0x7E else f"{byte:02X}"

    return " ".join(sign(a) if a == b else f"{sign(a)}-{sign(b)}" for a, b in ranges)
