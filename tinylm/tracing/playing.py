"""The player of a trace: what each key does and what is then shown; knows no terminal, so a test can press keys."""

import math
from collections.abc import Callable

import numpy as np

from tinylm.tracing.backward import walk
from tinylm.tracing.positions import Positions, Spell
from tinylm.tracing.screens import Line, step_lines, table_lines, values_lines, wrapped
from tinylm.tracing.select import NotInTrace, Part
from tinylm.tracing.step import TraceStep
from tinylm.tracing.stepper import Stepper
from tokenizer.show.characters import crop, display_width, pad

__all__ = ["HELP", "Player"]

HELP = """n  space  →      the next step
p  ←             the step before
↑  ↓  Tab        choose an array of the step
g                go to: a number, a module (h.0.attn), an op, a kind, nan, inf
/                search for words; / and Enter again: the next that has them
m  M             the next module, the one before
b  B             where another kind begins: backward, update, choice, the next pass
< >  Home End    the first step, the last
v                the values of the chosen array; arrows page, [ and ] take other heads or rows of the batch
w                why: the receipt of a merge, a choice or an update
d                for a backward step: its gradients against numerical derivatives
t                the steps around this one
h  ?             this help
q  Esc           back to the step; from there q leaves"""

FOOT = (
    "n next", "p back", "g go to", "/ find", "h help", "m module", "b kind", "v values", "w why", "t table",
    "d derivative", "q quit",
)  # fmt: skip
BACK = ("n next", "p back", "arrows move", "q back to the step")


class Player:
    """Where a person is in a trace, and what they look at.

    part    the trace, or a part of it
    title   what stands above it
    why     makes the receipt of a step, and of the number at an index of a parameter, as text; raises ValueError or
            IndexError where there is none
    """

    def __init__(
        self, part: Part, title: str, why: Callable[[TraceStep, tuple[int, ...]], str], spell: Spell | None = None
    ):
        self.stepper, self.title, self._why = Stepper(part), title, why
        self.positions = Positions(part, spell)
        self.view, self.message, self.asking, self.typed = "step", "", "", ""
        self.chosen, self.scroll, self.lead, self.corner = 0, 0, 0, (0, 0)
        self._text, self._page, self._room = "", (1, 1), 1
        try:
            self._arrived = {node.backward.number: node.arrived for node in walk(part)}
        except (NotInTrace, ValueError):  # no backward in it, or one whose forward nobody saw
            self._arrived = {}

    # -- keys --------------------------------------------------------------------------------------------

    def press(self, key: str) -> bool:
        """Do what a key asks: a character, or "left", "right", "up", "down", "home", "end", "pageup", "pagedown",
        "enter", "escape", "backspace", "tab". Returns False where the player is left."""
        if self.asking:
            self._type(key)
            return True
        self.message = ""
        before = self.stepper.step
        try:
            going = self._command(key)
        except (IndexError, NotInTrace, ValueError) as problem:
            self.message, going = str(problem), True
        if self.stepper.step is not before:
            self._moved()
        return going

    def _moved(self) -> None:
        """Arrived at another step: look at its output."""
        parts = self.arrays
        self.chosen = next((i for i, (part, _) in enumerate(parts) if part == "outputs"), 0)
        self.scroll = self.lead = 0
        self.corner = (0, 0)
        if self.view == "text" or (self.view == "values" and not parts):
            self.view = "step"

    @property
    def arrays(self) -> list[tuple[str, str]]:
        return [(part, name) for part in ("inputs", "kept", "outputs") for name in getattr(self.stepper.step, part)]

    def _command(self, key: str) -> bool:
        if key in ("q", "escape"):
            if self.view == "step":
                return key != "q"
            self.view = "step"
        elif key in ("g", "/"):
            self.asking, self.typed = key, ""
        elif key in ("n", " ", "p", "m", "M", "b", "B", "<", ">") or (
            self.view != "values" and key in ("left", "right", "home", "end")
        ):
            self._move(key)
        elif key in ("v", "t", "h", "?"):
            self._look(key)
        elif key == "w":
            self._read(self._why(self.stepper.step, self._index()))
        elif key == "d":
            self._derivative()
        elif key == "tab":
            self._choose(1)
        elif self.view == "values":
            self._page_values(key)
        elif self.view == "step" and key in ("up", "down"):
            self._choose(1 if key == "down" else -1)
        elif key in ("up", "down", "pageup", "pagedown"):
            if self.view == "table":
                count = self._room if key.startswith("page") else 1
                (self.stepper.next if key.endswith("down") else self.stepper.back)(count)
            else:
                self.scroll += {"up": -1, "down": 1, "pageup": -self._room, "pagedown": self._room}[key]
        elif key != "enter":
            self.message = "no such key; h shows them all"
        return True

    def _move(self, key: str) -> None:
        stepper = self.stepper
        moved = {
            "n": stepper.next, " ": stepper.next, "right": stepper.next, "p": stepper.back, "left": stepper.back,
            "m": stepper.next_module, "M": stepper.back_module, "b": stepper.next_kind, "B": stepper.back_kind,
            "<": stepper.first, "home": stepper.first, ">": stepper.last, "end": stepper.last,
        }[key]()  # fmt: skip
        if not moved:
            self.message = "this is the first step" if stepper.place == 0 else "this is the last step"

    def _look(self, key: str) -> None:
        if key == "v":
            if not self.arrays:
                raise ValueError("this step has no arrays")
            self.view = "step" if self.view == "values" else "values"
        elif key == "t":
            self.view = "step" if self.view == "table" else "table"
        else:
            self._read(HELP)

    def _read(self, text: str) -> None:
        self.view, self._text, self.scroll = "text", text, 0

    def _derivative(self) -> None:
        step = self.stepper.step
        if step.kind != "backward":
            raise ValueError("only a backward step has gradients to check; b goes to the next kind")
        node = next(node for node in walk(self.stepper.part) if node.backward is step)
        self._read("\n".join([step.title, "", *node.ways(), "", node.equation, "", str(node.check())]))

    def _index(self) -> tuple[int, ...]:
        """Which number of a parameter is asked for: the first that is shown, else the one of largest gradient."""
        step = self.stepper.step
        g = step.inputs.get("g")
        if step.kind != "update" or not isinstance(g, np.ndarray):
            return ()
        if self.view != "values":
            return tuple(int(i) for i in np.unravel_index(int(np.abs(g).argmax()), g.shape))
        if g.ndim < 2:
            return (min(self.corner[0] * self._page[1], g.size - 1),) * g.ndim
        return (*(int(i) for i in np.unravel_index(self.lead, g.shape[:-2])), *self.corner)

    def _choose(self, by: int) -> None:
        if self.arrays:
            self.chosen = (self.chosen + by) % len(self.arrays)
            self.lead, self.corner = 0, (0, 0)

    def _page_values(self, key: str) -> None:
        part, name = self.arrays[self.chosen]
        shape = getattr(self.stepper.step, part)[name].shape
        rows, across = self._page
        if key in ("[", "]"):
            self.lead = (self.lead + (1 if key == "]" else -1)) % max(1, math.prod(shape[:-2]))
            return
        moves = {"up": (-rows, 0), "down": (rows, 0), "left": (0, -across), "right": (0, across),
                 "pageup": (-rows, 0), "pagedown": (rows, 0)}  # fmt: skip
        if key == "home":
            self.corner = (0, 0)
        elif key in moves:
            down, right = (self.corner[i] + moves[key][i] for i in (0, 1))
            tall, wide = shape[-2:] if len(shape) > 1 else (-(-math.prod(shape) // across), 1)
            self.corner = (down if 0 <= down < tall else self.corner[0], right if 0 <= right < wide else self.corner[1])
        elif key not in ("end", "enter"):
            self.message = "no such key; h shows them all"

    def _type(self, key: str) -> None:
        """A character of what was asked for at the foot."""
        if key == "escape":
            self.asking = ""
        elif key == "backspace":
            self.typed = self.typed[:-1]
        elif key == "enter":
            asked, self.asking = self.asking, ""
            before = self.stepper.step
            try:
                if asked == "/":
                    self.stepper.search(self.typed)
                elif self.typed.strip():
                    self.stepper.jump(self.typed)
                self.message = "" if self.stepper.step is not before else "no other step"
            except NotInTrace as problem:
                self.message = str(problem)
            if self.stepper.step is not before:
                self._moved()
        elif len(key) == 1 and key.isprintable():
            self.typed += key

    # -- what is shown -----------------------------------------------------------------------------------

    def lines(self, width: int, height: int) -> list[Line]:
        """The screen: exactly `height` lines of at most `width` columns."""
        width, height = max(width, 20), max(height, 5)
        foot = self._foot(width)
        room = height - 2 - len(foot)
        body = self._body(width, room)
        shown = [*self._head(width), *body[:room]]
        shown += [[] for _ in range(height - len(foot) - len(shown))]
        return [*shown[: height - len(foot)], *foot][:height]

    def _head(self, width: int) -> list[Line]:
        stepper = self.stepper
        count, step = len(stepper.steps), stepper.step
        done = round(10 * (stepper.place + 1) / count)
        where = f" step {step.number} ({stepper.place + 1} of {count}) "
        bar = f"{'━' * done}{'─' * (10 - done)} " if width > 60 else ""
        left = crop(f" {step.kind}  {self.title}", max(4, width - len(where) - len(bar)))
        line = pad(left, width - len(where) - len(bar)) + where + bar
        return [[(crop(line, width), "head")], []]

    def _body(self, width: int, room: int) -> list[Line]:
        step, self._room = self.stepper.step, max(1, room)
        if self.view == "values":
            part, name = self.arrays[self.chosen]
            lines, *page = values_lines(step, part, name, self.lead, self.corner, width, room, self.positions)
            self._page = (page[0], page[1])
            return lines
        if self.view == "table":
            return table_lines(self.stepper, width, room)
        if self.view == "text":
            lines = [[(piece, "")] for line in self._text.splitlines() for piece in _broken(line, width)]
        else:
            chosen = " ".join(self.arrays[self.chosen]) if self.arrays else ""
            lines = step_lines(step, chosen, width, self.positions, self._arrived.get(step.number, ()))
            around = self._around(width, room - len(lines))
            lines += [[] for _ in range(room - len(lines) - len(around))] + around
        self.scroll = min(max(self.scroll, 0), max(0, len(lines) - room))
        if len(lines) - self.scroll > room and self.view == "text":
            lines[self.scroll + room - 1] = [(" … ↓ for more", "faint")]
        return lines[self.scroll :]

    def _around(self, width: int, room: int) -> list[Line]:
        """The step before and the next two, where there is room for them."""
        if room < 5:
            return []
        steps, place = self.stepper.steps, self.stepper.place
        shown = [(name, steps[at]) for name, at in (("before", place - 1), ("next", place + 1), ("", place + 2))
                 if 0 <= at < len(steps)]  # fmt: skip
        return [
            [(crop(f" {name:<7}{step.number:>4} {step.kind:<9}{step.title}", width), "faint")] for name, step in shown
        ]

    def _foot(self, width: int) -> list[Line]:
        if self.asking:
            asked = {"g": "go to (number, module, op, kind, nan): ", "/": "search: "}[self.asking]
            return [[(asked, "bold"), (f"{crop(self.typed, max(4, width - len(asked) - 2))}▏", "")]]
        said: list[Line] = [[(line, "warn")] for line in wrapped(self.message, width, " ")[:2]]
        *first, last = FOOT if self.view == "step" else BACK
        line = ""
        for part in first:
            if len(line) + len(part) + len(last) + 5 <= width:
                line += f" {part} "
        return [*said, [(f"{line} {last}", "faint")]]


def _broken(line: str, width: int) -> list[str]:
    """A line as it is where it has room, else broken, its parts set in."""
    if display_width(line) < width:
        return [f" {line}"]
    first, *rest = wrapped(line, width, " " * (1 + len(line) - len(line.lstrip())))
    return [first, *wrapped(" ".join(rest), width, " " * (5 + len(line) - len(line.lstrip())))]
