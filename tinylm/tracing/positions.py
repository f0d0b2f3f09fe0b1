"""What the ids and the positions of a trace are in text, as far as its own steps tell; knows no screen."""

from collections.abc import Callable

import numpy as np

from tinylm.tracing.select import Part
from tinylm.tracing.step import TraceStep

__all__ = ["Positions", "Spell", "letters_of"]

Spell = Callable[[int], str | None]


def letters_of(step: TraceStep, name: str) -> str:
    """The letters of an array; the weights of an attention, which its docstring does not list, are as its gates."""
    found = step.letters.get(name, "")
    queries = step.letters.get("q", step.letters.get("dq", ""))
    if not found and name in ("p", "gates") and step.op.endswith("attention") and queries:
        return f"{queries.rpartition(',')[0]}, S)"
    return found


class Positions:
    """Tokens for ids, and for the places along the axes that the README's letters call T and S.

    spell   the token of an id, with its spaces to be seen; without it those of encodings and choices are known

    An axis T is labelled by the ids that the last embedding before a step looked up, one row of them; an axis S, which
    may be longer where keys are cached, by the last of all ids that were.
    """

    def __init__(self, part: Part, spell: Spell | None = None):
        self._names: dict[int, str] = {}
        self._spell = spell
        self._read: list[tuple[int, list[int]]] = []  # number of a step, the ids that it looked up
        for step in part.steps:
            if step.kind == "encode" and isinstance(step.outputs.get("ids"), np.ndarray):
                ids = np.asarray(step.outputs["ids"]).tolist()
                self._names.update(zip(ids, step.settings.get("tokens", []), strict=False))
            elif step.kind == "choice" and str(step.settings.get("text", "token")) != "token":
                self._names[int(step.settings["token"])] = str(step.settings["text"]).strip("'\"")
            elif step.kind == "forward" and step.op == "embedding":
                ids_read = step.inputs.get("ids")
                if isinstance(ids_read, np.ndarray) and ids_read.size and ids_read.size == ids_read.shape[-1]:
                    self._read.append((step.number, ids_read.reshape(-1).tolist()))

    def name(self, token: int) -> str:
        """The token of an id, "" where it is not known."""
        found = self._spell(token) if self._spell is not None else None
        return found or self._names.get(token, "")

    def axis(self, step: TraceStep, letters: str, axis: int, size: int) -> list[str] | None:
        """The tokens along an axis, or None where they are not known."""
        named = [letter.strip() for letter in letters.strip("()").split(",") if letter.strip()]
        if axis >= len(named) or named[axis] not in ("T", "S"):
            return None
        past = [ids for number, ids in self._read if number <= step.number]
        if not past:
            return None
        ids = past[-1]
        if len(ids) < size and named[axis] == "S":
            ids = [token for earlier in past for token in earlier]
        if len(ids) < size or (named[axis] == "T" and len(ids) != size):
            return None
        names = [self.name(token) for token in ids[-size:]]
        return names if any(names) else None
